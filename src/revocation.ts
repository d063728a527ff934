// The revocation list: what is revoked and until when. The store keeps it; this process looks it up in its own copy,
// which it loads before it serves and which the store's `watch` keeps up to date. Nothing is ever taken off the list:
// an entry goes when every token it could stop has expired. How old the copy may be before it is not believed is a policy.

import { SessionError } from './errors.ts'
import { createExpiringMap } from './expiring-map.ts'
import { namesIn } from './id.ts'
import type { Outbox } from './outbox.ts'
import { NEVER, type NewRecord, type PageListener, type Store, type Watch } from './store/store.ts'
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
  /** Not every issuer has sessions. */
  readonly sid?: string
  readonly sub: string
  readonly kid: string
  readonly iat: Seconds
  readonly iat_ms?: Milliseconds | undefined
  readonly exp: Seconds
}

/**
 * What happens when the list is older than it may be: every token is refused, or believed for so long, or the issuer is
 * asked, by who can.
 */
export type StalePolicy = 'reject' | 'introspect' | { readonly openFor: Seconds }

/** Hears what was revoked: a session, a subject, a token or a key, and its name. */
export type RevocationListener = (kind: 'sid' | 'sub' | 'jti' | 'kid', name: string) => void

/** The list of one kit. */
export interface RevocationList {
  /** Whether the token is revoked. In process, without a store call. */
  has(token: RevocableToken): boolean
  /** Whether something revokes the token, live or expired. Of what has expired, entries may be gone. */
  isListed(token: Omit<RevocableToken, 'exp'>): boolean
  /**
   * Checks how old this process's copy is: it is right about what it has, but may lack what others wrote since.
   *
   * @throws SessionError with ERR_REVOCATIONS_STALE when it is too old for the policy
   */
  assertFresh(policy: StalePolicy): void
  /** Whether the session is revoked. */
  hasSession(sid: string): boolean
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
  /**
   * Revokes a token that is good for one use; tells whether it was the first.
   *
   * @throws SessionError with ERR_STORE_UNAVAILABLE when the store cannot say
   */
  consume(jti: string): Promise<boolean>
  /** Calls `listener` with each entry from now on, in whatever process it was made. */
  watch(listener: RevocationListener): () => void
  /** How many entries this process holds. */
  readonly size: number
  close(): void
}

// Each cut-off has its own record, so that no later write can shorten it.
const KINDS = /^(sid|sub|jti|kid) ([^]*)$/
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
  /** How old the copy may be. */
  readonly maxStaleness: Seconds
  /** Where what the store did not take waits. */
  readonly outbox: Outbox
}): Promise<RevocationList> {
  const { issuer, store, clock, retention, clockTolerance, maxStaleness, outbox } = options
  // What stands before the name in the key of a record.
  const prefixes = { jti: `jti ${issuer} `, sid: 'sid ', sub: 'sub ', kid: 'kid ' }
  const entries = createExpiringMap(clock, { idPrefixes: [prefixes.sid, prefixes.jti], span: retention * 1000 })
  const listeners = new Set<RevocationListener>()

  function load({ key, expires }: NewRecord): void {
    // What is no record of this list must not take it apart.
    if (!Number.isSafeInteger(expires)) return
    const isSubject = key.startsWith(prefixes.sub)
    const [, sub, cutoff] = (isSubject && CUTOFF.exec(key)) || []
    if (isSubject && sub === undefined) return
    if (sub === undefined) entries.add(key, { expires })
    else entries.add(prefixes.sub + sub, { expires, cutoff: Number(cutoff) })
    const [, kind, name = ''] = (listeners.size > 0 && KINDS.exec(key)) || []
    if (kind === undefined) return
    // A token's name is its issuer's and its own; the issuer is an origin, without a space.
    const own = sub ?? (kind === 'jti' ? name.slice(name.indexOf(' ') + 1) : name)
    // The cast holds: the expression names the kinds.
    for (const listener of listeners) listener(kind as 'sid', own)
  }

  function toRecord(target: RevocationTarget): { readonly record: NewRecord; readonly cutoff: Milliseconds } {
    if (!Number.isFinite(clock())) throw new SessionError('ERR_UNEXPECTED', { detail: 'the clock' })
    entries.purge()
    // From the latest time there was: a token that was issued before the clock went back must not outlive this.
    const expires = entries.latest + retention * 1000
    const of = (key: string, until = expires, cutoff = 0) => ({ record: { key, value: null, expires: until }, cutoff })
    if ('jti' in target) return of(prefixes.jti + target.jti)
    if ('sid' in target) return of(prefixes.sid + target.sid)
    // Whoever holds a leaked key can sign a fresh token at any time, so this one stays.
    if ('kid' in target) return of(prefixes.kid + target.kid, NEVER)
    const { sub, before } = target
    // Without a time it is later than every cut-off before, and so than every token that was issued past one.
    const cutoff = before === undefined ? Math.max(clock(), cutoffOf(sub) + 1) : Number(before)
    return of(`${prefixes.sub}${sub}@${cutoff}`, expires, cutoff)
  }

  function cutoffOf(sub: string): Milliseconds {
    entries.purge()
    return entries.cutoff(prefixes.sub, sub)
  }

  function isListed(token: Omit<RevocableToken, 'exp'>): boolean {
    // Without the exact time a token counts as issued at the start of its second: it is refused rather than missed.
    const issued = token.iat_ms ?? Math.floor(token.iat) * 1000
    return (
      (token.sid !== undefined && entries.has(prefixes.sid, token.sid)) ||
      entries.has(prefixes.jti, token.jti) ||
      issued <= entries.cutoff(prefixes.sub, token.sub) ||
      entries.has(prefixes.kid, token.kid)
    )
  }

  const pages: PageListener = {
    expect: entries.reserve,
    tell({ prefix, page, expires }) {
      const isKept = entries.addPage(prefix, page, expires)
      if (isKept && listeners.size === 0) return
      for (const name of namesIn(page)) load({ key: prefix + name, value: null, expires })
    },
  }

  const watch = store.watch === undefined ? await readOnce() : await store.watch(load, pages)

  /** What others have written by now counts for what is decided now. */
  function sync(): void {
    watch.sync?.()
  }

  /** Without a watch this process is the only one that writes. */
  async function readOnce(): Promise<Watch> {
    for await (const record of store.list('revocation')) load(record)
    return { age: () => 0, stop() {} }
  }

  return {
    has(token) {
      sync()
      entries.purge()
      return entries.hasForgotten((token.exp + clockTolerance) * 1000) || isListed(token)
    },
    isListed(token) {
      sync()
      return isListed(token)
    },
    assertFresh(policy) {
      const age = watch.age()
      // Not `>`: what is no number is too old.
      if (!(age <= (typeof policy === 'string' ? maxStaleness : policy.openFor) * 1000)) {
        throw new SessionError('ERR_REVOCATIONS_STALE')
      }
    },
    hasSession(sid) {
      sync()
      return entries.has(prefixes.sid, sid)
    },
    hasKey(kid) {
      sync()
      return entries.has(prefixes.kid, kid)
    },
    cutoff(sub) {
      sync()
      return cutoffOf(sub)
    },
    async consume(jti) {
      const { record } = toRecord({ jti })
      load(record)
      try {
        return await store.add('revocation', record)
      } catch (cause) {
        throw new SessionError('ERR_STORE_UNAVAILABLE', { cause })
      }
    },
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async add(target) {
      const { record, cutoff } = toRecord(target)
      load(record)
      try {
        await store.set('revocation', record)
      } catch (cause) {
        outbox.add(`revoke ${record.key}`, () => store.set('revocation', record), record.expires)
        throw new SessionError('ERR_STORE_UNAVAILABLE', {
          detail: 'the revocation holds in this process only, for now',
          cause,
        })
      }
      return cutoff
    },
    get size() {
      return entries.size
    },
    close: () => watch.stop(),
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
