// Options in, checked settings out: every mistake is found here, before anything is served. A TypeError names the
// option, what was expected and what came.

import type { ClientOptions } from './clients.ts'
import { type CookieOptions, type CookieSettings, resolveCookies } from './cookie.ts'
import type { FingerprintFormat } from '../fingerprint.ts'
import type { EncryptionKeys } from '../keys/encryption.ts'
import type { KeySet } from '../keys/key-set.ts'
import { isKeyRotation, type KeyRotation, resolveRotation, type Rotation } from '../keys/plan.ts'
import type { Context, LoginContext } from '../koa/context.ts'
import type { Limiter, SharedLimiter } from '../koa/limiter.ts'
import { roomOf } from '../koa/cookies.ts'
import { resolveEncryption } from './encryption.ts'
import { assertKnown, boolean, integer, oneOf } from './checks.ts'
import type { Reauthorization, RefreshingSession } from '../session/refresh.ts'
import type { SessionLimits, Subject } from '../session/session.ts'
import type { StalePolicy } from '../revocation.ts'
import { isMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { describe, describeKind } from '../describe.ts'
import { type Clock, createSteadyClock, type Duration, parseDuration, type Seconds } from '../time.ts'
import {
  DAY,
  resolveAudience,
  resolveClearSiteData,
  resolveIssuer,
  resolveMaxCached,
  resolveOrigins,
  resolvePrefix,
  resolveStalePolicy,
} from './values.ts'

/** What a kit is made of. Only `issuer` must be given; in production `keys` and `store` as well. */
export interface SessionKitOptions<Claims extends object = Record<string, unknown>> {
  /**
   * The public origin of the app, as browsers see it: `https://app.example`. It is the token's `iss`, and requests from
   * it are same-origin. Plain http only on localhost.
   */
  readonly issuer: string
  /** The token's `aud`: one or more names. @default the issuer */
  readonly audience?: string | readonly string[]
  /**
   * The signing keys: yours, or `{ rotateEvery: '30d', encryptionKey }` for keys that the kit makes, keeps in the store and
   * replaces by itself. @default a fresh key, on localhost only, with a warning: it is lost at exit
   */
  readonly keys?: KeySet | KeyRotation
  /** Where sessions and revocations are kept. @default memoryStore(), on localhost only, with a warning */
  readonly store?: Store
  /**
   * Decides who logs in. Reads what it needs from `ctx.request.body`; answers null when it does not accept them. Take
   * the same time for an unknown user as for a wrong password. Without it there is no login route, and logins of your
   * own call {@link SessionKit.start}.
   */
  readonly authenticate?: (ctx: LoginContext) => Subject<Claims> | null | Promise<Subject<Claims> | null>
  /**
   * Reads the account again at each refresh: answers null to end the session, or what the tokens say from now on. Of the
   * scopes only those that the login granted; `auth_time`, `acr` and `amr` stay. @default everything stays
   */
  readonly reauthorize?: (
    session: RefreshingSession,
    ctx: Context,
  ) => Reauthorization<Claims> | null | Promise<Reauthorization<Claims> | null>
  /** Where the routes are. @default '/auth' */
  readonly prefix?: string
  readonly accessToken?: {
    /**
     * `'header'`: in the answer, for `Authorization: Bearer`. `'cookie'`: in `__Secure-Access`, which no script reads, for
     * apps that render pages on the server; then every unsafe request that carries it must come from an own page.
     * @default 'header'
     */
    readonly transport?: 'header' | 'cookie'
    /** How long a token lives. @default '15m' */
    readonly lifetime?: Duration
    /** The longest lifetime that may be configured, or is believed. Kits that share a store agree on it. @default '1h' */
    readonly maxLifetime?: Duration
    /** The longest token that is issued, in bytes; twice that is still verified. @default 4096, or what fits a cookie */
    readonly maxBytes?: number
    /** How many verified tokens are remembered, the half used last for sure; 0 for none. @default 20_000 */
    readonly maxCached?: number
    /**
     * Encrypts access tokens and tickets, after they are signed; then none that is only signed is believed. Delegated
     * tokens are for others and stay readable. @default none: whoever holds a token can read its claims
     */
    readonly encryption?: EncryptionKeys
  }
  readonly refreshToken?: {
    /**
     * `'cookie'`: in `__Secure-Refresh`, which no script reads. `'body'`: as `refresh_token` in the answer, and in the
     * JSON body of the request, for clients that are no browsers. @default 'cookie'
     */
    readonly transport?: 'cookie' | 'body'
    /** How long the token before the current one is still answered, with the same successor. @default '10s' */
    readonly grace?: Duration
  }
  readonly session?: {
    /** How long a session lives, whatever happens in it. @default '8h' */
    readonly absolute?: Duration
    /** How long it lives without a refresh, not less than a token does. @default '30m' */
    readonly idle?: Duration
    /** The limits of sessions whose login said `remember: true`. @default { absolute: '30d', idle: '7d' } */
    readonly remembered?: { readonly absolute?: Duration; readonly idle?: Duration }
    /** How many sessions a subject may have at the same time. @default no limit */
    readonly max?: number
    /** What one login more does: ends the oldest session, or is refused. @default 'evict' */
    readonly onMax?: 'evict' | 'refuse'
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
   * How old this process's copy of the revocation list may be, where the store pushes it. Not less than two seconds, since
   * a store may be silent for one. @default '5s'
   */
  readonly maxStaleness?: Duration
  /**
   * What happens to requests with a token when it is older: 503, or they are let in until it is `openFor` old, on what was
   * revoked before. @default 'reject'
   */
  readonly onStale?: 'reject' | { readonly openFor: Duration }
  /**
   * The services that may ask about tokens (RFC 7662) or revoke them (RFC 7009). @default none, and neither route is there
   */
  readonly clients?: readonly ClientOptions[]
  /**
   * Asked before each login and each refresh, and when a client was not who it says. Answers how many seconds to wait, or
   * undefined to go on. False for none, where something in front of the app does it; `{ count }` for the default limits,
   * counted where several processes see it. @default what failed from one address: 10 logins in five minutes,
   * 120 refreshes in a minute, and as many clients
   */
  readonly limiter?: Limiter | SharedLimiter | false
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
  /** Undefined where the keys are passed in. */
  readonly rotation: Rotation | undefined
  readonly requiredClaims: readonly string[]
  /** The longest token that is issued. */
  readonly maxBytes: number
  readonly maxCached: number
  readonly encryption: EncryptionKeys | undefined
  readonly limits: SessionLimits
  readonly rememberedLimits: SessionLimits
  /** How many sessions a subject may have; Infinity for any. */
  readonly maxSessions: number
  readonly onMaxSessions: 'evict' | 'refuse'
  readonly format: FingerprintFormat
  readonly cookie: CookieSettings
  /** Undefined where the token travels in a header. */
  readonly accessCookie: CookieSettings | undefined
  readonly refreshCookie: CookieSettings
  readonly transport: 'cookie' | 'body'
  /** How long the previous refresh token is answered. */
  readonly grace: Seconds
  /** The own origin first. */
  readonly origins: readonly string[]
  readonly onSidejack: 'reject' | 'revoke'
  readonly maxStaleness: Seconds
  readonly onStale: StalePolicy
  readonly clearSiteData: string
  readonly hsts: boolean
  readonly clockTolerance: Seconds
  readonly clock: Clock
  /** The same, but it does not go back. */
  readonly steadyClock: Clock
}

// Browsers keep no cookie longer (RFC 6265bis section 5.5).
const LONGEST = { max: 400 * DAY } as const

// Every option there is: a misspelt one would silently leave its default in force.
const KNOWN = {
  options: [
    ...['issuer', 'audience', 'keys', 'store', 'authenticate', 'prefix', 'accessToken', 'session', 'fingerprint'],
    ...['cookie', 'origins', 'onSidejack', 'limiter', 'clearSiteData', 'hsts', 'clockTolerance', 'clock'],
    ...['refreshToken', 'reauthorize', 'maxStaleness', 'onStale', 'clients'],
  ],
  accessToken: ['transport', 'lifetime', 'maxLifetime', 'maxBytes', 'maxCached', 'encryption'],
  refreshToken: ['transport', 'grace'],
  session: ['absolute', 'idle', 'remembered', 'max', 'onMax'],
  remembered: ['absolute', 'idle'],
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
  const { accessToken = {}, refreshToken = {}, session = {}, fingerprint = {}, cookie = {} } = options
  assertKnown(accessToken, 'accessToken', KNOWN.accessToken)
  assertKnown(refreshToken, 'refreshToken', KNOWN.refreshToken)
  assertKnown(session, 'session', KNOWN.session)
  assertKnown(fingerprint, 'fingerprint', KNOWN.fingerprint)
  const { issuer, prefix = '/auth', origins = [], onSidejack = 'reject', clearSiteData = ['storage'] } = options
  const { maxStaleness = '5s', onStale = 'reject' } = options
  const { hsts = false, clockTolerance = 0, clock = Date.now } = options
  const { transport: accessTransport = 'header', lifetime = '15m', maxLifetime = '1h', maxBytes = 4096 } = accessToken
  const { transport = 'cookie', grace = '10s' } = refreshToken
  const { max = Infinity, onMax = 'evict', remembered = {} } = session
  assertKnown(remembered, 'session.remembered', KNOWN.remembered)
  const { format = 'base64url' } = fingerprint
  const { host, isLocal } = resolveIssuer(issuer)
  const { audience = issuer } = options
  assertFunctions(options)
  assertStore(options.store)
  assertKeys(options.keys)
  const { accessCookie, ...cookies } = resolveCookies(cookie, { host, prefix: resolvePrefix(prefix), isLocal })
  const isCookie = oneOf(accessTransport, 'accessToken.transport', ['header', 'cookie']) === 'cookie'
  const longest = parseDuration(maxLifetime, 'accessToken.maxLifetime', { max: DAY })
  const life = parseDuration(lifetime, 'accessToken.lifetime', { max: longest })
  const tolerance = parseDuration(clockTolerance, 'clockTolerance', { min: 0, max: 300 })
  const times = { maxLifetime: longest, clockTolerance: tolerance }
  const rotation = isKeyRotation(options.keys) ? resolveRotation(options.keys, times) : undefined
  assertEncrypted(rotation, options.store)
  return Object.freeze({
    issuer,
    audience: resolveAudience(audience),
    isLocal,
    prefix: resolvePrefix(prefix),
    lifetime: life,
    maxLifetime: longest,
    rotation,
    requiredClaims: ['sid'],
    maxBytes: Math.min(
      integer(maxBytes, 'accessToken.maxBytes', 512, 8192),
      isCookie ? roomOf(accessCookie) : Infinity,
    ),
    maxCached: resolveMaxCached(accessToken.maxCached, 'accessToken.maxCached'),
    encryption: resolveEncryption(accessToken.encryption, isKeyRotation(options.keys) ? undefined : options.keys),
    limits: resolveLimits(session, 'session', { absolute: '8h', idle: '30m' }, life),
    rememberedLimits: resolveLimits(remembered, 'session.remembered', { absolute: '30d', idle: '7d' }, life),
    maxSessions: max === Infinity ? max : integer(max, 'session.max', 1, 1000),
    onMaxSessions: oneOf(onMax, 'session.onMax', ['evict', 'refuse']),
    format: oneOf(format, 'fingerprint.format', ['base64url', 'owasp']),
    ...cookies,
    accessCookie: isCookie ? accessCookie : undefined,
    transport: oneOf(transport, 'refreshToken.transport', ['cookie', 'body']),
    grace: parseDuration(grace, 'refreshToken.grace', { min: 0, max: 60 }),
    origins: resolveOrigins(origins, issuer),
    onSidejack: oneOf(onSidejack, 'onSidejack', ['reject', 'revoke']),
    maxStaleness: parseDuration(maxStaleness, 'maxStaleness', { min: 2, max: DAY }),
    onStale: resolveStalePolicy(onStale, false),
    clearSiteData: resolveClearSiteData(clearSiteData),
    hsts: boolean(hsts, 'hsts'),
    clockTolerance: tolerance,
    clock,
    steadyClock: createSteadyClock(clock),
  })
}

/** Between two refreshes lies the life of a token, so a session must be allowed to be idle for as long. */
function resolveLimits(
  { absolute, idle }: { readonly absolute?: Duration; readonly idle?: Duration },
  name: string,
  defaults: { readonly absolute: Duration; readonly idle: Duration },
  lifetime: Seconds,
): SessionLimits {
  const longest = parseDuration(absolute === undefined ? defaults.absolute : absolute, `${name}.absolute`, LONGEST)
  const given = parseDuration(idle === undefined ? defaults.idle : idle, `${name}.idle`, LONGEST)
  if (idle !== undefined && (given > longest || given < Math.min(lifetime, longest))) {
    throw new TypeError(
      `${name}.idle: expected accessToken.lifetime at least and ${name}.absolute at most, got ${describe(idle)}`,
    )
  }
  return { absolute: longest, idle: Math.min(Math.max(given, lifetime), longest) }
}

function assertFunctions(options: SessionKitOptions): void {
  for (const name of ['authenticate', 'reauthorize', 'limiter', 'clock'] as const) {
    const value: unknown = options[name]
    if (value === undefined || typeof value === 'function') continue
    if (name !== 'limiter') throw new TypeError(`${name}: expected a function, got ${describe(value)}`)
    const { count } = Object(value) as { readonly count?: unknown }
    if (value === false || typeof count === 'function') continue
    throw new TypeError(`limiter: expected a function, { count } or false, got ${describe(value)}`)
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

/** Keys that outlive the process are encrypted. */
function assertEncrypted(rotation: Rotation | undefined, store: Store | undefined): void {
  if (rotation === undefined || rotation.encryptionKeys.length > 0 || store === undefined || isMemoryStore(store))
    return
  throw new TypeError(
    'keys.encryptionKey: expected 32 bytes or their base64, since only memoryStore() keeps keys without one, got none; ' +
      'make one with: openssl rand -base64 32',
  )
}

function assertKeys(keys: SessionKitOptions['keys']): void {
  if (keys === undefined || isKeyRotation(keys)) return
  if (typeof keys !== 'object' || keys === null || typeof keys.get !== 'function' || !Array.isArray(keys.keys)) {
    const hint = (keys as unknown) instanceof Promise ? '; put `await` before createKeySet' : ''
    throw new TypeError(
      `keys: expected what createKeySet resolves to, or { rotateEvery }, got ${describeKind(keys)}${hint}`,
    )
  }
  if (keys.active === undefined) {
    throw new TypeError(
      'keys: expected at least one key with a private part, since the kit signs, got only public keys',
    )
  }
}
