// Options in, checked settings out: every mistake is found here, before anything is served. A TypeError names the
// option, what was expected and what came.

import { type CookieOptions, type CookieSettings, resolveCookie } from './cookie.ts'
import type { FingerprintFormat } from '../fingerprint.ts'
import type { KeySet } from '../keys/key-set.ts'
import type { Context, LoginContext } from '../koa/context.ts'
import { assertKnown, boolean, integer, oneOf } from './checks.ts'
import type { Subject } from '../sessions.ts'
import type { Store } from '../store/store.ts'
import { describe, describeKind } from '../describe.ts'
import { type Clock, type Duration, parseDuration, type Seconds } from '../time.ts'
import { isText, MAX_AUDIENCES } from '../token/claims.ts'

/** What a kit is made of. Only `issuer` must be given; in production `keys` and `store` as well. */
export interface SessionKitOptions<Claims extends object = Record<string, unknown>> {
  /**
   * The public origin of the app, as browsers see it: `https://app.example`. It is the token's `iss`, and requests from
   * it are same-origin. Plain http only on localhost.
   */
  readonly issuer: string
  /** The token's `aud`: one or more names. @default the issuer */
  readonly audience?: string | readonly string[]
  /** The signing keys. @default a fresh key, on localhost only, with a warning: it is lost at exit */
  readonly keys?: KeySet
  /** Where sessions and revocations are kept. @default memoryStore(), on localhost only, with a warning */
  readonly store?: Store
  /**
   * Decides who logs in. Reads what it needs from `ctx.request.body`; answers null when it does not accept them. Take
   * the same time for an unknown user as for a wrong password. Without it there is no login route, and logins of your
   * own call {@link SessionKit.start}.
   */
  readonly authenticate?: (ctx: LoginContext) => Subject<Claims> | null | Promise<Subject<Claims> | null>
  /** Where the routes are. @default '/auth' */
  readonly prefix?: string
  readonly accessToken?: {
    /** How long a token lives. @default '15m' */
    readonly lifetime?: Duration
    /** The longest lifetime that may be configured, or is believed. Kits that share a store agree on it. @default '1h' */
    readonly maxLifetime?: Duration
    /** The longest token that is issued, in bytes; twice that is still verified. @default 4096 */
    readonly maxBytes?: number
  }
  readonly session?: {
    /** How long a session lives, whatever happens in it. @default '8h' */
    readonly absolute?: Duration
  }
  readonly fingerprint?: {
    /** `'owasp'` writes value and digest as OWASP's sample did, for other software that checks them. @default 'base64url' */
    readonly format?: FingerprintFormat
  }
  readonly cookie?: CookieOptions
  /**
   * Other origins whose pages may call the kit's routes, such as `https://www.app.example` for an API on another host.
   * Exact origins, no wildcards. Also what {@link SessionKit.cors} allows. @default none
   */
  readonly origins?: readonly string[]
  /**
   * What happens when a live token comes without its fingerprint. `'revoke'` also ends the session, at most ten a
   * minute and two of one user, so that a mistake in a proxy does not log everyone out. @default 'reject'
   */
  readonly onSidejack?: 'reject' | 'revoke'
  /**
   * Asked before each login. Answers how many seconds to wait, or undefined to go on.
   * @default nobody is asked
   */
  readonly limiter?: (ctx: Context, action: 'login') => Seconds | undefined | Promise<Seconds | undefined>
  /** What `Clear-Site-Data` clears at logout. `'cookies'` takes every cookie of the whole domain. @default ['storage'] */
  readonly clearSiteData?: readonly ('storage' | 'cache' | 'cookies')[]
  /** Adds `Strict-Transport-Security` (two years, subdomains) to the kit's answers. @default false */
  readonly hsts?: boolean
  /** How long after `exp` a token still passes, at most five minutes. @default 0 */
  readonly clockTolerance?: Duration
  /** The time, for tests. @default Date.now */
  readonly clock?: Clock
}

/** The options with every default filled in and every value checked. */
export interface Settings {
  readonly issuer: string
  readonly audience: readonly string[]
  /** Whether the issuer is plain http on this machine. */
  readonly isLocal: boolean
  readonly prefix: string
  readonly lifetime: Seconds
  readonly maxLifetime: Seconds
  /** The longest token that is issued. */
  readonly maxBytes: number
  readonly absolute: Seconds
  readonly format: FingerprintFormat
  readonly cookie: CookieSettings
  /** The own origin first. */
  readonly origins: readonly string[]
  readonly onSidejack: 'reject' | 'revoke'
  readonly clearSiteData: string
  readonly hsts: boolean
  readonly clockTolerance: Seconds
  readonly clock: Clock
}

const DAY: Seconds = 86_400

// Every option there is: a misspelt one would silently leave its default in force.
const KNOWN = {
  options: [
    ...['issuer', 'audience', 'keys', 'store', 'authenticate', 'prefix', 'accessToken', 'session', 'fingerprint'],
    ...['cookie', 'origins', 'onSidejack', 'limiter', 'clearSiteData', 'hsts', 'clockTolerance', 'clock'],
  ],
  accessToken: ['lifetime', 'maxLifetime', 'maxBytes'],
  session: ['absolute'],
  fingerprint: ['format'],
} as const

/**
 * Checks the options.
 *
 * @throws TypeError for the first one that is wrong
 */
export function resolveOptions(options: SessionKitOptions): Settings {
  assertKnown(options, 'options', KNOWN.options)
  // Defaults stand in for what is left out, not for null, which may be somebody's empty setting.
  const { accessToken = {}, session = {}, fingerprint = {}, cookie = {} } = options
  assertKnown(accessToken, 'accessToken', KNOWN.accessToken)
  assertKnown(session, 'session', KNOWN.session)
  assertKnown(fingerprint, 'fingerprint', KNOWN.fingerprint)
  const { issuer, prefix = '/auth', origins = [], onSidejack = 'reject', clearSiteData = ['storage'] } = options
  const { hsts = false, clockTolerance = 0, clock = Date.now } = options
  const { lifetime = '15m', maxLifetime = '1h', maxBytes = 4096 } = accessToken
  const { absolute = '8h' } = session
  const { format = 'base64url' } = fingerprint
  const { host, isLocal } = resolveIssuer(issuer)
  const { audience = issuer } = options
  assertFunctions(options)
  assertStore(options.store)
  assertKeys(options.keys)
  const longest = parseDuration(maxLifetime, 'accessToken.maxLifetime', { max: DAY })
  return Object.freeze({
    issuer,
    audience: resolveAudience(audience),
    isLocal,
    prefix: resolvePrefix(prefix),
    lifetime: parseDuration(lifetime, 'accessToken.lifetime', { max: longest }),
    maxLifetime: longest,
    maxBytes: integer(maxBytes, 'accessToken.maxBytes', 512, 8192),
    absolute: parseDuration(absolute, 'session.absolute', { max: 400 * DAY }),
    format: oneOf(format, 'fingerprint.format', ['base64url', 'owasp']),
    cookie: resolveCookie(cookie, { host, prefix: resolvePrefix(prefix), isLocal }),
    origins: resolveOrigins(origins, issuer),
    onSidejack: oneOf(onSidejack, 'onSidejack', ['reject', 'revoke']),
    clearSiteData: resolveClearSiteData(clearSiteData),
    hsts: boolean(hsts, 'hsts'),
    clockTolerance: parseDuration(clockTolerance, 'clockTolerance', { min: 0, max: 300 }),
    clock,
  })
}

function resolveIssuer(value: unknown): { host: string; isLocal: boolean } {
  const url = parseOrigin(value)
  if (url === undefined) {
    throw new TypeError(
      "issuer: expected the public origin such as 'https://app.example', without a path or a slash at the end, " +
        `and http only on localhost, got ${describe(value)}`,
    )
  }
  return { host: url.hostname, isLocal: url.protocol === 'http:' }
}

/**
 * An origin in the one spelling that browsers use, since it is compared code point by code point: https, or http on
 * this machine, no wildcard.
 */
function parseOrigin(value: unknown): URL | undefined {
  if (typeof value !== 'string' || value.includes('*') || !URL.canParse(value)) return undefined
  const url = new URL(value)
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
  return url.origin === value && isSafe ? url : undefined
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

function assertFunctions(options: SessionKitOptions): void {
  for (const name of ['authenticate', 'limiter', 'clock'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'function') {
      throw new TypeError(`${name}: expected a function, got ${describe(value)}`)
    }
  }
}

const STORE_VERBS = ['get', 'set', 'add', 'swap', 'delete', 'list', 'close'] as const

function assertStore(store: unknown): void {
  if (store === undefined) return
  const verbs = Object(store) as Record<string, unknown> // an object of whatever it is, to look at its members
  const missing = STORE_VERBS.find((verb) => typeof verbs[verb] !== 'function')
  if (missing === undefined) return
  throw new TypeError(`store: expected a store such as memoryStore(), got ${describe(store)} without ${missing}()`)
}

function assertKeys(keys: KeySet | undefined): void {
  if (keys === undefined) return
  if (typeof keys !== 'object' || keys === null || typeof keys.get !== 'function' || !Array.isArray(keys.keys)) {
    const hint = (keys as unknown) instanceof Promise ? '; put `await` before createKeySet' : ''
    throw new TypeError(`keys: expected what createKeySet resolves to, got ${describeKind(keys)}${hint}`)
  }
  if (keys.active === undefined) {
    throw new TypeError(
      'keys: expected at least one key with a private part, since the kit signs, got only public keys',
    )
  }
}

function resolveAudience(value: unknown): readonly string[] {
  const audience: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (audience.length === 0 || audience.length > MAX_AUDIENCES || !audience.every(isText)) {
    throw new TypeError(`audience: expected 1 to ${MAX_AUDIENCES} names, got ${describe(value)}`)
  }
  return Object.freeze([...(audience as readonly string[])]) // isText says so
}

function resolvePrefix(value: unknown): string {
  // Not `/..` or the like, which browsers and proxies rewrite.
  if (typeof value === 'string' && /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/.test(value)) return value
  throw new TypeError(`prefix: expected a path such as '/auth', got ${describe(value)}`)
}

function resolveOrigins(values: unknown, own: string): readonly string[] {
  if (!Array.isArray(values)) throw new TypeError(`origins: expected an array, got ${describe(values)}`)
  const wrong = (values as unknown[]).findIndex((value) => parseOrigin(value) === undefined)
  if (wrong !== -1) {
    throw new TypeError(
      "origins: expected exact https origins such as 'https://www.app.example', no wildcards, " +
        `got ${describe(values[wrong])}`,
    )
  }
  return Object.freeze([own, ...(values as string[])]) // parseOrigin says so
}

function resolveClearSiteData(values: readonly string[]): string {
  if (!Array.isArray(values)) throw new TypeError(`clearSiteData: expected an array, got ${describe(values)}`)
  // Quoted strings: a bare word would be ignored (Clear Site Data section 3.1).
  return values.map((value) => `"${oneOf(value, 'clearSiteData', ['storage', 'cache', 'cookies'])}"`).join(', ')
}
