// A client for the tests of an app: a browser's cookie jar, the access token, and requests over real HTTP that carry both.

import { assertKnown } from '../options/checks.ts'
import { describe } from '../describe.ts'
import { parseOrigin } from '../options/values.ts'
import type { Subject } from '../session/session.ts'
import type { Clock } from '../time.ts'
import { type CookieJar, createCookieJar } from './cookie-jar.ts'
import { type Handler, listenOnLoopback, type Loopback } from './loopback.ts'
import { send } from './send.ts'
import { type StartingKit, startSession } from './start-session.ts'

/** What a client is made of. */
export interface TestClientOptions {
  /**
   * Where the app is in the eyes of the client: the kit's `issuer`. For an https origin the requests say, as a proxy in
   * front of the app does, `X-Forwarded-Proto: https`. Cookies know no ports, so on localhost none is needed.
   * @default the URL's origin, for an app `http://localhost`
   */
  readonly origin?: string
  /** Where the kit's routes are. @default '/auth' */
  readonly prefix?: string
  /** The cookies, to share them with another client. @default an empty jar */
  readonly jar?: CookieJar
  /** The time by which cookies expire, where no jar is given. @default Date.now */
  readonly clock?: Clock
}

/** What a client holds, beside its cookies. */
export interface Holdings {
  readonly jar?: CookieJar
  readonly token?: string | undefined
  readonly refreshToken?: string | undefined
}

/** A Koa app, as far as serving it goes. */
export interface ServableApp {
  callback(): Handler
}

/** A browser with one page, or a client that is none. */
export interface TestClient {
  readonly origin: string
  readonly jar: CookieJar
  /** The access token of the last answer that had one, none where the kit keeps it in a cookie. Set it to present another. */
  token: string | undefined
  /** The refresh token, where the kit does not keep it in a cookie. */
  refreshToken: string | undefined
  /**
   * Sends a request with the cookies and the access token, and keeps the cookies of the answer. A redirect is answered,
   * not followed. Headers in `init` go before its own: with `Sec-Fetch-Site: cross-site` the cookies are those that
   * another site's page would send.
   *
   * @param path - from the root: `'/me?full=1'`
   */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Sends this to the login route, and keeps what it is given. */
  login(body: object): Promise<Response>
  /** Refreshes, and keeps what it is given. */
  refresh(): Promise<Response>
  /** Logs out, and forgets its tokens if that was accepted. */
  logout(): Promise<Response>
  /** Keeps the tokens of an answer, as of a login route of your own. Answers the same answer. */
  take(response: Response): Promise<Response>
  /**
   * Signs in without asking for a password: starts a session by `kit.start`, and keeps what it gives.
   *
   * @throws Error when the jar does not take the cookies, since they are for another origin
   * @throws SessionError as `kit.start` does
   */
  asUser<Claims extends object>(kit: StartingKit<Claims>, subject: Subject<Claims>): Promise<TestClient>
  /** Another client of the same app, with what it is given: by default nothing, as a second browser. */
  fork(holdings?: Holdings): TestClient
  /** Stops the server that it started, for its forks as well. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes a client of an app, which then listens on a free port of this machine from the first request on, or of a server
 * that runs already.
 *
 * @param app - a Koa app, or a URL
 * @throws TypeError when an option is wrong
 * @example
 * ```ts
 * import { createTestClient } from 'koa-holdfast/testing'
 * import { createApp, ORIGIN } from './app.ts'
 *
 * const { app, kit } = await createApp()
 * const alice = await createTestClient(app, { origin: ORIGIN }).asUser(kit, { sub: 'alice' })
 * const response = await alice.fetch('/orders')
 * await alice.close()
 * ```
 */
export function createTestClient(app: ServableApp | string | URL, options: TestClientOptions = {}): TestClient {
  assertKnown(options, 'options', ['origin', 'prefix', 'jar', 'clock'])
  const isApp = typeof app === 'object' && 'callback' in app
  const { prefix = '/auth', clock = Date.now, jar = createCookieJar({ clock }) } = options
  const { origin = isApp ? 'http://localhost' : new URL(app).origin } = options
  if (parseOrigin(origin) === undefined) {
    throw new TypeError(
      `origin: expected one such as 'https://app.example', and http only on localhost, got ${describe(origin)}`,
    )
  }
  const target = isApp ? serve(app) : connect(new URL(app))
  return createClient({ target, origin, prefix, clock }, { jar })
}

/** Where requests go. */
interface Target {
  /** The URL of the server, once it listens. */
  url(): Promise<string>
  close(): Promise<void>
}

function connect({ origin }: URL): Target {
  return { url: () => Promise.resolve(origin), close: () => Promise.resolve() }
}

function serve(app: ServableApp): Target {
  let server: Promise<Loopback> | undefined
  return {
    async url() {
      // Not before: Koa's callback knows only what is mounted by then.
      server ??= listenOnLoopback(app.callback())
      return `http://127.0.0.1:${(await server).port}`
    },
    async close() {
      await (await server)?.close()
    },
  }
}

interface Place {
  readonly target: Target
  readonly origin: string
  readonly prefix: string
  readonly clock: Clock
}

function createClient(place: Place, holdings: Holdings): TestClient {
  const { target, origin, prefix, clock } = place
  const { jar = createCookieJar({ clock }) } = holdings
  let { token, refreshToken } = holdings

  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    const url = new URL(path, origin)
    if (url.origin !== origin) throw new TypeError(`path: expected one on ${origin}, got ${describe(path)}`)
    const headers = new Headers(init.headers)
    const fill = (name: string, value: string | undefined): void => {
      if (value !== undefined && !headers.has(name)) headers.set(name, value)
    }
    fill('Host', url.host)
    fill('X-Forwarded-Proto', url.protocol === 'https:' ? 'https' : undefined)
    fill('Sec-Fetch-Site', 'same-origin')
    fill('Authorization', token && `Bearer ${token}`)
    const context = { crossSite: headers.get('Sec-Fetch-Site') === 'cross-site' }
    fill('Cookie', jar.header(url.href, context))
    const to = new URL((await target.url()) + url.pathname + url.search)
    const response = await send(to, { ...init, headers })
    jar.receive(url.href, response.headers.getSetCookie(), context)
    return response
  }

  function post(path: string, body: object | undefined): Promise<Response> {
    if (body === undefined) return request(prefix + path, { method: 'POST' })
    const headers = { 'Content-Type': 'application/json' }
    return request(prefix + path, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  function keep(given: { readonly access_token?: unknown; readonly refresh_token?: unknown }): void {
    if (typeof given.access_token === 'string') token = given.access_token
    if (typeof given.refresh_token === 'string') refreshToken = given.refresh_token
  }

  async function take(response: Response): Promise<Response> {
    const isJson = /\bjson\b/.test(response.headers.get('Content-Type') ?? '')
    // The cast narrows an unknown body: `keep` looks at each member.
    if (response.ok && isJson) keep((await response.clone().json()) as object)
    return response
  }

  const held = (): object | undefined => (refreshToken === undefined ? undefined : { refresh_token: refreshToken })

  const client: TestClient = {
    origin,
    jar,
    get token() {
      return token
    },
    set token(value) {
      token = value
    },
    get refreshToken() {
      return refreshToken
    },
    set refreshToken(value) {
      refreshToken = value
    },
    fetch: request,
    login: async (body) => take(await post('/login', body)),
    refresh: async () => take(await post('/refresh', held())),
    async logout() {
      const response = await post('/logout', held())
      if (response.ok) token = refreshToken = undefined
      return response
    },
    take,
    async asUser(kit, subject) {
      const { body, cookies } = await startSession(kit, subject)
      jar.receive(`${origin}${prefix}/login`, cookies)
      const sent = jar.header(`${origin}${prefix}/refresh`)?.split('; ')
      if (!cookies.every((line) => sent?.includes(line.split(';', 1).join()))) {
        throw new Error(
          `origin: expected the kit's issuer, and its prefix, since the jar refused cookies for ${origin}`,
        )
      }
      keep(body)
      return client
    },
    fork: (others = {}) => createClient(place, others),
    close: target.close,
    [Symbol.asyncDispose]: target.close,
  }
  return client
}
