// Sessions: one record each, a token and a fingerprint drawn together, and an end that holds at once.

import { randomBytes } from 'node:crypto'

import { SessionError } from './errors.ts'
import type { EventSink, RequestInfo, SessionEvents } from './events.ts'
import { digestFingerprint, drawFingerprint, FINGERPRINT_FORMATS, type FingerprintFormat } from './fingerprint.ts'
import type { SigningKey } from './keys/key.ts'
import type { KeySet } from './keys/key-set.ts'
import { assertTarget, type RevocationList, type RevocationTarget } from './revocation.ts'
import type { Store, StoreRecord } from './store/store.ts'
import { type Clock, type Milliseconds, type Seconds, toNumericDate } from './time.ts'
import type { ClaimRules } from './token/claims.ts'
import { signToken } from './token/sign.ts'

/** Who has proved to be whom: what `authenticate` answers. With required claims of your own, `claims` is required. */
export type Subject<Claims extends object = Record<string, unknown>> = SubjectBase &
  (Partial<Claims> extends Claims ? { readonly claims?: Claims } : { readonly claims: Claims })

/** The part of a {@link Subject} that does not depend on your claims. */
export interface SubjectBase {
  /** The user's identifier, at most 255 characters. Visible to whoever sees the token: not an e-mail address. */
  readonly sub: string
  /** Space-delimited scopes. */
  readonly scope?: string
  /** The authentication context class that was reached (RFC 9470). */
  readonly acr?: string
  /** How the user authenticated: RFC 8176 values such as `pwd` and `otp`. */
  readonly amr?: readonly string[]
}

/** What starting a session draws. */
export interface StartedSession {
  readonly sub: string
  readonly sid: string
  readonly jti: string
  readonly accessToken: string
  readonly exp: Seconds
  /** The cookie's value. */
  readonly fingerprint: string
  /** When the session ends, whatever happens. */
  readonly expires: Milliseconds
}

/** Why a session ended. */
export type EndReason = SessionEvents['session_expired']['reason']

/** What the application keeps in a session. Must survive JSON. */
export type SessionData = Readonly<Record<string, unknown>>

/** The sessions of one kit. */
export interface Sessions {
  /** Draws a session, its token and its fingerprint. */
  start(subject: Subject): Promise<StartedSession>
  /** Ends a session: every token of it is refused when this resolves, in this process even before. */
  end(sid: string, reason: EndReason, request?: RequestInfo): Promise<void>
  /** Revokes, and ends the sessions that this leaves without a usable token. */
  revoke(target: RevocationTarget): Promise<void>
  /** The application's data, or undefined when there is none or the session has ended. */
  readData(sid: string): Promise<SessionData | undefined>
  /** Replaces the data, only if the session still lives; tells whether it does. */
  writeData(sid: string, data: SessionData): Promise<boolean>
}

interface SessionValue {
  readonly sub: string
  /** The `iat_ms` of the token. */
  readonly issued: Milliseconds
  readonly data?: SessionData
}

/** What sessions need. */
export interface SessionsOptions extends ClaimRules {
  readonly keys: Pick<KeySet, 'active'>
  readonly store: Store
  readonly revocations: RevocationList
  readonly events: EventSink
  readonly format: FingerprintFormat
  /** The life of an access token. */
  readonly lifetime: Seconds
  /** The life of a session. */
  readonly absolute: Seconds
  readonly maxBytes: number
  readonly clock: Clock
}

// Each try that fails is another's success, so this many in a row is a store that does not swap.
const MAX_SWAPS = 100

/** Makes the sessions of one kit. */
export function createSessions(options: SessionsOptions): Sessions {
  const { store, revocations, events, format, clock, issuer } = options

  function activeKey(): SigningKey {
    const key = options.keys.active
    if (key === undefined) throw new TypeError('keys: expected one with a private part, got only public keys')
    if (revocations.hasKey(key.kid)) throw new SessionError('ERR_KEY_REVOKED')
    return key
  }

  async function start(subject: Subject): Promise<StartedSession> {
    const { sub, claims: custom = {}, scope, acr, amr } = subject
    const key = activeKey()
    const now = clock()
    // After "revoke everything of this subject" the next login works at once, so its token is later than the cut-off.
    const issued = Math.max(now, revocations.cutoff(sub) + 1)
    const iat = toNumericDate(now)
    const expires = now + options.absolute * 1000
    const exp = Math.min(iat + options.lifetime, toNumericDate(expires))
    const [sid, jti] = [drawIdentifier(), drawIdentifier()]
    const fingerprint = drawFingerprint(format)
    const claims = {
      iss: issuer,
      sub,
      aud: options.audience.length === 1 ? (options.audience[0] ?? issuer) : options.audience,
      client_id: issuer,
      exp,
      iat,
      iat_ms: issued,
      auth_time: iat,
      jti,
      sid,
      ...(scope !== undefined && { scope }),
      ...(acr !== undefined && { acr }),
      ...(amr !== undefined && { amr }),
      [FINGERPRINT_FORMATS[format].claim]: digestFingerprint(fingerprint, format),
    }
    // A clock that jumped ahead and back: better no session than one that is dead at birth.
    if (revocations.has({ ...claims, kid: key.kid })) throw new SessionError('ERR_UNEXPECTED', { detail: 'the clock' })
    const accessToken = await signToken(key, claims, custom, options)
    const value: SessionValue = { sub, issued }
    await attempt(() => store.add('session', { key: sid, value, expires, group: sub }))
    return { sub, sid, jti, accessToken, exp, fingerprint, expires }
  }

  async function end(sid: string, reason: EndReason, request?: RequestInfo): Promise<void> {
    // First the list, which takes hold in this process before anything is awaited.
    await revocations.add({ sid })
    const record = await read(sid)
    const existed = await attempt(() => store.delete('session', sid))
    const context = request && { request }
    events.emit('authn_token_revoked', { target: { sid }, ...context })
    if (record !== undefined && existed) {
      events.emit('session_expired', { sub: record.value.sub, sid, reason, ...context })
    }
  }

  async function revoke(target: RevocationTarget): Promise<void> {
    assertTarget(target, clock())
    if ('sid' in target) return end(target.sid, 'revoked')
    if (!('sub' in target)) {
      await revocations.add(target)
      events.emit('authn_token_revoked', { target })
      return
    }
    const { sub } = target
    const { before, sids } = await endAll(sub, await revocations.add(target), target.before === undefined)
    events.emit('authn_token_revoked', { target: { sub, before } })
    for (const sid of sids) events.emit('session_expired', { sub, sid, reason: 'revoked' })
  }

  /** Ends the sessions of a subject up to a cut-off, which moves on for sessions that another clock dated later. */
  async function endAll(
    sub: string,
    cutoff: Milliseconds,
    isUntilNow: boolean,
  ): Promise<{ before: Milliseconds; sids: string[] }> {
    const sessions: { sid: string; issued: Milliseconds }[] = []
    await attempt(async () => {
      for await (const { key: sid, value } of store.list('session', sub)) {
        // The cast holds: only start() and writeData() write this table.
        sessions.push({ sid, issued: (value as SessionValue).issued })
      }
    })
    const latest = sessions.reduce((time, { issued }) => Math.max(time, issued), cutoff)
    const before = isUntilNow && latest > cutoff ? await revocations.add({ sub, before: latest }) : cutoff
    const sids: string[] = []
    for (const { sid, issued } of sessions) {
      if (issued <= before && (await attempt(() => store.delete('session', sid)))) sids.push(sid)
    }
    return { before, sids }
  }

  async function read(sid: string): Promise<StoreRecord<SessionValue> | undefined> {
    // The cast holds: only start() and writeData() write this table.
    return (await attempt(() => store.get('session', sid))) as StoreRecord<SessionValue> | undefined
  }

  async function writeData(sid: string, data: SessionData): Promise<boolean> {
    // Data lives in the session's own record, so it cannot outlive it; swap refuses when the record changed or is gone.
    for (let tries = 0; tries < MAX_SWAPS; tries += 1) {
      const record = await read(sid)
      if (record === undefined) return false
      const next = { ...record, value: { ...record.value, data } }
      if (await attempt(() => store.swap('session', next))) return true
    }
    throw new SessionError('ERR_STORE_UNAVAILABLE', { detail: `${MAX_SWAPS} others were faster` })
  }

  return { start, end, revoke, readData: async (sid) => (await read(sid))?.value.data, writeData }
}

/** 128 random bits in 22 characters, for `sid` and `jti`. */
function drawIdentifier(): string {
  return randomBytes(16).toString('base64url')
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new SessionError('ERR_STORE_UNAVAILABLE', { cause })
  }
}
