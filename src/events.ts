// What the kit tells the application and its logs: one map of events, on one emitter and on
// node:diagnostics_channel. Payloads hold identifiers and codes, never a credential.

import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'

import type { ErrorCode } from './errors.ts'
import { freezeDeep } from './freeze.ts'
import type { Clock, Milliseconds, Seconds } from './time.ts'

/** Who asked, as far as the server can tell. Text from the client is cleaned of control characters. */
export interface RequestInfo {
  readonly method: string
  /** The path without its query, which may hold secrets. */
  readonly path: string
  /** As Koa sees it; trustworthy only where `app.proxy` is set right. */
  readonly ip: string
  readonly userAgent?: string
  /** The client of the options that asks; proved, but in `client_rejected` and where the limiter refused it. */
  readonly client?: string
}

/** What every event says. */
export interface EventBase {
  /** When, in milliseconds since the epoch. */
  readonly time: Milliseconds
  /** The request that caused it; none for what the application did by itself. */
  readonly request?: RequestInfo
}

/** A session and its subject. `sid` and `jti` name things; nobody gets in with them. */
export interface SessionInfo {
  readonly sub: string
  readonly sid: string
}

/** A refused request. */
export interface Refusal extends EventBase {
  /** Why, exactly. The client was not told. */
  readonly code: ErrorCode
  /** The session, once the token is known to be genuine. */
  readonly sub?: string
  readonly sid?: string
  readonly jti?: string
  /** How many more of this event were left out just before, when there were too many to report each. */
  readonly suppressed?: number
}

/** Why a session ended. */
export type EndReason =
  /** Its user logged out, here or from the list of sessions. */
  | 'logout'
  /** The same browser logged in again. */
  | 'login'
  /** The application ended it, or a client that had its refresh token. */
  | 'revoked'
  /** Its access token came without its fingerprint, and `onSidejack` is `'revoke'`. */
  | 'sidejack'
  /** A refresh token came that had been replaced. */
  | 'reuse'
  /** `reauthorize` did not let it go on. */
  | 'unauthorized'
  /** A new session took its place: `kit.renew`. */
  | 'renewed'
  /** The subject logged in somewhere else once more than `session.max` allows. */
  | 'evicted'

/** What an application revoked. */
export type RevocationInfo =
  | { readonly sid: string }
  | { readonly jti: string }
  | { readonly kid: string }
  | { readonly sub: string; readonly before: Milliseconds }

/**
 * Every event and its payload. Where OWASP's logging vocabulary has a word for it, that is its name.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
 */
export interface SessionEvents {
  /** `authenticate` accepted someone. */
  authn_login_success: EventBase & SessionInfo
  /** `authenticate` accepted nobody. */
  authn_login_fail: Refusal
  /** An access token was issued. */
  authn_token_created: EventBase & SessionInfo & { readonly jti: string; readonly exp: Seconds }
  /** A token, a session, a subject's tokens or a key were revoked. */
  authn_token_revoked: EventBase & { readonly target: RevocationInfo }
  /** A session began. */
  session_created: EventBase & SessionInfo & { readonly expires: Milliseconds }
  /** A session goes on with a new refresh token and a new fingerprint. */
  session_renewed: EventBase & SessionInfo & { readonly generation: number; readonly expires: Milliseconds }
  /** A session was ended. */
  session_expired: EventBase & SessionInfo & { readonly reason: EndReason }
  /** A token was used after it expired, or after its session did. */
  session_use_after_expire: Refusal
  /** A token was used after it was revoked, or a refresh token or a ticket was used again. */
  authn_token_reuse: Refusal
  /** A live, validly signed token came with a wrong fingerprint or with none: it has been stolen. */
  sidejack: Refusal
  /** A token was refused for any other reason. */
  token_rejected: Refusal
  /** A genuine token lacked a scope. */
  authz_fail: Refusal
  /** An unsafe request from another site was refused. */
  cross_site_refused: Refusal
  /** A client did not prove who it is, or may not do what it asked for. */
  client_rejected: Refusal
  /** The limiter refused an attempt. */
  excess_rate_limit_exceeded: Refusal
  /** Nothing was set or believed, since the connection is not known to be https. A configuration error, or a leak. */
  transport_insecure: Refusal
  /** The active signing key is revoked; nothing is issued. */
  key_revoked_in_use: Refusal
  /** The store failed. */
  store_unavailable: Refusal
  /** Public keys that are not at hand could not be fetched, or the keys in the store could not be read. */
  keys_unavailable: Refusal
  /** The issuer was asked about a token and did not answer. */
  introspection_unavailable: Refusal
  /** Public keys were not fetched, as they should have been; those at hand are used as long as they may be. */
  keys_fetch_failed: EventBase & { readonly issuer: string; readonly detail: string }
  /** A signing key was made, and is published; it signs from `activates` on. */
  key_created: EventBase & { readonly kid: string; readonly activates: Milliseconds }
  /** A key signs from now on, in this process. */
  key_activated: EventBase & { readonly kid: string }
  /** A key does not sign any more, in this process. What it signed is still verified, unless it is revoked. */
  key_retired: EventBase & { readonly kid: string }
}

/** The name of an event. Its diagnostics channel is `koa-holdfast:` and that name. */
export type EventName = keyof SessionEvents

/** Where an application listens. A listener that throws is reported as a process warning and harms nobody else. */
export interface SessionEventSource {
  on<N extends EventName>(name: N, listener: (event: SessionEvents[N]) => void): SessionEventSource
  once<N extends EventName>(name: N, listener: (event: SessionEvents[N]) => void): SessionEventSource
  off<N extends EventName>(name: N, listener: (event: SessionEvents[N]) => void): SessionEventSource
}

/** The emitting side. `time` is added here. */
export interface EventSink {
  readonly source: SessionEventSource
  emit<N extends EventName>(name: N, event: Omit<SessionEvents[N], 'time'>): void
}

// Refusals can come at any rate. Past the limit they are counted, and the next one that is reported says how many were
// left out. What takes an accepted login or a right is always reported.
const FLOOD_LIMIT = 50
const FLOOD_WINDOW: Milliseconds = 1000
const MAX_WINDOWS = 10_000

/** Makes the emitter of one kit. */
export function createEvents(clock: Clock): EventSink {
  const emitter = new EventEmitter()
  const windows = new Map<string, { start: Milliseconds; count: number }>()

  /** How many were suppressed before this one, or undefined when this one is to be suppressed too. */
  function admit(key: string, time: Milliseconds): number | undefined {
    const window = windows.get(key)
    if (window === undefined || Math.abs(time - window.start) >= FLOOD_WINDOW) {
      windows.set(key, { start: time, count: 1 })
      return window === undefined ? 0 : Math.max(0, window.count - FLOOD_LIMIT)
    }
    window.count += 1
    return window.count > FLOOD_LIMIT ? undefined : 0
  }

  /** One window for each event of a genuine session, so that nobody's noise hides another's alarm. */
  function windowOf(name: EventName, event: object, time: Milliseconds): string {
    // Not every issuer has sessions. The cast is what events of genuine tokens say.
    const { sub, sid = sub } = event as { readonly sub?: string; readonly sid?: string | undefined }
    if (sid === undefined) return name
    if (windows.size >= MAX_WINDOWS) {
      for (const [key, { start }] of windows) if (Math.abs(time - start) >= FLOOD_WINDOW) windows.delete(key)
    }
    return windows.size < MAX_WINDOWS ? `${name} ${sid}` : name
  }

  function emit<N extends EventName>(name: N, event: Omit<SessionEvents[N], 'time'>): void {
    const time = readClock(clock)
    let suppressed = 0
    if ('code' in event) {
      const admitted = admit(windowOf(name, event, time), time)
      if (admitted === undefined) return
      suppressed = admitted
    }
    const payload = freezeDeep({ ...event, time, ...(suppressed > 0 && { suppressed }) })
    const diagnostics = channel(`koa-holdfast:${name}`)
    if (diagnostics.hasSubscribers) diagnostics.publish(payload)
    for (const listener of emitter.rawListeners(name)) {
      // Called in a promise's name, so that what it throws and what it rejects with end in the same place.
      void callListener(name, () => listener.call(emitter, payload) as unknown)
    }
  }

  // Not the emitter itself, on which anybody could emit.
  const source: SessionEventSource = Object.freeze<SessionEventSource>({
    on(name, listener) {
      emitter.on(name, listener)
      return source
    },
    once(name, listener) {
      emitter.once(name, listener)
      return source
    },
    off(name, listener) {
      emitter.off(name, listener)
      return source
    },
  })

  return { source, emit }
}

async function callListener(name: EventName, call: () => unknown): Promise<void> {
  try {
    await call()
  } catch (error) {
    const reason = error instanceof Error ? error.message : typeof error
    process.emitWarning(`A listener of '${name}' threw: ${reason}`, 'SessionEventWarning')
  }
}

/** What happened is told even when the clock is what failed. */
function readClock(clock: Clock): Milliseconds {
  try {
    const time = clock()
    if (Number.isFinite(time)) return time
  } catch {
    // The request that needed the time has been refused for it already.
  }
  return Date.now()
}

// C0, DEL and C1, and the two separators that end a line in JavaScript: what forges log lines and drives terminals.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Makes text from a client fit for a log: control characters escaped, at most 200 characters. */
export function cleanText(text: string): string {
  return text
    .slice(0, 200)
    .replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
