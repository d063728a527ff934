// How sessions begin and end: at login, at logout, at the end of their time, and in applications with routes of their own.

import { bodyParser } from '@koa/bodyparser'
import test, { type ExecutionContext } from 'ava'
import Koa from 'koa'

import { createKeySet, createSessionKit, isSessionError, memoryStore, type StoreRecord } from '../src/index.ts'
import type { Sessions } from '../src/session/sessions.ts'
import { createSessionUnit } from './helpers/sessions.ts'
import {
  bearer,
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  postLogin,
  postRefresh,
  privateJwk,
  refreshHeaders,
  type TestApp,
  type TestAppOptions,
  type TestClock,
  toLogin,
} from './helpers/app.ts'
import { payloadOf } from './helpers/decode.ts'
import { type FaultyStore, faultyStore } from './helpers/faulty.ts'
import { listen } from './helpers/http.ts'
import { assertRefused } from './helpers/refused.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }

async function sessionsOf(app: TestApp): Promise<string[]> {
  const records: StoreRecord[] = []
  for await (const record of app.store.list('session')) records.push(record)
  return records.map(({ key }) => key).sort()
}

test('SL-02 a session ends at its absolute end, however active it is', async (t) => {
  const app = await openTestApp(t, { session: { absolute: '10m' }, accessToken: { lifetime: '15m' } })
  const login = await app.login()
  const { token, cookie, response } = login
  t.true((response.json['expires_in'] as number) <= 600)
  t.is(response.cookies.length, 2)
  for (const line of response.cookies) {
    const maxAge = Number(/Max-Age=(\d+)/.exec(line)?.[1])
    t.true(maxAge > 0 && maxAge <= 600)
  }
  for (let minute = 0; minute < 9; minute += 1) {
    app.clock.advance(60)
    t.is((await app.me(token, cookie)).status, 200, `minute ${minute}`)
  }
  app.clock.advance(60)
  await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_EXPIRED')
  await assertRefused(t, app, () => postRefresh(app, login), 'ERR_SESSION_EXPIRED')
  t.deepEqual(await sessionsOf(app), [])
})

test('SL-02 the token of a long session lives no longer than tokens may', async (t) => {
  const app = await openTestApp(t, { session: { absolute: '30d' } })
  const { response, token } = await app.login()
  t.is(response.json['expires_in'], 900)
  const { exp, iat } = payloadOf(token) as { exp: number; iat: number }
  t.is(exp - iat, 900)
})

test('SL-02 an end of the session is a number of its own, at most 400 days', async (t) => {
  for (const absolute of ['401d', 0, -1, '1ms', 'forever', Number.NaN]) {
    for (const session of [{ absolute }, { remembered: { absolute } }]) {
      await t.throwsAsync(openTestApp(t, { session }), { instanceOf: TypeError })
    }
  }
})

test('SL-07 setting the clock back brings no session back that was ended', async (t) => {
  const app = await openTestApp(t)
  const session = await app.login()
  await app.request('POST', '/auth/logout', bearer(session))
  for (const seconds of [-1, -60, -3600]) {
    app.clock.advance(seconds)
    t.is((await app.me(session.token, session.cookie)).status, 401)
    await assertRefused(t, app, () => postRefresh(app, session), 'ERR_TOKEN_REVOKED')
  }
})

test('IS-15 a login ends the session that was presented, and only that', async (t) => {
  const app = await openTestApp(t)
  const [old, elsewhere] = [await app.login(), await app.login()]
  const response = await postLogin(app, { sub: 'alice', password: 'correct' }, bearer(old))
  t.is(response.status, 200)
  t.not(response.json['sid'], old.sid)
  await assertRefused(t, app, () => app.me(old.token, old.cookie), 'ERR_TOKEN_REVOKED')
  await assertRefused(t, app, () => postRefresh(app, old), 'ERR_TOKEN_REVOKED')
  t.is((await app.me(elsewhere.token, elsewhere.cookie)).status, 200)
  const next = toLogin(response)
  t.is((await app.me(next.token, next.cookie)).status, 200)
  t.deepEqual(await sessionsOf(app), [elsewhere.sid, next.sid].sort())
  for (const session of [elsewhere, next]) t.is((await postRefresh(app, session)).status, 200)
})

test('IS-15 a login as another user ends the session that was presented', async (t) => {
  const app = await openTestApp(t)
  const old = await app.login('alice')
  await postLogin(app, { sub: 'bob', password: 'correct' }, bearer(old))
  t.is((await app.me(old.token, old.cookie)).status, 401)
})

test('IS-15 a login with an expired token ends its session', async (t) => {
  const app = await openTestApp(t)
  const old = await app.login()
  app.clock.advance(901)
  await postLogin(app, { sub: 'alice', password: 'correct' }, bearer(old))
  t.false((await sessionsOf(app)).includes(old.sid))
})

test('IS-15 a login that fails costs nothing that was there', async (t) => {
  const app = await openTestApp(t)
  const old = await app.login()
  t.is((await postLogin(app, { sub: 'alice', password: 'wrong' }, bearer(old))).status, 401)
  t.is((await postLogin(app, { sub: 'alice', password: 'correct', claims: { exp: 1 } }, bearer(old))).status, 500)
  t.is((await app.me(old.token, old.cookie)).status, 200)
  t.is((await postRefresh(app, old)).status, 200)
})

test('IS-15 a login cannot end the session of a token without its cookie', async (t) => {
  const app = await openTestApp(t)
  const [victim, thief] = [await app.login('alice'), await app.login('mallory')]
  const attempts: Record<string, string>[] = [
    { Authorization: `Bearer ${victim.token}` },
    { Authorization: `Bearer ${victim.token}`, Cookie: thief.cookie },
    { Authorization: `Bearer ${victim.token}`, Cookie: `${thief.cookie}; ${victim.cookie}x` },
    // Nor by a refresh token that is only nearly the own one, or knows no more than the name of the session.
    { Cookie: `${victim.cookie}; ${victim.refreshCookie.slice(0, -70)}${'A'.repeat(70)}` },
    { Cookie: `__Secure-Refresh=${victim.sid}.0.${'A'.repeat(65)}` },
    { Cookie: `__Secure-Refresh=${victim.sid}.0.${thief.refreshToken.split('.')[2]}` },
  ]
  for (const headers of attempts) {
    t.is((await postLogin(app, { sub: 'mallory', password: 'correct' }, headers)).status, 200)
    t.is((await app.me(victim.token, victim.cookie)).status, 200)
  }
})

test('IS-15 whatever is presented, the fingerprint and the identifiers are fresh', async (t) => {
  const app = await openTestApp(t)
  const old = await app.login()
  const response = await postLogin(app, { sub: 'alice', password: 'correct', sid: old.sid, jti: 'mine' }, bearer(old))
  const { sid, jti } = payloadOf(response.json['access_token'] as string)
  t.not(sid, old.sid)
  t.not(jti, 'mine')
  const secret = old.refreshToken.split('.')[2] ?? ''
  t.is(response.cookies.length, 2)
  for (const one of [old.fingerprint, old.sid, secret.slice(0, 22), secret.slice(22)]) {
    t.false(response.cookies.join().includes(one))
  }
})

test('IS-16 an unknown user and a wrong password get the same bytes', async (t) => {
  const users = new Map([['alice', 'correct']])
  const app = await openTestApp(t, {
    authenticate(ctx) {
      const { sub, password } = ctx.request.body as { sub: string; password: string }
      return users.get(sub) === password ? { sub } : null
    },
  })
  const answers = [
    await postLogin(app, { sub: 'alice', password: 'wrong' }),
    await postLogin(app, { sub: 'nobody', password: 'wrong' }),
    await postLogin(app, { sub: 'alice' }),
    await postLogin(app, { sub: 'alice', password: '' }),
  ]
  for (const { status, text, headers, cookies } of answers) {
    t.is(status, 401)
    t.is(text, answers[0]?.text ?? '')
    t.deepEqual({ ...headers, date: 0 }, { ...answers[0]?.headers, date: 0 })
    t.deepEqual(cookies, [])
  }
  t.is(answers[0]?.json['error'], 'invalid_grant')
  t.deepEqual(codesOf(app.seen), Array<string>(4).fill('ERR_LOGIN_FAILED'))
})

test('IS-16 nothing but a subject is a success', async (t) => {
  for (const answer of [null, undefined, false, 0, '']) {
    const app = await openTestApp(t, { authenticate: () => answer as never })
    t.is((await postLogin(app, {})).status, 401)
  }
  for (const answer of [true, 'alice', 1, {}, [], { sub: '' }, { sub: null }, { user: 'alice' }]) {
    const app = await openTestApp(t, { authenticate: () => answer as never })
    const response = await postLogin(app, {})
    t.is(response.status, 500, JSON.stringify(answer))
    t.deepEqual(response.cookies, [])
    t.deepEqual(await sessionsOf(app), [])
  }
})

test('IS-17 past the limit a login gets 429 and is told when to try again', async (t) => {
  const attempts = new Map<string, number>()
  let asked = 0
  const app = await openTestApp(t, {
    limiter(ctx, action) {
      t.is(action, 'login')
      const count = (attempts.get(ctx.ip) ?? 0) + 1
      attempts.set(ctx.ip, count)
      return count > 3 ? 29.2 : undefined
    },
    authenticate() {
      asked += 1
      return null
    },
  })
  for (let i = 0; i < 3; i += 1) t.is((await postLogin(app, {})).status, 401)
  const refused = await postLogin(app, {})
  t.is(refused.status, 429)
  t.is(refused.headers['retry-after'], '30')
  t.is(refused.json['error'], 'temporarily_unavailable')
  t.is(refused.headers['cache-control'], 'no-store')
  t.is(asked, 3, 'past the limit no password is checked')
  t.is(codesOf(app.seen).at(-1), 'ERR_RATE_LIMITED')
  t.is((await postLogin(app, {}, { 'X-Forwarded-For': '203.0.113.9' })).status, 401, 'others are not locked out')
})

test('IS-17 a limiter that answers nonsense does not open the door and sends a valid Retry-After', async (t) => {
  for (const wait of [0, -5, Number.NaN, Infinity, 1e30]) {
    const app = await openTestApp(t, { limiter: () => wait })
    const response = await postLogin(app, { sub: 'alice', password: 'correct' })
    t.is(response.status, 429, String(wait))
    t.regex(String(response.headers['retry-after']), /^\d{1,10}$/, String(wait))
  }
})

test('IS-17 a limiter may be asynchronous, and one that fails closes the door', async (t) => {
  const slow = await openTestApp(t, { limiter: () => Promise.resolve(5) })
  t.is((await postLogin(slow, { sub: 'alice', password: 'correct' })).status, 429)
  const broken = await openTestApp(t, { limiter: () => Promise.reject(new Error('redis is away')) })
  t.is((await postLogin(broken, { sub: 'alice', password: 'correct' })).status, 503)
})

/** An application that has login and logout routes of its own. */
function openOwnRoutes(t: ExecutionContext, options: TestAppOptions = {}): Promise<TestApp> {
  return openTestApp(t, {
    ...options,
    mount(_koa, kit, router) {
      router.post('/sign-in', async (ctx) => {
        ctx.body = await kit.start(ctx, { sub: 'alice', scope: 'read' })
      })
      router.post('/sign-out', async (ctx) => {
        await kit.end(ctx)
        ctx.status = 204
      })
      router.post('/kick/:sid', async (ctx) => {
        await kit.revoke({ sid: ctx.params['sid'] ?? '' })
        ctx.status = 204
      })
    },
  })
}

async function signIn(app: TestApp, headers: Record<string, string> = {}): Promise<Login> {
  return toLogin(await app.request('POST', '/sign-in', { ...JSON_TYPE, ...headers }, '{}'))
}

test('kit.start in a route of the application starts a session like the login route does', async (t) => {
  const app = await openOwnRoutes(t)
  const session = await signIn(app)
  t.is(session.response.status, 200)
  const { access_token: _, sid, ...rest } = session.response.json
  t.deepEqual(rest, { token_type: 'Bearer', expires_in: 900, scope: 'read' })
  t.is(session.response.cookies.length, 2)
  const [fingerprint = '', refresh = ''] = session.response.cookies
  t.regex(fingerprint, /^__Secure-Fgp=[\w-]{43}; Path=\/; Max-Age=1800; HttpOnly; Secure; SameSite=Strict$/)
  t.regex(refresh, /^__Secure-Refresh=[\w.-]{90}; Path=\/auth; Max-Age=1800; HttpOnly; Secure; SameSite=Strict$/)
  t.is(session.response.headers['cache-control'], 'no-store')
  const me = await app.me(session.token, session.cookie)
  t.is(me.json['sid'], sid)
  t.is((await app.me(session.token)).status, 401)
  t.is((await postRefresh(app, session)).json['sid'], sid)
})

test('kit.start ends the session that the request presents, and refuses pages of other sites', async (t) => {
  const app = await openOwnRoutes(t)
  const old = await signIn(app)
  const next = await signIn(app, bearer(old))
  t.is((await app.me(old.token, old.cookie)).status, 401)
  await assertRefused(t, app, () => postRefresh(app, old), 'ERR_TOKEN_REVOKED')
  t.is((await app.me(next.token, next.cookie)).status, 200)
  const response = await app.request('POST', '/sign-in', { ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' }, '{}')
  t.is(response.status, 403)
  t.deepEqual(response.cookies, [])
})

test('kit.start twice in one request sets each cookie once, those of the last', async (t) => {
  const app = await openTestApp(t, {
    mount(_koa, kit, router) {
      router.post('/twice', async (ctx) => {
        await kit.start(ctx, { sub: 'alice' })
        ctx.body = await kit.start(ctx, { sub: 'bob' })
      })
    },
  })
  const response = await app.request('POST', '/twice', JSON_TYPE, '{}')
  t.is(response.cookies.length, 2)
  const session = toLogin(response)
  t.is((await app.me(session.token, session.cookie)).json['sub'], 'bob')
  t.is(payloadOf(toLogin(await postRefresh(app, session)).token)['sub'], 'bob')
})

test('kit.end in a route of the application ends the session and deletes the cookies', async (t) => {
  const app = await openOwnRoutes(t)
  const [session, other] = [await signIn(app), await signIn(app)]
  const response = await app.request('POST', '/sign-out', bearer(session))
  t.is(response.status, 204)
  t.deepEqual(response.cookies, [
    '__Secure-Fgp=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
    '__Secure-Refresh=; Path=/auth; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
  ])
  await assertRefused(t, app, () => app.me(session.token, session.cookie), 'ERR_TOKEN_REVOKED')
  await assertRefused(t, app, () => postRefresh(app, session), 'ERR_TOKEN_REVOKED')
  t.is((await app.me(other.token, other.cookie)).status, 200)
  t.is((await app.request('POST', '/sign-out', JSON_TYPE)).status, 204, 'for nobody it is no error')
})

test('kit.end does nothing for a page of another site', async (t) => {
  const app = await openOwnRoutes(t)
  const session = await signIn(app)
  // As a form of another site would send it, in browsers that let the cookie through or not: it could delete the cookie.
  for (const from of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'https://evil.example' }]) {
    const headers = { Cookie: refreshHeaders(session).Cookie, ...from }
    const response = await app.request('POST', '/sign-out', headers)
    t.deepEqual(response.cookies, [], JSON.stringify(from))
    t.is(response.status, 403)
  }
  t.is((await app.me(session.token, session.cookie)).status, 200)
  t.is((await postRefresh(app, session)).status, 200)
})

test('kit.end cannot be used with a token that lacks its cookie', async (t) => {
  const app = await openOwnRoutes(t)
  const session = await signIn(app)
  t.is((await app.request('POST', '/sign-out', { Authorization: `Bearer ${session.token}` })).status, 401)
  t.is((await app.me(session.token, session.cookie)).status, 200)
})

test('kit.end takes the refresh token for proof as well, where the browser sends it', async (t) => {
  const app = await openOwnRoutes(t)
  const [session, other] = [await signIn(app), await signIn(app)]
  t.is((await app.request('POST', '/sign-out', { ...JSON_TYPE, Cookie: session.refreshCookie })).status, 204)
  await assertRefused(t, app, () => app.me(session.token, session.cookie), 'ERR_TOKEN_REVOKED')
  t.is((await app.me(other.token, other.cookie)).status, 200)
})

test('kit.revoke in a route of the application ends another session', async (t) => {
  const app = await openOwnRoutes(t)
  const [admin, target] = [await signIn(app), await signIn(app)]
  t.is((await app.request('POST', `/kick/${target.sid}`, bearer(admin))).status, 204)
  t.is((await app.me(target.token, target.cookie)).status, 401)
  await assertRefused(t, app, () => postRefresh(app, target), 'ERR_TOKEN_REVOKED')
  t.is((await app.me(admin.token, admin.cookie)).status, 200)
})

test('a kit without authenticate has no login route, and everything else', async (t) => {
  const clock = createClock()
  const kit = await createSessionKit({
    issuer: ISSUER,
    clock,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore({ clock }),
    cookie: { tlsProxy: true },
    limiter: false,
  })
  t.teardown(() => kit.close())
  const koa = new Koa()
  koa.use(kit.protect({ optional: true }))
  koa.use(kit.routes())
  koa.use(bodyParser())
  koa.use(async (ctx) => {
    if (ctx.path === '/sign-in') ctx.body = await kit.start(ctx, { sub: (ctx.request.body as { name: string }).name })
    else if (ctx.path === '/me') ctx.body = { sub: (ctx.state as { auth?: { sub: string } }).auth?.sub ?? null }
  })
  const base = `http://127.0.0.1:${await listen(t, koa.callback())}`
  const post = { method: 'POST', headers: JSON_TYPE, body: '{"name":"alice"}' }
  t.is((await fetch(`${base}/auth/login`, post)).status, 404)
  const login = await fetch(`${base}/sign-in`, post)
  const { access_token: token } = (await login.json()) as { access_token: string }
  const [cookie = '', refreshCookie = ''] = login.headers.getSetCookie().map((line) => line.split(';')[0] ?? '')
  const me = await fetch(`${base}/me`, { headers: bearer({ token, cookie }) })
  t.deepEqual(await me.json(), { sub: 'alice' })
  const headers = { ...JSON_TYPE, Cookie: `${cookie}; ${refreshCookie}` }
  t.is((await fetch(`${base}/auth/refresh`, { method: 'POST', headers })).status, 200)
  t.is((await fetch(`${base}/auth/logout`, { method: 'POST', headers: bearer({ token, cookie }) })).status, 204)
  t.is((await fetch(`${base}/me`, { headers: bearer({ token, cookie }) })).status, 401)
})

// Below: the part without Koa.

const NOTHING = { replaces: [] } as const

async function createUnit(clock: TestClock): Promise<{ sessions: Sessions; store: FaultyStore; names: string[] }> {
  const store = faultyStore(memoryStore({ clock }))
  const { sessions, events } = await createSessionUnit({ store, clock })
  const names: string[] = []
  for (const name of ['session_created', 'authn_token_created', 'authn_token_revoked', 'session_expired'] as const) {
    events.source.on(name, () => names.push(name))
  }
  return { sessions, store, names }
}

test('a session is stored once, under its subject, until its idle end, and holds nothing to get in with', async (t) => {
  const clock = createClock()
  const { sessions, store } = await createUnit(clock)
  const started = await sessions.start({ sub: 'alice', claims: { roles: ['admin'] } }, NOTHING)
  const records: StoreRecord[] = []
  for await (const record of store.list('session', 'alice')) records.push(record)
  t.is(records.length, 1)
  t.like(records[0], { key: started.sid, group: 'alice', expires: clock() + 1_800_000 })
  const text = JSON.stringify(records)
  const { access, refreshToken, fingerprints } = started
  const secrets = [...fingerprints, access.token, ...access.token.split('.').slice(1), refreshToken.split('.')[2] ?? '']
  for (const secret of [...secrets, secrets.at(-1)?.slice(0, 22) ?? '', secrets.at(-1)?.slice(22) ?? '']) {
    t.false(text.includes(secret))
  }
})

test('a session that the store does not take is no session', async (t) => {
  const { sessions, store, names } = await createUnit(createClock())
  store.broken.add('add')
  const error: unknown = await sessions.start({ sub: 'alice' }, NOTHING).catch((thrown: unknown) => thrown)
  t.true(isSessionError(error))
  t.deepEqual(names, [])
})

test('data is written only while the session lives', async (t) => {
  const clock = createClock()
  const { sessions } = await createUnit(clock)
  const { sid } = await sessions.start({ sub: 'alice' }, NOTHING)
  t.is(await sessions.readData(sid), undefined)
  t.true(await sessions.writeData(sid, { a: 1 }))
  t.deepEqual(await sessions.readData(sid), { a: 1 })
  t.false(await sessions.writeData('another', { a: 2 }))
  await sessions.end(sid, 'logout')
  t.false(await sessions.writeData(sid, { a: 3 }))
  t.is(await sessions.readData(sid), undefined)
  const late = await sessions.start({ sub: 'alice' }, NOTHING)
  clock.advance(28_800)
  t.false(await sessions.writeData(late.sid, { a: 4 }))
})

test('ending twice, or what never was, is told as no second end', async (t) => {
  const { sessions, names } = await createUnit(createClock())
  const { sid } = await sessions.start({ sub: 'alice' }, NOTHING)
  for (let i = 0; i < 3; i += 1) await sessions.end(sid, 'logout')
  await sessions.end('never', 'logout')
  t.is(names.filter((name) => name === 'session_expired').length, 1)
})

// IS-14 not here: there is no form login.

test('a login whose session was not written is answered 503, whatever the store says', async (t) => {
  const store = memoryStore()
  const app = await openTestApp(t, {
    store: { ...store, add: async (kind, record) => kind !== 'session' && store.add(kind, record) },
  })
  const answer = await postLogin(app, { sub: 'alice', password: 'correct' })
  t.is(answer.status, 503)
  t.deepEqual(answer.cookies, [])
  t.deepEqual(codesOf(app.seen), ['ERR_STORE_UNAVAILABLE'])
})
