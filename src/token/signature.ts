// Signatures. The only place where a token meets the key that it is signed or verified with: by node:crypto where that is
// soon done, else by jose on another thread.

import { constants, type KeyObject, sign, verify } from 'node:crypto'

import { CompactSign, compactVerify } from 'jose'

import { SessionError } from '../errors.ts'
import type { Algorithm } from '../keys/algorithms.ts'
import { halvesOf, type Key, type SigningKey } from '../keys/key.ts'
import type { ParsedToken } from './parse.ts'
import { takeTurn } from './turns.ts'

/** How node:crypto does an algorithm, and what it does in about the time that it takes to ask another thread. */
interface Direct {
  readonly hash: string | null
  readonly options?: { readonly dsaEncoding?: 'ieee-p1363'; readonly padding?: number; readonly saltLength?: number }
  readonly signs: boolean
}

// The larger curves would keep everybody waiting, and so would the private half of an RSA key.
const DIRECT: Readonly<Partial<Record<Algorithm, Direct>>> = {
  // RFC 7518 section 3.4: r and s one after the other, and nothing else.
  ES256: { hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' }, signs: true },
  RS256: { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING }, signs: false },
  // RFC 7518 section 3.5: the salt is as long as the hash.
  PS256: { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signs: false },
  EdDSA: { hash: null, signs: true },
  Ed25519: { hash: null, signs: true },
}

/**
 * Signs in the compact form.
 *
 * @param header - what the protected header says beside `alg` and `kid`
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-5.1
 */
export async function signCompact(
  payload: string,
  header: { readonly typ?: string },
  key: SigningKey,
): Promise<string> {
  const direct = DIRECT[key.alg]
  const { privateKey } = halvesOf(key)
  if (direct?.signs !== true || privateKey === undefined) {
    const protectedHeader = { alg: key.alg, ...header, kid: key.kid }
    return new CompactSign(Buffer.from(payload)).setProtectedHeader(protectedHeader).sign(key.signingKey)
  }
  await takeTurn()
  const input = `${encodeHeader(key, header)}.${encode(payload)}`
  const signature = sign(direct.hash, Buffer.from(input, 'latin1'), { key: privateKey, ...direct.options })
  return `${input}.${signature.toString('base64url')}`
}

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
  const { publicKey } = halvesOf(key)
  try {
    if (direct === undefined || publicKey === undefined) {
      await compactVerify(parsed.token, key.verifyingKey, { algorithms: [key.alg] })
    } else {
      await takeTurn()
      if (!verifyDirectly(parsed.token, publicKey, direct)) throw new Error('the signature does not fit')
    }
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

// One key signs tokens of very few kinds.
const headers = new WeakMap<SigningKey, Map<string | undefined, string>>()

function encodeHeader(key: SigningKey, header: { readonly typ?: string }): string {
  const known = headers.get(key) ?? new Map<string | undefined, string>()
  let encoded = known.get(header.typ)
  if (encoded === undefined) {
    encoded = encode(JSON.stringify({ alg: key.alg, ...header, kid: key.kid }))
    headers.set(key, known.set(header.typ, encoded))
  }
  return encoded
}

function encode(part: string): string {
  return Buffer.from(part).toString('base64url')
}
