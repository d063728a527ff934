// What is broken for test/client/tabs.test.ts.

import type { Area } from './break.ts'

const CLIENT = 'src/client/client.ts'
const TABS = 'src/client/tabs.ts'
const TURNS = 'src/client/turns.ts'
const ONCE = 'CL-05 three tabs with twenty calls each refresh once'
const SLOW = 'a tab whose messages are slow asks the others before the server'
const IN = 'who signs in in one tab is signed in in all, and so is who comes next'
const OUT = 'CL-06 who logs out in one tab is signed out in all, and no token is left'
const BESIDE = 'a tab that opens beside others is signed in with one refresh at most, and nobody else needs one'
const OTHERS = 'CL-07 messages of others change nothing'

export const clientTabs: Area = {
  test: 'test/client/tabs.test.ts',
  breaks: [
    {
      titles: [ONCE],
      what: 'tabs do not wait for their turn',
      file: TURNS,
      find: 'lock ? work(false) : locks.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => work(true))',
      replace: 'work(!lock)',
    },
    {
      titles: [ONCE],
      what: 'tabs know of no turns',
      file: TURNS,
      find: 'lock ? work(false) : locks.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => work(true))',
      replace: 'work(false)',
    },
    {
      titles: [ONCE],
      what: 'each call of a tab refreshes for itself',
      file: CLIENT,
      find: '    if (flight) return flight\n',
      replace: '',
    },
    {
      titles: [SLOW],
      what: 'who had to wait does not ask the other tabs',
      file: CLIENT,
      find: '      if ((isLate || isBehind) && tabs.hasOthers && flight === mine) await pull()\n',
      replace: '',
    },
    {
      titles: [IN],
      what: 'a login is not told to the other tabs',
      file: CLIENT,
      find: "    tabs.tell('in', held.sid)\n",
      replace: '',
    },
    {
      titles: [IN],
      what: 'a tab does not take the session of whoever signed in after its own',
      file: CLIENT,
      find: '    if (store.held?.sid !== sid) reset(undefined)\n',
      replace: '    if (!store.held) reset(undefined)\n',
    },
    {
      titles: [OUT],
      what: 'a logout is not told to the other tabs',
      file: CLIENT,
      find: "    leave()\n    tabs.tell('out')\n",
      replace: '    leave()\n',
    },
    {
      titles: [OUT],
      what: 'that the server was told is not told to the other tabs',
      file: CLIENT,
      find: "      settle()\n      tabs.tell('told')\n",
      replace: '      settle()\n',
    },
    {
      titles: ['a session that the server has ended ends in all tabs as soon as one of them notices'],
      what: 'the tab that notices keeps it to itself',
      file: CLIENT,
      find: "        if (old) tabs.tell('end', old.sid)\n",
      replace: '',
    },
    {
      titles: [BESIDE],
      what: 'a tab does not hand its token over',
      file: CLIENT,
      find: '    else if (held && untilDue(held) > 0) void tabs.hand(held, from)\n',
      replace: '    else if (held && untilDue(held) > 0) void held\n',
    },
    {
      titles: [BESIDE],
      what: 'a refresh makes the tokens of other tabs worthless',
      file: 'src/koa/delivery.ts',
      find: 'joinFingerprints(fingerprints)',
      replace: 'joinFingerprints(fingerprints.slice(0, 1))',
    },
    {
      titles: ['CL-07 nothing that is on the channel shows the token to who only listens'],
      what: 'what a tab hands over is not encrypted',
      file: 'src/client/seal.ts',
      find: 'await subtle.encrypt({ name: CIPHER, iv }, await keyWith(to), new TextEncoder().encode(text))',
      replace: '(await keyWith(to)) && new TextEncoder().encode(text).buffer',
    },
    {
      titles: [OTHERS],
      what: 'a message of another version is heard',
      file: TABS,
      find: 'return v === 1 && [',
      replace: 'return v !== undefined && [',
    },
    {
      titles: [OTHERS],
      what: 'a message for another tab is heard',
      file: TABS,
      find: 'if (data.to === undefined || data.to === sealer?.name) handlers',
      replace: 'handlers',
    },
    {
      titles: [OTHERS],
      what: 'a message may name any property as its kind',
      file: TABS,
      find: '!Object.hasOwn(handlers, data.t)',
      replace: '!(data.t in handlers)',
    },
    {
      titles: [OTHERS],
      what: 'a message may be of any length',
      file: TABS,
      find: "typeof text === 'string' && text.length <= MAX_TEXT",
      replace: "typeof text === 'string'",
    },
    {
      titles: [OTHERS],
      what: 'the end of any session ends the own one',
      file: CLIENT,
      find: 'if (sid && store.held?.sid === sid) reset(null)',
      replace: 'if (sid) reset(null)',
    },
    {
      titles: [OTHERS],
      what: 'a gift that is not sealed is taken',
      file: TABS,
      find: '      if (!sealed || !(sealed.data.byteLength <= MAX_SEALED)) return\n',
      replace: "      if (sealed && 'token' in sealed) return news.gift(sealed)\n      if (!sealed) return\n",
    },
    {
      titles: ['a token that a script of the page plants is refused by the server and replaced'],
      what: 'a token that was handed over is not replaced when it is refused',
      file: 'src/client/fetch.ts',
      find: 'if (isCurrent && !used.isFutile)',
      replace: 'if (isCurrent && !used.isFutile && !used.isGift)',
    },
    {
      titles: ['without Web Locks every tab goes on, and nobody is logged out'],
      what: 'a browser without locks is not given a turn',
      file: TURNS,
      find: 'await locks.request(name, { ifA',
      replace: 'await locks?.request(name, { ifA',
    },
    {
      titles: ['without Web Locks that work every tab goes on, and nobody is logged out'],
      what: 'a browser that denies a lock is not given a turn',
      file: TURNS,
      find: '    await work(true)\n',
      replace: '    if (!navigator.locks) await work(true)\n',
    },
    {
      titles: ['without BroadcastChannel every tab goes on, and nobody is logged out'],
      what: 'every browser is taken for one with a BroadcastChannel',
      file: TABS,
      find: '      if (!globalThis.BroadcastChannel) return\n',
      replace: '',
    },
    {
      titles: ['without WebCrypto every tab goes on, and nobody is logged out'],
      what: 'every browser is taken for one with WebCrypto',
      file: TABS,
      find: 'await createSealer().catch(() => undefined)',
      replace: 'await createSealer()',
    },
  ],
}
