// `ctx.session`: koa-session's data in the verified session's own record. One test for each way in which koa-session by
// itself loses, leaks or revives data.

import { EventEmitter, once } from 'node:events'

import type { Router } from '@koa/router'
import test, { type ExecutionContext } from 'ava'
import Koa from 'koa'
import koaSession from 'koa-session'

import { type AuthState, createKeySet, createSessionKit, memoryStore, type Store } from '../../src/index.ts'
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
import { payloadOf } from '../helpers/decode.ts'
import { faultyStore } from '../helpers/faulty.ts'

type Data = Record<string, unknown>
/** What koa-session puts on the context. */
interface SessionContext {
  session: (Data & { isNew: boolean; regenerate(): Promise<void>; save(): Promise<void> }) | null
}

/** The session of a context, as an application without types sees it. */
function sessionOf(ctx: object): Data & { isNew: boolean; regenerate(): Promise<void>; save(): Promise<void> } {
  return (ctx as SessionContext).session as never
}

function setSession(ctx: object, value: unknown): void {
  Object.assign(ctx, { session: value })
}

/** Two promises that let a test stop a handler in the middle. */
function createGate(): { entered: Promise<unknown>; enter: () => void; opened: Promise<unknown>; open: () => void } {
  const [entered, opened] = [createSignal(), createSignal()]
  return { entered: entered.promise, enter: entered.send, opened: opened.promise, open: opened.send }
}

function createSignal(): { promise: Promise<unknown>; send: () => void } {
  const sent = new EventEmitter()
  return { promise: once(sent, 'sent'), send: () => sent.emit('sent') }
}

type Routes = (router: Router<AuthState>, koa: Koa) => void

/** An app with `GET /read`, `POST /write?value=…` and routes of the test's own. */
async function open(t: ExecutionContext, options: TestAppOptions = {}, routes: Routes = () => {}): Promise<TestApp> {
  const app = await openTestApp(t, {
    ...options,
    mount(koa, kit, router) {
      router.get('/read', (ctx) => {
        ctx.body = { session: sessionOf(ctx), isNew: sessionOf(ctx)?.isNew }
      })
      router.post('/write', (ctx) => {
        sessionOf(ctx)['value'] = ctx.query['value']
        ctx.body = 'written'
      })
      routes(router, koa)
      options.mount?.(koa, kit, router)
    },
  })
  return app
}

function as(app: TestApp, { token, cookie }: Pick<Login, 'token' | 'cookie'>) {
  return (method: string, path: string, headers: Record<string, string> = {}): Promise<Response> =>
    app.request(method, path, { ...bearer({ token, cookie }), ...headers })
}

/** Everything the store holds about sessions, as text. */
async function dump(store: Store): Promise<string> {
  const records: unknown[] = []
  for await (const record of store.list('session')) records.push(record)
  return JSON.stringify(records)
}

test('data written in one request is read in the next, of this session and of no other', async (t) => {
  const app = await open(t)
  const [mine, other] = [await app.login(), await app.login()]
  t.is((await as(app, mine)('POST', '/write?value=mine')).status, 200)
  t.is((await as(app, other)('POST', '/write?value=other')).status, 200)
  t.deepEqual((await as(app, mine)('GET', '/read')).json['session'], { value: 'mine' })
  t.deepEqual((await as(app, other)('GET', '/read')).json['session'], { value: 'other' })
})

test('data outlives the process where the store does', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  const first = await open(t, { store, testClock: clock })
  const session = await first.login()
  await as(first, session)('POST', '/write?value=kept')
  const second = await open(t, { store, testClock: clock })
  t.deepEqual((await as(second, session)('GET', '/read')).json['session'], { value: 'kept' })
})

/** An app with a route that waits at a gate before it writes. */
async function openSlow(
  t: ExecutionContext,
  finish: (session: ReturnType<typeof sessionOf>) => unknown = () => undefined,
): Promise<{ app: TestApp; gate: ReturnType<typeof createGate> }> {
  const gate = createGate()
  const app = await open(t, {}, (router) => {
    router.post('/slow', async (ctx) => {
      gate.enter()
      await gate.opened
      sessionOf(ctx)['value'] = 'from beyond'
      await finish(sessionOf(ctx))
      ctx.body = 'done'
    })
  })
  return { app, gate }
}

test('a slow request does not bring back a session that was logged out meanwhile', async (t) => {
  const { app, gate } = await openSlow(t)
  const session = await app.login()
  await as(app, session)('POST', '/write?value=before')
  const slow = as(app, session)('POST', '/slow')
  await gate.entered
  t.is((await postLogout(app, session)).status, 204)
  gate.open()
  const answer = await slow
  t.is(answer.status, 200, 'it was let in while the session lived')
  t.deepEqual(answer.cookies, [])
  t.is(await dump(app.store), '[]')
  t.is((await as(app, session)('GET', '/read')).status, 401)
  t.deepEqual(app.errors, [])
})

test('a slow request does not bring back a session that was revoked meanwhile, however it was', async (t) => {
  for (const target of ['sid', 'sub'] as const) {
    const { app, gate } = await openSlow(t, (session) => session.save())
    const session = await app.login()
    const slow = as(app, session)('POST', '/slow')
    await gate.entered
    await app.kit.revoke(target === 'sid' ? { sid: session.sid } : { sub: 'alice' })
    gate.open()
    await slow
    t.is(await dump(app.store), '[]', target)
  }
})

test('a write that races the end of its session leaves nothing behind: 200 races', async (t) => {
  const app = await open(t)
  async function race(): Promise<void> {
    const session = await app.login()
    await Promise.all([
      as(app, session)('POST', '/write?value=1'),
      postLogout(app, session),
      as(app, session)('POST', '/write?value=2'),
    ])
  }
  for (let batch = 0; batch < 10; batch += 1) await Promise.all(Array.from({ length: 20 }, race))
  t.is(await dump(app.store), '[]')
  t.deepEqual(app.errors, [])
})

test('for anonymous requests the session is null, and setting it throws', async (t) => {
  const caught: unknown[] = []
  const app = await open(t, {}, (router) => {
    router.post('/assign', (ctx) => {
      try {
        setSession(ctx, { value: 'for everybody' })
      } catch (error) {
        caught.push(error)
      }
      ctx.body = { session: sessionOf(ctx) }
    })
  })
  const read = await app.request('GET', '/read')
  t.deepEqual(read.json, { session: null })
  const assigned = await app.request('POST', '/assign')
  t.deepEqual(assigned.json, { session: null })
  t.true(caught[0] instanceof TypeError)
  for (const response of [read, assigned]) t.deepEqual(response.cookies, [])
  t.is(await dump(app.store), '[]')
  // Nor does one anonymous request see what another one tried to keep.
  t.deepEqual((await app.request('GET', '/read')).json, { session: null })
})

test('a cookie named like koa-session names its own is not read', async (t) => {
  const app = await open(t)
  const stored = Buffer.from(JSON.stringify({ value: 'planted', _expire: 9e15, _maxAge: 9e15 })).toString('base64')
  const { token, cookie, sid } = await app.login()
  for (const planted of ['koa.sess', 'koa.sess.sig', 'koa-holdfast-session', 'koa-session']) {
    for (const value of [stored, sid]) {
      const anonymous = await app.request('GET', '/read', { Cookie: `${planted}=${value}` })
      t.deepEqual(anonymous.json, { session: null })
      const mine = await as(app, { token, cookie: `${cookie}; ${planted}=${value}` })('GET', '/read')
      t.deepEqual(mine.json['session'], {})
    }
  }
})

test('nobody gets at the data with half of the pair', async (t) => {
  const app = await open(t)
  const session = await app.login()
  await as(app, session)('POST', '/write?value=private')
  const token = await app.request('GET', '/read', { Authorization: `Bearer ${session.token}` })
  t.is(token.status, 401)
  const cookie = await app.request('GET', '/read', { Cookie: session.cookie })
  t.deepEqual(cookie.json, { session: null })
  for (const { text } of [token, cookie]) t.false(text.includes('private'))
})

test("a store failure at commit does not mask the handler's own error", async (t) => {
  const testClock = createClock()
  const store = faultyStore(memoryStore({ clock: testClock }))
  const app = await open(t, { store, testClock }, (router) => {
    router.post('/teapot', (ctx) => {
      sessionOf(ctx)['value'] = 1
      ctx.throw(418, 'short and stout')
    })
  })
  const session = await app.login()
  store.broken.add('swap')
  app.seen.length = 0
  const response = await as(app, session)('POST', '/teapot')
  t.is(response.status, 418)
  t.is(response.text, 'short and stout')
  t.deepEqual(codesOf(app.seen), ['ERR_STORE_UNAVAILABLE'], 'and yet somebody hears of it')
})

test("data that is no JSON does not mask the handler's own error", async (t) => {
  const circular: Data = {}
  circular['itself'] = circular
  for (const value of [1n, circular]) {
    const app = await open(t, {}, (router) => {
      router.post('/teapot', (ctx) => {
        sessionOf(ctx)['value'] = value
        ctx.throw(418, 'short and stout')
      })
    })
    const response = await as(app, await app.login())('POST', '/teapot')
    t.is(response.status, 418, typeof value)
  }
})

test('data that is no JSON is an error that the application hears of, and the old data stays', async (t) => {
  const app = await open(t, {}, (router) => {
    router.post('/bigint', (ctx) => {
      sessionOf(ctx)['value'] = 1n
      ctx.body = 'unsaved'
    })
  })
  const session = await app.login()
  await as(app, session)('POST', '/write?value=old')
  const response = await as(app, session)('POST', '/bigint')
  t.true(response.status >= 500)
  t.is(app.errors.length, 1)
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: 'old' })
})

test('EL-10 a store failure at commit is a 503, not a success that lost its data', async (t) => {
  const testClock = createClock()
  const store = faultyStore(memoryStore({ clock: testClock }))
  const app = await open(t, { store, testClock })
  const session = await app.login()
  for (const verb of ['swap', 'get'] as const) {
    store.broken.clear()
    store.broken.add(verb)
    app.seen.length = 0
    const response = await as(app, session)('POST', '/write?value=1')
    t.is(response.status, 503, verb)
    t.truthy(response.headers['retry-after'])
    t.is(response.headers['cache-control'], 'no-store')
    t.is(response.json['error'], 'temporarily_unavailable')
    t.deepEqual(codesOf(app.seen), ['ERR_STORE_UNAVAILABLE'])
    t.false(response.text.includes('written'))
  }
  store.broken.clear()
  t.is((await as(app, session)('POST', '/write?value=2')).status, 200)
})

test('EL-10 when the data cannot be read the handler does not run', async (t) => {
  const testClock = createClock()
  const store = faultyStore(memoryStore({ clock: testClock }))
  const app = await open(t, { store, testClock })
  const { token, cookie } = await app.login()
  store.broken.add('get session')
  const response = await app.me(token, cookie)
  t.is(response.status, 503)
  t.is(app.handled.count, 0)
})

test('a request that changes nothing writes nothing', async (t) => {
  const testClock = createClock()
  const store = faultyStore(memoryStore({ clock: testClock }))
  const app = await open(t, { store, testClock })
  const session = await app.login()
  await as(app, session)('POST', '/write?value=1')
  store.calls.length = 0
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: '1' })
  t.deepEqual(store.calls, ['get session'])
})

test('no request emits a cookie of koa-session', async (t) => {
  const app = await open(t, {}, (router) => {
    router.post('/own-cookie', (ctx) => {
      ctx.append('Set-Cookie', 'theme=dark')
      setSession(ctx, null)
      ctx.body = 'ok'
    })
    router.post('/drop', (ctx) => {
      setSession(ctx, null)
      ctx.body = { session: sessionOf(ctx) }
    })
    router.post('/regenerate', async (ctx) => {
      await sessionOf(ctx).regenerate()
      ctx.body = 'ok'
    })
    router.post('/max-age', (ctx) => {
      Object.assign(sessionOf(ctx), { maxAge: 1 })
      ctx.body = 'ok'
    })
  })
  for (const keys of [undefined, ['a signing key of the application']]) {
    if (keys !== undefined) app.koa.keys = keys
    const session = await app.login()
    for (const path of ['/write?value=1', '/drop', '/regenerate', '/max-age']) {
      const response = await as(app, session)('POST', path)
      t.is(response.status, 200, path)
      t.deepEqual(response.cookies, [], path)
    }
    const own = await as(app, session)('POST', '/own-cookie')
    t.deepEqual(own.cookies, ['theme=dark'], "the application's own cookie stays")
  }
})

test('setting the session to null empties it, and it can be filled again', async (t) => {
  const app = await open(t, {}, (router) => {
    router.post('/drop', (ctx) => {
      setSession(ctx, null)
      ctx.body = { session: sessionOf(ctx) }
    })
  })
  const session = await app.login()
  await as(app, session)('POST', '/write?value=confidential')
  t.true((await dump(app.store)).includes('confidential'))
  t.deepEqual((await as(app, session)('POST', '/drop')).json, { session: null })
  t.false((await dump(app.store)).includes('confidential'))
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], {})
  t.is((await app.me(session.token, session.cookie)).status, 200, 'the session itself lives on')
  await as(app, session)('POST', '/write?value=again')
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: 'again' })
})

test('an app with another session middleware is refused, in both orders', async (t) => {
  const kit = await createSessionKit({
    issuer: 'http://localhost:3000',
    store: memoryStore(),
    keys: await createKeySet(),
  })
  t.teardown(() => kit.close())
  const twice = new Koa()
  kit.session(twice)
  t.throws(() => kit.session(twice), { instanceOf: TypeError })
  const foreign = new Koa()
  foreign.use(koaSession({ signed: false }, foreign))
  t.throws(() => kit.session(foreign), { instanceOf: TypeError })
  const other = new Koa()
  t.notThrows(() => kit.session(other), 'one kit can serve two apps')
})

test('a koa-session that is mounted afterwards keeps nothing for anybody anonymous', async (t) => {
  const app = await open(t, {
    mount(koa) {
      koa.use(koaSession({ signed: false }, koa))
    },
  })
  t.deepEqual((await app.request('GET', '/read')).json, { session: null })
  const response = await app.request('POST', '/write?value=1')
  t.is(response.status, 500)
  t.deepEqual(response.cookies, [])
  const session = await app.login()
  await as(app, session)('POST', '/write?value=mine')
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: 'mine' })
})

function freezeDeep<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freezeDeep(member)
  }
  return Object.freeze(value)
}

test('frozen options work, and none are changed', async (t) => {
  const options = {
    accessToken: { lifetime: '10m' },
    session: { absolute: '1h' },
    fingerprint: {},
    cookie: { sameSite: 'lax' as const },
    origins: ['https://www.app.example'],
    clearSiteData: ['storage' as const],
  }
  const before = structuredClone(options)
  const app = await open(t, freezeDeep(options))
  t.deepEqual(options, before)
  const session = await app.login()
  t.is((await as(app, session)('POST', '/write?value=1')).status, 200)
})

test('`__proto__` in what is kept reaches no prototype, in this request or in a later one', async (t) => {
  const hostile = '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}'
  const app = await open(t, {}, (router) => {
    router.post('/nested', (ctx) => {
      sessionOf(ctx)['settings'] = JSON.parse(hostile)
      ctx.body = 'ok'
    })
    router.post('/whole', (ctx) => {
      setSession(ctx, JSON.parse(hostile))
      ctx.body = 'ok'
    })
    router.post('/defined', (ctx) => {
      Object.defineProperty(sessionOf(ctx), '__proto__', { value: { isAdmin: true }, enumerable: true })
      ctx.body = 'ok'
    })
    router.get('/admin', (ctx) => {
      const session = sessionOf(ctx)
      const settings = (session['settings'] ?? {}) as Data
      ctx.body = { admin: [session['isAdmin'], settings['isAdmin'], ({} as Data)['isAdmin']].map(Boolean) }
    })
  })
  for (const path of ['/nested', '/whole', '/defined']) {
    const session = await app.login()
    await as(app, session)('POST', path)
    const response = await as(app, session)('GET', '/admin')
    t.deepEqual(response.json, { admin: [false, false, false] }, path)
    t.is((await as(app, session)('POST', '/write?value=1')).status, 200, `${path}: the session is still usable`)
  }
  t.is(({} as Data)['isAdmin'], undefined)
})

test('a record whose data names `__proto__` gives nobody a prototype', async (t) => {
  const app = await open(t, {}, (router) => {
    router.get('/admin', (ctx) => {
      ctx.body = { isAdmin: sessionOf(ctx)['isAdmin'] === true }
    })
  })
  const session = await app.login()
  const record = await app.store.get('session', session.sid)
  if (record === undefined) throw new Error('no record')
  const data: unknown = JSON.parse('{"__proto__":{"isAdmin":true},"kept":1}')
  t.true(await app.store.swap('session', { ...record, value: { ...(record.value as object), data } }))
  const response = await as(app, session)('GET', '/admin')
  t.not(response.text, '{"isAdmin":true}')
})

test('members that start with `_` are not kept, and cannot make a session expire', async (t) => {
  const app = await open(t, {}, (router) => {
    router.post('/whole', (ctx) => {
      setSession(ctx, { value: 1, _expire: 1, _maxAge: 1, _session: true, _requireSave: true, _private: 2 })
      ctx.body = 'ok'
    })
  })
  const session = await app.login()
  t.is((await as(app, session)('POST', '/whole')).status, 200)
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: 1 })
  app.clock.advance(899)
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: 1 })
})

test('what is read is what JSON keeps, whatever the store could keep', async (t) => {
  const app = await open(t, {}, (router) => {
    router.post('/mixed', (ctx) => {
      const when = new Date(0)
      Object.assign(sessionOf(ctx), {
        when,
        gone: undefined,
        list: [1, undefined],
        run: () => 1,
        map: new Map([[1, 2]]),
      })
      ctx.body = 'ok'
    })
  })
  const session = await app.login()
  t.is((await as(app, session)('POST', '/mixed')).status, 200)
  const { json } = await as(app, session)('GET', '/read')
  t.deepEqual(json['session'], { when: '1970-01-01T00:00:00.000Z', list: [1, null], map: {} })
})

test('of two parallel writers both succeed and the last one wins', async (t) => {
  const [first, second] = [createGate(), createGate()]
  const app = await open(t, {}, (router) => {
    router.post('/first', async (ctx) => {
      first.enter()
      await first.opened
      sessionOf(ctx)['first'] = true
      ctx.body = 'ok'
    })
    router.post('/second', async (ctx) => {
      second.enter()
      await second.opened
      sessionOf(ctx)['second'] = true
      ctx.body = 'ok'
    })
  })
  const session = await app.login()
  const [one, two] = [as(app, session)('POST', '/first'), as(app, session)('POST', '/second')]
  await Promise.all([first.entered, second.entered])
  first.open()
  t.is((await one).status, 200)
  second.open()
  t.is((await two).status, 200)
  t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { second: true })
})

test('many parallel writers all succeed, and what is left is what one of them wrote', async (t) => {
  const app = await open(t)
  const session = await app.login()
  const values = Array.from({ length: 30 }, (_, i) => `v${i}`)
  const answers = await Promise.all(values.map((value) => as(app, session)('POST', `/write?value=${value}`)))
  for (const { status } of answers) t.is(status, 200)
  const { value } = (await as(app, session)('GET', '/read')).json['session'] as { value: string }
  t.true(values.includes(value))
})

test('a store that never lets a swap through is an outage and not an endless loop', async (t) => {
  const testClock = createClock()
  const inner = memoryStore({ clock: testClock })
  let swaps = 0
  const store: Store = {
    ...inner,
    async swap() {
      swaps += 1
      if (swaps > 5000) throw new Error('still trying')
      return false
    },
  }
  const app = await open(t, { store, testClock })
  const response = await as(app, await app.login())('POST', '/write?value=1')
  t.is(response.status, 503)
  t.true(swaps <= 1000, `${swaps} attempts`)
})

test('the data of an ended session is gone from the store', async (t) => {
  const ends: Record<string, (app: TestApp, session: Login) => Promise<unknown>> = {
    'a logout': postLogout,
    'a new login': (app, { token, cookie }) => app.login('alice', { headers: bearer({ token, cookie }) }),
    'kit.revoke of the session': (app, { sid }) => app.kit.revoke({ sid }),
    'kit.revoke of the subject': (app) => app.kit.revoke({ sub: 'alice' }),
    'a stolen token': (app, { token }) => app.me(token),
    'the list of sessions': (app, session) => as(app, session)('DELETE', `/auth/sessions/${session.sid}`),
    'a logout everywhere': (app, session) => as(app, session)('DELETE', '/auth/sessions?all=true'),
    'a stolen refresh token': (app, { refreshCookie }) => postRefresh(app, { cookie: '', refreshCookie }),
    async 'a refresh token that was replaced'(app, session) {
      await postRefresh(app, session)
      app.clock.advance(10)
      await postRefresh(app, session)
    },
  }
  for (const [how, end] of Object.entries(ends)) {
    const app = await open(t, { onSidejack: 'revoke' })
    const session = await app.login()
    await as(app, session)('POST', '/write?value=personal')
    t.true((await dump(app.store)).includes('personal'))
    await end(app, session)
    t.false((await dump(app.store)).includes('personal'), how)
    t.is((await as(app, session)('GET', '/read')).status, 401, how)
  }
})

test('SL-02 the data goes when the session reaches its end, however often it is written', async (t) => {
  const app = await open(t, { session: { absolute: '10m' }, accessToken: { lifetime: '10m' } })
  const session = await app.login()
  for (let minute = 0; minute < 9; minute += 1) {
    app.clock.advance(60)
    t.is((await as(app, session)('POST', '/write?value=personal')).status, 200)
  }
  app.clock.advance(61)
  t.is((await as(app, session)('GET', '/read')).status, 401)
  t.is(await dump(app.store), '[]')
})

test("a session's data stays through refreshes, and goes when nobody refreshes any more", async (t) => {
  const app = await open(t)
  let session = await app.login()
  await as(app, session)('POST', '/write?value=personal')
  for (let i = 0; i < 3; i += 1) {
    app.clock.advance(1799)
    session = toLogin(await postRefresh(app, session))
    t.deepEqual((await as(app, session)('GET', '/read')).json['session'], { value: 'personal' })
  }
  app.clock.advance(1800)
  t.is(await dump(app.store), '[]')
})

test("a session's data is not in the token and not in any event", async (t) => {
  const app = await open(t)
  const session = await app.login()
  await as(app, session)('POST', '/write?value=personal')
  t.false(JSON.stringify(app.seen).includes('personal'))
  t.false(JSON.stringify(payloadOf(session.token)).includes('personal'))
})

test('the kit works without its session middleware', async (t) => {
  const app = await openTestApp(t, { withSession: false })
  const { token, cookie } = await app.login()
  t.is((await app.me(token, cookie)).status, 200)
  t.is((await app.me()).headers['www-authenticate'], `Bearer realm="${ISSUER}"`)
})
