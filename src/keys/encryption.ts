// The keys that encrypt and decrypt tokens: checked when they are made, then held as non-extractable CryptoKeys, one for
// each direction. RFC 7517, RFC 7518 section 4, RFC 8725 section 3.1.

import { createPublicKey, randomBytes, webcrypto } from 'node:crypto'

import { calculateJwkThumbprint, type CryptoKey, type JWK } from 'jose'

import { describe, describeKind } from '../describe.ts'
import { assertKnown } from '../options/checks.ts'
import {
  ECDH_CURVES,
  ENCRYPTION_ALGORITHMS,
  type EncryptionAlgorithm,
  type EncryptionAlgorithmRow,
  isEncryptionAlgorithm,
} from './encryption-algorithms.ts'
import { generatePrivateKey } from './generate.ts'
import { parseJwk } from './jwk.ts'
import { assertKid, digestSecret, exportJwk, toCryptoKey } from './key.ts'
import { assertSecret } from './secret.ts'
import { assertPair, assertStrength } from './strength.ts'

/** What encrypts tokens, and of a key pair nothing else. */
export interface EncryptingKey {
  readonly kid: string
  readonly alg: EncryptionAlgorithm
  readonly encryptingKey: CryptoKey
}

/** A key that encrypts and decrypts tokens. Printing or serialising it shows nothing secret. */
export interface EncryptionKey extends EncryptingKey {
  /** Tells whether two keys are the same. */
  readonly thumbprint: string
  /** The curve of an EC key. */
  readonly crv: string | undefined
  readonly decryptingKey: CryptoKey
}

/** The keys that encrypt and decrypt tokens. */
export interface EncryptionKeys {
  readonly keys: readonly EncryptionKey[]
  /** What encrypts: the first key, without its private part. */
  readonly active: EncryptingKey
  /** The key of this `kid`, matched exactly. */
  get(kid: string): EncryptionKey | undefined
}

const SECRET_BYTES = 32

const ENCRYPTION_OPS = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey', 'deriveKey', 'deriveBits']

// Sets that this module made.
const made = new WeakSet<object>()

/** Whether it is what {@link createEncryptionKeys} resolves to. */
export function isEncryptionKeys(value: unknown): value is EncryptionKeys {
  return typeof value === 'object' && value !== null && made.has(value)
}

/**
 * Draws a new key.
 *
 * The answer is the only copy: keep it secret, and give it to {@link createEncryptionKeys}.
 *
 * @param algorithm - default `'A256KW'`: a secret, and a content key of its own for each token
 * @returns a private JWK with `alg` and `use`, and for a key pair `kid` (RFC 7638 thumbprint)
 * @throws TypeError when the algorithm is not one of the kit's
 * @see https://www.rfc-editor.org/rfc/rfc7518#section-4
 * @example
 * ```ts
 * import { writeFile } from 'node:fs/promises'
 * import { generateEncryptionKey } from 'koa-holdfast'
 *
 * await writeFile('encryption.json', JSON.stringify(await generateEncryptionKey()), { mode: 0o600 })
 * ```
 */
export async function generateEncryptionKey(algorithm: EncryptionAlgorithm = 'A256KW'): Promise<JWK> {
  const { kty } = rowOf(algorithm, 'algorithm')
  if (kty === 'oct') return { kty, k: randomBytes(SECRET_BYTES).toString('base64url'), alg: algorithm, use: 'enc' }
  const jwk = exportJwk(await generatePrivateKey(kty, 'P-256'))
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm, use: 'enc' }
}

/**
 * Makes the keys for `accessToken.encryption`. The first encrypts, all decrypt: to change the key, add the new one
 * behind it everywhere, then put it first, and drop the old one when its last token has expired.
 *
 * @param options.keys - private JWKs or their JSON text, each with its `alg`; a public key could not read what it wrote
 * @throws TypeError when a key is unusable, weak, made for another use, or there twice
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-4
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { createEncryptionKeys } from 'koa-holdfast'
 *
 * const encryption = await createEncryptionKeys({ keys: [await readFile('encryption.json', 'utf8')] })
 * ```
 */
export async function createEncryptionKeys(options: {
  readonly keys: readonly (JWK | string)[]
}): Promise<EncryptionKeys> {
  assertKnown(options, 'options', ['keys'])
  const inputs = options.keys
  if (!Array.isArray(inputs)) throw new TypeError(`keys: expected an array, got ${describeKind(inputs)}`)
  const keys = await Promise.all(inputs.map(importEncryptionKey))
  const [first] = keys
  if (first === undefined) throw new TypeError('keys: expected an array with at least one key, got an empty one')
  const byKid = new Map(keys.map((key) => [key.kid, key]))
  if (byKid.size < keys.length || new Set(keys.map((key) => key.thumbprint)).size < keys.length) {
    throw new TypeError('keys: expected each key once, with one algorithm and a kid of its own, got one twice')
  }
  const { kid, alg, encryptingKey } = first
  const set: EncryptionKeys = Object.freeze({
    keys: Object.freeze(keys),
    active: Object.freeze({ kid, alg, encryptingKey }),
    get: (name: string) => byKid.get(name),
  })
  made.add(set)
  return set
}

function rowOf(alg: unknown, name: string): EncryptionAlgorithmRow {
  if (isEncryptionAlgorithm(alg)) return ENCRYPTION_ALGORITHMS[alg]
  const names = Object.keys(ENCRYPTION_ALGORITHMS).join(', ')
  throw new TypeError(`${name}: expected one of ${names}, got ${describe(alg)}`)
}

async function importEncryptionKey(input: JWK | string): Promise<EncryptionKey> {
  const jwk = typeof input === 'string' ? parseText(input) : input
  if (typeof jwk !== 'object' || jwk === null) throw new TypeError(`key: expected a JWK, got ${describeKind(jwk)}`)
  const row = rowOf(jwk.alg, 'alg')
  assertUse(jwk, row)
  if (jwk.kty !== row.kty) {
    throw new TypeError(`key: expected kty ${row.kty} for ${jwk.alg}, got ${describe(jwk.kty)}`)
  }
  if (!((row.kty === 'oct' ? 'k' : 'd') in jwk)) {
    throw new TypeError('key: expected a private key, since whoever verifies tokens decrypts them, got a public one')
  }
  const alg = jwk.alg as EncryptionAlgorithm // rowOf says so
  const key = row.secret === undefined ? await importPair(jwk, alg) : await importSecret(jwk, row.secret)
  const { kid = key.thumbprint } = jwk
  assertKid(kid)
  return Object.freeze({ kid, alg, ...key })
}

function parseText(text: string): JWK {
  try {
    return JSON.parse(text) as JWK // checked member by member
  } catch {
    // Without the cause: V8's message quotes the text.
    throw new TypeError('key: expected a JWK or its JSON text, got another text')
  }
}

type KeyMaterial = Omit<EncryptionKey, 'kid' | 'alg'>

async function importPair(jwk: JWK, alg: EncryptionAlgorithm): Promise<KeyMaterial> {
  if (jwk.kty === 'EC' && !Object.hasOwn(ECDH_CURVES, String(jwk.crv))) {
    throw new TypeError(`key: expected an EC key on ${Object.keys(ECDH_CURVES).join(', ')}, got another curve`)
  }
  const privateKey = parseJwk(jwk)
  const publicKey = createPublicKey(privateKey)
  const members = exportJwk(publicKey)
  assertStrength(publicKey, members)
  assertPair(privateKey, publicKey)
  return {
    thumbprint: await calculateJwkThumbprint(members),
    crv: members.crv,
    encryptingKey: await toCryptoKey(publicKey, alg),
    decryptingKey: await toCryptoKey(privateKey, alg),
  }
}

async function importSecret(
  jwk: JWK,
  [name, encrypts, decrypts]: NonNullable<EncryptionAlgorithmRow['secret']>,
): Promise<KeyMaterial> {
  const secret = Buffer.from(String(jwk.k), 'base64url')
  assertSecret(secret, SECRET_BYTES)
  if (secret.length > SECRET_BYTES) {
    throw new TypeError(`secret: expected ${SECRET_BYTES} bytes, got ${secret.length}`)
  }
  return {
    thumbprint: digestSecret(secret),
    crv: undefined,
    encryptingKey: await webcrypto.subtle.importKey('raw', secret, name, false, [encrypts]),
    decryptingKey: await webcrypto.subtle.importKey('raw', secret, name, false, [decrypts]),
  }
}

/** RFC 7517 sections 4.2 and 4.3: a key made for signatures is not for encryption. */
function assertUse({ use, key_ops: ops }: JWK, row: EncryptionAlgorithmRow): void {
  if (use !== undefined && use !== 'enc') {
    throw new TypeError(`use: expected 'enc' or none, got ${describe(use)}; one key serves one purpose`)
  }
  if (ops === undefined) return
  const named: readonly unknown[] = Array.isArray(ops) ? ops : []
  if (!row.ops.some((op) => named.includes(op)) || !named.every((op) => ENCRYPTION_OPS.some((one) => one === op))) {
    throw new TypeError(`key_ops: expected '${row.ops[0]}' and nothing but encryption, got ${describe(ops)}`)
  }
}
