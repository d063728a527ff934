// What can go wrong between a login and a logout: races with a revocation, leftovers in the same request, odd bodies.

import { EventEmitter, once } from 'node:events'
import { gzipSync } from 'node:zlib'

import test from 'ava'

import { createKeySet, generateKey } from '../../src/index.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import { bearer, codesOf, createClock, createTestApp, ISSUER, postRefresh, privateJwk } from '../helpers/app.ts'
import { fail } from '../helpers/faulty.ts'
import { sign, validClaims, validHeader } from '../helpers/forge.ts'
import { sendRaw } from '../helpers/raw.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }

test('RV-09 a login whose password was checked before everything of the subject was revoked is refused', async (t) => {
  const progress = new EventEmitter()
  const [checked, revoked] = [once(progress, 'checked'), once(progress, 'revoked')]
  const app = await createTestApp({
    async authenticate(ctx) {
      progress.emit('checked')
      await revoked
      return { sub: String(ctx.request.body['sub']) }
    },
  })
  t.teardown(app.close)
  const [victim, other] = ['alice', 'bob'].map((sub) =>
    app.request('POST', '/auth/login', JSON_TYPE, JSON.stringify({ sub })),
  )
  await checked
  await app.kit.revoke({ sub: 'alice' })
  progress.emit('revoked')
  t.is((await victim)?.status, 401)
  t.is((await other)?.status, 200)
  t.deepEqual(codesOf(app.seen), ['ERR_LOGIN_FAILED'])
  t.is((await app.login('alice')).response.status, 200, 'the next login works')
})

test('CK-10 RV-03 the cookies live as long as the token is believed, so its owner never looks like a thief', async (t) => {
  // The longest token: as long as the session may be idle.
  const app = await createTestApp({ clockTolerance: '5m', accessToken: { lifetime: '30m' } })
  t.teardown(app.close)
  const { response, token } = await app.login()
  t.is(response.json['expires_in'], 1800)
  t.is(response.cookies.length, 2)
  for (const line of response.cookies) t.regex(line, /; Max-Age=2100;/)
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  app.clock.advance(2099)
  t.is((await app.me(token, jar.header(`${ISSUER}/me`))).status, 200)
  app.clock.advance(1)
  t.deepEqual(jar.all(), [])
  app.seen.length = 0
  t.is((await app.me(token)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_EXPIRED'])
})

test('RV-22 after kit.end nothing later in the same request passes protect()', async (t) => {
  const app = await createTestApp({
    mount(_koa, kit, router) {
      router.post(
        '/leave',
        kit.protect(),
        async (ctx, next) => {
          await kit.end(ctx)
          await next()
        },
        kit.protect(),
        (ctx) => {
          ctx.body = 'still in'
        },
      )
    },
  })
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  const response = await app.request('POST', '/leave', bearer({ token, cookie }))
  t.is(response.status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_REVOKED'])
})

test('a pair in a Cookie header that no browser sends is refused at logout, not left alive behind a 204', async (t) => {
  const app = await createTestApp()
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  const pair = { Authorization: `Bearer ${token}`, Cookie: `${cookie};;` }
  t.is((await app.request('POST', '/auth/logout', pair)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_COOKIE_MALFORMED'])
})

test('CS-05 a compressed body is refused', async (t) => {
  const app = await createTestApp()
  t.teardown(app.close)
  const body = gzipSync(JSON.stringify({ sub: 'alice', password: 'correct' }))
  const response = await app.request('POST', '/auth/login', { ...JSON_TYPE, 'Content-Encoding': 'gzip' }, body)
  t.is(response.status, 415)
})

test('EL-05 a request line that no URL parser takes is refused like any other, and raises the alarm', async (t) => {
  const app = await createTestApp()
  t.teardown(app.close)
  const { token } = await app.login()
  app.seen.length = 0
  // Not half-closed after it: node gives such a connection up, answered or not.
  const { status } = await sendRaw(
    app.port,
    `GET http://[::bad/me HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-Proto: https\r\n` +
      `Authorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
  )
  t.is(status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_FINGERPRINT_MISSING'])
})

test('EL-11 a refusal after the handler keeps nothing that the handler said of its own body', async (t) => {
  const app = await createTestApp({
    mount(_koa, kit, router) {
      router.get('/file', kit.protect(), (ctx) => {
        Object.assign((ctx as unknown as { session: object }).session, { seen: 1 })
        ctx.set({ ETag: '"x"', 'Content-Disposition': 'attachment', 'X-Request-Id': '7' })
        ctx.body = 'file'
        app.store.swap = () => Promise.reject(new Error('away'))
      })
    },
  })
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  const response = await app.request('GET', '/file', bearer({ token, cookie }))
  t.is(response.status, 503)
  t.is(response.headers['etag'], undefined)
  t.is(response.headers['content-disposition'], undefined)
  t.is(response.headers['x-request-id'], '7')
})

test('CK-13 a cookie path that does not cover the routes is refused, since logging out would not find the cookie', async (t) => {
  for (const path of ['/api', '/aut', '/auth/login']) {
    await t.throwsAsync(
      createTestApp({ cookie: { path } }),
      { instanceOf: TypeError, message: /^cookie\.path: / },
      path,
    )
  }
  for (const path of ['/', '/auth', '/auth/']) {
    const app = await createTestApp({ cookie: { path } })
    t.teardown(app.close)
    const login = await app.login()
    const jar = createCookieJar({ clock: app.clock })
    jar.receive(`${ISSUER}/auth/login`, login.response.cookies)
    jar.receive(`${ISSUER}/auth/logout`, (await app.request('POST', '/auth/logout', bearer(login))).cookies)
    t.deepEqual(jar.all(), [], path)
  }
})

test('VF-25 a fault while logout looks for a theft is an outage, not a logout', async (t) => {
  const clock = createClock()
  let isBroken = false
  const app = await createTestApp({
    testClock: Object.assign(() => (isBroken ? Number(fail()) : clock()), { advance: clock.advance, set: clock.set }),
  })
  t.teardown(app.close)
  const { token } = await app.login()
  isBroken = true
  const response = await app.request('POST', '/auth/logout', { Authorization: `Bearer ${token}` })
  t.is(response.status, 503)
  t.deepEqual(response.cookies, [])
})

test('CS-01 a login that another site sends the browser back to, as with OAuth, may start a session by GET', async (t) => {
  const app = await createTestApp({
    mount(_koa, kit, router) {
      router.all('/callback', async (ctx) => {
        ctx.body = await kit.start(ctx, { sub: 'alice' })
      })
    },
  })
  t.teardown(app.close)
  const arriving = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }
  t.is((await app.request('GET', '/callback', arriving)).status, 200)
  t.is((await app.request('POST', '/callback', arriving)).status, 403)
})

test('RV-09 a leaked key that is revoked ends nobody else either, by logging out with a forged pair', async (t) => {
  const leaked = await generateKey()
  const app = await createTestApp({ keys: await createKeySet({ keys: [privateJwk, leaked] }) })
  t.teardown(app.close)
  const victim = await app.login()
  const { claims, cookie } = validClaims(app, { sid: victim.sid })
  const forged = bearer({ token: sign(validHeader({ kid: leaked.kid }), claims, leaked), cookie })
  await app.kit.revoke({ kid: String(leaked.kid) })
  t.is((await app.request('POST', '/auth/logout', forged)).status, 204)
  t.is((await app.me(victim.token, victim.cookie)).status, 200)
  t.is((await postRefresh(app, victim)).status, 200)
})
