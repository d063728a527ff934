// One key with its one algorithm: checked when it is made, then held as non-extractable CryptoKeys, and aside from them as
// node:crypto takes it. RFC 7517, RFC 7638, RFC 8725 sections 3.1 and 3.5.

import { createHmac, createPublicKey, type KeyObject, webcrypto } from 'node:crypto'

import { calculateJwkThumbprint, type CryptoKey, importJWK, type JWK } from 'jose'

import { describe } from '../describe.ts'
import { type Algorithm, ALGORITHMS, inferAlgorithm, isSymmetric } from './algorithms.ts'
import type { EncryptionAlgorithm } from './encryption-algorithms.ts'
import { assertSecret } from './secret.ts'
import { assertPair, assertStrength, isQuick } from './strength.ts'

/** The public half of a key as the JWKS route shows it (RFC 7517 section 4). */
export interface PublicJwk extends JWK {
  readonly kty: string
  readonly kid: string
  readonly alg: Algorithm
  readonly use: 'sig'
}

/** A key of the kit. Printing or serialising it shows nothing secret: the CryptoKeys do not give their bytes. */
export interface Key {
  /** RFC 7638 thumbprint, or the `kid` that the JWK came with. */
  readonly kid: string
  readonly alg: Algorithm
  /** RFC 7638 thumbprint; tells whether two keys are the same. */
  readonly thumbprint: string
  /** Undefined for a secret, which has no public half. */
  readonly publicJwk: PublicJwk | undefined
  readonly verifyingKey: CryptoKey
  /** Undefined for a key that can only verify. */
  readonly signingKey: CryptoKey | undefined
}

/** A key that can sign. */
export interface SigningKey extends Key {
  readonly signingKey: CryptoKey
}

/** The algorithm that the caller names, for a key that may name one itself. */
export interface WantedAlgorithm {
  readonly algorithm: Algorithm | undefined
  /** Whether it is only for keys that name none. */
  readonly isDefault: boolean
}

/** What a `kid` may look like: an exact map key and nothing else (RFC 8725 section 3.10). */
export const KID: RegExp = /^[\w.~:+=-]{1,128}$/

/** A key as node:crypto takes it. It could be exported, so no member of a {@link Key} leads to it. */
interface Halves {
  /** Undefined for a secret, and for a key that takes long. */
  readonly publicKey?: KeyObject | undefined
  readonly privateKey?: KeyObject | undefined
}

// Keys that this module made: an object that merely looks like one is input, not a key.
const made = new WeakMap<object, Halves>()

/** Whether it is a key that was checked here. */
export function isKey(value: object): value is Key {
  return made.has(value)
}

/** For signatures alone. */
export function halvesOf(key: Key): Halves {
  return made.get(key) ?? {}
}

function seal(key: Key, halves: Halves): Key {
  made.set(Object.freeze(key), halves)
  return key
}

/**
 * Makes a key from what node:crypto parsed.
 *
 * @param keyObject - a private or public key
 * @param options.algorithm - must fit the key; may be left out where the curve decides
 * @param options.kid - instead of the thumbprint
 * @throws TypeError when the key is weak, inconsistent, or does not fit the algorithm
 */
export async function createKey(
  keyObject: KeyObject,
  options: { readonly algorithm?: Algorithm | undefined; readonly kid?: string | undefined },
): Promise<Key> {
  const publicKey = keyObject.type === 'private' ? createPublicKey(keyObject) : keyObject
  const publicMembers = exportJwk(publicKey)
  const alg = options.algorithm ?? inferAlgorithm(publicMembers)
  assertFits(publicMembers, alg)
  assertStrength(publicKey, publicMembers)
  if (keyObject.type === 'private') assertPair(keyObject, publicKey)
  const thumbprint = await calculateJwkThumbprint(publicMembers)
  const kid = options.kid ?? thumbprint
  assertKid(kid)
  const privateKey = keyObject.type === 'private' ? keyObject : undefined
  const key = {
    kid,
    alg,
    thumbprint,
    publicJwk: Object.freeze({ ...publicMembers, kid, alg, use: 'sig' } as const),
    verifyingKey: await toCryptoKey(publicKey, alg),
    signingKey: privateKey && (await toCryptoKey(privateKey, alg)),
  }
  return seal(key, { publicKey: isQuick(publicKey) ? publicKey : undefined, privateKey })
}

/**
 * Makes a key from a shared secret.
 *
 * @throws TypeError when the secret is short or guessable
 */
export async function createSecretKey(
  secret: Uint8Array,
  options: { readonly algorithm?: Algorithm | undefined; readonly kid?: string | undefined },
): Promise<Key> {
  const { algorithm = inferAlgorithm({ kty: 'oct' }) } = options
  const { bytes, hash } = ALGORITHMS[algorithm]
  if (bytes === undefined || hash === undefined) {
    throw new TypeError(`algorithm: expected 'HS256', 'HS384' or 'HS512' for a secret, got '${algorithm}'`)
  }
  assertSecret(secret, bytes)
  const thumbprint = digestSecret(secret)
  const kid = options.kid ?? thumbprint
  assertKid(kid)
  const key = await webcrypto.subtle.importKey('raw', secret, { name: 'HMAC', hash }, false, ['sign', 'verify'])
  const members = { kid, alg: algorithm, thumbprint, publicJwk: undefined, verifyingKey: key, signingKey: key }
  return seal(members, {})
}

/** Not the RFC 7638 thumbprint: its section 7 warns that one of a secret helps to guess it when published, and a kid is. */
export function digestSecret(secret: Uint8Array): string {
  return createHmac('sha256', secret).update('koa-holdfast kid').digest('base64url')
}

/** The key for WebCrypto. @throws TypeError */
export async function toCryptoKey(key: KeyObject, alg: Algorithm | EncryptionAlgorithm): Promise<CryptoKey> {
  try {
    // The cast holds for every JWK that is not `oct`.
    return (await importJWK(exportJwk(key), alg, { extractable: key.type === 'public' })) as CryptoKey
  } catch (cause) {
    throw new TypeError('key: expected a key that WebCrypto can use, got one that it refuses', { cause })
  }
}

/** Its members as a JWK. @throws TypeError */
export function exportJwk(key: KeyObject): JWK & { kty: string } {
  try {
    // The cast holds: an exported JWK always has `kty`.
    return key.export({ format: 'jwk' }) as JWK & { kty: string }
  } catch (cause) {
    throw new TypeError(`key: expected an RSA, EC or Ed25519 key, got one of type '${key.asymmetricKeyType}'`, {
      cause,
    })
  }
}

function assertFits(jwk: JWK, alg: Algorithm): void {
  const { kty, crv } = ALGORITHMS[alg]
  if (jwk.kty === kty && (crv === undefined || jwk.crv === crv)) return
  const wanted = isSymmetric(alg) ? 'a secret' : `a key of kty ${kty}${crv === undefined ? '' : ` on ${crv}`}`
  throw new TypeError(`key: expected ${wanted} for ${alg}, got kty ${jwk.kty}${jwk.crv ? ` on ${jwk.crv}` : ''}`)
}

/** @throws TypeError */
export function assertKid(kid: unknown): asserts kid is string {
  if (typeof kid !== 'string' || !KID.test(kid)) {
    throw new TypeError(`kid: expected 1 to 128 characters of A-Z a-z 0-9 _ . ~ : + = -, got ${describe(kid)}`)
  }
}
