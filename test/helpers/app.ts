// A real Koa app with a real kit on a real port, a movable clock, and everything the kit said.

import { once } from 'node:events'
import { Agent } from 'node:http'

import { Router } from '@koa/router'
import type { ExecutionContext } from 'ava'
import Koa from 'koa'

import {
  type AuthState,
  createKeySet,
  createSessionKit,
  type EventName,
  generateKey,
  type KeySet,
  memoryStore,
  type SessionEvents,
  type SessionKit,
  type SessionKitOptions,
  type Store,
} from '../../src/index.ts'
import { ERROR_CODES } from '../../src/errors.ts'
import { createTestClock, type TestClock } from '../../src/testing/clock.ts'
import { portOf, type RequestHeaders, type Response, send } from './http.ts'

export type { RequestHeaders, Response }

/** The issuer of most tests: https, behind a proxy that the app trusts, as in production. */
export const ISSUER = 'https://app.example'

/** One key for all tests of a process: making it is what takes time. */
export const privateJwk = await generateKey()

export const START = Date.UTC(2026, 0, 15, 12, 0, 0, 250)

export type { TestClock }

export function createClock(start: number = START): TestClock {
  return createTestClock(start)
}

export interface SeenEvent {
  readonly name: EventName
  readonly event: SessionEvents[EventName]
}

export interface TestApp {
  readonly kit: SessionKit
  readonly koa: Koa
  /** Where `keys` was a key set. */
  readonly keys: KeySet
  readonly clock: TestClock
  readonly store: Store
  readonly port: number
  /** Every event of the kit so far. */
  readonly seen: SeenEvent[]
  /** Everything that reached Koa's 'error' event. */
  readonly errors: unknown[]
  /** How often the handler behind `protect()` ran. */
  readonly handled: { count: number }
  /** Sends a request over HTTP. As a TLS proxy would, it says `X-Forwarded-Proto: https`, unless told not to. */
  request(method: string, path: string, headers?: RequestHeaders, body?: string | Buffer): Promise<Response>
  /** Logs in as `sub` and answers both halves of the pair. */
  login(
    sub?: string,
    extra?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: object },
  ): Promise<Login>
  /** `GET /me` with this pair. */
  me(token?: string, cookie?: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  close(): Promise<void>
}

export interface Login {
  readonly response: Response
  readonly token: string
  /** The cookie's value. */
  readonly fingerprint: string
  /** `name=value` of the fingerprint, for a Cookie header. */
  readonly cookie: string
  /** The same of the refresh token. */
  readonly refreshCookie: string
  /** The refresh token. */
  readonly refreshToken: string
  readonly sid: string
}

export interface TestAppOptions extends Partial<SessionKitOptions> {
  readonly testClock?: TestClock
  /** Mounts more on the app, before the test's own routes and after the kit. */
  readonly mount?: (koa: Koa, kit: SessionKit, router: Router<AuthState>) => void
  /** Mounts more on the app before everything else. */
  readonly before?: (koa: Koa, kit: SessionKit) => void
  /** Whether the app trusts the proxy. @default true */
  readonly proxy?: boolean
  /** Whether koa-session is mounted. @default true */
  readonly withSession?: boolean
}

/** Starts an app that ends with the test. */
export async function openTestApp(t: ExecutionContext, options: TestAppOptions = {}): Promise<TestApp> {
  const app = await createTestApp(options)
  t.teardown(app.close)
  return app
}

/** Starts an app with login, logout and `GET /me`. Passwords are `'correct'`; the body's other members become the subject. */
export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { testClock = createClock(), mount, before, proxy = true, withSession = true, ...kitOptions } = options
  const clock = testClock
  const keys = kitOptions.keys ?? (await createKeySet({ keys: [privateJwk] }))
  const store = kitOptions.store ?? memoryStore({ clock })
  const kit = await createSessionKit({
    issuer: ISSUER,
    clock,
    // All requests come from one address. Tests of the limiter say so.
    limiter: false,
    authenticate: (ctx) => {
      const { password, ...subject } = ctx.request.body as { password?: string; sub: string }
      return password === 'correct' ? subject : null
    },
    ...kitOptions,
    keys,
    store,
  })
  const seen: SeenEvent[] = []
  for (const name of EVENT_NAMES) kit.events.on(name, (event) => seen.push({ name, event }))
  const koa = new Koa()
  koa.proxy = proxy
  const errors: unknown[] = []
  koa.on('error', (error) => errors.push(error))
  const handled = { count: 0 }
  const router = new Router<AuthState>()
  before?.(koa, kit)
  koa.use(kit.protect({ optional: true }))
  if (withSession) koa.use(kit.session(koa))
  koa.use(kit.routes())
  mount?.(koa, kit, router)
  router.all('/me', kit.protect(), (ctx) => {
    handled.count += 1
    ctx.body = { sub: ctx.state.auth.sub, sid: ctx.state.auth.sid, claims: ctx.state.auth.claims }
  })
  koa.use(router.routes())
  const server = koa.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  // Connections are used again, since making them is most of what a request costs. The server never gives one up by
  // itself: a request that is just being sent on it would fail.
  server.keepAliveTimeout = 0
  const agent = new Agent({ keepAlive: true })

  const proxied = { port, agent, defaults: { Host: 'app.example', 'X-Forwarded-Proto': 'https' } }
  const request: TestApp['request'] = (...parameters) => send(proxied, ...parameters)

  async function login(
    sub = 'alice',
    extra: { headers?: Readonly<Record<string, string>>; body?: object } = {},
  ): Promise<Login> {
    const response = await request(
      'POST',
      `${kitOptions.prefix ?? '/auth'}/login`,
      { 'Content-Type': 'application/json', ...extra.headers },
      JSON.stringify({ sub, password: 'correct', ...extra.body }),
    )
    if (response.status !== 200) throw new Error(`login answered ${response.status}: ${response.text}`)
    return toLogin(response)
  }

  return {
    kit,
    koa,
    keys: keys as KeySet, // who passes a rotation does not use it
    clock,
    store,
    port,
    seen,
    errors,
    handled,
    request,
    login,
    me: (token, cookie, headers = {}) =>
      request('GET', '/me', {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(cookie !== undefined && { Cookie: cookie }),
        ...headers,
      }),
    async close() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await kit.close()
    },
  }
}

/** What a login or a refresh has answered. */
export function toLogin(response: Response): Login {
  const [cookie = '', refreshCookie = ''] = response.cookies.map((line) => line.split(';')[0] ?? '')
  return {
    response,
    token: response.json['access_token'] as string,
    fingerprint: cookie.slice(cookie.indexOf('=') + 1),
    cookie,
    refreshCookie,
    refreshToken: refreshCookie.slice(refreshCookie.indexOf('=') + 1),
    sid: response.json['sid'] as string,
  }
}

/** The headers of a request that refreshes, as a browser sends them: both cookies and nothing else. */
export function refreshHeaders({ cookie, refreshCookie }: Pick<Login, 'cookie' | 'refreshCookie'>): {
  Cookie: string
  'Sec-Fetch-Site': string
} {
  return { Cookie: [cookie, refreshCookie].filter((one) => one !== '').join('; '), 'Sec-Fetch-Site': 'same-origin' }
}

/** Refreshes with these cookies. */
export function postRefresh(
  app: Pick<TestApp, 'request'>,
  login: Pick<Login, 'cookie' | 'refreshCookie'>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return app.request('POST', '/auth/refresh', { ...refreshHeaders(login), ...headers })
}

/** The headers that carry both halves of a pair. */
export function bearer({ token, cookie }: { readonly token: string; readonly cookie: string }): {
  Authorization: string
  Cookie: string
} {
  return { Authorization: `Bearer ${token}`, Cookie: cookie }
}

/** Sends this to the login route: text as it is, anything else as its JSON. */
export function postLogin(
  app: TestApp,
  body: string | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return app.request('POST', '/auth/login', { 'Content-Type': 'application/json', ...headers }, text)
}

/** Logs out with this pair. */
export function postLogout(app: TestApp, pair: Parameters<typeof bearer>[0]): Promise<Response> {
  return app.request('POST', '/auth/logout', bearer(pair))
}

/** Every event name: those of refusals from the error table, and the others. */
export const EVENT_NAMES: readonly EventName[] = [
  ...new Set<EventName>([
    ...Object.values(ERROR_CODES).flatMap((row) => (row.event === undefined ? [] : [row.event])),
    'authn_login_success',
    'authn_token_created',
    'authn_token_revoked',
    'session_created',
    'session_renewed',
    'session_expired',
    'keys_fetch_failed',
    'key_created',
    'key_activated',
    'key_retired',
  ]),
]

/** The codes of every refusal among the events. */
export function codesOf(seen: readonly SeenEvent[]): string[] {
  return seen.flatMap(({ event }) => ('code' in event ? [event.code] : []))
}
