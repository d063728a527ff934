// What every refusal of a bad token must look like, whatever was wrong with it: one answer for all causes, nothing ran,
// nothing was asked of the store, and one event that says exactly why without repeating a secret.

import { createPublicKey } from 'node:crypto'

import type { ExecutionContext } from 'ava'
import { jwtVerify, type JWTPayload } from 'jose'

import type { ErrorCode } from '../../src/errors.ts'
import { memoryStore, type Store } from '../../src/index.ts'
import {
  codesOf,
  createClock,
  createTestApp,
  ISSUER,
  privateJwk,
  type Response,
  type TestApp,
  type TestAppOptions,
} from './app.ts'

/** A test app that counts what is asked of its store. */
export interface AttackedApp extends TestApp {
  readonly storeCalls: { count: number }
}

/** What goes out: a token in the usual place, or a whole Authorization header. */
export interface Attack {
  /** Said when an assertion fails. */
  readonly label: string
  readonly token?: string
  readonly authorization?: string
  readonly cookie: string
  /** @default '/me' */
  readonly path?: string
}

/** Starts an app that ends with the test. */
export async function createAttackedApp(t: ExecutionContext, options: TestAppOptions = {}): Promise<AttackedApp> {
  const testClock = options.testClock ?? createClock()
  const storeCalls = { count: 0 }
  const store = countCalls(memoryStore({ clock: testClock }), storeCalls)
  const app = await createTestApp({ testClock, store, ...options })
  t.teardown(app.close)
  return Object.assign(app, { storeCalls })
}

function countCalls(store: Store, calls: { count: number }): Store {
  return new Proxy(store, {
    get(target, name, receiver) {
      calls.count += 1
      return Reflect.get(target, name, receiver) as unknown
    },
  })
}

/** Sends it. */
export function launch(app: TestApp, { token, authorization, cookie, path = '/me' }: Attack): Promise<Response> {
  return app.request('GET', path, { Authorization: authorization ?? `Bearer ${token}`, Cookie: cookie })
}

/** Sends it and asserts that it is refused like every other bad token, and that the one event has this code. */
export async function assertRefused(
  t: ExecutionContext,
  app: AttackedApp,
  code: ErrorCode,
  attack: Attack,
): Promise<void> {
  const label = attack.label.slice(0, 100)
  // What nobody could take for a token shows how every other bad one has to be answered. It is sent a second later than
  // the attack, so that the limit on repeated events never hides the attack's own.
  app.clock.advance(1)
  const reference = await launch(app, { label, token: 'x', cookie: attack.cookie })
  app.clock.advance(-1)
  t.is(reference.status, 401)
  t.is(reference.json['error'], 'invalid_token')
  app.seen.length = 0
  const before = { handled: app.handled.count, calls: app.storeCalls.count, errors: app.errors.length }
  const response = await launch(app, attack)
  t.is(response.status, 401, label)
  t.is(response.text, reference.text, label)
  t.is(response.headers['www-authenticate'], reference.headers['www-authenticate'], label)
  t.regex(String(response.headers['www-authenticate']), /^Bearer realm="[^"]+", error="invalid_token"/, label)
  t.is(response.headers['cache-control'], 'no-store', label)
  t.deepEqual(response.cookies, [], label)
  t.deepEqual(codesOf(app.seen), [code], label)
  const events = JSON.stringify(app.seen)
  for (const secret of secretsOf(attack)) t.false(events.includes(secret), `${label}: the event repeats a credential`)
  t.deepEqual(
    { handled: app.handled.count, calls: app.storeCalls.count, errors: app.errors.length },
    before,
    `${label}: the handler ran, the store was asked, or Koa saw an error`,
  )
}

/** The parts of what was sent that are long enough to be told from chance. */
function secretsOf({ token = '', authorization = '', cookie }: Attack): string[] {
  return `${token} ${authorization} ${cookie}`.split(/[ .=;,]/).filter((part) => part.length >= 20)
}

/** Sends it and asserts that it gets in. */
export async function assertAccepted(t: ExecutionContext, app: AttackedApp, attack: Attack): Promise<Response> {
  const response = await launch(app, attack)
  t.is(response.status, 200, attack.label)
  return response
}

const { d: _private, ...publicJwk } = privateJwk
// The cast holds: node reads the members it knows.
const publicKey = createPublicKey({ key: publicJwk as Record<string, string>, format: 'jwk' })

/**
 * What jose alone, told everything it can be told in one call, makes of the token. Throws when it refuses. Where it
 * accepts, only the kit's own check stands between the token and the handler.
 */
export async function verifyByJoseAlone(
  token: string,
  app: { readonly clock: () => number },
  audience: string = ISSUER,
): Promise<JWTPayload> {
  const currentDate = new Date(app.clock())
  const options = { algorithms: ['ES256'], issuer: ISSUER, audience, typ: 'at+jwt', currentDate }
  return (await jwtVerify(token, publicKey, options)).payload
}
