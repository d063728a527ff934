// The claims of a genuine access token: those that a kit would write.

import { digestFingerprint, drawFingerprint, FINGERPRINT_FORMATS, type FingerprintFormat } from '../fingerprint.ts'
import { drawIdentifier } from '../session/issue.ts'
import { type Milliseconds, type Seconds, toNumericDate } from '../time.ts'
import type { JsonMembers } from './tokens.ts'

const LIFETIME: Seconds = 900

/** Claims, and the fingerprint that fits them. */
export interface DraftClaims {
  readonly claims: JsonMembers
  /** The value for the cookie; undefined for a token that is bound to none. */
  readonly fingerprint: string | undefined
}

/** Drafts a token that is issued now, for a session of its own. */
export function draftClaims(options: {
  readonly issuer: string
  readonly audience: string | readonly string[]
  readonly now: Milliseconds
  readonly format: FingerprintFormat | false
}): DraftClaims {
  const { issuer, audience, now, format } = options
  const iat = toNumericDate(now)
  const fingerprint = format === false ? undefined : drawFingerprint(format)
  const claims = {
    iss: issuer,
    sub: 'alice',
    aud: audience,
    client_id: issuer,
    exp: iat + LIFETIME,
    iat,
    iat_ms: now,
    auth_time: iat,
    jti: drawIdentifier(),
    sid: drawIdentifier(),
    ...(format !== false &&
      fingerprint !== undefined && { [FINGERPRINT_FORMATS[format].claim]: digestFingerprint(fingerprint, format) }),
  }
  return { claims, fingerprint }
}
