// The lab's buttons: each runs its attack and shows what was sent, what came back, and what that means.

import { ATTACKS } from './attacks.js'
import { find, make, pretty, showLines } from './dom.js'
import { call, client, explain } from './session.js'
import { onEvent } from './timeline.js'

let isRunning = false

const isIn = () => client.session.status === 'signed-in'

async function run(card) {
  if (isRunning) return
  const verdict = card.querySelector('.verdict')
  if (!isIn()) {
    verdict.textContent = 'Sign in first.'
    return
  }
  isRunning = true
  card.dataset.state = 'running'
  verdict.textContent = 'Under way…'
  try {
    const result = await ATTACKS[card.dataset.attack]()
    card.querySelector('.exchanges').replaceChildren(...result.exchanges.map(createExchange))
    verdict.textContent = result.verdict
    if (result.line) showLines(find('log-line'), [result.line])
    card.dataset.state = 'done'
    card.scrollIntoView({ block: 'nearest' })
  } catch (error) {
    verdict.textContent = explain(error)
    card.dataset.state = 'failed'
  } finally {
    isRunning = false
  }
}

function createExchange({ who, request, forged, status, body, isGood }) {
  const item = find('exchange').content.cloneNode(true).firstElementChild
  item.dataset.outcome = isGood ? 'good' : 'bad'
  item.querySelector('.who').append(make('b', {}, who), ...createChips(request, forged))
  item.querySelector('.outcome').append(make('b', {}, String(status)), status < 400 ? ' let in' : ' refused')
  const lines = forged === undefined ? request : [...request, `forged: ${JSON.stringify(forged)}`]
  showLines(item.querySelector('.sent'), lines, (line) => line.startsWith('forged'))
  showLines(item.querySelector('.body'), pretty(body).split('\n'))
  item.querySelector('details').hidden = body === ''
  return item
}

/** What a request carries, at a glance. */
function createChips(request, forged) {
  const has = (text) => request.some((line) => line.includes(text))
  const chips = [
    has('Authorization') && ['token', forged ? 'forged token' : 'token'],
    has('__Secure-Fgp') ? ['cookie', 'cookie'] : ['none', 'no cookie'],
    has('__Secure-Refresh') && ['cookie', 'refresh token'],
  ]
  return chips.filter(Boolean).map(([kind, text]) => make('span', { className: `chip ${kind}` }, text))
}

/** The alarm, wherever it comes from: a thief in a terminal raises it too. */
function showAlarm({ name, code, request }) {
  if (name !== 'sidejack') return
  find('alarm').hidden = false
  const text = ` ${code} at ${request}. The thief was told nothing of this; your log was.`
  find('alarm').replaceChildren(make('b', {}, 'Alarm'), make('code', {}, name), text)
}

/** A request for a terminal: another client, without this browser's cookie. */
async function copyAsCurl() {
  const note = find('curl-note')
  try {
    const { curl } = await call('/lab/curl')
    await navigator.clipboard.writeText(curl)
    note.textContent = 'Copied. Paste it into a terminal, and watch the events.'
  } catch (error) {
    note.textContent = error.name === 'NotAllowedError' ? 'The browser did not allow copying.' : explain(error)
  }
}

/** Not `disabled`: the focus would be lost where an attack ends the session. */
function follow() {
  for (const button of document.querySelectorAll('[data-run], #curl, #refresh')) button.ariaDisabled = String(!isIn())
}

/** Puts everything into motion. */
export function startLab() {
  for (const card of document.querySelectorAll('[data-attack]')) {
    card.querySelector('[data-run]').addEventListener('click', () => void run(card))
  }
  onEvent(showAlarm)
  find('curl').addEventListener('click', () => void copyAsCurl())
  client.onChange(follow)
  follow()
}
