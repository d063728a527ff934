// How clients prove who they are: three ways, each alone; one answer to whatever was wrong; and no client that fails
// keeps another one waiting.

import { createHash } from 'node:crypto'
import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'

import { type ErrorCode, generateKey } from '../../src/index.ts'
import {
  codesOf,
  ISSUER,
  privateJwk,
  type Response,
  type SeenEvent,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import {
  AS,
  asserted,
  assertion,
  basic,
  BILLING,
  CLIENTS,
  drawSecret,
  type Fields,
  introspect,
  openClientsApp,
  postForm,
  SECRETS,
  signerJwk,
} from '../helpers/clients.ts'
import { payloadOf } from '../helpers/decode.ts'
import { forge, forgeHmac, type Json, sign, signRaw, twinOf } from '../helpers/forge.ts'

type Headers = Readonly<Record<string, string>>

/** Asks about nothing in particular: who asks is what is tested. */
function ask(app: TestApp, fields: Fields, headers: Headers = {}): Promise<Response> {
  const pairs = Array.isArray(fields) ? (fields as [string, string][]) : Object.entries(fields)
  return postForm(app, '/auth/introspect', [['token', 'x'], ...pairs], headers)
}

const INVALID_CLIENT = JSON.stringify({
  type: 'about:blank',
  title: 'Unauthorized',
  status: 401,
  error: 'invalid_client',
  error_description: 'The client was not authenticated',
})

/** Asserts the one answer that there is, and the one event that says why. */
function assertInvalidClient(t: ExecutionContext, response: Response, label: string): void {
  const { status, text, headers } = response
  t.is(status, 401, label)
  t.is(text, INVALID_CLIENT, label)
  t.is(headers['www-authenticate'], `Basic realm="${ISSUER}"`, label)
  t.is(headers['content-type'], 'application/json; charset=utf-8', label)
  t.is(headers['cache-control'], 'no-store', label)
}

async function assertRefused(
  t: ExecutionContext,
  app: TestApp,
  send: () => Promise<Response>,
  [code, client = '']: readonly [ErrorCode, string?],
  label: string,
): Promise<void> {
  app.clock.advance(0.05)
  app.seen.length = 0
  assertInvalidClient(t, await send(), label)
  t.deepEqual(app.seen.map(tell), [`client_rejected ${code} ${client}`], label)
}

/** The event's name, its code and the client that it names. */
function tell({ name, event }: SeenEvent): string {
  return `${name} ${'code' in event ? event.code : ''} ${event.request?.client ?? ''}`
}

const post = (id: string, secret: string): Fields => ({ client_id: id, client_secret: secret })

test('IN-01 each way is good: Basic, a field, an assertion; either secret while one is being changed', async (t) => {
  const app = await openClientsApp(t)
  const ways: Readonly<Record<string, [fields: Fields, headers?: Headers]>> = {
    client_secret_basic: [{}, AS.gateway],
    'the next secret': [{}, basic('gateway', SECRETS.next)],
    'an id with a colon, encoded': [{}, AS.billing],
    'the id once more': [{ client_id: 'gateway' }, AS.gateway],
    'any case of the scheme': [{}, { Authorization: AS.gateway.Authorization.replace('Basic', 'bAsIc') }],
    client_secret_post: [post('gateway', SECRETS.gateway)],
    'the next secret in a field': [post('gateway', SECRETS.next)],
    private_key_jwt: [asserted(assertion(app))],
    'with the id beside it': [{ client_id: 'signer', ...asserted(assertion(app)) }],
    'without a kid': [asserted(assertion(app, {}, { kid: undefined }))],
    'of its own type': [asserted(assertion(app, {}, { typ: 'client-authentication+jwt' }))],
    'of the type that libraries write': [asserted(assertion(app, {}, { typ: 'JWT' }))],
    'for the route': [asserted(assertion(app, { aud: `${ISSUER}/auth/introspect` }))],
    'for both of our names': [asserted(assertion(app, { aud: [ISSUER, `${ISSUER}/auth/introspect`] }))],
    'for five minutes': [asserted(assertion(app, { exp: Math.floor(app.clock() / 1000) + 300 }))],
    'without iat': [asserted(assertion(app, { iat: undefined }))],
  }
  for (const [label, [fields, headers]] of Object.entries(ways)) {
    const response = await ask(app, fields, headers)
    t.is(response.status, 200, `${label}: ${JSON.stringify(app.seen)}`)
  }
})

test('IN-01 whatever is wrong with a secret, the answer is the same', async (t) => {
  const app = await openClientsApp(t)
  const wrong = drawSecret()
  const cases: Readonly<Record<string, [fields: Fields, headers: Headers, ErrorCode, client?: string]>> = {
    'another secret': [{}, basic('gateway', wrong), 'ERR_CLIENT_SECRET', 'gateway'],
    'the secret of another client': [{}, basic('gateway', SECRETS.billing), 'ERR_CLIENT_SECRET', 'gateway'],
    'part of the secret': [{}, basic('gateway', SECRETS.gateway.slice(0, -1)), 'ERR_CLIENT_SECRET', 'gateway'],
    'no secret': [{}, basic('gateway', ''), 'ERR_CLIENT_SECRET', 'gateway'],
    'a secret where there is a key': [{}, basic('signer', wrong), 'ERR_CLIENT_SECRET', 'signer'],
    'nothing where there is a key': [{}, basic('signer', ''), 'ERR_CLIENT_SECRET', 'signer'],
    'an unknown client': [{}, basic('nobody', SECRETS.gateway), 'ERR_CLIENT_UNKNOWN'],
    'a name that every object has': [{}, basic('constructor', wrong), 'ERR_CLIENT_UNKNOWN'],
    'another spelling of the id': [{}, basic('Gateway', SECRETS.gateway), 'ERR_CLIENT_UNKNOWN'],
    'no id': [{}, basic('', SECRETS.gateway), 'ERR_CLIENT_UNKNOWN'],
    'another secret in a field': [post('gateway', wrong), {}, 'ERR_CLIENT_SECRET', 'gateway'],
    'no id beside the field': [{ client_secret: SECRETS.gateway }, {}, 'ERR_CLIENT_UNKNOWN'],
    'the hash of the secret': [{}, basic('gateway', hashOf(SECRETS.gateway)), 'ERR_CLIENT_SECRET', 'gateway'],
  }
  for (const [label, [fields, headers, code, client = '']] of Object.entries(cases)) {
    await assertRefused(t, app, () => ask(app, fields, headers), [code, client], label)
  }
  t.is((await ask(app, {}, AS.gateway)).status, 200)
})

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

test('IN-01 without authentication, or with one that nobody knows, the answer is the same, and nobody is alarmed', async (t) => {
  const app = await openClientsApp(t)
  const cases: Readonly<Record<string, [fields: Fields, headers: Headers]>> = {
    nothing: [{}, {}],
    'only an id': [{ client_id: 'gateway' }, {}],
    'an empty secret': [post('gateway', ''), {}],
    'a token': [{}, { Authorization: 'Bearer abc' }],
    'Basic without a word': [{}, { Authorization: 'Basic' }],
    'Basic without a colon': [{}, { Authorization: `Basic ${Buffer.from('gateway').toString('base64')}` }],
    'Basic that is no base64': [{}, { Authorization: 'Basic gateway:secret' }],
    'Basic with a stray percent sign': [
      {},
      { Authorization: `Basic ${Buffer.from('gateway:%zz').toString('base64')}` },
    ],
    'an assertion of no type': [{ client_assertion: assertion(app) }, {}],
    'an assertion of another type': [
      {
        ...asserted(assertion(app)),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
      },
      {},
    ],
  }
  for (const [label, [fields, headers]] of Object.entries(cases)) {
    assertInvalidClient(t, await ask(app, fields, headers), label)
  }
  // Nor is anything read from where it does not belong (RFC 6749 section 2.3.1).
  const query = new URLSearchParams(Object.entries(post('gateway', SECRETS.gateway)))
  assertInvalidClient(t, await postForm(app, `/auth/introspect?${query.toString()}`, { token: 'x' }), 'the query')
  const Cookie = `client_id=gateway; client_secret=${SECRETS.gateway}`
  assertInvalidClient(t, await ask(app, {}, { Cookie }), 'cookies')
  t.deepEqual(app.seen, [])
})

test('two ways at once, or two names, are one too many: 400', async (t) => {
  const app = await openClientsApp(t)
  const cases: Readonly<Record<string, [fields: Fields, headers?: Headers]>> = {
    'Basic and a field': [post('gateway', SECRETS.gateway), AS.gateway],
    'Basic and an assertion': [asserted(assertion(app)), AS.gateway],
    'a field and an assertion': [{ client_secret: SECRETS.gateway, ...asserted(assertion(app)) }],
    'a token and a field': [post('gateway', SECRETS.gateway), { Authorization: 'Bearer abc' }],
    'Basic and another id': [{ client_id: BILLING }, AS.gateway],
  }
  for (const [label, [fields, headers]] of Object.entries(cases)) {
    app.seen.length = 0
    const { status, json } = await ask(app, fields, headers)
    t.is(status, 400, label)
    t.is(json['error'], 'invalid_request', label)
    t.like(app.seen, { 0: { name: 'client_rejected', event: { code: 'ERR_CLIENT_AMBIGUOUS' } }, length: 1 }, label)
  }
  const twice = ['Authorization', AS.gateway.Authorization] as const
  const type = ['Content-Type', 'application/x-www-form-urlencoded'] as const
  t.is((await app.request('POST', '/auth/introspect', [twice, twice, type], 'token=x')).status, 400)
})

test('whatever is wrong with an assertion, the answer is the same, and it is not used up', async (t) => {
  const app = await openClientsApp(t)
  const other = await generateKey()
  const now = Math.floor(app.clock() / 1000)
  const of = (claims: Json, header: Json = {}): string => assertion(app, claims, header)
  const claims = { iss: 'signer', sub: 'signer', aud: ISSUER, jti: 'one', exp: now + 60 }
  const header = { alg: 'ES256', kid: signerJwk.kid }
  /** `''` where it does not get as far as to a client. */
  const cases: Readonly<Record<string, [text: string, client?: string]>> = {
    'another key': [assertion(app, {}, {}, other)],
    "the app's own key": [assertion(app, {}, {}, privateJwk)],
    'an unknown kid': [of({}, { kid: 'x' })],
    "the app's kid": [of({}, { kid: privateJwk.kid })],
    'another algorithm': [of({}, { alg: 'ES384' })],
    'an algorithm of a secret': [forgeHmac({ ...header, alg: 'HS256' }, claims, JSON.stringify(signerJwk))],
    'no algorithm': [forge({ ...header, alg: 'none' }, claims, 'x'), ''],
    'a key in the header': [of({}, { jwk: other }), ''],
    'a critical parameter': [of({}, { crit: ['exp'] }), ''],
    'the type of an access token': [of({}, { typ: 'at+jwt' }), ''],
    'a type that is none': [of({}, { typ: 1 }), ''],
    'a kid that is none': [of({}, { kid: 1 }), ''],
    'no exp': [of({ exp: undefined })],
    'an exp that is none': [of({ exp: String(now + 60) })],
    'an exp that has come': [of({ exp: now })],
    'an exp too far ahead': [of({ exp: now + 310 })],
    'an exp without end': [
      signRaw(
        JSON.stringify(header),
        `{"iss":"signer","sub":"signer","aud":"${ISSUER}","jti":"x","exp":1e999}`,
        signerJwk,
      ),
    ],
    'nbf to come': [of({ nbf: now + 60 })],
    'iat to come': [of({ iat: now + 60 })],
    'no jti': [of({ jti: undefined })],
    'an empty jti': [of({ jti: '' })],
    'a long jti': [of({ jti: 'x'.repeat(256) })],
    'a jti that is none': [of({ jti: 1 })],
    'another sub': [of({ sub: 'gateway' })],
    'no sub': [of({ sub: undefined })],
    'another audience': [of({ aud: 'https://other.example' })],
    'another audience as well': [of({ aud: [ISSUER, 'https://other.example'] })],
    'no audience': [of({ aud: undefined })],
    'an empty audience': [of({ aud: [] })],
    'the other route': [of({ aud: `${ISSUER}/auth/revoke` })],
    'no iss': [of({ iss: undefined }), ''],
    'a client with a secret': [of({ iss: 'gateway', sub: 'gateway' }), 'gateway'],
    garbage: ['garbage', ''],
    'a member twice': [signRaw(JSON.stringify(header), '{"iss":"signer","iss":"signer"}', signerJwk), ''],
    'a very long one': [of({ x: 'x'.repeat(7000) }), ''],
  }
  for (const [label, [text, client = 'signer']] of Object.entries(cases)) {
    const asked = app.store.calls.length
    await assertRefused(t, app, () => ask(app, asserted(text)), ['ERR_CLIENT_ASSERTION', client], label)
    t.deepEqual(app.store.calls.slice(asked), [], `${label}: the store was asked`)
  }
  const unknown = asserted(of({ iss: 'nobody', sub: 'nobody' }))
  await assertRefused(t, app, () => ask(app, unknown), ['ERR_CLIENT_UNKNOWN'], 'an unknown client')
  // The id beside it is the one that it names.
  const fields = { client_id: 'gateway', ...asserted(of({})) }
  await assertRefused(t, app, () => ask(app, fields), ['ERR_CLIENT_ASSERTION'], 'another client_id')
  t.is(
    (await ask(app, asserted(sign(header, { ...claims, iat: now }, signerJwk)))).status,
    200,
    'jti "one" is good still',
  )
})

test('an assertion is good once, at either route, in whatever spelling, as long as it lives', async (t) => {
  const app = await openClientsApp(t, { accessToken: { lifetime: '1m', maxLifetime: '1m' }, clockTolerance: '30s' })
  const now = Math.floor(app.clock() / 1000)
  const text = assertion(app, { exp: now + 60 })
  t.is((await ask(app, asserted(text))).status, 200)
  for (const seconds of [0, 30, 59]) {
    app.clock.set(app.clock() + (now + seconds) * 1000 - Math.floor(app.clock() / 1000) * 1000)
    for (const [label, again] of Object.entries({ itself: text, 'its twin': twinOf(text) })) {
      await assertRefused(t, app, () => ask(app, asserted(again)), ['ERR_CLIENT_ASSERTION_REUSED', 'signer'], label)
    }
  }
  const revoking = await postForm(app, '/auth/revoke', { token: 'x', ...asserted(text) })
  assertInvalidClient(t, revoking, 'the other route')
  // It is believed a while longer, and remembered longer than that.
  app.clock.advance(29)
  await assertRefused(t, app, () => ask(app, asserted(text)), ['ERR_CLIENT_ASSERTION_REUSED', 'signer'], 'late')
  app.clock.advance(2)
  await assertRefused(t, app, () => ask(app, asserted(text)), ['ERR_CLIENT_ASSERTION', 'signer'], 'too late')
})

test('an assertion lives no longer than its jti is remembered, where tokens live for less than five minutes', async (t) => {
  const app = await openClientsApp(t, { accessToken: { lifetime: '1m', maxLifetime: '1m' } })
  const now = Math.floor(app.clock() / 1000)
  t.is((await ask(app, asserted(assertion(app, { exp: now + 65 })))).status, 200)
  assertInvalidClient(t, await ask(app, asserted(assertion(app, { exp: now + 66 }))), 'longer')
})

test('an assertion used twice at the same time is used once', async (t) => {
  const app = await openClientsApp(t)
  const text = assertion(app)
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(app, asserted(text))))
  t.is(answers.filter(({ status }) => status === 200).length, 1)
  t.is(answers.filter(({ status }) => status === 401).length, 9)
})

test("the jti of an assertion revokes nobody's token", async (t) => {
  const app = await openClientsApp(t)
  const { token, cookie } = await app.login()
  const { jti } = payloadOf(token)
  t.is((await ask(app, asserted(assertion(app, { jti })))).status, 200)
  t.is((await app.me(token, cookie)).status, 200)
})

test('two clients may use the same jti', async (t) => {
  const second = await generateKey()
  const { d: _private, ...keys } = second
  const app = await openClientsApp(t, { clients: [...CLIENTS, { id: 'second', keys }] })
  t.is((await ask(app, asserted(assertion(app, { jti: 'one' })))).status, 200)
  const own = assertion(app, { jti: 'one', iss: 'second', sub: 'second' }, { kid: second.kid }, second)
  t.is((await ask(app, asserted(own))).status, 200)
})

test('a client of two keys names the one, or uses one whose algorithm says which', async (t) => {
  const [first, second, third] = [await generateKey(), await generateKey(), await generateKey('ES384')]
  const keys = { keys: [first, second, third].map(({ d: _private, ...jwk }) => jwk) }
  const app = await openClientsApp(t, { clients: [{ id: 'signer', keys }] })
  const named = (jwk: typeof first, header: Json): Promise<Response> =>
    ask(app, asserted(assertion(app, {}, { alg: jwk.alg, ...header }, jwk)))
  for (const jwk of [first, second, third]) t.is((await named(jwk, { kid: jwk.kid })).status, 200)
  t.is((await named(third, { kid: undefined })).status, 200)
  assertInvalidClient(t, await named(first, { kid: undefined }), 'either of two')
  assertInvalidClient(t, await named(first, { kid: second.kid }), 'the other one')
  const { json } = await app.request('GET', '/.well-known/oauth-authorization-server')
  t.deepEqual(json['introspection_endpoint_auth_methods_supported'], ['private_key_jwt'])
  t.deepEqual(json['introspection_endpoint_auth_signing_alg_values_supported'], ['ES256', 'ES384'])
})

test('a store that does not say whether an assertion is new lets nobody in: 503', async (t) => {
  const app = await openClientsApp(t)
  app.store.broken.add('add revocation')
  const response = await ask(app, asserted(assertion(app)))
  t.is(response.status, 503)
  t.truthy(response.headers['retry-after'])
  // Who has a secret needs no store.
  t.is((await ask(app, {}, AS.gateway)).status, 200)
})

test('a client does what its entry allows and nothing else', async (t) => {
  const app = await openClientsApp(t)
  app.seen.length = 0
  const cases = [
    () => introspect(app, 'x', AS.mail),
    () => postForm(app, '/auth/revoke', { token: 'x', ...asserted(assertion(app)) }),
  ]
  for (const send of cases) {
    const { status, json, headers } = await send()
    t.is(status, 403)
    t.is(json['error'], 'unauthorized_client')
    t.is(headers['www-authenticate'], `Basic realm="${ISSUER}"`)
  }
  t.deepEqual(
    app.seen.map(tell),
    ['mail', 'signer'].map((client) => `client_rejected ERR_CLIENT_FORBIDDEN ${client}`),
  )
})

const LIMITED = { limiter: undefined } as unknown as TestAppOptions

test('IN-09 after 120 failures from one address the next is told to wait, and says no more than that', async (t) => {
  const app = await openClientsApp(t, LIMITED)
  const from = { 'X-Forwarded-For': '192.0.2.1' }
  const wrong = { ...basic('gateway', drawSecret()), ...from }
  for (let i = 0; i < 120; i += 1) t.is((await ask(app, {}, wrong)).status, 401)
  app.seen.length = 0
  for (const headers of [wrong, { ...basic('nobody', 'x'), ...from }]) {
    const { status, json, headers: answer } = await ask(app, {}, headers)
    t.is(status, 429)
    t.is(json['error'], 'temporarily_unavailable')
    t.regex(String(answer['retry-after']), /^[1-9]\d?$/)
  }
  t.deepEqual(codesOf(app.seen), ['ERR_RATE_LIMITED', 'ERR_RATE_LIMITED'])
  t.is((await ask(app, {}, { ...wrong, 'X-Forwarded-For': '192.0.2.2' })).status, 401)
  t.is((await postForm(app, '/auth/revoke', { token: 'x' }, wrong)).status, 401, 'the other route counts by itself')
})

test('IN-09 one bad client locks out no other, nor itself once it is right, behind the same address', async (t) => {
  const app = await openClientsApp(t, LIMITED)
  for (let i = 0; i < 130; i += 1) await ask(app, {}, basic('gateway', drawSecret()))
  for (const headers of [AS.billing, AS.gateway]) t.is((await ask(app, {}, headers)).status, 200)
  t.is((await ask(app, asserted(assertion(app)))).status, 200)
  // And however many at once.
  const answers = await Promise.all(Array.from({ length: 300 }, () => ask(app, {}, AS.billing)))
  t.true(answers.every(({ status }) => status === 200))
})

test('a limiter of the application hears of failures by the name of the route, and answers for how long', async (t) => {
  const heard: string[] = []
  const app = await openClientsApp(t, {
    limiter(_ctx, action) {
      heard.push(action)
      return action === 'revoke' ? 7 : undefined
    },
  })
  t.is((await ask(app, {}, AS.gateway)).status, 200)
  t.is((await ask(app, {}, basic('gateway', 'x'))).status, 401)
  const limited = await postForm(app, '/auth/revoke', { token: 'x' }, basic('gateway', 'x'))
  t.deepEqual([limited.status, limited.headers['retry-after']], [429, '7'])
  t.deepEqual(heard, ['introspect', 'revoke'])
})

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

test('EL-06 no secret of a client is in an answer, an event, an error or a kit that is printed', async (t) => {
  const app = await openClientsApp(t)
  const text = assertion(app)
  const sent = [
    () => ask(app, {}, AS.gateway),
    () => ask(app, {}, basic(`gateway${SECRETS.gateway}`, SECRETS.gateway)),
    () => ask(app, post('gateway', `${SECRETS.gateway}x`)),
    () => ask(app, post(SECRETS.gateway, 'gateway'), AS.gateway),
    () => ask(app, asserted(text)),
    () => ask(app, asserted(text)),
    () => ask(app, asserted(`${text}x`)),
    () => app.request('POST', '/auth/introspect', FORM, `token=x&client_secret=${SECRETS.gateway}&token=y`),
    () => app.request('POST', `/auth/introspect?client_secret=${SECRETS.gateway}`, FORM, ''),
  ]
  const said: string[] = [inspect(app.kit, { depth: 12, showHidden: true })]
  for (const send of sent) {
    const { text: body, headers } = await send()
    said.push(body, inspect(headers))
  }
  said.push(...[...app.seen, ...app.errors].map((one) => inspect(one, { depth: 12, showHidden: true })))
  const everything = said.join('\n')
  t.true(everything.includes('client_rejected'))
  const encoded = Buffer.from(SECRETS.gateway).toString('base64')
  for (const secret of [SECRETS.gateway, encoded, AS.gateway.Authorization, text, ...text.split('.').slice(1)]) {
    t.false(everything.includes(secret))
  }
})
