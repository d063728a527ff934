// The introspection client: what it believes, what it keeps and for how long, and what happens when nobody answers.

import { randomBytes } from 'node:crypto'

import test, { type ExecutionContext } from 'ava'

import { createKeySet, generateKey, memoryStore } from '../../src/index.ts'
import { createRevocationList } from '../../src/revocation.ts'
import { createIntrospector } from '../../src/service/introspector.ts'
import { createOutbox } from '../../src/outbox.ts'
import { createClock } from '../helpers/app.ts'
import { type Answer, openQuestioned, type Questioned, SERVICE } from '../helpers/introspection.ts'

const decode = (text: string): string | null => new URLSearchParams(`x=${text}`).get('x')
const codes = ({ events }: Questioned): unknown[] => events.map(({ event }) => (event as { code?: unknown }).code)

async function assertStatus(t: ExecutionContext, service: Questioned, status: number, what: string): Promise<void> {
  const { token, cookie } = service.token()
  t.is((await service.me(token, cookie)).status, status, what)
}

test('an active token lets in with its cookie, and the answer says who is calling', async (t) => {
  const service = await openQuestioned(t)
  const { token, cookie, claims } = service.token({ scope: 'read write' })
  const { status, json } = await service.me(token, cookie)
  t.is(status, 200)
  const { auth } = json as { auth: Record<string, unknown> }
  t.is(auth['sub'], 'alice')
  t.is(auth['sid'], claims['sid'])
  t.deepEqual(auth['scope'], ['read', 'write'])
  const [form] = service.asked
  t.deepEqual([...(form ?? [])].map(([name]) => name).toSorted(), ['token', 'token_type_hint'])
})

test('it says who it is by Basic, form-encoded first, as RFC 6749 section 2.3.1 has it', async (t) => {
  const service = await openQuestioned(t, { client: { id: 'a:b c', secret: 'p%ä+ss word, long enough for this' } })
  let header: string | undefined
  service.answer = (_form, request) => {
    header = request.headers.authorization
    return { active: false }
  }
  await assertStatus(t, service, 401, 'inactive')
  const [id = '', secret = ''] = Buffer.from(String(header).replace('Basic ', ''), 'base64').toString().split(':')
  t.deepEqual([decode(id), decode(secret)], ['a:b c', 'p%ä+ss word, long enough for this'])
})

test('it says who it is by a signed assertion, another one each time', async (t) => {
  const key = await generateKey()
  const service = await openQuestioned(t, { client: { id: SERVICE, key } })
  await assertStatus(t, service, 200, 'one')
  await assertStatus(t, service, 200, 'two')
  const jtis = new Set<unknown>()
  for (const form of service.asked) {
    const [header, payload] = String(form.get('client_assertion')).split('.')
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as Record<string, unknown>
    t.is((JSON.parse(Buffer.from(header ?? '', 'base64url').toString()) as { alg: string }).alg, 'ES256')
    t.like(claims, { iss: SERVICE, sub: SERVICE, aud: 'https://app.example' })
    t.is(Number(claims['exp']) - Number(claims['iat']), 60)
    jtis.add(claims['jti'])
  }
  t.is(jtis.size, 2)
})

// Each is a whole answer, or what it says of a token that is fine.
const REFUSED: readonly (readonly [string, (claims: Record<string, unknown>) => unknown])[] = [
  ['active as text', (claims) => ({ ...claims, active: 'true' })],
  ['active as a number', (claims) => ({ ...claims, active: 1 })],
  ['nothing said of active', (claims) => claims],
  ['an empty object', () => ({})],
  ['not active', () => ({ active: false })],
  ['exp past', (claims) => ({ ...claims, active: true, exp: Number(claims['iat']) - 1, iat: 1 })],
  ['exp missing', (claims) => ({ ...claims, active: true, exp: undefined })],
  ['another subject', (claims) => ({ ...claims, active: true, sub: 'bob' })],
  ['another token', (claims) => ({ ...claims, active: true, jti: 'another' })],
  ['another issuer', (claims) => ({ ...claims, active: true, iss: 'https://evil.example' })],
  ['another audience', (claims) => ({ ...claims, active: true, aud: 'https://other.app.example' })],
  ['no audience', (claims) => ({ ...claims, active: true, aud: undefined })],
  ['no fingerprint', (claims) => ({ ...claims, active: true, fgp: undefined })],
  ['a fingerprint that is none', (claims) => ({ ...claims, active: true, fgp: '' })],
  ['bound to a key that nobody proves', (claims) => ({ ...claims, active: true, cnf: { jkt: 'x' } })],
]

for (const [what, change] of REFUSED) {
  test(`IN-04 I-10 an answer lets nobody in: ${what}`, async (t) => {
    const service = await openQuestioned(t)
    const { token, cookie, claims } = service.token()
    service.answer = () => change(claims)
    const { status, json } = await service.me(token, cookie)
    t.is(status, 401)
    t.is(json['error'], 'invalid_token')
  })
}

// What is no answer at all is nobody's fault but the issuer's.
const UNUSABLE: readonly (readonly [string, Answer])[] = [
  ['500', (_form, _request, response) => void response.writeHead(500).end()],
  ['401 for the client', (_form, _request, response) => void response.writeHead(401).end()],
  [
    'a redirect',
    (_form, _request, response) => void response.writeHead(302, { Location: 'http://127.0.0.1:9/' }).end(),
  ],
  [
    'HTML',
    (_form, _request, response) =>
      void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>{"active":true}</p>'),
  ],
  [
    'no JSON',
    (_form, _request, response) => void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{'),
  ],
  [
    'a member twice',
    (_form, _request, response) =>
      void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"active":false,"active":true}'),
  ],
  [
    'five megabytes',
    (_form, _request, response) =>
      void response
        .writeHead(200, { 'Content-Type': 'application/json' })
        .end(`{"active":true,"x":"${'x'.repeat(5e6)}"}`),
  ],
  [
    'a connection that ends',
    (_form, request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' })
      response.write('{')
      request.socket.destroy()
    },
  ],
]

for (const [what, answer] of UNUSABLE) {
  test(`IN-07 I-10 no usable answer is a 503: ${what}`, async (t) => {
    const service = await openQuestioned(t)
    service.answer = answer
    const { token, cookie } = service.token()
    const { status, headers } = await service.me(token, cookie)
    t.is(status, 503)
    t.truthy(headers['retry-after'])
    t.deepEqual(codes(service), ['ERR_INTROSPECTION_UNAVAILABLE'])
  })
}

test('IN-07 I-10 an issuer that hangs costs each request one timeout, and fifty with one token one question', async (t) => {
  const service = await openQuestioned(t, { timeout: 5 })
  service.answer = () => new Promise(() => {})
  const { token, cookie } = service.token()
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: 50 }, () => service.me(token, cookie)))
  t.true(answers.every(({ status }) => status === 503))
  t.is(service.asked.length, 1)
  t.true(performance.now() - started < 20_000)
})

test('IN-07 after three failures in a row it is not asked for five seconds, then once', async (t) => {
  const service = await openQuestioned(t)
  service.answer = (_form, _request, response) => void response.writeHead(500).end()
  for (let i = 0; i < 10; i += 1) await assertStatus(t, service, 503, 'down')
  t.is(service.asked.length, 3)
  service.clock.advance(5)
  for (let i = 0; i < 10; i += 1) await assertStatus(t, service, 503, 'still down')
  t.is(service.asked.length, 4)
  service.clock.advance(5)
  service.answer = () => ({ active: false })
  await assertStatus(t, service, 401, 'back')
  await assertStatus(t, service, 401, 'and closed')
  t.is(service.asked.length, 6)
})

test('IN-05 an active token is asked about once in half a minute, and never believed past its exp', async (t) => {
  const service = await openQuestioned(t)
  const { token, cookie } = service.token()
  for (let i = 0; i < 5; i += 1) t.is((await service.me(token, cookie)).status, 200)
  t.is(service.asked.length, 1)
  service.clock.advance(29)
  t.is((await service.me(token, cookie)).status, 200)
  t.is(service.asked.length, 1)
  service.clock.advance(1)
  t.is((await service.me(token, cookie)).status, 200)
  t.is(service.asked.length, 2)

  const brief = service.token({ exp: Math.floor(service.clock() / 1000) + 2 })
  t.is((await service.me(brief.token, brief.cookie)).status, 200)
  service.clock.advance(3)
  t.is((await service.me(brief.token, brief.cookie)).status, 401)
})

test('IN-05 what the issuer revokes is refused at once, although it was active a moment ago', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  const service = await openQuestioned(t, { clock, revocations: store })
  const list = await createRevocationList({
    ...{ issuer: 'https://app.example', store, clock, retention: 3600, clockTolerance: 0 },
    ...{ maxStaleness: 5, outbox: createOutbox(clock) },
  })
  const { token, cookie, claims } = service.token()
  t.is((await service.me(token, cookie)).status, 200)
  await list.add({ jti: String(claims['jti']) })
  t.is((await service.me(token, cookie)).status, 401)
  t.deepEqual(codes(service), ['ERR_TOKEN_REVOKED'])
  t.is(service.asked.length, 1)
})

test('IN-06 a forged token with the jti of a good one does not find its answer', async (t) => {
  const service = await openQuestioned(t)
  const { token, cookie } = service.token()
  t.is((await service.me(token, cookie)).status, 200)
  const forged = token.replace(/[^.]+$/, randomBytes(64).toString('base64url'))
  service.answer = () => ({ active: false })
  t.is((await service.me(forged, cookie)).status, 401)
  t.is(service.asked.length, 2)
  t.is((await service.me(token, cookie)).status, 200)
})

test('IN-06 a flood of bad tokens pushes out no good one', async (t) => {
  const service = await openQuestioned(t, { cache: { max: 10 } })
  const good = Array.from({ length: 5 }, () => service.token())
  for (const { token, cookie } of good) t.is((await service.me(token, cookie)).status, 200)
  const { answer } = service
  service.answer = () => ({ active: false })
  for (let i = 0; i < 100; i += 1) await service.me(randomBytes(40).toString('base64url'))
  const asked = service.asked.length
  service.answer = answer
  for (const { token, cookie } of good) t.is((await service.me(token, cookie)).status, 200)
  t.is(service.asked.length, asked)
})

test('what is not active is asked about once in five seconds', async (t) => {
  const service = await openQuestioned(t)
  const { token, cookie } = service.token()
  service.answer = () => ({ active: false })
  for (let i = 0; i < 5; i += 1) t.is((await service.me(token, cookie)).status, 401)
  t.is(service.asked.length, 1)
  service.clock.advance(5)
  t.is((await service.me(token, cookie)).status, 401)
  t.is(service.asked.length, 2)
})

test('IN-08 an active token with a wrong cookie or none is stolen, kept answer or not', async (t) => {
  const service = await openQuestioned(t)
  const { token, cookie } = service.token()
  const other = service.token()
  t.is((await service.me(token, other.cookie)).status, 401)
  t.is((await service.me(token)).status, 401)
  t.is((await service.me(token, cookie)).status, 200)
  t.is((await service.me(token, other.cookie)).status, 401)
  t.deepEqual(
    service.events.map(({ name }) => name),
    ['sidejack', 'sidejack', 'sidejack'],
  )
})

test("another issuer's token, and what is malformed, is shown to nobody", async (t) => {
  const service = await openQuestioned(t)
  const foreign = service.token({ iss: 'https://other.example' })
  t.is((await service.me(foreign.token, foreign.cookie)).status, 401)
  t.is((await service.me(`${foreign.token.slice(0, 20)}.e30.AA`)).status, 401)
  t.is((await service.me('x'.repeat(9000))).status, 401)
  t.is(service.asked.length, 0)
})

test('a token that only the issuer can read is asked about', async (t) => {
  const service = await openQuestioned(t)
  const { claims, cookie } = service.token()
  service.answer = (form) => ({ ...claims, active: form.get('token') === 'opaque-reference' })
  t.is((await service.me('opaque-reference', cookie)).status, 200)
  t.is((await service.me('another-reference', cookie)).status, 401)
})

test('options that make no sense are refused when it is built', async (t) => {
  const fine = {
    issuer: 'https://app.example',
    audience: SERVICE,
    fingerprint: 'none',
    client: { id: SERVICE, secret: 'a secret of the service, long enough' },
  } as const
  const keys = await createKeySet()
  const publicKey = { ...(await generateKey()), d: undefined }
  const wrong: readonly (readonly [string, object])[] = [
    ['keys', { ...fine, keys }],
    ['issuers', { ...fine, issuers: [] }],
    ['client', { ...fine, client: { id: SERVICE } }],
    ['client', { ...fine, client: { id: SERVICE, secret: 'x', key: keys.active } }],
    ['client.id', { ...fine, client: { id: '', secret: 'x' } }],
    ['client.secret', { ...fine, client: { id: SERVICE, secret: '' } }],
    ['client.key', { ...fine, client: { id: SERVICE, key: JSON.stringify(publicKey) } }],
    ['endpoint', { ...fine, endpoint: 'http://app.example/introspect' }],
    ['cache', { ...fine, cache: { ttl: '1m' } }],
    ['cache.active', { ...fine, cache: { active: '2h' } }],
    ['origin', { ...fine, fingerprint: 'required' }],
  ]
  for (const [name, options] of wrong) {
    const error = await t.throwsAsync(createIntrospector(options as never), { instanceOf: TypeError }, name)
    t.true(error.message.startsWith(`${name}:`), error.message)
  }
  await (await createIntrospector(fine)).close()
})
