// How old the list of a process may be: a watch that has not been heard of makes the kit refuse rather than guess, and
// what the store did not take is tried again until it has.

import { setTimeout as wait } from 'node:timers/promises'

import test from 'ava'

import { createOutbox } from '../src/outbox.ts'
import { memoryStore, type NewRecord, type Store } from '../src/index.ts'
import { bearer, codesOf, createClock, openTestApp, postLogin, postLogout, postRefresh } from './helpers/app.ts'
import { openFaultyApp } from './helpers/faulty.ts'

interface Feed {
  readonly store: Store
  /** How old the watch says it is, in milliseconds. */
  age: number
  /** Told when the kit asks, and not before. */
  readonly waiting: NewRecord[]
  /** How often it was asked. */
  asked: number
}

/** A store whose news come only when they are asked for, and that is as old as the test says. */
function createFeed(inner: Store): Feed {
  const feed: Feed = {
    age: 0,
    asked: 0,
    waiting: [],
    store: {
      ...inner,
      async watch(listener) {
        const watch = await inner.watch?.(listener)
        return {
          sync() {
            feed.asked += 1
            for (const record of feed.waiting.splice(0)) listener(record)
          },
          age: () => feed.age,
          stop: () => watch?.stop(),
        }
      },
    },
  }
  return feed
}

test('RV-18 EL-10 with a list older than maxStaleness every token is refused with 503, and nobody else is', async (t) => {
  const feed = createFeed(memoryStore())
  const app = await openTestApp(t, { store: feed.store, maxStaleness: '3s' })
  const session = await app.login()
  for (const [age, status] of [
    [0, 200],
    [3000, 200],
    [3001, 503],
    [1e9, 503],
    [Number.NaN, 503],
    [Infinity, 503],
    [2000, 200],
  ] as const) {
    feed.age = age
    const response = await app.me(session.token, session.cookie)
    t.is(response.status, status, String(age))
    if (status !== 503) continue
    t.is(response.headers['retry-after'], '5')
    t.is(response.headers['cache-control'], 'no-store')
    t.is(codesOf(app.seen).at(-1), 'ERR_REVOCATIONS_STALE')
    t.is(app.seen.at(-1)?.name, 'store_unavailable')
  }
  feed.age = Infinity
  t.is((await app.me()).status, 401, 'who has no token is asked for one')
  t.is((await app.me(`${session.token}x`, session.cookie)).status, 401, 'and a bad one is bad')
  t.is((await postLogin(app, { sub: 'bob', password: 'correct' })).status, 200, 'the store itself decides over logins')
  t.is((await postLogout(app, session)).status, 204, 'and logouts')
})

test('RV-18 onStale openFor lets in until then, and not what was revoked before', async (t) => {
  const feed = createFeed(memoryStore())
  const app = await openTestApp(t, { store: feed.store, maxStaleness: '3s', onStale: { openFor: '30s' } })
  const [session, ended] = [await app.login(), await app.login('bob')]
  await postLogout(app, ended)
  for (const [age, status] of [
    [3001, 200],
    [30_000, 200],
    [30_001, 503],
  ] as const) {
    feed.age = age
    t.is((await app.me(session.token, session.cookie)).status, status, String(age))
    t.is((await app.me(ended.token, ended.cookie)).status, 401)
  }
})

test('RV-18 a route may be stricter or more open than the kit', async (t) => {
  const feed = createFeed(memoryStore())
  const app = await openTestApp(t, {
    ...{ store: feed.store, maxStaleness: '3s', onStale: { openFor: '1m' } },
    mount: (_koa, kit, router) => {
      router.get('/strict', kit.protect({ onStale: 'reject' }), (ctx) => void (ctx.status = 204))
      router.get('/open', kit.protect({ onStale: { openFor: '1h' } }), (ctx) => void (ctx.status = 204))
    },
  })
  const session = await app.login()
  feed.age = 10_000
  t.is((await app.request('GET', '/strict', bearer(session))).status, 503)
  t.is((await app.request('GET', '/open', bearer(session))).status, 204)
  t.is((await app.me(session.token, session.cookie)).status, 200)
  for (const onStale of ['open', null, {}, { openFor: 0 }, { openFor: '2d' }, { openfor: 5 }]) {
    t.throws(() => app.kit.protect({ onStale } as object), { instanceOf: TypeError }, JSON.stringify(onStale))
  }
})

test('RV-01 what is waiting in shared memory is asked for before each decision', async (t) => {
  const feed = createFeed(memoryStore())
  const clock = createClock()
  const app = await openTestApp(t, { store: feed.store, testClock: clock })
  const session = await app.login()
  t.is((await app.me(session.token, session.cookie)).status, 200)
  feed.waiting.push({ key: `sid ${session.sid}`, value: null, expires: clock() + 60_000 })
  t.is((await app.me(session.token, session.cookie)).status, 401)
  const other = await app.login('bob')
  feed.waiting.push({ key: `sid ${other.sid}`, value: null, expires: clock() + 60_000 })
  t.is((await postRefresh(app, other)).status, 401, 'a refresh asks as well')
  t.true(feed.asked > 3)
})

test('RV-05 what the store did not take is delivered when it is back, the end of the session included', async (t) => {
  const app = await openFaultyApp(t)
  const [session, other] = [await app.login(), await app.login('bob')]
  for (const verb of ['set revocation', 'delete session', 'get session'] as const) app.store.broken.add(verb)
  t.is((await postLogout(app, session)).status, 503)
  await t.throwsAsync(app.kit.revoke({ sub: 'bob' }), { code: 'ERR_STORE_UNAVAILABLE' })
  t.is((await app.me(session.token, session.cookie)).status, 401)
  t.is((await app.me(other.token, other.cookie)).status, 401)
  app.store.broken.clear()
  // Twice a second it is tried again.
  while ((await app.store.get('session', session.sid)) !== undefined) await wait(20)
  while ((await app.store.get('session', other.sid)) !== undefined) await wait(20)
  const keys: string[] = []
  for await (const { key } of app.store.list('revocation')) keys.push(key)
  t.true(keys.includes(`sid ${session.sid}`))
  t.true(keys.some((key) => key.startsWith('sub bob@')))
})

test('a store without a watch is read once, and serves one process', async (t) => {
  const clock = createClock()
  const { watch: _, ...store } = memoryStore({ clock })
  await store.set('revocation', { key: 'sid gone', value: null, expires: clock() + 60_000 })
  const app = await openTestApp(t, { store, testClock: clock })
  const [session, other] = [await app.login(), await app.login('bob')]
  await postLogout(app, session)
  t.is((await app.me(session.token, session.cookie)).status, 401)
  t.is((await app.me(other.token, other.cookie)).status, 200)
  const later = await openTestApp(t, { store, testClock: clock })
  t.is((await later.me(session.token, session.cookie)).status, 401)
  t.is((await later.me(other.token, other.cookie)).status, 200)
})

test('the outbox does each thing once, puts back what fails without keeping back the rest, and forgets what is over', async (t) => {
  const clock = createClock()
  const outbox = createOutbox(clock)
  t.teardown(() => outbox.close())
  const done: string[] = []
  let failures = 2
  const first = async (): Promise<void> => {
    failures -= 1
    if (failures >= 0) throw new Error('the store is down')
    done.push('first')
  }
  outbox.add('first', first, clock() + 60_000)
  outbox.add('over', async () => void done.push('over'), clock())
  outbox.add('second', async () => void done.push('second'), clock() + 60_000)
  outbox.add('second', async () => void done.push('second'), clock() + 60_000)
  t.is(outbox.size, 3)
  while (outbox.size > 0) await wait(20)
  t.deepEqual(done, ['second', 'first'])
})

test('a closed outbox does nothing more', async (t) => {
  const outbox = createOutbox(Date.now)
  let isDone = false
  outbox.add('one', async () => void (isDone = true), Infinity)
  outbox.close()
  outbox.add('two', async () => void (isDone = true), Infinity)
  await wait(700)
  t.false(isDone)
})

test('I-03 a logout whose Cookie header no browser sends is answered, and one with a token in the body too', async (t) => {
  const cookies = await openTestApp(t)
  const malformed = await cookies.request('POST', '/auth/logout', {
    ...{ Cookie: ';', 'Sec-Fetch-Site': 'same-origin' },
  })
  t.is(malformed.status, 204)
  const app = await openTestApp(t, { refreshToken: { transport: 'body' } })
  const session = await app.login()
  t.is((await app.request('POST', '/auth/logout', { 'Sec-Fetch-Site': 'same-origin' })).status, 204)
  const json = { 'Content-Type': 'application/json' }
  for (const body of ['{}', '{"refresh_token":5}', '{"refresh_token":"none"}']) {
    t.is((await app.request('POST', '/auth/logout', json, body)).status, 204)
  }
  t.is((await app.me(session.token, session.cookie)).status, 200)
  const token = session.response.json['refresh_token'] as string
  t.is((await app.request('POST', '/auth/logout', json, JSON.stringify({ refresh_token: token }))).status, 204)
  t.is((await app.me(session.token, session.cookie)).status, 401)
})
