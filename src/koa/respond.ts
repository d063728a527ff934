// How the kit's answers look: headers that harden them, challenges (RFC 6750 section 3, RFC 9470 section 3) and problem
// bodies (RFC 9457). Every bad credential gets the same answer; why it was bad is for events and logs.

import { STATUS_CODES } from 'node:http'

import { ERROR_CODES, type ErrorCode, type SessionError } from '../errors.ts'
import type { Seconds } from '../time.ts'
import type { Context } from './context.ts'
import { removeCookie } from './cookies.ts'

/** What a route demanded, for the challenges that tell it. */
export interface Demands {
  readonly scope?: string
  /** The most seconds since the user authenticated (`max_age` of RFC 9470). */
  readonly maxAge?: Seconds
  /** Space-delimited. */
  readonly acr?: string
}

/** What all answers of a kit have in common. */
export interface AnswerSettings {
  readonly issuer: string
  readonly hsts: boolean
  readonly cookie: { readonly name: string }
  readonly accessCookie?: { readonly name: string } | undefined
  readonly refreshCookie?: { readonly name: string }
}

const HARDENING = {
  'Cache-Control': 'no-store',
  Pragma: 'no-cache',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const

// What a handler may have said of the body that it wanted to send (RFC 9110 section 8).
const ENTITY_HEADERS = [
  ...['Content-Disposition', 'Content-Encoding', 'Content-Language', 'Content-Range'],
  ...['ETag', 'Last-Modified', 'Location'],
] as const

const HSTS = 'max-age=63072000; includeSubDomains'

// The description that goes with an RFC error, for everyone the same.
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  invalid_token: 'The access token is invalid or has expired',
  invalid_request: 'The request is malformed',
  invalid_scope: 'The requested scope exceeds what was granted',
  insufficient_scope: 'The access token does not carry the needed scope',
  insufficient_user_authentication: 'A more recent or stronger authentication is needed',
  access_denied: 'The request is not allowed',
  invalid_client: 'The client was not authenticated',
  unauthorized_client: 'The client is not allowed to do this',
  invalid_grant: 'The credentials were not accepted',
  temporarily_unavailable: 'Try again later',
  server_error: 'The server is not able to answer',
}

/** The problem body of each code. */
const BODIES = Object.fromEntries(
  Object.entries(ERROR_CODES).map(([code, { status, error }]) => {
    const description = error && DESCRIPTIONS[error]
    const problem = { type: 'about:blank', title: STATUS_CODES[status], status, error, error_description: description }
    return [code, JSON.stringify(problem)]
  }),
) as Readonly<Record<ErrorCode, string>> // those are its keys

/** Sets the headers that every answer of the kit carries. */
export function harden(ctx: Context, { hsts }: AnswerSettings): void {
  ctx.set(HARDENING)
  if (hsts) ctx.set('Strict-Transport-Security', HSTS)
}

/** Answers a refusal. */
export function respondRefusal(
  ctx: Context,
  error: SessionError,
  settings: AnswerSettings,
  demands: Demands = {},
): void {
  const { status } = ERROR_CODES[error.code]
  harden(ctx, settings)
  ctx.set({ ...error.headers })
  // A cookie that was set before it came to this has lost its token, and other headers may be about another body.
  for (const own of [settings.cookie, settings.accessCookie, settings.refreshCookie]) {
    if (own !== undefined) removeCookie(ctx, own.name)
  }
  for (const name of ENTITY_HEADERS) ctx.remove(name)
  if (status === 401 || status === 403 || error.code === 'ERR_CREDENTIALS_AMBIGUOUS') {
    ctx.set('WWW-Authenticate', challenge(error.code, settings.issuer, demands))
  }
  ctx.status = status
  ctx.body = BODIES[error.code]
  ctx.set('Content-Type', 'application/problem+json; charset=utf-8')
}

// Only what the resource server refused for the token's sake is said in the challenge (RFC 6750 section 3.1).
const CHALLENGE_ERRORS = new Set([
  'invalid_request',
  'invalid_token',
  'insufficient_scope',
  'insufficient_user_authentication',
])

// What is refused to a client rather than to a user: RFC 6749 section 5.2.
const CLIENT_ERRORS = new Set(['invalid_client', 'unauthorized_client'])

function challenge(code: ErrorCode, realm: string, demands: Demands): string {
  const { error } = ERROR_CODES[code]
  if (error !== undefined && CLIENT_ERRORS.has(error)) return `Basic realm="${realm}"`
  let text = `Bearer realm="${realm}"`
  if (error !== undefined && CHALLENGE_ERRORS.has(error)) {
    text += `, error="${error}", error_description="${DESCRIPTIONS[error]}"`
  }
  const { scope, acr, maxAge } = demands
  if (error === 'insufficient_scope' && scope !== undefined) text += `, scope="${scope}"`
  if (error === 'insufficient_user_authentication') {
    if (acr !== undefined) text += `, acr_values="${acr}"`
    if (maxAge !== undefined) text += `, max_age="${maxAge}"`
  }
  return text
}
