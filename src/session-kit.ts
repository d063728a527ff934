// What a kit is: middleware to mount, and what an application can do with its sessions.

import type { IncomingMessage } from 'node:http'

import type Koa from 'koa'

import type { SessionEventSource } from './events.ts'
import type { PublicJwk } from './keys/key.ts'
import type { NextKey, RotateOptions } from './keys/rotating-keys.ts'
import type { Context } from './koa/context.ts'
import type { CorsOptions } from './koa/cors.ts'
import type { TokenResponse } from './koa/delivery.ts'
import type { DelegatedToken, DelegateOptions, TicketOptions } from './koa/derive.ts'
import type { Protect } from './koa/protect.ts'
import type { UpgradeOptions } from './koa/upgrade.ts'
import type { LiveSession } from './live.ts'
import type { RevocationTarget } from './revocation.ts'
import type { Renewal, SessionSummary, Subject } from './session/session.ts'

/** The kit: middleware to mount, and what an application can do with its sessions. */
export interface SessionKit<Claims extends object = Record<string, unknown>> {
  /**
   * Middleware that lets only verified sessions through, as `ctx.state.auth`.
   *
   * @throws TypeError when an option is wrong
   * @see https://www.rfc-editor.org/rfc/rfc6750#section-3
   */
  readonly protect: Protect<Claims>
  /** Middleware with the kit's routes: login and logout under the prefix, the public keys and metadata. */
  routes(): Koa.Middleware
  /**
   * koa-session, bound to the verified session: `ctx.session` is kept on the server, is null for anonymous requests and
   * ends with the session. Mount it once. It verifies the request as `protect({ optional: true })` does.
   *
   * @throws TypeError when the app has another session middleware
   */
  session(app: Koa): Koa.Middleware
  /**
   * Starts a session in a login route of your own: sets the cookie, ends the session that the request presents, and
   * answers the body to send. The new session has its `ctx.session` from the next request on. Call it right after you
   * have checked who it is: what is revoked of the subject in between is not seen.
   *
   * @throws SessionError with ERR_CROSS_SITE, ERR_TRANSPORT_INSECURE, ERR_CLAIMS_INVALID, ERR_TOKEN_OVERSIZE,
   *   ERR_KEY_REVOKED or ERR_STORE_UNAVAILABLE
   */
  start(ctx: Context, subject: Subject<Claims>): Promise<TokenResponse>
  /**
   * Ends the session of this request and deletes its cookie.
   *
   * @throws SessionError with ERR_STORE_UNAVAILABLE
   */
  end(ctx: Context): Promise<void>
  /**
   * Puts a new session in the place of the one of this request: new `sid`, token, fingerprint and refresh token, the same
   * data. For when privileges change; answers the body to send. Tokens of the old session are refused.
   *
   * @param change - new claims or scopes, a step-up, and whether every other session ends, as after a change of password
   * @throws SessionError as `start` does, with ERR_CREDENTIALS_MISSING for a request without a session, and with
   *   ERR_SESSION_EXPIRED when it ended meanwhile
   */
  renew(ctx: Context, change?: Renewal<Claims>): Promise<TokenResponse>
  /**
   * Ends every session of the caller but the one of this request.
   *
   * @throws SessionError as `renew` does
   */
  endOthers(ctx: Context): Promise<void>
  /**
   * The sessions of a subject, the newest first.
   *
   * @throws SessionError with ERR_STORE_UNAVAILABLE
   */
  sessions(sub: string): Promise<SessionSummary[]>
  /**
   * A token for a connection that cannot send headers: put it into the URL as `?ticket=`. Short-lived, good for one use,
   * and bound to the fingerprint cookie like the session's token.
   *
   * @throws SessionError as `renew` does
   */
  ticket(ctx: Context, options?: TicketOptions): Promise<string>
  /**
   * A token with which this application acts for the user at another service, which verifies it with the public keys.
   * Without a fingerprint, so it is short-lived; without scopes and claims but those you name.
   *
   * @throws SessionError as `renew` does; with ERR_CLAIMS_INVALID for a scope that the session does not have
   * @throws TypeError when an option is wrong
   * @see https://www.rfc-editor.org/rfc/rfc8693#section-4.1
   */
  delegate(ctx: Context, options: DelegateOptions): Promise<DelegatedToken>
  /**
   * Authenticates a WebSocket upgrade, by `Authorization` or `?ticket=` and the fingerprint cookie, checks its Origin,
   * and ties the socket to the session: it is closed when the session ends, and stays through its refreshes.
   *
   * @returns undefined when it was refused: it has been answered then
   * @see https://www.rfc-editor.org/rfc/rfc6455#section-10
   */
  upgrade(request: IncomingMessage, options?: UpgradeOptions): Promise<LiveSession<Claims> | undefined>
  /**
   * The same for a response that goes on, such as Server-Sent Events, in a handler of your own.
   *
   * @throws SessionError as verification does
   */
  stream(ctx: Context, options?: UpgradeOptions): Promise<LiveSession<Claims>>
  /**
   * Revokes a token, a session, everything of a subject until now, or a key. When it resolves, no request that begins
   * later gets in with it.
   *
   * @throws SessionError with ERR_STORE_UNAVAILABLE; it holds in this process all the same
   * @throws TypeError when the target is none
   */
  revoke(target: RevocationTarget): Promise<void>
  /**
   * Replaces the active key before its time, where `keys` rotate: the next one takes over as soon as whoever verifies has
   * it, which may be now; with `emergency` at once, and what the active one signed is revoked.
   *
   * @returns the key that takes over, and when
   * @throws TypeError when the keys were passed in: they are replaced where they come from
   * @throws SessionError with ERR_STORE_UNAVAILABLE
   */
  rotateKeys(options?: RotateOptions): Promise<NextKey>
  /** Options for `@koa/cors` that allow the origins of the options, with credentials, and no other. */
  cors(): CorsOptions
  /** The public keys, as the JWKS route shows them. */
  jwks(): { keys: PublicJwk[] }
  /** What happens, for logs and alarms. The same is published on `node:diagnostics_channel`. */
  readonly events: SessionEventSource
  /** Stops following the store. A store that was passed in stays open; it is its owner's. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
