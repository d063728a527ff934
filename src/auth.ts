// Who is calling: what a verified token says, for the application, for errors and for the revocation list.

import type { ErrorSubject } from './errors.ts'
import type { RevocableToken } from './revocation.ts'
import type { Seconds } from './time.ts'
import type { TokenClaims } from './token/claims.ts'

/** A verified session: who is calling. */
export interface Auth<Claims extends object = Record<string, unknown>> {
  /** The subject: the user's identifier. */
  readonly sub: string
  /** The session. */
  readonly sid: string
  /** The token. */
  readonly jti: string
  /** The key that signed the token. */
  readonly kid: string
  /** When the token expires, a NumericDate. */
  readonly exp: Seconds
  /** The scopes, split. */
  readonly scope: readonly string[]
  /** Every claim of the token, yours among them. Frozen, without a prototype. */
  readonly claims: Readonly<TokenClaims & Claims>
}

/** What verified claims say about who is calling. */
export function toAuth(claims: TokenClaims, kid: string): Auth {
  const { sub, sid, jti, exp, scope } = claims
  return Object.freeze({
    sub,
    sid,
    jti,
    kid,
    exp,
    scope: Object.freeze(scope ? scope.split(' ') : []),
    // The cast adds the index signature that a payload has.
    claims: Object.freeze(claims as TokenClaims & Record<string, unknown>),
  })
}

/** What the revocation list knows the token by. */
export function toRevocable({ sub, sid, jti, kid, exp, claims: { iss, iat, iat_ms } }: Auth): RevocableToken {
  return { iss, jti, sid, sub, kid, iat, iat_ms, exp }
}

/** The identifiers of a session, for errors. */
export function toSubject({ sub, sid, jti }: Auth): ErrorSubject {
  return { sub, sid, jti }
}
