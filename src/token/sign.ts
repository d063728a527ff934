// Signs tokens: access tokens, `at+jwt` with RFC 9068's claims, and tickets.

import { SessionError } from '../errors.ts'
import type { SigningKey } from '../keys/key.ts'
import { assertClaims, type ClaimRules, RESERVED_CLAIMS, type TokenClaims } from './claims.ts'
import { parseOwnJson } from './json.ts'
import type { TokenForm } from './parse.ts'
import { signCompact } from './signature.ts'

/** The `typ` of an access token. @see https://www.rfc-editor.org/rfc/rfc9068#section-2.1 */
export const ACCESS_TOKEN_TYPE = 'at+jwt'

/** The `typ` of a ticket: the kit's own, so that nobody takes one for an access token. */
export const TICKET_TYPE = 'ticket+jwt'

/** A token, and what whoever verifies it will read. */
export interface SignedToken {
  readonly token: string
  readonly kid: string
  readonly claims: TokenClaims
}

/**
 * Signs a token that {@link assertClaims} accepts.
 *
 * @param claims - the kit's own, the fingerprint among them
 * @param custom - the application's
 * @throws SessionError with ERR_CLAIMS_INVALID when a custom claim is reserved or no JSON, or a verifier would refuse
 *   a claim; with ERR_TOKEN_OVERSIZE when the token would be too long for a header
 */
export async function signToken(
  key: SigningKey,
  claims: TokenClaims & Readonly<Record<string, unknown>>,
  custom: object,
  rules: ClaimRules & TokenForm,
): Promise<SignedToken> {
  const reserved = Object.keys(custom).find((name) => RESERVED_CLAIMS.has(name))
  if (reserved !== undefined) {
    throw new SessionError('ERR_CLAIMS_INVALID', { detail: `'${reserved}' is set by the kit; use another name` })
  }
  const { text, payload } = encode(custom, claims, rules)
  const token = await signCompact(text, { typ: rules.typ }, key)
  assertSize(token, rules.maxBytes)
  return { token, kid: key.kid, claims: payload }
}

/** @throws SessionError with ERR_TOKEN_OVERSIZE */
export function assertSize(token: string, maxBytes: number): void {
  if (token.length <= maxBytes) return
  throw new SessionError('ERR_TOKEN_OVERSIZE', { detail: `${token.length} of ${maxBytes} bytes` })
}

/** What cannot be read back is not issued. */
function encode(custom: object, claims: object, rules: ClaimRules): { text: string; payload: TokenClaims } {
  try {
    // Not two spreads in a literal, which take V8 several times as long. `__proto__` is a reserved claim.
    const text = JSON.stringify(Object.assign({}, custom, claims))
    return { text, payload: assertClaims(parseOwnJson(text), rules) }
  } catch (cause) {
    // Messages of both functions name claims, never their values; JSON.stringify's names a type.
    throw new SessionError('ERR_CLAIMS_INVALID', { detail: String(cause), cause })
  }
}
