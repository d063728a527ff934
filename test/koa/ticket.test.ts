// Tickets: tokens for connections that cannot send headers. Each is redeemed over a real WebSocket upgrade.

import test, { type ExecutionContext } from 'ava'

import { type Context, memoryStore, type SessionKit, type TicketOptions } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  postLogout,
  postRefresh,
  type Response,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { knock, mountTickets, openSocketServer, postTicket, type SocketServer } from '../helpers/live.ts'

interface Opened {
  readonly app: TestApp
  readonly server: SocketServer
  readonly session: Login
  /** A fresh ticket. */
  draw(options?: TicketOptions): Promise<string>
}

async function open(t: ExecutionContext, options: TestAppOptions = {}): Promise<Opened> {
  const app = await openTestApp(t, { mount: mountTickets, ...options })
  const session = await app.login('alice', { body: { scope: 'read write', claims: { theme: 'dark' } } })
  const server = await openSocketServer(t, app)
  return { app, server, session, draw: async (to) => (await postTicket(app, session, to)).text }
}

/** Presents a ticket; answers 101 when it was good. */
async function redeem(server: SocketServer, ticket: string, cookie?: string): Promise<number> {
  return (await knock(server, cookie === undefined ? {} : { Cookie: cookie }, `/live?ticket=${ticket}`)).status
}

/** Asserts that it is refused, for this reason. */
async function assertRefused(
  t: ExecutionContext,
  { app, server, session }: Pick<Opened, 'app' | 'server' | 'session'>,
  ticket: string,
  code: string,
  label = code,
): Promise<void> {
  app.seen.length = 0
  t.is(await redeem(server, ticket, session.cookie), 401, label)
  t.deepEqual(codesOf(app.seen), [code], label)
}

test('a ticket says what the token says, with a type, an audience and a name of its own', async (t) => {
  const { app, server, session, draw } = await open(t)
  const ticket = await draw()
  const token = payloadOf(session.token)
  const { exp, jti, ...claims } = payloadOf(ticket)
  const { exp: _exp, jti: tokenJti, ...others } = token
  t.deepEqual(headerOf(ticket), { ...headerOf(session.token), typ: 'ticket+jwt' })
  t.deepEqual(claims, { ...others, aud: ISSUER })
  t.is(exp, Number(claims['iat']) + 30)
  t.not(jti, tokenJti)
  t.is(await redeem(server, ticket, session.cookie), 101)
  const [live] = server.lives
  t.deepEqual([live?.auth.sub, live?.auth.sid, live?.auth.scope], ['alice', session.sid, ['read', 'write']])
  t.is(live?.auth.claims['theme'], 'dark')
  const told = app.seen.flatMap(({ name, event }) =>
    name === 'authn_token_created' && 'jti' in event ? [event.jti] : [],
  )
  t.deepEqual(told, [tokenJti, jti])
})

test('a ticket is good for one use', async (t) => {
  const opened = await open(t)
  const ticket = await opened.draw()
  t.is(await redeem(opened.server, ticket, opened.session.cookie), 101)
  await assertRefused(t, opened, ticket, 'ERR_TOKEN_REVOKED')
  t.deepEqual(
    opened.app.seen.map(({ name }) => name),
    ['authn_token_reuse'],
  )
  t.is(await redeem(opened.server, await opened.draw(), opened.session.cookie), 101, 'the session draws others')
})

test('of 20 redemptions at the same time exactly one is let in', async (t) => {
  const { server, session, draw } = await open(t)
  const ticket = await draw()
  const statuses = await Promise.all(Array.from({ length: 20 }, () => redeem(server, ticket, session.cookie)))
  t.is(statuses.filter((status) => status === 101).length, 1)
  t.is(statuses.filter((status) => status === 401).length, 19)
})

test('of 20 redemptions in two processes on one store exactly one is let in, however slow the news between them', async (t) => {
  const testClock = createClock()
  const store = { ...memoryStore({ clock: testClock }), watch: async () => ({ age: () => 0, stop() {} }) }
  const [here, there] = [await open(t, { testClock, store }), await open(t, { testClock, store })]
  const ticket = await here.draw()
  const statuses = await Promise.all(
    Array.from({ length: 20 }, (_, i) => redeem((i % 2 === 0 ? here : there).server, ticket, here.session.cookie)),
  )
  t.is(statuses.filter((status) => status === 101).length, 1)
  t.is(statuses.filter((status) => status === 401).length, 19)
})

test('a ticket lives for 30 seconds, or as long as it was asked for', async (t) => {
  const opened = await open(t)
  const { app, server, session, draw } = opened
  for (const [options, seconds] of [
    [{}, 30],
    [{ lifetime: 1 }, 1],
    [{ lifetime: '5m' }, 300],
  ] as const) {
    const tickets = [await draw(options), await draw(options)] as const
    app.clock.advance(seconds - 1)
    t.is(await redeem(server, tickets[0], session.cookie), 101)
    app.clock.advance(1)
    await assertRefused(t, opened, tickets[1], 'ERR_TOKEN_EXPIRED')
  }
})

test('a ticket never outlives the token it was drawn with, and so never the fingerprint', async (t) => {
  const opened = await open(t)
  const { app, session, draw } = opened
  app.clock.advance(890)
  const ticket = await draw({ lifetime: '5m' })
  t.is(payloadOf(ticket)['exp'], payloadOf(session.token)['exp'])
  app.clock.advance(10)
  await assertRefused(t, opened, ticket, 'ERR_TOKEN_EXPIRED')
})

test('a ticket is good for its audience alone', async (t) => {
  const { app, server, session, draw } = await open(t)
  const chat = { app, session, server: await openSocketServer(t, app, { audience: 'chat' }) }
  t.is(await redeem(chat.server, await draw({ audience: 'chat' }), session.cookie), 101)
  await assertRefused(t, chat, await draw(), 'ERR_TOKEN_AUDIENCE')
  await assertRefused(t, { ...chat, server }, await draw({ audience: 'chat' }), 'ERR_TOKEN_AUDIENCE')
})

for (const [what, cookie, code] of [
  ['no cookie', undefined, 'ERR_FINGERPRINT_MISSING'],
  ["another browser's cookie", `${COOKIE_NAME}=${'A'.repeat(43)}`, 'ERR_FINGERPRINT_MISMATCH'],
] as const) {
  test(`FP-15 FP-16 a stolen ticket is worth nothing, raises the alarm, and is still there for its owner: ${what}`, async (t) => {
    const { app, server, session, draw } = await open(t)
    const ticket = await draw()
    app.seen.length = 0
    t.is(await redeem(server, ticket, cookie), 401)
    const [{ name, event } = { name: '', event: {} }, ...others] = app.seen
    t.deepEqual([name, others], ['sidejack', []])
    t.like(event, { code, sub: 'alice', sid: session.sid, request: { path: '/live' } })
    t.false(JSON.stringify(app.seen).includes(ticket.slice(-20)), 'the ticket is in no event')
    t.is(await redeem(server, ticket, session.cookie), 101)
  })
}

test('RF-10 a ticket survives a refresh, by the cookie that carries both fingerprints', async (t) => {
  const { app, server, session, draw } = await open(t)
  const tickets = [await draw(), await draw()] as const
  const next = toLogin(await postRefresh(app, session))
  t.is(await redeem(server, tickets[0], next.cookie), 101)
  const [newest] = next.cookie.split('~')
  t.not(newest, next.cookie)
  t.is(await redeem(server, tickets[1], newest), 401, 'the newest alone is not its own')
})

const ENDS: Readonly<Record<string, (app: TestApp, session: Login) => Promise<unknown>>> = {
  'its session is revoked': ({ kit }, { sid }) => kit.revoke({ sid }),
  'its subject is revoked': ({ kit }) => kit.revoke({ sub: 'alice' }),
  'its key is revoked': ({ kit, keys }) => kit.revoke({ kid: keys.active?.kid ?? '' }),
  'its user logs out': (app, session) => postLogout(app, session),
  'its user logs in again': (app, session) => app.login('alice', { headers: bearer(session) }),
}

for (const [what, end] of Object.entries(ENDS)) {
  test(`a ticket is refused once ${what}`, async (t) => {
    const opened = await open(t)
    const ticket = await opened.draw()
    await end(opened.app, opened.session)
    await assertRefused(t, opened, ticket, 'ERR_TOKEN_REVOKED')
    t.deepEqual(opened.server.lives, [])
  })
}

type Work = (ctx: Context, kit: SessionKit) => Promise<unknown>

/** An app with a route that does what a test likes, behind `protect()`. */
async function openWith(
  t: ExecutionContext,
  options: TestAppOptions = {},
): Promise<Opened & { run(work: Work): Promise<Response> }> {
  let work: Work | undefined
  const opened = await open(t, {
    ...options,
    mount(_koa, kit, router) {
      router.post('/work', kit.protect(), async (ctx) => {
        ctx.body = { done: await work?.(ctx, kit) }
      })
    },
  })
  return {
    ...opened,
    run(to) {
      work = to
      return opened.app.request('POST', '/work', bearer(opened.session))
    },
  }
}

test('a revocation that races the issue of a ticket leaves none that is good', async (t) => {
  const opened = await openWith(t)
  const { app, server } = opened
  let issued = 0
  for (const end of [ENDS['its session is revoked'], ENDS['its subject is revoked']]) {
    for (let delay = 0; delay < 12; delay += 1) {
      const session = await app.login()
      Object.assign(opened.session, session)
      const { json } = await opened.run(async (ctx, kit) => {
        const drawn = kit.ticket(ctx).catch(() => undefined)
        for (let i = 0; i < delay; i += 1) await Promise.resolve()
        await end?.(app, session)
        return (await drawn) ?? null
      })
      const ticket = json['done'] as string | null
      if (ticket === null) continue
      issued += 1
      t.is(await redeem(server, ticket, session.cookie), 401)
    }
  }
  t.true(issued > 0)
  t.deepEqual(server.lives, [])
})

for (const [what, target, code] of [
  ['its session', (session: Login) => ({ sid: session.sid }), 'ERR_TOKEN_REVOKED'],
  ['its subject', () => ({ sub: 'alice' }), 'ERR_TOKEN_REVOKED'],
  ['its token', ({ token }: Login) => ({ jti: String(payloadOf(token)['jti']) }), 'ERR_TOKEN_REVOKED'],
  ['its key', ({ token }: Login) => ({ kid: String(headerOf(token)['kid']) }), 'ERR_TOKEN_REVOKED'],
] as const) {
  test(`a request that began before ${what} was revoked draws no ticket`, async (t) => {
    const { app, session, run } = await openWith(t)
    const { status } = await run(async (ctx, kit) => {
      await kit.revoke(target(session))
      return kit.ticket(ctx)
    })
    t.is(status, 401)
    t.deepEqual(codesOf(app.seen), [code])
  })
}

for (const [what, clockTolerance, before, within] of [
  ['has expired since the request began', 0, 899, 1],
  ['is believed a little after its time', '1m', 930, 0],
] as const) {
  test(`a ticket is not drawn with a token that ${what}: the client is told to refresh`, async (t) => {
    const { app, run } = await openWith(t, { clockTolerance })
    app.clock.advance(before)
    const { status } = await run(async (ctx, kit) => {
      app.clock.advance(within)
      return kit.ticket(ctx)
    })
    t.is(status, 401)
    t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_EXPIRED'])
  })
}

test('nobody draws a ticket without a session', async (t) => {
  const { app, session } = await open(t, {
    mount: (_koa, kit, router) =>
      router.post('/open', async (ctx) => {
        ctx.body = await kit.ticket(ctx)
      }),
  })
  t.is((await app.request('POST', '/open')).status, 401)
  t.is((await app.request('POST', '/open', { Cookie: session.cookie })).status, 401)
  t.is((await app.request('POST', '/open', bearer(session))).status, 200)
})

const WRONG: readonly unknown[] = [
  ...[{ audience: '' }, { audience: 5 }, { audience: null }, { audience: ['chat'] }, { audience: 'a\nb' }],
  ...[
    { lifetime: 0 },
    { lifetime: -1 },
    { lifetime: 301 },
    { lifetime: '6m' },
    { lifetime: 1.5 },
    { lifetime: 'soon' },
  ],
  ...[{ lifetme: 5 }, { scope: 'read' }, 'chat', null],
]

test('wrong options are a TypeError, and draw nothing', async (t) => {
  const { app, run } = await openWith(t)
  app.seen.length = 0
  for (const options of WRONG) {
    app.errors.length = 0
    const { status } = await run((ctx, kit) => kit.ticket(ctx, options as TicketOptions))
    t.is(status, 500, JSON.stringify(options))
    t.true(app.errors[0] instanceof TypeError, JSON.stringify(options))
  }
  t.deepEqual(app.seen, [])
})
