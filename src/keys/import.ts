// Any key in any of the usual formats → Key. Each format has one row; what a format says about use is obeyed.

import { createPrivateKey, createPublicKey, KeyObject, X509Certificate } from 'node:crypto'

import type { JWK } from 'jose'

import { describe } from '../time.ts'
import { type Algorithm, inferAlgorithm, isAlgorithm, isSymmetric } from './algorithms.ts'
import { createKey, createSecretKey, type Key } from './key.ts'
import { isOpenSsh, readOpenSsh } from './openssh.ts'

/**
 * A key as it is kept: PEM (PKCS#8, PKCS#1, SEC1, SPKI, X.509 certificate), an OpenSSH public or private key, a JWK
 * or a JWK Set (object or JSON text), a node:crypto KeyObject, or, for HS256/384/512 only, the bytes of a secret.
 */
export type KeyInput = string | Uint8Array | KeyObject | JWK | { readonly keys: readonly JWK[] } | Key

/** How to read a key. */
export interface ImportOptions {
  /** Needed where the key fits several: RSA keys (RS256, PS256) and secrets. Must agree with a JWK's `alg`. */
  readonly algorithm?: Algorithm
}

/**
 * Imports one key.
 *
 * @param input - see {@link KeyInput}; a JWK Set must hold exactly one key
 * @throws TypeError when it cannot be read, is weak, is made for another use, or its algorithm is not certain
 * @see https://www.rfc-editor.org/rfc/rfc7517
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { importKey } from 'koa-holdfast'
 *
 * const key = await importKey(await readFile('id_ed25519', 'utf8'))
 * ```
 */
export async function importKey(input: KeyInput, options: ImportOptions = {}): Promise<Key> {
  const keys = await importKeys(input, options)
  const [key] = keys
  if (key === undefined || keys.length > 1) {
    throw new TypeError(
      `key: expected one key, got a JWK Set of ${keys.length}; give the set to createKeySet({ keys: [set] })`,
    )
  }
  return key
}

/** Imports what {@link importKey} does, and every key of a JWK Set. */
export async function importKeys(input: KeyInput, options: ImportOptions = {}): Promise<Key[]> {
  const { algorithm } = options
  if (algorithm !== undefined && !isAlgorithm(algorithm)) {
    throw new TypeError(`algorithm: expected one of the kit's algorithms, got ${describe(algorithm)}`)
  }
  if (typeof input === 'string') return importText(input, algorithm)
  if (input instanceof Uint8Array) {
    return algorithm !== undefined && isSymmetric(algorithm)
      ? [await createSecretKey(input, { algorithm })]
      : importText(Buffer.from(input).toString('utf8'), algorithm)
  }
  if (input instanceof KeyObject) return [await importKeyObject(input, algorithm)]
  if (typeof input !== 'object' || input === null) throw unreadable(describe(input))
  if (isKey(input)) return [input]
  // The casts hold for what the branches look at; importJwk checks every member that it uses.
  if ('keys' in input && Array.isArray(input.keys)) {
    return importJwks(input.keys as JWK[], algorithm)
  }
  return [await importJwk(input as JWK, algorithm)]
}

function isKey(input: object): input is Key {
  return 'verifyingKey' in input
}

async function importText(text: string, algorithm: Algorithm | undefined): Promise<Key[]> {
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) {
    const parsed = parseJson(trimmed)
    return importKeys(parsed, algorithm === undefined ? {} : { algorithm })
  }
  if (isOpenSsh(trimmed)) return [await importJwk(readOpenSsh(trimmed), algorithm)]
  if (trimmed.startsWith('-----BEGIN ')) return [await importKeyObject(parsePem(trimmed), algorithm)]
  throw unreadable('another text; a secret is given as bytes, together with its algorithm')
}

function parseJson(text: string): JWK {
  try {
    return JSON.parse(text) as JWK // importJwk checks every member
  } catch {
    // Without the cause: V8's message quotes the text.
    throw unreadable('text that starts like JSON but is not')
  }
}

function parsePem(pem: string): KeyObject {
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw new TypeError(
      'key: expected a PEM key without a passphrase, got an encrypted one; remove it with: openssl pkey -in FILE -out COPY',
    )
  }
  try {
    if (pem.includes('BEGIN CERTIFICATE')) return new X509Certificate(pem).publicKey
    return pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : createPublicKey(pem)
  } catch (cause) {
    throw new TypeError('key: expected a PEM key or certificate, got one that OpenSSL cannot read', { cause })
  }
}

async function importKeyObject(key: KeyObject, algorithm: Algorithm | undefined): Promise<Key> {
  if (key.type !== 'secret') return createKey(key, { algorithm })
  return createSecretKey(key.export(), { algorithm: algorithm ?? inferAlgorithm({ kty: 'oct' }) })
}

/** RFC 7517 section 5: what cannot be used is left out of a set, but not without a word. */
async function importJwks(jwks: readonly JWK[], algorithm: Algorithm | undefined): Promise<Key[]> {
  const results = await Promise.allSettled(jwks.map((jwk) => importJwk(jwk, algorithm)))
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))
  if (reasons.length === jwks.length) {
    throw new TypeError(`keys: expected a JWK Set with a usable key, got none; ${reasons[0] ?? 'it is empty'}`)
  }
  for (const reason of reasons) process.emitWarning(`A key of a JWK Set is left out. ${reason}`, 'SessionKitWarning')
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

async function importJwk(jwk: JWK, algorithm: Algorithm | undefined): Promise<Key> {
  if (typeof jwk !== 'object' || jwk === null || typeof jwk.kty !== 'string') throw unreadable('an object without kty')
  assertUse(jwk)
  const alg = jwkAlgorithm(jwk, algorithm)
  const kid = jwk.kid
  if (kid !== undefined && typeof kid !== 'string') throw new TypeError(`kid: expected a string, got ${describe(kid)}`)
  if (jwk.kty === 'oct') {
    const secret = Buffer.from(typeof jwk.k === 'string' ? jwk.k : '', 'base64url')
    return createSecretKey(secret, { algorithm: alg ?? inferAlgorithm({ kty: 'oct' }), kid })
  }
  if ('oth' in jwk) throw new TypeError('key: expected an RSA key of two primes, got one of more (`oth`)')
  return createKey(parseJwk(jwk), { algorithm: alg, kid })
}

function parseJwk(jwk: JWK): KeyObject {
  try {
    const input = { key: jwk as Record<string, string>, format: 'jwk' } as const // node checks the members
    return 'd' in jwk ? createPrivateKey(input) : createPublicKey(input)
  } catch (cause) {
    // Node says what is wrong by the member's name, never by its value.
    throw new TypeError('key: expected a JWK, got one that node:crypto cannot read', { cause })
  }
}

function jwkAlgorithm(jwk: JWK, algorithm: Algorithm | undefined): Algorithm | undefined {
  if (jwk.alg === undefined) return algorithm
  if (!isAlgorithm(jwk.alg)) throw new TypeError(`alg: expected one of the kit's algorithms, got ${describe(jwk.alg)}`)
  if (algorithm !== undefined && algorithm !== jwk.alg) {
    throw new TypeError(`algorithm: expected '${jwk.alg}', which is the JWK's, got '${algorithm}'`)
  }
  return jwk.alg
}

/** RFC 7517 sections 4.2 and 4.3: a key made for encryption, or not for signatures, is not ours. */
function assertUse(jwk: JWK): void {
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw new TypeError(`use: expected 'sig' or none, got ${describe(jwk.use)}; one key serves one purpose`)
  }
  if (jwk.key_ops === undefined) return
  const needed = 'd' in jwk || jwk.kty === 'oct' ? 'sign' : 'verify'
  if (!Array.isArray(jwk.key_ops) || !jwk.key_ops.includes(needed)) {
    throw new TypeError(`key_ops: expected an array with '${needed}', got ${describe(jwk.key_ops)}`)
  }
}

function unreadable(got: string): TypeError {
  return new TypeError(`key: expected PEM, OpenSSH, JWK or JWK Set, got ${got}`)
}
