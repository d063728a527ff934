// createSessionKit(): the one place that wires the parts together.

import type { IncomingMessage } from 'node:http'

import type Koa from 'koa'

import { createEvents, type SessionEventSource } from './events.ts'
import { createKeySet, type KeySet } from './keys/key-set.ts'
import type { PublicJwk } from './keys/key.ts'
import type { Context } from './koa/context.ts'
import { type CorsOptions, createCors } from './koa/cors.ts'
import type { CrossSiteRule } from './koa/cross-site.ts'
import { createDelivery, type TokenResponse } from './koa/delivery.ts'
import { createDerive, type DelegatedToken, type DelegateOptions, type TicketOptions } from './koa/derive.ts'
import { createDevices } from './koa/devices.ts'
import { createThrottle } from './koa/limiter.ts'
import { createLogin } from './koa/login.ts'
import { createAuthenticator, createProtect, type Protect } from './koa/protect.ts'
import { createRefreshRoute } from './koa/refresh.ts'
import { createRefusals } from './koa/refusals.ts'
import { createPublicRoutes, createRoutes, type Route } from './koa/routes.ts'
import { createSessionMiddleware } from './koa/session.ts'
import { createUpgrade, type UpgradeOptions } from './koa/upgrade.ts'
import { createLiveSessions, type LiveSession } from './live.ts'
import { createOutbox } from './outbox.ts'
import { resolveOptions, type SessionKitOptions } from './options/options.ts'
import { createRevocationList, type RevocationTarget } from './revocation.ts'
import { createIssuer } from './session/issue.ts'
import { createSessions } from './session/sessions.ts'
import type { Renewal, SessionSummary, Subject } from './session/session.ts'
import { memoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'
import { CLOCK_SKEW } from './token/claims.ts'
import { ACCESS_TOKEN_TYPE, TICKET_TYPE } from './token/sign.ts'
import { createVerifier } from './verifier.ts'

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

/**
 * Builds a session kit.
 *
 * @throws TypeError when an option is wrong: it names the option, what was expected and what came
 * @example
 * ```ts
 * import Koa from 'koa'
 * import { createKeySet, createSessionKit, memoryStore } from 'koa-holdfast'
 *
 * const kit = await createSessionKit({
 *   issuer: 'https://app.example',
 *   keys: await createKeySet({ algorithm: 'ES256' }),
 *   store: memoryStore(),
 *   authenticate: async (ctx) => null,
 * })
 * const app = new Koa()
 * app.use(kit.protect({ optional: true }))
 * app.use(kit.session(app))
 * app.use(kit.routes())
 * ```
 */
export async function createSessionKit<Claims extends object = Record<string, unknown>>(
  options: SessionKitOptions<Claims>,
): Promise<SessionKit<Claims>> {
  // The cast forgets the claims' type: inside, they are only passed through.
  const given = options as unknown as SessionKitOptions
  const settings = resolveOptions(given)
  const { issuer, clock, steadyClock, cookie, prefix, clockTolerance, maxLifetime } = settings
  const keys = given.keys ?? (await developmentKeys(settings.isLocal))
  const store = given.store ?? developmentStore(settings.isLocal, settings)
  const events = createEvents(clock)
  const retention = maxLifetime + clockTolerance + CLOCK_SKEW
  const outbox = createOutbox(clock)
  const revocations = await createRevocationList({ ...settings, store, retention, outbox })
  const tokens = createIssuer({ ...settings, keys, revocations })
  const sessions = createSessions({
    ...settings,
    isPersistent: cookie.lifetime === 'persistent',
    store,
    issuer: tokens,
    revocations,
    events,
    outbox,
  })
  // A little room: what this kit issues always fits, and tokens issued before maxBytes was lowered still do.
  const verifying = { ...settings, clock: steadyClock, keys, revocations, maxBytes: settings.maxBytes * 2 }
  const verifier = createVerifier({ ...verifying, typ: ACCESS_TOKEN_TYPE })
  const live = createLiveSessions({ sessions, revocations, clock: steadyClock })

  const authenticator = createAuthenticator({ verifier, revocations, settings })
  const refusals = createRefusals({ settings, events, sessions })
  const rule: CrossSiteRule = { origins: settings.origins, crossSite: cookie.sameSite === 'None' }
  const delivery = createDelivery(settings, events)
  const throttle = createThrottle(given.limiter, cookie.tlsProxy)
  const { authenticate, reauthorize } = given
  const parts = { settings, rule, sessions, verifier, authenticator, delivery, throttle, revocations, events }
  const login = createLogin({ ...parts, authenticate })
  const devices = createDevices(parts)
  const derive = createDerive({ settings, issuer: tokens, authenticator, events })
  let knownApp: Koa | undefined
  const connections = createUpgrade({
    ...parts,
    ticketVerifier: (audience) => createVerifier({ ...verifying, audience: [audience], typ: TICKET_TYPE }),
    live,
    refusals,
    knownApp: () => knownApp,
  })
  const routes: Route[] = [
    ...(authenticate === undefined ? [] : [{ method: 'POST', path: `${prefix}/login`, handle: login.login } as const]),
    { method: 'POST', path: `${prefix}/refresh`, handle: createRefreshRoute({ ...parts, reauthorize }) },
    { method: 'POST', path: `${prefix}/logout`, handle: login.logout },
    ...devices.routes,
    ...createPublicRoutes(issuer, keys.jwks),
  ]
  const ownPaths = new Set(routes.map(({ path }) => path))

  /** In routes of their own, applications decide what to answer; the event is raised all the same. */
  async function reported<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      await refusals.note(ctx, thrown)
      throw thrown
    }
  }

  async function close(): Promise<void> {
    live.close()
    outbox.close()
    revocations.close()
    if (given.store === undefined) await store.close()
  }

  const isOwnPath = (path: string): boolean => ownPaths.has(path)
  const protect = createProtect<Claims>({ authenticator, refusals, clock, isOwnPath })
  const identify: Koa.Middleware = protect({ optional: true })

  return Object.freeze({
    protect,
    // The router's own context type says more than middleware for any app may ask for.
    routes: () => createRoutes(routes, { settings, refusals }) as Koa.Middleware,
    session: (app: Koa) => {
      const session = createSessionMiddleware(app, { sessions, authenticator, refusals })
      knownApp = app
      const middleware: Koa.Middleware = (ctx, next) => identify(ctx, () => session(ctx, next))
      return middleware
    },
    start: (ctx: Context, subject: Subject<Claims>) => reported(ctx, () => login.start(ctx, subject as Subject)),
    end: (ctx: Context) => reported(ctx, () => login.end(ctx)),
    renew: (ctx: Context, change: Renewal<Claims> = {}) => reported(ctx, () => login.renew(ctx, change as Renewal)),
    endOthers: (ctx: Context) => reported(ctx, () => devices.endOthers(ctx)),
    sessions: sessions.list,
    revoke: sessions.revoke,
    ticket: (ctx: Context, to?: TicketOptions) => reported(ctx, () => derive.ticket(ctx, to)),
    delegate: (ctx: Context, to: DelegateOptions) => reported(ctx, () => derive.delegate(ctx, to)),
    // The casts are the application's promise, made by the type parameter: its own tokens carry its own claims.
    upgrade: connections.upgrade as SessionKit<Claims>['upgrade'],
    stream: (ctx: Context, to?: UpgradeOptions) =>
      reported(ctx, () => connections.stream(ctx, to) as Promise<LiveSession<Claims>>),
    cors: () => createCors(settings.origins),
    jwks: keys.jwks,
    events: events.source,
    close,
    [Symbol.asyncDispose]: close,
  })
}

function developmentKeys(isLocal: boolean): Promise<KeySet> {
  if (!isLocal) {
    throw new TypeError(
      'keys: expected a key set, since only a kit on localhost makes its own, got none; keep a key with ' +
        'generateKey() and load it with createKeySet({ keys: [key] })',
    )
  }
  process.emitWarning(
    'No keys were given: a fresh one is used, and every session ends with this process.',
    'SessionKitWarning',
  )
  return createKeySet()
}

function developmentStore(isLocal: boolean, { clock }: { readonly clock: () => number }): Store {
  if (!isLocal) {
    throw new TypeError('store: expected a store, since only a kit on localhost makes its own, got none')
  }
  process.emitWarning(
    'No store was given: memory is used, and sessions and revocations are forgotten when this process ends.',
    'SessionKitWarning',
  )
  return memoryStore({ clock })
}
