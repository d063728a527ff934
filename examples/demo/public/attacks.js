// The attacks, step by step: what the page does itself, what it lets leak, and what the thief on the server does then.
// Every status and every answer that is shown has really been received.

import { call, client } from './session.js'
import { currentMode } from './switch.js'
import { addEvents } from './timeline.js'

// The client adds the one, the browser the other; this page sees neither.
const YOURS = ['Authorization: Bearer …', 'Cookie: __Secure-Fgp=…']

/** A request that goes into a bad log: what comes back is the name of what was stolen, and the line, cut short. */
const leak = () => call('/auth/lab/leak')

/** Lets the thief go on from there. Not as whoever is signed in: the session may be over by then. */
async function rob(name, loot) {
  const response = await fetch(`/lab/attacks/${name}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ loot }),
  })
  if (!response.ok) throw new Error(`The thief did not get to it: ${response.status}`)
  const { exchanges, events } = await response.json()
  addEvents(events)
  return exchanges.map(({ to, request, forged, status, body }) => {
    const who = to === 'kit' ? 'The thief' : 'The thief, at plain koa-jwt'
    return { who, request, forged, status, body, isGood: status >= 400 }
  })
}

/** What you get for `GET /api/me`, with both halves. */
async function ask(who = 'You') {
  const response = await client.fetch('/api/me')
  const { status, ok } = response
  return { who, request: ['GET /api/me', ...YOURS], status, body: await response.text(), isGood: ok }
}

/** A tab that knows of no other: the client would let the two share one refresh. */
async function refreshAsTab(number) {
  const { status, ok } = await fetch('/auth/refresh', { method: 'POST' })
  const request = ['POST /auth/refresh', 'Cookie: __Secure-Fgp=…; __Secure-Refresh=…']
  return { who: `Tab ${number}`, request, status, isGood: ok, body: ok ? 'a token, which is not shown' : '' }
}

const isRefused = ({ status }) => status === 401
const NOT_SO = 'That is not as it should be.'

/** For each attack: the exchanges, and what they come to. */
export const ATTACKS = {
  async theft() {
    const mode = await currentMode()
    const you = await ask()
    const { loot, line } = await leak()
    const [thief, plain] = await rob('token', loot)
    const next = await ask('You, afterwards')
    const verdict = isRefused(thief)
      ? `The thief is refused: ${thief.status}. ${afterTheft(next, mode)} With koa-jwt alone the thief is in: ${plain.status}.`
      : NOT_SO
    return { exchanges: [you, thief, plain], verdict, line }
  },
  tampered: () => forge('tampered'),
  none: () => forge('none'),
  async replay() {
    const { loot } = await leak()
    await client.logout()
    const exchanges = await rob('replay', loot)
    const [thief, plain] = exchanges
    const verdict = isRefused(thief)
      ? `Even with both halves: ${thief.status}. You logged out, so it is over. koa-jwt knows of no logout: ${plain.status}.`
      : NOT_SO
    return { exchanges, verdict }
  },
  async refresh() {
    const { loot } = await leak()
    // Twice: the token before the current one is answered for ten seconds, for tabs that race and answers that get lost.
    await client.refresh()
    await client.refresh()
    const exchanges = await rob('refresh', loot)
    const next = await ask('You, afterwards')
    const [thief, , plain] = exchanges
    const verdict =
      isRefused(thief) && isRefused(next)
        ? `Two hold one session, so it has ended for both: sign in again. koa-jwt goes on taking its token: ${plain.status}.`
        : NOT_SO
    return { exchanges: [...exchanges, { ...next, isGood: isRefused(next) }], verdict }
  },
  async race() {
    const tabs = await Promise.all([refreshAsTab(1), refreshAsTab(2)])
    const next = await ask('You, afterwards')
    const exchanges = [...tabs, next]
    const isGood = exchanges.every(({ status }) => status === 200)
    const verdict = isGood
      ? 'Both are answered, with the same successor: the events show one generation twice. Nobody is logged out.'
      : NOT_SO
    return { exchanges, verdict }
  },
}

async function forge(name) {
  const { loot } = await leak()
  const exchanges = await rob(name, loot)
  const isGood = exchanges.every(isRefused)
  return { exchanges, verdict: isGood ? 'Refused, by both: this much every signature does.' : NOT_SO }
}

function afterTheft({ status }, mode) {
  if (status !== 200) return 'The session has ended as well: sign in again.'
  if (mode === 'reject') return 'You went on and noticed nothing.'
  return 'The session goes on: of one user the kit ends two in a minute, lest a broken proxy log everybody out.'
}
