// What is broken for test/examples/demo-attacks-browser.test.ts.

import type { Area } from './break.ts'

const APP = 'examples/demo/app.ts'
const THIEF = 'examples/demo/attacks.ts'
const ATTACKS = 'examples/demo/public/attacks.js'
const LAB = 'examples/demo/public/lab.js'
const SWITCH = 'examples/demo/public/switch.js'
const THEFT = 'steal the token: the thief gets 401 beside the victim’s 200, and 200 from koa-jwt'
const MODES = 'the switch: with “end the session too” the theft signs the visitor out, and only then'
const FORGED = 'tamper and alg none: refused although both halves are there, by koa-jwt too'
const REPLAY = 'log out and replay: over for both halves, and koa-jwt has not heard of it'
const REFRESH = 'replay my old refresh token: the session ends, for the thief and on this page'
const RACE = 'two tabs race: both answered with the same successor, nobody logged out'
const NOBODY = 'without a session the buttons say what is missing, and do nothing'

export const demoAttacks: Area = {
  test: 'test/examples/demo-attacks-browser.test.ts',
  breaks: [
    {
      titles: [THEFT],
      what: 'the thief has the cookie as well',
      file: THIEF,
      find: '({ token }: Loot) => [askKit(token), askPlain(token)]',
      replace: '({ token, cookies }: Loot) => [askKit(token, cookies), askPlain(token)]',
    },
    {
      titles: [THEFT],
      what: 'there is no koa-jwt to compare with',
      file: APP,
      find: '  app.use(createPlain({ kit, issuer: origin }))\n',
      replace: '',
    },
    {
      titles: [THEFT],
      what: 'a thief who is let in is shown as a success',
      file: ATTACKS,
      find: 'isGood: status >= 400 }',
      replace: 'isGood: true }',
    },
    {
      titles: [THEFT],
      what: 'the line in the log is not shown',
      file: LAB,
      find: "    if (result.line) showLines(find('log-line'), [result.line])\n",
      replace: '',
    },
    {
      titles: [MODES],
      what: 'a theft does not end the session, whatever the switch says',
      file: APP,
      find: "{ ...settings, onSidejack: 'revoke' }",
      replace: '{ ...settings }',
    },
    {
      titles: [MODES],
      what: 'the next session is not told of the choice',
      file: SWITCH,
      find: '    sid = client.session.sid\n    settling = settle().catch(ignore)\n',
      replace: '    sid = client.session.sid\n',
    },
    {
      titles: [MODES],
      what: 'the page does not say that the kit let the session go on',
      file: ATTACKS,
      find: "if (mode === 'reject') return",
      replace: 'if (status === 200) return',
    },
    {
      titles: [FORGED],
      what: 'a forged token comes without the cookie',
      file: THIEF,
      find: '    { ...askKit(token, cookies), forged },\n',
      replace: '    { ...askKit(token, cookies.slice(1, 1)), forged },\n',
    },
    {
      titles: [FORGED],
      what: 'the button for alg none only changes a claim',
      file: THIEF,
      find: 'forge(loot, algNone(loot.token, anotherUser(loot)))',
      replace: 'forge(loot, tamper(loot.token, { claims: anotherUser(loot) }))',
    },
    {
      titles: [FORGED],
      what: 'what names nobody is in no timeline',
      file: 'examples/demo/event-log.ts',
      find: 'const owner = event.sub === undefined ? attacked : event',
      replace: 'const owner = event',
    },
    {
      titles: [REPLAY],
      what: 'the button does not log out',
      file: ATTACKS,
      find: '    await client.logout()\n',
      replace: '',
    },
    {
      titles: [REPLAY],
      what: 'a logout does not revoke the access token',
      file: 'src/session/end.ts',
      find: 'Promise.allSettled([revocations.add({ sid })])',
      replace: 'Promise.allSettled([Promise.resolve()])',
    },
    {
      titles: [REFRESH],
      what: 'the token that is replayed is none that is too old',
      file: ATTACKS,
      find: '    await client.refresh()\n    await client.refresh()\n',
      replace: '    await client.refresh()\n',
    },
    {
      titles: [REFRESH],
      what: 'a refresh token that is used again does not end its session',
      file: 'src/koa/refusals.ts',
      find: '    if (ends !== undefined) return ends\n',
      replace: "    if (ends !== undefined && ends !== 'reuse') return ends\n",
    },
    {
      titles: [RACE],
      what: 'the second of two tabs is taken for a thief',
      file: 'src/session/refresh.ts',
      find: "return isRecent ? 'previous' : 'ERR_REFRESH_REUSED_RECENT'",
      replace: "return 'ERR_REFRESH_REUSED_RECENT'",
    },
    {
      titles: [RACE],
      what: 'the page has one tab ask after the other',
      file: ATTACKS,
      find: 'await Promise.all([refreshAsTab(1), refreshAsTab(2)])',
      replace: '[await refreshAsTab(1), await refreshAsTab(2)]',
    },
    {
      titles: [NOBODY],
      what: 'the attack runs without a session',
      file: LAB,
      find: "    verdict.textContent = 'Sign in first.'\n    return\n",
      replace: "    verdict.textContent = 'Sign in first.'\n",
    },
    {
      titles: [NOBODY],
      what: 'a button does not say that it does nothing',
      file: LAB,
      find: 'button.ariaDisabled = String(!isIn())',
      replace: "button.ariaDisabled = 'false'",
    },
  ],
}
