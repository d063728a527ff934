// What the kit tells about what happens: each scenario one event of the right name, with who, when, where and what.

import { execFile } from 'node:child_process'
import { channel } from 'node:diagnostics_channel'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

import type { EndReason, EventName } from '../src/index.ts'
import { createEvents } from '../src/events.ts'
import { ERROR_CODES } from '../src/errors.ts'
import {
  bearer,
  codesOf,
  createClock,
  EVENT_NAMES,
  type Login,
  openTestApp,
  postLogin,
  postRefresh,
  privateJwk,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from './helpers/app.ts'
import { payloadOf } from './helpers/decode.ts'
import { openFaultyApp } from './helpers/faulty.ts'

const ALICE = { sub: 'alice', password: 'correct' }

interface Scenario {
  readonly options?: TestAppOptions
  readonly run: (app: TestApp, session: Login) => Promise<unknown>
  /** The events, in order, with what each must hold beside `time` and, unless told otherwise, `request`. */
  readonly events: readonly (readonly [EventName, (session: Login) => Readonly<Record<string, unknown>>])[]
  /** What the application did by itself has no request. */
  readonly withoutRequest?: true
}

const about = (session: Login) => ({ sub: 'alice', sid: session.sid, jti: payloadOf(session.token)['jti'] })

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'a login': {
    run: (app) => postLogin(app, ALICE),
    events: [
      ['session_created', () => ({ sub: 'alice' })],
      ['authn_token_created', () => ({ sub: 'alice' })],
      ['authn_login_success', () => ({ sub: 'alice' })],
    ],
  },
  'a login over another': {
    run: (app, session) => postLogin(app, ALICE, bearer(session)),
    events: [
      ['authn_token_revoked', ({ sid }) => ({ target: { sid } })],
      ['session_expired', ({ sid }) => ({ sub: 'alice', sid, reason: 'login' })],
      ['session_created', () => ({ sub: 'alice' })],
      ['authn_token_created', () => ({ sub: 'alice' })],
      ['authn_login_success', () => ({ sub: 'alice' })],
    ],
  },
  'a wrong password': {
    run: (app) => postLogin(app, { ...ALICE, password: 'wrong' }),
    events: [['authn_login_fail', () => ({ code: 'ERR_LOGIN_FAILED' })]],
  },
  'a login that the limiter refuses': {
    options: { limiter: () => 30 },
    run: (app) => postLogin(app, ALICE),
    events: [['excess_rate_limit_exceeded', () => ({ code: 'ERR_RATE_LIMITED' })]],
  },
  'a login from another site': {
    run: (app) => postLogin(app, ALICE, { 'Sec-Fetch-Site': 'cross-site' }),
    events: [['cross_site_refused', () => ({ code: 'ERR_CROSS_SITE' })]],
  },
  'a logout': {
    run: (app, session) => app.request('POST', '/auth/logout', bearer(session)),
    events: [
      ['authn_token_revoked', ({ sid }) => ({ target: { sid } })],
      ['session_expired', ({ sid }) => ({ sub: 'alice', sid, reason: 'logout' })],
    ],
  },
  'kit.revoke of a session': {
    run: (app, { sid }) => app.kit.revoke({ sid }),
    withoutRequest: true,
    events: [
      ['authn_token_revoked', ({ sid }) => ({ target: { sid } })],
      ['session_expired', ({ sid }) => ({ sub: 'alice', sid, reason: 'revoked' })],
    ],
  },
  'kit.revoke of a subject': {
    run: (app) => app.kit.revoke({ sub: 'alice' }),
    withoutRequest: true,
    events: [
      ['authn_token_revoked', () => ({ target: { sub: 'alice', before: Date.UTC(2026, 0, 15, 12, 0, 0, 250) } })],
      ['session_expired', ({ sid }) => ({ sub: 'alice', sid, reason: 'revoked' })],
    ],
  },
  'kit.revoke of a token': {
    run: (app) => app.kit.revoke({ jti: 'j' }),
    withoutRequest: true,
    events: [['authn_token_revoked', () => ({ target: { jti: 'j' } })]],
  },
  'kit.revoke of a key': {
    run: (app) => app.kit.revoke({ kid: privateJwk.kid ?? '' }),
    withoutRequest: true,
    events: [['authn_token_revoked', () => ({ target: { kid: privateJwk.kid } })]],
  },
  'an expired token': {
    run(app, { token, cookie }) {
      app.clock.advance(901)
      return app.me(token, cookie)
    },
    events: [['session_use_after_expire', (session) => ({ code: 'ERR_TOKEN_EXPIRED', ...about(session) })]],
  },
  'a token without its fingerprint': {
    run: (app, { token }) => app.me(token),
    events: [['sidejack', (session) => ({ code: 'ERR_FINGERPRINT_MISSING', ...about(session) })]],
  },
  'a token without its fingerprint, where that ends the session': {
    options: { onSidejack: 'revoke' },
    run: (app, { token }) => app.me(token),
    events: [['sidejack', (session) => ({ code: 'ERR_FINGERPRINT_MISSING', ...about(session) })], ...ended('sidejack')],
  },
  'a token with the fingerprint of another': {
    run: (app, { token }) => app.me(token, `__Secure-Fgp=${'A'.repeat(43)}`),
    events: [['sidejack', (session) => ({ code: 'ERR_FINGERPRINT_MISMATCH', ...about(session) })]],
  },
  'a bad token': {
    run: (app, { cookie }) => app.me('garbage', cookie),
    events: [['token_rejected', () => ({ code: 'ERR_TOKEN_MALFORMED' })]],
  },
  'a token that lacks a scope': {
    options: {
      mount: (_koa, kit, router) => router.get('/scope', kit.protect({ scope: 'admin' }), () => {}),
    },
    run: (app, session) => app.request('GET', '/scope', bearer(session)),
    events: [['authz_fail', (session) => ({ code: 'ERR_SCOPE_INSUFFICIENT', ...about(session) })]],
  },
  'a login over plain http': {
    options: { proxy: false },
    run: (app) => postLogin(app, ALICE),
    events: [['transport_insecure', () => ({ code: 'ERR_TRANSPORT_INSECURE' })]],
  },
  'a logout by the refresh token': {
    run: (app, { refreshCookie }) =>
      app.request('POST', '/auth/logout', { Cookie: refreshCookie, 'Sec-Fetch-Site': 'same-origin' }),
    events: ended('logout'),
  },
  'a logout from the list of sessions': {
    run: (app, session) => app.request('DELETE', `/auth/sessions/${session.sid}`, bearer(session)),
    events: ended('logout'),
  },
  'a logout everywhere': {
    run: (app, session) => app.request('DELETE', '/auth/sessions?all=true', bearer(session)),
    events: [
      ['authn_token_revoked', () => ({ target: { sub: 'alice', before: Date.UTC(2026, 0, 15, 12, 0, 0, 250) } })],
      ['session_expired', ({ sid }) => ({ sub: 'alice', sid, reason: 'revoked' })],
    ],
  },
  'a look at the list of sessions': {
    run: (app, session) => app.request('GET', '/auth/sessions', bearer(session)),
    events: [],
  },
  'a renewal': {
    options: {
      mount: (_koa, kit, router) =>
        router.post('/renew', async (ctx) => {
          ctx.body = await kit.renew(ctx)
        }),
    },
    run: (app, session) => app.request('POST', '/renew', bearer(session)),
    events: [
      ...ended('renewed'),
      ['session_created', () => ({ sub: 'alice' })],
      ['authn_token_created', () => ({ sub: 'alice' })],
    ],
  },
  'a refresh': {
    run: (app, session) => postRefresh(app, session),
    events: refreshed(1),
  },
  'a refresh that is sent twice': {
    run: async (app, session) => [await postRefresh(app, session), await postRefresh(app, session)],
    events: [...refreshed(1), ...refreshed(1)],
  },
  'a refresh token that was replaced': {
    async run(app, session) {
      await postRefresh(app, toLogin(await postRefresh(app, session)))
      return postRefresh(app, session)
    },
    events: [
      ...[...refreshed(1), ...refreshed(2)],
      ['authn_token_reuse', ({ sid }) => ({ code: 'ERR_REFRESH_REUSED_STALE', sub: 'alice', sid })],
      ...ended('reuse'),
    ],
  },
  'a refresh token that is too late': {
    async run(app, session) {
      await postRefresh(app, session)
      app.seen.length = 0
      app.clock.advance(10)
      return postRefresh(app, session)
    },
    events: [
      ['authn_token_reuse', ({ sid }) => ({ code: 'ERR_REFRESH_REUSED_RECENT', sub: 'alice', sid })],
      ...ended('reuse'),
    ],
  },
  'a forged refresh token': {
    run: (app, { cookie, sid }) =>
      postRefresh(app, { cookie, refreshCookie: `__Secure-Refresh=${sid}.0.${'A'.repeat(65)}` }),
    events: [['authn_token_reuse', () => ({ code: 'ERR_REFRESH_FORGED' })]],
  },
  'a refresh token that is none': {
    run: (app, { cookie }) => postRefresh(app, { cookie, refreshCookie: '__Secure-Refresh=x' }),
    events: [['token_rejected', () => ({ code: 'ERR_REFRESH_MALFORMED' })]],
  },
  'a refresh without a refresh token': {
    run: (app, { cookie }) => postRefresh(app, { cookie, refreshCookie: '' }),
    events: [],
  },
  'a refresh token without its fingerprint': {
    run: (app, { refreshCookie }) => postRefresh(app, { cookie: '', refreshCookie }),
    events: [['sidejack', ({ sid }) => ({ code: 'ERR_FINGERPRINT_MISSING', sub: 'alice', sid })]],
  },
  'a refresh of a session that was idle too long': {
    run(app, session) {
      app.clock.advance(1800)
      return postRefresh(app, session)
    },
    events: [['session_use_after_expire', () => ({ code: 'ERR_SESSION_EXPIRED' })]],
  },
  'a refresh that reauthorize does not allow': {
    options: { reauthorize: () => null },
    run: (app, session) => postRefresh(app, session),
    events: [
      ['token_rejected', ({ sid }) => ({ code: 'ERR_REAUTHORIZATION_FAILED', sub: 'alice', sid })],
      ...ended('unauthorized'),
    ],
  },
  'a refresh of a scope that was not granted': {
    run: (app, { cookie, refreshCookie }) =>
      app.request(
        'POST',
        '/auth/refresh',
        { 'Content-Type': 'application/json', Cookie: `${cookie}; ${refreshCookie}` },
        '{"scope":"admin"}',
      ),
    events: [['authz_fail', ({ sid }) => ({ code: 'ERR_SCOPE_INVALID', sub: 'alice', sid })]],
  },
  'a refresh from another site': {
    run: (app, session) => postRefresh(app, session, { 'Sec-Fetch-Site': 'cross-site' }),
    events: [['cross_site_refused', () => ({ code: 'ERR_CROSS_SITE' })]],
  },
  'a refresh that the limiter refuses': {
    options: { limiter: () => 30 },
    run: (app) => postRefresh(app, { cookie: '', refreshCookie: '__Secure-Refresh=garbage' }),
    events: [['excess_rate_limit_exceeded', () => ({ code: 'ERR_RATE_LIMITED' })]],
  },
  'one login more than session.max, which ends the oldest': {
    options: { session: { max: 1 } },
    run: (app) => postLogin(app, ALICE),
    events: [
      ...ended('evicted'),
      ['session_created', () => ({ sub: 'alice' })],
      ['authn_token_created', () => ({ sub: 'alice' })],
      ['authn_login_success', () => ({ sub: 'alice' })],
    ],
  },
  'one login more than session.max, which is refused': {
    options: { session: { max: 1, onMax: 'refuse' } },
    run(app) {
      app.clock.advance(1)
      return postLogin(app, ALICE)
    },
    events: [['authn_login_fail', () => ({ code: 'ERR_SESSIONS_EXCEEDED', sub: 'alice' })]],
  },
}

/** What the end of the session is told by. */
function ended(reason: EndReason): Scenario['events'] {
  return [
    ['authn_token_revoked', ({ sid }) => ({ target: { sid } })],
    ['session_expired', ({ sid }) => ({ sub: 'alice', sid, reason })],
  ]
}

/** What a refresh is told by. */
function refreshed(generation: number): Scenario['events'] {
  return [
    ['session_renewed', ({ sid }) => ({ sub: 'alice', sid, generation })],
    ['authn_token_created', ({ sid }) => ({ sub: 'alice', sid })],
  ]
}

for (const [title, { options, run, events, withoutRequest }] of Object.entries(SCENARIOS)) {
  test(`EL-07 ${title} is told by its events and by no other`, async (t) => {
    const app = await openTestApp(t, options)
    const session = options?.limiter || options?.proxy === false ? ({} as Login) : await app.login()
    app.seen.length = 0
    const published: [EventName, unknown][] = []
    const subscribe = EVENT_NAMES.map((name) => {
      const subscriber = (message: unknown): void => {
        published.push([name, message])
      }
      channel(`koa-holdfast:${name}`).subscribe(subscriber)
      return () => channel(`koa-holdfast:${name}`).unsubscribe(subscriber)
    })
    await run(app, session)
    for (const unsubscribe of subscribe) unsubscribe()
    t.deepEqual(
      app.seen.map(({ name }) => name),
      events.map(([name]) => name),
    )
    for (const [index, [name, expected]] of events.entries()) {
      const event = app.seen[index]?.event as unknown as Record<string, unknown>
      t.like(event, { ...expected(session), time: app.clock() }, name)
      t.true(Object.isFrozen(event))
      // The same object. Other tests of this process publish on the same channels.
      t.true(
        published.some(([channelName, message]) => channelName === name && message === event),
        name,
      )
      if (withoutRequest) t.is(event['request'], undefined)
      else t.like(event['request'], { ip: '127.0.0.1' }, name)
    }
  })
}

test('EL-07 a revoked token is told by its own event', async (t) => {
  const app = await openTestApp(t)
  const session = await app.login()
  await app.kit.revoke({ sid: session.sid })
  app.seen.length = 0
  await app.me(session.token, session.cookie)
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['authn_token_reuse'],
  )
  t.like(app.seen[0]?.event, { code: 'ERR_TOKEN_REVOKED', ...about(session) })
})

test('EL-07 a login with a revoked key, and a store that is down, are told by their own events', async (t) => {
  const app = await openFaultyApp(t)
  const { store } = app
  store.broken.add('add')
  await postLogin(app, ALICE)
  store.broken.clear()
  await app.kit.revoke({ kid: privateJwk.kid ?? '' })
  await postLogin(app, ALICE)
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['store_unavailable', 'authn_token_revoked', 'key_revoked_in_use'],
  )
})

test('EL-07 a login that fails after all has not been told as a success, or as a token', async (t) => {
  const app = await openTestApp(t, { proxy: false })
  t.is((await postLogin(app, ALICE)).status, 500)
  for (const name of ['authn_login_success', 'session_created', 'authn_token_created']) {
    t.false(
      app.seen.some((one) => one.name === name),
      name,
    )
  }
  const records: unknown[] = []
  for await (const record of app.store.list('session')) records.push(record)
  t.deepEqual(records, [], 'nor is there a session that nobody has')
})

test('EL-07 where is told without the query, and the user agent when there is one', async (t) => {
  const app = await openTestApp(t)
  await app.me('garbage', undefined, { 'User-Agent': 'Test/1', 'X-Forwarded-For': '203.0.113.9' })
  await app.request('GET', '/me?token=secret', { Authorization: 'Bearer garbage' })
  const [first, second] = app.seen.map(({ event }) => event.request)
  t.deepEqual(first, { method: 'GET', path: '/me', ip: '203.0.113.9', userAgent: 'Test/1' })
  t.deepEqual(second, { method: 'GET', path: '/me', ip: '127.0.0.1' })
})

test('EL-07 every event that the table of codes names is one that can be listened to', (t) => {
  for (const { event } of Object.values(ERROR_CODES)) if (event !== undefined) t.true(EVENT_NAMES.includes(event))
})

test('FP-16 a stolen token is one event of its own, apart from noise and from dead tokens', async (t) => {
  const app = await openTestApp(t)
  const session = await app.login()
  app.seen.length = 0
  await app.me(session.token)
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['sidejack'],
  )
  t.false(JSON.stringify(app.seen).includes(session.token))
  t.false(JSON.stringify(app.seen).includes(session.fingerprint))
  app.seen.length = 0
  await app.me(`${session.token.slice(0, -4)}AAAA`)
  app.clock.advance(901)
  await app.me(session.token)
  const other = await app.login()
  await app.kit.revoke({ sid: other.sid })
  await app.me(other.token)
  t.false(app.seen.some(({ name }) => name === 'sidejack'))
})

test('FP-16 two protect() and an anonymous-friendly one make one event of one request', async (t) => {
  const app = await openTestApp(t, {
    mount(koa, kit, router) {
      koa.use(kit.protect({ optional: true }))
      router.get('/twice', kit.protect(), kit.protect(), () => {})
    },
  })
  const { token } = await app.login()
  app.seen.length = 0
  t.is((await app.request('GET', '/twice', { Authorization: `Bearer ${token}` })).status, 401)
  t.is(app.seen.length, 1)
})

test('by default a stolen token is refused and the session of its owner lives on', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  await app.me(token)
  t.is((await app.me(token, cookie)).status, 200)
})

test("onSidejack 'revoke' ends the session of a stolen token, and says so", async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const session = await app.login()
  app.seen.length = 0
  const stolen = await app.me(session.token)
  t.is(stolen.status, 401)
  t.is(stolen.json['error'], 'invalid_token', 'the thief learns nothing of it')
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['sidejack', 'authn_token_revoked', 'session_expired'],
  )
  t.like(app.seen[2]?.event, { sid: session.sid, reason: 'sidejack' })
  t.is((await app.me(session.token, session.cookie)).status, 401)
  t.is((await app.login()).response.status, 200, 'the subject can log in again')
})

test("onSidejack 'revoke' ends nothing for a token that is not genuine, is dead, or is not proved stolen", async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const { token, cookie } = await app.login()
  await app.me(`${token.slice(0, -4)}AAAA`)
  await app.me('garbage')
  await app.me(undefined, '__Secure-Fgp=x')
  // The right fingerprint is there beside a planted one: that is no theft, and must not be a way to log people out.
  await app.me(token, `__Secure-Fgp=${'A'.repeat(43)}; ${cookie}`)
  t.is((await app.me(token, cookie)).status, 200)
})

test("onSidejack 'revoke' ends at most ten sessions a minute, and refuses the others", async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const sessions: Login[] = []
  for (let i = 0; i < 15; i += 1) sessions.push(await app.login(`user${i}`))
  for (const { token } of sessions) t.is((await app.me(token)).status, 401)
  t.is(codesOf(app.seen).filter((code) => code === 'ERR_FINGERPRINT_MISSING').length, 15, 'each of them is told')
  const alive: boolean[] = []
  for (const { token, cookie } of sessions) alive.push((await app.me(token, cookie)).status === 200)
  t.deepEqual(alive, [...Array<boolean>(10).fill(false), ...Array<boolean>(5).fill(true)])
  app.clock.advance(60)
  const [next] = sessions.slice(10)
  await app.me(next?.token)
  t.is((await app.me(next?.token, next?.cookie)).status, 401, 'a minute later it goes on')
})

test("onSidejack 'revoke' refuses the thief even where the store is down", async (t) => {
  const app = await openFaultyApp(t, { onSidejack: 'revoke' })
  const { token, cookie } = await app.login()
  app.store.broken.add('set')
  const stolen = await app.me(token)
  t.is(stolen.status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_FINGERPRINT_MISSING', 'ERR_STORE_UNAVAILABLE'])
  t.is((await app.me(token, cookie)).status, 401, 'and the session is over in this process')
})

test('every reason to end a session is told in some scenario, and the table of codes names no other', (t) => {
  const told = new Set<string>()
  for (const { events } of Object.values(SCENARIOS)) {
    for (const [, expected] of events) {
      const { reason } = expected({ token: 'x.e30.x' } as Login)
      if (typeof reason === 'string') told.add(reason)
    }
  }
  const reasons: Record<EndReason, true> = {
    ...{ logout: true, login: true, revoked: true, sidejack: true },
    ...{ reuse: true, unauthorized: true, renewed: true, evicted: true },
  }
  t.deepEqual([...told].toSorted(), Object.keys(reasons).toSorted())
  for (const { ends } of Object.values(ERROR_CODES)) if (ends !== undefined) t.true(ends in reasons)
})

test("onSidejack 'revoke' also holds for a logout without the fingerprint", async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const { token, cookie } = await app.login()
  t.is((await app.request('POST', '/auth/logout', { Authorization: `Bearer ${token}` })).status, 401)
  t.is((await app.me(token, cookie)).status, 401)
})

/** The events that are no refusals. */
const COUNTED: ReadonlySet<EventName> = new Set([
  ...(['authn_login_success', 'authn_token_created', 'authn_token_revoked'] as const),
  ...(['session_created', 'session_renewed', 'session_expired'] as const),
])

test('EL-09 each floodable event is limited by itself, and what counts is told in full', (t) => {
  const clock = createClock()
  const events = createEvents(clock)
  const counts = new Map<EventName, number>()
  for (const name of EVENT_NAMES) {
    events.source.on(name, () => counts.set(name, (counts.get(name) ?? 0) + 1))
    const payload = COUNTED.has(name) ? { sub: 'alice' } : { code: 'ERR_TOKEN_SIGNATURE' }
    for (let i = 0; i < 1000; i += 1) events.emit(name as 'token_rejected', payload as { code: 'ERR_TOKEN_SIGNATURE' })
  }
  // What only the owner of a right can cause is never left out.
  for (const name of EVENT_NAMES) t.is(counts.get(name), COUNTED.has(name) ? 1000 : 50, name)
})

test('EL-09 the count of what was left out is told once, and a clock that stands or goes back ends no flood limit for good', (t) => {
  const clock = createClock()
  const events = createEvents(clock)
  const seen: (number | undefined)[] = []
  events.source.on('token_rejected', ({ suppressed }) => seen.push(suppressed))
  const send = (count: number): void => {
    for (let i = 0; i < count; i += 1) events.emit('token_rejected', { code: 'ERR_TOKEN_SIGNATURE' })
  }
  send(60)
  clock.advance(1)
  send(3)
  t.deepEqual(seen.slice(49), [undefined, 10, undefined, undefined])
  clock.advance(-3600)
  send(60)
  t.is(seen.length, 53 + 50)
  clock.advance(1)
  send(1)
  t.is(seen.at(-1), 10)
})

test.serial(
  'a listener that throws is a process warning, and neither the request nor other listeners suffer',
  async (t) => {
    const app = await openTestApp(t)
    const warnings: Error[] = []
    const hear = (warning: Error): void => {
      warnings.push(warning)
    }
    process.on('warning', hear)
    t.teardown(() => process.off('warning', hear))
    const thrown = [new Error('no disk'), 'text', undefined, null, Symbol('s'), Object.create(null)]
    for (const value of thrown) {
      app.kit.events.once('token_rejected', () => {
        throw value
      })
    }
    let after = 0
    app.kit.events.on('token_rejected', () => {
      after += 1
    })
    const response = await app.me('garbage')
    t.is(response.status, 401)
    t.is(after, 1)
    t.is((await app.me('garbage')).status, 401)
    t.is(after, 2)
    await new Promise((resolve) => setImmediate(resolve))
    t.is(warnings.filter(({ name }) => name === 'SessionEventWarning').length, thrown.length)
  },
)

test('an async listener that fails does not end the process', async (t) => {
  // In a process of its own, since an unhandled rejection ends the one it happens in.
  const program = `
    import { createEvents } from './src/events.ts'
    const events = createEvents(Date.now)
    events.source.on('sidejack', async () => { throw new Error('the log server is away') })
    events.emit('sidejack', { code: 'ERR_FINGERPRINT_MISSING' })
    setImmediate(() => console.log('still here'))
  `
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--import=tsx', '--input-type=module', '--eval', program],
    { cwd: fileURLToPath(new URL('../', import.meta.url)) },
  ).catch((error: { stdout: string }) => error)
  t.is(stdout.trim(), 'still here')
})

test('a listener can neither change what others hear nor what later events say', async (t) => {
  const app = await openTestApp(t)
  app.kit.events.on('authn_token_created', (event) => {
    t.throws(() => Object.assign(event, { sub: 'mallory' }))
    t.throws(() => Object.assign(event.request ?? {}, { ip: '0.0.0.0' }))
  })
  app.kit.events.on('authn_token_revoked', (event) => {
    t.throws(() => Object.assign(event.target, { sid: 'other' }))
  })
  const { sid } = await app.login()
  await app.kit.revoke({ sid })
  t.is(app.seen.find(({ name }) => name === 'authn_login_success')?.event.request?.ip, '127.0.0.1')
})

test('once hears one event and off ends hearing, also in the middle of one', (t) => {
  const events = createEvents(createClock())
  const heard: string[] = []
  const two = (): void => {
    heard.push('two')
  }
  events.source.once('sidejack', () => {
    heard.push('once')
    events.source.off('sidejack', two)
  })
  events.source.on('sidejack', two)
  for (let i = 0; i < 3; i += 1) events.emit('sidejack', { code: 'ERR_FINGERPRINT_MISSING' })
  t.is(heard.filter((one) => one === 'once').length, 1)
  t.true(heard.filter((one) => one === 'two').length <= 1)
})
