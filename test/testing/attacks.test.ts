// The attacks of the test kit, on a real app: what each thief is told, and what becomes of the owner.

import test, { type ExecutionContext } from 'ava'

import { createEncryptionKeys, generateEncryptionKey } from '../../src/index.ts'
import { type Loot, raceRefresh, replayRefresh, steal } from '../../src/testing/attacks.ts'
import { createTestClient, type TestClient } from '../../src/testing/client.ts'
import { parseRefreshToken } from '../../src/session/refresh-token.ts'
import { algNone, headerOf, payloadOf, tamper } from '../../src/testing/tokens.ts'
import { codesOf, ISSUER, openTestApp, type TestApp, type TestAppOptions } from '../helpers/app.ts'

const LOCAL = 'http://localhost:3000'
const encryption = await createEncryptionKeys({ keys: [await generateEncryptionKey()] })

const VARIANTS: readonly (readonly [string, TestAppOptions])[] = [
  ['defaults', {}],
  ['names of its own', { cookie: { name: '__Host-browser' } }],
  ['OWASP format', { fingerprint: { format: 'owasp' } }],
  ['development', { issuer: LOCAL, cookie: { development: true } }],
  ['access token in a cookie', { accessToken: { transport: 'cookie' } }],
  ['encrypted', { accessToken: { encryption: encryption } }],
  ['refresh token in the body', { refreshToken: { transport: 'body' } }],
]

/** An app and a user who is signed in. */
async function open(t: ExecutionContext, options: TestAppOptions = {}): Promise<{ app: TestApp; alice: TestClient }> {
  const app = await openTestApp(t, options)
  const alice = createTestClient(app.koa, { origin: options.issuer ?? ISSUER, clock: app.clock })
  t.teardown(alice.close)
  await alice.asUser(app.kit, { sub: 'alice' })
  // Cookies of the app's own, one of which looks like a fingerprint.
  alice.jar.receive(`${alice.origin}/`, ['theme=dark; Path=/', `csrf=${'x'.repeat(43)}; Path=/`])
  return { app, alice }
}

/** What a client has. */
function held({ token, refreshToken, jar }: TestClient): object {
  return { token, refreshToken, cookies: jar.all().map(({ name }) => name) }
}

const status = async (answer: Promise<Response>): Promise<number> => (await answer).status

for (const [label, options] of VARIANTS) {
  test(`each half of the pair alone opens nothing, and its owner goes on: ${label}`, async (t) => {
    const { app, alice } = await open(t, options)
    for (const [loot, codes] of [
      ['token', ['ERR_FINGERPRINT_MISSING']],
      // A request without a token is nobody's, and no event.
      ['cookie', []],
      ['refresh', ['ERR_FINGERPRINT_MISSING']],
    ] as const) {
      app.seen.length = 0
      const thief = steal(alice, loot)
      t.is(await status(thief.fetch('/me')), 401, loot)
      t.is(await status(thief.refresh()), 401, loot)
      t.deepEqual(codesOf(app.seen), [...codes], loot)
    }
    t.is(await status(alice.fetch('/me')), 200)
    t.is(await status(alice.refresh()), 200)
  })

  test(`a thief of one thing has that and nothing else, a thief of all has all: ${label}`, async (t) => {
    const { alice } = await open(t, options)
    const names = alice.jar.all().map(({ name }) => name)
    const named = (pattern: RegExp): string[] => names.filter((name) => pattern.test(name))
    const [access, refresh] = [named(/Access/), named(/Refresh/)]
    const fingerprint = named(/^(?!theme$|csrf$)(?!.*(?:Access|Refresh))/)
    const { token, refreshToken } = alice
    t.deepEqual([token === undefined, refreshToken === undefined], [access.length === 1, refresh.length === 1])
    t.is(fingerprint.length, 1)
    t.deepEqual(held(steal(alice, 'token')), { token, refreshToken: undefined, cookies: access })
    t.deepEqual(held(steal(alice, 'cookie')), { token: undefined, refreshToken: undefined, cookies: fingerprint })
    t.deepEqual(held(steal(alice, 'refresh')), { token: undefined, refreshToken, cookies: refresh })
    t.deepEqual(held(steal(alice, 'all')), held(alice))
    t.is(await status(steal(alice, 'all').fetch('/me')), 200, 'who has both halves is in: that is the limit')
    t.deepEqual(held(alice), { token, refreshToken, cookies: names }, 'the owner keeps it all')
  })

  test(`a refresh token that was replaced ends the session for both: ${label}`, async (t) => {
    const { app, alice } = await open(t, options)
    t.is((await replayRefresh(alice)).status, 401)
    t.deepEqual(codesOf(app.seen), ['ERR_REFRESH_REUSED_STALE'])
    t.is(await status(alice.fetch('/me')), 401)
    t.is(await status(alice.refresh()), 401)
    t.deepEqual(await app.kit.sessions('alice'), [])
  })

  test(`tabs that refresh at the same time are all given one successor, and go on: ${label}`, async (t) => {
    const { alice } = await open(t, options)
    const responses = await raceRefresh(alice, 8)
    t.deepEqual(
      responses.map((response) => response.status),
      Array<number>(8).fill(200),
    )
    const successors = await Promise.all(
      responses.map(async (response) => {
        const { refresh_token: refreshToken } = (await response.json()) as { refresh_token?: string }
        const cookies = response.headers.getSetCookie().filter((line) => !line.includes('Access'))
        return JSON.stringify([refreshToken, ...cookies])
      }),
    )
    t.is(new Set(successors).size, 1)
    const refreshToken =
      alice.refreshToken ?? alice.jar.all().flatMap(({ value }) => (parseRefreshToken(value) ? [value] : []))[0] ?? ''
    t.is(parseRefreshToken(refreshToken)?.generation, 1, 'the session was refreshed once')
    t.is(await status(alice.fetch('/me')), 200)
    t.is(await status(alice.refresh()), 200)
  })
}

test('with onSidejack: revoke a thief of the token ends the session', async (t) => {
  const { alice } = await open(t, { onSidejack: 'revoke' })
  t.is(await status(steal(alice, 'token').fetch('/me')), 401)
  t.is(await status(alice.fetch('/me')), 401)
})

test('what is not there cannot be stolen, and who is logged out cannot be replayed', async (t) => {
  const { alice } = await open(t)
  await alice.logout()
  for (const loot of ['token', 'cookie', 'refresh'] as const) {
    t.throws(() => steal(alice, loot), { message: /^loot: / })
  }
  await t.throwsAsync(replayRefresh(alice), { message: /^owner: expected one that can refresh, got 401/ })
  t.throws(() => steal(alice.fork(), 'all'), { message: /^loot: / })
  t.throws(() => steal(alice, 'cookies' as Loot), { instanceOf: TypeError, message: /^loot: / })
})

test('a token that was changed is refused, whatever was changed', async (t) => {
  const { app, alice } = await open(t)
  const token = alice.token ?? ''
  for (const [forged, code] of [
    [tamper(token, 'signature'), 'ERR_TOKEN_SIGNATURE'],
    [tamper(token, { claims: { sub: 'bob' } }), 'ERR_TOKEN_SIGNATURE'],
    [tamper(token, { claims: { fgp: undefined } }), 'ERR_TOKEN_SIGNATURE'],
    [tamper(token, { header: { kid: 'other' } }), 'ERR_TOKEN_KEY'],
    [tamper(token, { header: { alg: 'nOnE' } }), 'ERR_TOKEN_ALGORITHM'],
    [tamper(token, { header: { alg: 'none' } }), 'ERR_TOKEN_ALGORITHM'],
    [algNone(token), 'ERR_TOKEN_MALFORMED'],
    [algNone(token, { sub: 'bob' }), 'ERR_TOKEN_MALFORMED'],
  ] as const) {
    app.seen.length = 0
    const thief = alice.fork({ jar: alice.jar, token: forged })
    t.is(await status(thief.fetch('/me')), 401)
    t.deepEqual(codesOf(app.seen), [code])
  }
  t.is(await status(alice.fetch('/me')), 200)
})

test('of an encrypted token only the tag can be changed, and it is refused', async (t) => {
  const { app, alice } = await open(t, { accessToken: { encryption } })
  const token = alice.token ?? ''
  const thief = alice.fork({ jar: alice.jar, token: tamper(token, 'signature') })
  t.is(await status(thief.fetch('/me')), 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_DECRYPTION'])
  t.is(headerOf(token)['cty'], 'JWT')
  for (const read of [() => payloadOf(token), () => tamper(token, { claims: {} }), () => algNone(token)]) {
    t.throws(read, { instanceOf: TypeError, message: /^token: / })
  }
})

test('tamper changes what it is told to and nothing else', async (t) => {
  const { alice } = await open(t)
  const token = alice.token ?? ''
  const parts = token.split('.')
  const flipped = tamper(token, 'signature').split('.')
  t.deepEqual(flipped.slice(0, 2), parts.slice(0, 2))
  const bits = Buffer.from(flipped[2] ?? '', 'base64url').map(
    (byte, i) => byte ^ (Buffer.from(parts[2] ?? '', 'base64url')[i] ?? 0),
  )
  t.deepEqual([...bits], [1, ...Array<number>(63).fill(0)])

  t.is(tamper(token, {}), token)
  const claimed = tamper(token, { claims: { sub: 'bob', extra: 1, sid: undefined } })
  const { sid: _, ...rest } = payloadOf(token)
  t.deepEqual(payloadOf(claimed), { ...rest, sub: 'bob', extra: 1 })
  t.is(claimed.split('.')[2], parts[2])

  const unsigned = algNone(token)
  t.deepEqual(headerOf(unsigned), { ...headerOf(token), alg: 'none' })
  t.deepEqual(unsigned.split('.').slice(1), [parts[1], ''])
})
