// WebSockets: who gets one, and that it ends with its session. Real sockets, real peers.

import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'
import Koa from 'koa'

import { ERROR_CODES, type ErrorCode, memoryStore } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  postLogout,
  postRefresh,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { createLiveSessions } from '../../src/live.ts'
import { toAuth } from '../../src/auth.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { heldStore } from '../helpers/held-store.ts'
import { INVALID_TOKEN_BODY } from '../helpers/refused.ts'
import { createSessionUnit } from '../helpers/sessions.ts'
import {
  type Client,
  createStaleStore,
  createRunningClock,
  dial,
  knock,
  mountTickets,
  openSocketServer,
  ping,
  SESSION_OVER,
  type SocketServer,
  ticketPath,
} from '../helpers/live.ts'

interface Opened {
  readonly app: TestApp
  readonly server: SocketServer
  readonly session: Login
}

async function open(t: ExecutionContext, options: TestAppOptions = {}): Promise<Opened> {
  const app = await openTestApp(t, { mount: mountTickets, ...options })
  return { app, server: await openSocketServer(t, app), session: await app.login() }
}

/** Asserts that the peer was closed, with the code that the server's abort listener sends. */
async function assertClosed(t: ExecutionContext, { closed }: Client, label?: string): Promise<void> {
  t.is((await closed).code, SESSION_OVER, label)
}

/** Resolves when the socket is closed, with or without an error. */
async function closing(socket: Duplex): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

const WRONG = `${COOKIE_NAME}=${'A'.repeat(43)}`

const ORIGINS: Readonly<Record<string, Record<string, string>>> = {
  'a page of the app': { Origin: ISSUER, 'Sec-Fetch-Site': 'same-origin' },
  'a page that the options name': { Origin: 'https://www.app.example', 'Sec-Fetch-Site': 'same-site' },
  'what says only that it is of the same origin': { 'Sec-Fetch-Site': 'same-origin' },
  'what is no browser': {},
}

for (const [from, origin] of Object.entries(ORIGINS)) {
  test(`an upgrade by header or by ticket, with the fingerprint, is let in: ${from}`, async (t) => {
    const { app, server, session } = await open(t, { origins: ['https://www.app.example'] })
    const { cookie, sid } = session
    await ping(await dial(server, { ...bearer(session), ...origin }))
    await ping(await dial(server, { Cookie: cookie, ...origin }, await ticketPath(app, session)))
    t.deepEqual(
      server.lives.map(({ auth }) => [auth.sub, auth.sid]),
      [
        ['alice', sid],
        ['alice', sid],
      ],
    )
    t.false(server.lives.some(({ signal }) => signal.aborted))
    t.deepEqual(codesOf(app.seen), [])
  })
}

interface Attempt {
  readonly code?: ErrorCode
  readonly status?: number
  readonly headers: Record<string, string> | [string, string][]
  readonly path?: string
}

type Prepare = (session: Login, app: TestApp) => Attempt | Promise<Attempt>

const REFUSED: Readonly<Record<string, Prepare>> = {
  'no credentials': () => ({ headers: {} }),
  'only the cookie': ({ cookie }) => ({ headers: { Cookie: cookie } }),
  'a token in the URL': ({ token, cookie }) => ({ headers: { Cookie: cookie }, path: `/live?access_token=${token}` }),
  'FP-15 a token without the cookie': ({ token }) => ({
    ...{ code: 'ERR_FINGERPRINT_MISSING', headers: { Authorization: `Bearer ${token}` } },
  }),
  'FP-15 a token with a wrong cookie': ({ token }) => ({
    ...{ code: 'ERR_FINGERPRINT_MISMATCH', headers: bearer({ token, cookie: WRONG }) },
  }),
  'a token with two cookies': ({ token, cookie }) => ({
    ...{ code: 'ERR_FINGERPRINT_AMBIGUOUS', headers: bearer({ token, cookie: `${cookie}; ${WRONG}` }) },
  }),
  'an expired token': (session, app) => {
    app.clock.advance(900)
    return { code: 'ERR_TOKEN_EXPIRED', headers: bearer(session) }
  },
  'a revoked token': async (session, app) => {
    await app.kit.revoke({ sid: session.sid })
    return { code: 'ERR_TOKEN_REVOKED', headers: bearer(session) }
  },
  'a live token of a session whose record is gone': async (session, app) => {
    await app.store.delete('session', session.sid)
    return { code: 'ERR_SESSION_EXPIRED', headers: bearer(session) }
  },
  'a forged token': ({ token, cookie }) => ({
    ...{ code: 'ERR_TOKEN_SIGNATURE', headers: bearer({ token: `${token.slice(0, -4)}AAAA`, cookie }) },
  }),
  'two tokens': ({ token, cookie }) => ({
    code: 'ERR_CREDENTIALS_AMBIGUOUS',
    headers: [
      ['Authorization', `Bearer ${token}`],
      ['Authorization', `Bearer ${token}`],
      ['Cookie', cookie],
    ],
  }),
  'a token and a ticket': async (session, app) => ({
    ...{ code: 'ERR_CREDENTIALS_AMBIGUOUS', headers: bearer(session), path: await ticketPath(app, session) },
  }),
  'two tickets': async (session, app) => {
    const path = await ticketPath(app, session)
    return {
      ...{ code: 'ERR_CREDENTIALS_AMBIGUOUS', headers: { Cookie: session.cookie } },
      path: `${path}&${path.split('?')[1]}`,
    }
  },
  'a ticket for another audience': async (session, app) => ({
    ...{ code: 'ERR_TOKEN_AUDIENCE', headers: { Cookie: session.cookie } },
    path: await ticketPath(app, session, { audience: 'chat' }),
  }),
  'an access token as a ticket': ({ token, cookie }) => ({
    ...{ code: 'ERR_TOKEN_TYPE', headers: { Cookie: cookie }, path: `/live?ticket=${token}` },
  }),
  'a ticket as an access token': async (session, app) => {
    const token = (await ticketPath(app, session)).split('=')[1] ?? ''
    return { code: 'ERR_TOKEN_TYPE', headers: bearer({ ...session, token }) }
  },
  'an empty ticket': ({ cookie }) => ({
    ...{ code: 'ERR_TOKEN_MALFORMED', headers: { Cookie: cookie }, path: '/live?ticket=' },
  }),
}

for (const [origin, headers] of Object.entries({
  'another site': { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
  'another site, without Fetch Metadata': { Origin: 'https://evil.example' },
  'a sibling': { Origin: 'https://evil.app.example', 'Sec-Fetch-Site': 'same-site' },
  'an origin that begins like the own': { Origin: `${ISSUER}.evil.example` },
  'the own host in the clear': { Origin: 'http://app.example' },
  nowhere: { Origin: 'null' },
  'two origins': { Origin: `${ISSUER}, https://evil.example` },
  'another site that hides its Origin': { 'Sec-Fetch-Site': 'cross-site' },
  'a sibling that hides its Origin': { 'Sec-Fetch-Site': 'same-site' },
})) {
  Object.assign(REFUSED, {
    [`a genuine pair from ${origin}`]: ((session) => ({
      ...{ code: 'ERR_CROSS_SITE', status: 403, headers: { ...bearer(session), ...headers } },
    })) satisfies Prepare,
  })
}

for (const [what, prepare] of Object.entries(REFUSED)) {
  const [, id = '', rest = what] = /^([A-Z]{2}-\d\d )?(.*)$/.exec(what) ?? []
  test(`${id}SL-09 an upgrade is answered with a refusal and closed: ${rest}`, async (t) => {
    const { app, server, session } = await open(t)
    const { code, headers, path } = await prepare(session, app)
    app.seen.length = 0
    const response = await knock(server, headers, path)
    const { status, error } = code === undefined ? { status: 401, error: undefined } : ERROR_CODES[code]
    t.is(response.status, status)
    t.is(response.headers['connection'], 'close')
    t.true(response.isClosed)
    t.is(response.headers['content-type'], 'application/problem+json; charset=utf-8')
    t.is((JSON.parse(response.text) as { error?: string }).error, error)
    if (error === 'invalid_token') t.is(response.text, INVALID_TOKEN_BODY)
    if (status === 401) t.regex(response.headers['www-authenticate'] ?? '', /^Bearer realm=/)
    t.deepEqual(codesOf(app.seen), code === undefined ? [] : [code])
    t.deepEqual([server.lives, server.failures], [[], []])
    await Promise.all(server.sockets.map((socket) => closing(socket)))
  })
}

/** Everything that ends a session, or what a socket was opened with. */
const ENDS: Readonly<Record<string, (opened: Opened) => Promise<unknown>>> = {
  'kit.revoke({ sid })': ({ app, session: { sid } }) => app.kit.revoke({ sid }),
  'kit.revoke({ sub })': ({ app }) => app.kit.revoke({ sub: 'alice' }),
  'kit.revoke({ sub, before })': ({ app }) => app.kit.revoke({ sub: 'alice', before: app.clock() }),
  'kit.revoke({ jti })': ({ app, server }) => app.kit.revoke({ jti: server.lives[0]?.auth.jti ?? '' }),
  'kit.revoke({ kid })': ({ app }) => app.kit.revoke({ kid: app.keys.active?.kid ?? '' }),
  logout: async ({ app, session }) => (await postLogout(app, session)).status === 204,
  'DELETE /auth/sessions/:sid': ({ app, session }) =>
    app.request('DELETE', `/auth/sessions/${session.sid}`, bearer(session)),
  'another login in the same browser': ({ app, session }) => app.login('alice', { headers: bearer(session) }),
  'the reuse of a refresh token': async ({ app, session }) => {
    await postRefresh(app, session)
    app.clock.advance(11)
    return postRefresh(app, session)
  },
  'the theft of its token, where the options say so': ({ app, session: { token } }) => app.me(token),
  'the theft of a ticket, where the options say so': async ({ app, server, session }) =>
    knock(server, {}, await ticketPath(app, session)),
}

for (const [what, end] of Object.entries(ENDS)) {
  test(`SL-09 a socket is closed by ${what}`, async (t) => {
    const opened = await open(t, { onSidejack: 'revoke' })
    const { app, server } = opened
    const client = await dial(server, bearer(opened.session))
    const other = await dial(server, bearer(await app.login('bob')))
    await end(opened)
    await assertClosed(t, client)
    t.true(server.lives[0]?.signal.aborted)
    if (what !== 'kit.revoke({ kid })') await t.notThrowsAsync(ping(other), "and nobody else's is")
  })
}

test('SL-09 the socket is closed within 100 ms of the revocation', async (t) => {
  const { app, server } = await open(t)
  const times: number[] = []
  for (let i = 0; i < 20; i += 1) {
    const session = await app.login(`user-${i}`)
    const client = await dial(server, bearer(session))
    const start = performance.now()
    await app.kit.revoke({ sid: session.sid })
    const { at } = await client.closed
    times.push(at - start)
  }
  const sorted = times.toSorted((a, b) => a - b).map((time) => Math.round(time * 10) / 10)
  t.log(`milliseconds from kit.revoke() to the peer's close: median ${sorted[10]}, most ${sorted.at(-1)}`)
  t.true((sorted[10] ?? Infinity) < 100)
})

test('SL-09 a socket that came with a ticket outlives the ticket, and ends with its session', async (t) => {
  const { app, server, session } = await open(t)
  const { cookie, sid } = session
  const client = await dial(server, { Cookie: cookie }, await ticketPath(app, session))
  // Another ticket is used up, and the time of this one is over.
  await dial(server, { Cookie: cookie }, await ticketPath(app, session))
  app.clock.advance(60)
  await ping(client)
  await app.kit.revoke({ sid })
  await assertClosed(t, client)
})

test('SL-09 a socket stays through refreshes and the expiry of its token, and still ends with its session', async (t) => {
  const { app, server, session } = await open(t)
  const client = await dial(server, bearer(session))
  app.clock.advance(890)
  const next = toLogin(await postRefresh(app, session))
  app.clock.advance(890)
  toLogin(await postRefresh(app, next))
  t.is((await app.me(session.token, next.cookie)).status, 401, 'its token has expired')
  await ping(client)
  t.false(server.lives[0]?.signal.aborted)
  await app.kit.revoke({ sid: session.sid })
  await assertClosed(t, client)
})

test('SL-09 SL-02 a socket outlives its token, and is closed when the absolute time of its session is over', async (t) => {
  const testClock = createRunningClock()
  const { app, server } = await open(t, { testClock, session: { absolute: 3 }, accessToken: { lifetime: 2 } })
  const begun = performance.now()
  const session = await app.login('bob')
  const client = await dial(server, bearer(session))
  await assertClosed(t, client)
  const { at } = await client.closed
  t.true(at - begun > 2900, `after ${at - begun} ms`)
  t.true(at - begun < 10_000, `after ${at - begun} ms`)
  t.is((await app.me(session.token, session.cookie)).status, 401)
})

test('SL-09 SL-01 when its session should have been idle too long it is looked at again, since it may have been refreshed', async (t) => {
  const app = await openFaultyApp(t, { session: { idle: 1 }, accessToken: { lifetime: 1 } })
  const server = await openSocketServer(t, app)
  const session = await app.login()
  const client = await dial(server, bearer(session))
  app.clock.advance(0.5)
  toLogin(await postRefresh(app, session))
  const looks = (): number => app.store.calls.filter((call) => call === 'get session').length
  const before = looks()
  while (looks() === before) await nextTurn()
  await ping(client)
  app.clock.advance(1.1)
  await assertClosed(t, client)
})

test('SL-09 a store that fails when the time of a session is over is asked again, and the socket closed then', async (t) => {
  const app = await openFaultyApp(t, { session: { idle: 1 }, accessToken: { lifetime: 1 } })
  const server = await openSocketServer(t, app)
  const client = await dial(server, bearer(await app.login()))
  app.clock.advance(2)
  const before = app.store.calls.length
  app.store.broken.add('get session')
  while (app.store.calls.length === before) await nextTurn()
  app.store.broken.clear()
  await assertClosed(t, client)
})

test('SL-09 a session of 400 days is waited for, longer than timers can', async (t) => {
  const warnings: string[] = []
  const listener = ({ name }: Error): unknown => warnings.push(name)
  process.on('warning', listener)
  t.teardown(() => process.off('warning', listener))
  const app = await openFaultyApp(t, { session: { remembered: { absolute: '400d', idle: '400d' } } })
  const server = await openSocketServer(t, app)
  const client = await dial(server, bearer(await app.login('alice', { body: { remember: true } })))
  const looks = app.store.calls.length
  for (let i = 0; i < 20; i += 1) await ping(client)
  t.is(app.store.calls.length, looks)
  t.deepEqual(warnings, [])
})

test('SL-09 what an abort listener sends is sent, even if it has to wait', async (t) => {
  const { app, server, session } = await open(t)
  const client = await dial(server, bearer(session))
  server.sockets[0]?.cork()
  await app.kit.revoke({ sid: session.sid })
  await assertClosed(t, client)
})

test('SL-09 a peer that does not read cannot keep its socket', async (t) => {
  const { app, server, session } = await open(t)
  const client = await dial(server, bearer(session))
  client.peer.pause()
  const [socket] = server.sockets
  // More than any buffer between the two takes.
  socket?.write(Buffer.alloc(32 * 1024 * 1024))
  const closed = socket && closing(socket)
  await app.kit.revoke({ sid: session.sid })
  await closed
  t.true(socket?.destroyed)
  client.peer.terminate()
})

test('SL-09 a peer that hangs up while it is let in is forgotten', async (t) => {
  const testClock = createClock()
  const store = createStaleStore(testClock)
  const { app, server, session } = await open(t, { testClock, store })
  const { reached, release } = store.hold()
  const peer = connect(server.port, '127.0.0.1')
  const lines = Object.entries({ ...bearer(session), Connection: 'Upgrade', Upgrade: 'websocket' })
  peer.write(
    `GET /live HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-Proto: https\r\n` +
      `${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  )
  await reached
  const [socket] = server.sockets
  const closed = socket && closing(socket)
  peer.resetAndDestroy()
  await closed
  release()
  while (server.lives.length === 0) await nextTurn()
  await app.kit.revoke({ sid: session.sid })
  t.false(server.lives[0]?.signal.aborted)
})

test('a ticket that is used up has nobody look at the sockets that are open', async (t) => {
  const clock = createClock()
  const { sessions, revocations } = await createSessionUnit({ store: memoryStore({ clock }), clock })
  let looks = 0
  const isListed: typeof revocations.isListed = (token) => {
    looks += 1
    return revocations.isListed(token)
  }
  const live = createLiveSessions({ sessions, revocations: { ...revocations, isListed }, clock })
  t.teardown(live.close)
  let ended = 0
  for (const sub of ['alice', 'bob', 'carol']) {
    const { access } = await sessions.start({ sub }, { replaces: [] })
    await live.tie(toAuth(access.claims, access.kid), false, () => (ended += 1))
  }
  looks = 0
  t.true(await revocations.consume('a-ticket'))
  t.deepEqual([looks, ended], [0, 0])
  await revocations.add({ sub: 'bob' })
  t.is(ended, 1)
})

test('SL-09 sockets that close by themselves are forgotten, their timers among them', async (t) => {
  const app = await openFaultyApp(t, { session: { idle: 1 }, accessToken: { lifetime: 1 } })
  const server = await openSocketServer(t, app)
  const session = await app.login()
  for (let i = 0; i < 200; i += 1) {
    const client = await dial(server, bearer(session))
    client.peer.terminate()
  }
  await Promise.all(server.sockets.map((socket) => closing(socket)))
  t.is(server.lives.length, 200)
  // The last one: when its time is over, so is that of all before it.
  const last = await dial(server, bearer(session))
  const looks = app.store.calls.length
  app.clock.advance(2)
  await assertClosed(t, last)
  t.is(app.store.calls.length - looks, 1, 'nobody looked for the others')
  await app.kit.revoke({ sub: 'alice' })
  t.is(server.lives.filter(({ signal }) => signal.aborted).length, 1, 'nobody closed the others')
})

test('kit.close closes every socket, one that is just being let in as well, and lets none in any more', async (t) => {
  const testClock = createClock()
  const store = createStaleStore(testClock)
  const { app, server, session } = await open(t, { testClock, store })
  const clients = [await dial(server, bearer(session)), await dial(server, bearer(await app.login('bob')))]
  const { reached, release } = store.hold()
  const knocked = knock(server, bearer(session))
  await reached
  await app.kit.close()
  release()
  for (const client of clients) await assertClosed(t, client)
  t.true((await knocked).isClosed)
  const { status, isClosed } = await knock(server, bearer(session))
  t.not(status, 101)
  t.true(isClosed)
  t.is(server.lives.length, 2)
})

test('SL-09 what is revoked in one process closes the sockets of another on the same store', async (t) => {
  const testClock = createClock()
  const store = memoryStore({ clock: testClock })
  const [here, there] = [await open(t, { testClock, store }), await open(t, { testClock, store })]
  for (const end of [
    ({ sid }: Login) => here.app.kit.revoke({ sid }),
    (session: Login) => postLogout(here.app, session),
    () => here.app.kit.revoke({ sub: 'alice' }),
  ]) {
    const session = await here.app.login()
    const client = await dial(there.server, bearer(session))
    await end(session)
    await assertClosed(t, client)
  }
})

test('SL-09 an upgrade is answered with 503 while the store does not say whether the session lives', async (t) => {
  const app = await openFaultyApp(t, { mount: mountTickets })
  const server = await openSocketServer(t, app)
  const session = await app.login()
  const path = await ticketPath(app, session)
  app.seen.length = 0
  const attempts = [
    ['get session', bearer(session), '/live'],
    ['add revocation', { Cookie: session.cookie }, path],
  ] as const
  for (const [verb, headers, to] of attempts) {
    app.store.broken.add(verb)
    const { status, isClosed, headers: answered } = await knock(server, headers, to)
    t.is(status, 503, verb)
    t.is(answered['retry-after'], '5')
    t.true(isClosed)
    app.store.broken.clear()
  }
  t.deepEqual(codesOf(app.seen), ['ERR_STORE_UNAVAILABLE', 'ERR_STORE_UNAVAILABLE'])
  t.is(app.errors.length, 2)
  t.deepEqual([server.lives, server.failures], [[], []])
  await ping(await dial(server, bearer(session)))
})

const MEANWHILE: Readonly<Record<string, (opened: Omit<Opened, 'server'>) => Promise<unknown>>> = {
  'its session': ({ app, session: { sid } }) => app.kit.revoke({ sid }),
  'its subject': ({ app }) => app.kit.revoke({ sub: 'alice' }),
  'its token': ({ app, session: { token } }) =>
    app.kit.revoke({ jti: String(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).jti) }),
  'its key': ({ app }) => app.kit.revoke({ kid: app.keys.active?.kid ?? '' }),
}

for (const [what, revoke] of Object.entries(MEANWHILE)) {
  test(`SL-09 an upgrade during which ${what} is revoked is refused`, async (t) => {
    const testClock = createClock()
    const store = createStaleStore(testClock)
    const { app, server, session } = await open(t, { testClock, store })
    app.seen.length = 0
    const { reached, release } = store.hold()
    const knocked = knock(server, bearer(session))
    await reached
    await revoke({ app, session })
    await nextTurn()
    release()
    const { status, isClosed } = await knocked
    t.true(isClosed)
    t.deepEqual(server.lives, [])
    t.is(status, 401, 'and it is told')
    t.deepEqual(codesOf(app.seen), ['ERR_SESSION_EXPIRED'])
  })
}

test('SL-09 a ticket whose key is revoked while it is used up opens nothing', async (t) => {
  const testClock = createClock()
  const store = heldStore(memoryStore({ clock: testClock }))
  const { app, server, session } = await open(t, { testClock, store })
  const path = await ticketPath(app, session)
  const { reached, release } = store.hold('add revocation')
  const knocked = knock(server, { Cookie: session.cookie }, path)
  await reached
  await app.kit.revoke({ kid: app.keys.active?.kid ?? '' })
  release()
  const { status, isClosed } = await knocked
  t.is(status, 401)
  t.true(isClosed)
  t.deepEqual(server.lives, [])
})

test('SL-09 a revocation leaves no open socket, at whatever moment of the upgrade it comes', async (t) => {
  const testClock = createClock()
  const store = createStaleStore(testClock)
  const { app, server } = await open(t, { testClock, store })
  let refused = 0
  for (let delay = 0; delay < 20; delay += 1) {
    const session = await app.login(`user-${delay}`)
    const { reached, release } = store.hold()
    const dialled = dial(server, bearer(session)).then(
      ({ closed }) => closed,
      () => (refused += 1),
    )
    await reached
    release()
    for (let i = 0; i < delay; i += 1) await Promise.resolve()
    await app.kit.revoke({ sid: session.sid })
    await dialled
  }
  t.true(refused > 0 && refused < 20, `${refused} were refused, the others closed`)
  t.true(server.lives.every(({ signal }) => signal.aborted))
})

/** A second process of an app, behind another proxy or none, on the same store. */
async function openSecond(t: ExecutionContext, { app }: Opened, options: TestAppOptions): Promise<TestApp> {
  return openTestApp(t, { testClock: app.clock, store: app.store, ...options })
}

test('CK-19 an upgrade that Koa does not know to be https is refused, whatever its headers say', async (t) => {
  const opened = await open(t)
  const credentials: Record<string, [Record<string, string>, string?]> = {
    'by header': [bearer(opened.session)],
    'by ticket': [{ Cookie: opened.session.cookie }, await ticketPath(opened.app, opened.session)],
  }
  for (const [how, [headers, path]] of Object.entries(credentials)) {
    for (const withSession of [true, false]) {
      const label = `${how}, ${withSession ? 'an app without app.proxy' : 'no app at all'}`
      const second = await openSecond(t, opened, { proxy: false, withSession })
      const server = await openSocketServer(t, second)
      const { status, isClosed } = await knock(server, headers, path)
      t.true(isClosed, label)
      t.is(status, 500, label)
      t.deepEqual(codesOf(second.seen), ['ERR_TRANSPORT_INSECURE'], label)
      t.deepEqual([server.lives, server.failures], [[], []], label)
    }
  }
})

test('an upgrade is read behind the proxy of the app that it names, or else of the one that has the sessions', async (t) => {
  const opened = await open(t)
  const { session } = opened
  const behindProxy = new Koa()
  behindProxy.proxy = true
  const second = await openSecond(t, opened, { proxy: false })
  await ping(await dial(await openSocketServer(t, second, { app: behindProxy }), bearer(session)))
  const third = await openSecond(t, opened, { proxy: true })
  await ping(await dial(await openSocketServer(t, third), bearer(session)))
  const { status } = await knock(await openSocketServer(t, third, { app: second.koa }), bearer(session))
  t.is(status, 500)
})

test('an upgrade behind a request that is still being answered is refused and closed like any other', async (t) => {
  const { app, server, session } = await open(t)
  // Pipelined: the answer of the first is not there when the second asks.
  const slow = 'GET /slow HTTP/1.1\r\nHost: app.example\r\n\r\n'
  app.koa.use(() => new Promise(() => {}))
  const { isClosed } = await knock(server, { Cookie: session.cookie }, '/live', slow)
  t.deepEqual(server.failures, [])
  t.true(isClosed)
})
