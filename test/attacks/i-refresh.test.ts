// Attacks on refresh: stolen refresh tokens, races, forgeries by who knows only a session's name, and what is no refresh
// token at all. Whoever is honest goes on, whoever is not gets nothing, and no stranger can end anybody's session.

import { randomBytes } from 'node:crypto'
import { validateHeaderValue } from 'node:http'

import { setTimeout } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { ERROR_CODES, type ErrorCode } from '../../src/index.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import {
  codesOf,
  ISSUER,
  type Login,
  openTestApp,
  postLogout,
  postRefresh,
  refreshHeaders,
  type TestApp,
  toLogin,
} from '../helpers/app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { FAULT, openFaultyApp, type Verb } from '../helpers/faulty.ts'
import { sendRaw } from '../helpers/raw.ts'
import {
  assertGoesOn,
  assertOver,
  malformedTokens,
  partsOf,
  readSession,
  refresh,
  REFRESH_NAME,
  refuseRefresh,
  withToken,
} from '../helpers/refreshing.ts'
import { assertAnonymous, assertRefused, INVALID_TOKEN_BODY } from '../helpers/refused.ts'

const RACERS = 50
const ROUNDS = 100

test('I-05 RF-03 RF-02 of 50 racers nobody loses, a hundred times over; a replay after the window ends the family', async (t) => {
  t.timeout(60_000)
  const app = await openTestApp(t)
  const jar = createCookieJar({ clock: app.clock })
  const urls = { login: `${ISSUER}/auth/login`, refresh: `${ISSUER}/auth/refresh`, me: `${ISSUER}/me` }
  const { response, sid } = await app.login()
  jar.receive(urls.login, response.cookies)
  const races = async <T>(work: (i: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: RACERS }, (_, i) => work(i)))
  let stale = ''
  let last: Login[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    // At once, and after so long that the fingerprint cookie fills up and empties again.
    app.clock.advance([0, 1, 30, 300, 20, 899][round % 6] ?? 0)
    const before = jar.header(urls.refresh) ?? ''
    const headers = { Cookie: before, 'Sec-Fetch-Site': 'same-origin' }
    const answers = await races(() => app.request('POST', '/auth/refresh', headers))
    for (const { cookies } of answers) jar.receive(urls.refresh, cookies)
    t.deepEqual([...new Set(answers.map(({ status }) => status))], [200], `round ${round}`)
    t.is(new Set(answers.map(({ cookies }) => cookies.join())).size, 1, 'one refresh cookie, one fingerprint cookie')
    t.not(jar.header(urls.refresh), before)
    last = answers.map(toLogin)
    t.is(new Set(last.map(({ token }) => token)).size, RACERS)
    const known = await races((i) => app.me(last[i]?.token, jar.header(urls.me)))
    t.deepEqual([...new Set(known.map(({ status, text }) => `${status} ${text.includes(sid)}`))], ['200 true'])
    t.is((await readSession(app, { sid }))?.generation, round, 'one of them has rotated')
    stale = before
  }
  t.deepEqual(
    (await app.kit.sessions('alice')).map((session) => session.sid),
    [sid],
  )
  t.deepEqual(codesOf(app.seen), [], 'no refusal, least of all a sidejack')
  t.is(app.seen.filter(({ name }) => name === 'session_renewed').length, RACERS * ROUNDS)

  app.clock.advance(11)
  t.is((await app.me(last[0]?.token, jar.header(urls.me))).status, 200)
  const headers = { Cookie: stale, 'Sec-Fetch-Site': 'same-origin' }
  await assertRefused(t, app, () => app.request('POST', '/auth/refresh', headers), 'ERR_REFRESH_REUSED_RECENT')
  assertReuseTold(t, app, sid, 'ERR_REFRESH_REUSED_RECENT')
  await assertOver(t, app, last.slice(0, 1))
  const dead = await races((i) => app.me(last[i]?.token, jar.header(urls.me)))
  t.deepEqual([...new Set(dead.map(({ status }) => status))], [401])
  t.deepEqual(await app.kit.sessions('alice'), [])
})

/** Asserts that the last request was told as a reuse that ended the session. */
function assertReuseTold(t: ExecutionContext, app: TestApp, sid: string, code: ErrorCode): void {
  const told = app.seen.map(({ name, event }) => [name, { ...event, time: 0, request: undefined }] as const)
  t.deepEqual(told, [
    ['authn_token_reuse', { code, sub: 'alice', sid, time: 0, request: undefined }],
    ['authn_token_revoked', { target: { sid }, time: 0, request: undefined }],
    ['session_expired', { sub: 'alice', sid, reason: 'reuse', time: 0, request: undefined }],
  ] as never)
}

test('RF-02 a refresh token that was replaced ends the family, whoever of the two comes first', async (t) => {
  const rows: readonly (readonly [
    label: string,
    code: ErrorCode,
    generations: number,
    wait: number,
    spoil: (stolen: Login, other: Login) => Pick<Login, 'cookie' | 'refreshCookie'>,
  ])[] = [
    ['the previous one, too late', 'ERR_REFRESH_REUSED_RECENT', 1, 11, (stolen) => stolen],
    ['too late, without a fingerprint', 'ERR_REFRESH_REUSED_RECENT', 1, 11, (stolen) => ({ ...stolen, cookie: '' })],
    ['in time, without a fingerprint', 'ERR_REFRESH_REUSED_RECENT', 1, 1, (stolen) => ({ ...stolen, cookie: '' })],
    [
      'in time, with an empty one',
      'ERR_REFRESH_REUSED_RECENT',
      1,
      1,
      (stolen) => ({ ...stolen, cookie: '__Secure-Fgp=' }),
    ],
    [
      "in time, with another user's",
      'ERR_REFRESH_REUSED_RECENT',
      1,
      1,
      (stolen, { cookie }) => ({ ...stolen, cookie }),
    ],
    ['two generations back, in time', 'ERR_REFRESH_REUSED_STALE', 2, 1, (stolen) => stolen],
    ['two generations back, too late', 'ERR_REFRESH_REUSED_STALE', 2, 11, (stolen) => stolen],
    ['nine generations back', 'ERR_REFRESH_REUSED_STALE', 9, 100, (stolen) => stolen],
    ['long ago, without a fingerprint', 'ERR_REFRESH_REUSED_STALE', 9, 100, (stolen) => ({ ...stolen, cookie: '' })],
  ]
  for (const [label, code, generations, wait, spoil] of rows) {
    const app = await openTestApp(t)
    const other = await app.login('other')
    const logins = [await app.login()]
    for (let i = 0; i < generations; i += 1) logins.push(await refresh(t, app, logins.at(-1) as Login))
    const second = await app.login()
    const [stolen, newest] = [logins[0], logins.at(-1)] as [Login, Login]
    app.clock.advance(wait)
    await refuseRefresh(t, app, spoil(stolen, other), code, label)
    assertReuseTold(t, app, stolen.sid, code)
    await assertOver(t, app, [newest])
    // It is the family that ends, and nothing else of the user's.
    await assertGoesOn(t, app, second, label)
    await assertGoesOn(t, app, other, label)
  }
})

test('RF-02 a family that was ended while the store failed stays dead for as long as it could have lived', async (t) => {
  for (const [verb, ...waits] of [
    // While somebody tries again and again, or after nobody has.
    ['delete session', 0, 600, 3600, 86_400],
    ['delete session', 86_400],
    ['set revocation', 86_400],
  ] as const) {
    const app = await openFaultyApp(t)
    const login = await app.login('alice', { body: { remember: true } })
    const next = await refresh(t, app, login)
    app.clock.advance(11)
    app.store.broken.add(verb)
    const response = await postRefresh(app, login)
    t.deepEqual([response.status, response.text], [401, INVALID_TOKEN_BODY], 'the thief is refused either way')
    app.store.broken.clear()
    t.is((await app.me(next.token, next.cookie)).status, 401, verb)
    // What the store did not take is tried again, twice a second.
    while ((await app.store.get('session', login.sid)) !== undefined) await setTimeout(50)
    for (const seconds of waits) {
      app.clock.advance(seconds)
      // Others come and go meanwhile, so what has expired is forgotten.
      const other = await app.login('other')
      t.is((await app.me(other.token, other.cookie)).status, 200)
      t.is((await postRefresh(app, next)).status, 401, `${verb}: ${seconds} seconds later it is alive again`)
    }
  }
})

const draw = (bytes: number): string => randomBytes(bytes).toString('base64url')

test('RF-02 a stranger who knows only the sid is refused and ends nothing', async (t) => {
  const app = await openTestApp(t)
  const [first, mine] = [await app.login(), await app.login('stranger')]
  const victim = await refresh(t, app, first)
  const { sid } = victim
  const own = partsOf(mine)
  const rest = `${draw(16)}${draw(32)}`
  const rows: readonly (readonly [label: string, token: string])[] = [
    ...[0, 1, 2, 3, 999_999_999].map((generation) => [`drawn, ${generation}`, `${sid}.${generation}.${rest}`] as const),
    ...[0, 1, 2].map((generation) => {
      return [`the own secrets, ${generation}`, `${sid}.${generation}.${own.family}${own.secret}`] as const
    }),
    ['all the same letter', `${sid}.1.${'A'.repeat(65)}`],
    ['the sid as the family', `${sid}.0.${sid}${draw(32)}`],
  ]
  for (const [label, token] of rows) {
    // With no fingerprint, the own and, were it known, the right one.
    for (const cookie of ['', mine.cookie, victim.cookie]) {
      await refuseRefresh(t, app, withToken({ cookie }, token), 'ERR_REFRESH_FORGED', label)
      t.deepEqual(
        app.seen.map(({ name }) => name),
        ['authn_token_reuse'],
        label,
      )
    }
  }
  await assertGoesOn(t, app, victim)
  await assertGoesOn(t, app, mine)
})

test('RF-02 not even with a part of the genuine token can anyone end the session or go on with it', async (t) => {
  const app = await openTestApp(t)
  const first = await app.login()
  const victim = await refresh(t, app, first)
  const [old, now] = [partsOf(first), partsOf(victim)]
  const zero = 'A'.repeat(43)
  for (const [label, { generation, family, secret }] of [
    ['a wrong secret for the current generation', { ...now, secret: zero }],
    ['the secret before for the current generation', { ...now, secret: old.secret }],
    ['a generation to come', { ...now, generation: 2 }],
    ['one far off', { ...now, generation: 999_999_999 }],
    ['a wrong secret for the previous generation', { ...old, secret: zero }],
    ['the current secret for the previous generation', { ...now, generation: 0 }],
    ['another family', { ...now, family: 'A'.repeat(22) }],
    ['another family, previous generation', { ...old, family: 'A'.repeat(22) }],
    ['the secret in another case', { ...now, secret: swapCase(now.secret) }],
    ['the twin of the secret', { ...now, secret: twin(now.secret) }],
    ['the twin of the family', { ...now, family: twin(now.family) }],
  ] as const) {
    t.not(`${generation}.${family}${secret}`, `1.${now.family}${now.secret}`)
    for (const cookie of ['', victim.cookie]) {
      const pair = withToken({ cookie }, `${victim.sid}.${generation}.${family}${secret}`)
      await refuseRefresh(t, app, pair, 'ERR_REFRESH_FORGED', label)
    }
  }
  await assertGoesOn(t, app, victim)
})

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Other text for the same bytes: the last bit of the last character means nothing in 128 bits, nor in 256. */
const twin = (text: string): string => text.slice(0, -1) + (ALPHABET[ALPHABET.indexOf(text.at(-1) ?? '') ^ 1] ?? '')

const swapCase = (text: string): string =>
  text.replace(/[a-z]/gi, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()))

test('RF-02 a refresh token of no session, or of one that has ended, is refused', async (t) => {
  const app = await openTestApp(t)
  const [login, ended] = [await app.login(), await app.login('bob')]
  const { family, secret } = partsOf(login)
  for (const sid of [draw(16), '_'.repeat(22), `__proto__${'A'.repeat(13)}`]) {
    await refuseRefresh(t, app, withToken(login, `${sid}.0.${family}${secret}`), 'ERR_SESSION_EXPIRED', sid)
    t.deepEqual(
      app.seen.map(({ name }) => name),
      ['session_use_after_expire'],
    )
  }
  await postLogout(app, ended)
  await refuseRefresh(t, app, ended, 'ERR_TOKEN_REVOKED')
  // Nor does it say more to who knows only the name.
  await refuseRefresh(t, app, withToken(login, `${ended.sid}.0.${family}${secret}`), 'ERR_TOKEN_REVOKED')
  await assertGoesOn(t, app, login)
})

/** Whether Node's client and its server let this through, so that it reaches the kit as it is. */
function fitsHeader(value: string): boolean {
  try {
    validateHeaderValue('Cookie', value)
    return !value.includes(';')
  } catch {
    return false
  }
}

test('RF-06 what is no refresh token is refused before the store is asked, and uses nothing up', async (t) => {
  const app = await openFaultyApp(t)
  const login = await app.login()
  const malformed = malformedTokens(login.refreshToken).filter(fitsHeader)
  t.true(malformed.length > 90)
  await app.me('nonsense')
  for (const token of malformed) {
    app.clock.advance(1)
    const asked = app.store.calls.length
    // The refresh cookie first, so that Node trims nothing of it.
    const Cookie = `${REFRESH_NAME}=${token}; ${login.cookie}`
    const label = JSON.stringify(token.slice(0, 100))
    const send = () => app.request('POST', '/auth/refresh', { Cookie, 'Sec-Fetch-Site': 'same-origin' })
    await assertRefused(t, app, send, 'ERR_REFRESH_MALFORMED', label)
    t.deepEqual(app.store.calls.slice(asked), [], label)
    for (const part of token.split(/[^\w-]/)) {
      if (part.length > 20 && part !== login.sid) t.false(JSON.stringify(app.seen).includes(part), 'told in an event')
    }
  }
  await assertGoesOn(t, app, login)
})

test('RF-06 the same in a body, where every character may be', async (t) => {
  const app = await openFaultyApp(t, { refreshToken: { transport: 'body' } })
  const { response, cookie: Cookie, sid } = await app.login()
  const genuine = response.json['refresh_token'] as string
  const post = (token: string) =>
    app.request(
      'POST',
      '/auth/refresh',
      { 'Content-Type': 'application/json', Cookie },
      JSON.stringify({ refresh_token: token }),
    )
  for (const token of malformedTokens(genuine)) {
    app.clock.advance(1)
    const asked = app.store.calls.length
    const label = JSON.stringify(token.slice(0, 100))
    if (Buffer.byteLength(JSON.stringify(token)) > 16_000) {
      t.is((await post(token)).status, 413, label)
      continue
    }
    await assertRefused(t, app, () => post(token), 'ERR_REFRESH_MALFORMED', label)
    t.deepEqual(app.store.calls.slice(asked), [], label)
  }
  t.is((await readSession(app, { sid }))?.generation, 0)
  t.is((await post(genuine)).status, 200)
})

test('RF-06 control characters in a Cookie header do not get as far as the kit', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  for (const bad of ['\0', '\u0001', '\u007f', '\r', '\n', '\u001b']) {
    const lines = ['POST /auth/refresh HTTP/1.1', 'Host: app.example', 'X-Forwarded-Proto: https', 'Connection: close']
    const cookie = `Cookie: ${login.cookie}; ${login.refreshCookie}${bad}`
    const { status, text } = await sendRaw(
      app.port,
      [...lines, 'Sec-Fetch-Site: same-origin', 'Content-Length: 0', cookie, '', ''].join('\r\n'),
    )
    t.is(status, 400, JSON.stringify(bad))
    t.false(/set-cookie/i.test(text))
  }
  t.is((await readSession(app, login))?.generation, 0)
})

test('RF-02 G-02 two refresh cookies, or two fingerprint cookies, are refused in both orders, and use nothing up', async (t) => {
  const app = await openTestApp(t)
  const [login, other] = [await app.login(), await app.login('planter')]
  const victim = await refresh(t, app, login)
  app.clock.advance(11)
  const record = await readSession(app, victim)
  const name = victim.cookie.split('=')[0]
  const AMBIGUOUS = { refresh: 'ERR_REFRESH_AMBIGUOUS', fingerprint: 'ERR_FINGERPRINT_AMBIGUOUS' } as const
  const rows: readonly (readonly [keyof typeof AMBIGUOUS, own: string, planted: string, beside: string])[] = [
    ...[other.refreshCookie, `${REFRESH_NAME}=`, `${REFRESH_NAME}=x`, victim.refreshCookie, login.refreshCookie].map(
      (planted) => ['refresh', victim.refreshCookie, planted, victim.cookie] as const,
    ),
    ...[other.cookie, `${name}=`, `${name}=x`, victim.cookie].map(
      (planted) => ['fingerprint', victim.cookie, planted, victim.refreshCookie] as const,
    ),
    // With a planted fingerprint, the old token of a thief, or of a slow tab, ends nothing either.
    ['fingerprint', victim.cookie, other.cookie, login.refreshCookie],
    ['fingerprint', login.cookie, other.cookie, login.refreshCookie],
  ]
  for (const [kind, own, planted, beside] of rows) {
    for (const cookies of [
      [own, planted, beside],
      [planted, own, beside],
      [beside, own, planted],
      [beside, planted, own],
      [planted, beside, own],
    ]) {
      const label = cookies.map((one) => one.slice(0, 20)).join(', ')
      const site = ['Sec-Fetch-Site', 'same-origin'] as const
      const inOne = [site, ['Cookie', cookies.join('; ')] as const]
      // And in a header each, which Node joins.
      for (const headers of [inOne, [site, ...cookies.map((one) => ['Cookie', one] as const)]]) {
        await assertRefused(t, app, () => app.request('POST', '/auth/refresh', headers), AMBIGUOUS[kind], label)
        t.is(app.seen.length, 1, label)
      }
      t.deepEqual(await readSession(app, victim), record, label)
    }
  }
  await assertGoesOn(t, app, victim)
})

test('EL-04 FP-10 every refusal of a refresh is the same answer, byte for byte, and sets no cookie', async (t) => {
  let isDisabled = false
  const app = await openTestApp(t, { reauthorize: () => (isDisabled ? null : {}) })
  const other = await app.login('other')
  const expired = await app.login('expired')
  app.clock.advance(1801)
  const fresh = () => app.login('alice')
  const replaced = async (generations: number): Promise<Login> => {
    const first = await fresh()
    let login = first
    for (let i = 0; i < generations; i += 1) login = await refresh(t, app, login)
    return first
  }
  type Pair = Pick<Login, 'cookie' | 'refreshCookie'>
  const rows: readonly (readonly [ErrorCode, () => Promise<Pair>])[] = [
    ['ERR_COOKIE_MALFORMED', async () => ({ ...(await fresh()), cookie: 'a=b; ' })],
    ['ERR_REFRESH_MALFORMED', async () => withToken(await fresh(), 'x')],
    ['ERR_REFRESH_AMBIGUOUS', async () => ({ ...(await fresh()), cookie: other.refreshCookie })],
    ['ERR_REFRESH_FORGED', async () => withToken(await fresh(), `${(await fresh()).sid}.0.${'A'.repeat(65)}`)],
    ['ERR_REFRESH_REUSED_RECENT', async () => ({ ...(await replaced(1)), cookie: other.cookie })],
    ['ERR_REFRESH_REUSED_STALE', () => replaced(2)],
    ['ERR_FINGERPRINT_MISSING', async () => ({ ...(await fresh()), cookie: '' })],
    ['ERR_FINGERPRINT_MISMATCH', async () => ({ ...(await fresh()), cookie: other.cookie })],
    [
      'ERR_FINGERPRINT_AMBIGUOUS',
      async () => {
        const login = await fresh()
        return { ...login, cookie: `${login.cookie}; ${other.cookie}` }
      },
    ],
    ['ERR_SESSION_EXPIRED', async () => expired],
    [
      'ERR_TOKEN_REVOKED',
      async () => {
        const login = await fresh()
        await app.kit.revoke({ sid: login.sid })
        return login
      },
    ],
    [
      'ERR_REAUTHORIZATION_FAILED',
      async () => {
        const login = await fresh()
        isDisabled = true
        return login
      },
    ],
  ]
  const known = Object.keys(ERROR_CODES).filter((code) => /^ERR_(?:REFRESH|FINGERPRINT|SESSION_EX|REAUTH)/.test(code))
  const covered = new Set<string>(['ERR_REFRESH_MISSING', ...rows.map(([code]) => code)])
  t.deepEqual(
    known.filter((code) => !covered.has(code)),
    [],
    'a code without a row',
  )
  for (const [code, make] of rows) {
    const pair = await make()
    await refuseRefresh(t, app, pair, code)
    isDisabled = false
  }
  // No refresh token is no wrong one: a bare challenge, and nothing told.
  for (const pair of [
    { cookie: '', refreshCookie: '' },
    { cookie: other.cookie, refreshCookie: '' },
    { cookie: other.cookie, refreshCookie: `${REFRESH_NAME}=` },
    { cookie: other.cookie, refreshCookie: `${REFRESH_NAME.toLowerCase()}=${other.refreshToken}` },
    { cookie: other.cookie, refreshCookie: `X${REFRESH_NAME}=${other.refreshToken}` },
    { cookie: other.cookie, refreshCookie: `${REFRESH_NAME} =${other.refreshToken}` },
  ]) {
    await assertAnonymous(t, app, () => postRefresh(app, pair), JSON.stringify(pair))
  }
  const inUrl = `/auth/refresh?refresh_token=${other.refreshToken}&${REFRESH_NAME}=${other.refreshToken}`
  await assertAnonymous(t, app, () => app.request('POST', inUrl, refreshHeaders({ ...other, refreshCookie: '' })))
  const asBearer = { ...refreshHeaders({ ...other, refreshCookie: '' }), Authorization: `Bearer ${other.refreshToken}` }
  await assertAnonymous(t, app, () => app.request('POST', '/auth/refresh', asBearer))
})

test('I-06 the refresh token of one user with the fingerprint of another is refused and not used up', async (t) => {
  const app = await openTestApp(t)
  const [alice, bob] = [await app.login('alice'), await app.login('bob')]
  await refuseRefresh(t, app, { ...alice, cookie: bob.cookie }, 'ERR_FINGERPRINT_MISMATCH')
  await refuseRefresh(t, app, { ...bob, cookie: alice.cookie }, 'ERR_FINGERPRINT_MISMATCH')
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['sidejack'],
  )
  t.is(payloadOf((await assertGoesOn(t, app, alice)).token)['sub'], 'alice')
  t.is(payloadOf((await assertGoesOn(t, app, bob)).token)['sub'], 'bob')
})

test('I-07 RF-12 RF-04 a disabled account, the absolute end and a larger scope stop a refresh', async (t) => {
  const disabled = new Set<string>()
  const app = await openTestApp(t, {
    session: { absolute: '1h', idle: '1h' },
    reauthorize: ({ sub }) => (disabled.has(sub) ? null : {}),
  })
  const mallory = await app.login('mallory')
  let alice = await app.login('alice', { body: { scope: 'read' } })
  alice = await assertGoesOn(t, app, alice)
  disabled.add('mallory')
  await refuseRefresh(t, app, mallory, 'ERR_REAUTHORIZATION_FAILED')
  disabled.clear()
  await assertOver(t, app, [mallory])
  const larger = await app.request(
    'POST',
    '/auth/refresh',
    { ...refreshHeaders(alice), 'Content-Type': 'application/json' },
    JSON.stringify({ scope: 'read write' }),
  )
  t.deepEqual([larger.status, larger.json['error'], larger.cookies], [400, 'invalid_scope', []])
  for (let minute = 10; minute < 60; minute += 10) {
    app.clock.advance(600)
    alice = await assertGoesOn(t, app, alice)
  }
  app.clock.advance(600)
  await refuseRefresh(t, app, alice, 'ERR_SESSION_EXPIRED')
})

test('I-09 a thief is refused while the store fails, and no refresh is a success that the store has not taken', async (t) => {
  const verbs: readonly Verb[] = ['get', 'set', 'add', 'swap', 'delete', 'list']
  for (const verb of verbs) {
    const app = await openFaultyApp(t)
    const login = await app.login()
    const next = await refresh(t, app, login)
    app.clock.advance(11)
    app.store.broken.add(verb)
    const stolen = await postRefresh(app, login)
    t.true([401, 503].includes(stolen.status), verb)
    t.deepEqual(stolen.cookies, [], verb)
    t.false(stolen.text.includes(FAULT))
    app.store.broken.clear()
    // Whether or not it could be seen for what it was, once the store is back the family ends at the latest.
    await postRefresh(app, login)
    t.is((await app.me(next.token, next.cookie)).status, 401, verb)
    t.is((await postRefresh(app, next)).status, 401, verb)
  }
})
