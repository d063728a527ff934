// The switch: what the kit does to a session whose token was stolen. It is the session's, so the next session is told
// again what was chosen on this page.

import { call, client } from './session.js'

const PATH = '/lab/on-sidejack'

let chosen
let sid
let settling = Promise.resolve()

/** What is in force, once the server knows: `'reject'` or `'revoke'`. */
export async function currentMode() {
  await settling
  return document.querySelector('[name=mode]:checked').value
}

function show(value) {
  document.querySelector(`[name=mode][value=${value}]`).checked = true
}

async function settle() {
  const { status } = client.session
  if (status !== 'signed-in') return
  const told = chosen === undefined ? { method: 'GET' } : { method: 'PUT', json: { mode: chosen } }
  show((await call(PATH, told)).mode)
}

/** Without a session, or an answer, the choice holds for the next one. */
const ignore = () => {}

/** Puts everything into motion. */
export function startSwitch() {
  for (const radio of document.querySelectorAll('[name=mode]')) {
    radio.addEventListener('change', () => {
      chosen = radio.value
      settling = settle().catch(ignore)
    })
  }
  client.onChange(() => {
    if (client.session.sid === sid) return
    sid = client.session.sid
    settling = settle().catch(ignore)
  })
}
