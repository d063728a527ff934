// The keys of one issuer: one signs, all verify. RFC 7517 section 5.

import { assertKnown } from '../options/checks.ts'
import { describeKind } from '../describe.ts'
import { type Algorithm, isSymmetric } from './algorithms.ts'
import { generateKey } from './generate.ts'
import { importKeys, type KeyInput } from './import.ts'
import type { Key, PublicJwk, SigningKey } from './key.ts'

/** Where the keys come from that verify tokens: a key set in hand, or one that has to be asked for. */
export interface KeySource {
  /**
   * The key of this `kid`, matched exactly; undefined when there is none.
   *
   * @throws SessionError with ERR_KEYS_UNAVAILABLE when that cannot be told
   */
  get(kid: string): Key | undefined | Promise<Key | undefined>
}

/** The keys that sign and verify tokens. */
export interface KeySet extends KeySource {
  readonly keys: readonly Key[]
  /** The key that signs: the first one that can. Undefined when all can only verify. */
  readonly active: SigningKey | undefined
  get(kid: string): Key | undefined
  /** The public halves, fit to be published. */
  jwks(): { keys: PublicJwk[] }
}

/** What a key set is made of. */
export interface KeySetOptions {
  /**
   * The algorithm of a key to generate, or of every key in `keys` that does not name its own.
   *
   * @default 'ES256' for a generated key
   */
  readonly algorithm?: Algorithm
  /** The keys. The first that has a private part signs. Without it, one is generated and lost at exit. */
  readonly keys?: readonly KeyInput[]
}

/**
 * Makes a key set: from keys that you keep, or with a fresh key.
 *
 * @throws TypeError when a key is unusable, two are the same or share a `kid`, or secrets and key pairs are mixed
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { createKeySet } from 'koa-holdfast'
 *
 * const keys = await createKeySet({ keys: [await readFile('key.json', 'utf8')] })
 * ```
 */
export async function createKeySet(options: KeySetOptions = {}): Promise<KeySet> {
  assertKnown(options, 'options', ['algorithm', 'keys'])
  const { algorithm, keys: inputs } = options
  if (inputs !== undefined && (!Array.isArray(inputs) || inputs.length === 0)) {
    throw new TypeError(`keys: expected an array with at least one key, got ${describeKind(inputs)}`)
  }
  const imported = await Promise.all(
    (inputs ?? [await generateKey(algorithm)]).map((input) => importKeys(input, { algorithm, isDefault: true })),
  )
  const keys = imported.flat()
  assertDistinct(keys)
  const byKid = new Map(keys.map((key) => [key.kid, key]))
  return Object.freeze({
    keys: Object.freeze(keys),
    active: keys.find((key): key is SigningKey => key.signingKey !== undefined),
    get: (kid: string) => byKid.get(kid),
    jwks: () => ({ keys: keys.flatMap((key) => (key.publicJwk === undefined ? [] : [key.publicJwk])) }),
  })
}

function assertDistinct(keys: readonly Key[]): void {
  if (new Set(keys.map((key) => key.kid)).size < keys.length) {
    throw new TypeError('keys: expected a different kid for each key, got one twice')
  }
  if (new Set(keys.map((key) => key.thumbprint)).size < keys.length) {
    throw new TypeError('keys: expected each key once, with one algorithm, got the same key twice')
  }
  if (new Set(keys.map((key) => isSymmetric(key.alg))).size > 1) {
    throw new TypeError('keys: expected only key pairs or only secrets, got both; a mixed set invites confusion')
  }
}
