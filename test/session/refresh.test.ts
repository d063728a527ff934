// Refresh over HTTP: what it gives, when it stops, and that nothing which goes wrong on the way costs the session.

import { once } from 'node:events'
import { connect } from 'node:net'
import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'

import { memoryStore, type SessionKitOptions, type Store, type StoreKind } from '../../src/index.ts'
import { deriveRefreshToken, hashSecret } from '../../src/session/refresh-token.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import {
  bearer,
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  postLogout,
  postRefresh,
  refreshHeaders,
  type TestApp,
  toLogin,
} from '../helpers/app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { FAULT, openFaultyApp, type Verb } from '../helpers/faulty.ts'
import {
  alterStore,
  assertGoesOn,
  assertOver,
  createGate,
  dump,
  partsOf,
  readSession,
  refresh,
  REFRESH_NAME,
  refuseRefresh,
  withToken,
} from '../helpers/refreshing.ts'
import { assertAnonymous, assertRefused, INVALID_TOKEN_BODY } from '../helpers/refused.ts'

type Hook = NonNullable<SessionKitOptions['reauthorize']>

const JSON_TYPE = { 'Content-Type': 'application/json' }

/** Refreshes and asks for these scopes, or whatever is in the body. */
const ask = (app: TestApp, login: Login, body: object) =>
  app.request('POST', '/auth/refresh', { ...refreshHeaders(login), ...JSON_TYPE }, JSON.stringify(body))

const maxAgeOf = (line: string | undefined): number => Number(/; Max-Age=(\d+)/.exec(line ?? '')?.[1])
const withoutMaxAge = ({ response }: Login): string[] => response.cookies.map((line) => line.replace(/Max-Age=\d+/, ''))

// A watch that tells nothing by itself.
const DEAF = { age: () => 0, stop() {} } as const

test('RF-01 every refresh replaces the refresh token, the fingerprint and the access token of the one session', async (t) => {
  const app = await openTestApp(t)
  const logins = [await app.login()]
  for (let i = 0; i < 5; i += 1) {
    app.clock.advance(60)
    logins.push(await refresh(t, app, logins.at(-1) as Login))
  }
  const [first, , , , previous, last] = logins as [Login, Login, Login, Login, Login, Login]
  for (const part of ['token', 'refreshToken', 'fingerprint'] as const) {
    t.is(new Set(logins.map((login) => login[part])).size, 6, part)
  }
  t.is(new Set(logins.map(({ sid }) => sid)).size, 1)
  t.deepEqual(
    logins.map((login) => partsOf(login).generation),
    [0, 1, 2, 3, 4, 5],
  )
  t.is(new Set(logins.map((login) => partsOf(login).family)).size, 1)
  t.deepEqual(last.response.json, { ...first.response.json, access_token: last.token })
  t.is((await app.me(last.token, last.cookie)).json['sid'], first.sid)
  app.clock.advance(11)
  await refuseRefresh(t, app, previous, 'ERR_REFRESH_REUSED_RECENT')
})

test('RF-03 within ten seconds the previous pair is given exactly the successor again, and the window does not move', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  app.clock.advance(100)
  const first = await refresh(t, app, login)
  const hits = [first]
  for (const seconds of [0, 9, 0.9]) {
    app.clock.advance(seconds)
    hits.push(await refresh(t, app, login, `after ${seconds} more`))
  }
  const jtis = new Set(hits.map(({ token }) => payloadOf(token)['jti']))
  t.is(jtis.size, 4, 'each is a token of its own')
  for (const [i, hit] of hits.entries()) {
    t.deepEqual(withoutMaxAge(hit), withoutMaxAge(first))
    t.deepEqual({ ...payloadOf(hit.token), jti: '' }, { ...payloadOf(first.token), jti: '' })
    t.is((await app.me(hit.token, first.cookie)).status, 200)
    // What they say of the time that is left is true when they say it.
    const passed = [0, 0, 9, 9.9][i] ?? 0
    t.is(hit.response.json['expires_in'], 900 - Math.floor(passed + 0.25))
    for (const line of hit.response.cookies) t.is(maxAgeOf(line), Math.ceil(1800 - passed))
  }
  t.deepEqual(codesOf(app.seen), [])
  app.clock.advance(0.1)
  await refuseRefresh(t, app, login, 'ERR_REFRESH_REUSED_RECENT')
  await assertOver(t, app, [first])
})

test('RF-03 refreshToken.grace sets the window, and without one the first of two is the only one', async (t) => {
  for (const [grace, inside, outside] of [
    ['60s', 59.9, 60],
    ['1s', 0.9, 1],
    [0, undefined, 0],
  ] as const) {
    for (const [seconds, isAnswered] of [
      [inside, true],
      [outside, false],
    ] as const) {
      if (seconds === undefined) continue
      const app = await openTestApp(t, { refreshToken: { grace } })
      const login = await app.login()
      const first = await refresh(t, app, login)
      app.clock.advance(seconds)
      if (isAnswered) t.is((await refresh(t, app, login)).refreshToken, first.refreshToken)
      else await refuseRefresh(t, app, login, 'ERR_REFRESH_REUSED_RECENT', `${grace}, after ${seconds}`)
    }
  }
})

test('RF-03 the clock of another process, ahead or behind, holds no window open', async (t) => {
  for (const seconds of [60, -60]) {
    const [clock, otherClock] = [createClock(), createClock()]
    const store = memoryStore({ clock })
    const one = await openTestApp(t, { testClock: clock, store })
    const other = await openTestApp(t, { testClock: otherClock, store })
    const login = await one.login()
    for (const each of [clock, otherClock]) each.advance(300)
    otherClock.advance(seconds)
    const next = await refresh(t, one, login)
    await refuseRefresh(t, other, login, 'ERR_REFRESH_REUSED_RECENT', `${seconds} seconds`)
    t.is((await postRefresh(one, next)).status, 401)
  }
})

/** Refreshes on a connection that is cut when the server has rotated, before it has sent a byte. */
async function loseAnswer(t: ExecutionContext, app: TestApp, login: Login): Promise<void> {
  const socket = connect(app.port, '127.0.0.1')
  await once(socket, 'connect')
  const isHandled = new Promise((resolve) => {
    app.kit.events.once('session_renewed', () => {
      socket.destroy()
      resolve(undefined)
    })
  })
  const headers = { Host: 'app.example', 'X-Forwarded-Proto': 'https', 'Content-Length': '0', ...refreshHeaders(login) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`POST /auth/refresh HTTP/1.1\r\n${lines.join('')}\r\n`)
  await isHandled
  t.is(socket.bytesRead, 0)
}

test('RF-03 a tab whose refresh takes longer than the window, since the hook does, is no thief', async (t) => {
  const [asked, answered] = [createGate(), createGate()]
  let isFirst = true
  const app = await openTestApp(t, {
    async reauthorize() {
      if (isFirst) {
        isFirst = false
        asked.open()
        await answered.isOpen
      }
      return {}
    },
  })
  const login = await app.login()
  const slow = postRefresh(app, login)
  await asked.isOpen
  const quick = await refresh(t, app, login)
  app.clock.advance(11)
  answered.open()
  t.is((await slow).status, 200)
  t.is(toLogin(await slow).refreshToken, quick.refreshToken)
  await assertGoesOn(t, app, quick)
})

test('RF-03 a lost answer never logs out: the old pair gets exactly the successor', async (t) => {
  const app = await openTestApp(t)
  let login = await app.login()
  for (let round = 0; round < 12; round += 1) {
    app.clock.advance(200)
    for (let lost = 0; lost <= round % 3; lost += 1) {
      await loseAnswer(t, app, login)
      app.clock.advance(3.3)
    }
    const record = await readSession(app, login)
    t.is(record?.generation, round + 1, 'the first of them has rotated, and no other')
    const next = await refresh(t, app, login)
    t.like(record?.current, { secret: hashSecret(partsOf(next).secret), fingerprint: payloadOf(next.token)['fgp'] })
    t.is((await app.me(next.token, next.cookie)).status, 200)
    login = next
  }
  t.deepEqual(codesOf(app.seen), [])
  t.deepEqual(app.errors, [])
})

test('RF-04 no refresh moves the absolute end, for a short session or a remembered one', async (t) => {
  for (const [remember, absolute, step] of [
    [false, 8 * 3600, 1500],
    [true, 30 * 86_400, 6 * 86_400],
  ] as const) {
    const app = await openTestApp(t)
    let login = await app.login('alice', { body: { remember } })
    const end = app.clock() + absolute * 1000
    const advanceTo = (seconds: number): void => app.clock.set(end - seconds * 1000)
    for (;;) {
      app.clock.advance(step)
      const left = (end - app.clock()) / 1000
      if (left <= 0) break
      login = await refresh(t, app, login, `${left} seconds before the end`)
      t.true((payloadOf(login.token)['exp'] as number) * 1000 <= end)
      if (remember) for (const line of login.response.cookies) t.true(maxAgeOf(line) <= left)
    }
    advanceTo(1.25)
    login = await refresh(t, app, login)
    t.is(login.response.json['expires_in'], 1)
    advanceTo(0.2)
    await refuseRefresh(t, app, login, 'ERR_SESSION_EXPIRED', 'too late for a token')
    advanceTo(0)
    await refuseRefresh(t, app, login, 'ERR_SESSION_EXPIRED', 'over')
    t.deepEqual(await dump(app.store), [])
  }
})

test('RF-05 a session ends when nobody refreshes it, and only a refresh counts', async (t) => {
  const app = await openTestApp(t, { session: { idle: '20m' } })
  let login = await app.login()
  for (let i = 0; i < 3; i += 1) {
    app.clock.advance(1199)
    login = await refresh(t, app, login)
    for (const line of login.response.cookies) t.is(maxAgeOf(line), 1200)
  }
  app.clock.advance(600)
  t.is((await app.me(login.token, login.cookie)).status, 200)
  app.clock.advance(600)
  await refuseRefresh(t, app, login, 'ERR_SESSION_EXPIRED')
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['session_use_after_expire'],
  )
})

/** Bytes as text, in whatever way they could be kept. */
function write(bytes: Buffer): string[] {
  const encodings = ['base64url', 'base64', 'hex', 'latin1'] as const
  return [...encodings.map((one) => bytes.toString(one)), bytes.toString('hex').toUpperCase(), [...bytes].join()]
}

test('RF-06 the store holds no refresh token, no part of one and no fingerprint, in any encoding, of any generation', async (t) => {
  const app = await openTestApp(t)
  let login = await app.login('alice', { body: { label: 'findable' } })
  const secrets = new Set<string>()
  let written = ''
  for (let i = 0; i < 5; i += 1) {
    const { family, secret } = partsOf(login)
    for (const one of [family, secret, login.fingerprint.slice(0, 43), login.token]) secrets.add(one)
    written += JSON.stringify(await dump(app.store))
    app.clock.advance(60)
    login = await refresh(t, app, login)
  }
  await postLogout(app, login)
  written += JSON.stringify([await dump(app.store), app.seen])
  t.true(written.includes('findable') && written.includes(login.sid))
  t.is(secrets.size, 1 + 5 * 3)
  for (const secret of secrets) {
    const forms = [Buffer.from(secret, 'base64url'), Buffer.from(secret)].flatMap(write)
    // The whole, and each half: who knows one has the other to guess.
    for (const form of forms) {
      const half = Math.min(form.length >> 1, 40)
      t.false(written.includes(form.slice(0, half)) || written.includes(form.slice(-half)), form)
    }
  }
})

test('RF-06 whoever reads the store cannot refresh with what is in it', async (t) => {
  const app = await openTestApp(t)
  const login = await refresh(t, app, await app.login())
  const words = JSON.stringify(await dump(app.store)).match(/[\w-]{43}/g) ?? []
  t.true(words.length >= 6, 'four hashes, a nonce and the digests')
  for (const family of words) {
    for (const secret of words) {
      const token = `${login.sid}.1.${family.slice(0, 22)}${secret}`
      t.is((await postRefresh(app, withToken(login, token))).status, 401)
    }
  }
  t.deepEqual([...new Set(codesOf(app.seen))], ['ERR_REFRESH_FORGED'])
  await assertGoesOn(t, app, login)
})

test('RF-03 RF-06 each rotation draws a nonce of its own, which nobody is told: an old token alone gives no successor', async (t) => {
  const app = await openTestApp(t)
  const nonces = new Set<string>()
  let told = ''
  for (const sub of ['alice', 'bob']) {
    let login = await app.login(sub)
    for (let i = 0; i < 5; i += 1) {
      const next = await refresh(t, app, login)
      const { nonce = '' } = (await readSession(app, login))?.previous ?? {}
      t.is(Buffer.from(nonce, 'base64url').length, 32)
      t.is(deriveRefreshToken(partsOf(login), nonce).secret, partsOf(next).secret)
      for (const other of nonces) t.not(deriveRefreshToken(partsOf(login), other).secret, partsOf(next).secret)
      nonces.add(nonce)
      told += JSON.stringify([next.response, payloadOf(next.token)])
      login = next
    }
  }
  t.is(nonces.size, 10)
  told += JSON.stringify(app.seen)
  for (const nonce of nonces) t.false(told.includes(nonce))
})

test('RF-08 the refresh token travels in a hardened cookie of its own, to the routes that need it, and in nothing else', async (t) => {
  for (const [cookie, line] of [
    [{}, '__Secure-Refresh=*; Path=/auth; Max-Age=1800; HttpOnly; Secure; SameSite=Strict'],
    [{ domain: 'app.example' }, '__Secure-Refresh=*; Path=/auth; Max-Age=1800; HttpOnly; Secure; SameSite=Strict'],
    [{ prefix: '__Host-' }, '__Host-Refresh=*; Path=/; Max-Age=1800; HttpOnly; Secure; SameSite=Strict'],
    [{ prefix: '__Host-Http-' }, '__Host-Http-Refresh=*; Path=/; Max-Age=1800; HttpOnly; Secure; SameSite=Strict'],
    [{ lifetime: 'session' }, '__Secure-Refresh=*; Path=/auth; HttpOnly; Secure; SameSite=Strict'],
  ] as const) {
    const app = await openTestApp(t, { cookie })
    const login = await app.login()
    for (const { response, refreshToken } of [login, await refresh(t, app, login)]) {
      t.is(response.cookies.length, 2)
      t.is(response.cookies[1]?.replace(refreshToken, '*'), line)
      const { 'set-cookie': _, ...headers } = response.headers
      const elsewhere = JSON.stringify([headers, response.text, payloadOf(response.json['access_token'] as string)])
      for (const part of [refreshToken, ...refreshToken.split('.').slice(2)]) t.false(elsewhere.includes(part))
      t.false('refresh_token' in response.json)
    }
  }
})

test('RF-08 a browser sends the refresh token to the routes of the kit, and from no other site', async (t) => {
  const app = await openTestApp(t)
  const jar = createCookieJar({ clock: app.clock })
  const { response } = await app.login()
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  const sends = (path: string, context = {}): boolean | undefined =>
    jar.header(`${ISSUER}${path}`, context)?.includes(REFRESH_NAME)
  t.true(sends('/auth/refresh') && sends('/auth/logout') && sends('/auth/login'))
  for (const path of ['/', '/me', '/api/auth', '/authentic']) t.false(sends(path), path)
  t.falsy(sends('/auth/refresh', { crossSite: true }))
  t.falsy(sends('/auth/refresh', { crossSite: true, navigation: true }))
  t.falsy(sends('/auth/refresh', { script: true }))
})

test('RF-09 a refresh is a POST that proves to be of this site: anything else is refused and rotates nothing', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const record = await readSession(app, login)
  const Cookie = `${login.cookie}; ${login.refreshCookie}`
  const form = 'application/x-www-form-urlencoded'
  const rows: readonly (readonly [method: string, status: number, headers: Record<string, string>, body?: string])[] = [
    ['POST', 403, { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example', 'Content-Type': form }, 'a=b'],
    ['POST', 403, { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }],
    ['POST', 403, { 'Sec-Fetch-Site': 'cross-site', Origin: ISSUER, ...JSON_TYPE }, '{}'],
    ['POST', 403, { 'Sec-Fetch-Site': 'same-site' }],
    ['POST', 403, { 'Sec-Fetch-Site': 'none' }],
    ['POST', 403, { Origin: 'https://evil.example' }],
    ['POST', 403, { Origin: 'null' }],
    ['POST', 403, { Referer: 'https://evil.example/' }],
    // What a form of any page can send, and no more.
    ['POST', 403, {}],
    ...[form, 'text/plain', 'multipart/form-data; boundary=x'].map((type) => {
      return ['POST', 403, { 'Content-Type': type }, '{"a":"="}'] as const
    }),
    // From here on of this site.
    ['POST', 415, { 'Sec-Fetch-Site': 'same-origin', 'Content-Type': form }, 'a=b'],
    ['POST', 415, { 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'text/plain' }, '{}'],
    ['POST', 400, { 'Sec-Fetch-Site': 'same-origin', ...JSON_TYPE }, '[]'],
    ['POST', 400, { 'Sec-Fetch-Site': 'same-origin', ...JSON_TYPE }, '{'],
    ...['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'].map((method) => {
      return [method, 405, { 'Sec-Fetch-Site': 'same-origin' }] as const
    }),
    ['GET', 405, { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate' }],
    ['GET', 405, { 'Sec-Fetch-Site': 'same-origin', 'X-HTTP-Method-Override': 'POST' }],
    ['OPTIONS', 204, { 'Sec-Fetch-Site': 'same-origin' }],
  ]
  for (const [method, status, headers, body] of rows) {
    const label = `${method} ${JSON.stringify(headers)}`
    const response = await app.request(method, '/auth/refresh', { Cookie, ...headers }, body)
    t.is(response.status, status, label)
    t.deepEqual(response.cookies, [], label)
    if (status === 405) t.is(response.headers['allow'], 'POST, OPTIONS')
    t.deepEqual(await readSession(app, login), record, label)
  }
  t.is((await app.request('POST', '/auth/refresh', { Cookie, Origin: ISSUER })).status, 200)
})

test('RF-11 a refresh may ask for less than the login granted and never for more', async (t) => {
  const app = await openTestApp(t)
  let login = await app.login('alice', { body: { scope: 'read write' } })
  for (const [scope, expected] of [
    ['read', 'read'],
    // The narrowing before was that access token's alone (RFC 6749 section 6).
    [undefined, 'read write'],
    ['write read', 'write read'],
  ] as const) {
    login = toLogin(await ask(app, login, { scope }))
    t.deepEqual([login.response.json['scope'], payloadOf(login.token)['scope']], [expected, expected])
    t.is((await app.me(login.token, login.cookie)).status, 200)
  }
  const record = await readSession(app, login)
  const wrong = ['admin', 'read admin', 'read write admin', 'READ', 'rea', 'read write x', 'read,write', '*', '']
  for (const scope of [
    ...wrong,
    ' ',
    ' read',
    'read ',
    'read  write',
    'read\twrite',
    '"read"',
    5,
    null,
    true,
    {},
    ['read'],
  ]) {
    app.seen.length = 0
    const response = await ask(app, login, { scope })
    t.deepEqual([response.status, response.json['error']], [400, 'invalid_scope'], JSON.stringify(scope))
    t.deepEqual(response.cookies, [])
    t.deepEqual(codesOf(app.seen), ['ERR_SCOPE_INVALID'])
  }
  t.deepEqual(await readSession(app, login), record)
  const without = await app.login('bob')
  t.is((await ask(app, without, { scope: 'read' })).status, 400)
  t.is((await ask(app, await refresh(t, app, without), { scope: 'read' })).status, 400)
})

test('RF-11 IS-12 whatever a refresh asks for, audience, subject, and when and how the user authenticated stay', async (t) => {
  const app = await openTestApp(t)
  let login = await app.login('alice', { body: { acr: 'loa2', amr: ['pwd', 'otp'], claims: { roles: ['user'] } } })
  const { exp, iat, iat_ms, jti, fgp, ...kept } = payloadOf(login.token)
  t.like(kept, { sub: 'alice', acr: 'loa2', amr: ['pwd', 'otp'], auth_time: iat, roles: ['user'] })
  const wishes = {
    ...{ audience: 'https://other.example', aud: 'https://other.example', resource: 'https://other.example' },
    ...{
      sub: 'root',
      sid: 'x',
      acr: 'loa4',
      amr: ['hwk'],
      auth_time: 9e9,
      roles: ['admin'],
      claims: { roles: ['admin'] },
    },
    ...{ exp: 9e9, iat: 1, lifetime: 9e9, remember: true, grant_type: 'password', __proto__: { roles: ['admin'] } },
  }
  for (let i = 1; i < 4; i += 1) {
    app.clock.advance(1000)
    login = toLogin(await ask(app, login, wishes))
    const next = payloadOf(login.token)
    t.deepEqual(next, {
      ...kept,
      exp: next['exp'],
      iat: next['iat'],
      iat_ms: next['iat_ms'],
      jti: next['jti'],
      fgp: next['fgp'],
    })
    t.is(next['iat'], (iat as number) + i * 1000)
    t.is((next['exp'] as number) - (next['iat'] as number), (exp as number) - (iat as number))
    t.is(next['iat_ms'], (iat_ms as number) + i * 1_000_000)
    t.true(next['jti'] !== jti && next['fgp'] !== fgp)
  }
})

test('RF-12 whatever ends a session ends its refresh tokens, that of the grace window among them', async (t) => {
  const ways: Record<string, (app: TestApp, login: Login) => Promise<unknown>> = {
    logout: postLogout,
    'logout by the refresh token': (app, { refreshCookie }) =>
      app.request('POST', '/auth/logout', { Cookie: refreshCookie, Origin: ISSUER }),
    'another login in the browser': (app, { refreshCookie }) =>
      app.login('bob', { headers: { Cookie: refreshCookie } }),
    'the list of sessions': (app, login) =>
      app.request('DELETE', `/auth/sessions/${login.sid}`, { ...bearer(login), Origin: ISSUER }),
    'everywhere, from here': (app, login) =>
      app.request('DELETE', '/auth/sessions?all=true', { ...bearer(login), Origin: ISSUER }),
    'everywhere else, from there': async (app) =>
      app.request('DELETE', '/auth/sessions', { ...bearer(await app.login()), Origin: ISSUER }),
    'a change of password there': async (app) => app.request('POST', '/password', bearer(await app.login())),
    'a change of password here': (app, login) => app.request('POST', '/password', bearer(login)),
    'revoked by session': (app, { sid }) => app.kit.revoke({ sid }),
    'revoked by subject': (app) => app.kit.revoke({ sub: 'alice' }),
  }
  for (const [label, end] of Object.entries(ways)) {
    const app = await openTestApp(t, {
      mount(_koa, kit, router) {
        router.post('/password', kit.protect(), async (ctx) => {
          ctx.body = await kit.renew(ctx, { isAuthenticated: true, endOthers: true })
        })
      },
    })
    const stranger = await app.login('stranger')
    const first = await app.login()
    const second = await refresh(t, app, first)
    const answer = (await end(app, second)) as { status?: number } | undefined
    t.true([200, 204, undefined].includes(answer?.status), label)
    for (const pair of [second, first]) {
      app.seen.length = 0
      const refused = await postRefresh(app, pair)
      t.deepEqual([refused.status, refused.text, refused.cookies], [401, INVALID_TOKEN_BODY, []], label)
      // Whether the list names the session, or its record is just gone.
      t.regex(codesOf(app.seen).join(), /^ERR_(?:TOKEN_REVOKED|SESSION_EXPIRED)$/, label)
    }
    await assertRefused(t, app, () => app.me(second.token, second.cookie), 'ERR_TOKEN_REVOKED', label)
    t.is((await postRefresh(app, stranger)).status, 200, label)
    // Nor when the list has forgotten it.
    app.clock.advance(3700)
    for (const pair of [second, first]) t.is((await postRefresh(app, pair)).status, 401, `${label}, later`)
  }
})

test('RF-12 a session that ends while it refreshes is not handed on', async (t) => {
  for (const isRepeated of [false, true]) {
    for (const kind of ['sid', 'sub'] as const) {
      let during: (() => Promise<unknown>) | undefined
      const app = await openTestApp(t, {
        async reauthorize() {
          await during?.()
          return {}
        },
      })
      const login = await app.login()
      if (isRepeated) await refresh(t, app, login)
      during = () => app.kit.revoke(kind === 'sid' ? { sid: login.sid } : { sub: 'alice' })
      // No 503 either, which would have it try again and tell the operator of a failure.
      await refuseRefresh(t, app, login, 'ERR_TOKEN_REVOKED', `${kind}, ${isRepeated ? 'in the grace window' : ''}`)
    }
  }
})

test('RF-12 who is revoked in the middle of a refresh has no access token that lives on, in no process', async (t) => {
  for (const isElsewhere of [false, true]) {
    const clock = createClock()
    const [refreshed, listed] = [createGate(), createGate()]
    // Between the look at the sessions of the subject and their removal: that is where a slow store spends its time.
    const store = alterStore(memoryStore({ clock }), (real) => ({
      async delete(kind, key) {
        listed.open()
        await refreshed.isOpen
        return real.delete(kind, key)
      },
    }))
    // The news of the revocation are still on their way to the other process.
    const news: (() => void)[] = []
    const late = alterStore(store, (real) => ({
      watch: async (listener) => (await real.watch?.((record) => news.push(() => listener(record)))) ?? DEAF,
    }))
    let revoked: Promise<void> | undefined
    const reauthorize: Hook = async () => {
      revoked = one.kit.revoke({ sub: 'alice' })
      await listed.isOpen
      clock.advance(0.001)
      return {}
    }
    const one = await openTestApp(t, { testClock: clock, store, reauthorize })
    const other = isElsewhere ? await openTestApp(t, { testClock: clock, store: late, reauthorize }) : one
    const login = await one.login()
    const response = await postRefresh(other, login)
    refreshed.open()
    await revoked
    for (const tell of news) tell()
    for (const pair of response.status === 200 ? [login, toLogin(response)] : [login]) {
      for (const app of [one, other]) {
        t.is((await app.me(pair.token, pair.cookie)).status, 401, `an access token lives on: ${isElsewhere}`)
        t.is((await postRefresh(app, pair)).status, 401)
      }
    }
    t.deepEqual(await one.kit.sessions('alice'), [])
  }
})

type Asked = Parameters<Hook>[0] & { readonly path: string }

/** An app whose hook a test can change, and what the hook was asked with. */
async function openHookedApp(t: ExecutionContext): Promise<{ app: TestApp; hook: { answer: Hook }; asked: Asked[] }> {
  const hook: { answer: Hook } = { answer: () => ({}) }
  const asked: Asked[] = []
  const app = await openTestApp(t, {
    reauthorize(session, ctx) {
      asked.push({ ...session, path: ctx.path })
      return hook.answer(session, ctx)
    },
  })
  return { app, hook, asked }
}

const GRANTED = { scope: 'read write', claims: { roles: ['user'], plan: 'free' } }

test('RF-13 reauthorize is asked at each refresh, and once it answers null the session is over', async (t) => {
  for (const label of ['the first time', 'in the grace window']) {
    const { app, hook, asked } = await openHookedApp(t)
    const login = await app.login('alice', { body: GRANTED })
    const authTime = payloadOf(login.token)['auth_time']
    app.clock.advance(100)
    const next = await refresh(t, app, login)
    const expected = { sub: 'alice', sid: login.sid, authTime, scope: ['read', 'write'], claims: GRANTED.claims }
    t.deepEqual(asked, [{ ...expected, path: '/auth/refresh' }])
    hook.answer = () => Promise.resolve(null)
    await refuseRefresh(t, app, label === 'the first time' ? next : login, 'ERR_REAUTHORIZATION_FAILED', label)
    t.is(asked.length, 2)
    t.like(app.seen.at(-1), {
      name: 'session_expired',
      event: { sub: 'alice', sid: login.sid, reason: 'unauthorized' },
    })
    hook.answer = () => ({})
    await assertOver(t, app, [login, next])
    t.is(asked.length, 2, 'nobody is left to ask for')
  }
})

test('RF-13 RF-11 tokens say what reauthorize answers, and never more scopes than the login granted', async (t) => {
  const { app, hook, asked } = await openHookedApp(t)
  let login = await app.login('alice', { body: GRANTED })
  const rows = [
    [{ claims: { roles: ['admin'] } }, undefined, { roles: ['admin'], scope: 'read write' }],
    [{ claims: {} }, undefined, { scope: 'read write' }],
    [{ scope: 'read' }, undefined, { ...GRANTED.claims, scope: 'read' }],
    [{ scope: 'read write admin' }, undefined, { ...GRANTED.claims, scope: 'read write' }],
    [{ scope: 'admin write' }, undefined, { ...GRANTED.claims, scope: 'write' }],
    [{ scope: 'admin' }, undefined, { ...GRANTED.claims, scope: '' }],
    [{ scope: '' }, undefined, { ...GRANTED.claims, scope: '' }],
    [{ scope: 'read admin' }, 'write', { ...GRANTED.claims, scope: '' }],
    [{ scope: 'read' }, 'write read', { ...GRANTED.claims, scope: 'read' }],
    // An account that has its rights again, and a hook that has no opinion.
    [{}, undefined, { ...GRANTED.claims, scope: 'read write' }],
    [{ scope: undefined, claims: undefined }, undefined, { ...GRANTED.claims, scope: 'read write' }],
  ] as const
  for (const [answer, scope, expected] of rows) {
    hook.answer = () => answer as ReturnType<Hook>
    login = toLogin(await ask(app, login, { scope }))
    const { roles, plan, scope: actual } = payloadOf(login.token)
    const said = { ...(roles !== undefined && { roles }), ...(plan !== undefined && { plan }), scope: actual }
    t.deepEqual(said as object, expected, JSON.stringify(answer))
    t.is(login.response.json['scope'], actual)
    t.is((await app.me(login.token, login.cookie)).status, 200)
  }
  // The hook always sees what the login granted, not what it said last time.
  for (const { scope, claims } of asked) t.deepEqual({ scope, claims }, { ...GRANTED, scope: ['read', 'write'] })
  const plain = await app.login('bob')
  hook.answer = () => ({ scope: 'admin' })
  t.false('scope' in payloadOf((await refresh(t, app, plain)).token), 'a login without scopes gets none')
})

test('RF-13 a hook that fails, forgets to answer or answers nonsense lets nobody on and logs nobody out', async (t) => {
  const { app, hook } = await openHookedApp(t)
  const login = await app.login('alice', { body: GRANTED })
  const next = await refresh(t, app, login)
  const record = await readSession(app, login)
  const rows: readonly (readonly [label: string, status: number, answer: () => unknown])[] = [
    [
      'throws',
      503,
      () => {
        throw new Error(FAULT)
      },
    ],
    [
      'throws nothing',
      503,
      () => {
        throw undefined
      },
    ],
    ['rejects', 503, () => Promise.reject(new Error(FAULT))],
    ['rejects with null', 503, () => Promise.reject(null)],
    ...[undefined, Promise.resolve(), true, false, 0, 1, '', 'read', Symbol('x'), () => ({})].map((answer) => {
      return [`answers ${inspect(answer)}`, 503, () => answer] as const
    }),
    ['answers a scope that is none', 503, () => ({ scope: ['read'] })],
    ['answers reserved claims', 500, () => ({ claims: { sub: 'root' } })],
    ['answers claims of another login', 500, () => ({ claims: { auth_time: 9e9 } })],
    ['answers claims that are no JSON', 500, () => ({ claims: { big: 1n } })],
    ['answers claims that are too long', 500, () => ({ claims: { long: 'x'.repeat(5000) } })],
  ]
  for (const [label, status, answer] of rows) {
    // With the current token, and with that of the grace window.
    for (const pair of [next, login]) {
      hook.answer = answer as Hook
      app.errors.length = 0
      const response = await postRefresh(app, pair)
      t.is(response.status, status, label)
      t.is(response.headers['retry-after'], status === 503 ? '5' : undefined, label)
      t.deepEqual(response.cookies, [], label)
      t.false(response.text.includes(FAULT))
      t.is(app.errors.length, 1, `${label}: the application hears of it`)
      t.deepEqual(await readSession(app, login), record, label)
    }
  }
  t.deepEqual(
    app.seen.filter(({ name }) => name === 'session_expired'),
    [],
  )
  hook.answer = () => ({})
  t.is((await refresh(t, app, login)).refreshToken, next.refreshToken)
  await assertGoesOn(t, app, next)
})

test('RF-13 the hook gets a copy: what it does to it is not done to the session, nor to the token', async (t) => {
  const { app, hook } = await openHookedApp(t)
  let login = await app.login('alice', { body: GRANTED })
  hook.answer = (session) => {
    const mine = session as {
      sub: string
      sid: string
      authTime: number
      scope: string[]
      claims: Record<string, unknown>
    }
    ;(mine.claims['roles'] as string[]).push('admin')
    mine.claims['plan'] = 'paid'
    Object.assign(mine, { sub: 'root', sid: 'x', authTime: 0 })
    try {
      mine.scope.push('admin')
      mine.scope.reverse()
    } catch {
      // A frozen array is as good as a copy.
    }
    return {}
  }
  for (let i = 0; i < 2; i += 1) {
    const { sub, sid, auth_time: authTime } = payloadOf(login.token)
    login = await refresh(t, app, login)
    const next = payloadOf(login.token)
    t.deepEqual(
      { sub: next['sub'], sid: next['sid'], authTime: next['auth_time'], scope: next['scope'], roles: next['roles'] },
      { sub, sid, authTime, scope: 'read write', roles: ['user'] },
    )
    t.is(next['plan'], 'free')
  }
  const { scope, claims } = (await readSession(app, login))?.grant ?? {}
  t.deepEqual({ scope, claims }, GRANTED)
})

test('RF-13 the hook is asked for genuine pairs only', async (t) => {
  const { app, asked } = await openHookedApp(t)
  const [login, other] = [await app.login(), await app.login('bob')]
  for (const pair of [
    { ...login, cookie: '' },
    { ...login, cookie: other.cookie },
    { ...login, cookie: `${login.cookie}; ${other.cookie}` },
    withToken(login, `${login.refreshToken}x`),
    withToken(login, `${login.refreshToken.slice(0, -4)}AAAA`),
    withToken(login, ''),
  ]) {
    t.is((await postRefresh(app, pair)).status, 401)
  }
  t.deepEqual(asked, [])
})

test('FP-15 a refresh without the fingerprint, or with another, is refused as a theft and uses nothing up', async (t) => {
  const app = await openTestApp(t)
  const [login, other] = [await app.login(), await app.login('bob')]
  const current = await refresh(t, app, login)
  // The cookie as it was before: the digest of its value is still one of the session's, but not of this token.
  app.clock.advance(60)
  const record = await readSession(app, login)
  const name = current.cookie.split('=')[0]
  const [value = ''] = current.fingerprint.split('~')
  for (const [label, cookie, code] of [
    ['none', '', 'ERR_FINGERPRINT_MISSING'],
    ['under another name', `Fgp=${current.fingerprint}`, 'ERR_FINGERPRINT_MISSING'],
    ['in another case', `${name?.toUpperCase()}=${current.fingerprint}`, 'ERR_FINGERPRINT_MISSING'],
    ['empty', `${name}=`, 'ERR_FINGERPRINT_MISMATCH'],
    ["another user's", other.cookie, 'ERR_FINGERPRINT_MISMATCH'],
    ['the one before', login.cookie, 'ERR_FINGERPRINT_MISMATCH'],
    ['the digest', `${name}=${String(payloadOf(current.token)['fgp'])}`, 'ERR_FINGERPRINT_MISMATCH'],
    ['quoted', `${name}="${value}"`, 'ERR_FINGERPRINT_MISMATCH'],
    ['with something behind it', `${name}=${value}~x`, 'ERR_FINGERPRINT_MISMATCH'],
    ['nine of them', `${name}=${Array<string>(9).fill(value).join('~')}`, 'ERR_FINGERPRINT_MISMATCH'],
  ] as const) {
    await refuseRefresh(t, app, { ...current, cookie }, code, label)
    t.deepEqual(
      app.seen.map((one) => [one.name, 'sid' in one.event && one.event.sid]),
      [['sidejack', login.sid]],
      label,
    )
    t.deepEqual(await readSession(app, login), record, label)
  }
  // The current value is enough, wherever in the cookie it is.
  await assertGoesOn(t, app, { ...current, cookie: `${name}=${other.fingerprint}~${value}` })
})

test('FP-15 with onSidejack: revoke a refresh token without its fingerprint ends the session', async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const login = await app.login()
  await refuseRefresh(t, app, { ...login, cookie: '' }, 'ERR_FINGERPRINT_MISSING')
  t.like(app.seen.at(-1), { name: 'session_expired', event: { sid: login.sid, reason: 'sidejack' } })
  await assertOver(t, app, [login])
})

test('RF-15 two kits on one store: one of the racers rotates, and all are given the same successor', async (t) => {
  const clock = createClock()
  const shared = memoryStore({ clock })
  const swaps: boolean[] = []
  // Everyone reads before anyone writes.
  let reads = 0
  const haveRead = createGate()
  const slow = (): Store =>
    alterStore(shared, (real) => ({
      async get(kind, key) {
        const record = await real.get(kind, key)
        if ((reads += 1) === 10) haveRead.open()
        await haveRead.isOpen
        return record
      },
      async swap(kind, record) {
        const done = await real.swap(kind, record)
        swaps.push(done)
        return done
      },
    }))
  const [one, two] = [
    await openTestApp(t, { testClock: clock, store: slow() }),
    await openTestApp(t, { testClock: clock, store: slow() }),
  ]
  const login = await one.login()
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => refresh(t, i % 2 === 0 ? one : two, login)))
  t.deepEqual([swaps.length, swaps.filter(Boolean).length], [10, 1])
  t.is(new Set(answers.map(({ response }) => response.cookies.join())).size, 1)
  const [winner] = answers as [Login]
  for (const { token } of answers) for (const app of [one, two]) t.is((await app.me(token, winner.cookie)).status, 200)
  t.is((await readSession(one, login))?.generation, 1)
  t.is((await one.kit.sessions('alice')).length, 1)
  // And the next generation is either kit's to give.
  await assertGoesOn(t, one, await assertGoesOn(t, two, winner))
  clock.advance(11)
  await refuseRefresh(t, two, login, 'ERR_REFRESH_REUSED_STALE')
  await assertOver(t, one, [winner])
})

test('RF-15 a refresh that meets a write of session data goes on, and loses none of it', async (t) => {
  const clock = createClock()
  let during: (() => Promise<unknown>) | undefined
  const swaps: boolean[] = []
  const store = alterStore(memoryStore({ clock }), (real) => ({
    async swap(kind, record) {
      const work = during
      during = undefined
      await work?.()
      const done = await real.swap(kind, record)
      swaps.push(done)
      return done
    },
  }))
  const app = await openTestApp(t, {
    ...{ testClock: clock, store },
    mount(_koa, kit, router) {
      router.post('/visit', kit.protect(), (ctx) => {
        const { session } = ctx as unknown as { session: { visits?: number } }
        session.visits = (session.visits ?? 0) + 1
        ctx.body = session
      })
    },
  })
  const login = await app.login()
  const visit = async (pair: Login, count: number): Promise<void> => {
    const response = await app.request('POST', '/visit', bearer(pair))
    t.deepEqual([response.status, response.json['visits']], [200, count])
  }
  during = () => visit(login, 1)
  const next = await refresh(t, app, login)
  t.deepEqual(swaps, [true, false, true], 'the refresh lost once')
  t.is((await readSession(app, login))?.generation, 1)
  // The other way round: a refresh in the middle of a write.
  during = () => refresh(t, app, next)
  await visit(next, 2)
  t.is((await readSession(app, login))?.generation, 2)
  await visit(await refresh(t, app, next), 3)
})

test('EL-10 whatever the store refuses, a refresh is answered with 503 and the same pair works afterwards', async (t) => {
  const rows: readonly (readonly [Verb | `${Verb} ${StoreKind}`, status: number])[] = [
    ['get', 503],
    ['swap', 503],
    // Not needed, so that a session goes on without them.
    ...(['set', 'add', 'delete', 'list'] as const).map((verb) => [verb, 200] as const),
    ...(['get revocation', 'swap revocation'] as const).map((verb) => [verb, 200] as const),
  ]
  for (const [verb, status] of rows) {
    const app = await openFaultyApp(t)
    const login = await app.login()
    app.store.broken.add(verb)
    const response = await postRefresh(app, login)
    app.store.broken.clear()
    t.is(response.status, status, verb)
    if (status === 503) {
      t.is(response.headers['retry-after'], '5')
      t.is(response.json['error'], 'temporarily_unavailable')
      t.deepEqual(response.cookies, [])
      t.false(response.text.includes(FAULT))
      t.deepEqual(codesOf(app.seen), ['ERR_STORE_UNAVAILABLE'])
      t.is((await readSession(app, login))?.generation, 0)
      // In the grace window as well.
      const next = await assertGoesOn(t, app, login, verb)
      app.store.broken.add('get')
      t.is((await postRefresh(app, login)).status, 503)
      app.store.broken.clear()
      t.is((await refresh(t, app, login)).refreshToken, next.refreshToken)
    } else {
      await assertGoesOn(t, app, toLogin(response), verb)
    }
  }
})

test('EL-10 a rotation that was written although the store failed is not lost: the same pair gets what was written', async (t) => {
  const clock = createClock()
  let isCut = true
  const store = alterStore(memoryStore({ clock }), (real) => ({
    async swap(kind, record) {
      const done = await real.swap(kind, record)
      if (isCut) throw new Error(FAULT)
      return done
    },
  }))
  const app = await openTestApp(t, { testClock: clock, store })
  const login = await app.login()
  t.is((await postRefresh(app, login)).status, 503)
  isCut = false
  t.is((await readSession(app, login))?.generation, 1)
  clock.advance(9)
  const next = await refresh(t, app, login)
  t.is(partsOf(next).generation, 1)
  await assertGoesOn(t, app, next)
})

const tokenOf = ({ json }: Login['response']): string => json['refresh_token'] as string

test('RF-08 for clients that are no browsers the refresh token is in the body, and a cookie with it is nothing', async (t) => {
  const app = await openTestApp(t, { refreshToken: { transport: 'body' } })
  const { response, cookie } = await app.login()
  const other = await app.login('bob')
  const post = (body: unknown, Cookie = cookie) =>
    app.request('POST', '/auth/refresh', { ...JSON_TYPE, ...(Cookie !== '' && { Cookie }) }, JSON.stringify(body))
  t.is(response.cookies.length, 1, 'the fingerprint')
  t.regex(tokenOf(response), /^[\w-]{22}\.0\.[\w-]{65}$/)
  const old = tokenOf(response)
  const inCookie = `${cookie}; ${REFRESH_NAME}=${old}`
  // Not there, or not as it was given.
  for (const body of [{}, { refreshToken: old }, { refresh_token: '' }, { Refresh_Token: old }]) {
    await assertAnonymous(t, app, () => post(body, inCookie))
  }
  await assertAnonymous(t, app, () => app.request('POST', '/auth/refresh', { Cookie: inCookie, Origin: ISSUER }))
  for (const wrong of [[old], [], { 0: old }, 5, 0, true, false, null, [old, old]]) {
    await assertRefused(
      t,
      app,
      () => post({ refresh_token: wrong }, inCookie),
      'ERR_REFRESH_MALFORMED',
      JSON.stringify(wrong),
    )
  }
  t.is((await post([old], inCookie)).status, 400)
  await assertRefused(t, app, () => post({ refresh_token: old }, ''), 'ERR_FINGERPRINT_MISSING')
  await assertRefused(t, app, () => post({ refresh_token: old }, other.cookie), 'ERR_FINGERPRINT_MISMATCH')
  const twice = `${cookie}; ${other.cookie}`
  await assertRefused(t, app, () => post({ refresh_token: old }, twice), 'ERR_FINGERPRINT_AMBIGUOUS')
  t.is((await readSession(app, { sid: response.json['sid'] as string }))?.generation, 0, 'nothing was used up')
  // Whatever refresh token a cookie holds, the body decides.
  const next = await post({ refresh_token: old }, `${cookie}; ${REFRESH_NAME}=${tokenOf(other.response)}`)
  t.is(next.status, 200)
  t.is(next.json['sid'], response.json['sid'])
  t.is(next.cookies.length, 1)
  t.regex(tokenOf(next), /\.1\./)
  t.is((await app.me(next.json['access_token'] as string, toLogin(next).cookie)).status, 200)
  t.is(tokenOf(await post({ refresh_token: old })), tokenOf(next), 'the grace window is there as well')
  app.clock.advance(11)
  await assertRefused(t, app, () => post({ refresh_token: old }), 'ERR_REFRESH_REUSED_RECENT')
  await assertRefused(t, app, () => post({ refresh_token: tokenOf(next) }, toLogin(next).cookie), 'ERR_TOKEN_REVOKED')
})

test('RF-08 where it belongs in the cookie, a refresh token in the body is nothing', async (t) => {
  const app = await openTestApp(t)
  const [login, other] = [await app.login(), await app.login('bob')]
  await assertAnonymous(t, app, () => ask(app, { ...login, refreshCookie: '' }, { refresh_token: login.refreshToken }))
  const response = await ask(app, login, { refresh_token: other.refreshToken })
  t.deepEqual([response.status, response.json['sid']], [200, login.sid])
  t.is((await readSession(app, other))?.generation, 0)
})
