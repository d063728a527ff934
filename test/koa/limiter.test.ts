// How often one address may try: the default, which counts failures only, and limiters of the application's own.
// The default counts by the real time, in windows longer than any test.

import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { LimitedAction, Limiter } from '../../src/index.ts'
import {
  codesOf,
  type Login,
  openTestApp,
  postLogin,
  postRefresh,
  type Response,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { fail, FAULT } from '../helpers/faulty.ts'

// The helper's apps have none unless they are told; undefined is what an application that says nothing has.
const DEFAULT = { limiter: undefined } as unknown as TestAppOptions

interface Limited {
  readonly app: TestApp
  /** How often `authenticate` was asked. */
  readonly asked: { count: number }
}

async function open(t: ExecutionContext, options: TestAppOptions = DEFAULT): Promise<Limited> {
  const asked = { count: 0 }
  const app = await openTestApp(t, {
    async authenticate({ request }) {
      asked.count += 1
      const { sub, password } = request.body
      return password === 'correct' ? { sub: String(sub) } : null
    },
    ...options,
  })
  return { app, asked }
}

const HERE = '192.0.2.1'

function tryLogin(app: TestApp, password: 'correct' | 'wrong', from = HERE, headers = {}): Promise<Response> {
  return postLogin(app, { sub: 'alice', password }, { 'X-Forwarded-For': from, ...headers })
}

async function failLogins(app: TestApp, count: number, from?: string): Promise<void> {
  for (let i = 0; i < count; i += 1) await tryLogin(app, 'wrong', from)
}

/** Asserts that the answer is one to too many attempts, and asks to wait no longer than the window. */
function assertLimited(t: ExecutionContext, { status, headers, json }: Response, longest: number): void {
  t.is(status, 429)
  t.is(json['error'], 'temporarily_unavailable')
  t.regex(String(headers['retry-after']), /^[1-9]\d*$/)
  t.true(Number(headers['retry-after']) <= longest)
}

test('IS-17 after ten failed logins from one address the next is not tried, right or wrong', async (t) => {
  const { app, asked } = await open(t)
  for (let i = 0; i < 10; i += 1) t.is((await tryLogin(app, 'wrong')).status, 401)
  app.seen.length = 0
  assertLimited(t, await tryLogin(app, 'wrong'), 300)
  const refused = await tryLogin(app, 'correct')
  assertLimited(t, refused, 300)
  t.deepEqual(refused.cookies, [])
  t.is(asked.count, 10)
  t.deepEqual(
    app.seen.map(({ name, event }) => [name, 'code' in event && event.code]),
    Array.from({ length: 2 }, () => ['excess_rate_limit_exceeded', 'ERR_RATE_LIMITED']),
  )
})

test('IS-17 no stranger locks a user out: the user is let in from another address', async (t) => {
  const { app } = await open(t)
  await failLogins(app, 20, '203.0.113.66')
  t.is((await tryLogin(app, 'correct', HERE)).status, 200)
})

test('IS-17 the eleventh failure is one too many however many successes lie between', async (t) => {
  const { app } = await open(t)
  for (let i = 0; i < 10; i += 1) {
    t.is((await tryLogin(app, 'wrong')).status, 401)
    if (i < 9) t.is((await tryLogin(app, 'correct')).status, 200)
  }
  t.is((await tryLogin(app, 'correct')).status, 429)
})

test('IS-17 successes are given back: 100 logins and 130 refreshes from one address pass', async (t) => {
  const { app } = await open(t)
  for (let i = 0; i < 100; i += 1) t.is((await tryLogin(app, 'correct')).status, 200)
  let session: Login = toLogin(await tryLogin(app, 'correct'))
  for (let i = 0; i < 130; i += 1) {
    const response = await postRefresh(app, session, { 'X-Forwarded-For': HERE })
    t.is(response.status, 200)
    session = toLogin(response)
  }
})

test('IS-17 after 120 failed refreshes from one address the next is not tried; logins still are', async (t) => {
  const { app } = await open(t)
  const session = toLogin(await tryLogin(app, 'correct'))
  const from = { 'X-Forwarded-For': HERE }
  const nothing = { cookie: '', refreshCookie: '__Secure-Refresh=garbage' }
  for (let i = 0; i < 120; i += 1) t.is((await postRefresh(app, nothing, from)).status, 401)
  app.seen.length = 0
  assertLimited(t, await postRefresh(app, session, from), 60)
  t.deepEqual(codesOf(app.seen), ['ERR_RATE_LIMITED'])
  t.is((await postRefresh(app, session, { 'X-Forwarded-For': '192.0.2.2' })).status, 200)
  t.is((await tryLogin(app, 'correct')).status, 200)
})

/** Logs in many times at once: none that is tried is decided before each has been tried or refused. */
async function burst(
  t: ExecutionContext,
  password: 'correct' | 'wrong',
  count: number,
): Promise<Limited & { readonly refused: number }> {
  const progress = new EventEmitter()
  const decided = once(progress, 'decided')
  const asked = { count: 0 }
  let refused = 0
  const { app } = await open(t, {
    ...DEFAULT,
    async authenticate({ request }) {
      asked.count += 1
      if (asked.count <= count) await decided
      return request.body['password'] === 'correct' ? { sub: 'alice' } : null
    },
  })
  const answers = Array.from({ length: count }, async () => {
    if ((await tryLogin(app, password)).status === 429) refused += 1
  })
  while (asked.count + refused < count) await nextTurn()
  progress.emit('decided')
  await Promise.all(answers)
  return { app, asked, refused }
}

test('IS-17 of 50 wrong logins at the same time ten are tried', async (t) => {
  const { asked, refused } = await burst(t, 'wrong', 50)
  t.deepEqual([asked.count, refused], [10, 40])
})

test('IS-17 right logins that come all at once lock nobody out once they are through', async (t) => {
  const { app, refused } = await burst(t, 'correct', 30)
  t.true(refused <= 20)
  t.is((await tryLogin(app, 'correct')).status, 200, 'nobody has failed')
})

test("IS-17 another site's page cannot use up the attempts of its visitors", async (t) => {
  const { app } = await open(t)
  const crossSite = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
  for (let i = 0; i < 12; i += 1) t.is((await tryLogin(app, 'wrong', HERE, crossSite)).status, 403)
  t.is((await tryLogin(app, 'wrong')).status, 401)
})

const NETWORKS: readonly (readonly [string, string, 'one' | 'two'])[] = [
  ['192.0.2.1', '192.0.2.2', 'two'],
  ['::ffff:192.0.2.1', '192.0.2.1', 'one'],
  ['192.0.2.1', '::FFFF:192.0.2.1', 'one'],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', 'two'],
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', 'one'],
  ['2001:db8:1:2::1', '2001:0DB8:0001:0002::9', 'one'],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', 'two'],
  ['2001:db8::1', '2001:db8:0:0::2', 'one'],
  ['2001:db8::1', '2001:db8:0:1::1', 'two'],
  ['fe80::1%eth0', 'fe80::2', 'one'],
  ['::1', '::2', 'one'],
  ['64:ff9b::192.0.2.1', '2001:db8::1', 'two'],
]

test('IS-17 an IPv6 network of 64 bits is one address, and an IPv4 address in IPv6 is itself', async (t) => {
  for (const [first, second, count] of NETWORKS) {
    const { app } = await open(t)
    await failLogins(app, 10, first)
    t.is((await tryLogin(app, 'correct', second)).status, count === 'one' ? 429 : 200, `${first} and ${second}`)
  }
})

test('IS-17 nobody chooses their address where the app trusts no proxy', async (t) => {
  const { app } = await open(t, { ...DEFAULT, proxy: false, issuer: 'http://localhost:3000' })
  for (let i = 0; i < 10; i += 1) t.is((await tryLogin(app, 'wrong', `203.0.113.${i}`)).status, 401)
  t.is((await tryLogin(app, 'wrong', '203.0.113.66')).status, 429)
})

test('IS-17 nobody chooses their address by writing one before the proxy does, where the app counts its proxies', async (t) => {
  const { app } = await open(t, {
    ...DEFAULT,
    before: (koa) => {
      koa.maxIpsCount = 1
    },
  })
  for (let i = 0; i < 10; i += 1) t.is((await tryLogin(app, 'wrong', `203.0.113.${i}, ${HERE}`)).status, 401)
  t.is((await tryLogin(app, 'wrong', `203.0.113.66, ${HERE}`)).status, 429)
})

const WAITS: readonly (readonly [number, string])[] = [
  [60, '60'],
  [1.2, '2'],
  [0.001, '1'],
  [0, '1'],
  [-5, '1'],
  [NaN, '1'],
  [1e9, '86400'],
  [Infinity, '86400'],
  [-Infinity, '1'],
]

for (const [name, wrap] of [
  ['at once', (wait: number | undefined) => wait],
  ['later', async (wait: number | undefined) => wait],
] as const) {
  test(`IS-17 a limiter of the application is asked before each login and refresh, and nothing else: ${name}`, async (t) => {
    let wait: number | undefined
    const actions: [LimitedAction, string][] = []
    const limiter: Limiter = (ctx, action) => {
      actions.push([action, ctx.ip])
      return wrap(wait)
    }
    const { app, asked } = await open(t, { limiter })
    const session = toLogin(await tryLogin(app, 'correct'))
    const next = toLogin(await postRefresh(app, session, { 'X-Forwarded-For': HERE }))
    await app.me(next.token, next.cookie)
    t.deepEqual(actions, [
      ['login', HERE],
      ['refresh', HERE],
    ])
    for (const [seconds, answered] of WAITS) {
      wait = seconds
      app.seen.length = 0
      for (const response of [await tryLogin(app, 'correct'), await postRefresh(app, next)]) {
        t.is(response.status, 429, String(seconds))
        t.is(response.headers['retry-after'], answered, String(seconds))
        t.deepEqual(response.cookies, [])
      }
      t.deepEqual(codesOf(app.seen), ['ERR_RATE_LIMITED', 'ERR_RATE_LIMITED'])
    }
    t.is(asked.count, 1)
    wait = undefined
    t.is((await postRefresh(app, next)).status, 200, 'the refresh token was not spent')
  })
}

for (const [name, limiter] of [
  ['throws', fail],
  ['rejects', async () => fail()],
] as const) {
  test(`IS-17 a limiter that ${name} lets nobody in`, async (t) => {
    const { app, asked } = await open(t, { limiter })
    for (const response of [
      await tryLogin(app, 'correct'),
      await postRefresh(app, { cookie: '', refreshCookie: '__Secure-Refresh=garbage' }),
    ]) {
      t.is(response.status, 503)
      t.is(response.headers['retry-after'], '5')
      t.false(response.text.includes(FAULT))
    }
    t.is(asked.count, 0)
    t.deepEqual(
      app.errors.map((error) => (error as Error).message),
      [FAULT, FAULT],
    )
  })
}

test('limiter: false limits nothing', async (t) => {
  const { app, asked } = await open(t, { limiter: false })
  await failLogins(app, 30)
  t.is(asked.count, 30)
})

test('IS-17 behind a proxy whose headers Koa may not believe nothing is limited, and that is said once', async (t) => {
  const warnings: Error[] = []
  const listener = (warning: Error): void => {
    if (warning.name === 'SessionKitWarning') warnings.push(warning)
  }
  process.on('warning', listener)
  t.teardown(() => process.off('warning', listener))
  const tlsProxy = { ...DEFAULT, cookie: { tlsProxy: true } }
  const { app: trusting } = await open(t, tlsProxy)
  await failLogins(trusting, 10)
  t.is((await tryLogin(trusting, 'wrong')).status, 429)
  t.deepEqual(warnings, [])
  const { app, asked } = await open(t, { ...tlsProxy, proxy: false })
  const warned = once(process, 'warning')
  await failLogins(app, 15)
  await warned
  t.is(asked.count, 15)
  for (let i = 0; i < 130; i += 1) await postRefresh(app, { cookie: '', refreshCookie: '' })
  t.is((await tryLogin(app, 'correct')).status, 200)
  t.is(warnings.length, 1)
  t.regex(warnings[0]?.message ?? '', /^limiter: /)
})
