// How long a session lives: idle and absolute limits, what browsers keep of it, and a clock that goes back.

import test, { type ExecutionContext } from 'ava'

import type { SessionKitOptions } from '../../src/index.ts'
import { type CookieJar, createCookieJar } from '../../src/testing/cookie-jar.ts'
import {
  bearer,
  codesOf,
  createClock,
  type Login,
  openTestApp,
  postRefresh,
  type Response,
  START,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { assertEnded, assertLives } from '../helpers/alive.ts'
import { payloadOf } from '../helpers/decode.ts'
import { createSignal } from '../helpers/held-store.ts'
import { mountRenew, postRenew } from '../helpers/renewing.ts'

const HOUR = 3600
const DAY = 24 * HOUR
const COOKIES = ['__Secure-Fgp', '__Secure-Refresh']

/** Refreshes and answers what came, or why not. */
async function refresh(app: TestApp, login: Login): Promise<Login | string> {
  app.seen.length = 0
  const response = await postRefresh(app, login)
  return response.status === 200 ? toLogin(response) : `${response.status} ${codesOf(app.seen).join()}`
}

/** Refreshes, and it works. */
async function renewed(t: ExecutionContext, app: TestApp, login: Login, label?: string): Promise<Login> {
  const next = await refresh(app, login)
  if (typeof next !== 'string') return next
  throw new Error(`${t.title}: ${label}: ${next}`)
}

/** The Max-Age of each cookie of the pair; undefined where there is none. */
function maxAgesOf(t: ExecutionContext, { cookies }: Response): (number | undefined)[] {
  t.deepEqual(
    cookies.map((line) => line.split('=')[0]),
    COOKIES,
  )
  return cookies.map((line) => {
    t.notRegex(line, /Expires/i)
    const [, maxAge] = /; Max-Age=(\d+)(?:;|$)/.exec(line) ?? []
    return maxAge === undefined ? undefined : Number(maxAge)
  })
}

// What the options say, and what sessions then live without a refresh and in all.
const LIMITS: readonly (readonly [string, Partial<SessionKitOptions>, object, number, number])[] = [
  ['the defaults', {}, {}, 30 * 60, 8 * HOUR],
  ['limits of its own', { session: { idle: '20m', absolute: '1h' } }, {}, 20 * 60, HOUR],
  ['a token that lives longer than the default', { accessToken: { lifetime: '1h' } }, {}, HOUR, 8 * HOUR],
  ['an end before the idle limit', { session: { absolute: '10m' } }, {}, 600, 600],
  ['remembered', {}, { remember: true }, 7 * DAY, 30 * DAY],
  [
    'remembered, limits of its own',
    { session: { remembered: { idle: '2d', absolute: '3d' } } },
    { remember: true },
    2 * DAY,
    3 * DAY,
  ],
  ['expressly not remembered', { session: { remembered: { idle: '2d' } } }, { remember: false }, 30 * 60, 8 * HOUR],
  ['not remembered, cookies that outlive the browser', { cookie: { lifetime: 'persistent' } }, {}, 30 * 60, 8 * HOUR],
]

for (const [label, options, body, idle, absolute] of LIMITS) {
  test(`SL-01 SL-02 RF-05 with ${label} a session ends after ${idle} seconds without a refresh, and after ${absolute} with`, async (t) => {
    const app = await openTestApp(t, options)
    const [early, late, busy] = [
      await app.login('a', { body }),
      await app.login('b', { body }),
      await app.login('c', { body }),
    ]
    app.clock.set(START + idle * 1000 - 1000)
    if (idle < absolute) await renewed(t, app, early, 'a second before the idle end')
    app.clock.set(START + idle * 1000)
    t.is(await refresh(app, late), '401 ERR_SESSION_EXPIRED')
    await assertEnded(t, app, late)

    app.clock.set(START)
    const steady = await openTestApp(t, { ...options, store: app.store, testClock: app.clock })
    let current = busy
    for (let at = idle / 2; at < absolute; at += idle / 2) {
      app.clock.set(START + at * 1000)
      current = await renewed(t, steady, current, `${at} seconds`)
    }
    app.clock.set(START + absolute * 1000)
    t.is(await refresh(steady, current), '401 ERR_SESSION_EXPIRED')
    await assertEnded(t, steady, current)
  })
}

test('SL-03 idle is counted from the last refresh, so a pause is noticed up to the life of a token early and never late', async (t) => {
  const app = await openTestApp(t, { session: { idle: '30m' }, accessToken: { lifetime: '15m' } })
  const [busy, quiet] = [await app.login(), await app.login()]
  // Busy until the very end of its token, which no refresh followed: half an hour of idleness seems to be a quarter.
  app.clock.advance(15 * 60 - 1)
  t.is((await app.me(busy.token, busy.cookie)).status, 200)
  app.clock.advance(15 * 60)
  t.is((await app.me(busy.token, busy.cookie)).status, 401)
  t.not(typeof (await refresh(app, quiet)), 'string', 'a second before')
  app.clock.advance(1)
  t.is(await refresh(app, busy), '401 ERR_SESSION_EXPIRED')
})

test('SL-03 no token outlives the idle end of its session', async (t) => {
  for (const [idle, lifetime] of [
    ['15m', '15m'],
    ['20m', '15m'],
    ['1h', '1h'],
  ] as const) {
    const app = await openTestApp(t, { session: { idle }, accessToken: { lifetime } })
    const { token, sid } = await app.login()
    const [{ expires } = { expires: 0 }] = await app.kit.sessions('alice')
    t.true((payloadOf(token)['exp'] as number) * 1000 <= expires, `${idle} ${sid}`)
  }
})

test('RF-04 SL-02 CK-10 no successor moves the absolute end: no exp, no Max-Age and no list goes beyond it', async (t) => {
  const app = await openTestApp(t, { session: { absolute: '1h', idle: '30m' } })
  const ends = START + HOUR * 1000
  let current = await app.login()
  const refreshed: number[] = []
  for (let at = 0; at < HOUR; at += 437) {
    app.clock.set(START + at * 1000)
    if (at > 0) current = await renewed(t, app, current)
    refreshed.push(at)
    const { exp, iat } = payloadOf(current.token) as { exp: number; iat: number }
    t.is(exp, Math.min(iat + 900, Math.floor(ends / 1000)), `at ${at}`)
    t.is(current.response.json['expires_in'], exp - iat, `at ${at}`)
    const rest = Math.min(30 * 60, HOUR - at)
    t.deepEqual(maxAgesOf(t, current.response), [rest, rest], `at ${at}`)
    const [session] = await app.kit.sessions('alice')
    t.is(session?.expires, Math.min(app.clock() + 1_800_000, ends), `at ${at}`)
    t.is(session?.created, START)
  }
  t.true(refreshed.length > 5)
  app.clock.set(ends)
  t.is(await refresh(app, current), '401 ERR_SESSION_EXPIRED')
})

test('RF-04 in the last second of a session there is no token that would be dead at birth, and nothing dies early', async (t) => {
  const app = await openTestApp(t, { session: { absolute: '10m' } })
  // It ends 250 ms into a second; tokens know whole seconds only.
  const end = START + 600_000
  let current = await app.login()
  for (const [left, expiresIn] of [
    [2250, 2],
    [2249, 2],
    [1250, 1],
    [251, 1],
  ] as const) {
    app.clock.set(end - left)
    current = await renewed(t, app, current, `${left} ms left`)
    t.is(current.response.json['expires_in'], expiresIn, `${left} ms left`)
    t.is((await app.me(current.token, current.cookie)).status, 200, `${left} ms left`)
  }
  for (const left of [250, 249, 1, 0, -1]) {
    app.clock.set(end - left)
    t.is(await refresh(app, current), '401 ERR_SESSION_EXPIRED', `${left} ms left`)
    t.is((await app.me(current.token, current.cookie)).status, 401, `${left} ms left`)
  }
})

test('SL-01 limits that contradict each other, or are none, are refused', async (t) => {
  const wrong: Partial<SessionKitOptions>[] = [
    { session: { idle: '10m' }, accessToken: { lifetime: '15m' } },
    { session: { idle: '2h', absolute: '1h' } },
    { session: { remembered: { idle: '31d' } } },
    { session: { remembered: { idle: '1m' } } },
    ...[0, -1, '401d', 'soon', Number.NaN, null].flatMap((value) =>
      [{ idle: value }, { absolute: value }, { remembered: { idle: value } }, { remembered: { absolute: value } }].map(
        (session) => ({ session }) as Partial<SessionKitOptions>,
      ),
    ),
  ]
  for (const options of wrong) {
    const error = await t.throwsAsync(openTestApp(t, options), { instanceOf: TypeError }, JSON.stringify(options))
    t.regex(error?.message ?? '', /^session\.(?:remembered\.)?(?:idle|absolute): /)
  }
})

// Which cookies outlive the browser: what the login says, and else what the option does.
const PERSISTENCE = [
  [undefined, undefined, true, 30 * 60],
  ['persistent', undefined, true, 30 * 60],
  ['session', undefined, false, 0],
  [undefined, false, false, 0],
  ['persistent', false, false, 0],
  ['session', false, false, 0],
  [undefined, true, true, 7 * DAY],
  ['persistent', true, true, 7 * DAY],
  ['session', true, true, 7 * DAY],
] as const

for (const [lifetime, remember, isPersistent, idle] of PERSISTENCE) {
  test(`CK-10 CK-11 with cookie.lifetime ${lifetime} and remember ${remember} both cookies ${isPersistent ? 'outlive' : 'go with'} the browser`, async (t) => {
    const app = await openTestApp(t, lifetime === undefined ? {} : { cookie: { lifetime } })
    const browser = openBrowser(app)
    const maxAge = isPersistent ? idle : undefined
    const login = await browser.send('POST', '/auth/login', { sub: 'alice', password: 'correct', remember })
    t.deepEqual(maxAgesOf(t, login), [maxAge, maxAge])
    app.clock.advance(60)
    const refreshed = await browser.send('POST', '/auth/refresh')
    t.is(refreshed.status, 200)
    t.deepEqual(maxAgesOf(t, refreshed), [maxAge, maxAge], 'what the login said holds for its refreshes')

    browser.jar.restart()
    t.is(browser.jar.all().length, isPersistent ? 2 : 0)
    t.is((await browser.send('POST', '/auth/refresh')).status, isPersistent ? 200 : 401)
    if (!isPersistent) return
    app.clock.advance(idle - 1)
    t.is(browser.jar.all().length, 2)
    app.clock.advance(1)
    t.is(browser.jar.all().length, 0, 'the cookies go with the session')
  })
}

test('CK-11 one user remembered here and not there has both, each with its own limits', async (t) => {
  const app = await openTestApp(t)
  const here = await app.login('alice', { body: { remember: true } })
  const there = await app.login('alice', { body: { remember: false } })
  app.clock.advance(6 * DAY)
  t.is(await refresh(app, there), '401 ERR_SESSION_EXPIRED')
  await renewed(t, app, here)
})

interface Browser {
  readonly jar: CookieJar
  send(method: string, path: string, body?: object): Promise<Response>
}

function openBrowser(app: TestApp): Browser {
  const jar = createCookieJar({ clock: app.clock })
  return {
    jar,
    async send(method, path, body) {
      const url = `https://app.example${path}`
      const Cookie = jar.header(url)
      const headers = { 'Sec-Fetch-Site': 'same-origin', ...(Cookie !== undefined && { Cookie }) }
      const json = body && JSON.stringify(body)
      const response = await app.request(
        method,
        path,
        { ...headers, ...(json && { 'Content-Type': 'application/json' }) },
        json,
      )
      jar.receive(url, response.cookies)
      return response
    },
  }
}

test('CK-10 clockTolerance is given to tokens, and to the cookies as long as those tokens are believed, but to no session', async (t) => {
  const app = await openTestApp(t, { clockTolerance: '1m', session: { absolute: '20m', idle: '20m' } })
  const login = await app.login()
  t.deepEqual(maxAgesOf(t, login.response), [1260, 1260])
  app.clock.set(START + 19 * 60_000)
  const last = await renewed(t, app, login)
  t.deepEqual(maxAgesOf(t, last.response), [120, 120])
  t.is(payloadOf(last.token)['exp'], Math.floor(START / 1000) + 1200, 'exp itself stays within the session')
  app.clock.set(START + 1200_000)
  t.is(await refresh(app, last), '401 ERR_SESSION_EXPIRED')
  const believed = (payloadOf(last.token)['exp'] as number) * 1000 + 60_000
  app.clock.set(believed - 1)
  t.is((await app.me(last.token, last.cookie)).status, 200)
  app.clock.set(believed)
  app.seen.length = 0
  t.is((await app.me(last.token, last.cookie)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_EXPIRED'])
})

// How a session expires, and after how many seconds.
const EXPIRIES: readonly (readonly [string, TestAppOptions, number])[] = [
  ['its idle end', { session: { idle: '30m' } }, 1800],
  ['its absolute end', { session: { idle: '15m', absolute: '15m' } }, 900],
]

for (const [what, options, end] of EXPIRIES) {
  test(`SL-07 a clock that goes back after ${what} revives no token, no refresh token, no list entry and no data`, async (t) => {
    const [entered, opened] = [createSignal(), createSignal()]
    const app = await openTestApp(t, {
      ...options,
      mount(_koa, kit, router) {
        router.post('/slow', kit.protect(), async (ctx) => {
          const { session } = ctx as unknown as { session: Record<string, unknown> }
          entered.send()
          await opened.promise
          session['value'] = 'from beyond'
          ctx.body = 'done'
        })
      },
    })
    const gone = await app.login()
    const remembered = await app.login('alice', { body: { remember: true } })
    const slow = app.request('POST', '/slow', bearer(gone))
    await entered.promise

    app.clock.set(START + end * 1000)
    await assertEnded(t, app, gone, 'at its end')
    const other = await renewed(t, app, remembered)
    for (const now of [START + end * 1000 - 1, START + 1000, START, START - DAY * 1000]) {
      app.clock.set(now)
      await assertEnded(t, app, gone, `at ${now - START}`)
      const list = await app.request('GET', '/auth/sessions', bearer(other))
      t.deepEqual(
        (list.json as unknown as { sid: string }[]).map(({ sid }) => sid),
        [remembered.sid],
        `at ${now - START}`,
      )
      t.is((await app.kit.sessions('alice')).length, 1)
    }
    // By the store's own clock the record is there again.
    const record = await app.store.get('session', gone.sid)
    t.truthy(record)
    opened.send()
    await slow
    t.deepEqual(await app.store.get('session', gone.sid), record, 'nothing is written to it')
  })
}

test('SL-07 a clock that goes back after the grace window does not open it again', async (t) => {
  const app = await openTestApp(t)
  const old = await app.login()
  const next = await renewed(t, app, old)
  app.clock.advance(10)
  t.is((await app.me(next.token, next.cookie)).status, 200)
  app.clock.advance(-10)
  t.is(await refresh(app, old), '401 ERR_REFRESH_REUSED_RECENT')
  await assertEnded(t, app, next)
})

test('SL-07 RF-03 after the clock went back, tabs that refresh at the same time are not taken for thieves', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  app.clock.advance(60)
  t.is((await app.me(login.token, login.cookie)).status, 200)
  app.clock.advance(-60)
  const [one, two] = [await renewed(t, app, login), await renewed(t, app, login, 'the other tab')]
  t.is(one.refreshToken, two.refreshToken)
  await assertLives(t, app, two)
})

test('SL-07 after the clock went back by less than a token lives, sessions that live go on', async (t) => {
  for (const seconds of [-1, -6, -60, -600]) {
    const app = await openTestApp(t)
    const login = await app.login()
    app.clock.advance(seconds)
    t.is((await app.me(login.token, login.cookie)).status, 200, `${seconds}`)
    const next = await renewed(t, app, login, `${seconds} seconds`)
    t.is((await app.me(next.token, next.cookie)).status, 200, `${seconds}`)
  }
})

test('SL-07 a login, a refresh and a renewal are answered wherever in them a second ends', async (t) => {
  for (let left = 0; left < 60; left += 1) {
    let now = START - (START % 1000) + 1000 - left
    // Each look at the clock takes a millisecond.
    const testClock = Object.assign(() => (now += 1), createClock())
    const app = await openTestApp(t, { testClock, mount: mountRenew, withSession: false, session: { max: 5 } })
    const label = `${left} ms before the end of a second`
    const login = await app.login()
    t.is(login.response.status, 200, label)
    now = now - (now % 1000) + 1000 - left
    let current = await renewed(t, app, login, label)
    for (const change of [{}, { isAuthenticated: true }]) {
      now = now - (now % 1000) + 1000 - left
      const response = await postRenew(app, current, change)
      t.is(response.status, 200, label)
      current = toLogin(response)
    }
    await app.close()
  }
})
