// Refresh: the next generation of a session, by the ratchet. A rotation draws a nonce into the record, and the next
// secret and the next fingerprint are derived from the presented ones under it. So whoever presents the same pair within
// the grace window, racing tabs and retries after a lost answer alike, is given the same successor; while neither an old
// token alone nor the store alone yields anything. RFC 9700 section 4.14.2.

import { type ErrorCode, SessionError } from '../errors.ts'
import {
  deriveFingerprint,
  digestFingerprint,
  equalsDigest,
  type FingerprintFormat,
  MAX_FINGERPRINTS,
  readDigest,
  splitFingerprints,
} from '../fingerprint.ts'
import { drawText } from '../random.ts'
import type { RevocationList } from '../revocation.ts'
import { type Clock, type Milliseconds, type Seconds, toNumericDate } from '../time.ts'
import type { Issuer } from './issue.ts'
import {
  expiryOf,
  type Generation,
  type Grant,
  type Records,
  retry,
  type SessionRecord,
  type SessionValue,
} from './record.ts'
import {
  deriveRefreshToken,
  formatRefreshToken,
  hashSecret,
  matchesHash,
  parseRefreshToken,
  type RefreshToken,
} from './refresh-token.ts'
import type { IssuedSession } from './session.ts'

/** What a refresh is asked with. */
export interface RefreshRequest {
  /** The refresh token as it came. */
  readonly token: string
  /** The value of every cookie of the fingerprint's name. */
  readonly fingerprints: readonly string[]
  /** The scopes that the new access token is to have: space-delimited, none that the login did not grant. */
  readonly scope?: string
  readonly userAgent?: string
}

/** The session that asks to go on. */
export interface RefreshingSession {
  readonly sub: string
  readonly sid: string
  /** When the user logged in, a NumericDate. */
  readonly authTime: Seconds
  /** The scopes that the login granted. */
  readonly scope: readonly string[]
  /** The application's own claims, as of the login. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** What the account allows now: the claims as they are today, and those of the granted scopes that are left. */
export interface Reauthorization<Claims extends object = Record<string, unknown>> {
  readonly claims?: Claims
  /** Space-delimited. What the login did not grant is left out. */
  readonly scope?: string
}

/** Reads the account again; null ends the session. */
export type Reauthorize = (session: RefreshingSession) => Promise<Reauthorization | null>

/** What refreshing needs. */
export interface RefreshOptions {
  readonly records: Records
  readonly issuer: Issuer
  readonly revocations: Pick<RevocationList, 'cutoff' | 'hasSession'>
  readonly format: FingerprintFormat
  readonly lifetime: Seconds
  readonly clockTolerance: Seconds
  /** How long the previous refresh token is answered. */
  readonly grace: Seconds
  readonly clock: Clock
  /** The same, but it does not go back. */
  readonly steadyClock: Clock
}

/** The verdict on a refresh token of a session that lives. */
type Verdict = 'current' | 'previous' | 'ERR_REFRESH_FORGED' | 'ERR_REFRESH_REUSED_RECENT' | 'ERR_REFRESH_REUSED_STALE'

/** Makes the refresh of one kit. */
export function createRefresh(
  options: RefreshOptions,
): (request: RefreshRequest, reauthorize: Reauthorize | undefined) => Promise<IssuedSession> {
  const { records, issuer, revocations, format, clock } = options

  /** The checks, cheapest first. Nothing is changed before the last of them. */
  async function refresh(request: RefreshRequest, reauthorize: Reauthorize | undefined): Promise<IssuedSession> {
    const token = parseRefreshToken(request.token)
    if (token === undefined) throw new SessionError('ERR_REFRESH_MALFORMED')
    // Whoever can plant a cookie must not be able to end a session with it.
    if (request.fingerprints.length > 1) throw new SessionError('ERR_FINGERPRINT_AMBIGUOUS')
    const presented = request.fingerprints
      .flatMap((cookie) => splitFingerprints(cookie, format))
      .map((value) => withDigest(value))
    // Whoever came in time is in time, however long the hook of another takes, or its own.
    const arrived = { now: clock(), steady: options.steadyClock() }
    // A racer who was slower finds the session one generation on, and takes what the faster one made.
    return retry(async () => {
      const record = await find(token)
      const verdict = judge(record, token, arrived)
      if (verdict === 'current') return rotate(record, { token, presented, request, reauthorize })
      if (verdict === 'previous') return repeat(record, { token, presented, request, reauthorize })
      // A forgery says nothing about the session, and its noise must not hide the alarm of that session.
      throw new SessionError(verdict, verdict === 'ERR_REFRESH_FORGED' ? {} : { subject: subjectOf(record) })
    })
  }

  async function find({ sid }: RefreshToken): Promise<SessionRecord> {
    const record = await records.read(sid)
    if (record === undefined || record.value.realm !== issuer.realm) {
      throw new SessionError(revocations.hasSession(sid) ? 'ERR_TOKEN_REVOKED' : 'ERR_SESSION_EXPIRED')
    }
    // What was revoked stays so where its record could not be removed.
    assertNotRevoked(record)
    return record
  }

  function assertNotRevoked(record: SessionRecord): void {
    const { sub, started } = record.value
    if (revocations.hasSession(record.key) || started <= revocations.cutoff(sub)) {
      throw new SessionError('ERR_TOKEN_REVOKED', { subject: subjectOf(record) })
    }
  }

  function judge(
    { value }: SessionRecord,
    { generation, family, secret }: RefreshToken,
    arrived: { readonly now: Milliseconds; readonly steady: Milliseconds },
  ): Verdict {
    // Without the family it is nobody's token. To end the session for it would let anyone who knows a sid do so.
    if (!matchesHash(family, value.family) || generation > value.generation) return 'ERR_REFRESH_FORGED'
    if (generation === value.generation) {
      return matchesHash(secret, value.current.secret) ? 'current' : 'ERR_REFRESH_FORGED'
    }
    const { previous, used } = value
    if (previous === undefined || generation < value.generation - 1) return 'ERR_REFRESH_REUSED_STALE'
    if (!matchesHash(secret, previous.secret)) return 'ERR_REFRESH_FORGED'
    const grace = options.grace * 1000
    // By both clocks: the steady one stands while the other is behind. And both ways: another process wrote the time.
    const isRecent = Math.abs(arrived.steady - previous.replaced) < grace && arrived.now - used < grace
    return isRecent ? 'previous' : 'ERR_REFRESH_REUSED_RECENT'
  }

  /** The first time: the next generation. Undefined when the record changed meanwhile. */
  async function rotate(record: SessionRecord, asked: Asked): Promise<IssuedSession | undefined> {
    const { token, presented, request } = asked
    const { value } = record
    const fingerprint = findOne(presented, value.current.fingerprint)
    if (fingerprint === undefined) {
      const code: ErrorCode = request.fingerprints.length === 0 ? 'ERR_FINGERPRINT_MISSING' : 'ERR_FINGERPRINT_MISMATCH'
      throw new SessionError(code, { subject: subjectOf(record) })
    }
    const grant = await regrant(record, asked)
    // The hook may have taken its time.
    assertNotRevoked(record)
    const now = clock()
    const nonce = drawText(32, 'base64url')
    const next = deriveRefreshToken(token, nonce)
    const live = value.older.filter(({ exp }) => isLive(exp, now))
    const older = isLive(value.current.exp, now) ? [value.current, ...live].map(pickOlder) : live
    // With a full cookie the value stays until one of the tokens has expired.
    const isFull = older.length >= MAX_FINGERPRINTS
    const successor = isFull ? fingerprint : withDigest(deriveFingerprint(fingerprint.value, nonce, format))
    const current: Generation = {
      secret: hashSecret(next.secret),
      fingerprint: successor.digest,
      ...timesOf(now, value, expiryOf({ used: now, idle: value.idle, ends: value.ends })),
    }
    // No spreads: in a literal of so many members they take V8 ten times as long.
    const changed = Object.assign({}, value, request.userAgent !== undefined && { userAgent: request.userAgent }, {
      used: now,
      generation: next.generation,
      current,
      previous: {
        secret: value.current.secret,
        fingerprint: value.current.fingerprint,
        nonce,
        replaced: options.steadyClock(),
      },
      older: isFull ? live : older,
    } satisfies Partial<SessionValue>)
    // First the token, which may fail, and only then the rotation, which cannot be taken back.
    const issued = await issuer.accessToken({ sub: value.sub, sid: record.key, grant }, current)
    if (!(await records.swap(record, changed))) return undefined
    return describe({ ...record, value: changed }, { issued, next, fingerprints: [successor, ...presented] })
  }

  /** Once more: the same successor, another access token with the same times. Nothing is written. */
  async function repeat(record: SessionRecord, asked: Asked): Promise<IssuedSession> {
    const { token, presented } = asked
    const { previous, current, sub } = record.value
    const fingerprint = previous && findOne(presented, previous.fingerprint)
    if (previous === undefined || fingerprint === undefined) {
      throw new SessionError('ERR_REFRESH_REUSED_RECENT', { subject: subjectOf(record) })
    }
    const grant = await regrant(record, asked)
    assertNotRevoked(record)
    const next = deriveRefreshToken(token, previous.nonce)
    // With a full cookie the value has stayed: this one is then dropped with all that are none.
    const derived = withDigest(deriveFingerprint(fingerprint.value, previous.nonce, format))
    const issued = await issuer.accessToken({ sub, sid: record.key, grant }, current)
    // The hook may have taken its time, and whoever ends the session in it must not be overtaken.
    await find(token)
    return describe(record, { issued, next, fingerprints: [derived, ...presented] })
  }

  function timesOf(
    now: Milliseconds,
    { current }: SessionValue,
    expires: Milliseconds,
  ): Pick<Generation, 'iat' | 'issued' | 'exp'> {
    const iat = toNumericDate(now)
    const exp = Math.min(iat + options.lifetime, toNumericDate(expires))
    // The last second of a session is too short for a token.
    if (exp <= iat) throw new SessionError('ERR_SESSION_EXPIRED')
    return { iat, issued: Math.max(now, current.issued), exp }
  }

  const isLive = (exp: Seconds, now: Milliseconds): boolean => now < (exp + options.clockTolerance) * 1000

  const withDigest = (value: string): Fingerprint => ({ value, digest: digestFingerprint(value, format) })

  function findOne(values: readonly Fingerprint[], claim: string): Fingerprint | undefined {
    const digest = readDigest(claim, format)
    return digest && values.find((one) => equalsDigest(one.digest, digest, format))
  }

  return refresh
}

/** What the caller gets of a session that goes on. */
function describe(
  { key: sid, value }: SessionRecord,
  made: {
    readonly issued: IssuedSession['access']
    readonly next: RefreshToken
    readonly fingerprints: readonly Fingerprint[]
  },
): IssuedSession {
  const digests = new Set([value.current, ...value.older].map(({ fingerprint }) => fingerprint))
  const { sub, generation, isPersistent } = value
  return {
    sub,
    sid,
    generation,
    isPersistent,
    expires: expiryOf(value),
    access: made.issued,
    refreshToken: formatRefreshToken(made.next),
    // The new value first, then those whose tokens still live; what else the cookie held is dropped.
    fingerprints: [
      ...new Set(made.fingerprints.filter(({ digest }) => digests.has(digest)).map(({ value: one }) => one)),
    ],
  }
}

/** A value of the fingerprint cookie. */
interface Fingerprint {
  readonly value: string
  readonly digest: string
}

interface Asked {
  readonly token: RefreshToken
  /** What is in the fingerprint cookie. */
  readonly presented: readonly Fingerprint[]
  readonly request: RefreshRequest
  readonly reauthorize: Reauthorize | undefined
}

/** What the access token may say: never more than the login granted. */
async function regrant(record: SessionRecord, { request, reauthorize }: Asked): Promise<Grant> {
  const { grant, sub } = record.value
  const granted = grant.scope?.split(' ').filter((name) => name !== '') ?? []
  const asked = request.scope?.split(' ') ?? granted
  if (!asked.every((name) => granted.includes(name))) {
    throw new SessionError('ERR_SCOPE_INVALID', { subject: subjectOf(record) })
  }
  const allowed = await reauthorize?.({
    sub,
    sid: record.key,
    authTime: grant.auth_time,
    scope: [...granted],
    // A copy: what the hook does to it is not done to the session.
    claims: structuredClone({ ...grant.claims }),
  })
  if (allowed === null) throw new SessionError('ERR_REAUTHORIZATION_FAILED', { subject: subjectOf(record) })
  const left = allowed?.scope?.split(' ') ?? asked
  return {
    ...grant,
    ...(grant.scope !== undefined && { scope: asked.filter((name) => left.includes(name)).join(' ') }),
    ...(allowed?.claims !== undefined && { claims: allowed.claims }),
  }
}

function subjectOf({ key: sid, value: { sub } }: SessionRecord): { readonly sub: string; readonly sid: string } {
  return { sub, sid }
}

function pickOlder({ fingerprint, exp }: { readonly fingerprint: string; readonly exp: Seconds }): {
  readonly fingerprint: string
  readonly exp: Seconds
} {
  return { fingerprint, exp }
}
