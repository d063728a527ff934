// Fresh keys, as private JWKs to be kept in a file or a secret manager.

import { generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

import { calculateJwkThumbprint, type JWK } from 'jose'

import { type Algorithm, ALGORITHMS, isAlgorithm } from './algorithms.ts'
import { describe } from '../describe.ts'

const generate = promisify(generateKeyPair)

const MODULUS_BITS = 3072

/**
 * Draws a new key.
 *
 * The answer is the only copy of the private part: keep it secret, and give it to `createKeySet` or `importKey`.
 *
 * @param algorithm - default `'ES256'`
 * @returns a private JWK with `kid` (RFC 7638 thumbprint), `alg` and `use`
 * @throws TypeError when the algorithm is not one of the kit's
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-4
 * @example
 * ```ts
 * import { writeFile } from 'node:fs/promises'
 * import { generateKey } from 'koa-holdfast'
 *
 * await writeFile('key.json', JSON.stringify(await generateKey()), { mode: 0o600 })
 * ```
 */
export async function generateKey(algorithm: Algorithm = 'ES256'): Promise<JWK> {
  if (!isAlgorithm(algorithm)) {
    throw new TypeError(`algorithm: expected one of the kit's algorithms, got ${describe(algorithm)}`)
  }
  const { kty, crv, bytes } = ALGORITHMS[algorithm]
  if (bytes !== undefined) {
    // Twice the least: as long as the block of the hash. No kid: the one that is derived at import tells nothing.
    return { kty, k: randomBytes(bytes * 2).toString('base64url'), alg: algorithm, use: 'sig' }
  }
  const privateKey = await generatePrivateKey(kty, crv)
  // The cast holds: node exports every key type above as a JWK.
  const jwk = privateKey.export({ format: 'jwk' }) as JWK
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm, use: 'sig' }
}

/** Draws a key pair. */
export async function generatePrivateKey(kty: string, crv: string | undefined): Promise<KeyObject> {
  if (kty === 'RSA') return (await generate('rsa', { modulusLength: MODULUS_BITS })).privateKey
  if (kty === 'EC' && crv !== undefined) return (await generate('ec', { namedCurve: crv })).privateKey
  return (await generate('ed25519')).privateKey
}
