// kit.renew: another session in the place of the one of the request, and what must not slip through while that happens.

import test, { type ExecutionContext } from 'ava'

import { memoryStore, type Renewal } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  createClock,
  type Login,
  openTestApp,
  postLogin,
  postLogout,
  postRefresh,
  START,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { assertEnded, assertLives, endsOf, sidsOf } from '../helpers/alive.ts'
import { payloadOf } from '../helpers/decode.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { createDice, createSignal, heldStore } from '../helpers/held-store.ts'
import { assertRefused } from '../helpers/refused.ts'
import { dataOf, mountRenew, openHeldApp, postRenew } from '../helpers/renewing.ts'

const AUTH_TIME = Math.floor(START / 1000)

function open(t: ExecutionContext, options: TestAppOptions = {}): Promise<TestApp> {
  return openTestApp(t, { ...options, mount: mountRenew })
}

async function renew(t: ExecutionContext, app: TestApp, login: Login, change: Renewal = {}, more = ''): Promise<Login> {
  const response = await postRenew(app, login, change, more)
  t.is(response.status, 200, response.text)
  return toLogin(response)
}

async function readData(app: TestApp, login: Login): Promise<unknown> {
  return (await app.request('GET', '/data', bearer(login))).json
}

test('a renewed session is new in everything; its old token and refresh token are dead, and nobody is a thief', async (t) => {
  const app = await open(t)
  const [old, bob] = [await app.login(), await app.login('bob')]
  app.seen.length = 0
  const next = await renew(t, app, old)
  for (const part of ['sid', 'token', 'fingerprint', 'refreshToken'] as const) t.not(next[part], old[part])
  for (const claim of ['jti', 'fgp']) t.not(payloadOf(next.token)[claim], payloadOf(old.token)[claim])
  const [family, oldFamily] = [next, old].map(({ refreshToken }) => refreshToken.split('.')[2]?.slice(0, 22))
  t.not(family, oldFamily)
  t.is(next.response.cookies.length, 2)
  t.is(next.response.headers['cache-control'], 'no-store')
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['authn_token_revoked', 'session_expired', 'session_created', 'authn_token_created'],
  )
  t.deepEqual(endsOf(app), [['alice', old.sid, 'renewed']])
  t.like(app.seen[2]?.event, { sub: 'alice', sid: next.sid })
  // With its own fingerprint, with the new one, with none: it is over, and nothing has been stolen.
  for (const cookie of [old.cookie, next.cookie, undefined]) {
    await assertRefused(t, app, () => app.me(old.token, cookie), 'ERR_TOKEN_REVOKED')
  }
  app.seen.length = 0
  t.is((await postRefresh(app, old)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_REVOKED'])
  for (const one of [next, bob]) await assertLives(t, app, one)
  t.deepEqual(await sidsOf(app, 'alice'), [next.sid])
})

test('after kit.renew the request itself is one of the new session', async (t) => {
  const app = await open(t)
  const next = await renew(t, app, await app.login('alice', { body: { scope: 'read' } }), { scope: 'read write' })
  const { jti } = payloadOf(next.token)
  t.deepEqual(JSON.parse(String(next.response.headers['x-auth'])), [next.sid, jti, ['read', 'write']])
})

test('the data is kept, with what the same request changed before kit.renew and after it, also twice in one', async (t) => {
  const app = await open(t)
  const old = await app.login()
  await app.request('POST', '/write?value=kept', bearer(old))
  const next = await renew(t, app, old, {}, '&before=1&after=2')
  const expected = { value: 'kept', before: '1', after: '2' }
  t.deepEqual(await readData(app, next), expected)
  const last = await renew(t, app, next, {}, '&again&before=3')
  t.is(last.response.cookies.length, 2)
  t.deepEqual(await sidsOf(app), [last.sid])
  // And where the request itself changes nothing.
  const refreshed = toLogin(await postRefresh(app, await renew(t, app, last)))
  t.deepEqual(await readData(app, refreshed), { ...expected, before: '3' })
})

const SUBJECT = { scope: 'read', acr: 'one', amr: ['pwd'], claims: { role: 'user', team: 7 } }
const LEFT = { scope: 'read', acr: 'one', amr: ['pwd'], role: 'user', team: 7 }

// A change, and what tokens say then.
const CHANGES: readonly (readonly [Renewal, object])[] = [
  [{}, LEFT],
  [{ scope: 'read write' }, { ...LEFT, scope: 'read write' }],
  [{ acr: 'two' }, { ...LEFT, acr: 'two' }],
  [{ amr: ['pwd', 'otp'] }, { ...LEFT, amr: ['pwd', 'otp'] }],
  [{ claims: { role: 'admin' } }, { ...LEFT, role: 'admin', team: undefined }],
  [
    { scope: 'x', claims: {} },
    { ...LEFT, scope: 'x', role: undefined, team: undefined },
  ],
]

for (const [change, expected] of CHANGES) {
  test(`IS-12 a renewal by ${JSON.stringify(change)} is in the new token and in those of later refreshes`, async (t) => {
    const app = await open(t)
    const next = await renew(t, app, await app.login('alice', { body: SUBJECT }), change)
    app.clock.advance(600)
    const refreshed = toLogin(await postRefresh(app, next))
    for (const { token } of [next, refreshed, toLogin(await postRefresh(app, refreshed))]) {
      const { scope, acr, amr, role, team, auth_time: authTime, sub } = payloadOf(token)
      t.deepEqual({ scope, acr, amr, role, team }, expected as never) // the cast: of unknown members
      t.deepEqual([sub, authTime], ['alice', AUTH_TIME])
    }
  })
}

test('IS-11 a renewal changes nothing but what it is documented to', async (t) => {
  const wrong = [
    ...[{ sub: 'bob' }, { sid: 'x' }, { jti: 'x' }, { iss: 'x' }, { exp: 9e9 }, { iat: 1 }, { auth_time: 1 }],
    ...[{ fgp: 'x' }, { aud: 'x' }, { client_id: 'x' }, { iat_ms: 9e15 }, { claims: { sub: 'bob' } }],
  ]
  for (const change of wrong) {
    const app = await open(t)
    const old = await app.login('alice', { body: SUBJECT })
    const response = await postRenew(app, old, change)
    const label = JSON.stringify(change)
    if (response.status !== 200) {
      t.is(response.status, 500, label)
      await assertLives(t, app, old, label)
      continue
    }
    const [before, after] = [payloadOf(old.token), payloadOf(toLogin(response).token)]
    for (const name of ['sub', 'iss', 'aud', 'client_id', 'iat', 'exp', 'auth_time', 'iat_ms']) {
      t.deepEqual(after[name], before[name], label)
    }
    for (const name of ['sid', 'jti', 'fgp']) t.false([before[name], 'x'].includes(after[name]), label)
  }
})

test('a renewal whose claims cannot be issued is an error of the application, and costs nothing', async (t) => {
  const wrong = [
    { scope: 'a"b' },
    { acr: '' },
    { amr: 'pwd' },
    { claims: { iss: 'x' } },
    { claims: { big: 'x'.repeat(5000) } },
  ]
  for (const endOthers of [false, true]) {
    for (const change of wrong) {
      const app = await open(t)
      const [old, other] = [await app.login(), await app.login()]
      const response = await postRenew(app, old, { ...change, endOthers })
      t.is(response.status, 500, JSON.stringify(change))
      t.deepEqual(response.cookies, [])
      await assertLives(t, app, old, `${Object.keys(change).join()}, endOthers ${endOthers}`)
      await assertLives(t, app, other)
      t.is((await sidsOf(app)).length, 2)
    }
  }
})

for (const isAuthenticated of [undefined, false, true]) {
  test(`SL-02 RF-04 isAuthenticated: ${isAuthenticated} ${isAuthenticated === true ? 'moves' : 'leaves'} auth_time and the absolute end`, async (t) => {
    const app = await open(t, { session: { absolute: '1h', idle: '30m' } })
    const old = await app.login()
    app.clock.advance(1200)
    const change = isAuthenticated === undefined ? {} : { isAuthenticated }
    let current = await renew(t, app, toLogin(await postRefresh(app, old)), change)
    const moved = isAuthenticated === true ? 1200 : 0
    t.is((await app.kit.sessions('alice'))[0]?.created, START, 'for the list it is the login of before')
    for (let at = 1200; at < 3600 + moved; at += 1200) {
      app.clock.set(START + at * 1000)
      current = toLogin(await postRefresh(app, current))
      t.is(payloadOf(current.token)['auth_time'], AUTH_TIME + moved)
    }
    app.clock.set(START + (3600 + moved) * 1000)
    app.seen.length = 0
    t.is((await postRefresh(app, current)).status, 401)
    t.deepEqual(codesOf(app.seen), ['ERR_SESSION_EXPIRED'])
  })
}

test('RF-04 in the last second of a session it cannot be renewed: that is its end, and no failure', async (t) => {
  const app = await open(t, { session: { absolute: '10m' }, clockTolerance: '1m' })
  const old = await app.login()
  app.clock.set(START + 600_000 - 100)
  app.seen.length = 0
  t.is((await postRenew(app, old)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_SESSION_EXPIRED'])
})

test('a renewal without a session, or from a page of another site, is refused', async (t) => {
  const app = await open(t)
  const [mine, other] = [await app.login(), await app.login()]
  const refused: readonly (readonly [Record<string, string>, number, string[]])[] = [
    [{}, 401, []],
    [{ Cookie: `${mine.cookie}; ${mine.refreshCookie}` }, 401, []],
    [{ Authorization: `Bearer ${mine.token}` }, 401, ['ERR_FINGERPRINT_MISSING']],
    [bearer({ token: mine.token, cookie: other.cookie }), 401, ['ERR_FINGERPRINT_MISMATCH']],
    [{ ...bearer(mine), 'Sec-Fetch-Site': 'cross-site' }, 403, ['ERR_CROSS_SITE']],
  ]
  for (const [headers, status, codes] of refused) {
    app.seen.length = 0
    const response = await app.request('POST', '/renew', { 'Sec-Fetch-Site': 'same-origin', ...headers })
    t.is(response.status, status, JSON.stringify(codes))
    t.deepEqual(response.cookies, [])
    t.deepEqual(codesOf(app.seen), codes)
  }
  for (const one of [mine, other]) await assertLives(t, app, one)
})

test("RV-09 RF-12 endOthers ends every other session of the user, and nobody else's", async (t) => {
  const app = await open(t)
  const [mine, bob] = [await app.login(), await app.login('bob')]
  const others = [await app.login(), toLogin(await postRefresh(app, await app.login()))]
  await app.request('POST', '/write?value=kept', bearer(mine))
  const next = await renew(t, app, mine, { endOthers: true }, '&after=2')
  for (const one of [mine, ...others]) await assertEnded(t, app, one)
  for (const one of [next, bob]) await assertLives(t, app, one)
  t.deepEqual(await readData(app, next), { value: 'kept', after: '2' })
  t.deepEqual(await sidsOf(app, 'alice'), [next.sid])
  await assertLives(t, app, await app.login(), 'the next login')
})

// Where a login with the old password is when everything of its subject ends.
for (const during of ['authenticate', 'get session', 'add session'] as const) {
  test(`RV-09 a login with the old password that is at ${during} when endOthers ends the others does not get in`, async (t) => {
    const { app, store, holdLogin } = await openHeldApp(t)
    const [mine, bob] = [await app.login(), await app.login('bob')]
    const held = during === 'authenticate' ? holdLogin() : store.hold(during)
    const login = postLogin(app, { sub: 'alice', password: 'old' }, { Cookie: bob.refreshCookie })
    await held.reached
    app.clock.advance(1)
    const next = await renew(t, app, mine, { endOthers: true })
    held.release()
    const answer = await login
    if (answer.status === 200) await assertEnded(t, app, toLogin(answer), 'what it was answered')
    t.deepEqual(await sidsOf(app, 'alice'), [next.sid])
    await assertLives(t, app, next)
  })
}

// What ends a session that is being renewed, by itself or from another one.
const ENDS: Readonly<Record<string, (app: TestApp, old: Login, other: Login) => Promise<unknown>>> = {
  'a logout': (app, old) => postLogout(app, old),
  'kit.revoke of the session': (app, { sid }) => app.kit.revoke({ sid }),
  'kit.revoke of the subject': (app) => app.kit.revoke({ sub: 'alice' }),
  'a login that presents it': (app, old) => postLogin(app, { sub: 'bob', password: 'correct' }, bearer(old)),
  'the list of another session': (app, { sid }, other) => app.request('DELETE', `/auth/sessions/${sid}`, bearer(other)),
  '"everywhere else"': (app, _old, other) => app.request('DELETE', '/auth/sessions', bearer(other)),
  '"everywhere"': (app, _old, other) => app.request('DELETE', '/auth/sessions?all=true', bearer(other)),
}

// Where the renewal is when that happens, and whether it happens at once or takes its time in the store.
const PLACES = [
  ['get session', undefined],
  ['add session', undefined],
  ['add session', 'set revocation'],
] as const

for (const [what, end] of Object.entries(ENDS)) {
  for (const endOthers of [false, true]) {
    // With endOthers, the other session is about to end by itself.
    if (endOthers && end.length === 3) continue
    for (const [place, pause] of PLACES) {
      test(`RV-22 ${what} holds that comes during kit.renew${endOthers ? ' with endOthers' : ''}, at ${place}${pause ? ', and is slower' : ''}`, async (t) => {
        const { app, store } = await openHeldApp(t)
        const [old, other] = [await app.login(), await app.login()]
        const held = store.hold(place)
        const renewing = postRenew(app, old, { endOthers })
        await held.reached
        app.clock.advance(1)
        const paused = pause && store.hold(pause)
        const ending = end(app, old, other)
        // Once it has begun the session is refused in this process; only the store takes its time.
        await (paused?.reached ?? ending)
        t.is((await app.me(old.token, old.cookie)).status, 401)
        held.release()
        const answer = await renewing
        paused?.release()
        await ending
        await assertEnded(t, app, old)
        if (answer.status === 200) await assertEnded(t, app, toLogin(answer), 'what the renewal was answered')
        else t.is(answer.status, 401)
        const known = new Set([other.sid])
        for (const sid of await sidsOf(app, 'alice')) t.true(known.has(sid), 'a session that nobody has')
      })
    }
  }
}

test('RV-22 a logout in another process holds too, also where a renewal has not heard of it yet', async (t) => {
  const testClock = createClock()
  const shared = memoryStore({ clock: testClock })
  // The store tells this process nothing of what the other one writes to the list.
  const store = heldStore({ ...shared, watch: async () => ({ age: () => 0, stop() {} }) })
  const here = await openTestApp(t, { ...{ testClock, store, withSession: false, mount: mountRenew } })
  const there = await openTestApp(t, { testClock, store: shared })
  const old = await there.login()
  const held = store.hold('add session')
  const renewing = postRenew(here, old)
  await held.reached
  await postLogout(there, old)
  held.release()
  t.is((await renewing).status, 401)
  t.deepEqual(await sidsOf(here), [])
})

test('of two renewals at the same time one has a session then, and the other is refused: 60 races', async (t) => {
  const { app, store } = await openHeldApp(t)
  const dice = createDice(4)
  for (let round = 0; round < 60; round += 1) {
    const old = await app.login(`user-${round}`)
    store.pace(round % 3 === 0 ? () => 0 : dice)
    const answers = await Promise.all([postRenew(app, old), postRenew(app, old, { endOthers: round % 2 === 0 })])
    store.pace(() => 0)
    t.is((await app.me(old.token, old.cookie)).status, 401, `round ${round}`)
    const winners = answers.filter(({ status }) => status === 200).map(toLogin)
    t.true(winners.length <= 1, `round ${round}`)
    const left = await sidsOf(app, `user-${round}`)
    t.deepEqual(
      left,
      winners.map(({ sid }) => sid),
      `round ${round}`,
    )
    for (const { token, cookie } of winners) t.is((await app.me(token, cookie)).status, 200, `round ${round}`)
  }
})

test('RV-22 a renewal that races an end is either before it or not at all: 120 races', async (t) => {
  const { app, store } = await openHeldApp(t)
  const dice = createDice(4, 7)
  const ends: readonly ((old: Login, sub: string) => Promise<unknown>)[] = [
    (old) => postLogout(app, old),
    ({ sid }) => app.kit.revoke({ sid }),
    (_old, sub) => app.kit.revoke({ sub }),
  ]
  const statuses = new Set<number>()
  for (let round = 0; round < 120; round += 1) {
    const sub = `user-${round}`
    const old = await app.login(sub)
    store.pace(round % 4 === 0 ? () => 0 : dice)
    const [answer] = await Promise.all([postRenew(app, old), ends[round % ends.length]?.(old, sub)])
    store.pace(() => 0)
    statuses.add(answer.status)
    t.is((await app.me(old.token, old.cookie)).status, 401, `round ${round}`)
    const next = answer.status === 200 ? toLogin(answer) : old
    const isAlive = (await app.me(next.token, next.cookie)).status === 200
    t.deepEqual(await sidsOf(app, sub), isAlive ? [next.sid] : [], `round ${round}`)
  }
  t.true(statuses.has(401), 'in some of them the end was first')
})

const FAILURES = [
  ...(['get session', 'add session'] as const).flatMap((verb) => [[verb, false] as const, [verb, true] as const]),
  ['list session', true],
] as const

for (const [verb, endOthers] of FAILURES) {
  test(`EL-10 a renewal${endOthers ? ' with endOthers' : ''} that fails at ${verb} is a 503 that loses nothing`, async (t) => {
    const app = await openFaultyApp(t, { mount: mountRenew })
    const [old, other] = [await app.login(), await app.login()]
    await app.request('POST', '/write?value=kept', bearer(old))
    app.store.broken.add(verb)
    const response = await postRenew(app, old, { endOthers })
    t.is(response.status, 503)
    t.deepEqual(response.cookies, [])
    t.true(codesOf(app.seen).includes('ERR_STORE_UNAVAILABLE'))
    app.store.broken.clear()
    t.deepEqual(await readData(app, old), { value: 'kept' })
    for (const one of [old, other]) await assertLives(t, app, one)
    t.deepEqual(await sidsOf(app), [old.sid, other.sid].sort())
  })
}

for (const endOthers of [false, true]) {
  test(`EL-10 a renewal${endOthers ? ' with endOthers' : ''} whose revocation is not kept is a 503, and leaves no session that nobody has`, async (t) => {
    const app = await openFaultyApp(t, { mount: mountRenew })
    const old = await app.login()
    app.store.broken.add('set revocation')
    const response = await postRenew(app, old, { endOthers })
    t.is(response.status, 503)
    t.deepEqual(response.cookies, [])
    app.store.broken.clear()
    t.deepEqual(
      (await sidsOf(app)).filter((sid) => sid !== old.sid),
      [],
    )
    await assertLives(t, app, await app.login())
  })
}

test('IS-15 a login ends the session whose refresh token it presents, by the cookie alone', async (t) => {
  const app = await open(t)
  const [old, other] = [await app.login(), await app.login()]
  const refreshed = toLogin(await postRefresh(app, old))
  app.seen.length = 0
  // Of whatever generation: it is its owner's browser that logs in.
  const response = await postLogin(app, { sub: 'bob', password: 'correct' }, { Cookie: old.refreshCookie })
  t.is(response.status, 200)
  t.deepEqual(endsOf(app), [['alice', old.sid, 'login']])
  for (const one of [old, refreshed]) await assertEnded(t, app, one)
  for (const one of [other, toLogin(response)]) await assertLives(t, app, one)
  // A login that fails ends nothing, nor does a refresh token that only names the session.
  const forged = `${other.refreshCookie.slice(0, -65)}${'A'.repeat(65)}`
  t.is((await postLogin(app, { sub: 'bob', password: 'wrong' }, { Cookie: other.refreshCookie })).status, 401)
  t.is((await postLogin(app, { sub: 'bob', password: 'correct' }, { Cookie: forged })).status, 200)
  await assertLives(t, app, other)
})

// How a session ends while a slow handler in another process still holds its data.
const LATE: Readonly<Record<string, (app: TestApp, login: Login) => unknown>> = {
  'a logout': postLogout,
  'kit.revoke of the session': (app, { sid }) => app.kit.revoke({ sid }),
  'kit.revoke of the subject': (app) => app.kit.revoke({ sub: 'alice' }),
  'a renewal': postRenew,
  'its idle end': (app) => app.clock.advance(1800),
}

for (const [what, end] of Object.entries(LATE)) {
  for (const isWriting of [false, true]) {
    test(`a handler in another process that ${isWriting ? 'is just writing' : 'writes later'} brings no data back after ${what}`, async (t) => {
      const testClock = createClock()
      const store = memoryStore({ clock: testClock })
      const slowStore = heldStore(store)
      const [entered, opened] = [createSignal(), createSignal()]
      const here = await open(t, { testClock, store })
      const there = await openTestApp(t, {
        ...{ testClock, store: slowStore },
        mount(_koa, kit, router) {
          router.post('/slow', kit.protect(), async (ctx) => {
            entered.send()
            await opened.promise
            dataOf(ctx)['value'] = 'from beyond'
            await dataOf(ctx).save()
            dataOf(ctx)['value'] = 'from further beyond'
            ctx.status = 204
          })
        },
      })
      const login = await here.login()
      await here.request('POST', '/write?value=before', bearer(login))
      const slow = there.request('POST', '/slow', bearer(login))
      await entered.promise
      const writing = isWriting ? slowStore.hold('swap session') : undefined
      if (isWriting) opened.send()
      await writing?.reached
      await end(here, login)
      const left = await sidsOf(here)
      t.false(left.includes(login.sid))
      opened.send()
      writing?.release()
      t.is((await slow).status, 204)
      t.deepEqual(await sidsOf(here), left)
      for (const sid of [login.sid, ...left]) {
        t.false(JSON.stringify([await store.get('session', sid)]).includes('beyond'))
      }
      for (const app of [here, there]) await assertEnded(t, app, login)
    })
  }
}
