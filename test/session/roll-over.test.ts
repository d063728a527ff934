// Roll-over: every refresh replaces the fingerprint, and no tab and no request in flight notices; nor does a thief gain
// by it. Random browsers first, then each rule by itself.

import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'

import type { FingerprintFormat } from '../../src/index.ts'
import { digestFingerprint, drawFingerprint, MAX_FINGERPRINTS } from '../../src/fingerprint.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import {
  codesOf,
  createTestApp,
  ISSUER,
  type Login,
  openTestApp,
  postRefresh,
  type Response,
  type TestApp,
  toLogin,
} from '../helpers/app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { assertAnonymous, assertRefused } from '../helpers/refused.ts'
import { type Browser, openBrowser } from '../helpers/tabs.ts'

const LIFETIME = 900
const GRACE = 10
const LIMIT = 4096

const index = fc.nat({ max: 1000 })
/** What happens next, each as often as it is named, and what any of them needs to know. */
const operation = fc.record({
  do: fc.constantFrom(
    ...(['use', 'use', 'use', 'use', 'refresh', 'refresh', 'refresh', 'refresh', 'burst', 'lose'] as const),
    ...(['move', 'move', 'move', 'move', 'move', 'wait', 'wait', 'wait', 'steal', 'steal', 'steal'] as const),
  ),
  index,
  isSlow: fc.boolean(),
  times: fc.integer({ min: 2, max: 9 }),
  seconds: fc.constantFrom(1, GRACE - 1, GRACE, 60, 200, LIFETIME - 1, LIFETIME),
  beside: fc.constantFrom('nothing', 'another session', 'garbage'),
})
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

interface Scene {
  readonly app: TestApp
  readonly browser: Browser
  /** A session of somebody else. */
  readonly other: Login
}

function pick<T>(from: readonly T[], at: number): T {
  if (from.length === 0) throw new Error('nothing to pick from')
  return from[at % from.length] as T // it is not empty
}

// Thrown rather than asserted, so that a failure comes with its shortest schedule and its seed.
function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: expected ${should}, got ${is}`)
}

/** Does something, and expects exactly these alarms. */
async function expectAlarms(app: TestApp, alarms: readonly string[], work: () => Promise<unknown>): Promise<void> {
  const { length } = app.seen
  await work()
  const raised = app.seen.slice(length).flatMap(({ name, event }) => ('code' in event ? [`${name} ${event.code}`] : []))
  expectSame(raised, alarms, 'the alarms')
}

/** Sends what a thief has: 401, and exactly this alarm. */
async function expectCaught(app: TestApp, alarm: string, send: () => Promise<Response>): Promise<void> {
  await expectAlarms(app, [alarm], async () => expectSame((await send()).status, 401, `the status of a ${alarm}`))
}

async function play(scene: Scene, one: Operation): Promise<void> {
  const { app, browser } = scene
  if (one.do === 'steal') return steal(scene, one)
  return expectAlarms(app, [], async () => {
    if (one.do === 'wait') {
      await browser.advance(one.seconds)
    } else if (one.do === 'use' || one.do === 'refresh') {
      const flight = await browser.start(one.do, pick(browser.tabs, one.index))
      if (!one.isSlow) await browser.finish(flight)
    } else if (one.do === 'burst') {
      for (let i = 0; i < one.times; i += 1) {
        await browser.finish(await browser.start('refresh', pick(browser.tabs, one.index + i)))
      }
    } else if (browser.flights.length > 0) {
      const flight = pick(browser.flights, one.index)
      if (one.do === 'lose') browser.lose(flight)
      else await browser.move(flight)
    }
  })
}

/** A token that was copied without its cookie, of whatever generation. */
async function steal({ app, browser, other }: Scene, { index: at, beside }: Operation): Promise<void> {
  const loot = browser.issued.filter(browser.isLive)
  if (loot.length === 0) return
  const cookie = { nothing: undefined, 'another session': other.cookie, garbage: `${COOKIE_NAME}=garbage` }[beside]
  const code = cookie === undefined ? 'ERR_FINGERPRINT_MISSING' : 'ERR_FINGERPRINT_MISMATCH'
  await expectCaught(app, `sidejack ${code}`, () => app.me(pick(loot, at).text, cookie))
}

/** Everything that is under way comes home, and every token that lives fits the cookies that the browser has now. */
async function comeHome({ app, browser }: Scene): Promise<void> {
  await expectAlarms(app, [], async () => {
    await browser.settle()
    await browser.finish(await browser.start('refresh', pick(browser.tabs, 0)))
    for (const { text } of browser.issued.filter(browser.isLive)) {
      expectSame((await app.me(text, browser.cookies('/me'))).status, 200, 'the status of a live token')
    }
    for (const tab of browser.tabs) await browser.finish(await browser.start('use', tab))
  })
}

/** The whole pair was copied, and comes again when it has been replaced: nobody can tell who is who, so it ends. */
async function replay({ app, browser, other }: Scene, at: number): Promise<void> {
  const now = browser.generation()
  const [generation, headers] = pick(
    [...browser.pairs].filter(([one]) => one < now),
    at,
  )
  if (generation === now - 1) app.clock.advance(GRACE)
  const code = generation === now - 1 ? 'ERR_REFRESH_REUSED_RECENT' : 'ERR_REFRESH_REUSED_STALE'
  const send = (Cookie: string) => app.request('POST', '/auth/refresh', { Cookie, 'Sec-Fetch-Site': 'same-origin' })
  await expectCaught(app, `authn_token_reuse ${code}`, () => send(headers))
  expectSame(await app.kit.sessions('alice'), [], 'the sessions that are left')
  const revoked = 'authn_token_reuse ERR_TOKEN_REVOKED'
  await expectCaught(app, revoked, () => send(browser.cookies('/auth/refresh')))
  for (const { text } of browser.issued.filter(browser.isLive)) {
    await expectCaught(app, revoked, () => app.me(text, browser.cookies('/me')))
  }
  expectSame((await postRefresh(app, other)).status, 200, 'the status of the other session')
}

test('RF-10 RF-02 RF-03 no schedule of tabs, refreshes, lost and late answers refuses an honest browser, and each one catches its thieves', async (t) => {
  const done = { runs: 0, generations: 0, repeats: 0, thefts: 0, full: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' }),
      index,
      fc.constantFrom<FingerprintFormat>('base64url', 'owasp'),
      async (operations, at, format) => {
        const app = await createTestApp({ fingerprint: { format } })
        try {
          const [login, other] = [
            await app.login('alice', { body: { remember: true } }),
            await app.login('mallory', { body: { remember: true } }),
          ]
          const scene = { app, other, browser: openBrowser(app, login, 4) }
          for (const one of operations) await play(scene, one)
          await comeHome(scene)
          await replay(scene, at)
          done.runs += 1
          done.generations += scene.browser.generation()
          // Each answer brings a token, but not each a new generation.
          done.repeats += scene.browser.issued.length - 1 - scene.browser.generation()
          done.thefts += operations.filter((one) => one.do === 'steal').length
          if (scene.browser.cookies('/me').split('~').length === MAX_FINGERPRINTS) done.full += 1
        } finally {
          await app.close()
        }
      },
    ),
    { seed: 10, numRuns: 60, includeErrorInReport: true },
  )
  // What was drawn is worth its name.
  t.log(done)
  t.true(done.generations > 5 * done.runs && done.repeats > done.runs && done.thefts > done.runs)
  t.true(done.full > done.runs / 10)
})

/** A refresh that must work. */
async function refresh(
  t: ExecutionContext,
  app: TestApp,
  login: Pick<Login, 'cookie' | 'refreshCookie'>,
): Promise<Login> {
  const response = await postRefresh(app, login)
  t.is(response.status, 200)
  return toLogin(response)
}

/** A session with so many refreshes, each of them so many seconds after the one before. */
async function refreshTimes(
  t: ExecutionContext,
  app: TestApp,
  times: number,
  seconds: number,
): Promise<{ readonly older: Login[]; readonly last: Login }> {
  const older: Login[] = []
  let last = await app.login()
  for (let i = 0; i < times; i += 1) {
    app.clock.advance(seconds)
    older.push(last)
    last = await refresh(t, app, last)
  }
  return { older, last }
}

const valuesOf = ({ fingerprint }: Pick<Login, 'fingerprint'>): string[] => fingerprint.split('~')

const cookieOf = (...values: readonly string[]): string => `${COOKIE_NAME}=${values.join('~')}`

async function assertLive(t: ExecutionContext, app: TestApp, tokens: readonly Login[], cookie: string): Promise<void> {
  for (const [at, { token }] of tokens.entries()) t.is((await app.me(token, cookie)).status, 200, `token ${at}`)
}

test('RF-10 the old token passes with the new cookie until it expires and not a second longer, the new token never with the old one', async (t) => {
  const app = await openTestApp(t)
  const old = await app.login()
  app.clock.advance(300)
  const next = await refresh(t, app, old)
  await assertLive(t, app, [old, next], next.cookie)
  await assertRefused(t, app, () => app.me(next.token, old.cookie), 'ERR_FINGERPRINT_MISMATCH')
  app.clock.advance(LIFETIME - 300 - 1)
  await assertLive(t, app, [old, next], next.cookie)
  app.clock.advance(1)
  await assertRefused(t, app, () => app.me(old.token, next.cookie), 'ERR_TOKEN_EXPIRED')
  await assertLive(t, app, [next], next.cookie)
})

test('RF-10 twenty requests in flight across a refresh pass, with the cookies from before it and from after it', async (t) => {
  const app = await openTestApp(t)
  let old = await app.login()
  for (let round = 0; round < 3; round += 1) {
    const before = Array.from({ length: 10 }, () => app.me(old.token, old.cookie))
    const refreshing = refresh(t, app, old)
    const during = Array.from({ length: 10 }, () => app.me(old.token, old.cookie))
    const next = await refreshing
    const after = [old, next].flatMap(({ token }) => Array.from({ length: 10 }, () => app.me(token, next.cookie)))
    const all = await Promise.all([...before, ...during, ...after])
    t.deepEqual(new Set(all.map(({ status }) => status)), new Set([200]))
    old = next
  }
  t.deepEqual(codesOf(app.seen), [])
})

test('RF-10 a refresh keeps the values whose tokens live and drops those that have expired, and whatever else the cookie held', async (t) => {
  const app = await openTestApp(t)
  const first = await app.login()
  app.clock.advance(300)
  const second = await refresh(t, app, first)
  t.is(valuesOf(first).length, 1)
  t.deepEqual(valuesOf(second).slice(1), valuesOf(first))
  app.clock.advance(LIFETIME - 300 - 1)
  const planted = drawFingerprint('base64url')
  const third = await refresh(t, app, { ...second, cookie: cookieOf(planted, ...valuesOf(second)) })
  t.deepEqual(valuesOf(third).slice(1), valuesOf(second))
  app.clock.advance(1)
  const fourth = await refresh(t, app, third)
  t.deepEqual(valuesOf(fourth).slice(1), valuesOf(third).slice(0, 2))
  app.clock.advance(LIFETIME)
  t.is(valuesOf(await refresh(t, app, fourth)).length, 1)
})

for (const format of ['base64url', 'owasp'] as const) {
  test(`RF-10 the cookie carries eight values at most, however often a token's life sees a refresh: ${format}`, async (t) => {
    const app = await openTestApp(t, { fingerprint: { format } })
    const { older, last } = await refreshTimes(t, app, 20, 1)
    const all = [...older, last]
    for (const [at, { fingerprint, response }] of all.entries()) {
      t.is(fingerprint.split('~').length, Math.min(at + 1, MAX_FINGERPRINTS))
      for (const line of response.cookies) t.true(Buffer.byteLength(line) < LIMIT)
    }
    // Full: the fingerprint stays, the refresh token does not.
    t.is(new Set(all.map(({ fingerprint }) => fingerprint)).size, MAX_FINGERPRINTS)
    t.is(new Set(all.map(({ refreshToken }) => refreshToken)).size, all.length)
    await assertLive(t, app, all, last.cookie)
    // Within the grace the successor is the same, here as elsewhere.
    const before = pick(older, older.length - 1)
    const again = await refresh(t, app, before)
    t.deepEqual([again.refreshToken, again.fingerprint], [last.refreshToken, last.fingerprint])
    await assertLive(t, app, [again], last.cookie)
    await assertRefused(t, app, () => app.me(last.token), 'ERR_FINGERPRINT_MISSING')
    // And outside it, the same theft.
    app.clock.advance(GRACE)
    await assertRefused(t, app, () => postRefresh(app, before), 'ERR_REFRESH_REUSED_RECENT')
    t.deepEqual(await app.kit.sessions('alice'), [])
  })
}

test('RF-10 the fingerprint rolls on once the full cookie has room, and the value that stayed lives as long as its last token', async (t) => {
  const app = await openTestApp(t)
  const { older, last } = await refreshTimes(t, app, MAX_FINGERPRINTS - 1, 0)
  app.clock.advance(LIFETIME - 1)
  let stayed = last
  for (let i = 0; i < 10; i += 1) stayed = await refresh(t, app, stayed)
  t.is(stayed.fingerprint, last.fingerprint)
  await assertLive(t, app, [...older, last, stayed], stayed.cookie)
  app.clock.advance(1)
  const rolled = await refresh(t, app, stayed)
  t.false(valuesOf(stayed).includes(pick(valuesOf(rolled), 0)))
  t.deepEqual(valuesOf(rolled).slice(1), valuesOf(stayed).slice(0, 1))
  await assertLive(t, app, [stayed, rolled], rolled.cookie)
  app.clock.advance(LIFETIME - 2)
  await assertLive(t, app, [stayed], rolled.cookie)
  await assertRefused(t, app, () => app.me(last.token, rolled.cookie), 'ERR_TOKEN_EXPIRED')
})

test('RF-10 a list that is not as it was set opens nothing and refreshes nothing; the right value may be anywhere in it', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const own = login.fingerprint
  const others = Array.from({ length: MAX_FINGERPRINTS }, () => drawFingerprint('base64url'))
  const [other = ''] = others
  const malformed: Record<string, string> = {
    'an end without a value': `${own}~`,
    'a start without a value': `~${own}`,
    'a gap': `${own}~~${other}`,
    'nothing but separators': '~~~~~~~',
    'nine values': [own, ...others].join('~'),
    'nine values, the own one last': [...others, own].join('~'),
    'nine times the own one': Array.from({ length: 9 }, () => own).join('~'),
    'ten values': [own, ...others, other].join('~'),
    'a short value among good ones': [own, other, other.slice(1)].join('~'),
    'a long value among good ones': [own, `${other}A`, other].join('~'),
    'a value of another alphabet among good ones': [own, `${other.slice(1)}+`, other].join('~'),
    'a value of the other format among good ones': [own, drawFingerprint('owasp')].join('~'),
    'another separator': `${own}.${other}`,
    'an encoded separator': `${own}%7E${other}`,
    'a space': `${own}~ ${other}`,
    quotes: `"${own}~${other}"`,
    'the digest in place of the value': `${String(payloadOf(login.token)['fgp'])}~${other}`,
  }
  for (const [label, list] of Object.entries(malformed)) {
    const cookie = `${COOKIE_NAME}=${list}`
    await assertRefused(t, app, () => app.me(login.token, cookie), 'ERR_FINGERPRINT_MISMATCH', label)
    await assertRefused(t, app, () => postRefresh(app, { ...login, cookie }), 'ERR_FINGERPRINT_MISMATCH', label)
  }
  for (let at = 0; at < MAX_FINGERPRINTS; at += 1) {
    t.is((await app.me(login.token, cookieOf(...others.with(at, own)))).status, 200, `place ${at}`)
  }
  // Nothing was rotated meanwhile.
  const next = await refresh(t, app, { ...login, cookie: cookieOf(...others.with(7, own)) })
  t.is(next.refreshToken.split('.')[1], '1')
  t.deepEqual(valuesOf(next).slice(1), [own])
})

for (const sub of ['alice', 'bob']) {
  test(`FP-12 who logs in again in another tab, as ${sub}, ends the first tab's session, and that tab is no thief`, async (t) => {
    const app = await openTestApp(t)
    const jar = createCookieJar({ clock: app.clock })
    const cookies = (path: string): string => jar.header(ISSUER + path) ?? ''
    const first = await app.login('alice')
    jar.receive(`${ISSUER}/auth/login`, first.response.cookies)
    t.false(cookies('/me').includes(first.refreshToken))
    const second = await app.login(sub, { headers: { Cookie: cookies('/auth/login') } })
    jar.receive(`${ISSUER}/auth/login`, second.response.cookies)
    const ended = app.seen.flatMap(({ name, event }) => (name === 'session_expired' ? [event] : []))
    t.like(ended, [{ sub: 'alice', sid: first.sid, reason: 'login' }])
    const left = [...(await app.kit.sessions('alice')), ...(await app.kit.sessions('bob'))]
    t.deepEqual(
      left.map(({ sid }) => sid),
      [second.sid],
    )
    await assertRefused(t, app, () => app.me(first.token, cookies('/me')), 'ERR_TOKEN_REVOKED')
    // What the first tab does then: it refreshes, and goes on in the session that the browser has.
    const headers = { Cookie: cookies('/auth/refresh'), 'Sec-Fetch-Site': 'same-origin' }
    const next = toLogin(await app.request('POST', '/auth/refresh', headers))
    jar.receive(`${ISSUER}/auth/refresh`, next.response.cookies)
    t.is((await app.me(next.token, cookies('/me'))).json['sid'], second.sid)
    await assertLive(t, app, [second], cookies('/me'))
  })
}

test('RF-10 an older fingerprint alone is nothing: not without a token, not beside a later token, not beside the refresh token', async (t) => {
  const app = await openTestApp(t)
  const { older, last } = await refreshTimes(t, app, 2, 60)
  for (const { cookie, token } of older) {
    t.is(payloadOf(token)['fgp'], digestFingerprint(pick(cookie.split(/[=~]/), 1), 'base64url'))
    await assertAnonymous(t, app, () => app.me(undefined, cookie))
    await assertAnonymous(t, app, () => postRefresh(app, { cookie, refreshCookie: '' }))
    await assertRefused(t, app, () => app.me(last.token, cookie), 'ERR_FINGERPRINT_MISMATCH')
    await assertRefused(t, app, () => postRefresh(app, { ...last, cookie }), 'ERR_FINGERPRINT_MISMATCH')
  }
  // The session lives on, where it was.
  t.is((await refresh(t, app, last)).refreshToken.split('.')[1], '3')
})

test('RF-03 RF-10 the refresh token before is answered only with its own fingerprint; with any other it is stolen', async (t) => {
  const app = await openTestApp(t)
  const foreign = (await app.login('mallory')).cookie
  for (const [label, choose] of [
    ['none', () => ''],
    ['garbage', () => cookieOf('garbage')],
    ['of another session', () => foreign],
    ['the one before', (older: string) => older],
    ['the one after', (_: string, next: string) => cookieOf(pick(next.split(/[=~]/), 1))],
  ] as const) {
    const first = await app.login()
    const second = await refresh(t, app, first)
    const third = await refresh(t, app, second)
    const stolen = { ...second, cookie: choose(first.cookie, third.cookie) }
    await assertRefused(t, app, () => postRefresh(app, stolen), 'ERR_REFRESH_REUSED_RECENT', label)
    t.deepEqual(await app.kit.sessions('alice'), [], label)
    await assertRefused(t, app, () => app.me(third.token, third.cookie), 'ERR_TOKEN_REVOKED', label)
  }
})
