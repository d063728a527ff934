// Our introspector at our issuer: what a service that asks makes of real sessions, with the cookie, without it, after
// their end, and of tokens that it cannot read.

import test, { type ExecutionContext } from 'ava'

import { createIntrospector } from '../../src/service/introspector.ts'
import type { IntrospectorOptions } from '../../src/service/introspector-options.ts'
import { isSessionError, memoryStore } from '../../src/index.ts'
import { createClock, ISSUER, type Login, postLogout, type TestApp, type TestAppOptions } from '../helpers/app.ts'
import { BILLING, draw, openClientsApp, SECRETS, signerJwk } from '../helpers/clients.ts'
import { encrypting, encryptionJwks } from '../helpers/forge-jwe.ts'

interface Service {
  readonly app: TestApp
  readonly login: Login
  /** Whose the token is and what is told of it, or the code by which it is refused. */
  whose(token: string, ...fingerprints: string[]): Promise<string>
}

async function open(
  t: ExecutionContext,
  client: IntrospectorOptions['client'],
  { options = {}, ...overrides }: Partial<IntrospectorOptions> & { readonly options?: TestAppOptions } = {},
): Promise<Service> {
  const app = await openClientsApp(t, { cookie: { domain: 'app.example' }, ...options })
  const introspector = await createIntrospector({
    ...{ issuer: ISSUER, audience: ISSUER, origin: 'https://files.app.example', cookie: { domain: 'app.example' } },
    ...{ client, clock: app.clock, cache: { active: 0, inactive: 0 } },
    async fetch(url, { method = 'GET', headers, body }) {
      const text = typeof body === 'string' ? body : undefined
      const answer = await app.request(method, new URL(url).pathname, headers as Record<string, string>, text)
      return new Response(answer.text, { status: answer.status, headers: { ...headersOf(answer) } })
    },
    ...overrides,
  })
  t.teardown(() => introspector.close())
  return {
    app,
    login: await app.login('alice', { body: { scope: 'read', claims: { theme: 'dark' } } }),
    async whose(token, ...fingerprints) {
      try {
        const { sub, claims } = await introspector.verify({ token, fingerprints })
        return typeof claims['theme'] === 'string' ? `${sub} ${claims['theme']}` : sub
      } catch (error) {
        return isSessionError(error) ? error.code : String(error)
      }
    },
  }
}

function headersOf({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): { 'Content-Type': string } {
  return { 'Content-Type': String(headers['content-type']) }
}

const CLIENTS: Readonly<Record<string, IntrospectorOptions['client']>> = {
  'a secret': { id: 'gateway', secret: SECRETS.gateway },
  'a key': { id: 'signer', key: signerJwk },
}

for (const [what, client] of Object.entries(CLIENTS)) {
  test(`IN-08 a service with ${what} finds the issuer, asks, and checks the binding by itself`, async (t) => {
    const { app, login, whose } = await open(t, client)
    const other = await app.login('bob')
    // Only the one with the key is told of the theme.
    t.is(await whose(login.token, login.fingerprint), what === 'a key' ? 'alice dark' : 'alice')
    t.is(await whose(login.token), 'ERR_FINGERPRINT_MISSING')
    t.is(await whose(login.token, other.fingerprint), 'ERR_FINGERPRINT_MISMATCH')
    await postLogout(app, login)
    t.is(await whose(login.token, login.fingerprint), 'ERR_TOKEN_INACTIVE')
    t.is(await whose(other.token, other.fingerprint), 'bob')
  })
}

test('a service asks about what was delegated to it, and hears when it is called back', async (t) => {
  const client = { id: BILLING, secret: SECRETS.billing }
  const { app, login, whose } = await open(t, client, { audience: BILLING, fingerprint: 'none' })
  const delegated = await draw(app, login, '/delegated')
  t.is(await whose(delegated), 'alice')
  t.is(await whose(login.token), 'ERR_TOKEN_INACTIVE')
  await app.kit.revoke({ sid: login.sid })
  t.is(await whose(delegated), 'ERR_TOKEN_INACTIVE')
})

test('a service asks about tokens that it cannot read', async (t) => {
  const client = { id: 'gateway', secret: SECRETS.gateway }
  const { app, login, whose } = await open(t, client, { options: await encrypting(encryptionJwks.A256KW) })
  t.is(login.token.split('.').length, 5)
  t.is(await whose(login.token, login.fingerprint), 'alice')
  await postLogout(app, login)
  t.is(await whose(login.token, login.fingerprint), 'ERR_TOKEN_INACTIVE')
})

test('RV-10 a login within the second of a revocation is believed by a service that asks and hears of revocations', async (t) => {
  const client = { id: 'gateway', secret: SECRETS.gateway }
  const testClock = createClock()
  const store = memoryStore({ clock: testClock })
  await (await openClientsApp(t, { store, testClock })).kit.revoke({ sub: 'alice' })
  const { login, whose } = await open(t, client, { revocations: store, options: { store, testClock } })
  t.is(await whose(login.token, login.fingerprint), 'alice')
})
