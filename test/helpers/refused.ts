// The one answer to every bad credential, and the bare challenge for none: what a refused client may learn.

import type { ExecutionContext } from 'ava'

import { ERROR_CODES, type ErrorCode } from '../../src/index.ts'
import { ISSUER, type Response, type TestApp } from './app.ts'

const DESCRIPTION = 'The access token is invalid or has expired'

/** The body for every bad credential, byte for byte. */
export const INVALID_TOKEN_BODY = JSON.stringify({
  type: 'about:blank',
  title: 'Unauthorized',
  status: 401,
  error: 'invalid_token',
  error_description: DESCRIPTION,
})

/** The challenge that goes with it. */
export const INVALID_TOKEN_CHALLENGE = `Bearer realm="${ISSUER}", error="invalid_token", error_description="${DESCRIPTION}"`

/** An app or a service that refuses. */
export interface Refusing extends Pick<TestApp, 'seen' | 'clock' | 'handled' | 'errors'> {
  me(token?: string, cookie?: string): Promise<Response>
  /** How challenges name it. @default ISSUER */
  readonly realm?: string
}

/** How each app answers what nobody could take for a token: whatever else is refused must get the same headers. */
const references = new WeakMap<Refusing, { readonly headers: object; refusals: number }>()

// The kit reports at most fifty refusals a second.
const SEEN_ALL = 40

/**
 * Sends a request, and asserts that it was refused for exactly this reason, said once and only to the log, like every
 * other bad credential.
 *
 * @returns the answer; `app.seen` is what was told of it
 */
export async function assertRefused(
  t: ExecutionContext,
  app: Refusing,
  send: () => Promise<Response>,
  code: ErrorCode,
  label: string = code,
): Promise<Response> {
  const expected = await refer(t, app)
  const before = forget(app)
  const response = await send()
  t.is(response.status, 401, label)
  t.is(response.text, INVALID_TOKEN_BODY, label)
  t.deepEqual(telling(response), expected, label)
  assertUnhandled(t, app, before, label)
  const refusals = app.seen.flatMap(({ name, event }) => ('code' in event ? [[name, event.code]] : []))
  t.deepEqual(refusals, [[ERROR_CODES[code].event, code]], label)
  return response
}

async function refer(t: ExecutionContext, app: Refusing): Promise<object> {
  const known = references.get(app)
  if (known !== undefined && (known.refusals += 1) < SEEN_ALL) return known.headers
  // One second aside, so that the limit on floods of events starts to count again, and leaves none out.
  app.clock.advance(1)
  const response = await app.me('nonsense')
  app.clock.advance(-1)
  t.is(response.text, INVALID_TOKEN_BODY)
  t.is(response.headers['www-authenticate'], INVALID_TOKEN_CHALLENGE.replace(ISSUER, app.realm ?? ISSUER))
  t.is(response.headers['cache-control'], 'no-store')
  t.is(response.headers['set-cookie'], undefined)
  const headers = telling(response)
  references.set(app, { headers, refusals: 0 })
  return headers
}

/** The headers that could tell why: all but the time, and what depends on the method alone. */
function telling({ headers }: Response): object {
  const { date: _date, vary: _vary, ...others } = headers
  return others
}

/** Sends a request, and asserts that it counts as one without credentials: no error, no event (RFC 6750 section 3.1). */
export async function assertAnonymous(
  t: ExecutionContext,
  app: Refusing,
  send: () => Promise<Response>,
  label = 'anonymous',
): Promise<void> {
  const before = forget(app)
  const response = await send()
  t.is(response.status, 401, label)
  t.is(response.headers['www-authenticate'], `Bearer realm="${app.realm ?? ISSUER}"`, label)
  t.is(response.headers['cache-control'], 'no-store', label)
  t.false('error' in response.json, label)
  t.deepEqual(response.cookies, [], label)
  assertUnhandled(t, app, before, label)
  t.deepEqual(app.seen, [], label)
}

interface Before {
  readonly handled: number
  readonly errors: number
}

/** Forgets the events so far. */
function forget(app: Refusing): Before {
  app.seen.length = 0
  return { handled: app.handled.count, errors: app.errors.length }
}

function assertUnhandled(t: ExecutionContext, app: Refusing, before: Before, label: string): void {
  t.deepEqual({ handled: app.handled.count, errors: app.errors.length }, before, `${label}: the handler ran, or failed`)
}
