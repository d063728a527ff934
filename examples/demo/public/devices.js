// Where the user is signed in, kept up to date by the timeline.

import { find, make } from './dom.js'
import { call, client, explain, signOut } from './session.js'
import { onEvent } from './timeline.js'

const CHANGES = new Set(['session_created', 'session_renewed', 'session_expired'])

/** A name that people know: the browser's, as far as its user agent tells. */
function nameOf(userAgent = 'unknown') {
  const known = [/Edg\//, /Firefox\//, /Chrom(?:e|ium)\//, /Safari\//, /^curl\//]
  const names = ['Edge', 'Firefox', 'Chrome', 'Safari', 'curl']
  return names[known.findIndex((one) => one.test(userAgent))] ?? userAgent.slice(0, 40)
}

const timeOf = (seconds) => new Date(seconds * 1000).toLocaleTimeString()

async function show() {
  const sessions = client.session.status === 'signed-in' ? await call('/auth/sessions', { method: 'GET' }) : []
  find('devices').replaceChildren(...sessions.map(createItem))
  find('others').hidden = sessions.length < 2
}

function createItem({ sid, current, created, last_used: used, user_agent: agent }) {
  const name = `${nameOf(agent)}${current ? ', this one' : ''}`
  const times = `since ${timeOf(created)}, last refreshed ${timeOf(used)}`
  const button = make('button', { type: 'button', className: 'small' }, current ? 'Log out here' : 'Log out there')
  button.addEventListener(
    'click',
    () => void (current ? signOut() : end(`/auth/sessions/${sid}`, 'That session has ended.')),
  )
  return make('li', {}, make('b', {}, name), make('span', {}, times), button)
}

const refresh = () => show().catch(complain)

/** Unless it is no wonder: the session may have ended meanwhile. */
function complain(error) {
  if (client.session.status === 'signed-in') find('devices-note').textContent = explain(error)
}

async function end(path, message) {
  const note = find('devices-note')
  try {
    await call(path, { method: 'DELETE' })
    note.textContent = message
    await show()
  } catch (error) {
    note.textContent = explain(error)
  }
}

/** Puts everything into motion. */
export function startDevices() {
  client.onChange(refresh)
  // When this session ends there is nobody left to ask, and the client will say so.
  onEvent(({ name, sid }) => {
    const isOwnEnd = name === 'session_expired' && sid === client.session.sid
    if (CHANGES.has(name) && !isOwnEnd) void refresh()
  })
  find('others').addEventListener('click', () => void end('/auth/sessions', 'Every other session has ended.'))
}
