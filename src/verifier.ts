// The ordered checks that turn a token and a cookie into a verified session. No Koa, no store, no private key.

import { type Auth, toAuth, toSubject } from './auth.ts'
import { isSessionError, SessionError } from './errors.ts'
import {
  type Digest,
  FINGERPRINT_FORMATS,
  type FingerprintFormat,
  matchesFingerprint,
  readDigest,
} from './fingerprint.ts'
import type { Key } from './keys/key.ts'
import type { KeySource } from './keys/key-set.ts'
import { proceed } from './proceed.ts'
import type { RevocableToken, RevocationList } from './revocation.ts'
import type { Clock } from './time.ts'
import { assertClaims, type ClaimRules, findTimeFault, type Validity } from './token/claims.ts'
import type { Decrypt } from './token/encrypt.ts'
import type { JsonObject } from './token/json.ts'
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

/**
 * A token that is ours, whoever presents it and whenever, and what each request asks of it. That is read from the claims
 * once, since they have no prototype, which makes reading them slow.
 */
export interface GenuineToken {
  readonly auth: Auth
  readonly validity: Validity
  readonly revocable: RevocableToken
  /** Of its fingerprint; undefined where it names none. */
  readonly digest: Digest | undefined
}

/** One that a key vouches for. */
interface SignedToken {
  readonly genuine: GenuineToken
  readonly key: Key
}

/** Makes a verifier. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { decrypt, keys, revocations, clock, clockTolerance, maxCached = 0 } = options
  // That a signature is right does not change; whether the token lets in does, and is checked on each request.
  const known = createTokenCache<SignedToken>(clock, maxCached)

  /** The checks that say whether the token is ours, cheapest first; nothing in it is acted on before the signature. */
  async function authenticate(token: string): Promise<GenuineToken> {
    const signed = decrypt === undefined ? token : await decrypt(token, options)
    const parsed = parseToken(signed, options)
    const key = await keys.get(parsed.kid)
    if (key === undefined) throw new SessionError('ERR_TOKEN_KEY')
    await verifySignature(parsed, key)
    const genuine = toGenuine(parsed.payload, key.kid, options)
    known.set(token, { genuine, key }, (genuine.validity.exp + clockTolerance) * 1000)
    return genuine
  }

  function verify(credentials: Credentials): Auth | Promise<Auth> {
    const signed = known.get(credentials.token)
    if (signed === undefined) return verifyAnew(credentials)
    return proceed(keys.get(signed.key.kid), (current) => verifyAgain(signed, current, credentials))
  }

  async function verifyAnew({ token, fingerprints }: Credentials): Promise<Auth> {
    const genuine = await authenticate(token)
    assertAdmitted(genuine, fingerprints, options)
    return genuine.auth
  }

  /** A key that has gone takes with it what it vouched for; so does one that has another in its place. */
  function verifyAgain(
    { genuine, key }: SignedToken,
    current: Key | undefined,
    credentials: Credentials,
  ): Auth | Promise<Auth> {
    if (current?.thumbprint !== key.thumbprint || current.alg !== key.alg) return verifyAnew(credentials)
    assertAdmitted(genuine, credentials.fingerprints, options)
    return genuine.auth
  }

  async function identify({ token, fingerprints }: Credentials): Promise<Auth | undefined> {
    try {
      const genuine = await authenticate(token)
      // Who holds a leaked key can make a pair for any session.
      if (revocations.hasKey(genuine.auth.kid)) return undefined
      const fault = findFingerprintFault(genuine, fingerprints, options)
      // With the right fingerprint among several it is its owner who asks, and may log out.
      return fault === undefined || fault === 'ERR_FINGERPRINT_AMBIGUOUS' ? genuine.auth : undefined
    } catch (error) {
      if (isSessionError(error)) return undefined
      throw error
    }
  }

  return { verify, identify }
}

/**
 * What the claims of a token say that the issuer vouches for, if they are all they must be.
 *
 * @param kid - the key that signed it; '' where that is not known
 * @throws SessionError with ERR_TOKEN_CLAIMS, ERR_TOKEN_ISSUER or ERR_TOKEN_AUDIENCE
 */
export function toGenuine(payload: JsonObject, kid: string, rules: RequestRules): GenuineToken {
  const claims = assertClaims(payload, rules)
  const digest = readBinding(payload, rules)
  // All that is read of them is read before `toAuth` freezes them: see `parseJsonObject`.
  const { iss, sub, sid, jti, exp, iat, iat_ms, nbf } = claims
  const revocable = { iss, jti, sid, sub, kid, iat, iat_ms, exp }
  return { auth: toAuth(claims, kid), validity: { exp, iat, nbf }, revocable, digest }
}

/**
 * The digest that the claims name, of those that need not or that do.
 *
 * @throws SessionError with ERR_TOKEN_CLAIMS where one is named that is none, or none where one must be
 */
export function readBinding(
  payload: JsonObject,
  { format, binding }: Pick<RequestRules, 'format' | 'binding'>,
): Digest | undefined {
  const { claim } = FINGERPRINT_FORMATS[format]
  const digest = readDigest(payload[claim], format)
  const isFine = digest !== undefined || (payload[claim] === undefined && binding !== 'required')
  if (!isFine) throw new SessionError('ERR_TOKEN_CLAIMS', { detail: claim })
  return digest
}

/**
 * The checks that change from one request to the next. The fingerprint comes last: a dead token is not stolen.
 *
 * @throws SessionError with the code of the first one that failed
 */
export function assertAdmitted(genuine: GenuineToken, fingerprints: readonly string[], rules: RequestRules): void {
  const fault =
    findTimeFault(genuine.validity, rules, rules.clock()) ??
    (rules.revocations.has(genuine.revocable) ? 'ERR_TOKEN_REVOKED' : undefined) ??
    findFingerprintFault(genuine, fingerprints, rules)
  if (fault !== undefined) throw new SessionError(fault, { subject: toSubject(genuine.auth) })
}

function findFingerprintFault(
  { digest }: GenuineToken,
  fingerprints: readonly string[],
  { format, binding }: RequestRules,
): FingerprintFault | undefined {
  if (binding === 'none' || digest === undefined) return undefined
  if (fingerprints.length === 0) return 'ERR_FINGERPRINT_MISSING'
  const matches = fingerprints.some((value) => matchesFingerprint(value, digest, format))
  if (!matches) return 'ERR_FINGERPRINT_MISMATCH'
  // Someone planted a second cookie beside the right one. Which of them comes first means nothing (RFC 6265 4.2.2).
  return fingerprints.length > 1 ? 'ERR_FINGERPRINT_AMBIGUOUS' : undefined
}

type FingerprintFault = 'ERR_FINGERPRINT_MISSING' | 'ERR_FINGERPRINT_MISMATCH' | 'ERR_FINGERPRINT_AMBIGUOUS'
