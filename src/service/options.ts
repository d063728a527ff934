// The options of a service's verifier, checked when it is built.

import type { FingerprintFormat } from '../fingerprint.ts'
import { describeUrl, type Fetch, isSafeUrl } from '../fetch-json.ts'
import { type Algorithm, ALGORITHMS, isAlgorithm, isSymmetric } from '../keys/algorithms.ts'
import type { EncryptionKeys } from '../keys/encryption.ts'
import type { KeySet } from '../keys/key-set.ts'
import { resolveEncryption } from '../options/encryption.ts'
import { assertKnown, boolean, integer, oneOf } from '../options/checks.ts'
import { assertName, isDomain } from '../options/cookie.ts'
import {
  DAY,
  parseOrigin,
  resolveAudience,
  resolveMaxCached,
  resolveStalePolicy,
  type StaleOption,
} from '../options/values.ts'
import type { Store } from '../store/store.ts'
import { describe, describeKind } from '../describe.ts'
import { type Clock, createSteadyClock, type Duration, parseDuration, type Seconds } from '../time.ts'
import type { ServiceSettings, ServiceVerifier } from './service.ts'

/** Whom a service believes, and what. */
export interface TrustOptions {
  /** The issuer, exactly as its tokens name it. */
  readonly issuer: string
  /** The names of this service: a token must be for one of them. */
  readonly audience: string | readonly string[]
  /**
   * The issuer's public keys: in hand, where nothing is fetched, or where its JWKS is.
   * @default found by the issuer's metadata (RFC 8414, OpenID Connect Discovery)
   */
  readonly keys?: KeySet | { readonly jwksUri: string }
  /** The algorithms that are believed. @default every asymmetric one */
  readonly algorithms?: readonly Algorithm[]
  /**
   * Which tokens must come with the fingerprint cookie: all; those that name one, so that tokens of `kit.delegate` pass
   * as well; or none, for issuers that know no fingerprint. @default 'required'
   */
  readonly fingerprint?: 'required' | 'if-present' | 'none'
  /** How the issuer writes fingerprints. @default 'base64url' */
  readonly format?: FingerprintFormat
  /** Claims that must be there, beside those that every access token has (RFC 9068). @default none */
  readonly requiredClaims?: readonly string[]
  /** The longest lifetime of a token that is believed. @default '1h' */
  readonly maxLifetime?: Duration
  /** The issuer's store, to learn what it revokes. @default none: tokens are believed until they expire */
  readonly revocations?: Store
}

/** What a service's verifier is made of: one issuer's {@link TrustOptions}, or several in `issuers`. */
export interface VerifierOptions extends Partial<TrustOptions> {
  /** Several issuers, each with its own keys and audience. Instead of `issuer`. */
  readonly issuers?: readonly TrustOptions[]
  /** This service's own origin, as browsers see it. Needed where fingerprints are required. */
  readonly origin?: string
  /** The fingerprint cookie, as the issuer's options say. */
  readonly cookie?: {
    /** @default '__Secure-Fgp' */
    readonly name?: string
    /** Where the issuer shares it: needed when this service is on another host. @default none */
    readonly domain?: string
    /** TLS ends at a proxy, and Koa sees plain http. @default false */
    readonly tlsProxy?: boolean
    /** The issuer on http://localhost uses `Fgp-Development`. @default false */
    readonly development?: boolean
  }
  /** How keys are fetched and kept. */
  readonly jwks?: {
    /** How long they are used without being fetched again, or as long as the issuer says, if that is shorter. @default '10m' */
    readonly maxAge?: Duration
    /** How much longer they are used while the issuer does not answer. @default '1h' */
    readonly staleIfError?: Duration
    /** How long after a fetch there is no other, whatever came of it; at most `maxAge`. @default '30s' */
    readonly cooldown?: Duration
    /** How long a fetch may take, the metadata and the keys together. @default '5s' */
    readonly timeout?: Duration
  }
  /** The longest token that is looked into, in bytes. @default 8192 */
  readonly maxBytes?: number
  /** How many tokens are remembered once their signature is verified, of each issuer; 0 for none. @default 20_000 */
  readonly maxCached?: number
  /** What decrypts tokens; then none that is only signed is believed. @default none: tokens are signed only */
  readonly encryption?: EncryptionKeys
  /** How long after `exp` a token still passes, at most five minutes. @default 0 */
  readonly clockTolerance?: Duration
  /** How old this process's copy of a revocation list may be. @default '5s' */
  readonly maxStaleness?: Duration
  /** What happens when it is older. @default 'reject' */
  readonly onStale?: StaleOption
  /** Who asks the issuer where `onStale` is `'introspect'`: what `createIntrospector` resolved to. @default none */
  readonly introspector?: ServiceVerifier
  /** @default the global fetch */
  readonly fetch?: Fetch
  /** The time, for tests. @default Date.now */
  readonly clock?: Clock
}

/** One issuer's options, checked. */
export interface Trust {
  readonly issuer: string
  readonly audience: readonly string[]
  /** Undefined where the metadata says it. */
  readonly keys: KeySet | { readonly jwksUri: string } | undefined
  readonly algorithms: readonly Algorithm[]
  readonly binding: 'required' | 'if-present' | 'none'
  readonly format: FingerprintFormat
  readonly requiredClaims: readonly string[]
  readonly maxLifetime: Seconds
  readonly revocations: Store | undefined
}

/** The options with every default filled in and every value checked. */
export interface VerifierSettings extends ServiceSettings {
  readonly issuers: readonly Trust[]
  readonly jwks: Readonly<Record<'maxAge' | 'staleIfError' | 'cooldown' | 'timeout', Seconds>>
  readonly maxBytes: number
  readonly maxCached: number
  readonly encryption: EncryptionKeys | undefined
  readonly introspector: ServiceVerifier | undefined
  readonly clockTolerance: Seconds
  readonly maxStaleness: Seconds
  readonly fetch: Fetch
  /** One that does not go back. */
  readonly steadyClock: Clock
}

const TRUST = [
  ...['issuer', 'audience', 'keys', 'algorithms', 'fingerprint', 'format', 'requiredClaims', 'maxLifetime'],
  'revocations',
] as const
const COMMON = [
  ...['issuers', 'origin', 'cookie', 'jwks', 'maxBytes', 'clockTolerance', 'maxStaleness', 'onStale', 'fetch', 'clock'],
  ...['encryption', 'introspector', 'maxCached'],
] as const
const ASYMMETRIC = (Object.keys(ALGORITHMS) as Algorithm[]).filter((name) => !isSymmetric(name)) // its keys are these

/**
 * Checks the options.
 *
 * @throws TypeError for the first one that is wrong
 */
export function resolveVerifierOptions(options: VerifierOptions): VerifierSettings {
  assertKnown(options, 'options', [...TRUST, ...COMMON])
  const { cookie = {}, jwks = {}, maxBytes = 8192, clockTolerance = 0, maxStaleness = '5s' } = options
  const { introspector, onStale = 'reject', fetch = globalThis.fetch, clock = Date.now, origin } = options
  assertKnown(jwks, 'jwks', ['maxAge', 'staleIfError', 'cooldown', 'timeout'])
  if (typeof clock !== 'function') throw new TypeError(`clock: expected a function, got ${describe(clock)}`)
  if (typeof fetch !== 'function') throw new TypeError(`fetch: expected a function, got ${describe(fetch)}`)
  const issuers = listIssuers(options).map(resolveTrust)
  if (new Set(issuers.map(({ issuer }) => issuer)).size < issuers.length) {
    throw new TypeError('issuers: expected each issuer once, got one twice')
  }
  const own = origin === undefined ? undefined : parseOrigin(origin)
  if (origin !== undefined && own === undefined) {
    throw new TypeError(`origin: expected an origin such as 'https://api.app.example', got ${describeUrl(origin)}`)
  }
  const resolved = resolveCookie(cookie, own)
  for (const trust of issuers) assertCookieArrives(trust, own, cookie.domain)
  const { maxAge = '10m', staleIfError = '1h', cooldown = '30s', timeout = '5s' } = jwks
  const age = parseDuration(maxAge, 'jwks.maxAge', { min: 60, max: DAY })
  return Object.freeze({
    issuers,
    // An audience may hold what no header can.
    realm: origin ?? new URL(issuers[0]?.issuer ?? '').href,
    cookie: resolved,
    jwks: {
      maxAge: age,
      staleIfError: parseDuration(staleIfError, 'jwks.staleIfError', { min: 0, max: 7 * DAY }),
      cooldown: parseDuration(cooldown, 'jwks.cooldown', { max: age }),
      timeout: parseDuration(timeout, 'jwks.timeout', { max: 60 }),
    },
    maxBytes: integer(maxBytes, 'maxBytes', 512, 65_536),
    maxCached: resolveMaxCached(options.maxCached, 'maxCached'),
    encryption: resolveEncryption(options.encryption),
    clockTolerance: parseDuration(clockTolerance, 'clockTolerance', { min: 0, max: 300 }),
    maxStaleness: parseDuration(maxStaleness, 'maxStaleness', { min: 2, max: DAY }),
    onStale: resolveStalePolicy(onStale, introspector !== undefined),
    canIntrospect: introspector !== undefined,
    introspector,
    fetch,
    clock,
    steadyClock: createSteadyClock(clock),
  })
}

function listIssuers(options: VerifierOptions): readonly TrustOptions[] {
  const { issuers } = options
  const single = TRUST.filter((name) => options[name] !== undefined)
  if (issuers === undefined) {
    // The cast: resolveTrust looks at each of them.
    return [Object.fromEntries(single.map((name) => [name, options[name]])) as unknown as TrustOptions]
  }
  if (single[0] !== undefined) throw new TypeError(`${single[0]}: expected it in each of issuers, got it beside them`)
  if (Array.isArray(issuers) && issuers.length > 0) return issuers
  throw new TypeError(`issuers: expected an array with at least one issuer, got ${describeKind(issuers)}`)
}

function resolveTrust(options: TrustOptions): Trust {
  assertKnown(options, 'issuer', TRUST)
  const { issuer, keys, algorithms = ASYMMETRIC, fingerprint = 'required', format = 'base64url' } = options
  const { requiredClaims = [], maxLifetime = '1h', revocations } = options
  if (!isSafeUrl(issuer) || /[?#]/.test(issuer)) {
    throw new TypeError(
      `issuer: expected its https URL as tokens name it, http only on localhost, got ${describeUrl(issuer)}`,
    )
  }
  const isList = Array.isArray(algorithms) && algorithms.length > 0
  if (!isList || !algorithms.every((name) => isAlgorithm(name) && !isSymmetric(name))) {
    throw new TypeError(
      "algorithms: expected asymmetric ones such as ['ES256'], since who can verify by a secret can sign by it, " +
        `got ${Array.isArray(algorithms) ? describe(algorithms.join(' ')) : describeKind(algorithms)}`,
    )
  }
  if (!Array.isArray(requiredClaims) || !requiredClaims.every((name) => typeof name === 'string')) {
    throw new TypeError(`requiredClaims: expected an array of names, got ${describeKind(requiredClaims)}`)
  }
  if (revocations !== undefined && typeof (revocations as Partial<Store> | null)?.list !== 'function') {
    throw new TypeError(
      `revocations: expected a store such as redisStore({ client }), got ${describeKind(revocations)}`,
    )
  }
  return {
    issuer,
    audience: resolveAudience(options.audience),
    keys: resolveKeys(keys, algorithms),
    algorithms: [...algorithms],
    binding: oneOf(fingerprint, 'fingerprint', ['required', 'if-present', 'none']),
    format: oneOf(format, 'fingerprint format', ['base64url', 'owasp']),
    requiredClaims: [...requiredClaims],
    maxLifetime: parseDuration(maxLifetime, 'maxLifetime', { max: 31 * DAY }),
    revocations,
  }
}

/** Only public keys: a service that holds more could sign, and so could whoever breaks into it. */
function resolveKeys(keys: unknown, algorithms: readonly Algorithm[]): Trust['keys'] {
  if (keys === undefined) return undefined
  const { jwksUri, keys: list, get } = Object(keys) as Partial<KeySet & { jwksUri: unknown }>
  if (jwksUri !== undefined) {
    assertKnown(keys, 'keys', ['jwksUri'])
    if (isSafeUrl(jwksUri)) return { jwksUri }
    throw new TypeError(`keys.jwksUri: expected an https address, http only on localhost, got ${describeUrl(jwksUri)}`)
  }
  if (typeof get !== 'function' || !Array.isArray(list)) {
    const hint = keys instanceof Promise ? '; put `await` before createKeySet' : ''
    throw new TypeError(
      `keys: expected what createKeySet resolves to, or { jwksUri }, got ${describeKind(keys)}${hint}`,
    )
  }
  const set = keys as KeySet // it has what a key set has
  if (set.keys.some((key) => key.signingKey !== undefined || key.publicJwk === undefined)) {
    throw new TypeError('keys: expected public keys only, since a service need not sign, got a private key or a secret')
  }
  const unwanted = set.keys.find((key) => !algorithms.includes(key.alg))
  if (unwanted === undefined) return set
  throw new TypeError(`keys: expected keys for the algorithms ${algorithms.join(', ')}, got one for ${unwanted.alg}`)
}

/** RFC 6265bis section 5.5: a cookie without Domain never leaves its host, and one with it never its site. */
function assertCookieArrives({ issuer, binding }: Trust, own: URL | undefined, domain: unknown): void {
  // With 'if-present' a token that names a fingerprint is refused where its cookie does not arrive.
  if (binding !== 'required') return
  if (own === undefined) {
    throw new TypeError(
      "origin: expected this service's origin, to tell whether the fingerprint cookie arrives here, got none; " +
        "fingerprint: 'if-present' is for delegated tokens, 'none' for issuers that know no fingerprint",
    )
  }
  const hosts = [new URL(issuer).hostname, own.hostname]
  if (hosts[0] === hosts[1]) return
  const shared = isDomain(domain) ? domain.toLowerCase() : undefined
  if (shared !== undefined && hosts.every((host) => host === shared || host.endsWith(`.${shared}`))) return
  throw new TypeError(
    `cookie.domain: expected a domain that ${hosts.join(' and ')} share, and the same in the issuer's options, since ` +
      `the fingerprint cookie does not arrive here otherwise, got ${describe(domain)}; services on other sites ask the ` +
      "issuer (createIntrospector) or take delegated tokens (fingerprint: 'if-present')",
  )
}

function resolveCookie(
  options: NonNullable<VerifierOptions['cookie']>,
  own: URL | undefined,
): ServiceSettings['cookie'] {
  assertKnown(options, 'cookie', ['name', 'domain', 'tlsProxy', 'development'])
  const { name = '__Secure-Fgp', domain, tlsProxy = false, development = false } = options
  const isLocal = own?.protocol === 'http:'
  if (boolean(development, 'cookie.development') && !isLocal) {
    throw new TypeError('cookie.development: expected false unless origin is http://localhost, got true')
  }
  assertName(name, undefined)
  if (domain !== undefined && !isDomain(domain)) {
    throw new TypeError(`cookie.domain: expected a domain such as 'app.example', got ${describe(domain)}`)
  }
  // RFC 6265bis section 4.1.3.2: browsers drop it, so the issuer cannot have set it.
  if (domain !== undefined && /^__host-/i.test(name)) {
    throw new TypeError(
      `cookie.name: expected one that starts with __Secure- beside cookie.domain, got ${describe(name)}`,
    )
  }
  return {
    name: development ? 'Fgp-Development' : name,
    secure: !development,
    isLocal,
    tlsProxy: boolean(tlsProxy, 'cookie.tlsProxy'),
  }
}
