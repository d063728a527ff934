// An app that tokens are thrown at, and what every refused one has in common, whatever was wrong with it: the one answer
// for all causes, nothing ran, nothing was asked of the store, and one event that says exactly why without repeating a
// secret.

import type { ExecutionContext } from 'ava'
import { type CryptoKey, type JWTPayload, jwtVerify, type JWTVerifyOptions, type KeyObject } from 'jose'

import type { ErrorCode } from '../../src/index.ts'
import { ISSUER, privateJwk, type Response, type TestApp, type TestAppOptions } from './app.ts'
import { openFaultyApp } from './faulty.ts'
import { type Json, publicKeyOf, sign, validClaims, validHeader } from './forge.ts'
import { assertRefused } from './refused.ts'

/** A test app that notes what is asked of its store. */
export type AttackedApp = Awaited<ReturnType<typeof openFaultyApp>>

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

/**
 * Starts an app that ends with the test, and shows that a genuine token passes where hostile ones must not.
 *
 * @param genuine - makes that token of valid claims; null where the claims do not fit the app, and the test has to show
 *   it by itself
 */
export async function createAttackedApp(
  t: ExecutionContext,
  options: TestAppOptions = {},
  genuine: ((claims: Json) => string) | null = (claims) => sign(validHeader(), claims),
): Promise<AttackedApp> {
  const app = await openFaultyApp(t, options)
  if (genuine !== null) {
    const { claims, cookie } = validClaims(app)
    await assertAccepted(t, app, { label: 'a genuine token', token: genuine(claims), cookie })
    app.handled.count = 0
  }
  return app
}

/** Sends it. */
export function launch(app: TestApp, { token, authorization, cookie, path = '/me' }: Attack): Promise<Response> {
  return app.request('GET', path, { Authorization: authorization ?? `Bearer ${token}`, Cookie: cookie })
}

/** Sends it and asserts that it gets in. */
export async function assertAccepted(t: ExecutionContext, app: TestApp, attack: Attack): Promise<Response> {
  const response = await launch(app, attack)
  t.is(response.status, 200, `${attack.label}: ${JSON.stringify(app.seen)}`)
  return response
}

/** Sends it and asserts everything that a refusal with this code promises. */
export async function assertRepelled(
  t: ExecutionContext,
  app: AttackedApp,
  code: ErrorCode,
  attack: Attack,
): Promise<void> {
  const label = attack.label.slice(0, 100)
  const asked = app.store.calls.length
  await assertRefused(t, app, () => launch(app, attack), code, label)
  t.is(app.seen.length, 1, label)
  t.deepEqual(app.store.calls.slice(asked), [], `${label}: the store was asked`)
  const events = JSON.stringify(app.seen)
  for (const secret of secretsOf(attack)) t.false(events.includes(secret), `${label}: the event repeats a credential`)
}

/** The parts of what was sent that are long enough to be told from chance. */
function secretsOf({ token = '', authorization = '', cookie }: Attack): string[] {
  return `${token} ${authorization} ${cookie}`.split(/[ .=;,]/).filter((part) => part.length > 7)
}

/** A way to build a token out of claims that would pass, and why it is refused. */
export type Forgery = readonly [label: string, code: ErrorCode, build: (claims: Json) => string]

/** Sends them all, each with claims and a cookie of its own. */
export async function assertAllRepelled(
  t: ExecutionContext,
  app: AttackedApp,
  forgeries: readonly Forgery[],
): Promise<void> {
  t.true(forgeries.length > 0)
  for (const [label, code, build] of forgeries) {
    const { claims, cookie } = validClaims(app)
    await assertRepelled(t, app, code, { label, cookie, token: build(claims) })
  }
}

const publicKey = publicKeyOf(privateJwk)

/**
 * What jose alone, told everything that a careful caller tells it, makes of the token. Throws when it refuses. Where it
 * accepts, only the kit's own check stands between the token and the handler.
 */
export async function verifyByJose(
  app: TestApp,
  token: string,
  key: CryptoKey | KeyObject | Uint8Array = publicKey,
  options: JWTVerifyOptions = { algorithms: ['ES256'] },
): Promise<JWTPayload> {
  const careful = { issuer: ISSUER, audience: ISSUER, typ: 'at+jwt', currentDate: new Date(app.clock()) }
  return (await jwtVerify(token, key, { ...careful, ...options })).payload
}

/** Whether {@link verifyByJose} accepts. */
export async function joseAccepts(...parameters: Parameters<typeof verifyByJose>): Promise<boolean> {
  return verifyByJose(...parameters).then(
    () => true,
    () => false,
  )
}
