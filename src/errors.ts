// The one error class and the one table of its codes: what each means to HTTP (RFC 6749, RFC 6750,
// RFC 9457, RFC 9470) and to the event log. A client sees only status, `error` and the description
// that belongs to it; the exact code goes to events and logs.

import type { EndReason, EventName } from './events.ts'
import { freezeDeep } from './freeze.ts'

/** A stable name for what went wrong. A release may add one, never rename one. */
export type ErrorCode =
  | 'ERR_CREDENTIALS_MISSING'
  | 'ERR_CREDENTIALS_AMBIGUOUS'
  | 'ERR_COOKIE_MALFORMED'
  | 'ERR_TOKEN_MALFORMED'
  | 'ERR_TOKEN_TOO_LARGE'
  | 'ERR_TOKEN_HEADER'
  | 'ERR_TOKEN_TYPE'
  | 'ERR_TOKEN_ALGORITHM'
  | 'ERR_TOKEN_KEY'
  | 'ERR_TOKEN_DECRYPTION'
  | 'ERR_TOKEN_SIGNATURE'
  | 'ERR_TOKEN_CLAIMS'
  | 'ERR_TOKEN_ISSUER'
  | 'ERR_TOKEN_AUDIENCE'
  | 'ERR_TOKEN_NOT_YET_VALID'
  | 'ERR_TOKEN_EXPIRED'
  | 'ERR_TOKEN_REVOKED'
  | 'ERR_TOKEN_INACTIVE'
  | 'ERR_FINGERPRINT_MISSING'
  | 'ERR_FINGERPRINT_MISMATCH'
  | 'ERR_FINGERPRINT_AMBIGUOUS'
  | 'ERR_REFRESH_MISSING'
  | 'ERR_REFRESH_AMBIGUOUS'
  | 'ERR_REFRESH_MALFORMED'
  | 'ERR_REFRESH_FORGED'
  | 'ERR_REFRESH_REUSED_RECENT'
  | 'ERR_REFRESH_REUSED_STALE'
  | 'ERR_SESSION_EXPIRED'
  | 'ERR_REAUTHORIZATION_FAILED'
  | 'ERR_SCOPE_INVALID'
  | 'ERR_SCOPE_INSUFFICIENT'
  | 'ERR_AUTHENTICATION_INSUFFICIENT'
  | 'ERR_CROSS_SITE'
  | 'ERR_CLIENT_MISSING'
  | 'ERR_CLIENT_AMBIGUOUS'
  | 'ERR_CLIENT_UNKNOWN'
  | 'ERR_CLIENT_SECRET'
  | 'ERR_CLIENT_ASSERTION'
  | 'ERR_CLIENT_ASSERTION_REUSED'
  | 'ERR_CLIENT_FORBIDDEN'
  | 'ERR_LOGIN_FAILED'
  | 'ERR_SESSIONS_EXCEEDED'
  | 'ERR_SESSION_UNKNOWN'
  | 'ERR_RATE_LIMITED'
  | 'ERR_BODY_MALFORMED'
  | 'ERR_BODY_TOO_LARGE'
  | 'ERR_BODY_TYPE'
  | 'ERR_QUERY_INVALID'
  | 'ERR_METHOD'
  | 'ERR_CLAIMS_INVALID'
  | 'ERR_TOKEN_OVERSIZE'
  | 'ERR_TRANSPORT_INSECURE'
  | 'ERR_KEY_REVOKED'
  | 'ERR_KEYS_UNAVAILABLE'
  | 'ERR_INTROSPECTION_UNAVAILABLE'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_REVOCATIONS_STALE'
  | 'ERR_UNEXPECTED'

/** What a code means to HTTP, to the event log and to the operator. */
export interface ErrorRow {
  readonly status: number
  /** The `error` member that RFC 6749, 6750 or 9470 define; none where RFC 6750 section 3.1 wants a bare challenge. */
  readonly error?: string
  /** The event that a refusal with this code raises; none for refusals that say nothing about an attack. */
  readonly event?: EventName
  /** Why the session that the error is about ends with it, in the words of `session_expired`. */
  readonly ends?: EndReason
  /** For the operator. Never holds input. */
  readonly message: string
}

const invalidToken = { status: 401, error: 'invalid_token', event: 'token_rejected' } as const
const stolenToken = { ...invalidToken, event: 'sidejack' } as const
const reusedToken = { ...invalidToken, event: 'authn_token_reuse' } as const
const invalidRequest = { status: 400, error: 'invalid_request' } as const
const invalidClient = { status: 401, error: 'invalid_client', event: 'client_rejected' } as const

/** Every code, with the HTTP status and RFC error it answers and the event it raises. */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorRow>> = freezeDeep<Record<ErrorCode, ErrorRow>>({
  ERR_CREDENTIALS_MISSING: { status: 401, message: 'The request carries no access token' },
  ERR_CREDENTIALS_AMBIGUOUS: {
    ...invalidRequest,
    event: 'token_rejected',
    message: 'The request carries more than one access token',
  },
  ERR_COOKIE_MALFORMED: { ...invalidToken, message: 'The Cookie header is none that a browser sends' },
  ERR_TOKEN_MALFORMED: {
    ...invalidToken,
    message: 'Not a compact JWS, or JWE where tokens are encrypted, in canonical base64url',
  },
  ERR_TOKEN_TOO_LARGE: { ...invalidToken, message: 'The token is longer than the limit' },
  ERR_TOKEN_HEADER: { ...invalidToken, message: 'The token header holds a refused parameter' },
  ERR_TOKEN_TYPE: { ...invalidToken, message: 'The token header `typ`, or `cty` around it, is not the expected type' },
  ERR_TOKEN_ALGORITHM: { ...invalidToken, message: "The token header `alg` is not the key's algorithm" },
  ERR_TOKEN_KEY: { ...invalidToken, message: 'The token header `kid` names no key of the key set' },
  ERR_TOKEN_DECRYPTION: { ...invalidToken, message: 'The token does not decrypt with the key that it names' },
  ERR_TOKEN_SIGNATURE: { ...invalidToken, message: 'The token signature does not verify' },
  ERR_TOKEN_CLAIMS: { ...invalidToken, message: 'A token claim is missing, malformed or implausible' },
  ERR_TOKEN_ISSUER: { ...invalidToken, message: 'The token is from another issuer' },
  ERR_TOKEN_AUDIENCE: { ...invalidToken, message: 'The token is for another audience' },
  ERR_TOKEN_NOT_YET_VALID: { ...invalidToken, message: 'The token is not valid yet' },
  ERR_TOKEN_EXPIRED: { ...invalidToken, event: 'session_use_after_expire', message: 'The token has expired' },
  ERR_TOKEN_REVOKED: {
    ...invalidToken,
    event: 'authn_token_reuse',
    message: 'The token, its session, its subject or its key is revoked',
  },
  ERR_TOKEN_INACTIVE: { ...invalidToken, message: 'The issuer says that the token is not active' },
  ERR_FINGERPRINT_MISSING: { ...stolenToken, message: 'A live token came without its fingerprint cookie' },
  ERR_FINGERPRINT_MISMATCH: {
    ...stolenToken,
    message: 'A live token came with a fingerprint that is not its own',
  },
  ERR_FINGERPRINT_AMBIGUOUS: {
    ...invalidToken,
    message: 'The fingerprint came beside another cookie of the same name',
  },
  ERR_REFRESH_MISSING: { status: 401, message: 'The request carries no refresh token' },
  ERR_REFRESH_AMBIGUOUS: { ...invalidToken, message: 'The request carries more than one refresh token' },
  ERR_REFRESH_MALFORMED: { ...invalidToken, message: 'Not a refresh token of the form sid.generation.secret' },
  ERR_REFRESH_FORGED: { ...reusedToken, message: 'The refresh token names a session whose secret it does not know' },
  ERR_REFRESH_REUSED_RECENT: {
    ...reusedToken,
    ends: 'reuse',
    message: 'The previous refresh token came again, too late or without its fingerprint: one of two has been stolen',
  },
  ERR_REFRESH_REUSED_STALE: {
    ...reusedToken,
    ends: 'reuse',
    message: 'A refresh token came again that has been replaced more than once: one of two has been stolen',
  },
  ERR_SESSION_EXPIRED: {
    ...invalidToken,
    event: 'session_use_after_expire',
    message: 'The session is too old, was idle too long, has ended or never was',
  },
  ERR_REAUTHORIZATION_FAILED: {
    ...invalidToken,
    event: 'token_rejected',
    ends: 'unauthorized',
    message: '`reauthorize` did not let the subject go on',
  },
  ERR_SCOPE_INVALID: {
    status: 400,
    error: 'invalid_scope',
    event: 'authz_fail',
    message: 'The request asks for a scope that the login did not grant',
  },
  ERR_SCOPE_INSUFFICIENT: {
    status: 403,
    error: 'insufficient_scope',
    event: 'authz_fail',
    message: 'The token lacks a scope that the route demands',
  },
  ERR_AUTHENTICATION_INSUFFICIENT: {
    status: 401,
    error: 'insufficient_user_authentication',
    message: 'The route demands a more recent or a stronger authentication',
  },
  ERR_CROSS_SITE: {
    status: 403,
    error: 'access_denied',
    event: 'cross_site_refused',
    message: 'The request comes from another site or does not prove that it does not',
  },
  ERR_CLIENT_MISSING: {
    status: 401,
    error: 'invalid_client',
    message: 'The request carries no client authentication that the kit knows',
  },
  ERR_CLIENT_AMBIGUOUS: {
    ...invalidRequest,
    event: 'client_rejected',
    message: 'The request authenticates its client in more than one way, or names two',
  },
  ERR_CLIENT_UNKNOWN: { ...invalidClient, message: 'The request names no client of the options' },
  ERR_CLIENT_SECRET: { ...invalidClient, message: 'The client has another secret, or none' },
  ERR_CLIENT_ASSERTION: {
    ...invalidClient,
    message: "The client's assertion is none of its own, or its time has gone",
  },
  ERR_CLIENT_ASSERTION_REUSED: { ...invalidClient, message: "The client's assertion has been used before" },
  ERR_CLIENT_FORBIDDEN: {
    status: 403,
    error: 'unauthorized_client',
    event: 'client_rejected',
    message: 'The client may not do this, or not with the token of another',
  },
  ERR_LOGIN_FAILED: {
    status: 401,
    error: 'invalid_grant',
    event: 'authn_login_fail',
    message: '`authenticate` did not accept the credentials',
  },
  ERR_SESSIONS_EXCEEDED: {
    status: 403,
    error: 'access_denied',
    event: 'authn_login_fail',
    message: 'The subject has as many sessions as session.max allows',
  },
  ERR_SESSION_UNKNOWN: { status: 404, message: 'The subject has no such session' },
  ERR_RATE_LIMITED: {
    status: 429,
    error: 'temporarily_unavailable',
    event: 'excess_rate_limit_exceeded',
    message: 'The limiter refused the attempt',
  },
  ERR_BODY_MALFORMED: { ...invalidRequest, message: 'The body is no JSON object, or no form that the route can read' },
  ERR_BODY_TOO_LARGE: { ...invalidRequest, status: 413, message: 'The body is longer than the limit' },
  ERR_BODY_TYPE: {
    ...invalidRequest,
    status: 415,
    message: 'The body is not in UTF-8 of the type that the route reads',
  },
  ERR_QUERY_INVALID: {
    ...invalidRequest,
    message: "The query is not what the route knows: `all` is 'true' or left out",
  },
  ERR_METHOD: { ...invalidRequest, status: 405, message: 'The route does not know the method' },
  ERR_CLAIMS_INVALID: {
    status: 500,
    error: 'server_error',
    message: 'The application asked for a token with claims that cannot be issued',
  },
  ERR_TOKEN_OVERSIZE: {
    status: 500,
    error: 'server_error',
    message: 'The claims make the token longer than accessToken.maxBytes',
  },
  ERR_TRANSPORT_INSECURE: {
    status: 500,
    error: 'server_error',
    event: 'transport_insecure',
    message:
      'The issuer is https, but Koa sees a plain http request, so nothing is set or believed. Behind a TLS proxy ' +
      'set app.proxy = true (Koa then believes X-Forwarded-*), or cookie.tlsProxy = true (it does not)',
  },
  ERR_KEY_REVOKED: {
    status: 503,
    error: 'temporarily_unavailable',
    event: 'key_revoked_in_use',
    message: 'The signing key is revoked: build the kit with another one',
  },
  ERR_KEYS_UNAVAILABLE: {
    status: 503,
    error: 'temporarily_unavailable',
    event: 'keys_unavailable',
    message: "The issuer's public keys cannot be fetched, and none that are young enough are at hand",
  },
  ERR_INTROSPECTION_UNAVAILABLE: {
    status: 503,
    error: 'temporarily_unavailable',
    event: 'introspection_unavailable',
    message: 'The issuer did not say whether the token is active',
  },
  ERR_STORE_UNAVAILABLE: {
    status: 503,
    error: 'temporarily_unavailable',
    event: 'store_unavailable',
    message: 'The store did not do what it was asked to',
  },
  ERR_REVOCATIONS_STALE: {
    status: 503,
    error: 'temporarily_unavailable',
    event: 'store_unavailable',
    message: 'The revocation list has not been heard of for longer than maxStaleness, so no token is believed',
  },
  ERR_UNEXPECTED: {
    status: 503,
    error: 'temporarily_unavailable',
    message: 'Something failed that should not; the cause says what',
  },
})

/** Which verified session an error is about: identifiers, none of them a credential. */
export interface ErrorSubject {
  readonly sub: string
  readonly sid: string
  /** The access token, where there is one. */
  readonly jti?: string
}

/** What an error can carry beside its code. */
export interface SessionErrorOptions {
  /** The error below, for logs. */
  readonly cause?: unknown
  /** Response headers that must survive Koa's error handling. */
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** More for the operator's eyes. Must not hold input or a secret. */
  readonly detail?: string
  /** The session it is about, once the token is known to be genuine. */
  readonly subject?: ErrorSubject
}

const RETRY_AFTER = '5'

const BRAND = Symbol.for('koa-holdfast.SessionError')

/**
 * The error of everything that goes wrong at run time. Koa understands it: `status`, `expose` and
 * `headers` are what its error handler reads, and since `expose` is false the client gets no message.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-3.1
 */
export class SessionError extends Error {
  override readonly name = 'SessionError'
  /** The stable name of what went wrong. For logs and decisions, not for clients. */
  readonly code: ErrorCode
  /** The HTTP status. */
  readonly status: number
  /** Whether Koa may show the message to the client: never. */
  readonly expose = false
  /** Response headers that Koa keeps when this is thrown. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** The session it is about, where that is known. */
  readonly subject: ErrorSubject | undefined

  constructor(code: ErrorCode, options: SessionErrorOptions = {}) {
    const row = ERROR_CODES[code]
    const { cause, headers, detail, subject } = options
    super(detail === undefined ? row.message : `${row.message}: ${detail}`, cause === undefined ? {} : { cause })
    this.code = code
    this.status = row.status
    this.headers = {
      'Cache-Control': 'no-store',
      ...((row.status === 429 || row.status === 503) && { 'Retry-After': RETRY_AFTER }),
      ...headers,
    }
    this.subject = subject
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** Whether `error` is a {@link SessionError}, of this copy of the package or of another. */
export function isSessionError(error: unknown): error is SessionError {
  return typeof error === 'object' && error !== null && BRAND in error
}
