// The ordered checks that turn a token and a cookie into a verified session. No Koa, no store, no private key.

import { type Auth, toAuth, toRevocable, toSubject } from './auth.ts'
import { isSessionError, SessionError } from './errors.ts'
import { FINGERPRINT_FORMATS, type FingerprintFormat, matchesFingerprint } from './fingerprint.ts'
import type { Key } from './keys/key.ts'
import type { KeySource } from './keys/key-set.ts'
import { proceed } from './proceed.ts'
import type { RevocationList } from './revocation.ts'
import type { Clock } from './time.ts'
import { assertClaims, type ClaimRules, findTimeFault } from './token/claims.ts'
import type { Decrypt } from './token/encrypt.ts'
import { parseToken } from './token/parse.ts'
import { verifySignature } from './token/signature.ts'
import { createTokenCache } from './token-cache.ts'

/** What a request presents. */
export interface Credentials {
  /** The access token as it came. */
  readonly token: string
  /** The value of every cookie of the fingerprint's name, in order. */
  readonly fingerprints: readonly string[]
}

/** Verifies what requests present. */
export interface TokenVerifier {
  /**
   * Runs every check. Answers at once, without a promise, for a token whose signature it has verified before.
   *
   * @throws SessionError with the code of the first check that failed, at once or by the promise
   */
  verify(credentials: Credentials): Auth | Promise<Auth>
  /**
   * Whose genuine pair this is, even if its time has gone or it is revoked; for ending sessions, never for letting in.
   * Undefined when the token is not ours or the fingerprint not its own.
   */
  identify(credentials: Credentials): Promise<Auth | undefined>
}

/** Which tokens must come with their fingerprint: all, those that name one, or none. */
export type Binding = 'required' | 'if-present' | 'none'

/** What is needed to tell whether a genuine token lets in now. */
export interface RequestRules extends ClaimRules {
  readonly revocations: Pick<RevocationList, 'has' | 'hasKey'>
  readonly format: FingerprintFormat
  readonly binding: Binding
  /** One that does not go back. */
  readonly clock: Clock
}

/** What a verifier needs. */
export interface TokenVerifierOptions extends RequestRules {
  /** What opens encrypted tokens; with it, all of them have to be. */
  readonly decrypt?: Decrypt | undefined
  readonly keys: KeySource
  /** The `typ` of the tokens it takes, and no others. */
  readonly typ: string
  readonly maxBytes: number
  /** How many tokens are remembered, once their signature is verified. @default 0 */
  readonly maxCached?: number
}

/** A token that is ours, whoever presents it and whenever; and the key that says so. */
interface GenuineToken {
  readonly auth: Auth
  readonly key: Key
}

/** Makes a verifier. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { decrypt, keys, revocations, clock, clockTolerance, maxCached = 0 } = options
  // That a signature is right does not change; whether the token lets in does, and is checked on each request.
  const genuine = createTokenCache<GenuineToken>(clock, maxCached)

  /** The checks that say whether the token is ours, cheapest first; nothing in it is acted on before the signature. */
  async function authenticate(token: string): Promise<Auth> {
    const signed = decrypt === undefined ? token : await decrypt(token, options)
    const parsed = parseToken(signed, options)
    const key = await keys.get(parsed.kid)
    if (key === undefined) throw new SessionError('ERR_TOKEN_KEY')
    await verifySignature(parsed, key)
    const claims = assertClaims(parsed.payload, options)
    assertBound(parsed.payload, options)
    const auth = toAuth(claims, key.kid)
    genuine.set(token, { auth, key }, (auth.exp + clockTolerance) * 1000)
    return auth
  }

  function verify(credentials: Credentials): Auth | Promise<Auth> {
    const known = genuine.get(credentials.token)
    if (known === undefined) return verifyAnew(credentials)
    return proceed(keys.get(known.key.kid), (current) => verifyAgain(known, current, credentials))
  }

  async function verifyAnew({ token, fingerprints }: Credentials): Promise<Auth> {
    const auth = await authenticate(token)
    assertAdmitted(auth, fingerprints, options)
    return auth
  }

  /** A key that has gone takes with it what it vouched for; so does one that has another in its place. */
  function verifyAgain(
    { auth, key }: GenuineToken,
    current: Key | undefined,
    credentials: Credentials,
  ): Auth | Promise<Auth> {
    if (current?.thumbprint !== key.thumbprint || current.alg !== key.alg) return verifyAnew(credentials)
    assertAdmitted(auth, credentials.fingerprints, options)
    return auth
  }

  async function identify({ token, fingerprints }: Credentials): Promise<Auth | undefined> {
    try {
      const auth = await authenticate(token)
      // Who holds a leaked key can make a pair for any session.
      if (revocations.hasKey(auth.kid)) return undefined
      const fault = findFingerprintFault(auth, fingerprints, options)
      // With the right fingerprint among several it is its owner who asks, and may log out.
      return fault === undefined || fault === 'ERR_FINGERPRINT_AMBIGUOUS' ? auth : undefined
    } catch (error) {
      if (isSessionError(error)) return undefined
      throw error
    }
  }

  return { verify, identify }
}

/**
 * Checks that a token which must name a fingerprint does, and that what it names is one.
 *
 * @throws SessionError with ERR_TOKEN_CLAIMS
 */
export function assertBound(claims: object, { format, binding }: Pick<RequestRules, 'format' | 'binding'>): void {
  const { claim, digest } = FINGERPRINT_FORMATS[format]
  const value = (claims as Readonly<Record<string, unknown>>)[claim] // whatever is there
  const isFine = value === undefined ? binding !== 'required' : typeof value === 'string' && digest.test(value)
  if (!isFine) throw new SessionError('ERR_TOKEN_CLAIMS', { detail: claim })
}

/**
 * The checks that change from one request to the next. The fingerprint comes last: a dead token is not stolen.
 *
 * @throws SessionError with the code of the first one that failed
 */
export function assertAdmitted(auth: Auth, fingerprints: readonly string[], rules: RequestRules): void {
  const fault =
    findTimeFault(auth.claims, rules, rules.clock()) ??
    (rules.revocations.has(toRevocable(auth)) ? 'ERR_TOKEN_REVOKED' : undefined) ??
    findFingerprintFault(auth, fingerprints, rules)
  if (fault !== undefined) throw new SessionError(fault, { subject: toSubject(auth) })
}

function findFingerprintFault(
  { claims }: Auth,
  fingerprints: readonly string[],
  { format, binding }: RequestRules,
): FingerprintFault | undefined {
  const digest = claims[FINGERPRINT_FORMATS[format].claim]
  if (binding === 'none' || digest === undefined) return undefined
  if (fingerprints.length === 0) return 'ERR_FINGERPRINT_MISSING'
  const matches = fingerprints.some((value) => matchesFingerprint(value, digest, format))
  if (!matches) return 'ERR_FINGERPRINT_MISMATCH'
  // Someone planted a second cookie beside the right one. Which of them comes first means nothing (RFC 6265 4.2.2).
  return fingerprints.length > 1 ? 'ERR_FINGERPRINT_AMBIGUOUS' : undefined
}

type FingerprintFault = 'ERR_FINGERPRINT_MISSING' | 'ERR_FINGERPRINT_MISMATCH' | 'ERR_FINGERPRINT_AMBIGUOUS'
