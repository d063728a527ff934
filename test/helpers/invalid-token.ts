// What every refused credential must look like from outside, whatever the cause.

import type { ExecutionContext } from 'ava'

import { codesOf, type Response, type TestApp } from './app.ts'

/**
 * Sends something that must be refused as `invalid_token`, and checks all of the answer: the same bytes as for a token
 * that is plain nonsense, no handler, nothing to cache, one event with this code.
 */
export async function assertInvalidToken(
  t: ExecutionContext,
  app: TestApp,
  send: () => Promise<Response>,
  code: string,
  what = code,
): Promise<void> {
  // A second for each, so that the limit on floods of events leaves none out.
  app.clock.advance(1)
  const reference = await app.me('nonsense')
  app.seen.length = 0
  const handled = app.handled.count
  const response = await send()
  t.is(response.status, 401, what)
  t.is(response.headers['www-authenticate'], reference.headers['www-authenticate'], what)
  t.regex(String(response.headers['www-authenticate']), /^Bearer realm="[^"]*", error="invalid_token"/, what)
  t.is(response.text, reference.text, what)
  t.is(response.headers['cache-control'], 'no-store', what)
  t.deepEqual(response.cookies, [], what)
  t.is(app.handled.count, handled, what)
  t.deepEqual(codesOf(app.seen), [code], what)
  t.deepEqual(app.errors, [], what)
}
