// The timeline: security events as the server sends them. A ticket opens the stream, since EventSource cannot send the
// token; each is good for one use, so a broken connection is opened again with another.

import { find, make } from './dom.js'
import { call, client } from './session.js'

const MOST = 40
const RETRY_MS = [500, 1000, 2000, 5000, 10_000]

const TITLES = {
  sidejack: () => 'Theft: a token came without its cookie',
  token_rejected: () => 'A forged token was refused',
  authn_token_reuse: ({ code }) =>
    code === 'ERR_TOKEN_REVOKED' ? 'A revoked token was used' : 'An old refresh token was used again',
  session_use_after_expire: () => 'Something was used after it expired',
  session_created: () => 'Signed in',
  session_renewed: ({ generation }) => `Both halves replaced: generation ${generation}`,
  session_expired: ({ reason }) => REASONS[reason] ?? `Session ended: ${reason}`,
}
const REASONS = {
  logout: 'Signed out',
  login: 'Signed out by the next login',
  sidejack: 'Session ended: its token was stolen',
  reuse: 'Session ended: its refresh token was copied',
  revoked: 'Session ended',
}
const ALARMS = new Set(['sidejack', 'token_rejected', 'authn_token_reuse'])

const listeners = new Set()
let shown = new Set()
let source
/** Whose events are shown, and for which session they come. */
const shownFor = { subject: undefined, sid: undefined }
let lastId
let failures = 0
let timer

/** Calls `listener` with each event, once. */
export function onEvent(listener) {
  listeners.add(listener)
}

/** Shows events, whichever way they came; those that are there already stay as they are. */
export function addEvents(entries) {
  for (const entry of entries) {
    if (shown.has(entry.id)) continue
    shown.add(entry.id)
    lastId = Math.max(lastId ?? 0, entry.id)
    // The newest first, whichever way it came.
    const older = [...find('events').children].find(({ dataset }) => Number(dataset.id) < entry.id)
    find('events').insertBefore(createItem(entry), older ?? null)
    for (const listener of listeners) listener(entry)
  }
  while (find('events').childElementCount > MOST) find('events').lastElementChild.remove()
}

function createItem(entry) {
  const { id, name, time, sid, code, request, by } = entry
  const { status, sid: own } = client.session
  const details = [
    code,
    request && `${request}${by === 'thief' ? ', by the thief' : ''}`,
    status === 'signed-in' && sid !== own && 'another session',
  ]
  const when = new Date(time)
  const item = make(
    'li',
    {},
    make('time', { dateTime: when.toISOString() }, when.toLocaleTimeString()),
    make('b', {}, TITLES[name]?.(entry) ?? name),
    make('span', {}, make('code', {}, name), ...details.filter(Boolean).map((detail) => ` · ${detail}`)),
  )
  item.dataset.name = name
  item.dataset.id = id
  if (ALARMS.has(name)) item.dataset.alarm = ''
  return item
}

function say(state, text) {
  find('connection').dataset.state = state
  find('connection').textContent = text
}

function disconnect(text = 'Not connected: sign in first.', state = 'off') {
  clearTimeout(timer)
  source?.close()
  source = undefined
  say(state, text)
}

async function connect() {
  if (source !== undefined || document.hidden || client.session.status !== 'signed-in') return
  // A place holder, so that two do not connect at once.
  const mine = (source = { close() {} })
  if (failures === 0) say('waiting', 'Connecting…')
  const { sid } = shownFor
  try {
    const { ticket } = await call('/lab/ticket')
    if (source !== mine) return
    const after = lastId === undefined ? '' : `&after=${lastId}`
    const opened = (source = new EventSource(`/lab/events?ticket=${ticket}${after}`))
    opened.addEventListener('ready', () => {
      failures = 0
      say('on', 'Connected')
    })
    opened.addEventListener('message', ({ data }) => addEvents([JSON.parse(data)]))
    opened.addEventListener('ended', () => void check(sid))
    opened.addEventListener('error', () => source === opened && retry())
  } catch {
    if (source === mine) retry()
  }
}

/** The server says so before it closes. Whether the session is over, or only the server, is to be found out. */
async function check(sid) {
  disconnect('Closed by the server: the session has ended.')
  await client.refresh().catch(() => {})
  if (client.session.sid === sid) retry()
}

function retry() {
  disconnect('Connecting again…', 'waiting')
  timer = setTimeout(() => void connect(), RETRY_MS[Math.min(failures, RETRY_MS.length - 1)])
  failures += 1
}

function follow() {
  const { session } = client
  if (session.sid === shownFor.sid) return
  shownFor.sid = session.sid
  // What else it says of a connection that is off is why.
  if (find('connection').dataset.state !== 'off') disconnect()
  if (session.status !== 'signed-in') return
  // Another user's events are nobody else's business.
  if (session.subject !== shownFor.subject) clear()
  shownFor.subject = session.subject
  void connect()
}

function clear() {
  find('events').replaceChildren()
  shown = new Set()
  lastId = undefined
}

/** Puts everything into motion. A hidden tab lets its connection go: browsers have few for one server. */
export function startTimeline() {
  client.onChange(follow)
  follow()
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) disconnect('Paused while this tab is hidden.')
    else void connect()
  })
}
