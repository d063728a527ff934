// How sessions start: everything about one is drawn, signed and written together.

import { SessionError } from '../errors.ts'
import type { RequestInfo } from '../events.ts'
import { digestFingerprint, drawFingerprint, type FingerprintFormat } from '../fingerprint.ts'
import type { RevocationList } from '../revocation.ts'
import { type Clock, type Milliseconds, type Seconds, toNumericDate } from '../time.ts'
import type { End } from './end.ts'
import { drawIdentifier, type Issuer } from './issue.ts'
import { expiryOf, type Records, type SessionValue } from './record.ts'
import { drawRefreshToken, formatRefreshToken, hashSecret } from './refresh-token.ts'
import { createRoom } from './room.ts'
import type { IssuedSession, SessionLimits, Subject } from './session.ts'

/** Starts the sessions of one kit. */
export interface Start {
  /**
   * Starts a session.
   *
   * @throws SessionError with ERR_SESSIONS_EXCEEDED when the subject may not have another, with ERR_LOGIN_FAILED when all
   *   of the subject was revoked meanwhile, and what issuing throws
   */
  start(subject: Subject, from: StartRequest): Promise<IssuedSession>
  /** Writes a session with these contents. */
  create(base: SessionBase, stamps: Stamps): Promise<IssuedSession>
  /** Takes back a session that nobody was given. What goes wrong here must not hide what went wrong before. */
  discard(session: IssuedSession): Promise<void>
}

/** Where a session starts from. */
export interface StartRequest {
  /** The sessions that this one takes the place of; they are ended once it is there. */
  readonly replaces: readonly string[]
  /** Until when the subject's tokens were revoked when it was authenticated: what is revoked later holds. */
  readonly cutoff?: Milliseconds
  readonly userAgent?: string
  readonly request?: RequestInfo
}

/** When a session counts as begun, and its first token as issued, where everything of a subject is revoked. */
export interface Stamps {
  readonly started: Milliseconds
  readonly issued: Milliseconds
}

/** What a new record takes from its login or from the session before it. */
export type SessionBase = Pick<
  SessionValue,
  'sub' | 'grant' | 'created' | 'absolute' | 'ends' | 'idle' | 'isPersistent' | 'userAgent' | 'label' | 'data'
>

/** What starting needs. */
export interface StartOptions {
  readonly records: Records
  readonly issuer: Issuer
  readonly revocations: Pick<RevocationList, 'cutoff'>
  readonly end: Pick<End, 'end'>
  readonly format: FingerprintFormat
  /** The life of an access token. */
  readonly lifetime: Seconds
  readonly limits: SessionLimits
  /** Those of sessions that are remembered. */
  readonly rememberedLimits: SessionLimits
  /** Whether cookies outlive the browser where the login does not say. */
  readonly isPersistent: boolean
  /** How many sessions a subject may have. */
  readonly maxSessions: number
  /** What happens to one more. */
  readonly onMaxSessions: 'evict' | 'refuse'
  readonly clock: Clock
}

/** Makes what starts the sessions of one kit. */
export function createStart(options: StartOptions): Start {
  const { records, revocations, end, issuer, format, clock, maxSessions } = options
  const makeRoom = createRoom(options)

  const create: Start['create'] = async (base, stamps) => {
    const { sub, grant } = base
    const now = clock()
    const sid = drawIdentifier()
    const token = drawRefreshToken(sid)
    const fingerprint = drawFingerprint(format)
    // Not the later of the two: `iat_ms` is never before `iat`, and a second may have ended since the stamp was taken.
    const iat = toNumericDate(Math.min(now, stamps.issued))
    const exp = Math.min(
      iat + options.lifetime,
      toNumericDate(expiryOf({ used: now, idle: base.idle, ends: base.ends })),
    )
    // The last second of a session is too short for a token.
    if (exp <= iat) throw new SessionError('ERR_SESSION_EXPIRED')
    const current = {
      secret: hashSecret(token.secret),
      fingerprint: digestFingerprint(fingerprint, format),
      iat,
      issued: stamps.issued,
      exp,
    }
    const access = await issuer.accessToken({ sub, sid, grant }, current)
    // No spread: in a literal of so many members it takes V8 ten times as long.
    const value = Object.assign({}, base, {
      used: now,
      realm: issuer.realm,
      started: stamps.started,
      family: hashSecret(token.family),
      generation: 0,
      current,
      older: [],
    })
    await records.add(sid, value)
    return {
      sub,
      sid,
      generation: 0,
      access,
      refreshToken: formatRefreshToken(token),
      fingerprints: [fingerprint],
      isPersistent: base.isPersistent,
      expires: expiryOf(value),
    }
  }

  const discard: Start['discard'] = async ({ sid }) => void (await records.remove(sid).catch(() => false))

  const start: Start['start'] = async (subject, from) => {
    const { sub, claims, scope, acr, amr, remember, label } = subject
    const { cutoff = revocations.cutoff(sub), replaces, userAgent, request } = from
    const now = clock()
    const limits = remember === true ? options.rememberedLimits : options.limits
    // Where they are counted, later than those that are there, whatever the clocks say.
    const others = maxSessions === Infinity ? [] : await records.list(sub)
    const base: SessionBase = {
      sub,
      grant: {
        auth_time: toNumericDate(now),
        ...(claims !== undefined && { claims }),
        ...(scope !== undefined && { scope }),
        ...(acr !== undefined && { acr }),
        ...(amr !== undefined && { amr }),
      },
      created: others.reduce((time, { value }) => Math.max(time, value.created + 1), now),
      absolute: limits.absolute,
      ends: now + limits.absolute * 1000,
      idle: limits.idle,
      isPersistent: remember ?? options.isPersistent,
      ...(userAgent !== undefined && { userAgent }),
      ...(label !== undefined && { label: assertLabel(label) }),
    }
    // After "revoke everything of this subject" the next login works at once, so it is later than the cut-off.
    const stamp = Math.max(now, cutoff + 1)
    const started = await create(base, { started: stamp, issued: stamp })
    try {
      if (revocations.cutoff(sub) > cutoff) throw new SessionError('ERR_LOGIN_FAILED')
      await makeRoom(started, replaces, request)
      // Only now: a login that is not accepted must not cost the session that is there.
      for (const sid of replaces) await end.end(sid, 'login', request)
    } catch (error) {
      await discard(started)
      throw error
    }
    return started
  }

  return { start, create, discard }
}

function assertLabel(label: unknown): string {
  if (typeof label === 'string' && label.length <= 100) return label
  throw new SessionError('ERR_CLAIMS_INVALID', { detail: 'label: at most 100 characters' })
}
