// What a request presents: an access token from the Authorization header and nowhere else, the fingerprint cookies, and
// on the routes that take one a refresh token. RFC 6750 section 2.1, RFC 9110 section 11.4.

import type { IncomingMessage } from 'node:http'

import { SessionError } from '../errors.ts'
import type { Credentials } from '../verifier.ts'
import { readCookies } from './cookies.ts'

const SCHEME = /^bearer(?![\w!#$%&'*+.^`|~-])/i
const BEARER = /^bearer +/i
const USUAL = 'Bearer '
const QUERY_TOKEN = /[?&]access_token=/

/** Where a request's credentials are. */
export interface CredentialCookies {
  readonly fingerprint: string
  /** The access token's cookie; undefined where it is in the Authorization header. */
  readonly access: string | undefined
}

/**
 * Reads the credentials.
 *
 * @returns undefined when there is no token; a cookie alone is nothing
 * @throws SessionError with ERR_CREDENTIALS_AMBIGUOUS for two tokens, ERR_TOKEN_MALFORMED where none follows `Bearer`,
 *   ERR_COOKIE_MALFORMED
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-2
 */
export function readCredentials(request: IncomingMessage, names: CredentialCookies): Credentials | undefined {
  if (names.access !== undefined) return readCookiePair(request, names.access, names.fingerprint)
  const { authorization } = request.headers
  if (countHeaders(request, 'authorization') > 1) throw new SessionError('ERR_CREDENTIALS_AMBIGUOUS')
  if (authorization === undefined) return undefined
  const start = findToken(authorization)
  if (start === -1 && !SCHEME.test(authorization)) return undefined
  // A token in the URL is never read; beside one in the header it makes two (RFC 6750 section 2).
  const url = String(request.url)
  if (url.includes('access_token=') && QUERY_TOKEN.test(url)) throw new SessionError('ERR_CREDENTIALS_AMBIGUOUS')
  if (start === -1) throw new SessionError('ERR_TOKEN_MALFORMED')
  // Whoever looks into it sees whether it is one.
  return { token: authorization.slice(start), fingerprints: readCookies(request, names.fingerprint) }
}

/** Where the token begins; -1 where none follows the scheme. Nearly all clients spell it in the first way. */
function findToken(authorization: string): number {
  if (authorization.startsWith(USUAL) && !authorization.startsWith(' ', USUAL.length)) return USUAL.length
  return BEARER.exec(authorization)?.[0].length ?? -1
}

/** The pair of a browser that holds both halves in cookies. What is in the header then is a second token. */
function readCookiePair(request: IncomingMessage, access: string, fingerprint: string): Credentials | undefined {
  const [token = '', ...others] = readCookies(request, access)
  if (token === '' && others.length === 0) return undefined
  if (others.length > 0 || SCHEME.test(request.headers.authorization ?? '')) {
    throw new SessionError('ERR_CREDENTIALS_AMBIGUOUS')
  }
  return { token, fingerprints: readCookies(request, fingerprint) }
}

/**
 * Reads the refresh token: from its cookie, or from the body where the client is no browser.
 *
 * @param from - where it may be: never in both
 * @throws SessionError with ERR_REFRESH_MISSING, ERR_REFRESH_AMBIGUOUS or ERR_COOKIE_MALFORMED
 */
export function readRefreshToken(
  request: IncomingMessage,
  body: Readonly<Record<string, unknown>>,
  from: { readonly transport: 'cookie' | 'body'; readonly cookieName: string },
): string {
  const [token, ...others] =
    from.transport === 'cookie' ? readCookies(request, from.cookieName) : [body['refresh_token']]
  if (others.length > 0) throw new SessionError('ERR_REFRESH_AMBIGUOUS')
  if (token === undefined || token === '') throw new SessionError('ERR_REFRESH_MISSING')
  if (typeof token !== 'string') throw new SessionError('ERR_REFRESH_MALFORMED')
  return token
}

/** Node keeps only the first of two Authorization headers, so they are counted where all are. */
export function countHeaders({ rawHeaders }: IncomingMessage, name: string): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i]
    if (header?.length === name.length && header.toLowerCase() === name) count += 1
  }
  return count
}
