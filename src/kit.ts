// createSessionKit(): the one place that wires the parts together.

import type Koa from 'koa'

import { createEvents, type SessionEventSource } from './events.ts'
import { createKeySet, type KeySet } from './keys/key-set.ts'
import type { PublicJwk } from './keys/key.ts'
import type { Context } from './koa/context.ts'
import { type CorsOptions, createCors } from './koa/cors.ts'
import { createLogin, type TokenResponse } from './koa/login.ts'
import { createAuthenticator, createProtect, type Protect } from './koa/protect.ts'
import { createRefusals } from './koa/refusals.ts'
import { createPublicRoutes, createRoutes, type Route } from './koa/routes.ts'
import { createSessionMiddleware } from './koa/session.ts'
import { resolveOptions, type SessionKitOptions } from './options/options.ts'
import { createRevocationList, type RevocationTarget } from './revocation.ts'
import { createSessions, type Subject } from './sessions.ts'
import { memoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'
import { CLOCK_SKEW } from './token/claims.ts'
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
  const { issuer, clock, cookie, prefix, clockTolerance, maxLifetime } = settings
  const keys = given.keys ?? (await developmentKeys(settings.isLocal))
  const store = given.store ?? developmentStore(settings.isLocal, settings)
  const events = createEvents(clock)
  const retention = maxLifetime + clockTolerance + CLOCK_SKEW
  const revocations = await createRevocationList({ issuer, store, clock, retention, clockTolerance })
  const verifier = createVerifier({
    ...settings,
    keys,
    revocations,
    // A little room: what this kit issues always fits, and tokens issued before maxBytes was lowered still do.
    maxBytes: settings.maxBytes * 2,
  })
  const sessions = createSessions({ ...settings, keys, store, revocations, events })
  const authenticator = createAuthenticator(verifier, cookie)
  const refusals = createRefusals({ settings, events, sessions })
  const { authenticate, limiter } = given
  const login = createLogin({
    settings,
    sessions,
    verifier,
    authenticator,
    revocations,
    events,
    authenticate,
    limiter,
  })
  const routes: Route[] = [
    ...(authenticate === undefined ? [] : [{ method: 'POST', path: `${prefix}/login`, handle: login.login } as const]),
    { method: 'POST', path: `${prefix}/logout`, handle: login.logout },
    ...createPublicRoutes(issuer, keys.jwks),
  ]
  const ownPaths = new Set(routes.map(({ path }) => path))

  /** In routes of their own, applications decide what to answer; the event is raised all the same. */
  async function reported<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      refusals.report(ctx, thrown)
      throw thrown
    }
  }

  async function close(): Promise<void> {
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
      const middleware: Koa.Middleware = (ctx, next) => identify(ctx, () => session(ctx, next))
      return middleware
    },
    start: (ctx: Context, subject: Subject<Claims>) => reported(ctx, () => login.start(ctx, subject as Subject)),
    end: (ctx: Context) => reported(ctx, () => login.end(ctx)),
    revoke: sessions.revoke,
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
