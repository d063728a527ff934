// Attacks by size and number: what is too large is refused early, and a flood neither drowns the log nor fills memory.

import test from 'ava'

import { codesOf, openTestApp, postRefresh, refreshHeaders } from '../helpers/app.ts'
import { heapUsed } from '../helpers/cost.ts'
import { sendRaw } from '../helpers/raw.ts'
import { assertRefused } from '../helpers/refused.ts'

const FLOOD_LIMIT = 50

test('K-01 a body of 8 MB is refused with 413 and nobody is asked', async (t) => {
  let asked = 0
  const app = await openTestApp(t, {
    authenticate: () => {
      asked += 1
      return null
    },
  })
  const body = JSON.stringify({ sub: 'alice', password: 'correct', token: 'x'.repeat(8 * 2 ** 20) })
  const response = await app.request('POST', '/auth/login', { 'Content-Type': 'application/json' }, body)
  t.is(response.status, 413)
  t.is(response.json['error'], 'invalid_request')
  t.is(response.headers['cache-control'], 'no-store')
  t.deepEqual(response.cookies, [])
  t.is(asked, 0)
  t.is((await app.me()).status, 401, 'the server is alive')
})

test('K-01 a body that hides its length is cut off at the same limit', async (t) => {
  const app = await openTestApp(t)
  const chunk = 'x'.repeat(64 * 1024)
  const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(4)
  const head = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'
  const { status } = await sendRaw(
    app.port,
    `POST /auth/login HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n${head}\r\n${chunks}0\r\n\r\n`,
  )
  t.is(status, 413)
})

test('K-01 a refresh with a body that is too long, or hides how long it is, is refused and uses nothing up', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const { Cookie } = refreshHeaders(login)
  const body = JSON.stringify({ scope: 'x'.repeat(8 * 2 ** 20) })
  const response = await app.request('POST', '/auth/refresh', { 'Content-Type': 'application/json', Cookie }, body)
  t.is(response.status, 413)
  t.deepEqual(response.cookies, [])
  const chunk = 'x'.repeat(64 * 1024)
  const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(4)
  const head = `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nCookie: ${Cookie}\r\n`
  const { status } = await sendRaw(
    app.port,
    'POST /auth/refresh HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n' +
      `${head}\r\n${chunks}0\r\n\r\n`,
  )
  t.is(status, 413)
  const next = await postRefresh(app, login)
  t.is(next.status, 200)
  t.regex(next.cookies[1] ?? '', /^__Secure-Refresh=[\w-]{22}\.1\./)
})

test('K-01 a header of 17 KB is refused with 431, a token over the limit with 401', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const { status } = await sendRaw(
    app.port,
    `GET /me HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nAuthorization: Bearer ${'x'.repeat(17_000)}\r\n\r\n`,
  )
  t.is(status, 431)
  for (const long of ['x'.repeat(12_000), token + 'A'.repeat(9000), `${'x'.repeat(9000)}.y.z`]) {
    await assertRefused(t, app, () => app.me(long, cookie), 'ERR_TOKEN_TOO_LARGE')
  }
  t.is(app.handled.count, 0)
  t.is((await app.me(token, cookie)).status, 200, 'the server is alive')
})

// Scaled down from 10^4 requests a second for ten seconds to 3 × 1000 requests, and without the bound on the p99 of
// good traffic, which a machine shared by tests cannot measure: a benchmark does that later. Kept: every good request
// passes, the log is bounded, memory stays flat.
// Serial, since it weighs the whole heap.
test.serial(
  'K-02 a flood of bad signatures leaves good traffic alone, the log bounded and the heap flat',
  async (t) => {
    const app = await openTestApp(t)
    const { token, cookie } = await app.login()
    const [head = '', payload = ''] = token.split('.')
    const good: number[] = []
    let counter = 0

    /** One round: bad tokens, each with a signature of its own, and a good request after every twenty of them. */
    async function flood(size: number): Promise<number[]> {
      const bad: number[] = []
      for (let sent = 0; sent < size; sent += 20) {
        const answers = Array.from({ length: 20 }, () => {
          counter += 1
          const signature = Buffer.alloc(64, 1)
          signature.writeUInt32BE(counter, 10)
          return app.me(`${head}.${payload}.${signature.toString('base64url')}`, cookie)
        })
        good.push((await app.me(token, cookie)).status)
        bad.push(...(await Promise.all(answers)).map(({ status }) => status))
      }
      return bad
    }

    app.seen.length = 0
    t.true((await flood(1000)).every((status) => status === 401))
    // The clock has not moved: all of it is one window.
    t.is(app.seen.length, FLOOD_LIMIT)
    t.true(app.seen.every(({ name }) => name === 'token_rejected'))
    t.true(codesOf(app.seen).every((code) => code === 'ERR_TOKEN_SIGNATURE'))

    const before = heapUsed()
    app.clock.advance(1)
    app.seen.length = 0
    t.true((await flood(1000)).every((status) => status === 401))
    t.is(app.seen.length, FLOOD_LIMIT)
    t.deepEqual(
      suppressedOf(app.seen),
      [1000 - FLOOD_LIMIT],
      'the first of the next window says how many were left out',
    )

    app.clock.advance(1)
    app.seen.length = 0
    t.true((await flood(1000)).every((status) => status === 401))
    t.is(app.seen.length, FLOOD_LIMIT)
    app.seen.length = 0
    const grown = heapUsed() - before
    // A kit that kept each of 2000 bad tokens of some 700 bytes, even once, would be past this.
    t.true(grown < 1.2 * 2 ** 20, `the heap grew by ${grown} bytes`)

    t.is(good.length, 150)
    t.true(good.every((status) => status === 200))
    t.is(app.handled.count, 150)
    t.deepEqual(app.errors, [])
  },
)

test('K-02 a flood of forged refresh tokens leaves the session alone and the log bounded', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  app.seen.length = 0
  for (let sent = 0; sent < 200; sent += 20) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const guess = String(sent + i).padStart(65, 'A')
        const refreshCookie = `__Secure-Refresh=${login.sid}.0.${guess}`
        return postRefresh(app, { cookie: login.cookie, refreshCookie })
      }),
    )
    t.true(answers.every(({ status, cookies }) => status === 401 && cookies.length === 0))
  }
  t.deepEqual(codesOf(app.seen), Array<string>(FLOOD_LIMIT).fill('ERR_REFRESH_FORGED'))
  t.is((await postRefresh(app, login)).status, 200)
})

test('K-02 a flood without tokens raises no event at all', async (t) => {
  const app = await openTestApp(t)
  for (let i = 0; i < 10; i += 1) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.me()))
    t.true(answers.every(({ status }) => status === 401))
  }
  t.deepEqual(app.seen, [])
})

// K-03 K-04 K-05 not here: caches, remote key sets and the revocation list have their own files.

function suppressedOf(seen: readonly { event: object }[]): unknown[] {
  return seen.flatMap(({ event }) => ('suppressed' in event ? [event.suppressed] : []))
}
