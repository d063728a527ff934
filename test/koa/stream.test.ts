// Server-Sent Events: responses that go on, each tied to its session. Real Koa routes, read as an EventSource does.

import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { ERROR_CODES, type ErrorCode, type LiveSession, memoryStore, type UpgradeOptions } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  createClock,
  type Login,
  openTestApp,
  postLogout,
  postRefresh,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { createStaleStore, createRunningClock, listenTo, mountTickets, ticketPath } from '../helpers/live.ts'

interface Streams {
  readonly lives: LiveSession[]
  readonly responses: ServerResponse[]
  readonly bodies: PassThrough[]
}

/** Routes that stream, one of them behind `protect()`. */
function streaming(options?: UpgradeOptions): Streams & Pick<TestAppOptions, 'mount'> {
  const streams: Streams = { lives: [], responses: [], bodies: [] }
  return {
    ...streams,
    mount(koa, kit, router) {
      mountTickets(koa, kit, router)
      router.get(['/stream', '/protected'], async (ctx, next) => {
        if (ctx.path === '/protected') await kit.protect()(ctx, async () => {})
        const live = await kit.stream(ctx, options)
        const body = new PassThrough()
        live.signal.addEventListener('abort', () => body.write('event: over\n\n'))
        ctx.type = 'text/event-stream'
        ctx.body = body
        body.write(`data: ${live.auth.sub}\n\n`)
        streams.lives.push(live)
        streams.responses.push(ctx.res)
        streams.bodies.push(body)
        await next()
      })
    },
  }
}

interface Opened {
  readonly app: TestApp
  readonly streams: Streams
  readonly session: Login
}

async function open(t: ExecutionContext, options: TestAppOptions = {}, to?: UpgradeOptions): Promise<Opened> {
  const { mount, ...streams } = streaming(to)
  const app = await openTestApp(t, { ...(mount && { mount }), ...options })
  return { app, streams, session: await app.login() }
}

const streamPath = async (...parameters: Parameters<typeof ticketPath>): Promise<string> =>
  (await ticketPath(...parameters)).replace('/live', '/stream')

test('SL-09 a stream by header or by ticket, with the fingerprint, begins and goes on', async (t) => {
  const { app, streams, session } = await open(t)
  const { cookie } = session
  const listeners = [
    await listenTo(app, bearer(session)),
    await listenTo(app, bearer(session), '/protected'),
    await listenTo(app, { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' }, await streamPath(app, session)),
  ]
  const next = toLogin(await postRefresh(app, session))
  app.clock.advance(900)
  t.is((await app.me(session.token, next.cookie)).status, 401, 'its token has expired')
  for (const [index, listener] of listeners.entries()) {
    t.is(listener.status, 200)
    await listener.until('data: alice\n\n')
    streams.bodies[index]?.write('data: more\n\n')
    await listener.until('data: more\n\n')
    t.false(streams.lives[index]?.signal.aborted)
    listener.close()
  }
})

const REFUSED: Readonly<
  Record<
    string,
    {
      readonly code: ErrorCode
      readonly ask: (session: Login, app: TestApp) => Promise<[Record<string, string>, string?]>
    }
  >
> = {
  'FP-15 a token without the cookie': {
    code: 'ERR_FINGERPRINT_MISSING',
    ask: async ({ token }) => [{ Authorization: `Bearer ${token}` }],
  },
  'FP-15 a token with a wrong cookie': {
    code: 'ERR_FINGERPRINT_MISMATCH',
    ask: async ({ token }) => [bearer({ token, cookie: `${COOKIE_NAME}=${'A'.repeat(43)}` })],
  },
  'FP-15 a ticket without the cookie': {
    code: 'ERR_FINGERPRINT_MISSING',
    ask: async (session, app) => [{}, await streamPath(app, session)],
  },
  'a ticket for another audience': {
    code: 'ERR_TOKEN_AUDIENCE',
    ask: async (session, app) => [{ Cookie: session.cookie }, await streamPath(app, session, { audience: 'chat' })],
  },
  'a ticket beside a token': {
    code: 'ERR_CREDENTIALS_AMBIGUOUS',
    ask: async (session, app) => [bearer(session), await streamPath(app, session)],
  },
  'a page of another site': {
    code: 'ERR_CROSS_SITE',
    ask: async (session, app) => [
      { Cookie: session.cookie, Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
      await streamPath(app, session),
    ],
  },
  'a revoked session': {
    code: 'ERR_TOKEN_REVOKED',
    async ask(session, app) {
      await app.kit.revoke({ sid: session.sid })
      return [bearer(session)]
    },
  },
}

for (const [what, { code, ask }] of Object.entries(REFUSED)) {
  test(`${what} gets no stream`.replace(/^(?!FP)/, 'SL-09 '), async (t) => {
    const { app, streams, session } = await open(t)
    const asked = await ask(session, app)
    app.seen.length = 0
    const { status, ended } = await listenTo(app, ...asked)
    t.is(status, ERROR_CODES[code].status)
    t.false((await ended).includes('data:'))
    t.deepEqual(codesOf(app.seen), [code])
    t.deepEqual(streams.lives, [])
  })
}

test('a stream without credentials is refused', async (t) => {
  const { app } = await open(t)
  t.is((await listenTo(app, {})).status, 401)
})

const ENDS: Readonly<Record<string, (opened: Opened) => Promise<unknown>>> = {
  'kit.revoke({ sid })': ({ app, session: { sid } }) => app.kit.revoke({ sid }),
  'kit.revoke({ sub })': ({ app }) => app.kit.revoke({ sub: 'alice' }),
  'kit.revoke({ jti })': ({ app, streams }) => app.kit.revoke({ jti: streams.lives[0]?.auth.jti ?? '' }),
  logout: ({ app, session }) => postLogout(app, session),
  'the reuse of a refresh token': async ({ app, session }) => {
    await postRefresh(app, session)
    app.clock.advance(11)
    await postRefresh(app, session)
  },
}

for (const [what, end] of Object.entries(ENDS)) {
  test(`SL-09 a stream is closed by ${what}, after what its abort listener writes`, async (t) => {
    const opened = await open(t)
    const { app, streams } = opened
    const listener = await listenTo(app, bearer(opened.session))
    const other = await listenTo(app, bearer(await app.login('bob')))
    await listener.until('data: alice\n\n')
    await end(opened)
    const text = await listener.ended
    t.true(streams.lives[0]?.signal.aborted)
    t.false(streams.lives[1]?.signal.aborted, "nobody else's")
    t.is(text, 'data: alice\n\nevent: over\n\n')
    other.close()
  })
}

test('SL-09 kit.close closes every stream', async (t) => {
  const { app, session } = await open(t)
  const listeners = [await listenTo(app, bearer(session)), await listenTo(app, bearer(await app.login('bob')))]
  await app.kit.close()
  for (const { ended } of listeners) t.regex(await ended, /^data: (?:alice|bob)\n\n/)
})

test('SL-09 SL-02 a stream is closed when the absolute time of its session is over', async (t) => {
  const testClock = createRunningClock()
  const { app } = await open(t, { testClock, session: { absolute: 3 }, accessToken: { lifetime: 2 } })
  const begun = performance.now()
  await (
    await listenTo(app, bearer(await app.login('bob')))
  ).ended
  const elapsed = performance.now() - begun
  // Tokens end at a whole second.
  t.true(elapsed > 1900 && elapsed < 10_000, `${elapsed} ms`)
})

test('SL-09 what is revoked in one process closes the streams of another on the same store', async (t) => {
  const testClock = createClock()
  const store = memoryStore({ clock: testClock })
  const [here, there] = [await open(t, { testClock, store }), await open(t, { testClock, store })]
  const listener = await listenTo(there.app, bearer(there.session))
  await here.app.kit.revoke({ sid: there.session.sid })
  await listener.ended
  t.true(there.streams.lives[0]?.signal.aborted)
})

test('SL-09 a peer that does not read cannot keep its stream', async (t) => {
  const { app, streams, session } = await open(t)
  const outgoing = await listenTo(app, bearer(session))
  await outgoing.until('data: alice\n\n')
  outgoing.pause()
  streams.bodies[0]?.write(Buffer.alloc(32 * 1024 * 1024))
  const [response] = streams.responses
  const closed = response && once(response, 'close')
  await app.kit.revoke({ sid: session.sid })
  await closed
  t.true(response?.destroyed)
  outgoing.close()
})

test('SL-09 streams that close by themselves are forgotten', async (t) => {
  const { app, streams, session } = await open(t)
  for (let i = 0; i < 50; i += 1) {
    const listener = await listenTo(app, bearer(session))
    const [response] = streams.responses.slice(-1)
    const closed = response && once(response, 'close')
    if (i % 2 === 0) listener.close()
    else streams.bodies.at(-1)?.end()
    await closed
  }
  await app.kit.revoke({ sid: session.sid })
  t.is(streams.lives.length, 50)
  t.false(streams.lives.some(({ signal }) => signal.aborted))
})

test('SL-09 a peer that hangs up before its stream begins is forgotten', async (t) => {
  const testClock = createClock()
  const store = createStaleStore(testClock)
  const responses: ServerResponse[] = []
  const { app, streams, session } = await open(t, {
    ...{ testClock, store, withSession: false },
    before: (koa) =>
      koa.use((ctx, next) => {
        responses.push(ctx.res)
        return next()
      }),
  })
  const { reached, release } = store.hold()
  const headers = { Host: 'app.example', 'X-Forwarded-Proto': 'https', ...bearer(session) }
  const outgoing = request({ host: '127.0.0.1', port: app.port, path: '/stream', headers }).on('error', () => {})
  outgoing.end()
  await reached
  const closed = once(responses.at(-1) ?? outgoing, 'close')
  outgoing.destroy()
  await closed
  release()
  while (streams.lives.length === 0) await nextTurn()
  await app.kit.revoke({ sid: session.sid })
  t.false(streams.lives[0]?.signal.aborted)
})

test('SL-09 a stream during whose authentication the session is revoked is refused', async (t) => {
  const testClock = createClock()
  const store = createStaleStore(testClock)
  // Without ctx.session, which would look at the store first.
  const { app, streams, session } = await open(t, { testClock, store, withSession: false })
  app.seen.length = 0
  const { reached, release } = store.hold()
  const asked = listenTo(app, bearer(session))
  await reached
  await app.kit.revoke({ sid: session.sid })
  await nextTurn()
  release()
  t.is((await asked).status, 401)
  t.deepEqual(streams.lives, [])
  t.deepEqual(codesOf(app.seen), ['ERR_SESSION_EXPIRED'])
})

test('SL-09 a stream is refused with 503 while the store does not say whether the session lives', async (t) => {
  const { mount, ...streams } = streaming()
  const app = await openFaultyApp(t, { ...(mount && { mount }), withSession: false })
  const session = await app.login()
  app.seen.length = 0
  app.store.broken.add('get session')
  t.is((await listenTo(app, bearer(session))).status, 503)
  t.deepEqual(codesOf(app.seen), ['ERR_STORE_UNAVAILABLE'])
  t.deepEqual(streams.lives, [])
})

test('a stream takes tickets for the audience that it names, and no others', async (t) => {
  const { app, session } = await open(t, {}, { audience: 'events' })
  const { cookie } = session
  const named = await listenTo(app, { Cookie: cookie }, await streamPath(app, session, { audience: 'events' }))
  t.is(named.status, 200)
  t.is((await listenTo(app, { Cookie: cookie }, await streamPath(app, session))).status, 401)
  named.close()
})

test('a stream that is asked for with a stolen ticket ends the session, where the options say so', async (t) => {
  const { app, session } = await open(t, { onSidejack: 'revoke' })
  t.is((await listenTo(app, {}, await streamPath(app, session))).status, 401)
  t.is((await app.me(session.token, session.cookie)).status, 401)
})
