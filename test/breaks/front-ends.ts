// What is broken for the front ends of test/examples/front-ends.test.ts.

import type { Area } from './break.ts'

const POLICY = 'examples/front-ends/policy.ts'
const DOCUMENTS = 'examples/front-ends/documents.ts'
const PLAIN = 'examples/front-ends/plain/main.js'
const REACT = 'examples/front-ends/react/main.tsx'
const VUE = 'examples/front-ends/vue/App.vue'
const INJECTED = 'a script that somebody has put into the page does not run, and none can be made of a string'
const RENDERED =
  'a page that the server renders is there after a link from another site, and after its token has expired'
const unknown = (name: string): string => `${name}: nobody is called signed out before the server has said so`
const kept = (name: string): string => `${name}: a session stays through a reload, and nothing of it is in any storage`
const together = (name: string): string => `${name}: two pages sign in and out together`

export const frontEnds: Area = {
  test: 'test/examples/front-ends.test.ts',
  breaks: [
    {
      titles: [unknown('plain')],
      what: 'whoever is not signed in is shown the form',
      file: PLAIN,
      find: 'find(status).hidden = status !== session.status',
      replace: "find(status).hidden = status !== session.status && status !== 'signed-out'",
    },
    {
      titles: [unknown('react')],
      what: 'whoever is not signed in is shown the form',
      file: REACT,
      find: "  if (session.status === 'unknown') return <p>One moment …</p>\n",
      replace: '',
    },
    {
      titles: [unknown('vue')],
      what: 'whoever is not signed in is shown the form',
      file: VUE,
      find: `<p v-if="session.status === 'unknown'">One moment …</p>\n  <form v-else-if="session.status === 'signed-out'"`,
      replace: `<form v-if="session.status !== 'signed-in'"`,
    },
    {
      titles: [kept('plain')],
      what: 'the name is kept in localStorage',
      file: PLAIN,
      find: "  find('name').textContent = session.subject\n",
      replace: "  find('name').textContent = localStorage.name = session.subject\n",
    },
    {
      titles: [kept('plain')],
      what: 'the time that is left stands still',
      file: PLAIN,
      find: 'setInterval(showTimeLeft, 1000)\n',
      replace: '',
    },
    {
      titles: [kept('react')],
      what: 'the name is kept in sessionStorage',
      file: REACT,
      find: "  const [answer, setAnswer] = useState('')\n",
      replace:
        "  const [answer, setAnswer] = useState('')\n  sessionStorage.setItem('name', String(session.subject))\n",
    },
    {
      titles: [kept('react')],
      what: 'the time that is left stands still',
      file: REACT,
      find: 'const timer = setInterval(() => tick((count) => count + 1), 1000)',
      replace: 'const timer = setTimeout(() => tick((count) => count), 1000)',
    },
    {
      titles: [kept('vue')],
      what: 'a wrong password is not said',
      file: VUE,
      find: '    problem.value = explain(error)\n',
      replace: '    answer.value = explain(error)\n',
    },
    {
      titles: [kept('vue')],
      what: 'the time that is left stands still',
      file: VUE,
      find: 'const timer = setInterval(showTimeLeft, 1000)',
      replace: 'const timer = setInterval(() => {}, 1000)',
    },
    {
      titles: [together('plain')],
      what: 'the page shows the session as it was when it asked',
      file: PLAIN,
      find: 'client.onChange(show)\n',
      replace: 'client.ready.then(show)\n',
    },
    {
      titles: [together('react')],
      what: 'the page shows the session as it was when it asked',
      file: 'examples/front-ends/react/session.ts',
      find: 'useSyncExternalStore(client.onChange, ',
      replace: 'useSyncExternalStore((changed) => (void client.ready.then(changed), () => {}), ',
    },
    {
      titles: [together('vue')],
      what: 'the page shows the session as it was when it asked',
      file: 'examples/front-ends/vue/session.ts',
      find: '    client.onChange((now) => {\n      session.value = now\n    }),\n',
      replace: '    client.onChange(async () => {\n      session.value = await client.ready\n    }),\n',
    },
    {
      titles: [together('plain')],
      what: 'a logout is not told to other pages',
      file: 'src/client/client.ts',
      find: "    leave()\n    tabs.tell('out')\n",
      replace: '    leave()\n',
    },
    {
      titles: [INJECTED],
      what: 'every script in the page runs',
      file: POLICY,
      find: "`script-src 'nonce-${ctx.state.nonce}' 'strict-dynamic'`",
      replace: "`script-src 'self' 'unsafe-inline'`",
    },
    {
      titles: [INJECTED],
      what: 'text may become a script',
      file: POLICY,
      find: `        "require-trusted-types-for 'script'",\n`,
      replace: '',
    },
    {
      titles: [RENDERED],
      what: 'whoever comes without a good token is taken for a stranger',
      file: DOCUMENTS,
      find: "status === 'signed-in' ? location.pathname + location.search : '${login}'",
      replace: "'${login}'",
    },
    {
      titles: [RENDERED],
      what: 'the script that asks is not let run',
      file: DOCUMENTS,
      find: '<script type="module" nonce="${ctx.state.nonce}">',
      replace: '<script type="module">',
    },
  ],
}
