// What a service is that verifies and issues nothing, whoever verifies for it: public keys in hand, or an issuer to ask.

import type { SessionEventSource, RequestInfo } from '../events.ts'
import type { StalePolicy } from '../revocation.ts'
import type { Clock } from '../time.ts'
import type { Auth } from '../auth.ts'
import type { Credentials } from '../verifier.ts'

/** Who is calling a service. Not every issuer has sessions, so there may be no `sid`. */
export interface ServiceAuth<Claims extends object = Record<string, unknown>> extends Omit<Auth<Claims>, 'sid'> {
  readonly sid: string | undefined
}

/** What `protect(verifier)` needs to know beside who verifies. */
export interface ServiceSettings {
  /** The service's name in challenges. */
  readonly realm: string
  /** The fingerprint cookie as it arrives here. */
  readonly cookie: {
    readonly name: string
    readonly secure: boolean
    /** Whether the service is plain http on this machine. */
    readonly isLocal: boolean
    readonly tlsProxy: boolean
  }
  readonly onStale: StalePolicy
  /** Whether `onStale` may be `'introspect'`. */
  readonly canIntrospect: boolean
  readonly clock: Clock
}

/** Verifies what requests to a service present. Every one of them can be given to `protect` of `koa-holdfast/protect`. */
export interface ServiceVerifier<Claims extends object = Record<string, unknown>> {
  readonly settings: ServiceSettings
  /**
   * Runs every check.
   *
   * @param credentials - the token, and the value of every cookie of the fingerprint's name
   * @param onStale - how old the revocation list may be; what the options say, if left out
   * @throws SessionError with the code of the first check that failed
   */
  verify(credentials: Credentials, onStale?: StalePolicy): Promise<ServiceAuth<Claims>>
  /**
   * Checks again how old the news are by which the token was believed: for stricter demands than those of `verify`.
   *
   * @throws SessionError with ERR_REVOCATIONS_STALE when they are too old for the policy
   */
  assertFresh(auth: ServiceAuth, policy?: StalePolicy): void
  /** Raises the event of a refusal, as `protect` does: for other frameworks. The query of the path is left out. */
  report(thrown: unknown, request: RequestInfo): void
  /** What happens, for logs and alarms. The same is published on `node:diagnostics_channel`. */
  readonly events: SessionEventSource
  /** Lets go of timers and of the store. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
