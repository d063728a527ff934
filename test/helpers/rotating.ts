// Kits whose keys rotate, on one store, and services that verify with the public keys as they have them in their caches.

import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'

import {
  createRotatingKeys,
  type KeyRotation,
  type RotatingKeys,
  type RotatingKeysOptions,
  type SessionKit,
  type Store,
} from '../../src/index.ts'
import { ISSUER, type TestApp, type TestAppOptions, type TestClock } from './app.ts'
import { headerOf } from './decode.ts'
import type { FaultyStore } from './faulty.ts'
import type { Owner } from './http.ts'
import { until } from './redis-process.ts'

const draw = promisify(generateKeyPair)

/** What the keys of all tests are encrypted with. */
export const ENCRYPTION_KEY: Uint8Array = randomBytes(32)

/** Tokens of five minutes, and keys of twenty-five. */
export const ROTATING = {
  accessToken: { lifetime: '5m', maxLifetime: '5m' },
  keys: { rotateEvery: '25m', encryptionKey: ENCRYPTION_KEY } satisfies KeyRotation,
} as const satisfies TestAppOptions

/** In seconds, for the options above: what docs/keys.md says. */
export const PERIOD = 1500
export const LEAD = 300 + 600 + 60 + 5
export const KEEP = 300 + 60 + 5

/** The `kid` of each public key, as the route shows them: there are two as a rule, the active one and the next. */
export async function publishedBy(app: Pick<TestApp, 'request'>): Promise<[string, string, ...string[]]> {
  const { json } = await app.request('GET', '/.well-known/jwks.json')
  return (json as unknown as JSONWebKeySet).keys.map(({ kid }) => kid) as [string, string, ...string[]]
}

/** The `kid` of each key, in turn. */
export function kidsOf(keys: RotatingKeys): [string, string, ...string[]] {
  return keys.plan().map(({ kid }) => kid) as [string, string, ...string[]]
}

/** The keys as they are stored. */
export async function readSealed(store: Store): Promise<[string, string, ...string[]]> {
  const record = await store.get('key', ISSUER)
  if (record === undefined) throw new TypeError('expected keys in the store')
  return (record.value as { keys: [string, string, ...string[]] }).keys
}

/** The key that signs a token now. */
export async function signingKey(app: Pick<TestApp, 'login'>): Promise<string> {
  const { token } = await app.login()
  return String(headerOf(token)['kid'])
}

/**
 * Lets what was begun in the background come to its end: it is a chain of jobs in libuv's pool, each of which takes its
 * turn between two of these and takes no longer.
 */
export async function settle(keys: Pick<SessionKit, 'jwks'>): Promise<void> {
  keys.jwks()
  for (let job = 0; job < 40; job += 1) await draw('ec', { namedCurve: 'P-256' })
}

/** The same where nothing may have been begun. */
export async function settleIfBusy(keys: Pick<SessionKit, 'jwks'>, { calls }: FaultyStore): Promise<void> {
  const before = calls.length
  keys.jwks()
  await new Promise(setImmediate)
  if (calls.length > before) await settle(keys)
}

/** Moves the clock so far that the processes read the store again, and waits until it is so. */
export async function reload(
  clock: TestClock,
  processes: readonly Pick<RotatingKeys, 'jwks'>[],
  isSo: () => boolean,
): Promise<void> {
  clock.advance(60)
  for (const one of processes) one.jwks()
  await until(isSo, 'the processes to have read the store')
}

/** Opens the keys of one process, which ends with the test. */
export async function openKeys(
  owner: Owner,
  options: Partial<RotatingKeysOptions> & Pick<RotatingKeysOptions, 'store'>,
): Promise<RotatingKeys> {
  const { accessToken, keys } = ROTATING
  const opened = await createRotatingKeys({ issuer: ISSUER, accessToken, keys, ...options })
  owner.teardown(() => opened.close())
  return opened
}

/** The keys and what becomes of them: `['a retired', 'b active', 'c next']`. */
export function statesOf(keys: RotatingKeys): string[] {
  return keys.plan().map(({ kid, state }) => `${kid} ${state}`)
}

/** A cache that anybody may put before the route: it keeps an answer for as long as its Cache-Control says. */
export function createCache(app: () => Pick<TestApp, 'request'>, clock: () => number): () => Promise<JSONWebKeySet> {
  let kept: { readonly jwks: JSONWebKeySet; readonly until: number } | undefined
  return async () => {
    if (kept === undefined || clock() >= kept.until) {
      const { json, headers } = await app().request('GET', '/.well-known/jwks.json')
      const [, seconds] = /max-age=(\d+)/.exec(String(headers['cache-control'])) ?? []
      kept = { jwks: json as unknown as JSONWebKeySet, until: clock() + Number(seconds) * 1000 }
    }
    return kept.jwks
  }
}

/** A service that fetches the public keys every ten minutes, and at no other time, whatever it is asked. */
export function createService(
  fetch: () => Promise<JSONWebKeySet>,
  clock: () => number,
): (token: string) => Promise<boolean> {
  let kept: { readonly getKey: ReturnType<typeof createLocalJWKSet>; readonly until: number } | undefined
  return async (token) => {
    if (kept === undefined || clock() >= kept.until) {
      kept = { getKey: createLocalJWKSet(await fetch()), until: clock() + 600_000 }
    }
    const rules = { issuer: ISSUER, typ: 'at+jwt', currentDate: new Date(clock()), clockTolerance: 5 }
    return jwtVerify(token, kept.getKey, rules).then(
      () => true,
      () => false,
    )
  }
}
