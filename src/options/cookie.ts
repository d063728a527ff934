// The options of the cookies, checked against what browsers enforce without a word.
// RFC 6265bis sections 4.1.3 and 5.7.

import { assertKnown, boolean, oneOf } from './checks.ts'
import { describe } from '../describe.ts'

/** The fingerprint cookie. It is always HttpOnly, and Secure but for `development`. The refresh cookie follows it. */
export interface CookieOptions {
  /** The prefix that browsers enforce. `'__Host-'` where no `domain` is needed is stronger. @default '__Secure-' */
  readonly prefix?: '__Secure-' | '__Host-' | '__Host-Http-'
  /** The whole name, with one of the prefixes. The refresh cookie keeps the prefix and 'Refresh'. @default the prefix and 'Fgp' */
  readonly name?: string
  /** Shares the cookie with the subdomains of this domain. @default none: this host only */
  readonly domain?: string
  /** @default '/' */
  readonly path?: string
  /** @default 'strict' */
  readonly sameSite?: 'strict' | 'lax' | 'none'
  /** Why the cookie has to be sent across sites. Without a reason `sameSite: 'none'` is refused. */
  readonly crossSiteReason?: string
  /** One cookie jar for each embedding site (CHIPS); with `sameSite: 'none'`. @default false */
  readonly partitioned?: boolean
  /**
   * `'persistent'`: Max-Age, as long as the session lives without a refresh. `'session'`: gone when the browser closes.
   * A login's `remember` comes before it. @default 'persistent'
   */
  readonly lifetime?: 'persistent' | 'session'
  /**
   * TLS ends at a proxy and Koa sees plain http, but you do not want `app.proxy`. Says that the outside is https;
   * nothing is read from headers. @default false
   */
  readonly tlsProxy?: boolean
  /**
   * For browsers that refuse Secure cookies on http://localhost (Safari): a cookie named `Fgp-Development` without
   * prefix and Secure. Refused unless the issuer is on localhost. @default false
   */
  readonly development?: boolean
}

/** The checked cookie options. */
export interface CookieSettings {
  readonly name: string
  readonly domain: string | undefined
  readonly path: string
  readonly secure: boolean
  readonly sameSite: 'Strict' | 'Lax' | 'None'
  readonly partitioned: boolean
  readonly lifetime: 'persistent' | 'session'
  readonly tlsProxy: boolean
  /** Whether the issuer is plain http on this machine. */
  readonly isLocal: boolean
}

const KNOWN = [
  ...['prefix', 'name', 'domain', 'path', 'sameSite', 'crossSiteReason', 'partitioned', 'lifetime', 'tlsProxy'],
  'development',
] as const

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const
const DEVELOPMENT_NAME = 'Fgp-Development'
const DEVELOPMENT_REFRESH_NAME = 'Refresh-Development'
const DEVELOPMENT_ACCESS_NAME = 'Access-Development'
const PREFIX = /^__(?:Secure|Host-Http|Host)-/i
const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]{1,64}$/
const DOMAIN = /^(?!.*\.$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i
const PATH = /^\/[\w.~!$&'()*+,=:@%/-]{0,255}$/

/**
 * Checks the cookie options.
 *
 * @param place - the issuer's host, the prefix of the routes, and whether the issuer is plain http on this machine
 * @throws TypeError for the first one that is wrong, and for what a browser would silently drop
 */
export function resolveCookies(
  options: CookieOptions,
  place: { readonly host: string; readonly prefix: string; readonly isLocal: boolean },
): { readonly cookie: CookieSettings; readonly accessCookie: CookieSettings; readonly refreshCookie: CookieSettings } {
  const cookie = resolveCookie(options, place)
  const prefix = PREFIX.exec(cookie.name)?.[0] ?? ''
  const refreshCookie = Object.freeze({
    ...cookie,
    name: cookie.secure ? `${prefix}Refresh` : DEVELOPMENT_REFRESH_NAME,
    // Only the issuer's own routes need it, and a __Host- cookie is for all of them (RFC 6265bis section 4.1.3.2).
    domain: undefined,
    path: /^__host-/i.test(prefix) ? '/' : place.prefix,
  })
  const accessCookie = Object.freeze({ ...cookie, name: cookie.secure ? `${prefix}Access` : DEVELOPMENT_ACCESS_NAME })
  if ([refreshCookie, accessCookie].some(({ name }) => name.toLowerCase() === cookie.name.toLowerCase())) {
    throw new TypeError(
      `cookie.name: expected another name than the kit's other cookies', got ${describe(cookie.name)}`,
    )
  }
  return { cookie, accessCookie, refreshCookie }
}

function resolveCookie(
  options: CookieOptions,
  place: { readonly host: string; readonly prefix: string; readonly isLocal: boolean },
): CookieSettings {
  const { isLocal } = place
  assertKnown(options, 'cookie', KNOWN)
  const { prefix = '__Secure-', domain, path = '/', sameSite = 'strict' } = options
  const { crossSiteReason, lifetime = 'persistent' } = options
  const { partitioned = false, tlsProxy = false, development = false } = options
  const { name = `${oneOf(prefix, 'cookie.prefix', ['__Secure-', '__Host-', '__Host-Http-'])}Fgp` } = options
  assertName(name, options.prefix)
  const settings: CookieSettings = {
    name: boolean(development, 'cookie.development') ? DEVELOPMENT_NAME : name,
    domain,
    path,
    secure: !development,
    sameSite: SAME_SITE[oneOf(sameSite, 'cookie.sameSite', ['strict', 'lax', 'none'])],
    partitioned: boolean(partitioned, 'cookie.partitioned'),
    lifetime: oneOf(lifetime, 'cookie.lifetime', ['persistent', 'session']),
    tlsProxy: boolean(tlsProxy, 'cookie.tlsProxy'),
    isLocal,
  }
  assertCrossSite(settings, crossSiteReason)
  assertScope(settings, place)
  if (development && !isLocal) {
    throw new TypeError('cookie.development: expected false unless the issuer is http://localhost, got true')
  }
  return Object.freeze(settings)
}

/** @throws TypeError for a name that browsers, or the kit, would not take */
export function assertName(name: unknown, prefix: string | undefined): void {
  if (typeof name !== 'string' || !COOKIE_NAME.test(name)) {
    throw new TypeError(`cookie.name: expected a cookie name of at most 64 characters, got ${describe(name)}`)
  }
  if (!PREFIX.test(name)) {
    throw new TypeError(`cookie.name: expected one that starts with __Secure- or __Host-, got ${describe(name)}`)
  }
  if (prefix !== undefined && !name.toLowerCase().startsWith(prefix.toLowerCase())) {
    throw new TypeError(`cookie.name: expected one that starts with cookie.prefix, got ${describe(name)}`)
  }
}

/** Browsers drop SameSite=None and Partitioned without Secure. */
function assertCrossSite({ secure, sameSite, partitioned }: CookieSettings, reason: unknown): void {
  if (reason !== undefined && typeof reason !== 'string') {
    throw new TypeError(`cookie.crossSiteReason: expected a sentence, got ${describe(reason)}`)
  }
  if (sameSite === 'None' && (!reason || !secure)) {
    throw new TypeError(
      "cookie.sameSite: expected 'strict' or 'lax', or a cookie.crossSiteReason and no cookie.development, got 'none'",
    )
  }
  if (partitioned && sameSite !== 'None') {
    throw new TypeError(
      "cookie.partitioned: expected sameSite: 'none' beside it, since it is for embedded pages, got true",
    )
  }
}

/** Whether a cookie may be shared with its subdomains, as far as can be told without a list of public suffixes. */
export function isDomain(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && DOMAIN.test(value)
}

/** RFC 6265bis sections 4.1.3 and 5.7: what a browser would silently drop is refused here. Prefixes ignore case. */
function assertScope(
  { name, domain, path }: CookieSettings,
  { host, prefix }: { readonly host: string; readonly prefix: string },
): void {
  if (typeof path !== 'string' || !PATH.test(path)) {
    throw new TypeError(`cookie.path: expected a path such as '/', got ${describe(path)}`)
  }
  // RFC 6265 section 5.1.4: logging out takes the cookie as well.
  if (path !== '/' && !`${prefix}/`.startsWith(path.endsWith('/') ? path : `${path}/`)) {
    throw new TypeError(`cookie.path: expected one that covers the routes under ${prefix}, got ${describe(path)}`)
  }
  if (domain !== undefined && !isDomain(domain)) {
    throw new TypeError(`cookie.domain: expected a domain such as 'app.example', got ${describe(domain)}`)
  }
  if (/^__host-/i.test(name) && (domain !== undefined || path !== '/')) {
    throw new TypeError(
      "cookie.name: expected no cookie.domain and the path '/' beside the prefix __Host-, got another",
    )
  }
  if (domain !== undefined && host !== domain.toLowerCase() && !host.endsWith(`.${domain.toLowerCase()}`)) {
    throw new TypeError(`cookie.domain: expected the issuer's host or a domain above it, got ${describe(domain)}`)
  }
}
