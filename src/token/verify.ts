// The signature. The only place where a token meets a key to be verified: by node:crypto where that is soon done, else by
// jose on another thread.

import { constants, KeyObject, verify } from 'node:crypto'

import { compactVerify } from 'jose'

import { SessionError } from '../errors.ts'
import type { Algorithm } from '../keys/algorithms.ts'
import type { Key } from '../keys/key.ts'
import type { ParsedToken } from './parse.ts'

/** How node:crypto verifies an algorithm. */
interface Direct {
  readonly hash: string | null
  readonly options?: { readonly dsaEncoding?: 'ieee-p1363'; readonly padding?: number; readonly saltLength?: number }
}

// The algorithms that take about as long as it takes to ask another thread. The larger curves would keep everybody waiting.
const DIRECT: Readonly<Partial<Record<Algorithm, Direct>>> = {
  // RFC 7518 section 3.4: r and s one after the other, and nothing else.
  ES256: { hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  RS256: { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING } },
  // RFC 7518 section 3.5: the salt is as long as the hash.
  PS256: { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  EdDSA: { hash: null },
  Ed25519: { hash: null },
}

const keyObjects = new WeakMap<Key['verifyingKey'], KeyObject>()

/**
 * Verifies the signature with the one key that the token may be signed with.
 *
 * @throws SessionError with ERR_TOKEN_ALGORITHM or ERR_TOKEN_SIGNATURE
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-5.2
 */
export async function verifySignature(parsed: Pick<ParsedToken, 'token' | 'alg'>, key: Key): Promise<void> {
  // One key, one algorithm (RFC 8725 section 3.1): the header can only agree.
  if (parsed.alg !== key.alg) throw new SessionError('ERR_TOKEN_ALGORITHM')
  const direct = DIRECT[key.alg]
  try {
    if (direct === undefined) await compactVerify(parsed.token, key.verifyingKey, { algorithms: [key.alg] })
    else if (!verifyDirectly(parsed.token, toKeyObject(key), direct)) throw new Error('the signature does not fit')
  } catch (cause) {
    // Both throw errors of many kinds for some keys and signatures, so everything they throw means the same.
    throw new SessionError('ERR_TOKEN_SIGNATURE', { cause })
  }
}

function verifyDirectly(token: string, key: KeyObject, { hash, options }: Direct): boolean {
  const dot = token.lastIndexOf('.')
  const signature = Buffer.from(token.slice(dot + 1), 'base64url')
  return verify(hash, Buffer.from(token.slice(0, dot), 'latin1'), { key, ...options }, signature)
}

function toKeyObject({ verifyingKey }: Key): KeyObject {
  const known = keyObjects.get(verifyingKey) ?? KeyObject.from(verifyingKey)
  keyObjects.set(verifyingKey, known)
  return known
}
