// What is broken for test/client/time.test.ts.

import type { Area } from './break.ts'

const CLIENT = 'src/client/client.ts'
const SESSION = 'src/client/session.ts'
const SECONDS_LEFT =
  '{ lifetime, wall, steady }: Held): number {\n  return lifetime - Math.max(wallClock() - wall, steadyClock() - steady) / 1000'
const HIDDEN = 'a page that nobody sees does not keep the session alive, and looks again when it is seen'
const WAIT = 'while a server says to wait it is not asked, whatever is called, and then it is'
const AWAY = 'a server that is away is asked ever less often, and at least once a minute'
const LOADS = 'a page that loads while the server is away knows nothing, and keeps nothing waiting'

export const clientTime: Area = {
  test: 'test/client/time.test.ts',
  breaks: [
    {
      titles: [
        'with 15m and {} a token is replaced after 840 s',
        'with 15m and {"refreshAhead":120} a token is replaced after 780 s',
        'with 15m and {"refreshAhead":0} a token is replaced after 900 s',
      ],
      what: 'a token is always replaced after three quarters of its lifetime',
      file: CLIENT,
      find: 'Math.min(refreshAhead, held.lifetime / 4)',
      replace: 'held.lifetime / 4',
    },
    {
      titles: [
        'with 40s and {} a token is replaced after 30 s',
        'with 40s and {"refreshAhead":1000} a token is replaced after 30 s',
      ],
      what: 'refreshAhead holds however short a token lives',
      file: CLIENT,
      find: 'Math.min(refreshAhead, held.lifetime / 4)',
      replace: 'refreshAhead',
    },
    {
      titles: [HIDDEN],
      what: 'a page that nobody sees refreshes as well',
      file: CLIENT,
      find: 'if (!isActive || (held && globalThis.document?.hidden)) return',
      replace: 'if (!isActive) return',
    },
    {
      titles: [HIDDEN],
      what: 'a page does not look again when it is seen',
      file: CLIENT,
      find: "    listen('visibilitychange', look)\n",
      replace: '',
    },
    {
      titles: [HIDDEN],
      what: 'a page that nobody sees does not even refresh for its own calls',
      file: CLIENT,
      find: 'if (steadyClock() >= notBefore) await',
      replace: 'if (steadyClock() >= notBefore && !document.hidden) await',
    },
    {
      titles: ['the machine slept, and one clock with it: one refresh, and nobody is logged out'],
      what: 'only the clock that stands still while the machine sleeps is asked',
      file: SESSION,
      find: 'Math.max(wallClock() - wall, steadyClock() - steady)',
      replace: '(steadyClock() - steady)',
    },
    {
      titles: ['the clock was set back while the token ended: one refresh, and nobody is logged out'],
      what: 'only the clock that can be set is asked',
      file: SESSION,
      find: 'Math.max(wallClock() - wall, steadyClock() - steady)',
      replace: '(wallClock() - wall)',
    },
    {
      titles: ['both clocks are wrong: one refresh, and nobody is logged out'],
      what: 'a token that is refused is not replaced',
      file: 'src/client/fetch.ts',
      find: 'tries < 2',
      replace: 'tries < 0',
    },
    {
      titles: [
        'the clock was set forward: one refresh, and nobody is logged out',
        'the clock was set forward by years: one refresh, and nobody is logged out',
      ],
      what: "the client's clock is compared with the server's time in the token",
      file: SESSION,
      find: SECONDS_LEFT,
      replace: "{ token }: Held): number {\n  return Number(readClaims(token)?.['exp']) - wallClock() / 1000",
    },
    {
      titles: ['who is offline stays signed in, and goes on when the network is back'],
      what: 'no answer to a refresh signs out',
      file: CLIENT,
      find: 'held ?? (error.status === 401 ? null : fail(error))',
      replace: 'held ?? (error.status === 401 || error.status === 0 ? null : fail(error))',
    },
    {
      titles: ['who is offline stays signed in, and goes on when the network is back'],
      what: 'the network is back, and nobody looks',
      file: CLIENT,
      find: "    listen('online', () => {\n      notBefore = 0\n",
      replace: "    listen('online', () => {\n",
    },
    {
      titles: ['only a 401 to the refresh signs out'],
      what: 'a refresh that is refused for any reason signs out',
      file: CLIENT,
      find: 'error.status === 401 ? null : fail(error)',
      replace: 'error.status >= 400 && error.status < 500 ? null : fail(error)',
    },
    {
      titles: ['only a 401 to the refresh signs out'],
      what: 'a 401 to the refresh does not sign out',
      file: CLIENT,
      find: 'error.status === 401 ? null : fail(error)',
      replace: 'fail(error)',
    },
    {
      titles: [WAIT],
      what: 'a call asks the server that says to wait',
      file: CLIENT,
      find: 'if (steadyClock() >= notBefore) await',
      replace: 'await',
    },
    {
      titles: [WAIT],
      what: 'what the server says of waiting is not heard',
      file: 'src/client/routes.ts',
      find: 'seconds > 0 ? Math.min(seconds, MAX_RETRY_AFTER) : undefined',
      replace: 'undefined',
    },
    {
      titles: [AWAY],
      what: 'a server that is away is asked every second',
      file: CLIENT,
      find: '    failures += 1\n',
      replace: '',
    },
    {
      titles: [AWAY],
      what: 'a server that is away is asked after ten minutes again',
      file: 'src/client/limits.ts',
      find: 'MAX_BACKOFF = 60',
      replace: 'MAX_BACKOFF = 600',
    },
    {
      titles: [LOADS],
      what: 'a page that gets no answer says signed out',
      file: CLIENT,
      find: 'held ?? (error.status === 401 ? null : fail(error))',
      replace: 'held ?? (error.status === 401 || store.held === undefined ? null : fail(error))',
    },
    {
      titles: [LOADS],
      what: 'a call waits until the session is known',
      file: CLIENT,
      find: 'isDue: () => !isEnding && isDue(),\n      async renew() {\n',
      replace:
        'isDue: () => !isEnding && (isDue() || !store.held),\n      async renew() {\n        await store.ready\n',
    },
  ],
}
