// What is broken for test/client/session.test.ts.

import type { Area } from './break.ts'

const CLIENT = 'src/client/client.ts'
const ROUTES = 'src/client/routes.ts'
const SESSION = 'src/client/session.ts'
const VISITOR = 'a visitor is signed out, then signed in, and signed out again'
const RELOAD = 'a reload keeps the session, and shows nobody signed out meanwhile'
const PLACES = 'CL-01 the token is in no storage, no cookie, no URL and no global'
const SNAPSHOT = 'the snapshot is frozen, the same until something changes, and a new one then'
const LISTENER = 'a listener that throws is reported, and stops neither the others nor the client'
const ERRORS = 'a wrong password, and what else a login may answer, are errors with a code'
const OPTIONS = 'a wrong option is a TypeError that names it'

export const clientSession: Area = {
  test: 'test/client/session.test.ts',
  breaks: [
    {
      titles: [VISITOR],
      what: 'a logout leaves the cookies',
      file: 'src/koa/delivery.ts',
      find: '      clear(ctx)\n      if (settings.clearSiteData',
      replace: '      if (settings.clearSiteData',
    },
    {
      titles: [VISITOR],
      what: 'a logout leaves the token in the page',
      file: CLIENT,
      find: '    leave()\n    tabs.tell',
      replace: '    isEnding = true\n    tabs.tell',
    },
    {
      titles: [RELOAD],
      what: 'a page that does not know yet says signed out',
      file: SESSION,
      find: "held === null ? 'signed-out' : 'unknown'",
      replace: "'signed-out'",
    },
    {
      titles: [PLACES],
      what: 'the token is kept in sessionStorage',
      file: SESSION,
      find: '      store.held = held\n',
      replace: "      store.held = held\n      sessionStorage.setItem('token', held?.token ?? '')\n",
    },
    {
      titles: [PLACES],
      what: 'a global is left from looking for a bug',
      file: CLIENT,
      find: '  const store = createStore()\n',
      replace: '  const store = createStore()\n  Object.assign(globalThis, { holdfast: store })\n',
    },
    {
      titles: [PLACES],
      what: 'scripts can read the cookies',
      file: 'src/koa/cookies.ts',
      find: "    'HttpOnly',\n",
      replace: '',
    },
    {
      titles: [SNAPSHOT],
      what: 'the snapshot is not frozen',
      file: SESSION,
      find: "Object.freeze({\n    status: 'signed-in'",
      replace: "Object.assign({\n    status: 'signed-in'",
    },
    {
      titles: [SNAPSHOT],
      what: 'what is in the claims is not frozen',
      file: SESSION,
      find: ', (_name, value: unknown) => Object.freeze(value))',
      replace: ')',
    },
    {
      titles: [SNAPSHOT],
      what: 'each look at the session makes a new snapshot',
      file: CLIENT,
      find: '    get session() {\n      return store.session',
      replace: '    get session() {\n      return Object.freeze({ ...store.session })',
    },
    {
      titles: [LISTENER],
      what: 'a listener that throws stops the others',
      file: SESSION,
      find: 'reportError(error)',
      replace: 'throw error',
    },
    {
      titles: [LISTENER],
      what: 'what a listener throws is swallowed',
      file: SESSION,
      find: 'reportError(error)',
      replace: 'void error',
    },
    {
      titles: [ERRORS],
      what: 'a wrong password has no code of its own',
      file: ROUTES,
      find: "401: 'ERR_LOGIN_FAILED', ",
      replace: '',
    },
    {
      titles: [ERRORS],
      what: 'a server may tell the client to wait for a day',
      file: ROUTES,
      find: 'Math.min(seconds, MAX_RETRY_AFTER)',
      replace: 'seconds',
    },
    {
      titles: [ERRORS],
      what: 'an answer without a lifetime is a session',
      file: ROUTES,
      find: ' && Number.isFinite(lifetime) && Number.isFinite(wall)',
      replace: ' && Number.isFinite(wall)',
    },
    {
      titles: [ERRORS],
      what: 'an answer without a session id is a session',
      file: ROUTES,
      find: " && typeof sid === 'string'",
      replace: '',
    },
    {
      titles: ['with the token in a cookie the session is known all the same, but for who it is'],
      what: 'an answer without a token is no session',
      file: ROUTES,
      find: "const { token = '', sid",
      replace: 'const { token, sid',
    },
    {
      titles: ['an encrypted token signs in as well, and shows no claims'],
      what: 'a token that cannot be read is an error',
      file: SESSION,
      find: '  } catch {\n    return undefined\n',
      replace: "  } catch {\n    throw new TypeError('not a signed token')\n",
    },
    {
      titles: ['a client that is closed forgets the token and does nothing more'],
      what: 'a client that is closed goes on',
      file: CLIENT,
      find: '      listening.abort()\n      stop()\n',
      replace: '      listening.abort()\n',
    },
    {
      titles: [OPTIONS],
      what: 'a host that begins like localhost counts as this machine',
      file: 'src/client/options.ts',
      find: '(:\\d+)?$/',
      replace: '/',
    },
    {
      titles: [OPTIONS],
      what: 'the prefix may be the name of another host',
      file: 'src/client/options.ts',
      find: '/^(\\/[\\w.~-]+)+$/',
      replace: '/^\\//',
    },
    {
      titles: ['where there is no page nothing happens, and the session is not known'],
      what: 'a server that renders a page starts the client',
      file: CLIENT,
      find: 'if (globalThis.location) {',
      replace: 'if (globalThis.performance) {',
    },
  ],
}
