// What the kit issues: which claims, for how long, how big, and how the answer carries it. RFC 9068, RFC 6749 section 5.1.

import { inspect } from 'node:util'

import test from 'ava'

import {
  createKeySet,
  createSessionKit,
  generateKey,
  isSessionError,
  memoryStore,
  type SessionKitOptions,
  type Subject,
} from '../../src/index.ts'
import { createOutbox } from '../../src/outbox.ts'
import { createRevocationList } from '../../src/revocation.ts'
import { RESERVED_CLAIMS } from '../../src/token/claims.ts'
import {
  createClock,
  createTestApp,
  ISSUER,
  openTestApp,
  postLogin,
  postRefresh,
  privateJwk,
  refreshHeaders,
  type Response,
  START,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { createSessionUnit } from '../helpers/sessions.ts'

const IAT = Math.floor(START / 1000)

/** An app with a login route of its own, and the codes of what `kit.start` threw there. */
async function createStartApp(
  subject: () => Subject,
  options: TestAppOptions = {},
): Promise<{ app: TestApp; codes: string[]; start: () => Promise<Response> }> {
  const codes: string[] = []
  const app = await createTestApp({
    ...options,
    mount: (_koa, kit, router) => {
      router.post('/start', async (ctx) => {
        try {
          ctx.body = await kit.start(ctx, subject())
        } catch (error) {
          codes.push(isSessionError(error) ? error.code : String(error))
          throw error
        }
      })
    },
  })
  return { app, codes, start: () => app.request('POST', '/start', { 'Content-Type': 'application/json' }) }
}

test('IS-01 the header says at+jwt, the algorithm and the key, and nothing else', async (t) => {
  const app = await openTestApp(t)
  const { token } = await app.login()
  t.deepEqual(headerOf(token), { alg: 'ES256', typ: 'at+jwt', kid: privateJwk.kid })
})

test('IS-02 the payload has every claim that RFC 9068 requires, and the fingerprint, in the right JSON type', async (t) => {
  const app = await openTestApp(t)
  const { token, sid } = await app.login('alice')
  const { jti, fgp, ...rest } = payloadOf(token)
  t.regex(String(jti), /^[\w-]{22}$/)
  t.regex(String(fgp), /^[\w-]{43}$/)
  t.deepEqual(rest, {
    iss: ISSUER,
    sub: 'alice',
    aud: ISSUER,
    client_id: ISSUER,
    exp: IAT + 900,
    iat: IAT,
    iat_ms: START,
    auth_time: IAT,
    sid,
  })
})

test('IS-03 a token lives 15 minutes unless the options say otherwise', async (t) => {
  for (const [lifetime, seconds] of [
    [undefined, 900],
    ['1h', 3600],
    [60, 60],
  ] as const) {
    const app = await openTestApp(t, lifetime === undefined ? {} : { accessToken: { lifetime } })
    const { token, response } = await app.login()
    const { exp, iat } = payloadOf(token)
    t.is(Number(exp) - Number(iat), seconds)
    t.is(response.json['expires_in'], seconds)
  }
})

test('IS-03 more than an hour is refused unless the limit is raised too', async (t) => {
  await t.throwsAsync(createTestApp({ accessToken: { lifetime: '2h' } }), { instanceOf: TypeError })
  const app = await openTestApp(t, { accessToken: { lifetime: '2h', maxLifetime: '2h' } })
  const { token, cookie } = await app.login()
  t.is(payloadOf(token)['exp'], IAT + 7200)
  t.is((await app.me(token, cookie)).status, 200)
})

test('IS-03 no token outlives its session', async (t) => {
  const app = await openTestApp(t, { session: { absolute: '5m' } })
  const { token, response } = await app.login()
  t.is(payloadOf(token)['exp'], IAT + 300)
  t.is(response.json['expires_in'], 300)
  const long = await openTestApp(t, { session: { absolute: '20m' } })
  const login = await long.login()
  long.clock.advance(600)
  const next = toLogin(await postRefresh(long, login))
  t.is(payloadOf(next.token)['exp'], IAT + 1200, 'nor after a refresh')
  t.is(next.response.json['expires_in'], 600)
})

test('IS-02 a refreshed token has the same claims as the first, but for its times, its name and its fingerprint', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login('alice', { body: { scope: 'read write', claims: { theme: 'dark' } } })
  app.clock.advance(60)
  const next = toLogin(await postRefresh(app, login))
  t.deepEqual(headerOf(next.token), headerOf(login.token))
  const { jti, fgp, ...before } = payloadOf(login.token)
  const { jti: nextJti, fgp: nextFgp, ...after } = payloadOf(next.token)
  t.deepEqual(after, { ...before, exp: IAT + 960, iat: IAT + 60, iat_ms: START + 60_000 })
  t.false(nextJti === jti || nextFgp === fgp)
  t.deepEqual(
    { ...next.response.json, access_token: '' },
    { access_token: '', token_type: 'Bearer', expires_in: 900, sid: login.sid, scope: 'read write' },
  )
})

const BAD_DURATIONS = [
  ...['15', '60000', '', 'abc', ' 15m', '15m ', '15 m m', '-5m', '1e3s', '0x10s', '15min; 1h', '999999999999 years'],
  ...['1500ms', '0s', -1, 0, 1.5, NaN, Infinity, -Infinity, 1e308, 2 ** 53],
  ...[null, true, {}, [900], 15n],
]

const DURATION_OPTIONS: readonly [string, (value: never) => Partial<SessionKitOptions>][] = [
  ['accessToken.lifetime', (lifetime) => ({ accessToken: { lifetime } })],
  ['accessToken.maxLifetime', (maxLifetime) => ({ accessToken: { maxLifetime } })],
  ['session.absolute', (absolute) => ({ session: { absolute } })],
  ['session.idle', (idle) => ({ session: { idle } })],
  ['session.remembered.absolute', (absolute) => ({ session: { remembered: { absolute } } })],
  ['session.remembered.idle', (idle) => ({ session: { remembered: { idle } } })],
  ['refreshToken.grace', (grace) => ({ refreshToken: { grace } })],
  ['clockTolerance', (clockTolerance) => ({ clockTolerance })],
]

for (const [name, option] of DURATION_OPTIONS) {
  test(`IS-04 ${name} takes whole seconds or a number with a unit, and nothing else`, async (t) => {
    const keys = await createKeySet({ keys: [privateJwk] })
    for (const value of BAD_DURATIONS) {
      // No tolerance is a tolerance, and no grace a grace.
      if (/Tolerance|grace/.test(name) && (value === 0 || value === '0s')) continue
      const options = { issuer: ISSUER, keys, store: memoryStore(), ...option(value as never) }
      const error = await t.throwsAsync(createSessionKit(options), { instanceOf: TypeError }, inspect(value))
      t.true(error?.message.startsWith(`${name}: `), inspect(value))
    }
  })
}

test('IS-04 a demanded maxTokenAge is checked the same way', async (t) => {
  const kit = await createSessionKit({
    issuer: ISSUER,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore(),
  })
  for (const maxTokenAge of ['15', '', 'abc', -1, NaN, Infinity, 1e308]) {
    t.throws(() => kit.protect({ maxTokenAge }), { instanceOf: TypeError }, String(maxTokenAge))
  }
})

// Scaled down from 10^5: what a broken generator repeats, it repeats among these, and the bits are counted besides.
test('IS-05 FP-01 a jti has 128 random bits, and no jti, session, fingerprint or refresh token comes twice', async (t) => {
  // An HMAC, since signing is what takes time here.
  const keys = await createKeySet({ keys: [await generateKey('HS256')] })
  const { sessions } = await createSessionUnit({ store: memoryStore(), clock: createClock(Date.now()), keys })
  const [count, batch] = [20_000, 1000]
  const drawn = new Set<string>()
  const lengths = new Set<number>()
  const ones = Array.from({ length: 128 }, () => 0)
  for (let i = 0; i < count; i += batch) {
    const started = await Promise.all(
      Array.from({ length: batch }, () => sessions.start({ sub: 'alice' }, { replaces: [] })),
    )
    for (const { access, sid, fingerprints, refreshToken } of started) {
      const { jti } = access.claims
      for (const one of [jti, sid, ...fingerprints, refreshToken]) drawn.add(one)
      lengths.add(Buffer.from(jti, 'base64url').length)
      countBits(Buffer.from(jti, 'base64url'), ones)
    }
  }
  t.is(drawn.size, 4 * count)
  t.deepEqual([...lengths], [16])
  // Every bit is drawn: a fair coin is 8 standard deviations from these limits.
  t.true(Math.min(...ones) > count * 0.47 && Math.max(...ones) < count * 0.53)
})

function countBits(bytes: Buffer, ones: number[]): void {
  for (let bit = 0; bit < 128; bit += 1) ones[bit] = (ones[bit] ?? 0) + (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1)
}

test('IS-05 the same jti of another issuer is another token', async (t) => {
  const [store, clock] = [memoryStore(), createClock()]
  const rules = { store, clock, retention: 3600, clockTolerance: 0, maxStaleness: 5, outbox: createOutbox(clock) }
  const ours = await createRevocationList({ ...rules, issuer: ISSUER })
  const theirs = await createRevocationList({ ...rules, issuer: 'https://other.example' })
  await ours.add({ jti: 'one' })
  const token = { jti: 'one', sid: 's', sub: 'alice', kid: 'k', iat: IAT, exp: IAT + 900 }
  t.true(ours.has({ ...token, iss: ISSUER }))
  t.false(theirs.has({ ...token, iss: 'https://other.example' }))
})

// The row's "aud=unknown → 400" has nothing to answer it yet: no route takes a requested audience.
test('IS-06 aud is what the options say; whatever a client asks for is ignored', async (t) => {
  const audience = ['https://app.example', 'https://api.example']
  const [one, two] = [await createTestApp(), await createTestApp({ audience })]
  t.teardown(one.close)
  t.teardown(two.close)
  const asked = { aud: 'https://admin.example', audience: 'https://admin.example', resource: 'https://admin.example' }
  for (const [app, expected] of [
    [one, ISSUER],
    [two, audience],
  ] as const) {
    const login = await app.login('alice', { body: asked })
    t.deepEqual(payloadOf(login.token)['aud'], expected)
    const headers = { 'Content-Type': 'application/json', Cookie: refreshHeaders(login).Cookie }
    const next = toLogin(await app.request('POST', '/auth/refresh', headers, JSON.stringify(asked)))
    t.deepEqual(payloadOf(next.token)['aud'], expected, 'nor at a refresh')
  }
})

test('IS-06 an empty or absurd audience is refused', async (t) => {
  for (const audience of [[], '', [''], [ISSUER, ''], 'a'.repeat(256), [['a']], {}]) {
    const promise = createTestApp({ audience: audience as string })
    await t.throwsAsync(promise, { instanceOf: TypeError }, JSON.stringify(audience).slice(0, 40))
  }
})

// Encrypted tokens, for confidential claims, are not here: the kit has no JWE mode now.
test('IS-10 of what authenticate answers only sub, claims, scope, acr and amr get into the token', async (t) => {
  const app = await openTestApp(t)
  const body = {
    ...{ email: 'alice@example.org', name: 'Alice Liddell', roles: ['admin'], phone: '+44 1865 276492', id: 7 },
    ...{ claims: { theme: 'dark' }, scope: 'read write', acr: 'loa2', amr: ['pwd', 'otp'] },
  }
  const { token } = await app.login('7f3a', { body })
  const expected = ['iss', 'sub', 'aud', 'client_id', 'exp', 'iat', 'iat_ms', 'auth_time', 'jti', 'sid', 'fgp']
  const names = Object.keys(payloadOf(token)).sort()
  t.deepEqual(names, [...expected, 'theme', 'scope', 'acr', 'amr'].sort())
  for (const secret of ['alice@example.org', 'Liddell', 'admin', '276492', 'correct']) {
    t.false(JSON.stringify(payloadOf(token)).includes(secret), secret)
  }
})

test('IS-11 custom claims cannot replace or add what the kit, or a standard, gives a meaning', async (t) => {
  let claims: Record<string, unknown> = {}
  const { app, codes, start } = await createStartApp(() => ({ sub: 'alice', claims }))
  t.teardown(app.close)
  const demanded = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'cnf', 'typ', 'sid', 'fgp', 'userFingerprint']
  for (const name of new Set([...demanded, ...RESERVED_CLAIMS])) {
    codes.length = 0
    claims = JSON.parse(`{${JSON.stringify(name)}: "x"}`) as Record<string, unknown>
    const response = await start()
    t.is(response.status, 500, name)
    t.deepEqual(response.cookies, [], name)
    t.deepEqual(codes, ['ERR_CLAIMS_INVALID'], name)
  }
  claims = { exp: 9e9, iss: 'x' }
  t.is((await start()).status, 500)
  claims = { department: 'x' }
  t.is((await start()).status, 200)
})

test('IS-11 a toJSON among the custom claims cannot rewrite the token', async (t) => {
  // JSON.stringify would call it on the whole payload.
  const claims = {
    toJSON(this: object) {
      return { ...this, sub: 'admin' }
    },
  }
  const { app, codes, start } = await createStartApp(() => ({ sub: 'alice', claims }))
  t.teardown(app.close)
  const response = await start()
  t.is(response.status, 500)
  t.deepEqual(codes, ['ERR_CLAIMS_INVALID'])
})

test('IS-11 through the login route it is a server error that says nothing, and no session is left', async (t) => {
  const app = await openTestApp(t)
  const body = JSON.stringify({ sub: 'alice', password: 'correct', claims: { exp: 9e9 } })
  const response = await postLogin(app, body)
  t.is(response.status, 500)
  t.is(response.json['error'], 'server_error')
  t.deepEqual(response.cookies, [])
  t.false(response.text.includes('exp'))
  for await (const record of app.store.list('session')) t.fail(record.key)
})

test('IS-12 auth_time, acr and amr say when and how the user authenticated, also after a refresh', async (t) => {
  const app = await openTestApp(t)
  app.clock.advance(77)
  const login = await app.login('alice', { body: { acr: 'loa2', amr: ['pwd', 'otp'] } })
  app.clock.advance(600)
  for (const { token } of [login, toLogin(await postRefresh(app, login))]) {
    const { auth_time: authTime, acr, amr } = payloadOf(token)
    t.deepEqual({ authTime, acr, amr }, { authTime: IAT + 77, acr: 'loa2', amr: ['pwd', 'otp'] })
  }
  const plain = payloadOf((await app.login()).token)
  t.false('acr' in plain || 'amr' in plain)
})

test('IS-13 login answers are not stored by any cache, whatever their status', async (t) => {
  let wait: number | undefined
  let isDown = false
  const store = memoryStore()
  const app = await openTestApp(t, {
    limiter: () => wait,
    store: {
      ...store,
      async add(kind, record) {
        if (isDown) throw new Error('down')
        return store.add(kind, record)
      },
    },
  })
  const good = JSON.stringify({ sub: 'alice', password: 'correct' })
  const assertUncached = (response: Response, status: number): void => {
    t.is(response.status, status)
    t.is(response.headers['cache-control'], 'no-store', String(status))
    t.is(response.headers['pragma'], 'no-cache', String(status))
  }
  assertUncached(await postLogin(app, good), 200)
  assertUncached(await postLogin(app, '{'), 400)
  assertUncached(await postLogin(app, JSON.stringify({ sub: 'alice', password: 'wrong' })), 401)
  assertUncached(await postLogin(app, good, { Origin: 'https://evil.example' }), 403)
  assertUncached(await app.request('GET', '/auth/login'), 405)
  assertUncached(await postLogin(app, JSON.stringify({ pad: 'x'.repeat(17_000) })), 413)
  assertUncached(await postLogin(app, good, { 'Content-Type': 'text/plain', Origin: ISSUER }), 415)
  wait = 9
  assertUncached(await postLogin(app, good), 429)
  wait = undefined
  isDown = true
  assertUncached(await postLogin(app, good), 503)
  assertUncached(await app.request('POST', '/auth/logout', { Origin: ISSUER }), 204)
})

test('IS-14 the token is in the body and nowhere else, and no answer redirects', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const { response, token } = login
  t.is(response.status, 200)
  t.false('location' in response.headers)
  t.false(JSON.stringify(response.headers).includes(token.split('.')[2] ?? ''))
  const next = await postRefresh(app, login)
  t.is(next.status, 200)
  t.false('location' in next.headers)
  t.false(JSON.stringify(next.headers).includes(toLogin(next).token.split('.')[2] ?? ''))
  const query = '?sub=alice&password=correct'
  t.is((await app.request('GET', `/auth/login${query}`)).status, 405)
  t.is((await app.request('POST', `/auth/login${query}`, { 'Content-Type': 'application/json' }, '{}')).status, 401)
})

test('IS-14 a form login of the application can answer 303 with the cookie, and no token in the Location', async (t) => {
  let token = ''
  const app = await openTestApp(t, {
    mount: (_koa, kit, router) => {
      router.post('/form', async (ctx) => {
        token = (await kit.start(ctx, { sub: 'alice' })).access_token ?? ''
        ctx.status = 303
        ctx.redirect('/')
      })
    },
  })
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: ISSUER }
  const response = await app.request('POST', '/form', headers, 'user=alice')
  t.is(response.status, 303)
  t.is(response.headers['location'], '/')
  t.is(response.headers['cache-control'], 'no-store')
  t.is((await app.me(token, response.cookies[0]?.split(';')[0])).status, 200)
  t.false(JSON.stringify([response.headers, response.text]).includes(token.split('.')[2] ?? ''))
})

test('IS-18 a token longer than the limit is not issued, and leaves no cookie and no session', async (t) => {
  let size = 1
  const { app, codes, start } = await createStartApp(() => ({ sub: 'alice', claims: { pad: 'x'.repeat(size) } }))
  t.teardown(app.close)
  const empty = String((await start()).json['access_token'])
  // Three bytes make four characters, so this is the first size past 4096, or a byte or two beyond it.
  const last = 1 + Math.floor(((4096 - empty.length) * 3) / 4)
  size = last - 3
  const fits = await start()
  t.is(fits.status, 200)
  t.true(String(fits.json['access_token']).length > 4080)
  size = last + 3
  const [before, response] = [await countSessions(app), await start()]
  t.is(response.status, 500)
  t.deepEqual(response.cookies, [])
  t.deepEqual(codes, ['ERR_TOKEN_OVERSIZE'])
  t.is(await countSessions(app), before)
})

async function countSessions(app: TestApp): Promise<number> {
  let count = 0
  for await (const record of app.store.list('session')) count += record.key === '' ? 0 : 1
  return count
}

test('IS-18 the limit itself is limited, so that token and cookie fit the 16 KiB of headers that Node reads', async (t) => {
  for (const maxBytes of [8193, 511, 0, -1, 1.5, NaN, Infinity, '4096']) {
    const promise = createTestApp({ accessToken: { maxBytes: maxBytes as number } })
    await t.throwsAsync(promise, { instanceOf: TypeError }, String(maxBytes))
  }
})
