// Encrypted tokens: what the kit writes, what it takes, and that a refusal tells nothing. RFC 7516, RFC 7519 section 5,
// RFC 9068 section 4. The attacks are in test/attacks/f-encryption.test.ts.

import test from 'ava'
import {
  CompactEncrypt,
  compactDecrypt,
  compactVerify,
  type CryptoKey,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'

import {
  createEncryptionKeys,
  createKeySet,
  type EncryptionAlgorithm,
  type EncryptionKeys,
  type ErrorCode,
  generateEncryptionKey,
  generateKey,
  isSessionError,
} from '../../src/index.ts'
import { createDecrypt, encryptToken } from '../../src/token/encrypt.ts'
import {
  codesOf,
  createClock,
  ISSUER,
  openTestApp,
  postLogin,
  postLogout,
  postRefresh,
  privateJwk,
  type TestApp,
  toLogin,
} from '../helpers/app.ts'
import { assertAccepted, assertAllRepelled, createAttackedApp, type Forgery } from '../helpers/attacked-app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { b64, type Json, publicKeyOf, sign, validClaims, validHeader } from '../helpers/forge.ts'
import { encrypting, encryptionJwks, flip, mend, nest, secretOf } from '../helpers/forge-jwe.ts'
import { knock, mountTickets, openSocketServer, postTicket } from '../helpers/live.ts'
import { assertGoesOn } from '../helpers/refreshing.ts'
import { assertRefused } from '../helpers/refused.ts'

const { dir, A256KW, 'RSA-OAEP-256': rsa, 'ECDH-ES': ecdh, 'ECDH-ES+A256KW': ecdhKw } = encryptionJwks
const ALL: readonly JWK[] = Object.values(encryptionJwks)
const FORM = { maxBytes: 8192, typ: 'at+jwt' }
// All that a header may hold, and `epk` only where two keys agree.
const PARAMETERS = ['alg', 'cty', 'enc', 'kid', 'typ']

/** What is inside, for whoever has the key. */
async function reveal(token: string, jwk: JWK): Promise<string> {
  const { plaintext } = await compactDecrypt(token, jwk.kty === 'oct' ? secretOf(jwk) : jwk)
  return Buffer.from(plaintext).toString()
}

for (const jwk of ALL) {
  const { alg = '' } = jwk
  test(`JE-01 JE-02 JE-03 JE-08 a token under ${alg} says how it is encrypted and what it is, and nothing else`, async (t) => {
    const app = await openTestApp(t, await encrypting(jwk))
    const login = await app.login('alice', { body: { claims: { theme: 'dark' } } })
    const { epk, ...header } = headerOf(login.token)
    t.deepEqual(header, { alg, enc: 'A256GCM', typ: 'at+jwt', cty: 'JWT', kid: jwk.kid })
    t.deepEqual(
      Object.keys(headerOf(login.token)).toSorted(),
      [...PARAMETERS, ...(jwk.kty === 'EC' ? ['epk'] : [])].toSorted(),
    )
    if (jwk.kty === 'EC') t.deepEqual(Object.keys(epk as object).toSorted(), ['crv', 'kty', 'x', 'y'])
    t.is(login.token.split('.').length, 5)
    t.is(login.token.split('.')[1] === '', alg === 'dir' || alg === 'ECDH-ES')
    for (const word of ['alice', 'dark', ISSUER, login.sid]) t.false(readable(login.token).includes(word))
    await assertGoesOn(t, app, login)
  })

  test(`JE-01 jose reads what the kit encrypts under ${alg}, and the kit what jose nests`, async (t) => {
    const app = await openTestApp(t, await encrypting(jwk))
    const { token } = await app.login('alice', { body: { claims: { theme: 'dark' } } })
    const { payload, protectedHeader } = await compactVerify(await reveal(token, jwk), publicKeyOf(privateJwk))
    t.deepEqual(protectedHeader, { alg: 'ES256', typ: 'at+jwt', kid: privateJwk.kid } as never)
    t.like(JSON.parse(Buffer.from(payload).toString()), { iss: ISSUER, sub: 'alice', theme: 'dark' })

    const { claims, cookie } = validClaims(app)
    const signed = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: privateJwk.kid ?? '' })
      .sign(await importJWK(privateJwk))
    const { d: _d, ...publicMembers } = jwk
    const key = jwk.kty === 'oct' ? secretOf(jwk) : await importJWK(publicMembers, alg)
    const nested = await new CompactEncrypt(Buffer.from(signed))
      .setProtectedHeader({ alg, enc: 'A256GCM', cty: 'JWT', typ: 'at+jwt', kid: jwk.kid ?? '' })
      .encrypt(key)
    await assertAccepted(t, app, { label: alg, token: nested, cookie })
  })
}

/** Everything that can be read of a token without a key. */
function readable(token: string): string {
  return token
    .split('.')
    .map((part) => `${part} ${Buffer.from(part, 'base64url').toString('latin1')}`)
    .join(' ')
}

for (const crv of ['P-384', 'P-521']) {
  test(`JE-06 an encryption key may be on ${crv}`, async (t) => {
    const { d, x, y } = await generateKey(crv === 'P-384' ? 'ES384' : 'ES512')
    for (const alg of ['ECDH-ES', 'ECDH-ES+A256KW']) {
      const jwk = { kty: 'EC', crv, d, x, y, alg, kid: crv } as JWK
      const app = await openTestApp(t, await encrypting(jwk))
      const login = await app.login()
      t.like(headerOf(login.token), { alg, epk: { crv } })
      await assertGoesOn(t, app, login)
      const { claims, cookie } = validClaims(app)
      await assertAccepted(t, app, { label: crv, token: nest(sign(validHeader(), claims), jwk), cookie })
    }
  })
}

test('no two tokens are encrypted alike, though they say the same', async (t) => {
  for (const jwk of ALL) {
    const { active } = await createEncryptionKeys({ keys: [jwk] })
    const tokens = await Promise.all(Array.from({ length: 20 }, () => encryptToken('a.b.c', active, FORM)))
    for (const part of [2, 3, 4]) t.is(new Set(tokens.map((token) => token.split('.')[part])).size, 20, jwk.alg)
  }
})

test('JE-09 VF-28 where tokens are encrypted, one that is only signed is refused, whatever it is for', async (t) => {
  const clock = createClock()
  const options = { testClock: clock, mount: mountTickets }
  const app = await openTestApp(t, { ...options, ...(await encrypting(A256KW)) })
  const login = await app.login()
  const plain = await reveal(login.token, A256KW)
  await assertRefused(t, app, () => app.me(plain, login.cookie), 'ERR_TOKEN_MALFORMED')
  for (const fake of [`${plain}.`, `${plain}..`, `.${plain}.`, `..${plain}`]) {
    await assertRefused(t, app, () => app.me(fake, login.cookie), 'ERR_TOKEN_MALFORMED')
  }
  const server = await openSocketServer(t, app)
  const { text: ticket } = await postTicket(app, login)
  t.is(headerOf(ticket)['typ'], 'ticket+jwt')
  const signedTicket = await reveal(ticket, A256KW)
  t.is(headerOf(signedTicket)['typ'], 'ticket+jwt')
  const redeem = async (one: string): Promise<{ status: number; codes: string[] }> => {
    app.seen.length = 0
    const { status } = await knock(server, { Cookie: login.cookie }, `/live?ticket=${one}`)
    return { status, codes: codesOf(app.seen) }
  }
  t.deepEqual(await redeem(signedTicket), { status: 401, codes: ['ERR_TOKEN_MALFORMED'] })
  t.deepEqual(await redeem(login.token), { status: 401, codes: ['ERR_TOKEN_TYPE'] })
  await assertRefused(t, app, () => app.me(ticket, login.cookie), 'ERR_TOKEN_TYPE')
  // Neither does the type outside make up for the one inside.
  for (const [inner, typ] of [
    [signedTicket, 'at+jwt'],
    [plain, 'ticket+jwt'],
  ] as const) {
    const disguised = nest(inner, A256KW, { header: { typ } })
    if (typ === 'at+jwt') await assertRefused(t, app, () => app.me(disguised, login.cookie), 'ERR_TOKEN_TYPE')
    else t.deepEqual(await redeem(disguised), { status: 401, codes: ['ERR_TOKEN_TYPE'] })
  }
  t.is((await knock(server, { Cookie: login.cookie, Authorization: `Bearer ${plain}` }, '/live')).status, 401)
  t.is((await redeem(ticket)).status, 101)
  await assertGoesOn(t, app, login)
})

test('JE-09 tokens from before encryption was turned on are refused, and the next refresh brings encrypted ones', async (t) => {
  const before = await openTestApp(t)
  const old = await before.login()
  const after = await openTestApp(t, { testClock: before.clock, store: before.store, ...(await encrypting(ecdh)) })
  await assertRefused(t, after, () => after.me(old.token, old.cookie), 'ERR_TOKEN_MALFORMED')
  const fresh = toLogin(await postRefresh(after, old))
  t.is(fresh.sid, old.sid)
  await assertGoesOn(t, after, fresh)
  await assertRefused(t, before, () => before.me(fresh.token, fresh.cookie), 'ERR_TOKEN_MALFORMED')
})

test('every way to a new token gives an encrypted one, and a session ends by it', async (t) => {
  const app = await openTestApp(t, {
    ...(await encrypting(dir)),
    mount(_koa, kit, router) {
      router.post('/renew', kit.protect(), async (ctx) => {
        ctx.body = await kit.renew(ctx)
      })
      router.get('/delegated', kit.protect(), async (ctx) => {
        ctx.body = await kit.delegate(ctx, { audience: 'https://other.example' })
      })
    },
  })
  const first = await app.login()
  const renewed = toLogin(
    await app.request('POST', '/renew', {
      Authorization: `Bearer ${first.token}`,
      Cookie: first.cookie,
      'Sec-Fetch-Site': 'same-origin',
    }),
  )
  const refreshed = toLogin(await postRefresh(app, renewed))
  for (const { token } of [first, renewed, refreshed]) t.is(headerOf(token)['enc'], 'A256GCM')
  // A delegated token is for somebody who has the public key that verifies, and no other.
  const { json } = await app.request('GET', '/delegated', {
    Authorization: `Bearer ${refreshed.token}`,
    Cookie: refreshed.cookie,
  })
  t.like(headerOf(String(json['access_token'])), { alg: 'ES256', typ: 'at+jwt' })
  t.like(payloadOf(String(json['access_token'])), { aud: 'https://other.example', sub: 'alice' })
  t.is((await postLogout(app, refreshed)).status, 204)
  await assertRefused(t, app, () => app.me(refreshed.token, refreshed.cookie), 'ERR_TOKEN_REVOKED')
})

test('in a cookie a token is encrypted as well, and no longer than the cookie may be', async (t) => {
  const { accessToken } = await encrypting(A256KW)
  const app = await openTestApp(t, { accessToken: { ...accessToken, transport: 'cookie', maxBytes: 8192 } })
  const { response } = await app.login()
  const Cookie = response.cookies.map((line) => line.split(';')[0]).join('; ')
  t.regex(Cookie, /__Secure-Access=(?:[\w-]+\.){4}[\w-]+/)
  t.is((await app.request('GET', '/me', { Cookie })).status, 200)
  const tooLong = { sub: 'alice', password: 'correct', claims: { note: 'x'.repeat(2000) } }
  t.is((await postLogin(app, tooLong)).status, 500)
  t.like(app.errors.at(-1), { code: 'ERR_TOKEN_OVERSIZE' })
})

test('a stolen encrypted token is worth no more than a signed one', async (t) => {
  const app = await openTestApp(t, { ...(await encrypting(rsa)), onSidejack: 'revoke' })
  const { token, cookie } = await app.login()
  await assertRefused(t, app, () => app.me(token), 'ERR_FINGERPRINT_MISSING')
  await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_REVOKED')
})

test('the first key encrypts and all of them decrypt, so that a key can be changed', async (t) => {
  const next = await generateEncryptionKey('ECDH-ES')
  const app = (...keys: JWK[]): Promise<TestApp> =>
    encrypting(...keys).then((options) => openTestApp(t, { ...shared, ...options }))
  const clock = createClock()
  const origin = await openTestApp(t, { testClock: clock, ...(await encrypting(A256KW)) })
  const shared = { testClock: clock, store: origin.store }
  const old = await origin.login()
  const [announced, changed, dropped] = [await app(A256KW, next), await app(next, A256KW), await app(next)]
  t.like(headerOf((await announced.login()).token), { kid: 'kw-1' })
  const fresh = await changed.login()
  t.like(headerOf(fresh.token), { alg: 'ECDH-ES', kid: next.kid })
  for (const one of [announced, changed]) {
    for (const login of [old, fresh]) t.is((await one.me(login.token, login.cookie)).status, 200)
  }
  t.is((await dropped.me(fresh.token, fresh.cookie)).status, 200)
  await assertRefused(t, dropped, () => dropped.me(old.token, old.cookie), 'ERR_TOKEN_KEY')
  await assertRefused(t, origin, () => origin.me(fresh.token, fresh.cookie), 'ERR_TOKEN_KEY')
  // A refresh does not need the token.
  t.is((await postRefresh(dropped, old)).status, 200)
})

test('accessToken.maxBytes counts for what is sent', async (t) => {
  const { accessToken } = await encrypting(dir)
  const app = await openTestApp(t, { accessToken: { ...accessToken, maxBytes: 1024 } })
  const login = (length: number): ReturnType<typeof postLogin> =>
    postLogin(app, { sub: 'alice', password: 'correct', claims: { note: 'x'.repeat(length) } })
  const fits = toLogin(await login(0))
  // Each three bytes of the claims are four of the signed token, and those five and a third here.
  const room = Math.floor(((1024 - fits.token.length) * 9) / 16)
  t.true((await reveal(fits.token, dir)).length + (room * 4) / 3 + 20 < 1024)
  t.is((await login(room - 16)).status, 200)
  t.is((await login(room + 16)).status, 500)
  t.deepEqual(codesOf(app.seen), [])
  t.like(app.errors.at(-1), { code: 'ERR_TOKEN_OVERSIZE' })
})

test('what was issued before maxBytes was lowered to the half is still verified, and nothing longer is looked into', async (t) => {
  const clock = createClock()
  const { accessToken } = await encrypting(ecdhKw)
  const app = await openTestApp(t, { testClock: clock, accessToken: { ...accessToken, maxBytes: 2400 } })
  const login = await app.login('alice', { body: { claims: { note: 'x'.repeat(400) } } })
  t.true(login.token.length > 1200)
  t.is((await app.me(login.token, login.cookie)).status, 200)
  const lower = await openTestApp(t, { testClock: clock, accessToken: { ...accessToken, maxBytes: 1200 } })
  t.is((await lower.me(login.token, login.cookie)).status, 200)
  const longer = 'A'.repeat(2401)
  await assertRefused(t, lower, () => lower.me(longer, login.cookie), 'ERR_TOKEN_TOO_LARGE')
})

/** Headers that differ in one thing from the one that passes. */
function withHeaders(jwk: JWK, code: ErrorCode, headers: Readonly<Record<string, Json>>): Forgery[] {
  return Object.entries(headers).map(([name, header]) => [
    name,
    code,
    (claims) => nest(sign(validHeader(), claims), jwk, { header }),
  ])
}

test('JE-01 JE-02 JE-08 a header that names another algorithm, or says more than ours, is refused', async (t) => {
  const app = await createAttackedApp(t, await encrypting(dir), (claims) => nest(sign(validHeader(), claims), dir))
  const replicated = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'sid', 'fgp', 'scope', 'client_id']
  const keys = ['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'epk', 'apu', 'apv', 'iv', 'tag', 'p2s', 'p2c']
  const meaning = ['zip', 'crit', 'b64', 'url', 'nonce', '']
  const any = [null, false, '', 'DEF', {}, ['exp'], { ...ecdh, d: undefined }]
  for (const name of [...keys, ...meaning]) {
    const headers = any.map((value, index) => [`${name} ${index}`, { [name]: value }])
    await assertAllRepelled(t, app, withHeaders(dir, 'ERR_TOKEN_HEADER', Object.fromEntries(headers)))
  }
  for (const name of replicated) {
    const { claims, cookie } = validClaims(app)
    // The same or another: our tokens repeat nothing.
    for (const value of [claims[name], 'https://evil.example', 1, null]) {
      const token = nest(sign(validHeader(), claims), dir, { header: { [name]: value ?? null } })
      await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_HEADER', name)
    }
  }
  const wrong: readonly (readonly [name: string, code: ErrorCode, values: readonly unknown[]])[] = [
    [
      'alg',
      'ERR_TOKEN_ALGORITHM',
      [
        ...['none', 'None', 'DIR', 'A128KW', 'A192KW', 'A256GCMKW', 'ECDH-ES+A128KW', 'RSA1_5', 'RSA-OAEP', 'ES256'],
        ...['HS256', 'PBES2-HS256+A128KW', 'constructor', '__proto__', '', null, undefined, 1, ['dir']],
      ],
    ],
    [
      'enc',
      'ERR_TOKEN_ALGORITHM',
      [
        ...['A128GCM', 'A192GCM', 'A128CBC-HS256', 'A256CBC-HS512', 'a256gcm', 'C20P', '', null, undefined, 1],
        ['A256GCM'],
      ],
    ],
    ['typ', 'ERR_TOKEN_TYPE', ['JWT', 'ticket+jwt', 'at+jwe', '', null, undefined, ['at+jwt'], 1]],
    ['cty', 'ERR_TOKEN_TYPE', ['at+jwt', 'JWE', 'json', '', null, undefined, ['JWT'], 1]],
    [
      'kid',
      'ERR_TOKEN_KEY',
      [...['dir-2', 'DIR-1', 'dir-1 ', '', '../dir-1', 'constructor', '__proto__', null, undefined, 1], ['dir-1']],
    ],
  ]
  for (const [name, code, values] of wrong) {
    const headers = values.map((value) => [`${name} ${JSON.stringify(value)}`, { [name]: value }])
    await assertAllRepelled(t, app, withHeaders(dir, code, Object.fromEntries(headers)))
  }
  // RFC 7519 section 5.2, RFC 7515 section 4.1.9: media types, compared as such.
  for (const header of [{ cty: 'jwt' }, { cty: 'application/JWT' }, { typ: 'AT+JWT' }, { typ: 'application/at+jwt' }]) {
    const { claims, cookie } = validClaims(app)
    const token = nest(sign(validHeader(), claims), dir, { header })
    await assertAccepted(t, app, { label: JSON.stringify(header), token, cookie })
  }
})

test('an encrypted token is five parts of canonical base64url around strict JSON', async (t) => {
  const app = await createAttackedApp(t, await encrypting(ecdhKw), (claims) =>
    nest(sign(validHeader(), claims), ecdhKw),
  )
  const text = (change: (json: string) => string | Uint8Array): Forgery => [
    change.toString(),
    'ERR_TOKEN_MALFORMED',
    (claims) => {
      const token = nest(sign(validHeader(), claims), ecdhKw)
      const header = Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()
      return nest(sign(validHeader(), claims), ecdhKw, { headerText: change(header) })
    },
  ]
  const form = (change: (parts: string[]) => void): Forgery => [
    change.toString(),
    'ERR_TOKEN_MALFORMED',
    (claims) => mend(nest(sign(validHeader(), claims), ecdhKw), change),
  ]
  await assertAllRepelled(t, app, [
    text((json) => `\uFEFF${json}`),
    text((json) => json.replace('{', '{"alg":"dir",')),
    text((json) => json.replace('{', '{"\\u0061lg":"ECDH-ES+A256KW",')),
    text((json) => json.replace('}', ',"__proto__":{}}')),
    text((json) => `[${json}]`),
    text((json) => `${json}x`),
    text((json) => json.slice(0, -1)),
    text(() => 'null'),
    text((json) => Buffer.concat([Buffer.from(json.slice(0, -1)), Buffer.of(0xff), Buffer.from('}')])),
    form((parts) => parts.pop()),
    form((parts) => parts.push('')),
    form((parts) => parts.push('AA')),
    form((parts) => parts.splice(1, 1)),
    form((parts) => parts.unshift(parts.pop() ?? '')),
    ...[0, 2, 3, 4].map((index) => form((parts) => (parts[index] = ''))),
    ...[0, 1, 2, 3, 4].flatMap((index) => [
      form((parts) => (parts[index] += '=')),
      form((parts) => (parts[index] = `\t${parts[index]}`)),
      form((parts) => (parts[index] = `${parts[index]?.slice(0, -1)}+`)),
      form((parts) => (parts[index] += 'A'.repeat(5 - ((parts[index]?.length ?? 0) % 4)))),
    ]),
    // The spare bits of the last character, where a part has some.
    ...[1, 4].map((index) => form((parts) => (parts[index] = spareBit(parts[index] ?? '')))),
  ])
})

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Another spelling of the same bytes. */
function spareBit(part: string): string {
  const twin = part.slice(0, -1) + ALPHABET[ALPHABET.indexOf(part.slice(-1)) + 1]
  if (b64(Buffer.from(twin, 'base64url')) !== part) throw new Error('the part has no spare bits')
  return twin
}

test('JE-07 whatever is wrong with what is encrypted, answer, event and error are the same', async (t) => {
  for (const jwk of ALL) {
    const app = await createAttackedApp(t, await encrypting(jwk), (claims) => nest(sign(validHeader(), claims), jwk))
    const other = { ...(await generateEncryptionKey(jwk.alg as EncryptionAlgorithm)), kid: jwk.kid as string }
    const damaged = (...indexes: number[]): Forgery => [
      `${jwk.alg}: part ${indexes.join(' and ')}`,
      'ERR_TOKEN_DECRYPTION',
      (claims) =>
        mend(nest(sign(validHeader(), claims), jwk), (parts) => {
          for (const index of indexes) parts[index] = flip(parts[index] ?? '')
        }),
    ]
    const hasKey = nest('x', jwk).split('.')[1] !== ''
    await assertAllRepelled(t, app, [
      damaged(2),
      damaged(3),
      damaged(4),
      ...(hasKey ? [damaged(1), damaged(1, 4)] : []),
      ['for another key', 'ERR_TOKEN_DECRYPTION', (claims) => nest(sign(validHeader(), claims), other)],
      [
        'with parts of two tokens',
        'ERR_TOKEN_DECRYPTION',
        (claims) => {
          const twin = nest(sign(validHeader(), claims), jwk).split('.')
          return mend(nest(sign(validHeader(), claims), jwk), (parts) => (parts[2] = twin[2] ?? ''))
        },
      ],
      [
        'with another spelling of the header',
        'ERR_TOKEN_DECRYPTION',
        (claims) =>
          mend(nest(sign(validHeader(), claims), jwk), (parts) => {
            parts[0] = b64(
              Buffer.from(parts[0] ?? '', 'base64url')
                .toString()
                .replace('{', '{ '),
            )
          }),
      ],
    ])
  }
})

test.serial('JE-07 a key that does not fit takes about as long as a content that does not', async (t) => {
  for (const jwk of [A256KW, ecdhKw, rsa]) {
    const decrypt = createDecrypt(await createEncryptionKeys({ keys: [jwk] }))
    const token = nest('a.b.c', jwk)
    const kinds = [
      mend(token, (parts) => (parts[1] = flip(parts[1] ?? ''))),
      mend(token, (parts) => (parts[3] = flip(parts[3] ?? ''))),
      mend(token, (parts) => (parts[4] = flip(parts[4] ?? ''))),
    ]
    let ratio = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 5 && ratio > 1.5; attempt += 1) ratio = await spread(decrypt, kinds)
    t.true(ratio <= 1.5, `${jwk.alg}: one takes ${ratio.toFixed(2)} times as long as another`)
  }
})

/** By how much the slowest kind is slower than the fastest: medians of runs that take turns. */
async function spread(decrypt: ReturnType<typeof createDecrypt>, tokens: readonly string[]): Promise<number> {
  const times = tokens.map((): number[] => [])
  for (let run = 0; run < 150; run += 1) {
    for (const [index, token] of tokens.entries()) {
      const start = performance.now()
      await decrypt(token, FORM).catch(() => undefined)
      times[index]?.push(performance.now() - start)
    }
  }
  const medians = times.map((runs) => runs.toSorted((a, b) => a - b)[75] ?? 0)
  return Math.max(...medians) / Math.min(...medians)
}

test('a failure to decrypt says nothing of the token or the key', async (t) => {
  for (const jwk of ALL) {
    const keys: EncryptionKeys = await createEncryptionKeys({ keys: [jwk] })
    const token = mend(nest('a.b.c', jwk), (parts) => (parts[4] = flip(parts[4] ?? '')))
    const error: unknown = await t.throwsAsync(createDecrypt(keys)(token, FORM))
    t.true(isSessionError(error))
    const said = [String(error), JSON.stringify(error), (error as Error).stack, String((error as Error).cause)].join(
      ' ',
    )
    for (const secret of [...token.split('.'), jwk.k, jwk.d, jwk.x]) {
      if (secret !== undefined && secret !== '') t.false(said.includes(secret))
    }
  }
})

test('VF-28 the signature inside is verified with the signing keys, whatever their algorithm', async (t) => {
  for (const alg of ['PS256', 'EdDSA', 'HS256'] as const) {
    const key = { ...(await generateKey(alg)), kid: 'inner' }
    const app = await openTestApp(t, { keys: await createKeySet({ keys: [key] }), ...(await encrypting(ecdh)) })
    const login = await app.login()
    const signed = await reveal(login.token, ecdh)
    t.like(headerOf(signed), { alg, kid: 'inner' })
    const verifying = alg === 'HS256' ? secretOf(key) : ((await importPublic(key)) as CryptoKey)
    const { payload } = await jwtVerify(signed, verifying, { currentDate: new Date(app.clock()) })
    t.is(payload.sub, 'alice')
    await assertGoesOn(t, app, login)
    const spoilt = nest(`${signed.slice(0, -8)}AAAAAAAA`, ecdh)
    await assertRefused(t, app, () => app.me(spoilt, login.cookie), 'ERR_TOKEN_SIGNATURE')
  }
})

function importPublic(jwk: JWK): ReturnType<typeof importJWK> {
  return importJWK(publicKeyOf(jwk).export({ format: 'jwk' }) as JWK, jwk.alg ?? '')
}
