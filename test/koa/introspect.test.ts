// What clients are told about tokens: everything that helps to decide, of what is theirs and good, and else nothing.

import { createHash } from 'node:crypto'

import cors from '@koa/cors'
import test, { type ExecutionContext } from 'ava'
import type Koa from 'koa'

import { createKeySet, generateKey, memoryStore, type Store } from '../../src/index.ts'
import { matchesFingerprint, readDigest } from '../../src/fingerprint.ts'
import {
  codesOf,
  createClock,
  ISSUER,
  postLogout,
  postRefresh,
  type Response,
  START,
  toLogin,
  privateJwk,
} from '../helpers/app.ts'
import {
  AS,
  asserted,
  assertion,
  BILLING,
  basic,
  draw,
  introspect,
  openClientsApp,
  postForm,
  revoke,
} from '../helpers/clients.ts'
import { payloadOf } from '../helpers/decode.ts'
import { faultyClock, faultyKeys } from '../helpers/faulty.ts'
import { encrypting, encryptionJwks, nest } from '../helpers/forge-jwe.ts'
import { resign, sign, twinOf, validClaims, validHeader } from '../helpers/forge.ts'

const NOW = Math.floor(START / 1000)
const GRANT = { scope: 'read write', acr: 'urn:silver', amr: ['pwd'], claims: { theme: 'dark', roles: ['editor'] } }

function assertInactive(t: ExecutionContext, { status, text, headers }: Response, label?: string): void {
  t.is(status, 200, label)
  t.is(text, '{"active":false}', label)
  t.is(headers['content-type'], 'application/json; charset=utf-8', label)
  t.is(headers['cache-control'], 'no-store', label)
}

test('IN-01 only POST is a question', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    const response = await app.request(method, `/auth/introspect?token=${token}`, AS.gateway)
    t.is(response.status, 405, method)
    t.is(response.headers['allow'], 'POST, OPTIONS', method)
    t.is(response.headers['cache-control'], 'no-store', method)
  }
})

test('IN-01 without naming clients there is no endpoint, and no word of one', async (t) => {
  const app = await openClientsApp(t, { clients: undefined as never })
  t.is((await introspect(app, 'x')).status, 404)
  t.is((await postForm(app, '/auth/revoke', { token: 'x' }, AS.gateway)).status, 404)
  const { text } = await app.request('GET', '/.well-known/oauth-authorization-server')
  t.notRegex(text, /introspection|revocation/)
})

test('the metadata says where the endpoints are and how clients authenticate there', async (t) => {
  const app = await openClientsApp(t)
  const { json } = await app.request('GET', '/.well-known/oauth-authorization-server')
  const ways = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
  t.deepEqual(json, {
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    response_types_supported: [],
    introspection_endpoint: `${ISSUER}/auth/introspect`,
    introspection_endpoint_auth_methods_supported: ways,
    introspection_endpoint_auth_signing_alg_values_supported: ['ES256'],
    revocation_endpoint: `${ISSUER}/auth/revoke`,
    revocation_endpoint_auth_methods_supported: ways,
    revocation_endpoint_auth_signing_alg_values_supported: ['ES256'],
  })
})

test('IN-03 a live token is active, to a client that it is for', async (t) => {
  const app = await openClientsApp(t)
  const { token, sid } = await app.login('alice', { body: GRANT })
  const response = await introspect(app, token)
  t.is(response.status, 200)
  t.is(response.headers['content-type'], 'application/json; charset=utf-8')
  const { jti, fgp } = payloadOf(token)
  t.deepEqual(response.json, {
    ...{ active: true, token_type: 'Bearer', iss: ISSUER, sub: 'alice', aud: ISSUER, client_id: ISSUER, jti, sid, fgp },
    ...{
      exp: NOW + 900,
      iat: NOW,
      iat_ms: START,
      auth_time: NOW,
      scope: 'read write',
      acr: 'urn:silver',
      amr: ['pwd'],
    },
  })
})

test('IN-03 a delegated token is active to the service that it is for, and says who acts', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login('alice', { body: GRANT })
  const delegated = await draw(app, login, '/delegated')
  const { jti } = payloadOf(delegated)
  t.deepEqual((await introspect(app, delegated, AS.billing)).json, {
    ...{ active: true, token_type: 'Bearer', iss: ISSUER, sub: 'alice', aud: BILLING, client_id: ISSUER, jti },
    ...{
      sid: login.sid,
      exp: NOW + 120,
      iat: NOW,
      iat_ms: START,
      auth_time: NOW,
      scope: 'read',
      acr: 'urn:silver',
      amr: ['pwd'],
    },
    ...{ act: { sub: ISSUER }, invoice: 7 },
  })
  // And nobody's at the others.
  assertInactive(t, await introspect(app, delegated))
  assertInactive(t, await introspect(app, login.token, AS.billing))
})

test('IN-10 of the claims of the application a client is told those that its entry names, and no name of the user', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login('alice', { body: { ...GRANT, claims: { theme: 'dark', username: 'Alice' } } })
  const ask = (): Promise<Response> => postForm(app, '/auth/introspect', { token, ...asserted(assertion(app)) })
  const told = (await ask()).json
  t.is(told['theme'], 'dark')
  t.false('username' in told)
  t.false('theme' in (await introspect(app, token)).json)
})

test('IN-02 IN-03 whatever is not a live token for the client is inactive, and nothing more is said', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  const { token } = login
  const other = await generateKey()
  const { claims } = validClaims(app)
  const ended = await app.login()
  await postLogout(app, ended)
  const revoked = await app.login()
  await app.kit.revoke({ jti: String(payloadOf(revoked.token)['jti']) })
  const late = { iat: NOW - 1000, exp: NOW - 100, auth_time: NOW - 1000, iat_ms: undefined }
  const cases: Readonly<Record<string, [token: string, code: string | undefined]>> = {
    garbage: ['garbage', 'ERR_TOKEN_MALFORMED'],
    'a bad signature': [`${token.slice(0, -4)}AAAA`, 'ERR_TOKEN_SIGNATURE'],
    'a foreign key': [sign(validHeader({ kid: other.kid }), claims, other), 'ERR_TOKEN_KEY'],
    'a foreign issuer': [resign(token, { iss: 'https://evil.example' }), 'ERR_TOKEN_ISSUER'],
    'a foreign audience': [resign(token, { aud: BILLING }), 'ERR_TOKEN_AUDIENCE'],
    'an expired one': [resign(token, late), 'ERR_TOKEN_EXPIRED'],
    'one to come': [resign(token, { nbf: NOW + 100 }), 'ERR_TOKEN_NOT_YET_VALID'],
    'one of an ended session': [ended.token, 'ERR_TOKEN_REVOKED'],
    'a revoked one': [revoked.token, 'ERR_TOKEN_REVOKED'],
    'a revoked one in its other spelling': [twinOf(revoked.token), 'ERR_TOKEN_REVOKED'],
    'one that lives too long': [resign(token, { exp: NOW + 90_000 }), 'ERR_TOKEN_CLAIMS'],
    'one without a session': [resign(token, { sid: undefined }), 'ERR_TOKEN_CLAIMS'],
    'one with a fingerprint that is none': [resign(token, { fgp: 'x' }), 'ERR_TOKEN_CLAIMS'],
    'one that is bound to a key': [resign(token, { cnf: { jkt: 'x' } }), 'ERR_TOKEN_CLAIMS'],
    'alg none': [`${token.split('.').slice(0, 2).join('.')}.`, 'ERR_TOKEN_MALFORMED'],
    'a space before it': [` ${token}`, 'ERR_TOKEN_MALFORMED'],
    'padding behind it': [`${token}=`, 'ERR_TOKEN_MALFORMED'],
    'a very long one': [token + 'A'.repeat(9000), 'ERR_TOKEN_TOO_LARGE'],
    'a refresh token': [login.refreshToken, 'ERR_TOKEN_MALFORMED'],
    'a ticket': [await draw(app, login, '/ticket'), 'ERR_TOKEN_TYPE'],
    'an assertion': [assertion(app), 'ERR_TOKEN_TYPE'],
    'a fingerprint': [login.fingerprint, 'ERR_TOKEN_MALFORMED'],
    'a session': [login.sid, 'ERR_TOKEN_MALFORMED'],
  }
  const reference = telling(await introspect(app, 'x'))
  for (const [label, [text, code]] of Object.entries(cases)) {
    app.clock.advance(0.05)
    app.seen.length = 0
    const asked = app.store.calls.length
    const response = await introspect(app, text)
    assertInactive(t, response, label)
    t.deepEqual(telling(response), reference, label)
    // The log knows why, and who asked.
    t.deepEqual(codesOf(app.seen), [code], label)
    t.is(app.seen[0]?.event.request?.client, 'gateway', label)
    t.deepEqual(app.store.calls.slice(asked), [], `${label}: the store was asked`)
  }
  t.is((await introspect(app, token)).json['active'], true)
})

/** The headers that could tell why. */
function telling({ headers }: Response): object {
  const { date: _date, ...others } = headers
  return others
}

test('IN-02 a token whose time goes by between two questions is active and then inactive', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  app.clock.advance(899)
  t.is((await introspect(app, token)).json['active'], true)
  app.clock.advance(1)
  assertInactive(t, await introspect(app, token))
})

test('IN-02 a logout, a revoked user and a revoked key count at the next question', async (t) => {
  const app = await openClientsApp(t)
  const [first, second, third] = [await app.login('alice'), await app.login('bob'), await app.login('carol')]
  for (const { token } of [first, second, third]) t.is((await introspect(app, token)).json['active'], true)
  await postLogout(app, first)
  assertInactive(t, await introspect(app, first.token))
  await app.kit.revoke({ sub: 'bob' })
  assertInactive(t, await introspect(app, second.token))
  await app.kit.revoke({ kid: app.keys.active?.kid ?? '' })
  assertInactive(t, await introspect(app, third.token))
})

test('a refresh leaves the token before it active, as it does at the app itself', async (t) => {
  const app = await openClientsApp(t)
  const login = await app.login()
  app.clock.advance(60)
  const next = toLogin(await postRefresh(app, login))
  for (const { token } of [login, next]) t.is((await introspect(app, token)).json['active'], true)
})

test('where tokens are encrypted, the app’s own have to be, and those for services are not', async (t) => {
  const options = await encrypting(encryptionJwks.A256KW)
  const app = await openClientsApp(t, options)
  const login = await app.login('alice', { body: GRANT })
  const delegated = await draw(app, login, '/delegated')
  t.like((await introspect(app, login.token)).json, { active: true, sub: 'alice', scope: 'read write' })
  t.like((await introspect(app, delegated, AS.billing)).json, { active: true, sub: 'alice', scope: 'read' })
  const ask = (token: string): Promise<Response> =>
    postForm(app, '/auth/introspect', { token, ...asserted(assertion(app)) })
  // The client of both audiences is told of both, each in its own form.
  for (const token of [login.token, delegated]) t.is((await ask(token)).json['active'], true)
  const { claims } = validClaims(app)
  const signed = sign(validHeader(), claims)
  const both = sign(validHeader(), { ...claims, aud: [ISSUER, 'https://other.example'] })
  for (const token of [signed, both]) {
    assertInactive(t, await ask(token))
    assertInactive(t, await introspect(app, token))
  }
  assertInactive(
    t,
    await introspect(
      app,
      nest(sign(validHeader(), { ...claims, aud: 'https://other.example' }), encryptionJwks.A256KW),
    ),
  )
  assertInactive(t, await introspect(app, login.token, AS.billing))
  // And taken back alike.
  t.is((await revoke(app, login.token)).status, 200)
  t.is((await revoke(app, delegated, AS.billing)).status, 200)
  for (const token of [login.token, delegated]) assertInactive(t, await ask(token))
})

test('IN-08 the digest in the answer lets a service check the binding: only the cookie of the token fits', async (t) => {
  for (const format of ['base64url', 'owasp'] as const) {
    const app = await openClientsApp(t, { fingerprint: { format } })
    const [alice, bob] = [await app.login('alice'), await app.login('bob')]
    const { json } = await introspect(app, alice.token)
    const digest = json[format === 'owasp' ? 'userFingerprint' : 'fgp']
    const named = readDigest(digest, format)
    t.true(named !== undefined && matchesFingerprint(alice.fingerprint, named, format))
    t.false(named !== undefined && matchesFingerprint(bob.fingerprint, named, format))
    // By anybody's SHA-256, of the cookie as it came.
    const own = createHash('sha256').update(alice.fingerprint).digest()
    t.is(digest, format === 'owasp' ? own.toString('hex').toUpperCase() : own.toString('base64url'))
  }
})

test('IN-08 the endpoint has no cookie to look at, and looks at none that comes', async (t) => {
  const app = await openClientsApp(t)
  const [alice, bob] = [await app.login('alice'), await app.login('bob')]
  app.seen.length = 0
  for (const Cookie of [alice.cookie, bob.cookie, `${bob.cookie}; ${bob.cookie}`, 'a=b;;c']) {
    const response = await introspect(app, alice.token, { ...AS.gateway, Cookie })
    t.is(response.json['active'], true)
    t.deepEqual(response.cookies, [])
  }
  t.deepEqual(app.seen, [])
})

test('IN-09 answers are kept by nobody and hardened like all of the kit', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  for (const response of [
    await introspect(app, token),
    await introspect(app, 'x'),
    await introspect(app, 'x', basic('gateway', 'wrong')),
    await postForm(app, '/auth/introspect', {}, AS.gateway),
    await postForm(app, '/auth/revoke', { token: 'x' }, AS.gateway),
  ]) {
    t.is(response.headers['cache-control'], 'no-store')
    t.is(response.headers['pragma'], 'no-cache')
    t.is(response.headers['x-content-type-options'], 'nosniff')
    t.is(response.headers['cross-origin-resource-policy'], 'same-origin')
    t.is(response.headers['set-cookie'], undefined)
  }
})

test('IN-09 no page of any origin reads an answer, whatever CORS the app has', async (t) => {
  const app = await openClientsApp(t, {
    origins: ['https://www.app.example'],
    before: (koa: Koa, kit) => koa.use(cors(kit.cors())),
  })
  const { token } = await app.login()
  for (const Origin of ['https://www.app.example', ISSUER, 'https://evil.example']) {
    for (const [path, credentials, status] of [
      ['/auth/introspect', AS.gateway, 200],
      ['/auth/revoke', AS.gateway, 200],
      ['/auth/introspect', {}, 401],
      ['/auth/revoke', AS.billing, 200],
    ] as const) {
      const response = await postForm(
        app,
        path,
        { token: path.endsWith('revoke') ? 'x' : token },
        { ...credentials, Origin },
      )
      t.is(response.status, status)
      t.deepEqual(
        Object.keys(response.headers).filter((name) => name.startsWith('access-control-')),
        [],
      )
    }
  }
})

test('IN-06 tokens without end leave nothing behind: no store call, no entry, and good ones stay good', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  const asked = app.store.calls.length
  const [header = '', , signature = ''] = token.split('.')
  for (let i = 0; i < 500; i += 1) {
    const { claims } = validClaims(app)
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url')
    assertInactive(t, await introspect(app, `${header}.${payload}.${signature}`))
  }
  t.is((await introspect(app, token)).json['active'], true)
  t.is((await introspect(app, twinOf(token))).json['active'], true, 'the other spelling of the same token')
  t.deepEqual(app.store.calls.slice(asked), [])
})

test('a revocation list that is too old makes nothing active: 503, even where the app itself goes on', async (t) => {
  let age = 0
  const testClock = createClock()
  const store: Store = { ...memoryStore({ clock: testClock }), watch: async () => ({ age: () => age, stop() {} }) }
  const app = await openClientsApp(t, { onStale: { openFor: '1h' }, store, testClock })
  const login = await app.login()
  const ended = await app.login('bob')
  await postLogout(app, ended)
  age = 5000
  t.is((await introspect(app, login.token)).json['active'], true)
  age = 5001
  const response = await introspect(app, login.token)
  t.is(response.status, 503)
  t.truthy(response.headers['retry-after'])
  t.false(response.text.includes('active'))
  t.is((await app.me(login.token, login.cookie)).status, 200)
  // What is known to be bad is bad all the same.
  assertInactive(t, await introspect(app, ended.token))
  age = 0
  t.is((await introspect(app, login.token)).json['active'], true)
})

test('what fails while a token is looked at is 503, and never an answer', async (t) => {
  const [noKeys, noClock] = [{ broken: false }, { broken: false }]
  const keys = faultyKeys(await createKeySet({ keys: [privateJwk] }), noKeys)
  const app = await openClientsApp(t, { keys, testClock: faultyClock(noClock) })
  const { token, cookie } = await app.login()
  for (const fault of [noKeys, noClock]) {
    fault.broken = true
    for (const path of ['/auth/introspect', '/auth/revoke']) {
      const response = await postForm(app, path, { token }, AS.gateway)
      t.is(response.status, 503, path)
      t.truthy(response.headers['retry-after'])
      t.notRegex(response.text, /active|injected/)
    }
    fault.broken = false
  }
  t.is((await introspect(app, token)).json['active'], true)
  t.is((await app.me(token, cookie)).status, 200)
})

test('the endpoints are not answered over plain http where the issuer is https', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  for (const path of ['/auth/introspect', '/auth/revoke']) {
    const headers = { 'X-Forwarded-Proto': 'http', ...AS.gateway }
    const response = await postForm(app, path, { token }, headers)
    t.is(response.status, 500)
    t.deepEqual(response.json['error'], 'server_error')
  }
  t.is((await app.me(token)).status, 401)
  t.true(codesOf(app.seen).includes('ERR_TRANSPORT_INSECURE'))
})

test('a body parser of the application in front changes nothing', async (t) => {
  const { bodyParser } = await import('@koa/bodyparser')
  const parsers: Readonly<Record<string, Koa.Middleware>> = {
    'one that keeps the text': bodyParser({ enableTypes: ['json', 'form'] }) as Koa.Middleware,
    async 'one that does not'(ctx, next) {
      await bodyParser({ enableTypes: ['json', 'form'] })(ctx, async () => {})
      delete (ctx.request as { rawBody?: string }).rawBody
      await next()
    },
  }
  for (const [label, parser] of Object.entries(parsers)) {
    const app = await openClientsApp(t, { before: (koa) => koa.use(parser) })
    const { token } = await app.login()
    t.is((await introspect(app, token)).json['active'], true, label)
    for (const fields of [
      [
        ['token', token],
        ['token', token],
      ],
      [['token[x]', token]],
    ] as const) {
      t.is((await postForm(app, '/auth/introspect', fields, AS.gateway)).status, 400, label)
    }
  }
})

test('a body that the application has made something else of is no form: 400', async (t) => {
  let body: unknown
  const before = (koa: Koa): void => {
    koa.use((ctx, next) => {
      Object.assign(ctx.request, { body })
      return next()
    })
  }
  const app = await openClientsApp(t, { before })
  for (body of ['token=x', [], null, 1]) t.is((await introspect(app, 'x')).status, 400, JSON.stringify(body))
})

test('the endpoints move with the prefix', async (t) => {
  const app = await openClientsApp(t, { prefix: '/id' })
  const { token } = await app.login()
  t.is((await postForm(app, '/id/introspect', { token }, AS.gateway)).json['active'], true)
  t.is((await introspect(app, token)).status, 404)
  const { json } = await app.request('GET', '/.well-known/oauth-authorization-server')
  t.is(json['introspection_endpoint'], `${ISSUER}/id/introspect`)
  const assertionFor = (aud: string): object => asserted(assertion(app, { aud }))
  t.is((await postForm(app, '/id/introspect', { token, ...assertionFor(`${ISSUER}/id/introspect`) })).status, 200)
})
