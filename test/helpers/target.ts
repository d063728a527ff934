// What every refused token has in common: the same 401 as for any other reason, no handler, no store call, one event
// with the exact code and nothing of the token in it.

import type { ExecutionContext } from 'ava'
import { type CryptoKey, jwtVerify, type JWTVerifyOptions, type KeyObject } from 'jose'

import { type ErrorCode, memoryStore, type Store } from '../../src/index.ts'
import { createClock, createTestApp, ISSUER, type Response, type TestApp, type TestAppOptions } from './app.ts'
import { sign, validClaims, type ValidClaims, validHeader } from './forge.ts'

/** An app that is being attacked. */
export interface Target {
  readonly app: TestApp
  /** The store's methods in the order they were called, since the app has started. */
  readonly storeCalls: string[]
  /** What a malformed token is answered: every other bad one must look like it. */
  readonly reference: Response
}

/** Starts an app, closes it with the test, and shows that a genuine token passes where hostile ones must not. */
export async function createTarget(
  t: ExecutionContext,
  options: TestAppOptions = {},
  genuine: (claims: ValidClaims['claims']) => string = (claims) => sign(validHeader(), claims),
): Promise<Target> {
  const testClock = options.testClock ?? createClock()
  const storeCalls: string[] = []
  const store = recordCalls(options.store ?? memoryStore({ clock: testClock }), storeCalls)
  const app = await createTestApp({ ...options, testClock, store })
  t.teardown(app.close)
  const { claims, cookie } = validClaims(app)
  const control = await app.me(genuine(claims), cookie)
  t.is(control.status, 200, `a genuine token passes: ${JSON.stringify(app.seen)}`)
  const reference = await app.me('a.b.c', cookie)
  t.is(reference.status, 401)
  t.regex(String(reference.headers['www-authenticate']), /^Bearer (?:.+, )?error="invalid_token"/)
  t.is(reference.headers['cache-control'], 'no-store')
  t.is(reference.headers['set-cookie'], undefined)
  t.is(reference.json['error'], 'invalid_token')
  storeCalls.length = 0
  app.seen.length = 0
  app.handled.count = 0
  return { app, storeCalls, reference }
}

/** Presents a token and asserts everything that a refusal with this code promises. */
export async function assertRefused(
  t: ExecutionContext,
  target: Target,
  attack: { readonly token: string; readonly cookie: string; readonly code: ErrorCode; readonly name: string },
): Promise<void> {
  const { app, storeCalls, reference } = target
  const { token, cookie, code, name } = attack
  // The kit reports at most fifty rejections a second; each of these is to be seen.
  app.clock.advance(1)
  const before = app.seen.length
  const response = await app.me(token, cookie)
  t.is(response.status, 401, name)
  t.is(response.text, reference.text, name)
  t.deepEqual(withoutDate(response), withoutDate(reference), name)
  t.is(app.handled.count, 0, name)
  t.deepEqual(storeCalls, [], name)
  t.deepEqual(app.errors, [], name)
  const events = app.seen.slice(before)
  t.deepEqual(
    events.map((seen) => [seen.name, 'code' in seen.event && seen.event.code]),
    [['token_rejected', code]],
    name,
  )
  const log = JSON.stringify(events)
  for (const secret of [...token.split('.'), cookie.slice(cookie.indexOf('=') + 1)]) {
    t.false(secret.length > 7 && log.includes(secret), `${name}: an event holds a credential`)
  }
}

function withoutDate({ headers }: Response): object {
  const { date: _, ...others } = headers
  return others
}

/**
 * Whether jose alone takes the token, told everything a careful caller tells it. Shows which refusals are the kit's own.
 */
export async function joseAccepts(
  app: TestApp,
  token: string,
  key: CryptoKey | KeyObject | Uint8Array,
  options: JWTVerifyOptions = {},
): Promise<boolean> {
  const careful = { issuer: ISSUER, audience: ISSUER, typ: 'at+jwt', currentDate: new Date(app.clock()) }
  try {
    await jwtVerify(token, key, { ...careful, ...options })
    return true
  } catch {
    return false
  }
}

function recordCalls(store: Store, calls: string[]): Store {
  return new Proxy(store, {
    get(object, name, receiver) {
      const value: unknown = Reflect.get(object, name, receiver)
      if (typeof value !== 'function') return value
      return (...parameters: unknown[]): unknown => {
        calls.push(String(name))
        return Reflect.apply(value, object, parameters)
      }
    },
  })
}
