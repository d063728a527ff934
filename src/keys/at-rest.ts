// Keys at rest: each a private JWK in a JWE of its own, whose protected header says whose it is, its `kid` and its times.
// Who can write to the store can neither read a key, nor add one, nor change when one signs. RFC 7516, RFC 7517 section 7.

import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'

import { compactDecrypt, CompactEncrypt, errors, type JWK } from 'jose'

import { describeKind } from '../describe.ts'
import type { Seconds } from '../time.ts'
import { importKey } from './import.ts'
import type { SigningKey } from './key.ts'
import type { RingKey } from './ring.ts'
import { weakness } from './secret.ts'

/** 32 random bytes, or the same in base64 or base64url. */
export type KeyEncryptionKey = string | Uint8Array

/** When a key was made, and when it begins to sign. */
export interface KeyTimes {
  readonly created: Seconds
  readonly activates: Seconds
}

/** Encrypts and decrypts the keys of one issuer. */
export interface Vault {
  seal(jwk: JWK, times: KeyTimes): Promise<RingKey>
  /** The same key with other times, encrypted with the first encryption key. */
  reseal(key: RingKey, times: KeyTimes): Promise<RingKey>
  /**
   * @throws TypeError when none of the encryption keys decrypts it
   * @throws Error when it is no key of this issuer
   */
  open(sealed: string): Promise<RingKey>
}

const BYTES = 32
// 32 bytes are 43 characters, and a `=` where it is padded.
const BASE64 = /^[\w+/-]{43}=?$/
const HINT = 'make one with: openssl rand -base64 32'
const ALLOWED = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] }

// Where the keys do not outlive the process, neither need what they are encrypted with.
const ephemeral = createSecretKey(randomBytes(BYTES))

/**
 * Reads the option.
 *
 * @throws TypeError when one is not 32 bytes, or not random
 */
export function importEncryptionKeys(given: KeyEncryptionKey | readonly KeyEncryptionKey[] | undefined): KeyObject[] {
  if (given === undefined) return []
  const keys: readonly unknown[] = Array.isArray(given) ? given : [given]
  if (keys.length === 0) throw new TypeError(`keys.encryptionKey: expected one at least, got an empty array; ${HINT}`)
  return keys.map((key) => createSecretKey(toBytes(key)))
}

function toBytes(key: unknown): Uint8Array {
  // As it comes from a file, with the end of its line.
  const text = typeof key === 'string' ? key.trim() : ''
  const bytes = BASE64.test(text) ? Buffer.from(text, 'base64') : key
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== BYTES) {
    const got = bytes instanceof Uint8Array ? `${bytes.byteLength} bytes` : describeKind(key)
    throw new TypeError(`keys.encryptionKey: expected ${BYTES} bytes, or their base64, got ${got}; ${HINT}`)
  }
  const problem = weakness(bytes, BYTES)
  if (problem === undefined) return bytes
  throw new TypeError(`keys.encryptionKey: expected random bytes, got ${problem}; ${HINT}`)
}

/**
 * Makes the vault of an issuer.
 *
 * @param encryptionKeys - the first encrypts, all decrypt; without any, one that is gone with this process
 */
export function createVault(issuer: string, encryptionKeys: readonly KeyObject[]): Vault {
  const [first = ephemeral, ...others] = encryptionKeys

  async function seal(jwk: JWK, { created, activates }: KeyTimes): Promise<RingKey> {
    const sealed = await new CompactEncrypt(Buffer.from(JSON.stringify(jwk)))
      // Not `kid`, which in a JWE names the key it is encrypted with (RFC 7516 section 4.1.6).
      .setProtectedHeader({
        ...{ alg: 'dir', enc: 'A256GCM', cty: 'jwk+json' },
        ...{ iss: issuer, sub: jwk.kid, iat: created, nbf: activates },
      })
      .encrypt(first)
    return open(sealed)
  }

  async function open(sealed: string): Promise<RingKey> {
    const { header, jwk, isFirst } = await decrypt(sealed)
    const { iss, sub, iat: created, nbf: activates } = header
    if (iss !== issuer) throw unreadable('a key of another issuer')
    const key = await importKey(jwk)
    const isWhole = key.signingKey !== undefined && key.kid === sub && isTime(created) && isTime(activates)
    if (!isWhole) throw unreadable('a key without its private part, its kid or its times')
    // The casts are what isWhole says.
    const times = { created: created as Seconds, activates: activates as Seconds }
    return Object.freeze({ key: key as SigningKey, ...times, sealed, isCurrent: isFirst })
  }

  async function decrypt(sealed: string): Promise<Opened> {
    for (const encryptionKey of [first, ...others]) {
      try {
        const { plaintext, protectedHeader } = await compactDecrypt(sealed, encryptionKey, ALLOWED)
        // The cast is what seal() wrote, and nobody else can have: importKey checks it all the same.
        const jwk = JSON.parse(Buffer.from(plaintext).toString()) as JWK
        return { header: protectedHeader, jwk, isFirst: encryptionKey === first }
      } catch (error) {
        if (!(error instanceof errors.JWEDecryptionFailed)) throw unreadable('something else than an encrypted key')
      }
    }
    throw new TypeError(
      'keys.encryptionKey: expected what the keys in the store are encrypted with, got another; add the former one as ' +
        'the second of a list, or delete the keys, and with them every access token that is out',
    )
  }

  return { seal, open, reseal: async ({ sealed }, times) => seal((await decrypt(sealed)).jwk, times) }
}

interface Opened {
  readonly header: Readonly<Record<string, unknown>>
  readonly jwk: JWK
  readonly isFirst: boolean
}

const isTime = (value: unknown): boolean => Number.isSafeInteger(value)

/** What to say of a record that is none. Without a cause, which may quote it. */
export function unreadable(got: string): Error {
  return new Error(
    `keys: expected encrypted keys in the store, got ${got}; restore the record, or delete it to begin with new keys, ` +
      'and every access token that is out is refused',
  )
}
