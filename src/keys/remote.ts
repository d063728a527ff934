// The public keys of another issuer, fetched from its JWKS and kept: one fetch at a time, refreshed before it is due, no
// more often than the cooldown allows whatever is asked for, and believed for a bounded time while the issuer is down.
// RFC 7517 section 5.

import type { JWK } from 'jose'

import { SessionError } from '../errors.ts'
import { describeFailure, type Fetch, fetchJson } from '../fetch-json.ts'
import type { Clock, Milliseconds, Seconds } from '../time.ts'
import { type Algorithm, ALGORITHMS } from './algorithms.ts'
import { importJwk, isPrivate } from './jwk.ts'
import type { Key } from './key.ts'
import type { KeySource } from './key-set.ts'

/** How remote keys are kept. */
export interface RemoteKeysOptions {
  /** Answers where the JWKS is. Asked before each fetch. */
  readonly locate: (deadline: AbortSignal) => Promise<string>
  readonly algorithms: readonly Algorithm[]
  /** How long keys are used without being fetched again; the issuer's `max-age` where it is shorter. */
  readonly maxAge: Seconds
  /** How much longer they are used while fetching fails. */
  readonly staleIfError: Seconds
  /** How long nothing is fetched after a fetch, whatever came of it. Not more than `maxAge`. */
  readonly cooldown: Seconds
  /** Of a fetch, the question where included. */
  readonly timeout: Milliseconds
  readonly fetch: Fetch
  readonly clock: Clock
  /** Hears of each fetch that failed. */
  readonly onFailure: (detail: string) => void
}

/** Keys that are fetched. */
export interface RemoteKeys extends KeySource {
  /** Fetches now, unless a fetch is under way or the cooldown forbids it. Never rejects. */
  refresh(): Promise<void>
}

/** The issuer has published what it signs with. */
class PublishedKeyError extends Error {}

const MAX_BYTES = 256 * 1024
const MAX_KEYS = 100
// However short the issuer says: keys are not fetched for every request.
const LEAST_AGE: Seconds = 60
// The part of the age after which they are fetched beside the request that finds them old.
const AHEAD = 0.8

/** Makes a source of remote keys. Nothing is fetched before the first `get` or `refresh`. */
export function createRemoteKeys(options: RemoteKeysOptions): RemoteKeys {
  const { clock, cooldown, staleIfError } = options
  let keys: ReadonlyMap<string, Key> = new Map()
  let fetched: Milliseconds = -Infinity
  let maxAge = options.maxAge
  let attempted: Milliseconds = -Infinity
  let pending: Promise<void> | undefined
  let isDown = false

  /** Since then, in seconds. A clock that went back counts as one that went ahead: what is kept is old. */
  const since = (time: Milliseconds): Seconds => Math.abs(clock() - time) / 1000

  async function load(): Promise<void> {
    const deadline = AbortSignal.timeout(options.timeout)
    try {
      const url = await options.locate(deadline)
      const { status, headers, json } = await fetchJson(url, { fetch: options.fetch, deadline, maxBytes: MAX_BYTES })
      if (status !== 200) throw new Error(`the JWKS was answered with ${status}`)
      keys = await importRemote(json, options.algorithms)
      maxAge = Math.min(options.maxAge, Math.max(readMaxAge(headers), LEAST_AGE, cooldown))
      fetched = clock()
      isDown = false
    } catch (error) {
      isDown = true
      // With a key that everybody has, anybody signs: what is kept of that issuer is worth no more than what came.
      if (error instanceof PublishedKeyError) fetched = -Infinity
      options.onFailure(describeFailure(error))
    }
  }

  function refresh(): Promise<void> {
    if (pending === undefined && since(attempted) >= cooldown) {
      attempted = clock()
      pending = load().finally(() => {
        pending = undefined
      })
    }
    return pending ?? Promise.resolve()
  }

  function find(kid: string): Key | undefined {
    // Not `>`: an age that is no number is too old.
    if (!(since(fetched) < maxAge + staleIfError)) throw new SessionError('ERR_KEYS_UNAVAILABLE')
    const key = keys.get(kid)
    // Old keys may be believed, but old news of what there is not may not.
    if (key === undefined && !(since(fetched) < maxAge)) throw new SessionError('ERR_KEYS_UNAVAILABLE')
    return key
  }

  return {
    refresh,
    get(kid) {
      const age = since(fetched)
      const key = keys.get(kid)
      // Who knows that nobody will answer does not wait for it.
      const isUsable = age < maxAge || (isDown && age < maxAge + staleIfError)
      if (key === undefined || !isUsable) return refresh().then(() => find(kid))
      if (age >= maxAge * AHEAD) void refresh()
      return key
    },
  }
}

/**
 * Imports what is usable of a JWK Set.
 *
 * @throws Error for what is no set of public keys with names of their own
 */
async function importRemote(value: unknown, algorithms: readonly Algorithm[]): Promise<Map<string, Key>> {
  const { keys: jwks } = Object(value) as { readonly keys?: unknown }
  if (!Array.isArray(jwks)) throw new Error('the answer is no JWK Set')
  if (jwks.length > MAX_KEYS) throw new Error(`the JWK Set has more than ${MAX_KEYS} keys`)
  // Whoever publishes a private key has lost it, and a secret is none for who verifies.
  if (jwks.some(isPrivate)) throw new PublishedKeyError('the JWK Set holds a private key or a secret')
  const keys = new Map<string, Key>()
  let reason = 'it is empty'
  for (const jwk of jwks as JWK[]) {
    // RFC 7517 section 5: what cannot be used is left out.
    const key = await importOne(jwk, algorithms).catch((error: unknown) => {
      reason = String(error)
    })
    if (key === undefined) continue
    if (keys.has(key.kid)) throw new Error('the JWK Set has a kid twice')
    keys.set(key.kid, key)
  }
  if (keys.size === 0) throw new Error(`the JWK Set has no key that can be used; ${reason}`)
  return keys
}

async function importOne(jwk: JWK, algorithms: readonly Algorithm[]): Promise<Key> {
  // For a key that does not name its algorithm: the one of those believed that fits, if it is one.
  const [algorithm, ...others] = algorithms.filter((name) => ALGORITHMS[name].kty === jwk?.kty)
  const key = await importJwk(jwk, { algorithm: others.length === 0 ? algorithm : undefined, isDefault: true })
  if (algorithms.includes(key.alg)) return key
  throw new TypeError(`algorithm: expected one of those that are believed, got '${key.alg}'`)
}

/** RFC 9111 section 5.2.2.1; Infinity where the issuer says nothing. */
function readMaxAge(headers: Headers): Seconds {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(headers.get('Cache-Control') ?? '')?.[1]
  return seconds === undefined ? Infinity : Number(seconds)
}
