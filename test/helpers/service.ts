// A service on a real port that verifies and issues nothing, and issuers on loopback that answer as a test says.

import { Agent } from 'node:http'

import type { ExecutionContext } from 'ava'
import type { JWK } from 'jose'
import Koa from 'koa'

import type { ProtectOptions } from '../../src/koa/protect.ts'
import { protect } from '../../src/koa/service.ts'
import { createVerifier, type ServiceVerifier, type VerifierOptions } from '../../src/service.ts'
import { createClock, EVENT_NAMES, privateJwk, type SeenEvent, type TestClock } from './app.ts'
import { COOKIE_NAME, type Json, sign, validClaims, validHeader } from './forge.ts'
import { type Handler, listen, type Owner, type RequestHeaders, type Response, send } from './http.ts'

/** What the service of most tests is called. */
export const AUDIENCE = 'https://api.example'

/** An issuer that is not the kit. */
export interface TestIssuer {
  readonly issuer: string
  readonly jwksUri: string
  /** The paths that were asked for so far. */
  readonly asked: string[]
  /** How it answers instead of what it should, by path. */
  readonly answers: Map<string, Handler>
  /** What is in its JWKS. */
  keys: readonly unknown[]
  /** More headers of its JWKS. */
  headers: Readonly<Record<string, string>>
  /** How often its JWKS was asked for. */
  readonly fetches: number
  /** A pair that a service should believe, unless something of it is replaced. */
  mint(clock: () => number, claims?: Json, header?: Json, key?: JWK): Pair
}

/** A token and its cookie. */
export interface Pair {
  readonly token: string
  readonly cookie: string
}

/** The public half. */
export function publicOf(jwk: JWK): JWK {
  const { kty, crv, x, y, n, e, kid, alg, use } = jwk
  // Without the members that the key does not have.
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid, alg, use })) as JWK
}

/** Plays the part of TLS: what goes to `origin` goes to this machine. */
export function toLoopback(origin: string, to: string): NonNullable<VerifierOptions['fetch']> {
  return (url, init) => fetch(url.replace(origin, to), init)
}

/** A port of this machine, for whoever has to know its own address before it can answer. */
export async function openPort(t: Owner): Promise<{ readonly port: number; answer(handler: Handler): void }> {
  let handle: Handler | undefined
  const port = await listen(t, (...pair) => handle?.(...pair))
  return { port, answer: (handler) => void (handle = handler) }
}

/** Answers JSON. */
export function answerJson(value: unknown, headers: Readonly<Record<string, string>> = {}): Handler {
  return (_request, response) =>
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(value))
}

/**
 * Starts an issuer that ends with the test.
 *
 * @param path - of its name
 * @param metadata - where its metadata is
 */
export async function openIssuer(
  t: ExecutionContext,
  { path = '', metadata = 'oauth' }: { readonly path?: string; readonly metadata?: 'oauth' | 'openid' | 'none' } = {},
): Promise<TestIssuer> {
  const asked: string[] = []
  const answers = new Map<string, Handler>()
  const port = await listen(t, (request, response) => {
    const url = request.url ?? ''
    asked.push(url)
    const answer = answers.get(url)
    if (answer === undefined) response.writeHead(404).end()
    else void answer(request, response)
  })
  const origin = `http://127.0.0.1:${port}`
  const name = origin + path
  const bare = path.replace(/\/$/, '')
  const jwksUri = `${origin}/keys`
  const places = {
    oauth: `/.well-known/oauth-authorization-server${bare}`,
    openid: `${bare}/.well-known/openid-configuration`,
  }
  if (metadata !== 'none') answers.set(places[metadata], answerJson({ issuer: name, jwks_uri: jwksUri }))
  const issuer: TestIssuer = {
    issuer: name,
    jwksUri,
    asked,
    answers,
    keys: [publicOf(privateJwk)],
    headers: {},
    get fetches() {
      return asked.filter((one) => one === '/keys').length
    },
    mint(clock, claims = {}, header = {}, key = privateJwk) {
      const valid = validClaims({ clock }, { iss: name, aud: AUDIENCE, ...claims })
      return {
        token: sign(validHeader({ alg: key.alg, kid: key.kid, ...header }), valid.claims, key),
        cookie: valid.cookie,
      }
    },
  }
  answers.set('/keys', (...pair) => answerJson({ keys: issuer.keys }, issuer.headers)(...pair))
  return issuer
}

/** A service on a real port. */
export interface TestService {
  readonly verifier: ServiceVerifier
  readonly clock: TestClock
  /** How challenges name it. */
  readonly realm: string
  /** Every event of the verifier so far. */
  readonly seen: SeenEvent[]
  /** Everything that reached Koa's 'error' event. */
  readonly errors: unknown[]
  readonly handled: { count: number }
  request(method: string, path: string, headers?: RequestHeaders): Promise<Response>
  /** `GET /me` with this pair. */
  me(token?: string, cookie?: string): Promise<Response>
}

export interface TestServiceOptions extends Partial<VerifierOptions> {
  readonly testClock?: TestClock
  readonly protect?: ProtectOptions
  /** Mounts more on the app, before `GET /me`. */
  readonly mount?: (koa: Koa, verifier: ServiceVerifier) => void
}

/** Starts a service that ends with the test: plain http on this machine, or with an `origin` behind a TLS proxy. */
export async function openService(t: ExecutionContext, options: TestServiceOptions): Promise<TestService> {
  const { testClock: clock = createClock(), protect: demands, mount, ...given } = options
  const koa = new Koa()
  const { port, answer } = await openPort(t)
  const realm = given.origin ?? `http://127.0.0.1:${port}`
  const audience = given.issuers === undefined ? { audience: AUDIENCE } : {}
  const verifier = await createVerifier({
    ...audience,
    origin: realm,
    clock,
    ...given,
    // Tests share two cores with each other: slow is not what is tested here.
    jwks: { timeout: '1m', ...given.jwks },
  })
  t.teardown(() => verifier.close())
  const seen: SeenEvent[] = []
  for (const name of EVENT_NAMES) verifier.events.on(name, (event) => seen.push({ name, event }))
  const errors: unknown[] = []
  const handled = { count: 0 }
  koa.proxy = given.origin !== undefined
  koa.on('error', (error) => errors.push(error))
  mount?.(koa, verifier)
  koa.use(protect(verifier, demands ?? {}))
  koa.use((ctx) => {
    handled.count += 1
    ctx.body = { auth: ctx.state.auth ?? null }
  })
  answer(koa.callback())
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const proxied = given.origin === undefined ? {} : { 'X-Forwarded-Proto': 'https' }
  const request: TestService['request'] = (...parameters) =>
    send({ port, agent, defaults: { Host: new URL(realm).host, ...proxied } }, ...parameters)
  return {
    verifier,
    clock,
    realm,
    seen,
    errors,
    handled,
    request,
    me: (token, cookie) =>
      request('GET', '/me', {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(cookie !== undefined && { Cookie: cookie }),
      }),
  }
}

/** A Cookie header with a fingerprint that fits nothing. */
export const WRONG_COOKIE = `${COOKIE_NAME}=${'A'.repeat(43)}`

/** Sends it to `GET /me`, and answers the status. */
export async function statusOf(service: TestService, { token, cookie }: Pair): Promise<number> {
  return (await service.me(token, cookie)).status
}
