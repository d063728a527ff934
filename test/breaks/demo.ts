// What is broken for test/examples/demo-browser.test.ts.

import type { Area } from './break.ts'

const APP = 'examples/demo/app.ts'
const PAGE = 'examples/demo/page.ts'
const DEVICES = 'examples/demo/public/devices.js'
const TIMELINE = 'examples/demo/public/timeline.js'
const SIGN_IN = 'a sign-in leaves the cookies to the browser alone, and nothing in any storage'
const COPIED = 'a token that was copied opens nothing, the page hears of it, and logging out ends both halves'
const RELOAD = 'a reload forgets the token, keeps the session and never shows a signed-out page'
const ENDED = 'a session is ended from another browser, whose page notices by itself, and so do its tabs'
const POLICY = 'the policy stops inline code and other origins, so every test here would notice'

export const demo: Area = {
  test: 'test/examples/demo-browser.test.ts',
  breaks: [
    {
      titles: [SIGN_IN],
      what: 'scripts can read the cookies',
      file: 'src/koa/cookies.ts',
      find: "    'HttpOnly',\n",
      replace: '',
    },
    {
      titles: [SIGN_IN],
      what: 'every login is remembered',
      file: APP,
      find: 'remember: remember === true',
      replace: 'remember: remember !== undefined',
    },
    {
      titles: [SIGN_IN],
      what: 'the page shows the whole token that leaked',
      file: 'examples/demo/attacks.ts',
      find: 'return token.length < 24 ? token : `${token.slice(0, 10)}…${token.slice(-6)}`',
      replace: 'return token',
    },
    {
      titles: [SIGN_IN],
      what: 'the user name is kept in the page for the next time',
      file: 'examples/demo/public/session.js',
      find: "    find('login-note').textContent = ''\n",
      replace: "    find('login-note').textContent = ''\n    localStorage.user = subject\n",
    },
    {
      titles: [COPIED],
      what: 'a token without its cookie is let in',
      file: 'src/verifier.ts',
      find: "if (fingerprints.length === 0) return 'ERR_FINGERPRINT_MISSING'",
      replace: 'if (fingerprints.length === 0) return undefined',
    },
    {
      titles: [COPIED],
      what: 'a logout does not revoke the access token',
      file: 'src/session/end.ts',
      find: 'Promise.allSettled([revocations.add({ sid })])',
      replace: 'Promise.allSettled([Promise.resolve()])',
    },
    {
      titles: [COPIED],
      what: 'no alarm is raised for a theft from elsewhere',
      file: 'examples/demo/public/lab.js',
      find: '  onEvent(showAlarm)\n',
      replace: '',
    },
    {
      titles: [COPIED],
      what: 'whoever comes next sees the events of the one before',
      file: TIMELINE,
      find: '  if (session.subject !== shownFor.subject) clear()\n',
      replace: '',
    },
    {
      titles: [RELOAD],
      what: 'the page says signed out until it knows',
      file: 'examples/demo/public/index.html',
      find: '<body data-status="unknown">',
      replace: '<body data-status="signed-out">',
    },
    {
      titles: [RELOAD],
      what: 'the client says signed out until it knows',
      file: 'src/client/session.ts',
      find: "held === null ? 'signed-out' : 'unknown'",
      replace: "'signed-out'",
    },
    {
      titles: [ENDED],
      what: 'a page whose stream was closed does not ask why',
      file: TIMELINE,
      find: '() => void check(sid))',
      replace: "() => disconnect('Closed by the server: the session has ended.'))",
    },
    {
      titles: [ENDED],
      what: 'the list of sessions does not hear of those that end',
      file: DEVICES,
      find: "new Set(['session_created', 'session_renewed', 'session_expired'])",
      replace: "new Set(['session_created', 'session_renewed'])",
    },
    {
      titles: [ENDED],
      what: 'a button ends another session than the one beside it',
      file: DEVICES,
      find: 'void (current ? signOut() : end(`/auth/sessions/${sid}`',
      replace: 'void (current ? signOut() : end(`/auth/sessions/${client.session.sid}`',
    },
    {
      titles: [ENDED],
      what: 'the button for all other sessions does nothing',
      file: DEVICES,
      find: "  find('others').addEventListener('click', () => void end('/auth/sessions', 'Every other session has ended.'))\n",
      replace: '',
    },
    {
      titles: [POLICY],
      what: 'inline scripts run',
      file: PAGE,
      find: `"script-src 'self'"`,
      replace: `"script-src 'self' 'unsafe-inline'"`,
    },
    {
      titles: [POLICY],
      what: 'inline styles are let in',
      file: PAGE,
      find: `"style-src 'self'"`,
      replace: `"style-src 'self' 'unsafe-inline'"`,
    },
    {
      titles: [POLICY],
      what: 'the page may ask other origins',
      file: PAGE,
      find: `"connect-src 'self'"`,
      replace: `"connect-src 'self' https:"`,
    },
  ],
}
