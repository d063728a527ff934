// Issues access tokens: `at+jwt` with RFC 9068's claims, signed by jose.

import { CompactSign } from 'jose'

import { SessionError } from '../errors.ts'
import type { SigningKey } from '../keys/key.ts'
import { assertClaims, type ClaimRules, RESERVED_CLAIMS, type TokenClaims } from './claims.ts'
import { parseJsonObject } from './json.ts'

/** The `typ` of an access token. @see https://www.rfc-editor.org/rfc/rfc9068#section-2.1 */
export const ACCESS_TOKEN_TYPE = 'at+jwt'

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
  rules: ClaimRules & { readonly maxBytes: number },
): Promise<string> {
  const reserved = Object.keys(custom).find((name) => RESERVED_CLAIMS.has(name))
  if (reserved !== undefined) {
    throw new SessionError('ERR_CLAIMS_INVALID', { detail: `'${reserved}' is set by the kit; use another name` })
  }
  const token = await new CompactSign(encode({ ...custom, ...claims }, rules))
    .setProtectedHeader({ alg: key.alg, typ: ACCESS_TOKEN_TYPE, kid: key.kid })
    .sign(key.signingKey)
  if (token.length > rules.maxBytes) {
    throw new SessionError('ERR_TOKEN_OVERSIZE', { detail: `${token.length} of ${rules.maxBytes} bytes` })
  }
  return token
}

/** What cannot be read back is not issued. */
function encode(payload: object, rules: ClaimRules): Uint8Array {
  try {
    const bytes = Buffer.from(JSON.stringify(payload))
    assertClaims(parseJsonObject(bytes), rules)
    return bytes
  } catch (cause) {
    // Messages of both functions name claims, never their values; JSON.stringify's names a type.
    throw new SessionError('ERR_CLAIMS_INVALID', { detail: String(cause), cause })
  }
}
