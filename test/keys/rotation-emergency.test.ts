// KY-12: a signing key has leaked. It is revoked, in every process at once, and the next one signs; nobody waits.

import test, { type ExecutionContext } from 'ava'

import {
  createKeySet,
  createRotatingKeys,
  createSessionKit,
  generateKey,
  importKey,
  memoryStore,
  type Store,
} from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { redisStore } from '../../src/store/redis.ts'
import { codesOf, createClock, ISSUER, openTestApp, postLogin, type TestApp } from '../helpers/app.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { newPath } from '../helpers/lmdb.ts'
import { hasRedis, openClient, openRedis } from '../helpers/redis.ts'
import { until } from '../helpers/redis-process.ts'
import { openKeys, PERIOD, publishedBy, ROTATING, settle, signingKey, statesOf } from '../helpers/rotating.ts'

/** How a process opens a store that others have open too. */
type OpenStore = () => Promise<Store>

const SHARED: Readonly<Record<string, (t: ExecutionContext) => Promise<OpenStore>>> = {
  async lmdb(t) {
    const path = await newPath(t)
    return async () => lmdbStore({ path })
  },
  ...(hasRedis() && {
    async redis(t) {
      const { port } = await openRedis(t)
      return async () => redisStore({ client: await openClient(t, 'node-redis', port), timeout: '10s' })
    },
  }),
}

async function openProcess(t: ExecutionContext, open: OpenStore): Promise<TestApp> {
  const store = await open()
  const app = await openTestApp(t, { ...ROTATING, store, testClock: createClock(Date.now()), withSession: false })
  t.teardown(() => store.close())
  return app
}

for (const [name, share] of Object.entries(SHARED)) {
  test.serial(
    `KY-12 RV-17 ${name}: within a second of its revocation a key signs, verifies and is published nowhere`,
    async (t) => {
      const open = await share(t)
      const apps = [await openProcess(t, open), await openProcess(t, open)] as const
      for (let round = 0; round < 3; round += 1) {
        const [kid, next] = await publishedBy(apps[1])
        const stolen = await apps[0].login()
        t.is((await apps[1].me(stolen.token, stolen.cookie)).status, 200)
        const began = performance.now()
        if (round === 1) t.is((await apps[0].kit.rotateKeys({ emergency: true })).kid, next)
        else await apps[0].kit.revoke({ kid })
        // Logins all the while: not one of them fails in the process that did it, nor in the other.
        for (let isOver = false; !isOver;) {
          const [here, there] = await Promise.all(apps.map((app) => app.login()))
          const [status, published] = [
            (await apps[1].me(stolen.token, stolen.cookie)).status,
            await publishedBy(apps[1]),
          ]
          isOver = status === 401 && !published.includes(kid) && (await signingKey(apps[1])) === next
          t.truthy(here && there)
          t.true(performance.now() - began < 1000, `after ${performance.now() - began} ms`)
        }
        t.log(`${Math.round(performance.now() - began)} ms`)
        t.is((await apps[0].me(stolen.token, stolen.cookie)).status, 401)
        t.is(await signingKey(apps[0]), next)
        await until(() => apps.every(({ kit }) => kit.jwks().keys.length === 2), 'a fresh next key')
        t.deepEqual(await publishedBy(apps[0]), await publishedBy(apps[1]))
        t.false((await publishedBy(apps[0])).includes(kid))
      }
      const made = apps.flatMap(({ seen }) => seen.filter((one) => one.name === 'key_created'))
      t.is(made.length, 3, 'one each time, whoever makes it')
      for (const app of apps) t.false(codesOf(app.seen).includes('ERR_KEY_REVOKED'))
    },
  )

  test.serial(`${name}: processes that begin together have the same keys, and a command rotates them`, async (t) => {
    const open = await share(t)
    const processes = await Promise.all(Array.from({ length: 4 }, async () => openKeys(t, { store: await open() })))
    for (const one of processes) t.deepEqual(one.plan(), processes[0]?.plan())
    const [first] = processes
    const command = await openKeys(t, { store: await open() })
    const { kid } = await command.rotate({ emergency: true })
    await until(() => processes.every((one) => one.active.kid === kid), 'everyone to sign with it', 1000)
    await until(() => processes.every((one) => one.plan().length === 3), 'everyone to have the next')
    t.deepEqual(
      first?.plan().map(({ state }) => state),
      ['revoked', 'active', 'next'],
    )
    t.deepEqual(first?.plan(), command.plan())
  })
}

test('KY-12 the token of a revoked key is told as one, and nobody is let in', async (t) => {
  const app = await openTestApp(t, ROTATING)
  const login = await app.login()
  const [kid] = await publishedBy(app)
  const { kid: next } = await app.kit.rotateKeys({ emergency: true })
  t.is((await app.me(login.token, login.cookie)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_REVOKED'])
  t.true(app.seen.some(({ name, event }) => name === 'authn_token_revoked' && JSON.stringify(event).includes(kid)))
  const told = app.seen
    .filter(({ name }) => name.startsWith('key_'))
    .map(({ name, event }) => [name, (event as { kid?: string }).kid])
  const fresh = app.kit.jwks().keys[1]?.kid
  t.deepEqual(told, [
    ['key_created', fresh],
    ['key_activated', next],
    ['key_retired', kid],
  ])
})

test('KY-12 a process that starts after a revocation signs with the key that the others sign with', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  const one = await openKeys(t, { clock, store })
  const { kid, activates } = await one.rotate({ emergency: true })
  t.true(activates <= clock() + 1000)
  const late = await openKeys(t, { clock, store })
  t.is(late.active.kid, kid)
  t.deepEqual(late.plan(), one.plan())
})

test('KY-12 two keys that leak one after the other are replaced by the same two, where clocks differ too', async (t) => {
  const clock = createClock()
  const ahead = (): number => clock() + 2000
  const store = memoryStore({ clock })
  const [one, other] = [await openKeys(t, { clock, store }), await openKeys(t, { clock: ahead, store })]
  const first = await other.rotate({ emergency: true })
  t.is(one.active.kid, first.kid)
  const second = await one.rotate({ emergency: true })
  for (const seconds of [0, 1, 2, 60]) {
    clock.advance(seconds)
    for (const keys of [one, other]) await settle(keys)
    for (const keys of [one, other]) t.is(keys.active.kid, second.kid, `${seconds} s later`)
  }
  t.deepEqual(one.plan(), other.plan())
})

test('KY-12 a next key that is revoked never signs, and another takes its place', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  const app = await openTestApp(t, { ...ROTATING, testClock: clock, store })
  const [first, second] = await publishedBy(app)
  await app.kit.revoke({ kid: second })
  t.deepEqual(await publishedBy(app), [first])
  await until(() => app.kit.jwks().keys.length === 2, 'another next key')
  const [, third] = await publishedBy(app)
  clock.advance(PERIOD)
  t.is(await signingKey(app), third)
})

test('KY-12 EL-10 while the store is down the next key takes over all the same, and the rest is made good', async (t) => {
  const app = await openFaultyApp(t, ROTATING)
  const { store, kit, clock } = app
  const [first, second] = await publishedBy(app)
  for (const verb of ['swap key', 'set revocation'] as const) store.broken.add(verb)
  await t.throwsAsync(kit.rotateKeys({ emergency: true }), { code: 'ERR_STORE_UNAVAILABLE' })
  t.is(await signingKey(app), second)
  t.deepEqual(await publishedBy(app), [second])
  await kit.revoke({ kid: second }).catch(() => undefined)
  app.seen.length = 0
  t.is((await postLogin(app, { sub: 'alice', password: 'correct' })).status, 503, 'there is no key left')
  t.true(app.seen.some(({ name }) => name === 'key_revoked_in_use'))
  t.deepEqual(await publishedBy(app), [])
  store.broken.clear()
  clock.advance(60)
  await until(() => kit.jwks().keys.length === 2, 'fresh keys')
  const third = await signingKey(app)
  t.false([first, second].includes(third))
})

test('KY-12 without rotation a revoked key is the end of signing, as before', async (t) => {
  const app = await openTestApp(t)
  await app.kit.revoke({ kid: app.keys.active?.kid ?? '' })
  t.is((await postLogin(app, { sub: 'alice', password: 'correct' })).status, 503)
  t.deepEqual(codesOf(app.seen), ['ERR_KEY_REVOKED'])
})

test('KY-13 what a service gets of rotating keys is public, and a private key is none that only verifies', async (t) => {
  const keys = await openKeys(t, { store: memoryStore() })
  const service = await createKeySet({ keys: [keys.jwks()] })
  t.is(service.active, undefined)
  t.deepEqual(
    service.keys.map(({ kid }) => kid),
    keys.plan().map(({ kid }) => kid),
  )
  t.truthy((await importKey(await generateKey())).signingKey)
  const kit = createSessionKit({ issuer: ISSUER, keys: service, store: memoryStore() })
  await t.throwsAsync(kit, { instanceOf: TypeError, message: /only public keys/ })
})

test('a revocation of somebody else is none of the keys', async (t) => {
  const store = memoryStore()
  const keys = await openKeys(t, { store })
  const before = statesOf(keys)
  await store.set('revocation', { key: 'kid stranger', value: null, expires: Number.MAX_SAFE_INTEGER })
  await store.set('revocation', { key: `sid ${keys.active.kid}`, value: null, expires: Number.MAX_SAFE_INTEGER })
  t.deepEqual(statesOf(keys), before)
  await t.notThrowsAsync(createRotatingKeys({ issuer: ISSUER, store, ...ROTATING }).then(async (one) => one.close()))
})
