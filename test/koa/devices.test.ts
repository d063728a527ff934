// The list of sessions and what ends them: "log out there", "everywhere else", "everywhere", and the application's own
// kit.sessions, kit.endOthers and kit.revoke.

import test, { type ExecutionContext } from 'ava'

import { isSessionError, memoryStore, type SessionItem } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  createClock,
  type Login,
  openTestApp,
  postRefresh,
  type Response,
  START,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { assertEnded, assertLives, endsOf, sidsOf } from '../helpers/alive.ts'
import { payloadOf } from '../helpers/decode.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { createSignal, heldStore } from '../helpers/held-store.ts'
import { assertRefused } from '../helpers/refused.ts'

const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' }
const DELETION = ['__Secure-Fgp', '__Secure-Refresh']

/** Asks one of the routes below `/auth/sessions`. */
function ask(
  app: TestApp,
  method: 'GET' | 'DELETE',
  login: Pick<Login, 'token' | 'cookie'>,
  rest = '',
  headers: Record<string, string> = SAME_SITE,
): Promise<Response> {
  return app.request(method, `/auth/sessions${rest}`, { ...bearer(login), ...headers })
}

async function listOf(app: TestApp, login: Login): Promise<SessionItem[]> {
  // The cast holds: the tests below look at every member.
  return (await ask(app, 'GET', login)).json as unknown as SessionItem[]
}

/** A browser that holds nothing of us any more. */
function assertCleared(t: ExecutionContext, { cookies, headers }: Response): void {
  t.deepEqual(
    cookies.map((line) => line.split('=')[0]),
    DELETION,
  )
  for (const line of cookies) t.regex(line, /^[\w-]+=; Path=\/(?:auth)?; Max-Age=0; HttpOnly; Secure; SameSite=Strict$/)
  t.is(headers['clear-site-data'], '"storage"')
}

/** The sessions of alice and of others; the first one asks. */
async function openWithSessions(t: ExecutionContext, options: TestAppOptions = {}) {
  const app = await openTestApp(t, options)
  const mine = await app.login('alice')
  const others = [await app.login('alice'), await app.login('alice')]
  const bob = await app.login('bob')
  app.seen.length = 0
  return { app, mine, others, bob }
}

test('SL-06 the list shows the own sessions and no others, the newest first, and which one asks', async (t) => {
  const app = await openTestApp(t)
  const first = await app.login('alice', {
    headers: { 'User-Agent': 'Firefox' },
    body: { label: 'Work <laptop>' },
  })
  await app.login('bob', { body: { label: 'not yours' } })
  app.clock.advance(100)
  const second = await app.login('alice', { headers: { 'User-Agent': 'u'.repeat(300) }, body: { remember: true } })
  const at = Math.floor(START / 1000)
  const older = { sid: first.sid, created: at, last_used: at, expires: at + 1800 }
  const newer = { sid: second.sid, created: at + 100, last_used: at + 100, expires: at + 100 + 7 * 86_400 }
  const agents = [{ user_agent: 'u'.repeat(200) }, { user_agent: 'Firefox', label: 'Work <laptop>' }]
  t.deepEqual(await listOf(app, first), [
    { ...newer, current: false, ...agents[0] },
    { ...older, current: true, ...agents[1] } as SessionItem,
  ])
  t.deepEqual(
    (await listOf(app, second)).map(({ current }) => current),
    [true, false],
  )
  const response = await ask(app, 'GET', first)
  t.is(response.headers['cache-control'], 'no-store')
  t.regex(String(response.headers['content-type']), /^application\/json/)
  t.is(response.headers['etag'], undefined)
})

test('SL-06 last_used and expires move with a refresh, and the agent is that of the last one, cleaned', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login('alice', { headers: { 'User-Agent': 'old' } })
  app.clock.advance(600)
  t.is((await app.me(login.token, login.cookie)).status, 200)
  const at = Math.floor(START / 1000)
  t.like((await listOf(app, login))[0], { created: at, last_used: at, expires: at + 1800, user_agent: 'old' })
  await postRefresh(app, login, { 'User-Agent': 'new \x9b2J\t"<b>' })
  const item = {
    created: at,
    last_used: at + 600,
    expires: at + 2400,
    user_agent: 'new \\u009b2J\\u0009"<b>',
    current: true,
  }
  t.like((await listOf(app, login))[0], item)
  t.is((await listOf(app, login)).length, 1)
})

test('SL-06 nothing in the list opens anything', async (t) => {
  const { app, mine, others } = await openWithSessions(t)
  const [first = mine] = others
  const refreshed = toLogin(await postRefresh(app, first))
  const { text } = await ask(app, 'GET', mine)
  const summaries = await app.kit.sessions('alice')
  for (const summary of summaries) t.deepEqual(Object.keys(summary).sort(), ['created', 'expires', 'sid', 'used'])
  const records = await Promise.all((await sidsOf(app, 'alice')).map((sid) => app.store.get('session', sid)))
  // Every hash and nonce that is kept, and every secret that was handed out, in parts too.
  const hidden = [...JSON.stringify(records).matchAll(/"([\w-]{43})"/g)].map(([, hash = '']) => hash)
  t.true(hidden.length >= 9)
  for (const { token, fingerprint, refreshToken } of [mine, ...others, refreshed]) {
    const { jti, fgp } = payloadOf(token)
    const secret = refreshToken.split('.')[2] ?? ''
    hidden.push(token, String(jti), String(fgp), ...fingerprint.split('~'), secret.slice(0, 22), secret.slice(22))
  }
  // The one event that names a token is about that token.
  const events = app.seen.filter(({ name }) => name !== 'authn_token_created')
  const told = JSON.stringify([text, summaries, events])
  for (const secret of hidden) t.false(told.includes(secret), secret)
  // What is there is no credential of any kind.
  for (const { sid } of await listOf(app, mine)) {
    for (const token of [sid, `${sid}.0.`, `${sid}.0.${'A'.repeat(65)}`]) {
      t.is((await app.me(token, mine.cookie)).status, 401)
      t.is((await postRefresh(app, { cookie: mine.cookie, refreshCookie: `__Secure-Refresh=${token}` })).status, 401)
    }
  }
  for (const one of [mine, ...others]) await assertLives(t, app, one)
})

test('SL-06 kit.sessions tells what the list does, in milliseconds, of any subject', async (t) => {
  const app = await openTestApp(t)
  const { sid } = await app.login('alice', { headers: { 'User-Agent': 'curl' }, body: { label: 'here' } })
  await app.login('bob')
  app.clock.advance(60)
  t.deepEqual(await app.kit.sessions('alice'), [
    { sid, created: START, used: START, expires: START + 1_800_000, userAgent: 'curl', label: 'here' },
  ])
  t.is((await app.kit.sessions('bob')).length, 1)
  for (const nobody of ['', 'Alice', 'nobody', '__proto__']) t.deepEqual(await app.kit.sessions(nobody), [])
})

test('SL-06 a label that is too long, or none, is an error of the application and starts nothing', async (t) => {
  const app = await openTestApp(t)
  for (const label of ['x'.repeat(101), 1, null, {}, ['x']]) {
    const body = JSON.stringify({ sub: 'alice', password: 'correct', label })
    const response = await app.request('POST', '/auth/login', { 'Content-Type': 'application/json' }, body)
    t.is(response.status, 500, JSON.stringify(label))
    t.deepEqual(response.cookies, [])
  }
  t.deepEqual(await sidsOf(app), [])
  await app.login('alice', { body: { label: 'x'.repeat(100) } })
})

test('RV-09 SL-06 one session is ended: its token and its refresh token are dead when the answer is there, and no others', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const [there = mine, elsewhere = mine] = others
  const response = await ask(app, 'DELETE', mine, `/${there.sid}`)
  t.is(response.status, 204)
  t.deepEqual(response.cookies, [])
  t.is(response.headers['clear-site-data'], undefined)
  t.is(response.headers['cache-control'], 'no-store')
  const ends = app.seen.filter(({ name }) => name === 'session_expired').map(({ event }) => event)
  t.is(ends.length, 1)
  t.like(ends[0], { sub: 'alice', sid: there.sid, reason: 'logout', request: { method: 'DELETE' } })
  await assertRefused(t, app, () => app.me(there.token, there.cookie), 'ERR_TOKEN_REVOKED')
  app.seen.length = 0
  t.is((await postRefresh(app, there)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_REVOKED'])
  for (const one of [mine, elsewhere, bob]) await assertLives(t, app, one)
  t.is((await ask(app, 'DELETE', mine, `/${there.sid}`)).status, 404, 'a second time')
})

test("I-04 SL-06 another's session, one that was never there and one that ended get the same 404, and nothing ends", async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const [gone = mine, left = mine] = others
  await app.kit.revoke({ sid: gone.sid })
  const never = 'A'.repeat(22)
  const sids = [bob.sid, never, gone.sid, `${left.sid}x`, left.sid.slice(1), `%${left.sid}`, '__proto__', 'all', '*']
  app.seen.length = 0
  const answers: Response[] = []
  for (const sid of sids) answers.push(await ask(app, 'DELETE', mine, `/${sid}`))
  for (const { status, text, headers } of answers) {
    t.is(status, 404)
    t.is(text, answers[0]?.text ?? '')
    t.deepEqual({ ...headers, date: '' }, { ...answers[0]?.headers, date: '' })
  }
  t.deepEqual(app.seen, [], 'nothing has ended, and nobody is called a thief')
  for (const one of [mine, left, bob]) await assertLives(t, app, one)
})

test('SL-06 the current session is ended like a logout: the browser forgets it', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const response = await ask(app, 'DELETE', mine, `/${mine.sid}`)
  t.is(response.status, 204)
  assertCleared(t, response)
  await assertEnded(t, app, mine)
  for (const one of [...others, bob]) await assertLives(t, app, one)
})

test('RV-09 SL-06 all others are ended, not the one that asks and not those of others', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const response = await ask(app, 'DELETE', mine)
  t.is(response.status, 204)
  t.deepEqual(response.cookies, [])
  t.is(response.headers['clear-site-data'], undefined)
  const ends = endsOf(app).map((end) => end.join())
  t.deepEqual(ends.sort(), others.map(({ sid }) => `alice,${sid},logout`).sort())
  for (const one of others) await assertEnded(t, app, one)
  for (const one of [mine, bob]) await assertLives(t, app, one)
  t.is((await ask(app, 'DELETE', mine)).status, 204, 'with no others it is no error')
})

test('RV-09 RF-12 ?all=true ends every session of the user, and the next login works at once', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const response = await ask(app, 'DELETE', mine, '?all=true')
  t.is(response.status, 204)
  assertCleared(t, response)
  for (const one of [mine, ...others]) await assertEnded(t, app, one)
  t.deepEqual(await app.kit.sessions('alice'), [])
  await assertLives(t, app, bob)
  await assertLives(t, app, await app.login('alice'), 'in the same millisecond')
})

test('RV-09 an `all` that is not exactly true is refused, and nothing is ended', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const queries = [
    'all=false',
    'all=',
    'all',
    'all=TRUE',
    'all=1',
    'all=true%20',
    'all=true&all=true',
    'all=true&all=false',
  ]
  for (const query of queries) {
    const response = await ask(app, 'DELETE', mine, `?${query}`)
    t.is(response.status, 400, query)
    t.is(response.json['error'], 'invalid_request', query)
    t.deepEqual(response.cookies, [], query)
  }
  t.is((await sidsOf(app)).length, 4)
  for (const one of [mine, ...others, bob]) await assertLives(t, app, one)
})

// Every route, asked for a session of the same user.
const ROUTES = [
  ['GET', () => ''],
  ['DELETE', () => ''],
  ['DELETE', () => '?all=true'],
  ['DELETE', (sid: string) => `/${sid}`],
] as const

for (const [method, to] of ROUTES) {
  test(`FP-15 ${method} /auth/sessions${to(':sid')} refuses a live token with a wrong fingerprint or none`, async (t) => {
    const { app, mine, others, bob } = await openWithSessions(t)
    const [other = mine] = others
    const [name] = mine.cookie.split('=')
    const wrong = [
      ['', 'ERR_FINGERPRINT_MISSING'],
      [mine.refreshCookie, 'ERR_FINGERPRINT_MISSING'],
      [other.cookie, 'ERR_FINGERPRINT_MISMATCH'],
      [bob.cookie, 'ERR_FINGERPRINT_MISMATCH'],
      [`${name}=${String(payloadOf(mine.token)['fgp'])}`, 'ERR_FINGERPRINT_MISMATCH'],
      [`${mine.cookie}; ${other.cookie}`, 'ERR_FINGERPRINT_AMBIGUOUS'],
    ] as const
    for (const [cookie, code] of wrong) {
      const presented = { token: mine.token, cookie }
      const { text } = await assertRefused(t, app, () => ask(app, method, presented, to(other.sid)), code)
      t.false(text.includes(other.sid))
    }
    for (const one of [mine, ...others, bob]) await assertLives(t, app, one)
  })

  test(`SL-06 ${method} /auth/sessions${to(':sid')} is for nobody without a live token`, async (t) => {
    const { app, mine, others, bob } = await openWithSessions(t)
    const [other = mine] = others
    const path = `/auth/sessions${to(other.sid)}`
    t.is((await app.request(method, path, SAME_SITE)).status, 401)
    t.is(
      (await app.request(method, path, { ...SAME_SITE, Cookie: `${mine.cookie}; ${mine.refreshCookie}` })).status,
      401,
    )
    await app.kit.revoke({ sid: mine.sid })
    await assertRefused(t, app, () => ask(app, method, mine, to(other.sid)), 'ERR_TOKEN_REVOKED')
    app.clock.advance(900)
    await assertRefused(t, app, () => ask(app, method, bob, to(other.sid)), 'ERR_TOKEN_EXPIRED')
    t.deepEqual(await sidsOf(app), [...others, bob].map(({ sid }) => sid).sort())
  })
}

test('CS-01 SL-06 a page of another site ends nothing', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const foreign: Record<string, string>[] = [
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    { Referer: 'https://app.example.evil.example/' },
  ]
  for (const headers of foreign) {
    for (const to of ['', '?all=true', `/${mine.sid}`, `/${others[0]?.sid}`]) {
      app.seen.length = 0
      const response = await ask(app, 'DELETE', mine, to, headers)
      t.is(response.status, 403, JSON.stringify(headers))
      t.deepEqual(response.cookies, [])
      t.is(response.headers['clear-site-data'], undefined)
      t.deepEqual(codesOf(app.seen), ['ERR_CROSS_SITE'])
    }
  }
  for (const one of [mine, ...others, bob]) await assertLives(t, app, one)
})

test('EL-10 when the store does not do its work every route says so, and never that it is done', async (t) => {
  const rows = [
    ['GET', '', 'list session'],
    ['DELETE', '', 'list session'],
    ['DELETE', '', 'set revocation'],
    ['DELETE', '', 'delete session'],
    ['DELETE', '?all=true', 'set revocation'],
    ['DELETE', '?all=true', 'list session'],
    ['DELETE', '?all=true', 'delete session'],
    ['DELETE', '/:sid', 'list session'],
    ['DELETE', '/:sid', 'set revocation'],
    ['DELETE', '/:sid', 'delete session'],
  ] as const
  for (const [method, to, verb] of rows) {
    const app = await openFaultyApp(t, { withSession: false })
    const [mine, other] = [await app.login(), await app.login()]
    app.store.broken.add(verb)
    const label = `${method} ${to} without ${verb}`
    const response = await ask(app, method, mine, to.replace(':sid', other.sid))
    t.is(response.status, 503, label)
    t.truthy(response.headers['retry-after'], label)
    t.deepEqual(response.cookies, [], label)
    t.is(response.headers['clear-site-data'], undefined, label)
    t.true(codesOf(app.seen).includes('ERR_STORE_UNAVAILABLE'), label)
    app.store.broken.clear()
    if (to !== '?all=true') t.is((await app.me(mine.token, mine.cookie)).status, 200, label)
  }
  const app = await openFaultyApp(t)
  app.store.broken.add('list session')
  const error: unknown = await app.kit.sessions('alice').catch((thrown: unknown) => thrown)
  t.true(isSessionError(error) && error.code === 'ERR_STORE_UNAVAILABLE')
})

test('RV-09 kit.endOthers in a route of the application does what the list does', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t, {
    mount(_koa, kit, router) {
      router.post('/others', async (ctx) => {
        await kit.endOthers(ctx)
        ctx.status = 204
      })
    },
  })
  const post = (login: Pick<Login, 'token' | 'cookie'>, headers: Record<string, string> = SAME_SITE) =>
    app.request('POST', '/others', { ...bearer(login), ...headers })
  t.is((await app.request('POST', '/others', SAME_SITE)).status, 401)
  t.is((await post({ token: mine.token, cookie: bob.cookie })).status, 401)
  t.is((await post(mine, { 'Sec-Fetch-Site': 'cross-site' })).status, 403)
  t.is((await sidsOf(app)).length, 4)
  t.is((await post(mine)).status, 204)
  for (const one of others) await assertEnded(t, app, one)
  for (const one of [mine, bob]) await assertLives(t, app, one)
})

test('RV-09 RF-12 kit.revoke of a subject ends its refresh tokens too, whatever generation, and nobody else', async (t) => {
  const { app, mine, others, bob } = await openWithSessions(t)
  const refreshed = toLogin(await postRefresh(app, mine))
  await app.kit.revoke({ sub: 'alice' })
  for (const one of [mine, refreshed, ...others]) await assertEnded(t, app, one)
  app.seen.length = 0
  await postRefresh(app, refreshed)
  t.is(codesOf(app.seen).length, 1)
  t.deepEqual(await sidsOf(app), [bob.sid])
  await assertLives(t, app, bob)
  await assertLives(t, app, await app.login('alice'))
})

test('RV-09 RF-12 kit.revoke before a time ends exactly the sessions that began before it, refreshed since or not', async (t) => {
  for (const asDate of [true, false]) {
    const app = await openTestApp(t)
    const [old, oldRefreshed] = [await app.login(), await app.login()]
    app.clock.advance(10)
    const before = app.clock()
    app.clock.advance(10)
    const [young, youngRefreshed] = [await app.login(), await app.login()]
    const bob = await app.login('bob')
    app.clock.advance(10)
    const next = [
      toLogin(await postRefresh(app, oldRefreshed)),
      toLogin(await postRefresh(app, youngRefreshed)),
    ] as const
    app.seen.length = 0
    await app.kit.revoke({ sub: 'alice', before: asDate ? new Date(before) : before })
    const ended = endsOf(app).map(([, sid]) => sid)
    t.deepEqual(ended.sort(), [old.sid, oldRefreshed.sid].sort())
    for (const one of [old, oldRefreshed, next[0]]) await assertEnded(t, app, one)
    for (const one of [young, next[1], bob]) await assertLives(t, app, one)
  }
})

test('RV-09 a session that began before the time is ended by it also when kit.renew has given it a new name', async (t) => {
  const app = await openTestApp(t, {
    mount(_koa, kit, router) {
      router.post('/renew', kit.protect(), async (ctx) => {
        ctx.body = await kit.renew(ctx)
      })
    },
  })
  const stolen = await app.login()
  app.clock.advance(10)
  const before = app.clock()
  app.clock.advance(10)
  const renewed = toLogin(await app.request('POST', '/renew', bearer(stolen)))
  await app.kit.revoke({ sub: 'alice', before })
  await assertEnded(t, app, renewed)
})

for (const target of [{ sub: 'alice' }, { sub: 'alice', before: START + 5000 }]) {
  test(`RV-09 RF-12 a refresh that is under way gets nothing past kit.revoke ${Object.keys(target).join()}`, async (t) => {
    const testClock = createClock()
    const store = heldStore(memoryStore({ clock: testClock }))
    const [asked, answered] = [createSignal(), createSignal()]
    const app = await openTestApp(t, {
      testClock,
      store,
      async reauthorize() {
        asked.send()
        await answered.promise
        return {}
      },
    })
    const old = await app.login()
    app.clock.advance(10)
    const refreshing = postRefresh(app, old)
    await asked.promise
    // The account is read while it is still good; then all of it is revoked, by a store that takes its time.
    const removal = store.hold('delete session')
    const revoking = app.kit.revoke(target)
    await removal.reached
    app.clock.advance(1)
    answered.send()
    const answer = await refreshing
    removal.release()
    await revoking
    await assertEnded(t, app, old)
    if (answer.status === 200) await assertEnded(t, app, toLogin(answer), 'what the refresh was given')
    t.deepEqual(await sidsOf(app), [])
  })
}
