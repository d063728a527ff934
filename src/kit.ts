// createSessionKit(): the one place that wires the parts together.

import type Koa from 'koa'

import { createEvents } from './events.ts'
import { createKeySet, type KeySet, type KeySource } from './keys/key-set.ts'
import type { RotateOptions } from './keys/rotating-keys.ts'
import { startRotation } from './keys/rotation.ts'
import { createClientEndpoints } from './koa/client-routes.ts'
import { createClientVerifiers } from './koa/client-verifier.ts'
import { createClientAuthenticator } from './koa/clients.ts'
import type { Context } from './koa/context.ts'
import { createCors } from './koa/cors.ts'
import type { CrossSiteRule } from './koa/cross-site.ts'
import { createDelivery } from './koa/delivery.ts'
import { createDerive, type DelegateOptions, type TicketOptions } from './koa/derive.ts'
import { createDevices } from './koa/devices.ts'
import { createIntrospect } from './koa/introspect.ts'
import { createThrottle } from './koa/limiter.ts'
import { createLogin } from './koa/login.ts'
import { createAuthenticator, createProtect } from './koa/protect.ts'
import { createRefreshRoute } from './koa/refresh.ts'
import { createRefusals } from './koa/refusals.ts'
import { createRevoke } from './koa/revoke.ts'
import { createPublicRoutes, createRoutes, type Route } from './koa/routes.ts'
import { createSessionMiddleware } from './koa/session.ts'
import { createUpgrade, type UpgradeOptions } from './koa/upgrade.ts'
import { createLiveSessions, type LiveSession } from './live.ts'
import { createOutbox } from './outbox.ts'
import { resolveClients } from './options/clients.ts'
import { resolveOptions, type SessionKitOptions } from './options/options.ts'
import { reportRefusal } from './report.ts'
import { createRevocationList } from './revocation.ts'
import { createIssuer } from './session/issue.ts'
import { createSessions } from './session/sessions.ts'
import type { Renewal, Subject } from './session/session.ts'
import type { SessionKit } from './session-kit.ts'
import { memoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'
import { CLOCK_SKEW } from './token/claims.ts'
import { createDecrypt } from './token/encrypt.ts'
import { ACCESS_TOKEN_TYPE, TICKET_TYPE } from './token/sign.ts'
import { createTokenVerifier } from './verifier.ts'

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
  const { issuer, clock, steadyClock, cookie, prefix, clockTolerance, maxLifetime, rotation } = settings
  const clients = given.clients === undefined ? [] : await resolveClients(given.clients)
  // The cast holds where there is no rotation.
  const fixed = rotation ? undefined : ((given.keys as KeySet | undefined) ?? (await developmentKeys(settings.isLocal)))
  const store = given.store ?? developmentStore(settings.isLocal, settings)
  // Here rather than in close(), which would hold on to the options, and to the secrets of clients in them.
  const isOwnStore = given.store === undefined
  const events = createEvents(clock)
  const retention = maxLifetime + clockTolerance + CLOCK_SKEW
  const outbox = createOutbox(clock)
  const revocations = await createRevocationList({ ...settings, store, retention, outbox })
  const rotating =
    rotation &&
    (await startRotation({
      ...{ issuer, rotation, store, clock: steadyClock, revocations, events },
      revoke: (kid) => sessions.revoke({ kid }),
      end: () => revocations.close(),
    }))
  const keys = (rotating ?? fixed) as KeySource & Pick<KeySet, 'active' | 'jwks'> // one of them there is
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
  const verifying = {
    ...settings,
    clock: steadyClock,
    decrypt: settings.encryption && createDecrypt(settings.encryption),
    keys,
    revocations,
    maxBytes: settings.maxBytes * 2,
    binding: 'required',
    // A ticket is good for one use, and clients keep what they are told.
    maxCached: 0,
  } as const
  const verifier = createTokenVerifier({ ...verifying, typ: ACCESS_TOKEN_TYPE, maxCached: settings.maxCached })
  const live = createLiveSessions({ sessions, revocations, clock: steadyClock })

  const refusals = createRefusals({
    settings,
    report: (thrown, request) => reportRefusal(events, thrown, request),
    sessions,
  })
  const rule: CrossSiteRule = { origins: settings.origins, crossSite: cookie.sameSite === 'None' }
  const authenticator = createAuthenticator({ verifier, revocations, settings, rule })
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
    ticketVerifier: (audience) => createTokenVerifier({ ...verifying, audience: [audience], typ: TICKET_TYPE }),
    live,
    refusals,
    knownApp: () => knownApp,
  })
  const verifierFor = createClientVerifiers({ ...verifying, own: settings.audience })
  const endpoints = createClientEndpoints({
    settings,
    clients,
    authenticator: createClientAuthenticator({ ...parts, clients }),
    handlers: {
      introspect: createIntrospect({ verifierFor, revocations, report: refusals.report }),
      revoke: createRevoke({ ...parts, audience: settings.audience, verifierFor }),
    },
  })
  const routes: Route[] = [
    ...(authenticate === undefined ? [] : [{ method: 'POST', path: `${prefix}/login`, handle: login.login } as const]),
    { method: 'POST', path: `${prefix}/refresh`, handle: createRefreshRoute({ ...parts, reauthorize }) },
    { method: 'POST', path: `${prefix}/logout`, handle: login.logout },
    ...devices.routes,
    ...endpoints.routes,
    ...createPublicRoutes(issuer, keys.jwks, endpoints.metadata),
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
    await rotating?.close()
    revocations.close()
    if (isOwnStore) await store.close()
  }

  const isOwnPath = (path: string): boolean => ownPaths.has(path)
  const protect = createProtect<Claims>({ authenticator, refusals, clock, isOwnPath, canIntrospect: false })
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
    async rotateKeys(how?: RotateOptions) {
      if (rotating !== undefined) return rotating.rotate(how)
      throw new TypeError('keys: expected { rotateEvery } for the kit to rotate them, got a key set, whose owner does')
    },
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
