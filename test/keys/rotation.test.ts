// Keys that replace themselves: who makes them and when, and what goes on when a process, the store or the clock fails.

import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'

import {
  createKeySet,
  createSessionKit,
  generateKey,
  memoryStore,
  NEVER,
  type RotatingKeys,
  type Store,
} from '../../src/index.ts'
import { createClock, ISSUER, openTestApp, privateJwk, START, type TestClock } from '../helpers/app.ts'
import { FAULT, type FaultyStore, faultyStore, openFaultyApp } from '../helpers/faulty.ts'
import { createDice, heldStore } from '../helpers/held-store.ts'
import { until } from '../helpers/redis-process.ts'
import {
  ENCRYPTION_KEY,
  KEEP,
  kidsOf,
  LEAD,
  openKeys,
  PERIOD,
  publishedBy,
  readSealed,
  reload,
  ROTATING,
  settle,
  signingKey,
  statesOf,
} from '../helpers/rotating.ts'

interface Bench {
  readonly clock: TestClock
  /** The data. */
  readonly memory: Store
  /** Two ways to it, which fail by themselves. */
  readonly stores: readonly [FaultyStore, FaultyStore]
  readonly keys: readonly [RotatingKeys, RotatingKeys]
}

/** Two processes. */
async function openTwo(t: ExecutionContext): Promise<Bench> {
  const clock = createClock()
  const memory = memoryStore({ clock })
  const stores = [faultyStore(memory), faultyStore(memory)] as const
  const keys = [await openKeys(t, { clock, store: stores[0] }), await openKeys(t, { clock, store: stores[1] })] as const
  return { clock, memory, stores, keys }
}

/** A moment later than the keys that there are sign. */
async function pass(clock: TestClock, keys: readonly RotatingKeys[], seconds: number): Promise<void> {
  clock.advance(seconds)
  for (const one of keys) await settle(one)
}

test('KY-01 KY-02 KY-03 a kit with rotating keys publishes one that signs and one that will, and nothing private', async (t) => {
  const app = await openTestApp(t, ROTATING)
  const { json } = await app.request('GET', '/.well-known/jwks.json')
  const { keys } = json as unknown as { keys: Record<string, string>[] }
  t.is(keys.length, 2)
  for (const key of keys) {
    t.deepEqual(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    t.like(key, { kty: 'EC', alg: 'ES256', use: 'sig' })
  }
  t.is(new Set(keys.map(({ kid }) => kid)).size, 2)
  t.is(await signingKey(app), keys[0]?.['kid'] ?? '')
})

test('KY-04 KY-11 a key is published for longer before it signs than the JWKS may be cached', async (t) => {
  const app = await openTestApp(t, ROTATING)
  const { headers } = await app.request('GET', '/.well-known/jwks.json')
  t.is(headers['cache-control'], 'public, max-age=300')
  await app.kit.rotateKeys()
  app.clock.advance(LEAD - 1)
  const [first, second] = await publishedBy(app)
  t.is(await signingKey(app), first)
  app.clock.advance(1)
  t.is(await signingKey(app), second)
})

test('every algorithm of key pairs rotates', async (t) => {
  for (const algorithm of ['ES384', 'ES512', 'PS256', 'RS256', 'EdDSA', 'Ed25519'] as const) {
    const app = await openTestApp(t, { ...ROTATING, keys: { ...ROTATING.keys, algorithm } })
    const login = await app.login()
    t.is((await app.me(login.token, login.cookie)).status, 200, algorithm)
    t.is(app.kit.jwks().keys[1]?.alg, algorithm)
  }
})

test('an algorithm that is changed is that of the keys made from then on', async (t) => {
  const { clock, memory, keys } = await openTwo(t)
  const later = await openKeys(t, { clock, store: memory, keys: { ...ROTATING.keys, algorithm: 'EdDSA' } })
  await keys[0].close()
  await keys[1].close()
  await pass(clock, [later], PERIOD)
  t.deepEqual(
    later.jwks().keys.map(({ alg }) => alg),
    ['ES256', 'ES256', 'EdDSA'],
  )
})

test('processes that begin together on an empty store have the same keys', async (t) => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const clock = createClock()
    const memory = memoryStore({ clock })
    const processes = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const store = heldStore(memory)
        store.pace(createDice(50, seed * 10 + index))
        return openKeys(t, { clock, store })
      }),
    )
    for (const one of processes) t.deepEqual(one.plan(), processes[0]?.plan())
    t.is(processes[0]?.plan().length, 2)
  }
})

test('KY-11 processes that see the same need make one key', async (t) => {
  const { clock, stores, keys } = await openTwo(t)
  const before = kidsOf(keys[0])
  clock.advance(PERIOD)
  for (const one of keys) one.jwks()
  await until(() => keys.every((one) => one.plan().length === 3), 'a third key')
  t.deepEqual(keys[0].plan(), keys[1].plan())
  t.deepEqual(kidsOf(keys[0]).slice(0, 2), before)
  const writes = stores.flatMap(({ calls }) => calls.filter((call) => call === 'swap key'))
  t.true(writes.length >= 1 && writes.length <= 2)
})

test('KY-11 two processes that rotate by hand at the same time replace one key, and make one', async (t) => {
  const clock = createClock()
  const memory = memoryStore({ clock })
  const slow = heldStore(memory)
  const [one, other] = [await openKeys(t, { clock, store: slow }), await openKeys(t, { clock, store: memory })]
  await pass(clock, [one, other], LEAD)
  const held = slow.hold('swap key')
  const first = one.rotate()
  await held.reached
  const second = await other.rotate()
  held.release()
  t.deepEqual(await first, second)
  t.deepEqual(one.plan(), other.plan())
  t.deepEqual(
    one.plan().map(({ state }) => state),
    ['retired', 'active', 'next'],
  )
})

test('a key that everyone has takes over at once by hand, and the one after it not before everyone has that', async (t) => {
  const { clock, keys } = await openTwo(t)
  const [one] = keys
  const [first, second] = kidsOf(one)
  await pass(clock, keys, LEAD)
  t.is(one.active.kid, first)
  const now = await one.rotate()
  t.is(now.kid, second)
  t.true(now.activates <= clock())
  t.is(one.active.kid, second)
  const made = clock()
  const later = await one.rotate()
  t.is(kidsOf(one)[2], later.kid)
  t.is(later.activates, Math.floor(made / 1000 + LEAD) * 1000)
  t.is(one.active.kid, second, 'nothing has changed yet')
  t.deepEqual(await one.rotate(), later, 'who asks again asks for the same')
  await pass(clock, keys, LEAD)
  t.is(one.active.kid, later.kid)
})

test('KY-11 a retired key verifies as long as its tokens live, and is gone then, from the store too', async (t) => {
  const { clock, keys, memory } = await openTwo(t)
  const [first] = kidsOf(keys[0])
  await pass(clock, keys, PERIOD)
  t.deepEqual(statesOf(keys[0])[0], `${first} retired`)
  clock.advance(KEEP - 1)
  for (const one of keys) t.is((await one.get(first))?.kid, first)
  clock.advance(1)
  for (const one of keys) {
    t.is(await one.get(first), undefined)
    t.false(one.jwks().keys.some(({ kid }) => kid === first))
  }
  clock.advance(60)
  const count = async (): Promise<number> => (await readSealed(memory)).length
  for (let rounds = 0; (await count()) > 2 && rounds < 100; rounds += 1) await settle(keys[0])
  t.is(await count(), 2)
})

test('processes switch by the clock, without asking the store', async (t) => {
  const { clock, stores, keys } = await openTwo(t)
  const [, second] = kidsOf(keys[0])
  for (const store of stores) for (const verb of ['get', 'swap', 'add'] as const) store.broken.add(verb)
  clock.advance(PERIOD - 1)
  for (const one of keys) t.not(one.active.kid, second)
  clock.advance(1)
  for (const one of keys) t.is(one.active.kid, second)
})

test('KY-11 while the store is down keys sign and verify, and say so; once it is back a key is published before it signs', async (t) => {
  const app = await openFaultyApp(t, ROTATING)
  const { store, clock, kit } = app
  const [first, second] = await publishedBy(app)
  for (const verb of ['get key', 'swap key', 'add key'] as const) store.broken.add(verb)
  for (let round = 0; round < 4; round += 1) {
    clock.advance(PERIOD)
    const login = await app.login()
    t.is((await app.me(login.token, login.cookie)).status, 200)
    t.is(await signingKey(app), second, 'the last one that is known')
    await settle(kit)
  }
  t.true(app.seen.some(({ name, event }) => name === 'store_unavailable' && !('request' in event)))
  t.deepEqual(await publishedBy(app), [second])
  store.broken.clear()
  clock.advance(60)
  const back = clock()
  kit.jwks()
  await until(() => kit.jwks().keys.length === 2, 'the next key')
  t.not(await signingKey(app), first)
  clock.advance(LEAD - 1)
  t.is(await signingKey(app), second)
  clock.advance(2)
  t.not(await signingKey(app), second)
  t.true(clock() - back >= LEAD * 1000)
})

for (const step of ['before', 'after'] as const) {
  test(`of a process that dies ${step} it writes there is ${step === 'before' ? 'nothing' : 'a key'} left to the others`, async (t) => {
    const { clock, memory, keys } = await openTwo(t)
    let isDead = false
    const swap: Store['swap'] = async (...write) => {
      if (step === 'after') await memory.swap(...write)
      isDead = true
      throw new Error(FAULT)
    }
    const dying = await openKeys(t, { clock, store: { ...memory, swap } })
    clock.advance(PERIOD)
    dying.jwks()
    await until(() => isDead, 'it to die')
    await dying.close()
    const stored = JSON.stringify(await memory.get('key', ISSUER))
    await reload(clock, keys, () => keys.every((one) => one.plan().length === 3))
    t.deepEqual(keys[0].plan(), keys[1].plan())
    t.deepEqual(
      keys[0].plan().map(({ state }) => state),
      ['retired', 'active', 'next'],
    )
    const isUsed = stored === JSON.stringify(await memory.get('key', ISSUER))
    t.is(isUsed, step === 'after', 'its key is the one that is used')
  })
}

test('a token of a key that this process has not heard of is looked up at once, strangers at most now and then', async (t) => {
  const clock = createClock()
  const memory = memoryStore({ clock })
  // Nothing tells it that there is something new.
  const { watch: _, ...store } = faultyStore(memory)
  const one = await openTestApp(t, { ...ROTATING, testClock: clock, store: memory })
  const other = await openTestApp(t, { ...ROTATING, testClock: clock, store })
  for (let round = 0; round < 2; round += 1) {
    for (const { kid } of one.kit.jwks().keys) await one.kit.revoke({ kid })
  }
  await until(() => one.kit.jwks().keys.length === 2, 'fresh keys')
  const login = await one.login()
  t.is((await other.me(login.token, login.cookie)).status, 200)
  const before = store.calls.filter((call) => call === 'get key').length
  const [header = '', ...rest] = login.token.split('.')
  for (let i = 0; i < 50; i += 1) {
    const forged = JSON.stringify({ ...JSON.parse(Buffer.from(header, 'base64url').toString()), kid: `stranger-${i}` })
    const token = [Buffer.from(forged).toString('base64url'), ...rest].join('.')
    t.is((await other.me(token, login.cookie)).status, 401)
  }
  t.true(store.calls.filter((call) => call === 'get key').length - before <= 1)
})

test('a key that is unknown while the store is down is 503 rather than a refusal', async (t) => {
  const { stores, keys } = await openTwo(t)
  stores[0].broken.add('get')
  const questions = await Promise.allSettled([keys[0].get('stranger'), keys[0].get('another')])
  for (const question of questions) t.like(question, { status: 'rejected', reason: { code: 'ERR_KEYS_UNAVAILABLE' } })
  t.is(await keys[1].get('stranger'), undefined)
  t.is((await keys[0].get(keys[0].active.kid))?.kid, keys[0].active.kid)
})

test('rotating by hand while the store is down is an error, and changes nothing', async (t) => {
  const { stores, keys } = await openTwo(t)
  const before = keys[0].plan()
  for (const verb of ['get', 'swap'] as const) {
    stores[0].broken.add(verb)
    await t.throwsAsync(keys[0].rotate(), { code: 'ERR_STORE_UNAVAILABLE' })
    stores[0].broken.clear()
  }
  t.deepEqual(keys[0].plan(), before)
})

test('a store that never swaps is given up on', async (t) => {
  const { memory, clock } = await openTwo(t)
  const keys = await openKeys(t, { clock, store: { ...memory, swap: async () => false } })
  await t.throwsAsync(keys.rotate(), { code: 'ERR_STORE_UNAVAILABLE' })
})

test('a kit does not start while the store is down and no key is known', async (t) => {
  const clock = createClock()
  for (const verb of ['get', 'add'] as const) {
    const store = faultyStore(memoryStore({ clock }))
    store.broken.add(verb)
    await t.throwsAsync(openKeys(t, { clock, store }), { code: 'ERR_STORE_UNAVAILABLE' })
    await t.throwsAsync(createSessionKit({ issuer: ISSUER, clock, store, ...ROTATING }), {
      code: 'ERR_STORE_UNAVAILABLE',
    })
  }
})

test('keys that the store has lost are put back, and a plan that was set back is made anew', async (t) => {
  const { clock, memory, keys } = await openTwo(t)
  const old = await memory.get('key', ISSUER)
  await pass(clock, keys, LEAD)
  const moved = await keys[0].rotate()
  for (const damage of [() => memory.delete('key', ISSUER), () => memory.set('key', old as NonNullable<typeof old>)]) {
    await damage()
    await reload(clock, keys, () => keys.every((one) => one.active.kid === moved.kid))
    for (const one of keys) await settle(one)
    const fresh = await openKeys(t, { clock, store: memory })
    t.deepEqual(fresh.plan(), keys[0].plan())
    t.is(fresh.active.kid, moved.kid)
    t.is(fresh.plan().length, 3)
  }
})

test('a clock that goes back brings no retired key back, here or in a process that starts then', async (t) => {
  const { clock, memory, keys } = await openTwo(t)
  const [, second] = kidsOf(keys[0])
  await pass(clock, keys, PERIOD)
  const plan = keys[0].plan()
  clock.advance(-2 * PERIOD)
  for (const one of keys) {
    t.is(one.active.kid, second)
    await settle(one)
  }
  const late = await openKeys(t, { clock, store: memory })
  t.deepEqual(
    kidsOf(late),
    plan.map(({ kid }) => kid),
    'the plan is as it was',
  )
  await settle(late)
  const stored = await openKeys(t, { clock: createClock(START + PERIOD * 1000), store: memory })
  t.deepEqual(stored.plan(), plan)
})

test('tokens go on being signed with the key that signed last when the clock of a kit goes back', async (t) => {
  const app = await openTestApp(t, ROTATING)
  const [, second] = await publishedBy(app)
  app.clock.advance(PERIOD + 5)
  t.is(await signingKey(app), second)
  app.clock.advance(-10)
  t.is(await signingKey(app), second)
})

test('keys that were made apart from each other are put together, in the same order by everyone', async (t) => {
  const clock = createClock()
  const memory = memoryStore({ clock })
  const sealed: string[] = []
  for (let fork = 0; fork < 3; fork += 1) {
    const apart = memoryStore({ clock })
    await openKeys(t, { clock, store: apart })
    sealed.push(...(await readSealed(apart)))
  }
  for (const keys of [sealed, sealed.toReversed()]) {
    await memory.set('key', { key: ISSUER, value: { keys }, expires: NEVER })
    const [one, other] = [await openKeys(t, { clock, store: memory }), await openKeys(t, { clock, store: memory })]
    t.is(one.plan().length, 6)
    t.deepEqual(one.plan(), other.plan())
    const inTurn = one.plan().toSorted((a, b) => a.activates - b.activates || (a.kid < b.kid ? -1 : 1))
    t.deepEqual(one.plan(), inTurn)
  }
})

test('a clock that answers nonsense drops no key and plans none', async (t) => {
  const clock = createClock()
  const memory = memoryStore()
  let isBroken = false
  const keys = await openKeys(t, { clock: () => (isBroken ? NaN : clock()), store: memory })
  const before = await memory.get('key', ISSUER)
  isBroken = true
  t.is(keys.jwks().keys.length, 2)
  await t.throwsAsync(keys.rotate(), { code: 'ERR_UNEXPECTED' })
  await t.throwsAsync(async () => keys.get('stranger'), { code: 'ERR_KEYS_UNAVAILABLE' })
  t.deepEqual(await memory.get('key', ISSUER), before)
})

test('a process whose clock was far ahead delays nobody for long', async (t) => {
  const { clock, memory, keys } = await openTwo(t)
  const [first, second] = kidsOf(keys[0])
  const ahead = await openKeys(t, { clock: createClock(START + 400 * 86_400_000), store: memory })
  await ahead.close()
  await reload(clock, keys, () => keys.every((one) => one.plan().length === 3))
  t.is(keys[0].active.kid, first, 'what it dropped is still there')
  await pass(clock, keys, PERIOD)
  t.is(keys[0].active.kid, second)
  await pass(clock, keys, PERIOD + 60)
  t.not(keys[0].active.kid, second)
})

test('a shorter period holds for the key that is in use already', async (t) => {
  const { clock, memory, keys } = await openTwo(t)
  for (const one of keys) await one.close()
  const long = await openKeys(t, {
    issuer: 'https://long.example',
    clock,
    store: memory,
    keys: { ...ROTATING.keys, rotateEvery: '30d' },
  })
  await long.close()
  const short = await openKeys(t, { issuer: 'https://long.example', clock, store: memory })
  t.is(short.plan()[1]?.activates, Math.floor(START / 1000 + PERIOD) * 1000)
})

test('issuers that share a store have keys of their own', async (t) => {
  const { clock, memory, keys } = await openTwo(t)
  const other = await openKeys(t, { issuer: 'https://other.example', clock, store: memory })
  for (const { kid } of other.plan()) t.false(kidsOf(keys[0]).includes(kid))
})

test('closed keys ask the store nothing more, and still sign', async (t) => {
  const { clock, stores, keys } = await openTwo(t)
  const [one] = keys
  stores[0].broken.add('get')
  const failing = one.get('stranger')
  await one.close()
  await t.throwsAsync(async () => failing, { code: 'ERR_KEYS_UNAVAILABLE' })
  const before = stores[0].calls.length
  clock.advance(3600)
  t.truthy(one.active)
  await settle(one)
  t.is(stores[0].calls.length, before)
  await t.notThrowsAsync(async () => one.close())
  await using another = keys[1]
  t.truthy(another.active)
})

test('rotating by hand is for keys that rotate, and a misspelt emergency is refused', async (t) => {
  const { kit } = await openTestApp(t)
  await t.throwsAsync(kit.rotateKeys(), { instanceOf: TypeError, message: /^keys: / })
  const rotating = await openTestApp(t, ROTATING)
  const plan = rotating.kit.jwks()
  for (const options of [{ emergancy: true }, { emergency: 'yes' }, true, null]) {
    await t.throwsAsync(rotating.kit.rotateKeys(options as never), { instanceOf: TypeError })
  }
  t.deepEqual(rotating.kit.jwks(), plan)
  const keys = await createKeySet({ keys: [privateJwk] })
  await t.throwsAsync(openKeys(t, { store: memoryStore(), keys: keys as never }), {
    instanceOf: TypeError,
    message: /^keys: /,
  })
})

test('KY-11 keys that are passed in rotate by hand: in three steps, in any mix of old and new processes', async (t) => {
  const [old, next] = [await generateKey(), await generateKey()]
  const publicNext = Object.fromEntries(Object.entries(next).filter(([name]) => name !== 'd'))
  const publicOld = Object.fromEntries(Object.entries(old).filter(([name]) => name !== 'd'))
  // As docs/keys.md has it.
  const steps = [[old], [old, publicNext], [next, publicOld], [next]]
  const clock = createClock()
  const store = memoryStore({ clock })
  const apps = []
  for (const keys of steps) {
    apps.push(await openTestApp(t, { keys: await createKeySet({ keys }), store, testClock: clock }))
  }
  t.deepEqual(
    await Promise.all(apps.map(signingKey)),
    [old, old, next, next].map(({ kid }) => kid),
  )
  for (const [index, app] of apps.entries()) {
    const login = await app.login()
    // Not across two steps: one waits in between.
    for (const other of apps.slice(Math.max(0, index - 1), index + 2)) {
      t.is((await other.me(login.token, login.cookie)).status, 200)
    }
  }
})

test('KY-16 printing rotating keys, or a kit that has them, shows neither a key nor what it is encrypted with', async (t) => {
  const encryptionKey = Buffer.from(ENCRYPTION_KEY).toString('base64')
  const app = await openTestApp(t, { ...ROTATING, keys: { ...ROTATING.keys, encryptionKey } })
  const keys = await openKeys(t, { store: memoryStore(), keys: { ...ROTATING.keys, encryptionKey } })
  for (const value of [app.kit, keys, keys.plan(), keys.active, keys.jwks()]) {
    for (const text of [JSON.stringify(value), inspect(value, { depth: Infinity, showHidden: true, getters: true })]) {
      for (const form of ['base64', 'base64url', 'hex'] as const) {
        t.false(text.includes(Buffer.from(ENCRYPTION_KEY).toString(form).replace(/=+$/, '')))
      }
      t.notRegex(text, /"d":|\bd: '|PRIVATE KEY/)
    }
  }
})
