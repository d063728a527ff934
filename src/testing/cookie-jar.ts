// A cookie jar that is as strict as a browser: RFC 6265bis sections 5.1 to 5.8, and the `__Http-` and `__Host-Http-`
// prefixes of draft-ietf-httpbis-layered-cookies. What it drops, it drops without a word, as browsers do.

import { assertKnown } from '../options/checks.ts'
import type { Clock, Milliseconds } from '../time.ts'
import { parseSetCookie, readExpiry } from './set-cookie.ts'

/** A cookie, as the jar keeps it. */
export interface Cookie {
  readonly name: string
  readonly value: string
  readonly domain: string
  /** Whether it is for its host alone, having come without Domain. */
  readonly hostOnly: boolean
  readonly path: string
  readonly secure: boolean
  readonly httpOnly: boolean
  /** `'Default'` where the line did not say: browsers then treat it as Lax. */
  readonly sameSite: 'Strict' | 'Lax' | 'None' | 'Default'
  /** Undefined for a cookie that goes when the browser closes. */
  readonly expires: Milliseconds | undefined
}

/** Who asks for cookies or sets them. */
export interface CookieContext {
  /** Whether another site's page makes the request. @default false */
  readonly crossSite?: boolean
  /** Whether it is a top-level navigation by a safe method; only matters across sites. @default false */
  readonly navigation?: boolean
  /** Whether a script does it (`document.cookie`) rather than HTTP. @default false */
  readonly script?: boolean
}

/** What a browser keeps. */
export interface CookieJar {
  /** Takes the Set-Cookie lines of a response from this URL. */
  receive(url: string, lines: readonly string[], context?: CookieContext): void
  /** The Cookie header for a request to this URL, or undefined. */
  header(url: string, context?: CookieContext): string | undefined
  /** Closes the browser: session cookies go. */
  restart(): void
  /** Everything that is in it and has not expired. */
  all(): readonly Cookie[]
  /** Another jar with the same cookies, or with some of them. */
  copy(isKept?: (cookie: Cookie) => boolean): CookieJar
}

const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
const IP = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/

/**
 * Makes an empty cookie jar. It knows no public suffixes: a `Domain` of `co.uk` passes for a domain.
 *
 * @param options - `clock`: the time by which cookies expire, by default `Date.now`
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5
 * @example
 * ```ts
 * import { createCookieJar } from 'koa-holdfast/testing'
 *
 * const jar = createCookieJar()
 * jar.receive('https://app.example/login', ['__Host-id=1; Path=/; Secure; HttpOnly', 'theme=dark'])
 * jar.header('https://app.example/') // '__Host-id=1; theme=dark'
 * jar.header('https://app.example/', { script: true }) // 'theme=dark', as document.cookie
 * ```
 */
export function createCookieJar(options: { readonly clock?: Clock } = {}): CookieJar {
  assertKnown(options, 'options', ['clock'])
  return createJarWith([], options.clock ?? Date.now)
}

function createJarWith(initial: readonly Cookie[], clock: Clock): CookieJar {
  // In the order in which they were created.
  let cookies = initial

  const alive = (): readonly Cookie[] =>
    (cookies = cookies.filter(({ expires }) => expires === undefined || expires > clock()))

  function store(url: URL, line: string, context: CookieContext): void {
    const parsed = parseSetCookie(line)
    if (parsed === undefined) return
    const { name, value, attributes } = parsed
    const host = url.hostname
    const wanted = attributes.get('domain')?.replace(/^\./, '').toLowerCase() ?? ''
    // A name without a dot is a public suffix here: fine for the host itself, as a host-only cookie.
    const domain = wanted === host && !wanted.includes('.') ? '' : wanted
    if (domain !== '' && (!domain.includes('.') || !domainMatches(host, domain))) return
    const given = attributes.get('path') ?? ''
    const cookie: Cookie = {
      name,
      value,
      domain: domain === '' ? host : domain,
      hostOnly: domain === '',
      path: given.startsWith('/') ? given : defaultPath(url.pathname),
      secure: attributes.has('secure'),
      httpOnly: attributes.has('httponly'),
      sameSite: readSameSite(attributes.get('samesite')),
      expires: readExpiry(attributes, clock()),
    }
    if (isRefused(cookie, url, context, given)) return
    const old = alive().find((other) => isSame(other, cookie))
    if (old?.httpOnly === true && context.script === true) return
    if (!cookie.secure && !isSecure(url) && alive().some((other) => shadowsSecure(cookie, other))) return
    // One that is replaced keeps its place.
    cookies = old === undefined ? [...cookies, cookie] : cookies.map((other) => (other === old ? cookie : other))
  }

  return {
    receive(url, lines, context = {}) {
      for (const line of lines) store(new URL(url), line, context)
    },
    header(url, context = {}) {
      const to = new URL(url)
      const sent = alive()
        .filter((cookie) => isSentTo(cookie, to, context))
        .toSorted((a, b) => b.path.length - a.path.length)
        .map(({ name, value }) => (name === '' ? value : `${name}=${value}`))
      return sent.length === 0 ? undefined : sent.join('; ')
    },
    restart() {
      cookies = alive().filter(({ expires }) => expires !== undefined)
    },
    all: alive,
    copy: (isKept = () => true) => createJarWith(alive().filter(isKept), clock),
  }
}

function readSameSite(value: string | undefined): Cookie['sameSite'] {
  return (['Strict', 'Lax', 'None'] as const).find((one) => one.toLowerCase() === value?.toLowerCase()) ?? 'Default'
}

/** Section 5.7: what the store does not take. */
function isRefused(cookie: Cookie, url: URL, context: CookieContext, path: string): boolean {
  if (cookie.secure && !isSecure(url)) return true
  if (cookie.httpOnly && context.script === true) return true
  if (cookie.sameSite === 'None' && !cookie.secure) return true
  if (cookie.sameSite !== 'None' && context.crossSite === true && context.navigation !== true) return true
  const name = cookie.name.toLowerCase()
  // A nameless cookie is sent as its bare value, so that value must not look like a prefixed cookie either.
  if (name === '' && /^__(?:secure|host|http|host-http)-/i.test(cookie.value)) return true
  if (name.startsWith('__secure-')) return !cookie.secure
  if (name.startsWith('__http-')) return !cookie.secure || !cookie.httpOnly
  if (name.startsWith('__host-')) {
    const isOpen = name.startsWith('__host-http-') && !cookie.httpOnly
    return isOpen || !cookie.secure || !cookie.hostOnly || path !== '/'
  }
  return false
}

function isSame(a: Cookie, b: Cookie): boolean {
  return a.name === b.name && a.domain === b.domain && a.hostOnly === b.hostOnly && a.path === b.path
}

/** Section 5.7 step 16: plain http leaves secure cookies alone. */
function shadowsSecure(cookie: Cookie, other: Cookie): boolean {
  const isNear = domainMatches(cookie.domain, other.domain) || domainMatches(other.domain, cookie.domain)
  return other.secure && other.name === cookie.name && isNear && pathMatches(cookie.path, other.path)
}

/** Section 5.8.3. */
function isSentTo(cookie: Cookie, url: URL, context: CookieContext): boolean {
  const { hostname } = url
  if (cookie.hostOnly ? hostname !== cookie.domain : !domainMatches(hostname, cookie.domain)) return false
  if (!pathMatches(url.pathname, cookie.path) || (cookie.secure && !isSecure(url))) return false
  if (cookie.httpOnly && context.script === true) return false
  if (context.crossSite !== true || cookie.sameSite === 'None') return true
  return cookie.sameSite !== 'Strict' && context.navigation === true
}

/** Browsers count plain http on this machine as secure. */
function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || LOOPBACK.test(hostname)
}

function domainMatches(host: string, domain: string): boolean {
  return host === domain || (host.endsWith(`.${domain}`) && !IP.test(host))
}

function pathMatches(path: string, cookiePath: string): boolean {
  if (path === cookiePath) return true
  return path.startsWith(cookiePath) && (cookiePath.endsWith('/') || path[cookiePath.length] === '/')
}

/** The directory of the request (section 5.1.4). */
function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf('/')
  return end <= 0 ? '/' : pathname.slice(0, end)
}
