// The claims of an access token: what each must be, and that all of it is plausible together.
// RFC 7519 section 4.1, RFC 9068 section 2.2, RFC 8725 sections 3.8 to 3.12.

import { type ErrorCode, SessionError } from '../errors.ts'
import type { Milliseconds, Seconds } from '../time.ts'
import type { JsonObject } from './json.ts'

/** The registered and the kit's own claims of an access token. Times are NumericDates. */
export interface TokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  readonly exp: Seconds
  readonly iat: Seconds
  readonly nbf?: Seconds
  readonly jti: string
  /** The session (OpenID Connect's name for it). Other issuers may have none. */
  readonly sid: string
  readonly client_id?: string
  /** When the user last proved who they are. */
  readonly auth_time?: Seconds
  readonly acr?: string
  readonly amr?: readonly string[]
  /** Space-delimited (RFC 6749 section 3.3). */
  readonly scope?: string
  /**
   * The issue time again, in milliseconds, and always later than what was revoked of the subject before: with it
   * "everything until now" is exact. The kit's own claim.
   */
  readonly iat_ms?: Milliseconds
}

/** When a token is good. */
export interface Validity extends Pick<TokenClaims, 'exp' | 'iat'> {
  readonly nbf?: Seconds | undefined
}

/** What a verifier demands of the claims. */
export interface ClaimRules {
  readonly issuer: string
  /** The names of this service: the token must be for one of them. */
  readonly audience: readonly string[]
  /** How long ago `exp` may be. */
  readonly clockTolerance: Seconds
  /** The longest `exp - iat` that is believed. */
  readonly maxLifetime: Seconds
  /** Claims that must be there, beside those of RFC 9068. */
  readonly requiredClaims: readonly string[]
}

/** Claims that an application cannot set through `claims`: the kit sets them, or they would mean something else. */
export const RESERVED_CLAIMS: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'iat_ms', 'sid', 'typ'],
  ...['client_id', 'auth_time', 'acr', 'amr', 'scope', 'azp', 'nonce', 'act', 'may_act'],
  ...['cnf', 'fgp', 'userFingerprint', '__proto__', 'constructor', 'prototype', 'toJSON'],
])

/** The claims that are the application's own. */
export function pickOwnClaims(claims: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !RESERVED_CLAIMS.has(name)))
}

/** How far ahead of this clock another issuing process may be: `iat` and `nbf` only, never `exp`. */
export const CLOCK_SKEW: Seconds = 5

/** How many names `aud` may hold. */
export const MAX_AUDIENCES = 64
// No controls, no line separators, no half of a surrogate pair: what could not be logged or stored as it is.
const IDENTIFIER = /^[^\p{Cc}\p{Zl}\p{Zp}\p{Cs}]{1,255}$/u
const JTI = /^[\x21-\x7e]{1,128}$/
// `iat_ms` is ahead of `iat` only past a cut-off, and far only where a clock went back.
const MAX_AHEAD: Seconds = 365 * 86_400
/** Space-delimited scopes (RFC 6749 section 3.3); nothing that a challenge could not quote. */
export const SCOPE: RegExp = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/** Tells whether a claim is what it must be. */
export type Check = (value: unknown) => boolean

/** A name of somebody or something: at most 255 characters, none of them invisible trouble. */
export const isText: Check = (value) => typeof value === 'string' && IDENTIFIER.test(value)
const isDate: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value > 0
const isTextArray: Check = (value) => Array.isArray(value) && value.length <= MAX_AUDIENCES && value.every(isText)
const isAudience: Check = (value) => isText(value) || (isTextArray(value) && (value as unknown[]).length > 0)

const REQUIRED = Object.entries<Check>({
  iss: (value) => typeof value === 'string',
  sub: isText,
  aud: isAudience,
  exp: isDate,
  iat: isDate,
  jti: (value) => typeof value === 'string' && JTI.test(value),
})

const OPTIONAL = Object.entries<Check>({
  sid: (value) => typeof value === 'string' && JTI.test(value),
  nbf: isDate,
  auth_time: isDate,
  iat_ms: (value) => Number.isSafeInteger(value),
  client_id: isText,
  acr: isText,
  amr: isTextArray,
  scope: (value) => typeof value === 'string' && (value === '' || SCOPE.test(value)),
})

/**
 * Checks everything about the claims but whether their time has come or gone.
 *
 * @throws SessionError with ERR_TOKEN_CLAIMS, ERR_TOKEN_ISSUER or ERR_TOKEN_AUDIENCE
 */
export function assertClaims(payload: JsonObject, rules: ClaimRules): TokenClaims {
  for (const [name, check] of REQUIRED) demand(check(payload[name]), 'ERR_TOKEN_CLAIMS', name)
  for (const [name, check] of OPTIONAL) {
    demand(!(name in payload) || check(payload[name]), 'ERR_TOKEN_CLAIMS', name)
  }
  for (const name of rules.requiredClaims) demand(name in payload, 'ERR_TOKEN_CLAIMS', name)
  // A token bound to a key must not pass as a plain one (RFC 9449 section 7.2); this verifier knows no such binding.
  demand(!('cnf' in payload), 'ERR_TOKEN_CLAIMS', 'cnf')
  const claims = payload as unknown as TokenClaims // the checks above are this type
  demand(claims.iss === rules.issuer, 'ERR_TOKEN_ISSUER')
  const audience = typeof claims.aud === 'string' ? [claims.aud] : claims.aud
  demand(
    audience.some((name) => rules.audience.includes(name)),
    'ERR_TOKEN_AUDIENCE',
  )
  assertPlausible(claims, rules)
  return claims
}

/** Refuses times that contradict each other, among them milliseconds in place of seconds, and Infinity. */
function assertPlausible(claims: TokenClaims, rules: ClaimRules): void {
  const { exp, iat, nbf, iat_ms: milliseconds, auth_time: authTime } = claims
  const lifetime = exp - iat
  demand(lifetime > 0 && lifetime <= rules.maxLifetime, 'ERR_TOKEN_CLAIMS', 'exp')
  demand(nbf === undefined || nbf < exp, 'ERR_TOKEN_CLAIMS', 'nbf')
  demand(authTime === undefined || authTime <= iat + CLOCK_SKEW, 'ERR_TOKEN_CLAIMS', 'auth_time')
  const ahead = (milliseconds ?? iat * 1000) / 1000 - Math.floor(iat)
  demand(ahead >= 0 && ahead <= MAX_AHEAD, 'ERR_TOKEN_CLAIMS', 'iat_ms')
}

/**
 * What is wrong with the token's time, if anything: `exp` itself is already too late (RFC 7519 section 4.1.4), while
 * `iat` and `nbf` may be as far ahead as the clocks of two machines differ.
 */
export function findTimeFault(
  { exp, iat, nbf = 0 }: Validity,
  rules: Pick<ClaimRules, 'clockTolerance'>,
  now: Milliseconds,
): 'ERR_TOKEN_EXPIRED' | 'ERR_TOKEN_NOT_YET_VALID' | undefined {
  const seconds = now / 1000
  // Negated, so that a clock that answers no number lets nobody in.
  if (!(seconds < exp + rules.clockTolerance)) return 'ERR_TOKEN_EXPIRED'
  const ahead = seconds + CLOCK_SKEW
  return iat <= ahead && nbf <= ahead ? undefined : 'ERR_TOKEN_NOT_YET_VALID'
}

function demand(condition: boolean, code: ErrorCode, claim?: string): void {
  if (!condition) throw new SessionError(code, claim === undefined ? {} : { detail: claim })
}
