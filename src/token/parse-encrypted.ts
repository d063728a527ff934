// The form of an encrypted token, before any key is looked at, as strict as parse.ts is about signed ones: exactly five
// parts of canonical base64url, a header that says what our tokens say and nothing else.
// RFC 7516 sections 4 and 5.2, RFC 7518 sections 4.6 and 5.3, RFC 7519 section 5, RFC 8725.

import { SessionError } from '../errors.ts'
import {
  CONTENT_ENCRYPTION,
  ECDH_CURVES,
  ENCRYPTION_ALGORITHMS,
  type EncryptionAlgorithm,
  isEncryptionAlgorithm,
} from '../keys/encryption-algorithms.ts'
import { KID } from '../keys/key.ts'
import type { JsonObject } from './json.ts'
import { decodeObject, isCanonical, isType, type TokenForm } from './parse.ts'

/** An encrypted token that has the right form: which key it is for. */
export interface ParsedEncrypted {
  readonly alg: EncryptionAlgorithm
  readonly kid: string
  /** The curve of `epk`. */
  readonly crv: string | undefined
}

// Header, encrypted key, initialisation vector of 96 bits, ciphertext, tag of 128 bits (RFC 7518 section 5.3).
const COMPACT = /^([\w-]+)\.([\w-]*)\.([\w-]{16})\.([\w-]+)\.([\w-]{22})$/

// What jose writes for the kit's algorithms, and no more: `zip`, `crit`, `p2c`, keys and their addresses are refused, and
// so are claims (RFC 7519 section 5.3 would have them compared with those inside). Our tokens never have them.
const PARAMETERS: ReadonlySet<string> = new Set(['alg', 'enc', 'typ', 'cty', 'kid', 'epk'])

/**
 * Parses a compact JWE that holds a signed token.
 *
 * @param token - as it came; never trimmed or repaired
 * @throws SessionError with ERR_TOKEN_TOO_LARGE, ERR_TOKEN_MALFORMED, ERR_TOKEN_HEADER, ERR_TOKEN_TYPE,
 *   ERR_TOKEN_ALGORITHM or ERR_TOKEN_KEY
 * @see https://www.rfc-editor.org/rfc/rfc7516#section-5.2
 */
export function parseEncrypted(token: string, form: TokenForm): ParsedEncrypted {
  if (token.length > form.maxBytes) throw new SessionError('ERR_TOKEN_TOO_LARGE')
  const [, header = '', encryptedKey = '', ...others] = COMPACT.exec(token) ?? []
  const parts = [header, ...others, ...(encryptedKey === '' ? [] : [encryptedKey])]
  if (!parts.every(isCanonical)) throw new SessionError('ERR_TOKEN_MALFORMED')
  const parsed = readHeader(decodeObject(header), form.typ)
  if (ENCRYPTION_ALGORITHMS[parsed.alg].hasEncryptedKey === (encryptedKey === '')) {
    throw new SessionError('ERR_TOKEN_MALFORMED', { detail: 'encrypted key' })
  }
  return parsed
}

function readHeader(header: JsonObject, typ: string): ParsedEncrypted {
  if (Object.keys(header).some((name) => !PARAMETERS.has(name))) throw new SessionError('ERR_TOKEN_HEADER')
  if (!isType(header['typ'], typ)) throw new SessionError('ERR_TOKEN_TYPE')
  if (!isType(header['cty'], 'jwt')) throw new SessionError('ERR_TOKEN_TYPE', { detail: 'cty' })
  const { alg, enc, kid, epk } = header
  if (!isEncryptionAlgorithm(alg) || enc !== CONTENT_ENCRYPTION) throw new SessionError('ERR_TOKEN_ALGORITHM')
  if (typeof kid !== 'string' || !KID.test(kid)) throw new SessionError('ERR_TOKEN_KEY')
  const isAgreement = ENCRYPTION_ALGORITHMS[alg].kty === 'EC'
  if (isAgreement !== 'epk' in header) throw new SessionError('ERR_TOKEN_HEADER', { detail: 'epk' })
  return { alg, kid, crv: isAgreement ? readCurve(epk) : undefined }
}

/** Whether the point is on the curve, OpenSSL says when it imports it. */
function readCurve(epk: unknown): string {
  const { kty, crv, x, y, ...others } = Object(epk) as Record<string, unknown> // an object of whatever it is
  const isPoint = kty === 'EC' && typeof crv === 'string' && isCoordinate(x, crv) && isCoordinate(y, crv)
  if (isPoint && Object.keys(others).length === 0) return crv
  throw new SessionError('ERR_TOKEN_HEADER', { detail: 'epk' })
}

function isCoordinate(value: unknown, crv: string): boolean {
  if (typeof value !== 'string' || !Object.hasOwn(ECDH_CURVES, crv)) return false
  return value.length === ECDH_CURVES[crv] && /^[\w-]+$/.test(value) && isCanonical(value)
}
