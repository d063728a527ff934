// The binding of a token to its browser, row by row: how value and digest are made, and that neither half gets anyone
// in alone. OWASP JSON Web Token Cheat Sheet, "Token Sidejacking", as of 4 July 2026.

import { createHash } from 'node:crypto'

import test from 'ava'

import type { ErrorCode, FingerprintFormat } from '../src/index.ts'
import {
  digestFingerprint,
  drawFingerprint,
  equalsDigest,
  FINGERPRINT_FORMATS,
  matchesFingerprint,
  readDigest,
} from '../src/fingerprint.ts'
import { bearer, codesOf, type Login, openTestApp, type Response, type TestApp } from './helpers/app.ts'
import { payloadOf } from './helpers/decode.ts'
import { COOKIE_NAME, sign, signatureOf, validClaims, validHeader } from './helpers/forge.ts'
import { assertRefused, INVALID_TOKEN_BODY } from './helpers/refused.ts'

const FORMATS: readonly FingerprintFormat[] = ['base64url', 'owasp']

/** A genuine token whose digest is replaced, and the cookie of the genuine one. */
function withDigest(app: TestApp, fgp: unknown): { token: string; cookie: string } {
  const { claims, cookie } = validClaims(app, { fgp })
  return { token: sign(validHeader(), claims), cookie }
}

// 50 bytes 0x00 to 0x31. The digest is of the 100 characters, not of the 50 bytes.
const OWASP_VECTOR = {
  value: Buffer.from(Array.from({ length: 50 }, (_, i) => i))
    .toString('hex')
    .toUpperCase(),
  digest: 'B33595D7B062933B87FDA81A4183702558A8391CE5B24730B7E4A29A27639DD7',
}

// 32 bytes 0x00 to 0x1f; the digest by: printf %s VALUE | openssl dgst -sha256 -binary | basenc --base64url
const BASE64URL_VECTOR = {
  value: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
  digest: '6oZqdX5MOLq_qBJ8vppAnT4fk6AP8UiP9zX8-Rev_9A',
}

test.serial('FP-01 values come from the system, not from Math.random', async (t) => {
  const app = await openTestApp(t)
  const { random } = Math
  Math.random = () => {
    throw new Error('Math.random was called')
  }
  try {
    for (const format of FORMATS) t.regex(drawFingerprint(format), FINGERPRINT_FORMATS[format].value)
    t.is((await app.login()).response.status, 200)
  } finally {
    Math.random = random
  }
})

for (const [format, bytes] of [
  ['base64url', 32],
  ['owasp', 50],
] as const) {
  test(`FP-01 a value in the format ${format} has ${bytes} random bytes, and none of 10,000 comes twice`, (t) => {
    const seen = new Set<string>()
    const ones = Array.from({ length: bytes * 8 }, () => 0)
    for (let i = 0; i < 10_000; i += 1) {
      const value = drawFingerprint(format)
      seen.add(value)
      const drawn = Buffer.from(value, FINGERPRINT_FORMATS[format].encoding)
      if (i === 0) t.is(drawn.length, bytes)
      for (let bit = 0; bit < ones.length; bit += 1) {
        ones[bit] = (ones[bit] ?? 0) + (((drawn[bit >> 3] ?? 0) >> (bit & 7)) & 1)
      }
    }
    t.is(seen.size, 10_000)
    // Every bit is drawn: a fair coin is 8 standard deviations from these limits.
    t.true(Math.min(...ones) > 4600 && Math.max(...ones) < 5400)
  })
}

test('FP-02 every login draws a new value, whatever cookie came in', async (t) => {
  const app = await openTestApp(t)
  const first = await app.login()
  const planted = [first.fingerprint, BASE64URL_VECTOR.value, 'attacker', '', '"x"', 'A'.repeat(4000)]
  const seen = new Set([first.fingerprint])
  for (const value of planted) {
    const { fingerprint, token } = await app.login('alice', { headers: { Cookie: `${COOKIE_NAME}=${value}` } })
    t.not(fingerprint, value)
    t.is(payloadOf(token)['fgp'], digestFingerprint(fingerprint, 'base64url'))
    seen.add(fingerprint)
  }
  // Again with the pair that is live.
  const headers = bearer(first)
  seen.add((await app.login('alice', { headers })).fingerprint)
  t.is(seen.size, planted.length + 2)
})

test('FP-03 the token holds the digest and the value in no encoding, nor does the body or another header', async (t) => {
  for (const format of FORMATS) {
    const app = await openTestApp(t, { fingerprint: { format } })
    const { token, fingerprint, response } = await app.login()
    const { claim, encoding } = FINGERPRINT_FORMATS[format]
    t.is(
      payloadOf(token)[claim],
      createHash('sha256')
        .update(fingerprint)
        .digest(encoding)
        .replace(/^[0-9a-f]{64}$/, upper),
    )
    const bytes = [Buffer.from(fingerprint, encoding), Buffer.from(fingerprint)]
    const spellings = bytes.flatMap((one) =>
      (['hex', 'base64', 'base64url', 'latin1'] as const).map((as) => one.toString(as)),
    )
    const { 'set-cookie': _, ...headers } = response.headers
    const visible = JSON.stringify([payloadOf(token), response.text, headers, app.seen]).toLowerCase()
    for (const spelling of spellings) t.false(visible.includes(spelling.replace(/=+$/, '').toLowerCase()), format)
  }
})

/** Whether the cookie is the one of what a claim holds. */
function matches(cookie: string, claim: unknown, format: FingerprintFormat): boolean {
  const digest = readDigest(claim, format)
  return digest !== undefined && matchesFingerprint(cookie, digest, format)
}

const upper = (hex: string): string => hex.toUpperCase()

test('FP-04 the digest is of the ASCII of the written value: known answers for both formats', (t) => {
  t.is(OWASP_VECTOR.value.length, 100)
  t.true(OWASP_VECTOR.value.startsWith('000102') && OWASP_VECTOR.value.endsWith('2F3031'))
  t.is(digestFingerprint(OWASP_VECTOR.value, 'owasp'), OWASP_VECTOR.digest)
  t.true(matches(OWASP_VECTOR.value, OWASP_VECTOR.digest, 'owasp'))
  t.is(digestFingerprint(BASE64URL_VECTOR.value, 'base64url'), BASE64URL_VECTOR.digest)
  t.true(matches(BASE64URL_VECTOR.value, BASE64URL_VECTOR.digest, 'base64url'))
})

test('FP-04 a token with the known answer passes with the known cookie, in both formats', async (t) => {
  for (const [format, vector] of [
    ['base64url', BASE64URL_VECTOR],
    ['owasp', OWASP_VECTOR],
  ] as const) {
    const app = await openTestApp(t, { fingerprint: { format } })
    const { claims } = validClaims(app, { fgp: undefined, [FINGERPRINT_FORMATS[format].claim]: vector.digest })
    const token = sign(validHeader(), claims)
    t.is((await app.me(token, `${COOKIE_NAME}=${vector.value}`)).status, 200, format)
    const other = vector.value.replace(/^./, 'F')
    await assertRefused(t, app, () => app.me(token, `${COOKIE_NAME}=${other}`), 'ERR_FINGERPRINT_MISMATCH', format)
  }
})

test('FP-04 the owasp format end to end: 100 upper-case hex characters, and userFingerprint with 64', async (t) => {
  const app = await openTestApp(t, { fingerprint: { format: 'owasp' } })
  const { token, cookie, fingerprint, response } = await app.login()
  const { userFingerprint, fgp } = payloadOf(token)
  t.regex(fingerprint, /^[0-9A-F]{100}$/)
  t.regex(String(userFingerprint), /^[0-9A-F]{64}$/)
  t.is(fgp, undefined)
  t.is(String(userFingerprint), createHash('sha256').update(fingerprint, 'utf8').digest('hex').toUpperCase())
  t.true(response.cookies[0]?.startsWith(`${COOKIE_NAME}=${fingerprint};`))
  t.is((await app.me(token, cookie)).status, 200)
  await assertRefused(t, app, () => app.me(token), 'ERR_FINGERPRINT_MISSING')
  // The characters are hashed, so a browser must send them as they are.
  const lower = `${COOKIE_NAME}=${fingerprint.toLowerCase()}`
  await assertRefused(t, app, () => app.me(token, lower), 'ERR_FINGERPRINT_MISMATCH')
  const headers = bearer({ token, cookie })
  t.is((await app.request('POST', '/auth/logout', headers)).status, 204)
  await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_REVOKED')
})

test('FP-05 no custom claim can take the name of the digest, in either format', async (t) => {
  for (const format of FORMATS) {
    const app = await openTestApp(t, { fingerprint: { format } })
    for (const name of ['fgp', 'userFingerprint']) {
      const claims = { [name]: OWASP_VECTOR.digest }
      const body = JSON.stringify({ sub: 'alice', password: 'correct', claims })
      const response = await app.request('POST', '/auth/login', { 'Content-Type': 'application/json' }, body)
      t.is(response.status, 500, name)
      t.is(response.json['error'], 'server_error', name)
      t.deepEqual(response.cookies, [], name)
    }
  }
})

test('FP-06 a missing, an empty and a wrong cookie are refused before any handler runs', async (t) => {
  const app = await openTestApp(t)
  const { token, fingerprint } = await app.login()
  const other = await app.login('bob')
  const missing = [
    undefined,
    '',
    'a=b',
    `a=b; x${COOKIE_NAME}=${fingerprint}`,
    `${COOKIE_NAME.toLowerCase()}=${fingerprint}`,
  ]
  for (const cookie of [...missing, `=${COOKIE_NAME}=${fingerprint}`, COOKIE_NAME]) {
    await assertRefused(t, app, () => app.me(token, cookie), 'ERR_FINGERPRINT_MISSING', cookie)
  }
  const quoted = [
    '',
    `"${fingerprint}"`,
    `${fingerprint}=`,
    `${fingerprint} `,
    `${fingerprint}x`,
    fingerprint.slice(0, -1),
  ]
  const digest = String(payloadOf(token)['fgp'])
  for (const value of [...quoted, ` ${fingerprint}`, digest, other.fingerprint, fingerprint.toLowerCase(), token]) {
    // A space behind the last cookie would be the header's own.
    const cookie = `${COOKIE_NAME}=${value}; a=b`
    await assertRefused(t, app, () => app.me(token, cookie), 'ERR_FINGERPRINT_MISMATCH', value)
  }
  t.is((await app.me(token, `a=b; ${COOKIE_NAME}=${fingerprint}; c=d`)).status, 200)
})

test('FP-06 FP-07 a genuine token without a digest, or with one that is no string, is refused', async (t) => {
  const app = await openTestApp(t)
  for (const fgp of [undefined, null, 1, true, {}, ['x'], [BASE64URL_VECTOR.digest]]) {
    const { token, cookie } = withDigest(app, fgp)
    await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_CLAIMS', JSON.stringify(fgp))
    await assertRefused(t, app, () => app.me(token), 'ERR_TOKEN_CLAIMS', JSON.stringify(fgp))
  }
})

test('FP-07 a digest in the other format is none', async (t) => {
  const [plain, owasp] = [await openTestApp(t), await openTestApp(t, { fingerprint: { format: 'owasp' } })]
  const one = await plain.login()
  const two = await owasp.login()
  // Same key, issuer and audience: only the claim differs.
  await assertRefused(t, plain, () => plain.me(two.token, two.cookie), 'ERR_TOKEN_CLAIMS')
  await assertRefused(t, owasp, () => owasp.me(one.token, one.cookie), 'ERR_TOKEN_CLAIMS')
})

test('FP-08 a digest of another length is refused and never an error', async (t) => {
  const app = await openTestApp(t)
  for (const length of [0, 1, 42, 44, 63, 64, 65, 4000]) {
    const { token, cookie } = withDigest(app, 'x'.repeat(length))
    await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_CLAIMS', String(length))
  }
  for (const format of FORMATS) {
    const { value } = format === 'owasp' ? OWASP_VECTOR : BASE64URL_VECTOR
    for (const length of [0, 1, 42, 43, 44, 63, 64, 65, 1_000_000]) {
      t.false(matches(value, 'A'.repeat(length), format), `${format} ${length}`)
      t.false(matches('A'.repeat(length), digestFingerprint(value, format), format), `${format} ${length}`)
    }
  }
})

test('FP-08 SHA-256 of nothing is no digest of an empty cookie', async (t) => {
  const app = await openTestApp(t)
  const { token } = withDigest(app, createHash('sha256').digest('base64url'))
  await assertRefused(t, app, () => app.me(token, `${COOKIE_NAME}=`), 'ERR_FINGERPRINT_MISMATCH')
  await assertRefused(t, app, () => app.me(token), 'ERR_FINGERPRINT_MISSING')
})

test('FP-09 a digest has one spelling: another case, alphabet or padding is another digest', async (t) => {
  const { value, digest } = BASE64URL_VECTOR
  const bytes = Buffer.from(digest, 'base64url')
  const twin = digest.slice(0, -1) + String.fromCharCode(digest.charCodeAt(digest.length - 1) + 1)
  t.deepEqual(Buffer.from(twin, 'base64url'), bytes)
  const spellings = [twin, bytes.toString('base64'), bytes.toString('hex'), digest.toLowerCase(), digest.toUpperCase()]
  for (const other of [...spellings, `${digest}=`, ` ${digest}`, `${digest}\n`, digest.slice(0, -1)]) {
    t.false(matches(value, other, 'base64url'), other)
  }
  const app = await openTestApp(t, { fingerprint: { format: 'owasp' } })
  for (const other of [OWASP_VECTOR.digest.toLowerCase(), `0x${OWASP_VECTOR.digest}`]) {
    t.false(matches(OWASP_VECTOR.value, other, 'owasp'), other)
    const { claims } = validClaims(app, { userFingerprint: other })
    const [token, cookie] = [sign(validHeader(), claims), `${COOKIE_NAME}=${OWASP_VECTOR.value}`]
    await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_CLAIMS', other)
  }
})

test('FP-10 the answer never tells which half was bad, nor that the other was good', async (t) => {
  const app = await openTestApp(t)
  const [victim, other, ended] = [await app.login(), await app.login('bob'), await app.login('carol')]
  await app.kit.revoke({ sid: ended.sid })
  const { claims, cookie } = validClaims(app, { fgp: undefined })
  const dead = validClaims(app, {
    exp: claims['iat'],
    iat: Number(claims['iat']) - 9,
    iat_ms: undefined,
    auth_time: undefined,
  })
  const [h = '', p = ''] = victim.token.split('.')
  const attempts: readonly (readonly [ErrorCode, string, string | undefined])[] = [
    ['ERR_FINGERPRINT_MISSING', victim.token, undefined],
    ['ERR_FINGERPRINT_MISMATCH', victim.token, other.cookie],
    ['ERR_FINGERPRINT_AMBIGUOUS', victim.token, `${victim.cookie}; ${other.cookie}`],
    ['ERR_COOKIE_MALFORMED', victim.token, `${victim.cookie};;`],
    ['ERR_TOKEN_SIGNATURE', `${h}.${p}.${signatureOf('x').toString('base64url')}`, victim.cookie],
    ['ERR_TOKEN_MALFORMED', 'x', victim.cookie],
    ['ERR_TOKEN_CLAIMS', sign(validHeader(), claims), cookie],
    ['ERR_TOKEN_KEY', sign(validHeader({ kid: 'x' }), claims), cookie],
    ['ERR_TOKEN_EXPIRED', sign(validHeader(), dead.claims), dead.cookie],
    ['ERR_TOKEN_REVOKED', ended.token, ended.cookie],
  ]
  const answers = new Set<string>()
  for (const [code, token, sent] of attempts) {
    const response = await assertRefused(t, app, () => app.me(token, sent), code)
    const { date: _, ...headers } = response.headers
    answers.add(JSON.stringify([response.status, headers, response.text]))
  }
  t.is(answers.size, 1)
})

test('FP-11 the address is no part of it: a pair moves from network to network', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login('alice', { headers: { 'X-Forwarded-For': '192.0.2.1' } })
  for (const ip of ['192.0.2.1', '198.51.100.7', '2001:db8::1']) {
    t.is((await app.me(token, cookie, { 'X-Forwarded-For': ip, 'User-Agent': ip })).status, 200, ip)
  }
  // That the app does see the addresses is told by its events.
  await app.me(token, undefined, { 'X-Forwarded-For': '198.51.100.7' })
  t.is(app.seen.at(-1)?.event.request?.ip, '198.51.100.7')
})

test('FP-14 a cookie planted by a sibling host costs at most service: nobody gets in, and nobody into another session', async (t) => {
  const app = await openTestApp(t)
  const [victim, attacker] = [await app.login('victim'), await app.login('attacker')]
  const both = [`${victim.cookie}; ${attacker.cookie}`, `${attacker.cookie}; ${victim.cookie}`]
  for (const [i, cookie] of both.entries()) {
    await assertRefused(t, app, () => app.me(victim.token, cookie), 'ERR_FINGERPRINT_AMBIGUOUS', `victim ${i}`)
    await assertRefused(t, app, () => app.me(attacker.token, cookie), 'ERR_FINGERPRINT_AMBIGUOUS', `attacker ${i}`)
  }
  // The same cookie twice, as a sibling host that knows the value could plant it.
  const twice = `${victim.cookie}; ${victim.cookie}`
  await assertRefused(t, app, () => app.me(victim.token, twice), 'ERR_FINGERPRINT_AMBIGUOUS')
  // In place of the victim's: the victim's token fails, and the attacker's is not the victim's browser's to send.
  await assertRefused(t, app, () => app.me(victim.token, attacker.cookie), 'ERR_FINGERPRINT_MISMATCH')
  // Two Cookie headers are one list.
  const headers = [
    ['Authorization', `Bearer ${victim.token}`],
    ['Cookie', attacker.cookie],
    ['Cookie', victim.cookie],
  ] as const
  await assertRefused(t, app, () => app.request('GET', '/me', headers), 'ERR_FINGERPRINT_AMBIGUOUS')
  t.is((await app.me(victim.token, victim.cookie)).json['sub'], 'victim')
})

function logout(app: TestApp, token: string, cookie: string | undefined): Promise<Response> {
  const headers = { Authorization: `Bearer ${token}`, Origin: 'https://app.example' }
  return app.request('POST', '/auth/logout', cookie === undefined ? headers : { ...headers, Cookie: cookie })
}

// Refresh, the list of sessions, tickets, sockets and streams are in files of their own. There is no introspection route.
test('FP-15 logout demands the fingerprint too: half a pair ends nothing', async (t) => {
  const app = await openTestApp(t)
  const [victim, thief] = [await app.login('victim'), await app.login('thief')]
  const wrong = `${COOKIE_NAME}=${BASE64URL_VECTOR.value}`
  for (const [cookie, code] of [
    [undefined, 'ERR_FINGERPRINT_MISSING'],
    [`${COOKIE_NAME}=`, 'ERR_FINGERPRINT_MISMATCH'],
    [wrong, 'ERR_FINGERPRINT_MISMATCH'],
    [thief.cookie, 'ERR_FINGERPRINT_MISMATCH'],
  ] as const) {
    const response = await assertRefused(t, app, () => logout(app, victim.token, cookie), code)
    t.deepEqual(response.cookies, [])
  }
  t.is((await app.me(victim.token, victim.cookie)).status, 200)
  t.is((await logout(app, victim.token, victim.cookie)).status, 204)
  await assertRefused(t, app, () => app.me(victim.token, victim.cookie), 'ERR_TOKEN_REVOKED')
})

test('FP-15 the fingerprint without its token ends nothing', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  t.is((await app.request('POST', '/auth/logout', { Cookie: cookie, Origin: 'https://app.example' })).status, 204)
  t.is((await app.me(token, cookie)).status, 200)
})

test('FP-15 login ends the session presented only if both halves are', async (t) => {
  const app = await openTestApp(t)
  const victim = await app.login('victim')
  const present = (cookie: string): Promise<Login> =>
    app.login('thief', { headers: { Authorization: `Bearer ${victim.token}`, Cookie: cookie } })
  await present('a=b')
  const thief = await present(`${COOKIE_NAME}=${BASE64URL_VECTOR.value}`)
  t.is((await app.me(victim.token, victim.cookie)).status, 200)
  // Both halves are there, and a planted cookie beside them must not keep the session alive.
  await present(`${victim.cookie}; ${thief.cookie}`)
  await assertRefused(t, app, () => app.me(victim.token, victim.cookie), 'ERR_TOKEN_REVOKED')
})

test('FP-15 kit.end in a route of the application demands the fingerprint too', async (t) => {
  const app = await openTestApp(t, {
    before: (koa, kit) => {
      // Ahead of protect({ optional: true }), where nothing has been verified yet.
      koa.use(async (ctx, next) => {
        if (ctx.path !== '/bye') {
          await next()
          return
        }
        await kit.end(ctx)
        ctx.status = 204
      })
    },
  })
  const { token, cookie } = await app.login()
  const half = { Authorization: `Bearer ${token}` }
  t.is((await app.request('POST', '/bye', half)).status, 204)
  t.is((await app.me(token, cookie)).status, 200)
  t.is((await app.request('POST', '/bye', bearer({ token, cookie }))).status, 204)
  await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_REVOKED')
})

test('FP-16 a live token with a wrong cookie, or none, is one event of its own that names the session and no secret', async (t) => {
  const app = await openTestApp(t)
  const { token, fingerprint, sid } = await app.login()
  const { jti, fgp } = payloadOf(token)
  for (const [cookie, code] of [
    [undefined, 'ERR_FINGERPRINT_MISSING'],
    [`${COOKIE_NAME}=${BASE64URL_VECTOR.value}`, 'ERR_FINGERPRINT_MISMATCH'],
  ] as const) {
    app.seen.length = 0
    await app.me(token, cookie, { 'User-Agent': 'thief/1.0' })
    t.deepEqual(app.seen, [
      {
        name: 'sidejack',
        event: {
          code,
          sub: 'alice',
          sid,
          jti,
          request: { method: 'GET', path: '/me', ip: '127.0.0.1', userAgent: 'thief/1.0' },
          time: app.clock(),
        } as never,
      },
    ])
    const text = JSON.stringify(app.seen)
    for (const secret of [fingerprint, String(fgp), BASE64URL_VECTOR.value, ...token.split('.')]) {
      t.false(text.includes(secret))
    }
  }
})

test('FP-16 noise is no theft: what is badly signed, expired or revoked raises no sidejack event', async (t) => {
  const app = await openTestApp(t)
  const { token, sid } = await app.login()
  const [h = '', p = ''] = token.split('.')
  const expect = async (bad: string, name: string, code: string): Promise<void> => {
    app.seen.length = 0
    t.is((await app.me(bad)).text, INVALID_TOKEN_BODY)
    t.deepEqual([app.seen.map((one) => one.name), codesOf(app.seen)], [[name], [code]] as never)
  }
  await expect(`${h}.${p}.${signatureOf('x').toString('base64url')}`, 'token_rejected', 'ERR_TOKEN_SIGNATURE')
  await expect(sign(validHeader({ kid: 'x' }), payloadOf(token)), 'token_rejected', 'ERR_TOKEN_KEY')
  await expect(sign(validHeader(), { ...payloadOf(token), iss: 'x' }), 'token_rejected', 'ERR_TOKEN_ISSUER')
  const { token: late } = await app.login('late')
  await app.kit.revoke({ sid })
  await expect(token, 'authn_token_reuse', 'ERR_TOKEN_REVOKED')
  app.clock.advance(900)
  await expect(late, 'session_use_after_expire', 'ERR_TOKEN_EXPIRED')
})

for (const format of ['base64url', 'owasp'] as const) {
  test(`FP-08 ${format}: a part of a digest is not that digest, whatever was compared before`, (t) => {
    const digest = digestFingerprint(drawFingerprint(format), format)
    for (const other of [
      '',
      digest.slice(0, -1),
      digest.slice(0, 1),
      `${digest}A`,
      `${digest} `,
      undefined,
      null,
      {},
    ]) {
      const own = readDigest(digest, format)
      t.true(own !== undefined && equalsDigest(digest, own, format))
      t.is(readDigest(other, format), undefined, JSON.stringify(other))
    }
  })
}

const hash = (value: string): Buffer => createHash('sha256').update(value).digest()

test('FP-07 a value in another alphabet is none, whatever the claim says of it', (t) => {
  for (const value of ['a'.repeat(100), 'f0'.repeat(50), `${'A'.repeat(99)}g`]) {
    t.false(matches(value, upper(hash(value).toString('hex')), 'owasp'), value)
  }
  for (const value of [`${'A'.repeat(42)}+`, `${'A'.repeat(42)}/`, `${'A'.repeat(42)}é`, `${'A'.repeat(42)} `]) {
    t.false(matches(value, hash(value).toString('base64url'), 'base64url'), value)
  }
})
