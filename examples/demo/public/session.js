// Who is signed in: the client that holds the token, and what the page shows of it. The token is in the client's closure;
// neither this page nor an attacker's script in it can ask for it.

import { createClient } from './client.js'

import { find, showLines } from './dom.js'

const COOKIE = '__Secure-Fgp'

export const client = createClient()

/** Sends JSON to this server as whoever is signed in. Answers the parsed answer, or throws what went wrong. */
export async function call(path, { method = 'POST', json = {} } = {}) {
  const init = method === 'GET' ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(json) }
  const response = await client.fetch(path, { method, ...init })
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}`)
  return response.status === 204 ? undefined : response.json()
}

/** What to say of a request that got no answer. */
export function explain(error) {
  const isUnreachable = error instanceof TypeError || error.code === 'ERR_UNREACHABLE'
  return isUnreachable ? 'No answer: is the demo still running?' : error.message
}

function show() {
  const { status, subject, claims } = client.session
  const focused = document.activeElement
  document.body.dataset.status = status
  find('logout').hidden = status !== 'signed-in'
  if (status === 'signed-in') {
    find('who').textContent = `Signed in as ${subject}`
    find('login-note').textContent = ''
    showLines(find('claims'), JSON.stringify(claims, null, 2).split('\n'), (line) => line.startsWith('  "fgp"'))
    showLines(find('fgp'), [`"fgp": ${JSON.stringify(claims?.fgp)}`], () => true)
    const verdict = document.cookie.includes(COOKIE) ? 'is readable: something is wrong!' : 'is not in it'
    showLines(find('proof'), [`document.cookie === ${JSON.stringify(document.cookie)}`, `// ${COOKIE} ${verdict}`])
  } else {
    find('who').textContent = status === 'unknown' ? 'Looking for your session…' : 'Nobody is signed in'
    for (const id of ['fgp', 'claims', 'proof']) find(id).replaceChildren()
  }
  if (!(focused.checkVisibility?.() ?? true)) find(status === 'signed-in' ? 'halves-title' : 'sign-in-title').focus()
}

async function signIn(username, password) {
  const note = find('login-note')
  note.textContent = ''
  try {
    await client.login({ username, password, remember: find('remember').checked })
  } catch (error) {
    const isWrong = error.status === 401
    note.textContent = isWrong ? 'The name or the password is wrong; which of them, it does not say.' : explain(error)
  }
}

/** Ends the session here and on the server. What the server has not heard, the client tells it later. */
export const signOut = () => client.logout().catch((error) => (find('login-note').textContent = explain(error)))

async function refresh() {
  const note = find('refresh-note')
  try {
    await client.refresh()
    note.textContent = 'A new token, and a new cookie to go with it.'
  } catch (error) {
    note.textContent = explain(error)
  }
}

/** Puts everything into motion. */
export function startSession() {
  client.onChange(show)
  show()
  find('login').addEventListener('submit', (event) => {
    event.preventDefault()
    void signIn(find('username').value, find('password').value)
  })
  for (const button of document.querySelectorAll('[data-username]')) {
    button.addEventListener('click', () => void signIn(button.dataset.username, button.dataset.password))
  }
  find('logout').addEventListener('click', () => void signOut())
  find('refresh').addEventListener('click', () => void refresh())
}
