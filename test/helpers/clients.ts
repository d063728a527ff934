// An app with services that ask it about tokens, and what they send.

import { randomBytes } from 'node:crypto'

import type { ExecutionContext } from 'ava'

import { type ClientOptions, generateKey } from '../../src/index.ts'
import { bearer, ISSUER, type Login, type Response, type TestApp, type TestAppOptions } from './app.ts'
import { openFaultyApp } from './faulty.ts'
import { type Json, sign } from './forge.ts'

/** A secret as `openssl rand -hex 32` prints it. */
export const drawSecret = (): string => randomBytes(32).toString('hex')

/** Another service, to which this app delegates. */
export const BILLING = 'https://billing.example'
export const SECRETS = { billing: drawSecret(), gateway: drawSecret(), next: drawSecret(), mail: drawSecret() }
export const signerJwk = await generateKey()
const { d: _private, ...publicJwk } = signerJwk

/**
 * Four services: one that delegated tokens are for, one that shares the app's own audience and is just changing its
 * secret, one that has a key instead, and one of an audience that nobody uses.
 */
export const CLIENTS: readonly ClientOptions[] = [
  { id: BILLING, secret: SECRETS.billing, revoke: true, claims: ['invoice'] },
  { id: 'gateway', secret: [SECRETS.gateway, SECRETS.next], audience: ISSUER, revoke: true },
  { id: 'signer', keys: publicJwk, audience: [ISSUER, BILLING], claims: ['theme'] },
  { id: 'mail', secret: SECRETS.mail, introspect: false, revoke: true },
]

/** A test app of these clients that notes what is asked of its store, with a route that delegates. */
export function openClientsApp(
  t: ExecutionContext,
  options: TestAppOptions = {},
): Promise<Awaited<ReturnType<typeof openFaultyApp>>> {
  return openFaultyApp(t, {
    clients: CLIENTS,
    mount(_koa, kit, router) {
      router.get('/delegated', kit.protect(), async (ctx) => {
        const claims = { invoice: 7, theme: 'light' }
        const scope = ctx.state.auth.scope[0]
        ctx.body = await kit.delegate(ctx, { audience: BILLING, claims, ...(scope !== undefined && { scope }) })
      })
      router.get('/ticket', kit.protect(), async (ctx) => {
        ctx.body = { access_token: await kit.ticket(ctx) }
      })
    },
    ...options,
  })
}

/** Draws a token from the session. */
export async function draw(app: TestApp, login: Login, path: '/delegated' | '/ticket'): Promise<string> {
  return (await app.request('GET', path, bearer(login))).json['access_token'] as string
}

/** The Authorization header of a client, encoded as RFC 6749 says. */
export function basic(id: string, secret: string): { Authorization: string } {
  const text = [id, secret].map(encodeURIComponent).join(':')
  return { Authorization: `Basic ${Buffer.from(text).toString('base64')}` }
}

/** The same of the clients above. */
export const AS = {
  billing: basic(BILLING, SECRETS.billing),
  gateway: basic('gateway', SECRETS.gateway),
  mail: basic('mail', SECRETS.mail),
} as const

export type Fields = Readonly<Record<string, string>> | readonly (readonly [string, string])[]

/** Sends a form. */
export function postForm(
  app: Pick<TestApp, 'request'>,
  path: string,
  fields: Fields,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  // The cast is what URLSearchParams asks of pairs: it does not write to them.
  const body = new URLSearchParams(fields as Record<string, string>).toString()
  return app.request('POST', path, { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body)
}

/** Asks about a token. */
export function introspect(
  app: Pick<TestApp, 'request'>,
  token: string,
  headers: Readonly<Record<string, string>> = AS.gateway,
): Promise<Response> {
  return postForm(app, '/auth/introspect', { token }, headers)
}

/** Revokes a token. */
export function revoke(
  app: Pick<TestApp, 'request'>,
  token: string,
  headers: Readonly<Record<string, string>> = AS.gateway,
): Promise<Response> {
  return postForm(app, '/auth/revoke', { token }, headers)
}

/** An assertion of the client with a key, with claims and header parameters replaced, added, or (by undefined) left out. */
export function assertion(app: Pick<TestApp, 'clock'>, claims: Json = {}, header: Json = {}, jwk = signerJwk): string {
  const now = Math.floor(app.clock() / 1000)
  const jti = randomBytes(16).toString('base64url')
  const payload = { iss: 'signer', sub: 'signer', aud: ISSUER, jti, iat: now, exp: now + 60, ...claims }
  return sign({ alg: 'ES256', kid: signerJwk.kid, ...header }, payload, jwk)
}

/** The fields that carry it. */
export function asserted(text: string): { client_assertion_type: string; client_assertion: string } {
  return { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: text }
}
