// The test client: a browser for the tests of an app, signed in with a password or without.

import { spawnSync } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'

import test from 'ava'
import Koa from 'koa'

import { createTestClient, type TestClient } from '../../src/testing/client.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import { payloadOf } from '../../src/testing/tokens.ts'
import { codesOf, ISSUER, openTestApp, type TestAppOptions } from '../helpers/app.ts'

const LOCAL = 'http://localhost:3000'

/** Every way to hand a session to its client. */
const VARIANTS: readonly (readonly [string, TestAppOptions])[] = [
  ['defaults', {}],
  ['__Host-', { cookie: { prefix: '__Host-' } }],
  ['__Host-Http-', { cookie: { prefix: '__Host-Http-' } }],
  ['a domain', { cookie: { domain: 'app.example' } }],
  ['OWASP format', { fingerprint: { format: 'owasp' } }],
  ['another prefix', { prefix: '/api/auth' }],
  ['refresh token in the body', { refreshToken: { transport: 'body' } }],
  ['access token in a cookie', { accessToken: { transport: 'cookie' } }],
  ['localhost', { issuer: LOCAL }],
  ['development', { issuer: LOCAL, cookie: { development: true } }],
  ['tlsProxy', { proxy: false, cookie: { tlsProxy: true } }],
]

for (const [label, options] of VARIANTS) {
  test(`logs in, calls, refreshes and logs out as a browser does: ${label}`, async (t) => {
    const app = await openTestApp(t, options)
    const { issuer: origin = ISSUER, prefix = '/auth' } = options
    const client = createTestClient(app.koa, { origin, prefix, clock: app.clock })
    t.teardown(client.close)
    t.is((await client.login({ sub: 'alice', password: 'wrong' })).status, 401)
    t.is((await client.fetch('/me')).status, 401)

    t.is((await client.login({ sub: 'alice', password: 'correct' })).status, 200)
    t.is((await client.fetch('/me')).status, 200)
    const first = client.token
    app.clock.advance('16m')
    t.is((await client.fetch('/me')).status, 401)
    t.is((await client.refresh()).status, 200)
    t.true(client.token === undefined || client.token !== first)
    t.is((await client.fetch('/me')).status, 200)

    t.is((await client.logout()).status, 204)
    t.is(client.token, undefined)
    t.is(client.refreshToken, undefined)
    t.deepEqual(client.jar.all(), [])
    t.is((await client.fetch('/me')).status, 401)
    t.is((await client.refresh()).status, 401)
  })

  test(`signs in without asking for a password, and the session is like any other: ${label}`, async (t) => {
    const app = await openTestApp(t, { ...options, authenticate: () => t.fail('asked') })
    const { issuer: origin = ISSUER, prefix = '/auth' } = options
    const mounted = app.koa.middleware.length
    const client = createTestClient(app.koa, { origin, prefix, clock: app.clock })
    t.teardown(client.close)
    t.is(await client.asUser(app.kit, { sub: 'bob', scope: 'read', claims: { roles: ['editor'] } }), client)
    t.is(app.koa.middleware.length, mounted)

    const response = await client.fetch('/me?full=1')
    t.is(response.status, 200)
    const { sub, sid, claims } = (await response.json()) as { sub: string; sid: string; claims: object }
    t.is(sub, 'bob')
    t.like(claims, { scope: 'read', roles: ['editor'] })
    t.deepEqual(
      (await app.kit.sessions('bob')).map((one) => one.sid),
      [sid],
    )
    t.is((await client.refresh()).status, 200)
    t.is((await client.fetch('/me')).status, 200)
    t.is((await client.logout()).status, 204)
    t.deepEqual(await app.kit.sessions('bob'), [])
  })
}

test('serves what was mounted until the first request', async (t) => {
  const koa = new Koa()
  const client = createTestClient(koa)
  t.teardown(client.close)
  koa.use((ctx) => {
    ctx.body = 'late'
  })
  t.is(await (await client.fetch('/')).text(), 'late')
})

test('needs no options for a kit on localhost, whatever its port', async (t) => {
  const app = await openTestApp(t, { issuer: LOCAL })
  const client = await createTestClient(app.koa).asUser(app.kit, { sub: 'alice' })
  t.teardown(client.close)
  t.is((await client.fetch('/me')).status, 200)
  t.is((await client.refresh()).status, 200)
})

test('says so when the cookies of the kit are for another origin or prefix, rather than be taken for a thief', async (t) => {
  for (const [options, given] of [
    [{ cookie: { domain: 'app.example' } }, {}],
    [{}, { origin: ISSUER, prefix: '/api/auth' }],
  ] as const) {
    const app = await openTestApp(t, options)
    const client = createTestClient(app.koa, given)
    await t.throwsAsync(client.asUser(app.kit, { sub: 'alice' }), { message: /^origin: / })
  }
})

test('each fork is a browser of its own, or another tab, on one server', async (t) => {
  const app = await openTestApp(t)
  const alice = createTestClient(app.koa, { origin: ISSUER, clock: app.clock })
  t.teardown(alice.close)
  await alice.asUser(app.kit, { sub: 'alice' })
  const bob = await alice.fork().asUser(app.kit, { sub: 'bob' })
  const tab = alice.fork({ jar: alice.jar, token: alice.token })
  const subjects = await Promise.all(
    [alice, bob, tab].map(async (one) => ((await (await one.fetch('/me')).json()) as { sub: string }).sub),
  )
  t.deepEqual(subjects, ['alice', 'bob', 'alice'])
  t.is((await tab.refresh()).status, 200)
  t.is((await alice.refresh()).status, 200, 'with the cookies that the other tab was given')
  t.is((await alice.fork().fetch('/me')).status, 401)
})

test('talks to a server that runs already, by its URL', async (t) => {
  const app = await openTestApp(t)
  for (const url of [`http://127.0.0.1:${app.port}`, new URL(`http://127.0.0.1:${app.port}/ignored`)]) {
    const client = await createTestClient(url, { origin: ISSUER, clock: app.clock }).asUser(app.kit, { sub: 'alice' })
    t.is((await client.fetch('/me')).status, 200)
    await client.close()
    t.is((await client.fetch('/me')).status, 200, 'it is not its server to close')
  }
  const local = createTestClient(`http://localhost:${app.port}/`)
  t.is(local.origin, `http://localhost:${app.port}`)
})

test('keeps the tokens of routes of your own that it is told to take', async (t) => {
  const app = await openTestApp(t, {
    mount(_koa, kit, router) {
      router.post('/auth/step-up', kit.protect(), async (ctx) => {
        ctx.body = await kit.renew(ctx, { acr: 'high' })
      })
    },
  })
  const client = createTestClient(app.koa, { origin: ISSUER, clock: app.clock })
  t.teardown(client.close)
  await client.asUser(app.kit, { sub: 'alice' })
  const response = await client.take(await client.fetch('/auth/step-up', { method: 'POST' }))
  t.is(payloadOf(client.token ?? '')['acr'], 'high')
  t.is((await client.fetch('/me')).status, 200)
  t.is(client.token, ((await response.json()) as { access_token: string }).access_token, 'the body is still there')
})

/** What the app is told. */
async function ask(client: TestClient, init: RequestInit = {}): Promise<object> {
  return (await (await client.fetch('/', init)).json()) as object
}

test('says what a browser and a proxy say, unless it is told otherwise', async (t) => {
  const koa = new Koa()
  koa.use((ctx) => {
    ctx.body = ctx.headers
  })
  const client = createTestClient(koa, { origin: ISSUER })
  t.teardown(client.close)
  t.like(await ask(client), { host: 'app.example', 'x-forwarded-proto': 'https', 'sec-fetch-site': 'same-origin' })
  const headers = {
    'Sec-Fetch-Site': 'none',
    'Sec-Fetch-Mode': 'navigate',
    Host: 'other.example',
    Authorization: 'Basic x',
    Cookie: 'a=b',
  }
  t.false('content-length' in (await ask(client)))
  t.like(await ask(client, { method: 'POST', body: new URLSearchParams({ a: 'b' }) }), {
    'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
    'content-length': '3',
  })
  t.like(await ask(client, { headers }), {
    host: 'other.example',
    'sec-fetch-site': 'none',
    'sec-fetch-mode': 'navigate',
    authorization: 'Basic x',
    cookie: 'a=b',
  })
  const local = createTestClient(koa)
  t.teardown(local.close)
  t.false('x-forwarded-proto' in (await ask(local)))
})

test('another site has the app refused, without the Strict cookies', async (t) => {
  const app = await openTestApp(t)
  const client = createTestClient(app.koa, { origin: ISSUER, clock: app.clock })
  t.teardown(client.close)
  await client.asUser(app.kit, { sub: 'alice' })
  const headers = { 'Sec-Fetch-Site': 'cross-site' }
  t.is((await client.fetch('/auth/refresh', { method: 'POST', headers })).status, 403)
  t.is((await client.fetch('/me', { headers })).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_CROSS_SITE', 'ERR_FINGERPRINT_MISSING'])
  t.is((await client.fetch('/me')).status, 200)
})

test('a path that looks like another host stays on its own', async (t) => {
  const koa = new Koa()
  koa.use((ctx) => {
    ctx.body = `${ctx.host} ${ctx.url}`
  })
  const client = createTestClient(koa)
  t.teardown(client.close)
  t.is(await (await client.fetch('/.//evil.example/me?a=b')).text(), 'localhost //evil.example/me?a=b')
})

test('an answer that is under way can be read, and ended, as it comes', async (t) => {
  const koa = new Koa()
  koa.silent = true
  const stream = new PassThrough()
  koa.use((ctx) => {
    ctx.type = 'text/event-stream'
    ctx.body = stream
  })
  const client = createTestClient(koa)
  t.teardown(client.close)
  const end = new AbortController()
  stream.write('data: 1')
  const { body } = await client.fetch('/', { signal: end.signal })
  const reader = body?.getReader()
  t.is(Buffer.from((await reader?.read())?.value ?? []).toString(), 'data: 1')
  end.abort()
  await t.throwsAsync(Promise.resolve(reader?.read()))
  await t.throwsAsync(client.fetch('/', { signal: end.signal }), { name: 'AbortError' })
})

test('answers a redirect rather than follow it, and keeps its cookies', async (t) => {
  const koa = new Koa()
  koa.use((ctx) => {
    ctx.set('Set-Cookie', 'seen=1; Path=/')
    ctx.redirect('/elsewhere')
  })
  const client = createTestClient(koa)
  t.teardown(client.close)
  const response = await client.fetch('/here')
  t.is(response.status, 302)
  t.is(response.headers.get('Location'), '/elsewhere')
  t.is(client.jar.header('http://localhost/'), 'seen=1')
})

test('refuses what it could only misunderstand', async (t) => {
  const koa = new Koa()
  for (const origin of ['app.example', 'https://app.example/', 'http://app.example', 'ftp://app.example', '']) {
    t.throws(() => createTestClient(koa, { origin }), { instanceOf: TypeError, message: /^origin: / })
  }
  t.throws(() => createTestClient(koa, { orign: ISSUER } as object), { instanceOf: TypeError })
  t.throws(() => createTestClient('no URL'), { instanceOf: TypeError })
  const client = createTestClient(koa, { origin: ISSUER, jar: createCookieJar() })
  for (const path of ['https://evil.example/', '//evil.example/me', 'http://app.example/me']) {
    await t.throwsAsync(client.fetch(path), { instanceOf: TypeError, message: /^path: / })
  }
})

test('what it holds is not in what it prints', async (t) => {
  const app = await openTestApp(t)
  const client = await createTestClient(app.koa, { origin: ISSUER }).asUser(app.kit, { sub: 'alice' })
  const printed = inspect(client, { depth: null, showHidden: true })
  for (const secret of [client.token ?? '', ...client.jar.all().map(({ value }) => value)]) {
    t.true(secret.length > 40)
    t.false(printed.includes(secret))
  }
})

test('a client and an issuer that nobody closes do not keep the process alive', (t) => {
  const script = `
    import Koa from 'koa'
    import { createTestClient, createTestIssuer } from './src/testing.ts'
    const koa = new Koa()
    koa.use((ctx) => { ctx.body = ctx.search ? 'x'.repeat(10_000_000) : 'hello' })
    const issuer = await createTestIssuer()
    const client = createTestClient(koa)
    console.log((await client.fetch('/')).status, (await client.fetch('/?large')).status) // and nobody reads them
    console.log(await (await client.fetch('/')).text(), (await fetch(issuer.jwksUri)).status)`
  const { stdout, status } = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  t.is(stdout, '200 200\nhello 200\n')
  t.is(status, 0)
})
