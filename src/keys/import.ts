// Any key in any of the usual formats → Key. pem.ts, jwk.ts and openssh.ts read the formats, key.ts checks the key.

import { KeyObject } from 'node:crypto'

import type { JWK } from 'jose'

import { describe, describeKind } from '../describe.ts'
import { type Algorithm, isAlgorithm, isSymmetric } from './algorithms.ts'
import { importJwk, importJwks } from './jwk.ts'
import { createKey, createSecretKey, isKey, type Key, type WantedAlgorithm } from './key.ts'
import { isOpenSsh, readOpenSsh } from './openssh.ts'
import { findPemBlocks, readPem } from './pem.ts'

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

const MAX_TEXT = 1 << 20

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
  const keys = await importKeys(input, { algorithm: options.algorithm, isDefault: false })
  const [key] = keys
  if (key === undefined || keys.length > 1) {
    throw new TypeError(
      `key: expected one key, got a JWK Set of ${keys.length}; give the set to createKeySet({ keys: [set] })`,
    )
  }
  return key
}

/** Imports what {@link importKey} does, and every key of a JWK Set. */
export async function importKeys(input: KeyInput, wanted: WantedAlgorithm): Promise<Key[]> {
  const { algorithm } = wanted
  if (algorithm !== undefined && !isAlgorithm(algorithm)) {
    throw new TypeError(`algorithm: expected one of the kit's algorithms, got ${describe(algorithm)}`)
  }
  if (typeof input === 'string') return importText(input, wanted)
  if (input instanceof Uint8Array) {
    const isSecret = algorithm !== undefined && isSymmetric(algorithm)
    if (isSecret) return [await createSecretKey(input, wanted)]
    return importText(Buffer.from(input).toString('utf8'), wanted)
  }
  if (input instanceof KeyObject) return [await importKeyObject(input, wanted)]
  if (typeof input !== 'object' || input === null) throw unreadable(describeKind(input))
  if (isKey(input)) return [input]
  // The casts hold for what the branches look at; jwk.ts checks every member that it uses.
  if ('keys' in input && Array.isArray(input.keys)) return importJwks(input.keys as JWK[], wanted)
  return [await importJwk(input as JWK, wanted)]
}

function importKeyObject(key: KeyObject, wanted: WantedAlgorithm): Promise<Key> {
  return key.type === 'secret' ? createSecretKey(key.export(), wanted) : createKey(key, wanted)
}

async function importText(text: string, wanted: WantedAlgorithm): Promise<Key[]> {
  return importKeys(readKeyText(text), wanted)
}

/**
 * Reads the text of a key and checks no more than that it can be read: for writing it in another format, once
 * {@link importKey} has taken it.
 *
 * @throws TypeError when it cannot be read
 */
export function readKeyText(text: string): KeyObject | JWK | { readonly keys: readonly JWK[] } {
  if (text.length > MAX_TEXT) throw unreadable(`a text of ${text.length} characters`)
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) return parseJson(trimmed)
  if (isOpenSsh(trimmed)) return readOpenSsh(trimmed)
  const blocks = findPemBlocks(text)
  if (blocks.length > 0) return readPem(blocks)
  throw unreadable('another text; a secret is given as bytes, together with its algorithm')
}

function parseJson(text: string): JWK {
  try {
    return JSON.parse(text) as JWK // jwk.ts checks every member
  } catch {
    // Without the cause: V8's message quotes the text.
    throw unreadable('text that starts like JSON but is not')
  }
}

function unreadable(got: string): TypeError {
  return new TypeError(`key: expected PEM, OpenSSH, JWK or JWK Set, got ${got}`)
}
