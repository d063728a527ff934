// What clients can take back: their own tokens, sessions of which they have the refresh token, and nothing of another's.

import test, { type ExecutionContext } from 'ava'

import { memoryStore } from '../../src/index.ts'
import {
  codesOf,
  createClock,
  type Login,
  openTestApp,
  postRefresh,
  type Response,
  type TestApp,
  toLogin,
} from '../helpers/app.ts'
import {
  AS,
  asserted,
  assertion,
  basic,
  draw,
  drawSecret,
  introspect,
  openClientsApp,
  postForm,
  revoke,
} from '../helpers/clients.ts'
import { payloadOf } from '../helpers/decode.ts'
import { resign, twinOf } from '../helpers/forge.ts'

function assertDone(t: ExecutionContext, { status, text, headers }: Response, label?: string): void {
  t.deepEqual([status, text], [200, ''], label)
  t.is(headers['cache-control'], 'no-store', label)
}

function assertForbidden(t: ExecutionContext, { status, json }: Response, label?: string): void {
  t.deepEqual([status, json['error']], [403, 'unauthorized_client'], label)
}

async function isIn(app: TestApp, { token, cookie }: Login): Promise<boolean> {
  return (await app.me(token, cookie)).status === 200
}

test('RV-08 revoking a refresh token ends the session: its access tokens, and all that could follow', async (t) => {
  const app = await openClientsApp(t)
  const [login, other] = [await app.login(), await app.login()]
  const delegated = await draw(app, login, '/delegated')
  app.clock.advance(1)
  const next = toLogin(await postRefresh(app, login))
  app.seen.length = 0
  assertDone(t, await revoke(app, next.refreshToken))
  for (const one of [login, next]) {
    t.is((await app.me(one.token, next.cookie)).status, 401)
    t.is((await introspect(app, one.token)).text, '{"active":false}')
  }
  t.is((await introspect(app, delegated, AS.billing)).text, '{"active":false}')
  t.is((await postRefresh(app, next)).status, 401)
  t.deepEqual(
    app.seen.slice(0, 2).map(({ name, event }) => [name, event.request?.client, 'reason' in event && event.reason]),
    [
      ['authn_token_revoked', 'gateway', false],
      ['session_expired', 'gateway', 'revoked'],
    ],
  )
  t.true(await isIn(app, other), 'another session of the same user goes on')
})

test('RV-08 a refresh token that has been replaced ends its session too', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  app.clock.advance(100)
  const next = toLogin(await postRefresh(app, login))
  assertDone(t, await revoke(app, login.refreshToken))
  t.false(await isIn(app, next))
})

test('RV-08 revoking an access token revokes that token, and its session goes on', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  app.seen.length = 0
  assertDone(t, await revoke(app, login.token))
  t.like(app.seen, {
    0: {
      name: 'authn_token_revoked',
      event: { target: { jti: payloadOf(login.token)['jti'] }, request: { client: 'gateway' } },
    },
    length: 1,
  })
  t.false(await isIn(app, login))
  t.is((await app.me(twinOf(login.token), login.cookie)).status, 401)
  t.is((await introspect(app, login.token)).text, '{"active":false}')
  t.true(await isIn(app, toLogin(await postRefresh(app, login))))
})

test('a service revokes a token that was delegated to it, and the session stays', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  const [first, second] = [await draw(app, login, '/delegated'), await draw(app, login, '/delegated')]
  assertDone(t, await revoke(app, first, AS.billing))
  t.is((await introspect(app, first, AS.billing)).text, '{"active":false}')
  t.is((await introspect(app, second, AS.billing)).json['active'], true)
  t.true(await isIn(app, login))
})

test('RV-06 what is no token, or none any more, is answered as if it had been one', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  const { token } = login
  const gone = await app.login('bob')
  await revoke(app, gone.refreshToken)
  const revoked = await app.login('carol')
  await revoke(app, revoked.token)
  const now = Math.floor(app.clock() / 1000)
  const late = { iat: now - 1000, exp: now - 100, auth_time: now - 1000, iat_ms: undefined }
  app.seen.length = 0
  for (const [label, text] of Object.entries({
    garbage: 'garbage',
    'a bad signature': `${token.slice(0, -4)}AAAA`,
    'an expired token': resign(token, late),
    'a foreign issuer': resign(token, { iss: 'https://evil.example' }),
    'a very long one': 'A'.repeat(20_000),
    'one that was revoked': revoked.token,
    'one of an ended session': gone.token,
    'a refresh token of an ended session': gone.refreshToken,
    'a refresh token of no session': `${'A'.repeat(22)}.0.${'A'.repeat(65)}`,
    'a refresh token with a wrong secret': `${login.sid}.0.${'A'.repeat(65)}`,
    'a session': login.sid,
    'a ticket': await draw(app, login, '/ticket'),
  })) {
    assertDone(t, await revoke(app, text), label)
  }
  t.deepEqual(
    app.seen.filter(({ name }) => name !== 'authn_token_created'),
    [],
  )
  t.true(await isIn(app, login))
})

test('RV-06 token_type_hint may say anything, even what is wrong', async (t) => {
  const app = await openClientsApp(t)
  for (const hint of ['access_token', 'refresh_token', 'saml', '', '__proto__']) {
    const [byAccess, byRefresh] = [await app.login(), await app.login()]
    const fields = (token: string): Record<string, string> => ({ token, token_type_hint: hint })
    assertDone(t, await postForm(app, '/auth/revoke', fields(byAccess.token), AS.gateway), hint)
    assertDone(t, await postForm(app, '/auth/revoke', fields(byRefresh.refreshToken), AS.gateway), hint)
    for (const login of [byAccess, byRefresh]) t.false(await isIn(app, login), hint)
  }
})

test("RV-07 no client revokes another's token, and it works on", async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  const delegated = await draw(app, login, '/delegated')
  app.seen.length = 0
  const cases: Readonly<Record<string, [string, Readonly<Record<string, string>>]>> = {
    "the app's, by the service": [login.token, AS.billing],
    "the app's, by nobody's": [login.token, AS.mail],
    "the session's, by the service": [login.refreshToken, AS.billing],
    "the session's, by nobody's": [login.refreshToken, AS.mail],
    "the service's, by the app's": [delegated, AS.gateway],
  }
  for (const [label, [token, headers]] of Object.entries(cases))
    assertForbidden(t, await revoke(app, token, headers), label)
  t.deepEqual(
    codesOf(app.seen),
    Object.keys(cases).map(() => 'ERR_CLIENT_FORBIDDEN'),
  )
  t.true(await isIn(app, login))
  t.is((await introspect(app, delegated, AS.billing)).json['active'], true)
  t.true(await isIn(app, toLogin(await postRefresh(app, login))))
})

test('RV-07 clients authenticate before anything is looked at, and who may only ask revokes nothing', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  const asked = app.store.calls.length
  for (const headers of [{}, basic('gateway', drawSecret()), { Authorization: `Bearer ${login.token}` }]) {
    for (const token of [login.token, login.refreshToken]) {
      const response = await revoke(app, token, headers)
      t.deepEqual([response.status, response.json['error']], [401, 'invalid_client'])
    }
  }
  t.deepEqual(app.store.calls.slice(asked), [])
  const fields = { token: login.refreshToken, ...asserted(assertion(app)) }
  assertForbidden(t, await postForm(app, '/auth/revoke', fields))
  t.true(await isIn(app, login))
})

test('RV-07 a refresh token of another kit on the same store is nobody’s here', async (t) => {
  const testClock = createClock()
  const store = memoryStore({ clock: testClock })
  const there = await openTestApp(t, { store, testClock, audience: 'https://there.example' })
  const here = await openClientsApp(t, { store, testClock })
  const login = await there.login()
  assertDone(t, await revoke(here, login.refreshToken))
  t.true(await isIn(there, login))
})

test('RV-06 what the store did not take is 503, and holds in this process all the same', async (t) => {
  const app = await openClientsApp(t)
  const [first, second, third] = [await app.login(), await app.login(), await app.login()]
  app.store.broken.add('set revocation')
  for (const token of [first.token, second.refreshToken]) {
    const response = await revoke(app, token)
    t.is(response.status, 503)
    t.truthy(response.headers['retry-after'])
    t.is(response.json['error'], 'temporarily_unavailable')
  }
  for (const login of [first, second]) t.false(await isIn(app, login))
  app.store.broken.clear()
  app.store.broken.add('get session')
  t.is((await revoke(app, third.refreshToken)).status, 503)
  app.store.broken.clear()
  t.true(await isIn(app, third))
  assertDone(t, await revoke(app, third.refreshToken))
  t.false(await isIn(app, third))
})

test('RV-06 only POST revokes, and only with a token', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  for (const method of ['GET', 'DELETE', 'PUT']) {
    t.is((await app.request(method, `/auth/revoke?token=${login.token}`, AS.gateway)).status, 405, method)
  }
  t.is((await postForm(app, `/auth/revoke?token=${login.token}`, {}, AS.gateway)).status, 400)
  t.true(await isIn(app, login))
})
