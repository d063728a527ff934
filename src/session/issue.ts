// Issues tokens about a session: its access tokens, tickets for connections that cannot send headers, and down-scoped
// tokens for other services.

import { SessionError } from '../errors.ts'
import { FINGERPRINT_FORMATS, type FingerprintFormat } from '../fingerprint.ts'
import type { EncryptionKeys } from '../keys/encryption.ts'
import type { SigningKey } from '../keys/key.ts'
import type { KeySet } from '../keys/key-set.ts'
import { drawText } from '../random.ts'
import type { RevocationList } from '../revocation.ts'
import { type Clock, type Seconds, toNumericDate } from '../time.ts'
import { type ClaimRules, findTimeFault, pickOwnClaims, type TokenClaims } from '../token/claims.ts'
import { encryptToken } from '../token/encrypt.ts'
import type { TokenForm } from '../token/parse.ts'
import { ACCESS_TOKEN_TYPE, type SignedToken, signToken, TICKET_TYPE } from '../token/sign.ts'
import { type Auth, toRevocable, toSubject } from '../auth.ts'
import type { Generation, Grant } from './record.ts'

/** What a session's token says beside the grant. */
export interface TokenSession {
  readonly sub: string
  readonly sid: string
  readonly grant: Grant
}

/** What a derived token is to be. */
export interface DerivedToken {
  readonly audience: string
  readonly lifetime: Seconds
  /** Space-delimited; none of them that the session's token does not have. */
  readonly scope?: string
  readonly claims?: object
}

/** Issues the tokens of one kit. */
export interface Issuer {
  /** The issuer and the audience of its access tokens, in one. */
  readonly realm: string
  /** @throws SessionError with ERR_KEY_REVOKED, ERR_CLAIMS_INVALID or ERR_TOKEN_OVERSIZE */
  accessToken(session: TokenSession, generation: Omit<Generation, 'secret'>): Promise<SignedToken>
  /** A ticket: everything the session's token says, but short-lived, and good for nothing but an upgrade. */
  ticket(auth: Auth, options: DerivedToken): Promise<SignedToken>
  /** A token with which this application acts for the subject elsewhere. */
  delegated(auth: Auth, options: DerivedToken): Promise<SignedToken>
}

/** What an issuer needs. */
export interface IssuerOptions extends ClaimRules {
  readonly keys: Pick<KeySet, 'active'>
  /** What access tokens and tickets are encrypted with. */
  readonly encryption?: Pick<EncryptionKeys, 'active'> | undefined
  readonly revocations: Pick<RevocationList, 'has' | 'hasKey'>
  readonly format: FingerprintFormat
  readonly maxBytes: number
  readonly clock: Clock
  /** The same, but it does not go back. */
  readonly steadyClock: Clock
}

/** 128 random bits in 22 characters, for `sid` and `jti`. */
export function drawIdentifier(): string {
  return drawText(16, 'base64url')
}

/** Makes the issuer of one kit. */
export function createIssuer(options: IssuerOptions): Issuer {
  const { revocations, issuer, clock } = options
  const { claim } = FINGERPRINT_FORMATS[options.format]
  const audience = options.audience.length === 1 ? (options.audience[0] ?? issuer) : options.audience
  const rules = { ...options, typ: ACCESS_TOKEN_TYPE }

  function activeKey(): SigningKey {
    const key = options.keys.active
    if (key === undefined) throw new TypeError('keys: expected one with a private part, got only public keys')
    if (revocations.hasKey(key.kid)) throw new SessionError('ERR_KEY_REVOKED')
    return key
  }

  /** A clock that jumped ahead and back: better no token than one that is dead at birth. */
  function assertAlive(exp: Seconds): void {
    if (!(options.steadyClock() < exp * 1000)) throw new SessionError('ERR_UNEXPECTED', { detail: 'the clock' })
  }

  /** Encrypts what comes back to this application, if it wants that. What others verify is only signed. */
  async function seal(signed: SignedToken, form: TokenForm): Promise<SignedToken> {
    const key = options.encryption?.active
    return key === undefined ? signed : { ...signed, token: await encryptToken(signed.token, key, form) }
  }

  async function accessToken(
    { sub, sid, grant: { claims: custom = {}, ...granted } }: TokenSession,
    { fingerprint, iat, issued, exp }: Omit<Generation, 'secret'>,
  ): Promise<SignedToken> {
    const key = activeKey()
    // No spread: in a literal of so many members it takes V8 ten times as long.
    const own = {
      iss: issuer,
      sub,
      aud: audience,
      client_id: issuer,
      exp,
      iat,
      iat_ms: issued,
      jti: drawIdentifier(),
      sid,
    }
    const claims = Object.assign(own, granted, {
      // The clock may have gone back since, and nobody believes a login that is later than its token.
      auth_time: Math.min(granted.auth_time, iat),
      [claim]: fingerprint,
    })
    assertAlive(exp)
    const { jti } = claims
    const isRevoked = revocations.has({ iss: issuer, jti, sid, sub, kid: key.kid, iat, iat_ms: issued, exp })
    if (isRevoked) throw new SessionError('ERR_UNEXPECTED', { detail: 'the clock' })
    return seal(await signToken(key, claims, custom, rules), rules)
  }

  /** The claims of a token that is derived from the session's token. */
  function derive(auth: Auth, to: DerivedToken): TokenClaims {
    const { sub, sid, claims } = auth
    if (to.scope?.split(' ').some((name) => !auth.scope.includes(name))) {
      throw new SessionError('ERR_CLAIMS_INVALID', { detail: 'scope: the session does not have all of it' })
    }
    // The request may be a slow one. What is revoked from here on revokes this token as well, by sid or iat_ms.
    const fault =
      findTimeFault(claims, options, options.steadyClock()) ??
      (revocations.has(toRevocable(auth)) ? 'ERR_TOKEN_REVOKED' : undefined)
    if (fault !== undefined) throw new SessionError(fault, { subject: toSubject(auth) })
    const now = clock()
    const iat = toNumericDate(now)
    assertAlive(iat + to.lifetime)
    return {
      iss: issuer,
      sub,
      aud: to.audience,
      client_id: issuer,
      exp: iat + to.lifetime,
      iat,
      iat_ms: Math.max(claims.iat_ms ?? now, now),
      jti: drawIdentifier(),
      sid,
      ...pick(claims, ['acr', 'amr']),
      ...(claims.auth_time !== undefined && { auth_time: Math.min(claims.auth_time, iat) }),
      ...(to.scope !== undefined && { scope: to.scope }),
    }
  }

  return {
    realm: JSON.stringify([issuer, ...options.audience]),
    accessToken,
    async ticket(auth, to) {
      const key = activeKey()
      const derived = derive(auth, to)
      // Believed a little longer, but nothing is left for a ticket.
      if (auth.exp <= derived.iat) throw new SessionError('ERR_TOKEN_EXPIRED', { subject: toSubject(auth) })
      const claims = {
        ...derived,
        ...pick(auth.claims, ['scope', claim]),
        // Not longer than the session's token: so long the cookie carries its fingerprint.
        exp: Math.min(derived.exp, auth.exp),
      }
      const form = { ...rules, audience: [to.audience], typ: TICKET_TYPE }
      return seal(await signToken(key, claims, pickOwnClaims(auth.claims), form), form)
    },
    async delegated(auth, to) {
      const key = activeKey()
      // RFC 8693 section 4.1: who acts for the subject.
      const claims = { ...derive(auth, to), act: { sub: issuer } }
      return signToken(key, claims, to.claims ?? {}, { ...rules, audience: [to.audience] })
    },
  }
}

function pick(claims: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => names.includes(name)))
}
