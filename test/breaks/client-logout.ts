// What is broken for test/client/logout.test.ts.

import type { Area } from './break.ts'

const CLIENT = 'src/client/client.ts'
const UNREACHABLE = 'CL-06 who logs out where the server cannot be reached is signed out in all tabs'
const LAST = 'who logs out and closes the last page is logged out by the next one, which shows nobody'
const LATE = 'a refresh that is under way signs nobody in again, in whichever tab it is'
const EARLY = 'who signs in before the server was told stays signed in'
const STORAGES = 'logging out clears the storages of the page and the cookies'
const AGAIN = 'a server that could not answer is told again when it says, and no sooner'

export const clientLogout: Area = {
  test: 'test/client/logout.test.ts',
  breaks: [
    {
      titles: [UNREACHABLE],
      what: 'who logs out is signed out when the server has answered',
      file: CLIENT,
      find: "    leave()\n    tabs.tell('out')\n    return end()\n",
      replace: "    isEnding = true\n    return end().then(() => {\n      leave()\n      tabs.tell('out')\n    })\n",
    },
    {
      titles: [UNREACHABLE],
      what: 'a logout that the server did not hear of is forgotten',
      file: CLIENT,
      find: 'if (error.status !== 204 && error.status !== 401) fail(error)',
      replace: 'if (error.status >= 500) fail(error)',
    },
    {
      titles: ['the tab where somebody logged out may close: another tells the server'],
      what: 'a tab leaves it to the other one to tell the server',
      file: CLIENT,
      find: '  function onOut(): void {\n    leave()\n',
      replace: '  function onOut(): void {\n    reset(null)\n',
    },
    {
      titles: ['a tab that opens before the server was told does not bring the session back'],
      what: 'who is to tell the server goes on with the session that is still there',
      file: CLIENT,
      find: 'if (held && held.sid !== sid) return enter(held)',
      replace: 'if (held) return enter(held)',
    },
    {
      titles: [LAST],
      what: 'a logout that is to be told does not outlive the page',
      file: CLIENT,
      find: "    owed(name, store.held?.sid ?? '')\n",
      replace: '',
    },
    {
      titles: [LAST],
      what: 'a page that is to tell the server does not yet say signed out',
      file: CLIENT,
      find: 'store.set(isEnding ? null : undefined)',
      replace: 'store.set(undefined)',
    },
    {
      titles: [LAST],
      what: 'a logout that was told is to be told again',
      file: CLIENT,
      find: '    isEnding = false\n    owed(name, null)\n',
      replace: '    isEnding = false\n',
    },
    {
      titles: ['a logout that came late does not end the session of whoever signed in meanwhile, and not here'],
      what: 'a late logout ends whatever session there is',
      file: CLIENT,
      find: '      if (held && held.sid !== sid) return enter(held)\n',
      replace: '',
    },
    {
      titles: ['who logs out while somebody signs in, here or in another tab, is logged out'],
      what: 'a login that was under way signs in after the logout',
      file: CLIENT,
      find: 'if (wasEnding || !isEnding) enter(held)',
      replace: 'enter(held)',
    },
    {
      titles: [AGAIN],
      what: 'a server that could not answer is told again at once',
      file: CLIENT,
      find: '    notBefore = steadyClock() + retryAfter * 1000\n',
      replace: '',
    },
    {
      titles: [AGAIN],
      what: 'when the server wants to be told again is not heard',
      file: 'src/client/routes.ts',
      find: 'seconds > 0 ? Math.min(seconds, MAX_RETRY_AFTER) : undefined',
      replace: 'undefined',
    },
    {
      titles: [LATE],
      what: 'the answer to a refresh counts although somebody has logged out',
      file: CLIENT,
      find: '      if (flight !== mine) return\n      if (held) enter(held)',
      replace: '      if (held) enter(held)',
    },
    {
      titles: [LATE],
      what: 'a tab believes another one whose refresh was answered before the logout',
      file: CLIENT,
      find: '    if (sid && sid === owed(name)) return\n',
      replace: '',
    },
    {
      titles: [EARLY],
      what: 'the tab where somebody signs in goes on to tell the server of the logout',
      file: CLIENT,
      find: '    settle()\n    reset(held)\n',
      replace: '    reset(held)\n',
    },
    {
      titles: [EARLY],
      what: 'another tab goes on to tell the server of the logout',
      file: CLIENT,
      find: '    settle()\n    if (store.held?.sid !== sid)',
      replace: '    if (store.held?.sid !== sid)',
    },
    {
      titles: [STORAGES],
      what: 'a logout leaves the storages',
      file: 'src/koa/delivery.ts',
      find: "      if (settings.clearSiteData !== '') ctx.set('Clear-Site-Data', settings.clearSiteData)\n",
      replace: '',
    },
    {
      titles: [STORAGES],
      what: 'a logout leaves the refresh cookie',
      file: 'src/koa/delivery.ts',
      find: "    if (transport === 'cookie') setCookie(ctx, refreshCookie, undefined)\n",
      replace: '',
    },
    {
      titles: ['a page that comes back from the cache after a logout shows nobody signed in'],
      what: 'a page that is put aside keeps who is signed in',
      file: CLIENT,
      find: '    reset(undefined)\n  }\n\n  function listen',
      replace: '  }\n\n  function listen',
    },
    {
      titles: ['a page that comes back from the cache while the session lives has it again'],
      what: 'a page that comes back does not begin again',
      file: CLIENT,
      find: '      if (!isActive) start()\n',
      replace: '',
    },
    {
      titles: ['a page that comes back from the cache shows who has signed in since it logged out'],
      what: 'a page that logged out and comes back is still to tell the server',
      file: CLIENT,
      find: 'isEnding = owed(name) !== undefined',
      replace: 'isEnding ||= owed(name) !== undefined',
    },
  ],
}
