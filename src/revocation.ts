// The revocation list: what is revoked and until when. The store keeps it; this process looks it up in its own copy,
// which it loads before it serves and which the store's `watch` keeps up to date. Nothing is ever taken off the list:
// an entry goes when every token it could stop has expired.

import { SessionError } from './errors.ts'
import { createExpiringMap } from './expiring-map.ts'
import { NEVER, type NewRecord, type Store } from './store/store.ts'
import { describe } from './describe.ts'
import type { Clock, Milliseconds, Seconds } from './time.ts'

/**
 * What is revoked: one token, one session, every token of a subject issued until now or until `before` (a Date, or
 * milliseconds since the epoch), or a key.
 */
export type RevocationTarget =
  | { readonly jti: string }
  | { readonly sid: string }
  | { readonly sub: string; readonly before?: Date | Milliseconds }
  | { readonly kid: string }

/** What a token is looked up by. */
export interface RevocableToken {
  readonly iss: string
  readonly jti: string
  readonly sid: string
  readonly sub: string
  readonly kid: string
  readonly iat: Seconds
  readonly iat_ms?: Milliseconds
  readonly exp: Seconds
}

/** The list of one kit. */
export interface RevocationList {
  /** Whether the token is revoked. In process, without a store call. */
  has(token: RevocableToken): boolean
  /** Whether the key is revoked. */
  hasKey(kid: string): boolean
  /** Until when the subject's tokens are revoked; 0 when they are not. */
  cutoff(sub: string): Milliseconds
  /**
   * Revokes. It holds in this process at once, and wherever the store reaches when the promise resolves.
   *
   * @returns for a subject: until when its tokens are revoked; else 0
   * @throws SessionError with ERR_STORE_UNAVAILABLE when the store did not take it; it holds in this process all the same
   */
  add(target: RevocationTarget): Promise<Milliseconds>
  /** Calls `listener` with each subject that is revoked from now on. */
  watchSubjects(listener: (sub: string) => void): () => void
  /** How many entries this process holds. */
  readonly size: number
  close(): void
}

// Each cut-off has its own record, so that no later write can shorten it.
const CUTOFF = /^sub ([^]+)@(\d{1,16})$/

/**
 * Loads the list and follows the store.
 *
 * @param options.retention - how long after a revocation a token that it stops can still be believed: the longest token
 *   lifetime, plus every tolerance
 */
export async function createRevocationList(options: {
  readonly issuer: string
  readonly store: Store
  readonly clock: Clock
  readonly retention: Seconds
  readonly clockTolerance: Seconds
}): Promise<RevocationList> {
  const { issuer, store, clock, retention, clockTolerance } = options
  const entries = createExpiringMap(clock)
  const subjectListeners = new Set<(sub: string) => void>()

  const keyOf = {
    jti: (jti: string) => `jti ${issuer} ${jti}`,
    sid: (sid: string) => `sid ${sid}`,
    sub: (sub: string) => `sub ${sub}`,
    kid: (kid: string) => `kid ${kid}`,
  }

  function load({ key, expires }: NewRecord): void {
    const [, sub, cutoff = '0'] = CUTOFF.exec(key) ?? []
    // What is no record of this list must not take it apart.
    if (!Number.isSafeInteger(expires) || (sub === undefined && key.startsWith('sub '))) return
    entries.add(sub === undefined ? key : keyOf.sub(sub), { expires, cutoff: Number(cutoff) })
    if (sub !== undefined) for (const listener of subjectListeners) listener(sub)
  }

  function toRecord(target: RevocationTarget): NewRecord & { readonly cutoff: Milliseconds } {
    if (!Number.isFinite(clock())) throw new SessionError('ERR_UNEXPECTED', { detail: 'the clock' })
    entries.purge()
    // From the latest time there was: a token that was issued before the clock went back must not outlive this.
    const expires = entries.latest + retention * 1000
    const record = (key: string) => ({ key, value: null, expires, cutoff: 0 })
    if ('jti' in target) return record(keyOf.jti(target.jti))
    if ('sid' in target) return record(keyOf.sid(target.sid))
    // Whoever holds a leaked key can sign a fresh token at any time, so this one stays.
    if ('kid' in target) return { ...record(keyOf.kid(target.kid)), expires: NEVER }
    const { sub, before } = target
    // Without a time it is later than every cut-off before, and so than every token that was issued past one.
    const cutoff = before === undefined ? Math.max(clock(), cutoffOf(sub) + 1) : Number(before)
    return { ...record(`${keyOf.sub(sub)}@${cutoff}`), cutoff }
  }

  function cutoffOf(sub: string): Milliseconds {
    entries.purge()
    return entries.get(keyOf.sub(sub))?.cutoff ?? 0
  }

  // First watch, then read: what is written in between is seen twice, which does no harm, and never missed.
  const unwatch = await store.watch?.('revocation', load)
  for await (const record of store.list('revocation')) load(record)

  return {
    has(token) {
      entries.purge()
      // Without the exact time a token counts as issued at the start of its second: it is refused rather than missed.
      const issued = token.iat_ms ?? Math.floor(token.iat) * 1000
      return (
        entries.hasForgotten((token.exp + clockTolerance) * 1000) ||
        entries.get(keyOf.sid(token.sid)) !== undefined ||
        entries.get(keyOf.jti(token.jti)) !== undefined ||
        issued <= cutoffOf(token.sub) ||
        entries.get(keyOf.kid(token.kid)) !== undefined
      )
    },
    hasKey: (kid) => entries.get(keyOf.kid(kid)) !== undefined,
    cutoff: cutoffOf,
    watchSubjects(listener) {
      subjectListeners.add(listener)
      return () => subjectListeners.delete(listener)
    },
    async add(target) {
      const { cutoff, ...record } = toRecord(target)
      load(record)
      try {
        await store.set('revocation', record)
      } catch (cause) {
        throw new SessionError('ERR_STORE_UNAVAILABLE', { detail: 'the revocation holds in this process only', cause })
      }
      return cutoff
    },
    get size() {
      return entries.size
    },
    close: () => unwatch?.(),
  }
}

// Before 1973 in milliseconds, and after 5138 in seconds: who passes less has passed seconds.
const LEAST_TIME: Milliseconds = 1e11

/**
 * @throws TypeError when the target is none, or its time is later than `now`: what is yet to come cannot be revoked
 */
export function assertTarget(target: RevocationTarget, now: Milliseconds): void {
  const { before, ...named } = { ...target } as Record<string, unknown> // whatever an application without types passes
  const [[kind, name] = [], ...others] = Object.entries(named)
  const isNamed = ['jti', 'sid', 'sub', 'kid'].includes(kind ?? '') && typeof name === 'string' && name !== ''
  if (!isNamed || others.length > 0 || (before !== undefined && kind !== 'sub')) {
    throw new TypeError(`target: expected { jti }, { sid }, { sub, before? } or { kid }, got ${describe(target)}`)
  }
  const time = before instanceof Date ? before.getTime() : before
  const isTime = typeof time === 'number' && Number.isSafeInteger(time) && time >= LEAST_TIME && time <= now
  if (before !== undefined && !isTime) {
    throw new TypeError(
      `before: expected a Date or milliseconds since the epoch, not later than now, got ${describe(before)}`,
    )
  }
}
