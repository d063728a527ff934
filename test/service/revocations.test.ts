// The revocation feed of a service: what is revoked at the issuer is refused here, and news that are too old are none.

import { readFileSync } from 'node:fs'

import test, { type ExecutionContext } from 'ava'
import { createClient } from '@redis/client'

import { memoryStore, type Store } from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { redisStore } from '../../src/store/redis.ts'
import {
  bearer,
  codesOf,
  createClock,
  ISSUER,
  openTestApp,
  postLogout,
  privateJwk,
  type TestApp,
} from '../helpers/app.ts'
import { openQuestioned } from '../helpers/introspection.ts'
import { newPath } from '../helpers/lmdb.ts'
import { hasRedis, openClient, openRedis } from '../helpers/redis.ts'
import { assertRefused } from '../helpers/refused.ts'
import {
  AUDIENCE,
  openIssuer,
  openService,
  statusOf,
  type TestService,
  type TestServiceOptions,
  toLoopback,
} from '../helpers/service.ts'

interface Split {
  readonly app: TestApp
  readonly service: TestService
}

/** An app on one store, and a service beside it that follows another handle of the same. */
async function openSplit(
  t: ExecutionContext,
  stores: { readonly app: Store; readonly service: Store },
  options: TestServiceOptions = {},
): Promise<Split> {
  const testClock = createClock(Date.now())
  const app = await openTestApp(t, { testClock, store: stores.app, audience: [ISSUER, AUDIENCE] })
  const service = await openService(t, {
    testClock,
    issuer: ISSUER,
    origin: ISSUER,
    fetch: toLoopback(ISSUER, `http://127.0.0.1:${app.port}`),
    revocations: stores.service,
    ...options,
  })
  return { app, service }
}

const PATIENCE_MS = 20_000

/** Asks until this is the answer, or for too long; tells how long it took. */
async function until(service: TestService, pair: Parameters<typeof statusOf>[1], status: number): Promise<number> {
  const start = performance.now()
  while ((await statusOf(service, pair)) !== status) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`waited for ${status} in vain`)
  }
  return performance.now() - start
}

/** A store whose watch is as old as the test says. */
function agingStore(store: Store): Store & { age: number } {
  const aging = {
    ...store,
    age: 0,
    async watch(listener: Parameters<NonNullable<Store['watch']>>[0]) {
      const watch = await store.watch?.(listener)
      return { age: () => aging.age, stop: () => watch?.stop() }
    },
  }
  return aging
}

test('without a feed a token is believed until it expires', async (t) => {
  const testClock = createClock()
  const app = await openTestApp(t, { testClock, audience: [ISSUER, AUDIENCE] })
  const fetch = toLoopback(ISSUER, `http://127.0.0.1:${app.port}`)
  const service = await openService(t, { testClock, issuer: ISSUER, origin: ISSUER, fetch })
  const login = await app.login()
  t.is((await postLogout(app, login)).status, 204)
  t.is(await statusOf(service, login), 200)
  testClock.advance(900)
  await assertRefused(t, service, () => service.me(login.token, login.cookie), 'ERR_TOKEN_EXPIRED')
})

test('RV-01 KY-12 what is revoked at the issuer is refused at a service that follows it: session, token, user, key', async (t) => {
  const path = await newPath(t)
  const stores = { app: lmdbStore({ path }), service: lmdbStore({ path }) }
  t.teardown(() => Promise.all([stores.app.close(), stores.service.close()]))
  const { app, service } = await openSplit(t, stores)
  const [out, token, user, kept] = [await app.login(), await app.login(), await app.login('bob'), await app.login()]
  for (const login of [out, token, user, kept]) t.is(await statusOf(service, login), 200)
  await postLogout(app, out)
  await assertRefused(t, service, () => service.me(out.token, out.cookie), 'ERR_TOKEN_REVOKED')
  await app.kit.revoke({ jti: (await service.verifier.verify(toCredentials(token))).jti })
  await assertRefused(t, service, () => service.me(token.token, token.cookie), 'ERR_TOKEN_REVOKED')
  await app.kit.revoke({ sub: 'bob' })
  await assertRefused(t, service, () => service.me(user.token, user.cookie), 'ERR_TOKEN_REVOKED')
  t.is(await statusOf(service, await app.login('bob')), 200)
  t.is(await statusOf(service, kept), 200)
  await app.kit.revoke({ kid: String(privateJwk.kid) })
  await assertRefused(t, service, () => service.me(kept.token, kept.cookie), 'ERR_TOKEN_REVOKED')
})

function toCredentials({ token, fingerprint }: { token: string; fingerprint: string }): {
  token: string
  fingerprints: string[]
} {
  return { token, fingerprints: [fingerprint] }
}

test('a delegated token ends with the session that it was taken from, where the service follows the list', async (t) => {
  const store = memoryStore()
  const app = await openTestApp(t, {
    store,
    mount(_koa, kit, router) {
      router.get('/delegated', kit.protect(), async (ctx) => {
        ctx.body = await kit.delegate(ctx, { audience: AUDIENCE })
      })
    },
  })
  const following = { ...again({ app }), fingerprint: 'if-present', revocations: store } as const
  const [service, deaf] = [
    await openService(t, following),
    await openService(t, { ...again({ app }), fingerprint: 'if-present' }),
  ]
  const login = await app.login()
  const { json } = await app.request('GET', '/delegated', bearer(login))
  const token = String(json['access_token'])
  t.is((await service.me(token)).status, 200)
  await postLogout(app, login)
  await assertRefused(t, service, () => service.me(token), 'ERR_TOKEN_REVOKED')
  t.is((await deaf.me(token)).status, 200)
})

test('RV-17 a service that starts later knows what was revoked before', async (t) => {
  const path = await newPath(t)
  const store = lmdbStore({ path })
  t.teardown(() => store.close())
  const app = await openTestApp(t, { testClock: createClock(Date.now()), store, audience: [ISSUER, AUDIENCE] })
  const login = await app.login()
  await postLogout(app, login)
  const service = await openService(t, {
    testClock: app.clock,
    issuer: ISSUER,
    origin: ISSUER,
    fetch: toLoopback(ISSUER, `http://127.0.0.1:${app.port}`),
    revocations: store,
  })
  await assertRefused(t, service, () => service.me(login.token, login.cookie), 'ERR_TOKEN_REVOKED')
})

test('RV-18 EL-10 with news older than maxStaleness a service answers 503 to every token, and to nobody else', async (t) => {
  const store = memoryStore()
  const aging = agingStore(store)
  const { app, service } = await openSplit(t, { app: store, service: aging }, { maxStaleness: '3s' })
  const login = await app.login()
  for (const [age, status] of [
    [0, 200],
    [3000, 200],
    [3001, 503],
    [Number.NaN, 503],
    [Infinity, 503],
    [10, 200],
  ] as const) {
    aging.age = age
    const response = await service.me(login.token, login.cookie)
    t.is(response.status, status, String(age))
    if (status === 503) t.is(response.headers['retry-after'], '5')
  }
  t.deepEqual([...new Set(codesOf(service.seen))], ['ERR_REVOCATIONS_STALE'])
  aging.age = Infinity
  t.is((await service.me()).status, 401)
  t.is((await service.me(`${login.token}x`, login.cookie)).status, 401)
})

test('RV-18 verifier.verify is as strict as protect, for frameworks that know nothing of it', async (t) => {
  const store = memoryStore()
  const aging = agingStore(store)
  const { app, service } = await openSplit(t, { app: store, service: aging })
  const { verifier } = service
  const credentials = toCredentials(await app.login())
  const auth = await verifier.verify(credentials)
  verifier.assertFresh(auth)
  aging.age = 5001
  await t.throwsAsync(verifier.verify(credentials), { code: 'ERR_REVOCATIONS_STALE' })
  t.throws(() => verifier.assertFresh(auth), { code: 'ERR_REVOCATIONS_STALE' })
  t.is((await verifier.verify(credentials, { openFor: 6 })).sub, 'alice')
  t.throws(() => verifier.assertFresh({ ...auth, claims: { ...auth.claims, iss: 'https://other.example' } }), {
    code: 'ERR_TOKEN_ISSUER',
  })
})

test('RV-18 so is the verify of an introspector, whose kept answers are no newer than the list', async (t) => {
  const aging = agingStore(memoryStore())
  const { introspector, token } = await openQuestioned(t, { revocations: aging })
  const credentials = toCredentials(token())
  const auth = await introspector.verify(credentials)
  aging.age = 5001
  await t.throwsAsync(introspector.verify(credentials), { code: 'ERR_REVOCATIONS_STALE' })
  t.throws(() => introspector.assertFresh(auth), { code: 'ERR_REVOCATIONS_STALE' })
  t.is((await introspector.verify(credentials, { openFor: 6 })).sub, 'alice')
})

test('RV-18 onStale openFor lets in until then, and a route may say otherwise, either way', async (t) => {
  const store = memoryStore()
  const aging = agingStore(store)
  const open = await openSplit(t, { app: store, service: aging }, { onStale: { openFor: '1m' } })
  const login = await open.app.login()
  const strict = await openService(t, { ...again(open), revocations: aging, protect: { onStale: { openFor: '1m' } } })
  const loose = await openService(t, {
    ...again(open),
    revocations: aging,
    onStale: { openFor: '1m' },
    protect: { onStale: 'reject' },
  })
  aging.age = 59_000
  t.is(await statusOf(open.service, login), 200)
  t.is(await statusOf(strict, login), 200)
  t.is(await statusOf(loose, login), 503)
  aging.age = 60_001
  t.is(await statusOf(open.service, login), 503)
  t.is(await statusOf(strict, login), 503)
  await postLogout(open.app, login)
  await assertRefused(t, open.service, () => open.service.me(login.token, login.cookie), 'ERR_TOKEN_REVOKED')
})

function again({ app }: Pick<Split, 'app'>): TestServiceOptions {
  const fetch = toLoopback(ISSUER, `http://127.0.0.1:${app.port}`)
  return { testClock: app.clock, issuer: ISSUER, origin: ISSUER, fetch }
}

test('each issuer has its own feed, and the age of one says nothing of the tokens of the other', async (t) => {
  const [a, b] = [await openIssuer(t), await openIssuer(t)]
  const [old, fresh] = [agingStore(memoryStore()), agingStore(memoryStore())]
  const service = await openService(t, {
    issuers: [
      { issuer: a.issuer, audience: AUDIENCE, revocations: old },
      { issuer: b.issuer, audience: AUDIENCE, revocations: fresh },
    ],
  })
  old.age = 60_000
  t.is(await statusOf(service, a.mint(service.clock)), 503)
  t.is(await statusOf(service, b.mint(service.clock)), 200)
  const [ofA, ofB] = [a.mint(service.clock, { sid: 'the-same' }), b.mint(service.clock, { sid: 'the-same' })]
  old.age = 0
  await old.set('revocation', { key: 'sid the-same', value: null, expires: service.clock() + 1e7 })
  t.is(await statusOf(service, ofA), 401)
  t.is(await statusOf(service, ofB), 200)
})

const redis = hasRedis() ? test.serial : test.serial.skip

redis('RV-01 through a real Redis a logout is refused at the service within the bound', async (t) => {
  const server = await openRedis(t)
  const stores = {
    app: redisStore({ client: await openClient(t, 'node-redis', server.port) }),
    service: redisStore({ client: await openClient(t, 'ioredis', server.port) }),
  }
  t.teardown(() => Promise.all([stores.app.close(), stores.service.close()]))
  const { app, service } = await openSplit(t, stores)
  for (let round = 0; round < 20; round += 1) {
    const login = await app.login()
    t.is(await statusOf(service, login), 200)
    t.is((await postLogout(app, login)).status, 204)
    t.true((await until(service, login, 401)) < 5000)
    t.is(codesOf(service.seen).at(-1), 'ERR_TOKEN_REVOKED')
  }
})

redis(
  'RV-18 a service that does not hear of Redis any more answers 503 within the bound, and goes on after it',
  async (t) => {
    const server = await openRedis(t)
    const stores = {
      app: redisStore({
        client: await openClient(t, 'node-redis', server.port),
        onProblem: () => {},
        timeout: '300ms',
      }),
      service: redisStore({
        client: await openClient(t, 'node-redis', server.port),
        onProblem: () => {},
        timeout: '300ms',
      }),
    }
    t.teardown(() => Promise.all([stores.app.close(), stores.service.close()]))
    const { app, service } = await openSplit(t, stores, { maxStaleness: '2s' })
    const login = await app.login()
    t.is(await statusOf(service, login), 200)
    server.stop()
    const start = performance.now()
    await until(service, login, 503)
    t.true(performance.now() - start < 4000)
    t.is(codesOf(service.seen).at(-1), 'ERR_REVOCATIONS_STALE')
    server.cont()
    await until(service, login, 200)
    await postLogout(app, login)
    await until(service, login, 401)
  },
)

redis('a service needs a Redis user that reads revocations, and can log nobody out with it', async (t) => {
  const server = await openRedis(t)
  const docs = readFileSync(new URL('../../docs/services.md', import.meta.url), 'utf8')
  const [, rules = ''] = /^ACL SETUSER service (.*)$/m.exec(docs) ?? []
  await server.command('ACL', 'SETUSER', 'service', ...rules.split(' '))
  const options = { url: `redis://service:a-password@127.0.0.1:${server.port}`, disableClientInfo: true }
  const client = createClient(options).on('error', () => {})
  await client.connect()
  t.teardown(() => client.destroy())
  const stores = {
    app: redisStore({ client: await openClient(t, 'node-redis', server.port) }),
    service: redisStore({ client, onProblem: (error) => t.log(error.message) }),
  }
  t.teardown(() => Promise.all([stores.app.close(), stores.service.close()]))
  const { app, service } = await openSplit(t, stores)
  const [login, kept] = [await app.login(), await app.login()]
  await postLogout(app, login)
  await until(service, login, 401)
  t.is(await statusOf(service, kept), 200)
  await t.throwsAsync(
    stores.service.set('revocation', { key: `sid ${kept.sid}`, value: null, expires: Date.now() + 1e6 }),
  )
  await t.throwsAsync(stores.service.get('session', kept.sid))
  for (const command of [
    ['DEL', 'holdfast:{r}:head'],
    ['SET', 'holdfast:{r}:head', '1'],
    ['XADD', 'holdfast:{r}:stream', '*', 'l', 'x'],
    ['EVAL', "return redis.call('SET', KEYS[1], '1')", '1', 'holdfast:{r}:head'],
    ['EVAL', "return redis.call('GET', KEYS[1])", '1', `holdfast:${kept.sid}`],
    ['FLUSHALL'],
    ['CONFIG', 'GET', '*'],
  ]) {
    await t.throwsAsync(client.sendCommand(command), { message: /NOPERM|can't (?:run|access)/ }, command.join(' '))
  }
  t.is(await statusOf(service, kept), 200)
})
