// Writes and reads cookies by the letter, which Koa's `cookies` does not: it writes no Max-Age, adds `.sig`, throws
// behind a TLS proxy, takes the first of two and strips quotes. RFC 6265bis sections 4.1 and 4.2.

import type { IncomingMessage } from 'node:http'

import type { CookieSettings } from '../options/cookie.ts'
import { SessionError } from '../errors.ts'
import type { Seconds } from '../time.ts'
import type { Context } from './context.ts'

/**
 * The value of every cookie of exactly this name, in the order they came, as they came.
 *
 * @throws SessionError with ERR_COOKIE_MALFORMED when the header is none that a browser sends
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.2
 */
export function readCookies(request: IncomingMessage, name: string): string[] {
  // Node joins several Cookie headers with '; '.
  const header = request.headers.cookie
  if (header === undefined || header === '') return []
  const values: string[] = []
  for (let at = 0; at <= header.length;) {
    const next = header.indexOf(';', at)
    const end = next < 0 ? header.length : next
    const start = header.startsWith(' ', at) ? at + 1 : at
    if (start >= end) throw new SessionError('ERR_COOKIE_MALFORMED')
    if (header.startsWith(name, start) && header.startsWith('=', start + name.length)) {
      values.push(header.slice(start + name.length + 1, end))
    }
    at = end + 1
  }
  return values
}

/**
 * Sets the cookie, in place of one that this response already sets.
 *
 * @param value - the value, or undefined to delete the cookie
 * @param maxAge - how long it lives; undefined until the browser closes
 * @throws SessionError with ERR_TRANSPORT_INSECURE
 */
export function setCookie(ctx: Context, settings: CookieSettings, value: string | undefined, maxAge?: Seconds): void {
  assertTransport(ctx, settings)
  removeCookie(ctx, settings.name)
  ctx.append('Set-Cookie', serializeCookie(settings, value ?? '', value === undefined ? 0 : maxAge))
}

// Browsers take name, value and attributes of this length together, or drop the cookie without a word.
const MAX_COOKIE = 4096
const LONGEST_MAX_AGE: Seconds = 999_999_999

/** How long a value this cookie has room for. @see https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.6 */
export function roomOf(settings: CookieSettings): number {
  return MAX_COOKIE - serializeCookie(settings, '', LONGEST_MAX_AGE).length
}

/** Takes a Set-Cookie of this name out of the response. */
export function removeCookie(ctx: Context, name: string): void {
  // The header as Node holds it: a string, an array or nothing.
  const header = ctx.res.getHeader('Set-Cookie')
  if (header === undefined) return
  const lines = [header].flat().map(String)
  const others = lines.filter((line) => !line.startsWith(`${name}=`))
  if (others.length === lines.length) return
  if (others.length > 0) ctx.set('Set-Cookie', others)
  else ctx.remove('Set-Cookie')
}

/** A deletion repeats every attribute: browsers ignore one of a prefixed cookie without Secure. */
function serializeCookie(settings: CookieSettings, value: string, maxAge: Seconds | undefined): string {
  const { name, domain, path, secure, sameSite, partitioned } = settings
  return [
    `${name}=${value}`,
    `Path=${path}`,
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    ...(maxAge === undefined ? [] : [`Max-Age=${maxAge}`]),
    'HttpOnly',
    ...(secure ? ['Secure'] : []),
    `SameSite=${sameSite}`,
    ...(partitioned ? ['Partitioned'] : []),
  ].join('; ')
}

/** What is to be known of the fingerprint cookie to read it. */
export type FingerprintCookie = Pick<CookieSettings, 'name' | 'secure' | 'isLocal' | 'tlsProxy'>

/**
 * Demands that the request came over https, as far as Koa can tell: what is sent in the clear is not secret any more.
 *
 * @throws SessionError with ERR_TRANSPORT_INSECURE
 */
export function assertTransport(ctx: Context, { secure, isLocal, tlsProxy }: Omit<FingerprintCookie, 'name'>): void {
  // A browser takes Secure cookies from http://localhost, and without Secure the issuer is on localhost anyway.
  if (!secure || isLocal || tlsProxy || ctx.secure) return
  throw new SessionError('ERR_TRANSPORT_INSECURE')
}
