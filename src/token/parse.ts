// The form of a token, before any key is looked at: exactly three parts of canonical base64url, strict JSON in the
// first two, and no header parameter that would hand the choice of key or meaning to whoever wrote it.
// RFC 7515 sections 4 and 5.2, RFC 7519 section 7.2, RFC 8725.

import { SessionError } from '../errors.ts'
import { type Algorithm, isAlgorithm } from '../keys/algorithms.ts'
import { KID } from '../keys/key.ts'
import { type JsonObject, parseJsonObject } from './json.ts'

/** A token that has the right form. Nothing in it is verified. */
export interface ParsedToken {
  readonly token: string
  readonly alg: Algorithm
  readonly kid: string
  readonly payload: JsonObject
}

/** What a token must look like. */
export interface TokenForm {
  /** Longer ones are not looked into. */
  readonly maxBytes: number
  /** The expected type, lower case, without `application/`. */
  readonly typ: string
}

const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/

// The last character of a part may only use the bits that its bytes fill (RFC 4648 section 3.5); a part's length modulo
// 4 says how many those are, and is never 1.
const CANONICAL_ENDS: Readonly<Record<number, string>> = { 2: 'AQgw', 3: 'AEIMQUYcgkosw048' }

// Presence alone refuses. The first two rows carry keys or say where to fetch them (RFC 8725 section 3.10); `crit`,
// `b64` and `cty` change what the token means, `zip` and `enc` belong to encryption.
const REFUSED_PARAMETERS = [
  ...['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'],
  ...['epk', 'apu', 'apv', 'iv', 'tag', 'p2s', 'p2c'],
  ...['crit', 'b64', 'cty', 'zip', 'enc'],
] as const

/**
 * Parses a compact JWS.
 *
 * @param token - as it came; never trimmed or repaired
 * @throws SessionError with ERR_TOKEN_TOO_LARGE, ERR_TOKEN_MALFORMED, ERR_TOKEN_HEADER, ERR_TOKEN_TYPE,
 *   ERR_TOKEN_ALGORITHM or ERR_TOKEN_KEY
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-5.2
 */
export function parseToken(token: string, form: TokenForm): ParsedToken {
  return parseJws(token, form.maxBytes, ({ typ, alg, kid }) => {
    if (!isType(typ, form.typ)) throw new SessionError('ERR_TOKEN_TYPE')
    if (!isAlgorithm(alg)) throw new SessionError('ERR_TOKEN_ALGORITHM')
    if (typeof kid !== 'string' || !KID.test(kid)) throw new SessionError('ERR_TOKEN_KEY')
    return { alg, kid }
  })
}

/** The same with other demands of the header, which is read before the payload is looked at. */
export function parseJws<H extends object>(
  token: string,
  maxBytes: number,
  readHeader: (header: JsonObject) => H,
): H & { readonly token: string; readonly payload: JsonObject } {
  if (token.length > maxBytes) throw new SessionError('ERR_TOKEN_TOO_LARGE')
  const [, first = '', payload = '', signature = ''] = COMPACT.exec(token) ?? []
  if (first === '' || ![first, payload, signature].every(isCanonical)) throw new SessionError('ERR_TOKEN_MALFORMED')
  const header = decodeObject(first)
  if (REFUSED_PARAMETERS.some((name) => name in header)) throw new SessionError('ERR_TOKEN_HEADER')
  // No spread, which is slow, and leaves more behind than the object.
  return Object.assign(readHeader(header), { token, payload: decodeObject(payload) })
}

/** RFC 9068 section 4: `at+jwt` or `application/at+jwt`; RFC 7515 section 4.1.9: compared as a media type. */
export function isType(value: unknown, typ: string): boolean {
  if (typeof value !== 'string') return false
  const lower = value.toLowerCase()
  return lower === typ || lower === `application/${typ}`
}

/** The JSON object of a part. @throws SessionError with ERR_TOKEN_MALFORMED */
export function decodeObject(part: string): JsonObject {
  try {
    return parseJsonObject(Buffer.from(part, 'base64url'))
  } catch (cause) {
    // V8 quotes the text in its message, so the cause stays here.
    throw new SessionError('ERR_TOKEN_MALFORMED', { detail: cause instanceof SyntaxError ? 'not JSON' : String(cause) })
  }
}

/** Whether these characters are the only spelling of their bytes. */
export function isCanonical(part: string): boolean {
  const last = part.at(-1)
  if (last === undefined) return false
  return part.length % 4 === 0 || CANONICAL_ENDS[part.length % 4]?.includes(last) === true
}
