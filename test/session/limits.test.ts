// How many sessions a subject may have at the same time, and what one login more does.

import test, { type ExecutionContext } from 'ava'

import { memoryStore } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  createClock,
  type Login,
  openTestApp,
  postLogin,
  postLogout,
  type Response,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { assertEnded, assertLives, endsOf, sidsOf } from '../helpers/alive.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { createDice, heldStore } from '../helpers/held-store.ts'

const ALICE = { sub: 'alice', password: 'correct' }

/** One login after the other, a second apart. */
async function logins(app: TestApp, count: number, sub = 'alice'): Promise<Login[]> {
  const made: Login[] = []
  for (let i = 0; i < count; i += 1) {
    made.push(await app.login(sub))
    app.clock.advance(1)
  }
  return made
}

async function assertRefusedLogin(
  t: ExecutionContext,
  app: TestApp,
  response: Response,
  label?: string,
): Promise<void> {
  t.is(response.status, 403, label)
  t.is(response.json['error'], 'access_denied', label)
  t.deepEqual(response.cookies, [], label)
  t.is(codesOf(app.seen).at(-1), 'ERR_SESSIONS_EXCEEDED', label)
}

for (const max of [1, 2, 3]) {
  test(`SL-04 with session.max ${max} one login more ends the oldest session, and says so`, async (t) => {
    const app = await openTestApp(t, { session: { max } })
    const bob = await app.login('bob')
    const alice = await logins(app, max)
    t.deepEqual(endsOf(app), [])
    for (let turn = 0; turn < 3; turn += 1) {
      app.seen.length = 0
      const [oldest] = alice
      alice.push(await app.login())
      app.clock.advance(1)
      alice.shift()
      t.deepEqual(endsOf(app), [['alice', oldest?.sid, 'evicted']])
      const ended = app.seen.find(({ name }) => name === 'session_expired')?.event
      t.is(ended?.request?.path, '/auth/login')
      if (oldest !== undefined) await assertEnded(t, app, oldest)
      for (const one of alice) await assertLives(t, app, one)
      t.deepEqual(await sidsOf(app, 'alice'), alice.map(({ sid }) => sid).sort())
    }
    await assertLives(t, app, bob, 'another subject')
  })

  test(`SL-04 with session.max ${max} and onMax 'refuse' one login more is refused, and costs nobody anything`, async (t) => {
    const app = await openTestApp(t, { session: { max, onMax: 'refuse' } })
    const alice = await logins(app, max)
    const bob = await app.login('bob')
    const before = await sidsOf(app)
    app.seen.length = 0
    for (const headers of [{}, bearer(bob), { Cookie: bob.refreshCookie }]) {
      await assertRefusedLogin(t, app, await postLogin(app, ALICE, headers))
      t.deepEqual(await sidsOf(app), before)
    }
    t.deepEqual(endsOf(app), [])
    t.true(
      app.seen.every(({ name }) => name === 'authn_login_fail'),
      'and no token was announced',
    )
    for (const one of [...alice, bob]) await assertLives(t, app, one)
  })
}

test('SL-04 the oldest is the one that logged in first, whichever was refreshed last', async (t) => {
  const app = await openTestApp(t, { session: { max: 2 } })
  const [first, second] = (await logins(app, 2)) as [Login, Login]
  await assertLives(t, app, first)
  app.clock.advance(1)
  await app.login()
  await assertEnded(t, app, first)
  await assertLives(t, app, second)
})

test('SL-04 a refresh and a renewal are no login, and a renewed session is as old as before', async (t) => {
  const app = await openTestApp(t, {
    session: { max: 2 },
    mount(_koa, kit, router) {
      router.post('/renew', kit.protect(), async (ctx) => {
        ctx.body = await kit.renew(ctx, { isAuthenticated: true })
      })
    },
  })
  const [first, second] = (await logins(app, 2)) as [Login, Login]
  const renewed = toLogin(await app.request('POST', '/renew', bearer(first)))
  await assertLives(t, app, second)
  await assertLives(t, app, renewed)
  app.clock.advance(1)
  const third = await app.login()
  await assertEnded(t, app, renewed)
  await assertLives(t, app, second)
  await assertLives(t, app, third)
})

for (const onMax of ['evict', 'refuse'] as const) {
  test(`SL-04 IS-15 the session that a login presents makes room for its successor, with '${onMax}'`, async (t) => {
    const presented: readonly ((login: Login) => Record<string, string>)[] = [
      bearer,
      ({ refreshCookie }) => ({ Cookie: refreshCookie }),
      (login) => ({ ...bearer(login), Cookie: `${login.cookie}; ${login.refreshCookie}` }),
    ]
    for (const present of presented) {
      const app = await openTestApp(t, { session: { max: 2, onMax } })
      const [first, second] = (await logins(app, 2)) as [Login, Login]
      app.seen.length = 0
      const response = await postLogin(app, ALICE, present(second))
      t.is(response.status, 200)
      t.deepEqual(endsOf(app), [['alice', second.sid, 'login']])
      await assertEnded(t, app, second)
      await assertLives(t, app, first)
      await assertLives(t, app, toLogin(response))
    }
  })

  test(`SL-04 a session that has ended, in whatever way, takes no room, with '${onMax}'`, async (t) => {
    const ends: Record<string, (app: TestApp, login: Login) => Promise<unknown>> = {
      logout: postLogout,
      revoke: (app, { sid }) => app.kit.revoke({ sid }),
      'the list': (app, login) => app.request('DELETE', `/auth/sessions/${login.sid}`, bearer(login)),
      time: async (app) => app.clock.advance(1800),
    }
    for (const [how, end] of Object.entries(ends)) {
      const app = await openTestApp(t, { session: { max: 1, onMax } })
      const old = await app.login()
      await end(app, old)
      app.seen.length = 0
      await assertLives(t, app, await app.login(), how)
      t.deepEqual(endsOf(app), [], how)
    }
  })

  for (const [max, paced] of [
    [3, false],
    [3, true],
    [1, false],
    [1, true],
  ] as const) {
    test(`SL-04 20 logins at the same time never end above ${max}, nor with nobody in, with '${onMax}' and ${paced ? 'a slow store' : 'a fast one'}`, async (t) => {
      const { app, store } = await openSlow(t, { session: { max, onMax } })
      const bob = await app.login('bob')
      for (let round = 0; round < 3; round += 1) {
        await app.kit.revoke({ sub: 'alice' })
        app.clock.advance(1)
        if (paced) store.pace(createDice(6, round))
        const answers = await Promise.all(Array.from({ length: 20 }, () => postLogin(app, ALICE)))
        store.pace(() => 0)
        const left = await sidsOf(app, 'alice')
        t.true(left.length <= max, `${left.length} are left`)
        t.true(left.length >= 1, 'they have ended each other')
        const alive: string[] = []
        for (const answer of answers.filter(({ status }) => status === 200)) {
          const login = toLogin(answer)
          if ((await app.me(login.token, login.cookie)).status === 200) alive.push(login.sid)
        }
        t.deepEqual(alive.sort(), left, 'what is left is in the hands of those who were let in')
        t.true(answers.every(({ status }) => status === 200 || status === 403))
      }
      await assertLives(t, app, bob)
    })
  }
}

async function openSlow(t: ExecutionContext, options: TestAppOptions) {
  const testClock = createClock()
  const store = heldStore(memoryStore({ clock: testClock }))
  return { app: await openTestApp(t, { ...options, testClock, store }), store }
}

test("SL-04 'refuse' counts sessions, whatever the clock says: also in the same millisecond and after it went back", async (t) => {
  for (const seconds of [0, -1, -60]) {
    for (let turn = 0; turn < 5; turn += 1) {
      const app = await openTestApp(t, { session: { max: 2, onMax: 'refuse' } })
      const alice = await logins(app, 2)
      app.clock.advance(-1)
      app.clock.advance(seconds)
      await assertRefusedLogin(t, app, await postLogin(app, ALICE), `${seconds} seconds`)
      for (const { token, cookie } of alice) t.is((await app.me(token, cookie)).status, 200)
    }
  }
})

test('SL-04 a lower limit than the sessions that are there ends as many as it must', async (t) => {
  const testClock = createClock()
  const store = memoryStore({ clock: testClock })
  const many = await openTestApp(t, { testClock, store })
  const old = await logins(many, 5)
  const few = await openTestApp(t, { testClock, store, session: { max: 2 } })
  const next = await few.login()
  t.deepEqual(
    endsOf(few),
    old.slice(0, 4).map(({ sid }) => ['alice', sid, 'evicted'] as const),
  )
  for (const one of old.slice(0, 4)) await assertEnded(t, few, one)
  for (const one of [...old.slice(4), next]) await assertLives(t, few, one)
})

test('SL-04 without a limit there is none', async (t) => {
  const app = await openTestApp(t)
  const all = await logins(app, 12)
  for (const one of all) t.is((await app.me(one.token, one.cookie)).status, 200)
  t.is((await sidsOf(app, 'alice')).length, 12)
})

test('EL-10 SL-04 a login that cannot count is refused, and leaves nothing behind that would take room', async (t) => {
  for (const onMax of ['evict', 'refuse'] as const) {
    const app = await openFaultyApp(t, { session: { max: 1, onMax } })
    app.store.broken.add('list session')
    for (let turn = 0; turn < 3; turn += 1) {
      const response = await postLogin(app, ALICE)
      t.is(response.status, 503)
      t.deepEqual(response.cookies, [])
      t.is(codesOf(app.seen).at(-1), 'ERR_STORE_UNAVAILABLE')
    }
    app.store.broken.clear()
    t.deepEqual(await sidsOf(app), [], onMax)
    await assertLives(t, app, await app.login(), onMax)
  }
})
