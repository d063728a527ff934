// Reads JWKs and JWK Sets, and obeys what they say about their use. RFC 7517.

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

import type { JWK } from 'jose'

import { describe } from '../describe.ts'
import { isAlgorithm } from './algorithms.ts'
import { createKey, createSecretKey, type Key, type WantedAlgorithm } from './key.ts'

const PRIVATE_MEMBERS = ['d', 'k', 'priv', 'p', 'q', 'dp', 'dq', 'qi', 'oth'] as const

/**
 * Imports every usable key of a set. A public key that is not usable is left out (RFC 7517 section 5), but not without
 * a warning; a private one is an error, since another would sign in its place.
 *
 * @throws TypeError when none is usable, or a private one is not
 */
export async function importJwks(jwks: readonly JWK[], wanted: WantedAlgorithm): Promise<Key[]> {
  const keys: Key[] = []
  const reasons: string[] = []
  for (const jwk of jwks) {
    try {
      keys.push(await importJwk(jwk, wanted))
    } catch (error) {
      if (isPrivate(jwk)) throw error
      reasons.push(String(error))
    }
  }
  if (keys.length === 0) {
    throw new TypeError(`keys: expected a JWK Set with a usable key, got none; ${reasons[0] ?? 'it is empty'}`)
  }
  for (const reason of reasons) {
    process.emitWarning(`A key of a JWK Set is left out. ${reason}`, 'SessionKitWarning')
  }
  return keys
}

/** Whether it holds what must stay secret. */
export function isPrivate(jwk: unknown): boolean {
  return typeof jwk === 'object' && jwk !== null && PRIVATE_MEMBERS.some((name) => name in jwk)
}

/**
 * Imports one JWK.
 *
 * @throws TypeError when it is malformed, weak, or made for another use
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-4
 */
export async function importJwk(jwk: JWK, wanted: WantedAlgorithm): Promise<Key> {
  if (typeof jwk !== 'object' || jwk === null || typeof jwk.kty !== 'string') {
    throw new TypeError('key: expected a JWK, got something without kty')
  }
  assertUse(jwk)
  const { kid } = jwk
  if (kid !== undefined && typeof kid !== 'string') throw new TypeError(`kid: expected a string, got ${describe(kid)}`)
  const named = { ...nameAlgorithm(jwk, wanted), kid }
  if (jwk.kty === 'oct') {
    return createSecretKey(Buffer.from(String(jwk.k), 'base64url'), named)
  }
  return createKey(parseJwk(jwk), named)
}

/** The algorithm that the JWK names goes before a default, and must agree with one that was asked for. */
function nameAlgorithm({ alg }: JWK, wanted: WantedAlgorithm): WantedAlgorithm {
  if (alg === undefined) return wanted
  if (!isAlgorithm(alg)) throw new TypeError(`alg: expected one of the kit's algorithms, got ${describe(alg)}`)
  if (!wanted.isDefault && wanted.algorithm !== undefined && wanted.algorithm !== alg) {
    throw new TypeError(`algorithm: expected '${alg}', which is the JWK's, got '${wanted.algorithm}'`)
  }
  return { algorithm: alg, isDefault: false }
}

/** The key pair, or the public key, that a JWK holds. @throws TypeError */
export function parseJwk(jwk: JWK): KeyObject {
  if (!('d' in jwk) && ['p', 'q', 'dp', 'dq', 'qi'].some((name) => name in jwk)) {
    throw new TypeError('key: expected a whole private JWK or a public one, got one without `d`')
  }
  if ('oth' in jwk) throw new TypeError('key: expected an RSA key of two primes, got one of more (`oth`)')
  try {
    const input = { key: jwk as Record<string, string>, format: 'jwk' } as const // node checks the members
    if (!('d' in jwk)) return createPublicKey(input)
    const key = createPrivateKey(input)
    // Node derives the public part of an Ed25519 key from the private one and does not look at the one that is given.
    if (jwk.kty === 'OKP' && createPublicKey(key).export({ format: 'jwk' }).x !== jwk.x) throw new Error('parts of two')
    return key
  } catch (cause) {
    // Node says what is wrong by the member's name, never by its value.
    throw new TypeError('key: expected a JWK, got one that node:crypto cannot read', { cause })
  }
}

/** RFC 7517 sections 4.2 and 4.3: a key made for encryption, or not for signatures alone, is not ours. */
function assertUse(jwk: JWK): void {
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw new TypeError(`use: expected 'sig' or none, got ${describe(jwk.use)}; one key serves one purpose`)
  }
  if (jwk.key_ops === undefined) return
  const needed = isPrivate(jwk) ? 'sign' : 'verify'
  const ops: readonly unknown[] = Array.isArray(jwk.key_ops) ? jwk.key_ops : []
  if (!ops.includes(needed) || ops.some((op) => op !== 'sign' && op !== 'verify')) {
    throw new TypeError(`key_ops: expected '${needed}' and nothing but signatures, got ${describe(jwk.key_ops)}`)
  }
}
