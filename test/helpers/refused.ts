// The one answer to every bad credential, and the bare challenge for none: what a refused client may learn.

import type { ExecutionContext } from 'ava'

import { codesOf, ISSUER, type Response, type TestApp } from './app.ts'

/** The body for every bad credential, byte for byte. */
export const INVALID_TOKEN_BODY = JSON.stringify({
  type: 'about:blank',
  title: 'Unauthorized',
  status: 401,
  error: 'invalid_token',
  error_description: 'The access token is invalid or has expired',
})

/** The challenge that goes with it. */
export const INVALID_TOKEN_CHALLENGE = `Bearer realm="${ISSUER}", error="invalid_token", error_description="The access token is invalid or has expired"`

/** Sends a request, and asserts that it was refused for exactly this reason, said once, and that nothing tells why. */
export async function assertRefused(
  t: ExecutionContext,
  app: TestApp,
  send: () => Promise<Response>,
  code: string,
  label: string = code,
): Promise<Response> {
  app.seen.length = 0
  app.handled.count = 0
  const response = await send()
  t.is(response.status, 401, label)
  t.is(response.headers['www-authenticate'], INVALID_TOKEN_CHALLENGE, label)
  t.is(response.headers['cache-control'], 'no-store', label)
  t.is(response.text, INVALID_TOKEN_BODY, label)
  t.deepEqual(codesOf(app.seen), [code], label)
  t.is(app.handled.count, 0, label)
  return response
}

/** Sends a request, and asserts that it counts as one without credentials: no error, no event (RFC 6750 section 3.1). */
export async function assertAnonymous(
  t: ExecutionContext,
  app: TestApp,
  send: () => Promise<Response>,
  label: string = 'anonymous',
): Promise<void> {
  app.seen.length = 0
  app.handled.count = 0
  const response = await send()
  t.is(response.status, 401, label)
  t.is(response.headers['www-authenticate'], `Bearer realm="${ISSUER}"`, label)
  t.is(response.headers['cache-control'], 'no-store', label)
  t.false('error' in response.json, label)
  t.deepEqual(app.seen, [], label)
  t.is(app.handled.count, 0, label)
}
