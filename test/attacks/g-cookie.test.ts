// Attacks on the cookie half of the pair: the token has been stolen, the cookie is missing, forged, planted or bent.

import { request as httpRequest } from 'node:http'

import test from 'ava'

import type { ErrorCode } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  ISSUER,
  type Login,
  openTestApp,
  postRefresh,
  refreshHeaders,
  type TestApp,
} from '../helpers/app.ts'
import { leastCost } from '../helpers/cost.ts'
import { payloadOf } from '../helpers/decode.ts'
import { sendRaw } from '../helpers/raw.ts'
import { assertRefused } from '../helpers/refused.ts'

const NAME = '__Secure-Fgp'
const REFRESH_NAME = '__Secure-Refresh'
const FORMATS = ['base64url', 'owasp'] as const

interface Case {
  readonly what: string
  readonly cookie: (c: string, login: Login) => string | string[]
  readonly code: ErrorCode
}

const MISSING = 'ERR_FINGERPRINT_MISSING'
const MISMATCH = 'ERR_FINGERPRINT_MISMATCH'
const AMBIGUOUS = 'ERR_FINGERPRINT_AMBIGUOUS'
const MALFORMED = 'ERR_COOKIE_MALFORMED'

const CASES: Readonly<Record<string, readonly Case[]>> = {
  'G-01 a token without its cookie, or with an empty one, is refused': [
    { what: 'no value', cookie: () => `${NAME}=`, code: MISMATCH },
    { what: 'no equals sign', cookie: () => NAME, code: MISSING },
    { what: 'another cookie', cookie: (c) => `other=${c}`, code: MISSING },
    { what: 'only semicolons', cookie: () => ';', code: MALFORMED },
  ],
  'G-02 CK-15 a second cookie of the name is refused in every order': [
    { what: 'evil first', cookie: (c) => `${NAME}=evil; ${NAME}=${c}`, code: AMBIGUOUS },
    { what: 'evil last', cookie: (c) => `${NAME}=${c}; ${NAME}=evil`, code: AMBIGUOUS },
    { what: 'empty first', cookie: (c) => `${NAME}=; ${NAME}=${c}`, code: AMBIGUOUS },
    { what: 'empty last', cookie: (c) => `${NAME}=${c}; ${NAME}=`, code: AMBIGUOUS },
    { what: 'twice the right one', cookie: (c) => `${NAME}=${c}; ${NAME}=${c}`, code: AMBIGUOUS },
    { what: 'another between', cookie: (c) => `${NAME}=evil; a=b; ${NAME}=${c}`, code: AMBIGUOUS },
    { what: 'two headers, evil first', cookie: (c) => [`${NAME}=evil`, `${NAME}=${c}`], code: AMBIGUOUS },
    { what: 'two headers, evil last', cookie: (c) => [`${NAME}=${c}`, `${NAME}=evil`], code: AMBIGUOUS },
    { what: 'two wrong ones', cookie: () => `${NAME}=evil; ${NAME}=worse`, code: MISMATCH },
  ],
  'G-03 CK-17 quotes, spaces and commas are not repaired': [
    { what: 'quoted', cookie: (c) => `${NAME}="${c}"`, code: MISMATCH },
    { what: 'leading quote and one more character', cookie: (c) => `${NAME}="${c}x`, code: MISMATCH },
    { what: 'trailing semicolon and space', cookie: (c) => `${NAME}=${c}; `, code: MALFORMED },
    { what: 'trailing spaces', cookie: (c) => `${NAME}=${c}  ; a=b`, code: MISMATCH },
    { what: 'space before the value', cookie: (c) => `${NAME}= ${c}`, code: MISMATCH },
    { what: 'space before the equals sign', cookie: (c) => `${NAME} =${c}`, code: MISSING },
    { what: 'tab before the name', cookie: (c) => `a=b;\t${NAME}=${c}`, code: MISSING },
    { what: 'two spaces before the name', cookie: (c) => `a=b;  ${NAME}=${c}`, code: MISSING },
    { what: 'after a comma', cookie: (c) => `a=b, ${NAME}=${c}`, code: MISSING },
    { what: 'before a comma', cookie: (c) => `${NAME}=${c}, a=b`, code: MISMATCH },
    { what: 'empty pair', cookie: (c) => `a=b;; ${NAME}=${c}`, code: MALFORMED },
  ],
  'G-04 CK-16 a name that is only nearly the name is another cookie': [
    { what: 'lower case', cookie: (c) => `__secure-fgp=${c}`, code: MISSING },
    { what: 'upper case', cookie: (c) => `__SECURE-FGP=${c}`, code: MISSING },
    { what: 'nameless', cookie: (c) => `=${NAME}=${c}`, code: MISSING },
    { what: 'signature only', cookie: (c) => `${NAME}.sig=${c}`, code: MISSING },
    { what: 'without prefix', cookie: (c) => `Fgp=${c}`, code: MISSING },
    { what: 'the stronger prefix', cookie: (c) => `__Host-Fgp=${c}`, code: MISSING },
    { what: 'longer', cookie: (c) => `x${NAME}=${c}`, code: MISSING },
    { what: 'encoded', cookie: (c) => `__Secure%2DFgp=${c}`, code: MISSING },
  ],
  'G-05 a value that is bent in any way is not the value': [
    { what: 'case flipped', cookie: (c) => `${NAME}=${flipCase(c)}`, code: MISMATCH },
    { what: 'all lower case', cookie: (c) => `${NAME}=${c.toLowerCase()}`, code: MISMATCH },
    { what: 'first character changed', cookie: (c) => `${NAME}=${bump(c, 0)}`, code: MISMATCH },
    { what: 'last character changed', cookie: (c) => `${NAME}=${bump(c, c.length - 1)}`, code: MISMATCH },
    { what: 'truncated', cookie: (c) => `${NAME}=${c.slice(0, -1)}`, code: MISMATCH },
    { what: 'without its first', cookie: (c) => `${NAME}=${c.slice(1)}`, code: MISMATCH },
    { what: 'padded', cookie: (c) => `${NAME}=${c}=`, code: MISMATCH },
    { what: 'one more', cookie: (c) => `${NAME}=${c}A`, code: MISMATCH },
    { what: 'doubled', cookie: (c) => `${NAME}=${c}${c}`, code: MISMATCH },
    { what: '8 KB', cookie: (c) => `${NAME}=${c.repeat(200).slice(0, 8192)}`, code: MISMATCH },
    { what: 'percent-encoded', cookie: (c) => `${NAME}=%${hex(c)}${c.slice(1)}`, code: MISMATCH },
    { what: 'non-ASCII', cookie: (c) => `${NAME}=\u00e9${c.slice(1)}`, code: MISMATCH },
    // U+0141 is not Latin-1; its low byte is `A`, for readers that drop the high one.
    {
      what: 'UTF-8',
      cookie: (c) => `${NAME}=${Buffer.from('\u0141').toString('latin1')}${c.slice(1)}`,
      code: MISMATCH,
    },
    { what: 'a high bit', cookie: (c) => `${NAME}=${setHighBit(c)}`, code: MISMATCH },
  ],
  'G-06 the hash that is in the stolen token does not stand in for the cookie': [
    { what: 'as it is', cookie: (_, { token }) => `${NAME}=${digestIn(token)}`, code: MISMATCH },
    { what: 'as hex', cookie: (_, { token }) => `${NAME}=${reencode(digestIn(token), 'hex')}`, code: MISMATCH },
    {
      what: 'as base64url',
      cookie: (_, { token }) => `${NAME}=${reencode(digestIn(token), 'base64url')}`,
      code: MISMATCH,
    },
    { what: 'beside nothing', cookie: (_, { sid }) => `${NAME}=${sid}`, code: MISMATCH },
  ],
}

for (const [title, cases] of Object.entries(CASES)) {
  for (const format of FORMATS) {
    test(`${title} (${format})`, async (t) => {
      const app = await openTestApp(t, { fingerprint: { format } })
      const login = await app.login()
      for (const { what, cookie, code } of cases) {
        const headers = { Authorization: `Bearer ${login.token}`, Cookie: cookie(login.fingerprint, login) }
        await assertRefused(t, app, () => app.request('GET', '/me', headers), code, what)
      }
      t.is((await app.me(login.token, login.cookie)).status, 200, 'the genuine pair still works')
    })
  }
}

test('G-01 a stolen token alone is refused and raises the alarm', async (t) => {
  const app = await openTestApp(t)
  const { token, sid } = await app.login()
  await assertRefused(t, app, () => app.me(token), MISSING)
  const [alarm] = app.seen
  t.is(alarm?.name, 'sidejack')
  t.is(alarm !== undefined && 'sid' in alarm.event ? alarm.event.sid : undefined, sid)
})

test('G-02 a planted cookie is not taken for a theft, so it cannot end the session of its victim', async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const { token, cookie } = await app.login()
  for (const planted of [`${NAME}=evil; ${cookie}`, `${cookie}; ${NAME}=evil`]) {
    await assertRefused(t, app, () => app.me(token, planted), AMBIGUOUS)
    t.false(app.seen.some(({ name }) => name === 'sidejack' || name === 'session_expired'))
  }
  t.is((await app.me(token, cookie)).status, 200)
})

test('G-02 a planted cookie does not keep its victim from logging out', async (t) => {
  const app = await openTestApp(t)
  for (const plant of [(c: string) => `${NAME}=evil; ${c}`, (c: string) => `${c}; ${NAME}=evil`]) {
    const { token, cookie } = await app.login()
    await app.request('POST', '/auth/logout', { Authorization: `Bearer ${token}`, Cookie: plant(cookie) })
    t.is((await app.me(token, cookie)).status, 401)
  }
  // Nor does one of the other name, where the token has expired or was forgotten.
  const mallory = await app.login('mallory')
  for (const planted of [`${REFRESH_NAME}=evil`, mallory.refreshCookie]) {
    const { token, cookie, refreshCookie } = await app.login()
    const headers = { Cookie: `${planted}; ${cookie}; ${refreshCookie}`, 'Sec-Fetch-Site': 'same-origin' }
    t.is((await app.request('POST', '/auth/logout', headers)).status, 204)
    t.is((await app.me(token, cookie)).status, 401)
  }
})

test('G-02 a pair of the attacker does not pass beside a cookie of the victim', async (t) => {
  const app = await openTestApp(t)
  const victim = await app.login('alice')
  const attacker = await app.login('mallory')
  await assertRefused(t, app, () => app.me(victim.token, attacker.cookie), MISMATCH)
  await assertRefused(t, app, () => app.me(attacker.token, victim.cookie), MISMATCH)
  const both = `${attacker.cookie}; ${victim.cookie}`
  await assertRefused(t, app, () => app.me(attacker.token, both), AMBIGUOUS)
  await assertRefused(t, app, () => app.me(victim.token, both), AMBIGUOUS)
})

test('G-05 a NUL or a line break in the value never reaches the app as a valid pair', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  for (const bent of [`${cookie}\0`, `${NAME}=\0${cookie.slice(NAME.length + 1)}`, `${cookie}\r`, `a=b\n${cookie}`]) {
    const head = `GET /me HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n`
    const { status } = await sendRaw(app.port, `${head}Authorization: Bearer ${token}\r\nCookie: ${bent}\r\n\r\n`)
    t.true(status === 400 || status === 401, `answered ${status}`)
  }
  t.is(app.handled.count, 0)
  t.is((await app.me(token, cookie)).status, 200)
})

test('G-07 a login that carries a planted fingerprint draws a new one', async (t) => {
  const app = await openTestApp(t)
  const planted = 'A'.repeat(43)
  const token = `${'S'.repeat(22)}.0.${'T'.repeat(65)}`
  for (const Cookie of [
    ...[`${NAME}=${planted}`, `${NAME}=${planted}; ${NAME}=${'B'.repeat(43)}`, `${NAME}=`, NAME],
    ...[`${NAME}=${planted}; ${REFRESH_NAME}=${token}`, `${REFRESH_NAME}=${token}; ${REFRESH_NAME}=`, REFRESH_NAME],
  ]) {
    const victim = await app.login('alice', { headers: { Cookie } })
    t.deepEqual(
      victim.response.cookies.map((line) => line.split('=')[0]),
      [NAME, REFRESH_NAME],
    )
    t.regex(victim.fingerprint, /^[\w-]{43}$/)
    t.not(victim.fingerprint, planted)
    t.regex(victim.refreshToken, /^[\w-]{22}\.0\.[\w-]{65}$/)
    t.false(victim.refreshToken.includes('SSSSSSSS') || victim.refreshToken.includes('TTTTTTTT'))
    await assertRefused(t, app, () => app.me(victim.token, `${NAME}=${planted}`), MISMATCH)
    t.is((await app.me(victim.token, victim.cookie)).json['sub'], 'alice')
  }
})

test('G-07 a login from a browser with the whole pair of an attacker shares nothing with it', async (t) => {
  const app = await openTestApp(t)
  const attacker = await app.login('mallory')
  const headers = bearer({ ...attacker, cookie: refreshHeaders(attacker).Cookie })
  const victim = await app.login('alice', { headers })
  t.not(victim.fingerprint, attacker.fingerprint)
  t.not(victim.sid, attacker.sid)
  const [own, foreign] = [victim, attacker].map(({ refreshToken }) => refreshToken.split('.')[2] ?? '')
  t.not(own?.slice(0, 22), foreign?.slice(0, 22))
  t.not(own?.slice(22), foreign?.slice(22))
  await assertRefused(t, app, () => app.me(victim.token, attacker.cookie), MISMATCH)
  // The login ended the session that was presented, as it should.
  await assertRefused(t, app, () => app.me(attacker.token, attacker.cookie), 'ERR_TOKEN_REVOKED')
  await assertRefused(t, app, () => postRefresh(app, attacker), 'ERR_TOKEN_REVOKED')
})

test('G-07 a refresh token that an attacker planted beside the own fingerprint refreshes nothing', async (t) => {
  const app = await openTestApp(t)
  const [victim, attacker] = [await app.login('alice'), await app.login('mallory')]
  const planted = { cookie: victim.cookie, refreshCookie: attacker.refreshCookie }
  await assertRefused(t, app, () => postRefresh(app, planted), MISMATCH)
  t.is((await postRefresh(app, victim)).status, 200)
})

test('G-08 sixty other cookies, or 15 KB of them, crash nothing and hide nothing', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const many = Array.from({ length: 60 }, (_, i) => `c${i}=${i}`).join('; ')
  await assertRefused(t, app, () => app.me(token, many), MISSING)
  t.is((await app.me(token, `${many}; ${cookie}`)).status, 200)
  t.is((await app.me(token, `${cookie}; ${many}`)).status, 200)
  // Headers of more than 16 KiB in all are Node's to refuse.
  const fat = Array.from({ length: 15 }, (_, i) => `f${i}=${'x'.repeat(1000)}`).join('; ')
  const answer = await app.me(token, fat)
  t.true([401, 431].includes(answer.status), `answered ${answer.status}`)
  const semicolons = ';'.repeat(14_000)
  await assertRefused(t, app, () => app.me(token, semicolons), MALFORMED)
  t.is((await app.me(token, cookie)).status, 200, 'the server is alive')
})

test('G-08 sixty other cookies, or 15 KB of them, crash no refresh and hide nothing from it', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const many = Array.from({ length: 60 }, (_, i) => `c${i}=${i}`).join('; ')
  const fat = Array.from({ length: 15 }, (_, i) => `f${i}=${'x'.repeat(1000)}`).join('; ')
  t.true([401, 431].includes((await postRefresh(app, { cookie: fat, refreshCookie: '' })).status))
  await assertRefused(t, app, () => postRefresh(app, { cookie: ';'.repeat(14_000), refreshCookie: '' }), MALFORMED)
  t.is((await postRefresh(app, { ...login, cookie: `${many}; ${login.cookie}` })).status, 200)
})

test('G-09 cookies named like prototype members or like patterns are ignored', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const names = [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    '.*',
    '(',
    '[',
    '__Secure.Fgp',
    '+',
  ]
  const strange = names.map((name) => `${name}=1`).join('; ')
  t.is((await app.me(token, `${strange}; ${cookie}`)).status, 200)
  await assertRefused(t, app, () => app.me(token, strange), MISSING)
  t.false('1' in {}, 'no prototype was touched')
  t.is(({} as { constructor: unknown }).constructor, Object)
})

test('G-09 a configured name with pattern characters is matched by the letter', async (t) => {
  const app = await openTestApp(t, { cookie: { name: '__Secure-a.b+|^$' } })
  const { token, cookie, fingerprint } = await app.login()
  t.is(cookie, `__Secure-a.b+|^$=${fingerprint}`)
  t.is((await app.me(token, cookie)).status, 200)
  for (const name of ['__Secure-aXb+|^$', '__Secure-a', '__Secure-a.bb', '']) {
    await assertRefused(t, app, () => app.me(token, `${name}=${fingerprint}`), MISSING, name)
  }
})

test('G-10 CK-19 a client that says X-Forwarded-Proto: https is not believed without proxy trust', async (t) => {
  const app = await openTestApp(t, { proxy: false })
  for (const value of ['https', 'HTTPS', 'https, http', `https${' '.repeat(8000)},http`]) {
    app.seen.length = 0
    const response = await loginWith(app, [['X-Forwarded-Proto', value]])
    t.is(response.status, 500)
    t.deepEqual(response.cookies, [])
    t.deepEqual(codesOf(app.seen), ['ERR_TRANSPORT_INSECURE'])
    t.false(response.text.includes('access_token'))
  }
})

// Serial, since it measures the time of the whole process.
test.serial('G-10 a long X-Forwarded-Proto costs nothing (CVE-2025-25200)', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const values = [`x${' '.repeat(14_000)}y`, `${' ,'.repeat(7000)}y`, `x${'\t'.repeat(14_000)}y`, 'https,'.repeat(2300)]
  for (const value of values) {
    // A backtracking pattern takes a second and more.
    const cost = await leastCost(100, async () => {
      t.true([200, 400, 401, 500].includes((await app.me(token, cookie, { 'X-Forwarded-Proto': value })).status))
      t.true([200, 500].includes((await loginWith(app, [['X-Forwarded-Proto', value]])).status))
    })
    t.true(cost < 100, `took ${cost} ms`)
  }
})

test('G-11 a hostile Host header changes nothing that the kit says (CVE-2026-27959)', async (t) => {
  const app = await openTestApp(t)
  for (const host of ['evil:x@good', 'evil.example', 'app.example@evil.example', 'evil.example:443', '']) {
    const pairs = [
      ['Host', host],
      ['X-Forwarded-Host', 'evil.example'],
    ] as const
    const response = await loginWith(app, pairs)
    t.is(response.status, 200, host)
    const claims = payloadOf(response.json['access_token'] as string)
    t.is(claims['iss'], ISSUER, host)
    t.is(claims['aud'], ISSUER, host)
    t.is(claims['client_id'], ISSUER, host)
    t.false(JSON.stringify([response.headers, claims]).includes('evil'), host)
    const metadata = await app.request('GET', '/.well-known/oauth-authorization-server', pairs)
    t.is(metadata.json['issuer'], ISSUER, host)
    t.is(metadata.json['jwks_uri'], `${ISSUER}/.well-known/jwks.json`, host)
    t.false(metadata.text.includes('evil'), host)
    const refused = await app.request('GET', '/me', pairs)
    t.is(refused.headers['www-authenticate'], `Bearer realm="${ISSUER}"`, host)
  }
})

test('G-11 a Host header that names the page of an attacker does not make it same-origin', async (t) => {
  const app = await openTestApp(t)
  const pairs = [
    ['Host', 'evil.example'],
    ['X-Forwarded-Host', 'evil.example'],
    ['Origin', 'https://evil.example'],
  ] as const
  const response = await loginWith(app, pairs)
  t.is(response.status, 403)
  t.deepEqual(codesOf(app.seen), ['ERR_CROSS_SITE'])
})

test('G-08 more than 16 KiB of cookies are refused before the app', async (t) => {
  const app = await openTestApp(t)
  const status = await new Promise((resolve, reject) => {
    const headers = { Host: 'app.example', Cookie: `a=${'x'.repeat(17_000)}` }
    httpRequest({ port: app.port, host: '127.0.0.1', path: '/me', headers, agent: false }, (incoming) => {
      incoming.resume()
      resolve(incoming.statusCode)
    })
      .on('error', reject)
      .end()
  })
  t.is(status, 431)
  t.is(app.handled.count, 0)
})

function loginWith(app: TestApp, pairs: readonly (readonly [string, string])[]): ReturnType<TestApp['request']> {
  const body = JSON.stringify({ sub: 'alice', password: 'correct' })
  return app.request('POST', '/auth/login', [['Content-Type', 'application/json'], ...pairs], body)
}

function digestIn(token: string): string {
  const { fgp, userFingerprint } = payloadOf(token)
  return (fgp ?? userFingerprint) as string
}

function reencode(digest: string, to: 'hex' | 'base64url'): string {
  const bytes = Buffer.from(digest, /^[0-9A-F]{64}$/.test(digest) ? 'hex' : 'base64url')
  return to === 'hex' ? bytes.toString('hex').toUpperCase() : bytes.toString('base64url')
}

function flipCase(text: string): string {
  return text
    .split('')
    .map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()))
    .join('')
}

/** Another character of both alphabets in this place. */
function bump(text: string, index: number): string {
  const next = text[index] === '0' ? '1' : '0'
  return text.slice(0, index) + next + text.slice(index + 1)
}

function hex(text: string): string {
  return text.charCodeAt(0).toString(16)
}

/** The first character with bit 7 set: the same character to a reader that keeps seven bits (`'ascii'` does not). */
function setHighBit(text: string): string {
  return String.fromCharCode(text.charCodeAt(0) | 0x80) + text.slice(1)
}
