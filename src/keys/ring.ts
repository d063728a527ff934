// A ring of keys: next → active → retired → gone. Which is which follows from the time and the times at which each begins
// to sign, so that every process that knows the ring says the same, and two rings are merged by putting them together.

import type { Seconds } from '../time.ts'
import { CLOCK_SKEW } from '../token/claims.ts'
import type { SigningKey } from './key.ts'
import type { NextKey, PlannedKey } from './rotating-keys.ts'

/** A key and its times. */
export interface RingKey {
  readonly key: SigningKey
  /** When it was made: it is published from then on. */
  readonly created: Seconds
  /** From when on it signs, until the one after it does. */
  readonly activates: Seconds
  /** As it is stored. */
  readonly sealed: string
  /** Whether it is encrypted with the first of the encryption keys. */
  readonly isCurrent: boolean
}

/** The keys in the order in which they sign. */
export type Ring = readonly RingKey[]

/** Whether the key of this `kid` is revoked. */
export type IsRevoked = (kid: string) => boolean

/** What changes a ring. */
export interface RingTools {
  readonly period: Seconds
  readonly lead: Seconds
  /** How long a key stays in the ring after it has signed. */
  readonly keep: Seconds
  readonly isRevoked: IsRevoked
  make(times: Pick<RingKey, 'created' | 'activates'>): Promise<RingKey>
  move(key: RingKey, activates: Seconds): Promise<RingKey>
}

/** Puts keys in order, each once. A plan is only ever moved forward, so of two the earlier is the later one. */
export function toRing(keys: Iterable<RingKey>): Ring {
  const byKid = new Map<string, RingKey>()
  for (const one of keys) {
    const { kid } = one.key
    const other = byKid.get(kid)
    if (other === undefined || one.activates < other.activates) byKid.set(kid, one)
  }
  return [...byKid.values()].sort((a, b) => a.activates - b.activates || Number(a.key.kid > b.key.kid) - 0.5)
}

/** The key whose turn it is; if that is revoked, the one after it, before its time. Not one before it: that is retired. */
export function findActive(ring: Ring, now: Seconds, isRevoked: IsRevoked): RingKey | undefined {
  return ring.slice(turnOf(ring, now)).find(({ key }) => !isRevoked(key.kid))
}

/** Where the clock went back behind all of them, the first. */
function turnOf(ring: Ring, now: Seconds): number {
  return Math.max(
    0,
    ring.findLastIndex(({ activates }) => activates <= now),
  )
}

/** Without the keys that have stopped to sign so long ago. */
export function withoutGone(ring: Ring, now: Seconds, keep: Seconds): Ring {
  return ring.filter((_, index) => {
    const successor = ring[index + 1]
    // Negated, so that a clock that answers no number drops none.
    return successor === undefined || !(successor.activates + keep <= now)
  })
}

/** The ring as it should be now: without what is gone, with a key that signs and one that is to follow. */
export async function reviseRing(given: Ring, now: Seconds, tools: RingTools): Promise<Ring> {
  const { period, lead, keep, isRevoked, make, move } = tools
  // What was revoked before it signed is not needed to verify anything; before it did by anybody's clock.
  let ring: Ring = withoutGone(given, now, keep).filter(
    ({ key, activates }) => activates <= now + CLOCK_SKEW || !isRevoked(key.kid),
  )
  let active = findActive(ring, now, isRevoked)
  // In the place of one that is revoked, and after it by anybody's clock. Written down, so that a process that starts later
  // sees the same.
  const before = active === undefined ? ring.at(-1) : ring[ring.indexOf(active) - 1]
  const soonest = Math.max(now, (before?.activates ?? 0) + 1)
  if (active === undefined) active = await make({ created: now, activates: soonest })
  else if (active !== ring[turnOf(ring, now)] && soonest < active.activates) active = await move(active, soonest)
  ring = toRing([...ring, active])
  const next = ring[ring.indexOf(active) + 1]
  const planned = Math.max(active.activates + period, now + lead)
  if (next === undefined) return toRing([...ring, await make({ created: now, activates: planned })])
  // Planned by a clock that was ahead, or when the period was longer.
  return next.activates > planned ? toRing([...ring, await move(next, planned)]) : ring
}

/** A revised ring in which the key after the active one takes over as soon as everyone knows it. */
export async function advanceRing(ring: Ring, active: RingKey, now: Seconds, tools: RingTools): Promise<Ring> {
  const { lead, move } = tools
  const next = ring[ring.indexOf(active) + 1] as RingKey // reviseRing sees to it
  const activates = Math.max(now, next.created + lead, active.activates + 1)
  return activates < next.activates ? toRing([...ring, await move(next, activates)]) : ring
}

/** A key without the key, for everyone to see. */
export function toNextKey({ key, activates }: RingKey): NextKey {
  return { kid: key.kid, activates: activates * 1000 }
}

/** What becomes of each key, while this one signs. */
export function describeRing(ring: Ring, active: RingKey, isRevoked: IsRevoked): PlannedKey[] {
  function stateOf(one: RingKey): PlannedKey['state'] {
    if (isRevoked(one.key.kid)) return 'revoked'
    if (one === active) return 'active'
    return one.activates > active.activates ? 'next' : 'retired'
  }
  return ring.map((one) => Object.assign(toNextKey(one), { created: one.created * 1000, state: stateOf(one) }))
}
