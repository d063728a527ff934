// Claims that are signed with the real key and are wrong: what a bug in another issuing process, a leaked key or a
// library that signs anything could send. RFC 7519 section 4.1, RFC 9068 section 2.2, RFC 8725 sections 3.8 to 3.12.

import { createHash } from 'node:crypto'

import test, { type ExecutionContext } from 'ava'

import { codesOf, createClock, ISSUER, type Response, START, type TestAppOptions } from '../helpers/app.ts'
import {
  assertAccepted,
  assertAllRepelled,
  assertRepelled,
  type AttackedApp,
  createAttackedApp,
  type Forgery,
  joseAccepts,
  launch,
  verifyByJose,
} from '../helpers/attacked-app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { b64, COOKIE_NAME, type Json, sign, signParts, signRaw, validClaims, validHeader } from '../helpers/forge.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { parseJsonObject } from '../../src/token/json.ts'
import { parseToken } from '../../src/token/parse.ts'

/** What jose alone does with the token, where the catalogue says that it accepts. */
type Jose = 'accepts' | 'refuses' | undefined

/** A label, what is changed, the code, and jose's part. */
type Row = readonly [label: string, overrides: Json, code: ErrorCode, jose?: Jose]

async function assertRows(t: ExecutionContext, app: AttackedApp, rows: readonly Row[]): Promise<void> {
  for (const [label, overrides, code, jose] of rows) {
    const { claims, cookie } = validClaims(app, overrides)
    const token = sign(validHeader(), claims)
    await assertJose(t, app, token, label, jose)
    await assertRepelled(t, app, code, { label, token, cookie })
  }
}

async function assertJose(
  t: ExecutionContext,
  app: AttackedApp,
  token: string,
  label: string,
  jose: Jose,
): Promise<void> {
  if (jose === 'accepts') t.true(await joseAccepts(app, token), `${label}: jose`)
  if (jose === 'refuses') t.false(await joseAccepts(app, token), `${label}: jose`)
}

/** Sends a token with these claims, which must get in. */
async function assertGetsIn(t: ExecutionContext, app: AttackedApp, label: string, overrides: Json): Promise<Response> {
  const { claims, cookie } = validClaims(app, overrides)
  return assertAccepted(t, app, { label, token: sign(validHeader(), claims), cookie })
}

/** Signs claims whose JSON holds, in place of `"@@"`, text that JSON.stringify would not write. */
function signWith(claims: Json, text: string): string {
  return signRaw(
    JSON.stringify(validHeader()),
    JSON.stringify(claims).replace('"@@"', () => text),
  )
}

const now = Math.floor(START / 1000)
const YEAR = 365 * 86_400
// On a whole second, where "exactly now" has one meaning.
const onTheSecond = (): TestAppOptions => ({ testClock: createClock(now * 1000) })
const CLAIMS = 'ERR_TOKEN_CLAIMS'

test('D-01 a token that never expires is refused, though jose takes it', async (t) => {
  const app = await createAttackedApp(t)
  await assertRows(t, app, [['no exp', { exp: undefined }, CLAIMS, 'accepts']])
  await assertGetsIn(t, app, 'with exp', {})
})

test('D-02 an exp that is no number is refused', async (t) => {
  const app = await createAttackedApp(t)
  const values: readonly unknown[] = [
    '9999999999',
    String(now + 900),
    '',
    true,
    false,
    null,
    [],
    [now + 900],
    {},
    { valueOf: 1 },
  ]
  await assertRows(
    t,
    app,
    values.map((exp) => [JSON.stringify(exp), { exp }, CLAIMS, 'refuses'] as const),
  )
})

test('D-03 an infinite or astronomical exp is refused, though jose takes it', async (t) => {
  const app = await createAttackedApp(t)
  await assertRows(t, app, [
    ['1e308', { exp: 1e308 }, CLAIMS, 'accepts'],
    ['the largest double', { exp: Number.MAX_VALUE }, CLAIMS, 'accepts'],
    ['2^53', { exp: 2 ** 53 }, CLAIMS, 'accepts'],
  ])
  for (const text of ['1e999', '1E400', '1e+309']) {
    const { claims, cookie } = validClaims(app, { exp: '@@' })
    const token = signWith(claims, text)
    await assertJose(t, app, token, text, 'accepts')
    await assertRepelled(t, app, CLAIMS, { label: text, token, cookie })
  }
})

test('D-04 times in milliseconds are refused, though jose takes them as exp', async (t) => {
  const app = await createAttackedApp(t)
  await assertRows(t, app, [
    ['exp', { exp: (now + 900) * 1000 }, CLAIMS, 'accepts'],
    ['iat', { iat: now * 1000 }, CLAIMS],
    ['exp and iat', { exp: (now + 900) * 1000, iat: now * 1000 }, CLAIMS],
    [
      'a minute, in milliseconds',
      { exp: now * 1000 + 60, iat: now * 1000, iat_ms: undefined },
      'ERR_TOKEN_NOT_YET_VALID',
    ],
    ['nbf', { nbf: now * 1000 }, CLAIMS],
    ['auth_time', { auth_time: now * 1000 }, CLAIMS],
    ['iat_ms in microseconds', { iat_ms: now * 1e6 }, CLAIMS],
  ])
})

test('D-04 D-03 a life longer than is believed is refused, to the second', async (t) => {
  const app = await createAttackedApp(t, { accessToken: { lifetime: '10m', maxLifetime: '1h' } })
  await assertGetsIn(t, app, 'an hour', { exp: now + 3600 })
  await assertRows(t, app, [
    ['an hour and a second', { exp: now + 3601 }, CLAIMS, 'accepts'],
    ['an hour and a bit', { exp: now + 3600.001 }, CLAIMS, 'accepts'],
    ['years', { exp: now + 86_400 * 365 * 10 }, CLAIMS, 'accepts'],
  ])
})

test('D-05 exp is over at its very instant', async (t) => {
  const app = await createAttackedApp(t, onTheSecond())
  const past = { iat: now - 100, auth_time: now - 100, iat_ms: (now - 100) * 1000 }
  await assertRows(t, app, [
    ['0', { exp: 0 }, CLAIMS, 'refuses'],
    ['-1', { exp: -1 }, CLAIMS, 'refuses'],
    ['-1e308', { exp: -1e308 }, CLAIMS, 'refuses'],
    ['before iat', { exp: now - 1 }, CLAIMS, 'refuses'],
    ['exactly iat and now', { exp: now }, CLAIMS, 'refuses'],
    ['exactly now', { ...past, exp: now }, 'ERR_TOKEN_EXPIRED', 'refuses'],
    ['just over', { ...past, exp: now - 0.001 }, 'ERR_TOKEN_EXPIRED', 'refuses'],
    ['a second ago', { ...past, exp: now - 1 }, 'ERR_TOKEN_EXPIRED', 'refuses'],
  ])
  const { claims, cookie } = validClaims(app, { ...past, exp: now + 0.5 })
  const token = sign(validHeader(), claims)
  await assertJose(t, app, token, 'now + 0.5', 'accepts')
  await assertAccepted(t, app, { label: 'now + 0.5', token, cookie })
  app.clock.set(now * 1000 + 499)
  await assertAccepted(t, app, { label: 'the last millisecond', token, cookie })
  app.clock.set(now * 1000 + 500)
  await assertRepelled(t, app, 'ERR_TOKEN_EXPIRED', { label: 'half a second later', token, cookie })
})

test('D-06 an iat that is missing, malformed, in the future or later than exp is refused', async (t) => {
  const app = await createAttackedApp(t, onTheSecond())
  const day = now + 86_400
  await assertRows(t, app, [
    ['missing', { iat: undefined }, CLAIMS, 'accepts'],
    ['missing, iat_ms too', { iat: undefined, iat_ms: undefined }, CLAIMS, 'accepts'],
    ['"x"', { iat: 'x' }, CLAIMS],
    ['a numeric string', { iat: String(now) }, CLAIMS],
    ['null', { iat: null }, CLAIMS],
    ['0', { iat: 0, iat_ms: 0 }, CLAIMS],
    ['-1', { iat: -1, iat_ms: -1000 }, CLAIMS],
    [
      'tomorrow',
      { iat: day, iat_ms: day * 1000, auth_time: day, exp: day + 900 },
      'ERR_TOKEN_NOT_YET_VALID',
      'accepts',
    ],
    ['six seconds ahead', { iat: now + 6, iat_ms: (now + 6) * 1000 }, 'ERR_TOKEN_NOT_YET_VALID', 'accepts'],
    ['later than exp', { iat: now, exp: now - 1 }, CLAIMS],
    ['later than exp, both ahead', { iat: now + 4, iat_ms: undefined, exp: now + 3 }, CLAIMS, 'accepts'],
    ['equal to exp', { iat: now + 4, iat_ms: undefined, exp: now + 4 }, CLAIMS, 'accepts'],
    ['nbf later than exp', { nbf: now + 901 }, CLAIMS],
    ['nbf equal to exp', { nbf: now + 900 }, CLAIMS],
    ['later than iat_ms', { iat_ms: (now - 1) * 1000 }, CLAIMS, 'accepts'],
    ['more than a year before iat_ms', { iat_ms: (now + YEAR) * 1000 + 1 }, CLAIMS, 'accepts'],
    ['iat_ms of any day', { iat_ms: Number.MAX_SAFE_INTEGER }, CLAIMS, 'accepts'],
    ['iat_ms no whole number', { iat_ms: now * 1000 + 0.5 }, CLAIMS, 'accepts'],
    ['iat_ms text', { iat_ms: String(now * 1000) }, CLAIMS, 'accepts'],
    ['iat_ms null', { iat_ms: null }, CLAIMS, 'accepts'],
  ])
  await assertGetsIn(t, app, 'five seconds ahead', { iat: now + 5, iat_ms: (now + 5) * 1000 })
  // So far it can be that the clock went back after a cut-off.
  await assertGetsIn(t, app, 'a year before iat_ms', { iat_ms: (now + YEAR) * 1000 })
})

test('D-07 a token is refused before its nbf, and for an nbf that is no time', async (t) => {
  const app = await createAttackedApp(t, onTheSecond())
  await assertRows(t, app, [
    ['in a minute', { nbf: now + 60 }, 'ERR_TOKEN_NOT_YET_VALID', 'refuses'],
    ['in six seconds', { nbf: now + 6 }, 'ERR_TOKEN_NOT_YET_VALID', 'refuses'],
    ['"0"', { nbf: '0' }, CLAIMS, 'refuses'],
    ['a numeric string', { nbf: String(now) }, CLAIMS, 'refuses'],
    ['null', { nbf: null }, CLAIMS, 'refuses'],
    ['[]', { nbf: [] }, CLAIMS, 'refuses'],
    ['0', { nbf: 0 }, CLAIMS],
    ['-1', { nbf: -1 }, CLAIMS],
  ])
  await assertGetsIn(t, app, 'now', { nbf: now })
  await assertGetsIn(t, app, 'within the skew of two clocks', { nbf: now + 5 })
})

test('D-08 only the exact issuer is the issuer', async (t) => {
  const app = await createAttackedApp(t)
  const WRONG = 'ERR_TOKEN_ISSUER'
  await assertRows(t, app, [
    // CVE-2025-30144: an array that holds the issuer passed in fast-jwt.
    ['an array with it', { iss: ['https://evil.example', ISSUER] }, CLAIMS, 'refuses'],
    ['an array of only it', { iss: [ISSUER] }, CLAIMS, 'refuses'],
    ['missing', { iss: undefined }, CLAIMS, 'refuses'],
    ['null', { iss: null }, CLAIMS, 'refuses'],
    ['an object', { iss: { [ISSUER]: true } }, CLAIMS, 'refuses'],
    ['empty', { iss: '' }, WRONG, 'refuses'],
    ['a slash at the end', { iss: `${ISSUER}/` }, WRONG, 'refuses'],
    ['upper case', { iss: ISSUER.toUpperCase() }, WRONG, 'refuses'],
    ['an upper-case scheme', { iss: ISSUER.replace('https', 'HTTPS') }, WRONG, 'refuses'],
    ['a fragment', { iss: `${ISSUER}#` }, WRONG, 'refuses'],
    ['a query', { iss: `${ISSUER}?` }, WRONG, 'refuses'],
    ['the default port', { iss: `${ISSUER}:443` }, WRONG, 'refuses'],
    ['a user', { iss: ISSUER.replace('//', '//x@') }, WRONG, 'refuses'],
    ['http', { iss: ISSUER.replace('https', 'http') }, WRONG, 'refuses'],
    ['a prefix', { iss: ISSUER.slice(0, -1) }, WRONG, 'refuses'],
    ['a longer name', { iss: `${ISSUER}.evil.example` }, WRONG, 'refuses'],
    ['space', { iss: ` ${ISSUER}` }, WRONG, 'refuses'],
    ['a NUL', { iss: `${ISSUER}\0` }, WRONG, 'refuses'],
    ['another', { iss: 'https://evil.example' }, WRONG, 'refuses'],
  ])
})

test('D-09 only an audience that names this service exactly is for it', async (t) => {
  const app = await createAttackedApp(t)
  const WRONG = 'ERR_TOKEN_AUDIENCE'
  await assertRows(t, app, [
    ['an object', { aud: { 0: ISSUER, length: 1 } }, CLAIMS, 'refuses'],
    ['an empty array', { aud: [] }, CLAIMS, 'refuses'],
    ['an array in an array', { aud: [[ISSUER]] }, CLAIMS, 'refuses'],
    ['missing', { aud: undefined }, CLAIMS, 'refuses'],
    ['null', { aud: null }, CLAIMS, 'refuses'],
    ['empty', { aud: '' }, CLAIMS, 'refuses'],
    ['true', { aud: true }, CLAIMS, 'refuses'],
    ['a name and a number', { aud: [ISSUER, 1] }, CLAIMS],
    ['a name and a null', { aud: [null, ISSUER] }, CLAIMS],
    ['a longer name', { aud: `${ISSUER}b` }, WRONG, 'refuses'],
    ['a prefix', { aud: ISSUER.slice(0, -1) }, WRONG, 'refuses'],
    ['upper case', { aud: ISSUER.toUpperCase() }, WRONG, 'refuses'],
    ['a list in one string', { aud: `${ISSUER} other` }, WRONG, 'refuses'],
    ['a comma list', { aud: `other,${ISSUER}` }, WRONG, 'refuses'],
    ['a wildcard', { aud: '*' }, WRONG, 'refuses'],
    ['only others', { aud: ['a', 'b'] }, WRONG, 'refuses'],
    ['65 names with the right one', { aud: [...Array.from({ length: 64 }, String), ISSUER] }, CLAIMS, 'accepts'],
  ])
  await assertGetsIn(t, app, '64 names', { aud: [...Array.from({ length: 63 }, String), ISSUER] })
})

test('D-09 an audience of 100,000 names stops at the length of the token, though jose takes it', async (t) => {
  const app = await createAttackedApp(t)
  const { claims } = validClaims(app, { aud: [...Array.from({ length: 100_000 }, () => 'a'), ISSUER] })
  const token = sign(validHeader(), claims)
  await assertJose(t, app, token, 'long', 'accepts')
  // Node answers 431 to a header of this length, so the kit's own limit is asked directly.
  t.throws(() => parseToken(token, { maxBytes: 8192, typ: 'at+jwt' }), { code: 'ERR_TOKEN_TOO_LARGE' })
  await assertRows(t, app, [
    [
      'what fits a header',
      { aud: [...Array.from({ length: 1500 }, () => 'a'), ISSUER] },
      'ERR_TOKEN_TOO_LARGE',
      'accepts',
    ],
    ['what fits a token', { aud: [...Array.from({ length: 1000 }, () => 'a'), ISSUER] }, CLAIMS, 'accepts'],
  ])
})

test('D-10 a token for this service and another is for this service', async (t) => {
  const app = await createAttackedApp(t)
  for (const aud of [[ISSUER, 'other'], ['other', ISSUER], [ISSUER, ISSUER], [ISSUER], ISSUER]) {
    const { claims, cookie } = validClaims(app, { aud })
    const token = sign(validHeader(), claims)
    await assertJose(t, app, token, String(aud), 'accepts')
    await assertAccepted(t, app, { label: String(aud), token, cookie })
  }
})

test('D-11 a subject that is no plain text is refused, though jose takes every one', async (t) => {
  const app = await createAttackedApp(t)
  await assertRows(t, app, [
    ['a number', { sub: 1 }, CLAIMS, 'accepts'],
    ['an operator', { sub: { $ne: null } }, CLAIMS, 'accepts'],
    ['an array', { sub: ['alice'] }, CLAIMS, 'accepts'],
    ['true', { sub: true }, CLAIMS, 'accepts'],
    ['null', { sub: null }, CLAIMS, 'accepts'],
    ['empty', { sub: '' }, CLAIMS, 'accepts'],
    ['missing', { sub: undefined }, CLAIMS, 'accepts'],
    ['a NUL', { sub: 'admin\u0000' }, CLAIMS, 'accepts'],
    ['a line feed', { sub: 'alice\nadmin' }, CLAIMS, 'accepts'],
    ['an escape', { sub: '\u001b[2J' }, CLAIMS, 'accepts'],
    ['DEL', { sub: 'alice\u007f' }, CLAIMS, 'accepts'],
    ['a C1 control', { sub: 'alice\u0085' }, CLAIMS, 'accepts'],
    ['256 characters', { sub: 'a'.repeat(256) }, CLAIMS, 'accepts'],
    ['8 kB', { sub: 'a'.repeat(8000) }, 'ERR_TOKEN_TOO_LARGE', 'accepts'],
  ])
  const megabyte = sign(validHeader(), validClaims(app, { sub: 'a'.repeat(2 ** 20) }).claims)
  await assertJose(t, app, megabyte, '1 MB', 'accepts')
  t.throws(() => parseToken(megabyte, { maxBytes: 8192, typ: 'at+jwt' }), { code: 'ERR_TOKEN_TOO_LARGE' })
  const longest = await assertGetsIn(t, app, '255 characters', { sub: 'a'.repeat(255) })
  t.is(longest.json['sub'], 'a'.repeat(255))
})

test('D-11 a subject of half a surrogate pair is refused: as UTF-8, in a store, they are all the same', async (t) => {
  const app = await createAttackedApp(t)
  await assertRows(t, app, [
    ['a high half', { sub: 'alice\ud800' }, CLAIMS, 'accepts'],
    ['a low half', { sub: '\udc00' }, CLAIMS, 'accepts'],
  ])
})

test('D-12 a jti that is no short plain text is refused, though jose takes every one', async (t) => {
  const app = await createAttackedApp(t)
  const values: readonly (readonly [string, unknown])[] = [
    ['missing', undefined],
    ['a number', 1],
    ['an object', { $ne: null }],
    ['an array', ['x']],
    ['null', null],
    ['true', true],
    ['empty', ''],
    ['129 characters', 'a'.repeat(129)],
    ['a space', 'a b'],
    ['a NUL', 'a\0'],
    ['a line feed', 'a\n'],
    ['past ASCII', 'a\u00e9'],
  ]
  for (const name of ['jti', 'sid']) {
    const rows = values.map(([label, value]) => [`${name}: ${label}`, { [name]: value }, CLAIMS, 'accepts'] as const)
    await assertRows(t, app, rows)
  }
  const megabyte = sign(validHeader(), validClaims(app, { jti: 'a'.repeat(2 ** 20) }).claims)
  await assertJose(t, app, megabyte, '1 MB', 'accepts')
  t.throws(() => parseToken(megabyte, { maxBytes: 8192, typ: 'at+jwt' }), { code: 'ERR_TOKEN_TOO_LARGE' })
  await assertGetsIn(t, app, '128 characters', { jti: 'a'.repeat(128), sid: 'b'.repeat(128) })
})

test('D-12 two live tokens with one jti both pass, each with its own fingerprint, and are revoked together', async (t) => {
  const app = await createAttackedApp(t)
  const genuine = await app.login()
  const jti = String(payloadOf(genuine.token)['jti'])
  const { claims, cookie } = validClaims(app, { jti })
  const token = sign(validHeader(), claims)
  await assertJose(t, app, token, 'the same jti', 'accepts')
  await assertAccepted(t, app, { label: 'the second', token, cookie })
  await assertRepelled(t, app, 'ERR_FINGERPRINT_MISMATCH', { label: 'crossed', token, cookie: genuine.cookie })
  await app.kit.revoke({ jti })
  await assertRepelled(t, app, 'ERR_TOKEN_REVOKED', { label: 'the second', token, cookie })
  await assertRepelled(t, app, 'ERR_TOKEN_REVOKED', {
    label: 'the first',
    token: genuine.token,
    cookie: genuine.cookie,
  })
})

test('D-13 a claim named __proto__ is refused at any depth, though jose takes it', async (t) => {
  const app = await createAttackedApp(t)
  const texts = [
    '{"__proto__":{"admin":true}}',
    '[{"__proto__":{"admin":true}}]',
    '{"a":{"b":[{"\\u005f_proto__":{"admin":true}}]}}',
    '{"__proto__":null}',
    '{"__proto__":1}',
  ]
  for (const text of texts) {
    const { claims, cookie } = validClaims(app, { x: '@@' })
    const token = signWith(claims, text)
    await assertJose(t, app, token, text, 'accepts')
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: text, token, cookie })
  }
  for (const name of ['__proto__', '__pr\\u006fto__']) {
    const { claims, cookie } = validClaims(app)
    const text = `{"${name}":{"admin":true},${JSON.stringify(claims).slice(1)}`
    const token = signRaw(JSON.stringify(validHeader()), text)
    const payload = await verifyByJose(app, token)
    t.true(Object.hasOwn(payload, '__proto__'))
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: name, token, cookie })
    const header = `{"${name}":{"alg":"none"},${JSON.stringify(validHeader()).slice(1)}`
    const spoilt = signRaw(header, JSON.stringify(claims))
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: `header ${name}`, token: spoilt, cookie })
  }
  t.is(({} as Json)['admin'], undefined)
})

test('D-13 claims inherit nothing, and a claim named constructor is only a claim', async (t) => {
  const seen: object[] = []
  const app = await createAttackedApp(t, {
    mount: (_koa, kit, router) =>
      router.get('/claims', kit.protect(), (ctx) => {
        seen.push(ctx.state.auth.claims)
        ctx.body = 'ok'
      }),
  })
  const evil = {
    constructor: { prototype: { admin: true } },
    prototype: { admin: true },
    toString: 'x',
    hasOwnProperty: 1,
  }
  const { claims, cookie } = validClaims(app, evil)
  const token = sign(validHeader(), claims)
  await assertJose(t, app, token, 'constructor', 'accepts')
  const response = await launch(app, { label: 'constructor', token, cookie, path: '/claims' })
  t.is(response.status, 200)
  const [got = {}] = seen
  t.is(Object.getPrototypeOf(got), null)
  t.true(Object.isFrozen(got))
  t.false('admin' in got)
  t.false('valueOf' in got)
  t.is(({} as Json)['admin'], undefined)
  t.deepEqual(app.errors, [])
  // What every object inherits does not stand in for a claim or a parameter that is missing.
  const inherited = Object.assign(Object.create({ iss: ISSUER }) as Json, { ...claims, iss: undefined })
  await assertRepelled(t, app, CLAIMS, { label: 'inherited', token: sign(validHeader(), inherited), cookie })
})

test('D-14 a payload that is no object is refused', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const array = JSON.stringify([claims])
  // CVE-2026-107723 in fast-jwt.
  for (const text of [
    '[1]',
    '[]',
    array,
    'null',
    '"x"',
    '42',
    '0',
    'true',
    'false',
    ' ',
    '\n',
    '{',
    '}',
    'NaN',
    '{a:1}',
  ]) {
    const token = signRaw(JSON.stringify(validHeader()), text)
    await assertJose(t, app, token, text, 'refuses')
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: text, token, cookie })
    const header = signRaw(text, JSON.stringify(claims))
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: `header ${text}`, token: header, cookie })
  }
  const empty = signParts(b64(validHeader()), '')
  await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: 'empty', token: empty, cookie })
  await assertRepelled(t, app, CLAIMS, { label: '{}', token: sign(validHeader(), {}), cookie })
})

const FORMATS = [
  { format: 'base64url', claim: 'fgp', value: 'A'.repeat(43), encoding: 'base64url' },
  { format: 'owasp', claim: 'userFingerprint', value: '0A'.repeat(50), encoding: 'hex' },
] as const

for (const { format, claim, value, encoding } of FORMATS) {
  const digest = (text: string): string => {
    const written = createHash('sha256').update(text).digest(encoding)
    return encoding === 'hex' ? written.toUpperCase() : written
  }

  test(`D-15 a fingerprint claim that is no digest is refused and never an accident: ${format}`, async (t) => {
    const app = await createAttackedApp(t, { fingerprint: { format } }, null)
    const cookie = `${COOKIE_NAME}=${value}`
    const good = digest(value)
    const send = async (label: string, fingerprint: unknown, code: ErrorCode): Promise<void> => {
      const { claims } = validClaims(app, { fgp: undefined, [claim]: fingerprint })
      await assertRepelled(t, app, code, { label, token: sign(validHeader(), claims), cookie })
    }
    const { claims } = validClaims(app, { fgp: undefined, [claim]: good })
    await assertAccepted(t, app, { label: 'the digest', token: sign(validHeader(), claims), cookie })
    const noText: readonly (readonly [string, unknown])[] = [
      ['missing', undefined],
      ['null', null],
      ['a number', 0],
      ['true', true],
      ['good and bad', [good, digest('x')]],
      ['only good', [good]],
      ['an object', { [good]: true, length: good.length }],
    ]
    for (const [label, fingerprint] of noText) await send(label, fingerprint, CLAIMS)
    const noDigest: readonly (readonly [string, string])[] = [
      ['empty', ''],
      ['one short', good.slice(0, -1)],
      ['one long', `${good}0`],
      ['padded', `${good}=`],
      ...(encoding === 'hex' ? ([['lower case', good.toLowerCase()]] as const) : []),
      ['space before', ` ${good}`],
      ['a line feed behind', `${good}\n`],
      ...(encoding === 'hex' ? ([['the value itself', value]] as const) : []),
      [
        'in the other encoding',
        createHash('sha256')
          .update(value)
          .digest(encoding === 'hex' ? 'base64url' : 'hex'),
      ],
      ['of two bytes a character', good.replace(/.$/, '\u00e9')],
      ['long', good.repeat(80).slice(0, 4000)],
    ]
    for (const [label, fingerprint] of noDigest) {
      t.not(fingerprint, good)
      await send(label, fingerprint, CLAIMS)
    }
    const foreign: readonly (readonly [string, string])[] = [
      ['of something else', digest('x')],
      ['with two characters swapped', `${good[1]}${good[0]}${good.slice(2)}`],
      ...(encoding === 'hex' ? [] : ([['in upper case', good.toUpperCase()]] as const)),
    ]
    for (const [label, fingerprint] of foreign) {
      if (fingerprint !== good) await send(label, fingerprint, 'ERR_FINGERPRINT_MISMATCH')
    }
    await send('longer than a token may be', good.repeat(200).slice(0, 8000), 'ERR_TOKEN_TOO_LARGE')
    const million = sign(validHeader(), { ...claims, [claim]: 'a'.repeat(1_000_000) })
    t.throws(() => parseToken(million, { maxBytes: 8192, typ: 'at+jwt' }), { code: 'ERR_TOKEN_TOO_LARGE' })
  })

  test(`D-16 the digest of nothing does not let an empty or missing cookie in: ${format}`, async (t) => {
    const app = await createAttackedApp(t, { fingerprint: { format } }, null)
    await assertAccepted(t, app, { label: 'a login', ...(await app.login()) })
    for (const text of ['', '""', 'undefined', 'null', 'x']) {
      const { claims } = validClaims(app, { fgp: undefined, [claim]: digest(text) })
      const token = sign(validHeader(), claims)
      const label = `digest of '${text}'`
      const cookie = `${COOKIE_NAME}=${text}`
      await assertRepelled(t, app, 'ERR_FINGERPRINT_MISMATCH', { label, token, cookie })
      await assertRepelled(t, app, 'ERR_FINGERPRINT_MISSING', { label, token, cookie: 'other=1' })
      await assertRepelled(t, app, 'ERR_FINGERPRINT_MISSING', { label, token, cookie: COOKIE_NAME })
      await assertRepelled(t, app, 'ERR_FINGERPRINT_MISSING', { label, token, cookie: '' })
    }
  })
}

/** An array in an array and so on; the claims themselves are one level more. */
const nest = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

test('D-17 nesting is bounded, though jose takes any depth', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app, { x: '@@' })
  await assertAccepted(t, app, { label: '16 levels', token: signWith(claims, nest(15)), cookie })
  for (const levels of [16, 100, 2000]) {
    const token = signWith(claims, nest(levels))
    await assertJose(t, app, token, String(levels), 'accepts')
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: `${levels} and one`, token, cookie })
    const objects = signWith(claims, '{"a":'.repeat(levels / 4) + '1' + '}'.repeat(levels / 4))
    if (levels > 60) await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: `objects`, token: objects, cookie })
  }
  // The most that a header of 16 KiB holds is longer than a token may be.
  const most = signWith(claims, nest(5000))
  await assertRepelled(t, app, 'ERR_TOKEN_TOO_LARGE', { label: 'the most', token: most, cookie })
  await assertJose(t, app, signWith(claims, nest(100_000)), '100,000', 'accepts')
})

// D-17 in a body is not here: no route takes a JWT in its body. What such a route would read with:
test('D-17 two million levels end in an error, not in a full stack', (t) => {
  for (const levels of [100_000, 2_000_000]) {
    const error = t.throws(() => parseJsonObject(Buffer.from(`{"x":${nest(levels)}}`)))
    t.false(error instanceof RangeError)
  }
})

test('D-18 numbers that no double holds are refused as times and mean nothing elsewhere', async (t) => {
  const app = await createAttackedApp(t)
  const digits = '1'.repeat(4000)
  for (const name of ['exp', 'iat', 'nbf', 'auth_time', 'iat_ms']) {
    for (const text of [digits, '-0', '0e999', '1E400', '-1E400', `0.${'0'.repeat(4000)}1`, '1e-400']) {
      const { claims, cookie } = validClaims(app, { [name]: '@@' })
      const label = `${name}: ${text.slice(0, 8)}`
      await assertRepelled(t, app, CLAIMS, { label, token: signWith(claims, text), cookie })
    }
  }
  const { claims, cookie } = validClaims(app, { exp: '@@' })
  const token = signWith(claims, '1'.repeat(10_000))
  await assertRepelled(t, app, 'ERR_TOKEN_TOO_LARGE', { label: 'too many digits', token, cookie })
  for (const text of [digits, '-0', '1E400']) {
    const custom = validClaims(app, { level: '@@' })
    const response = await assertAccepted(t, app, {
      label: text.slice(0, 8),
      token: signWith(custom.claims, text),
      cookie: custom.cookie,
    })
    t.is(response.json['sub'], 'alice')
  }
})

const SCOPED: TestAppOptions = {
  mount: (_koa, kit, router) =>
    router.get('/admin', kit.protect({ scope: 'admin' }), (ctx) => {
      ctx.body = 'secret'
    }),
}

/** Asserts that the answer says what is missing, and gives nothing of what it guards. */
function assertChallenged(t: ExecutionContext, response: Response, error: string, demand: string, label: string): void {
  const challenge = String(response.headers['www-authenticate'])
  t.is(response.json['error'], error, label)
  t.true(challenge.startsWith('Bearer ') && challenge.includes(`error="${error}"`), label)
  t.true(challenge.endsWith(`, ${demand}`), label)
  t.is(response.headers['cache-control'], 'no-store', label)
  t.false(response.text.includes('secret'), label)
}

test('D-19 a scope that is no text, or no list of names, is refused', async (t) => {
  const app = await createAttackedApp(t, SCOPED)
  const values = [
    ['admin'],
    { admin: true },
    { includes: 1 },
    1,
    true,
    null,
    'a\tadmin',
    ' admin',
    'admin ',
    'a  admin',
  ]
  const rest = ['admin\n', 'ad"min', 'a\\admin', 'admin\u00a0', 'admin\u0000', 'a,admin\u2003b']
  for (const scope of [...values, ...rest]) {
    const { claims, cookie } = validClaims(app, { scope })
    const token = sign(validHeader(), claims)
    await assertRepelled(t, app, CLAIMS, { label: JSON.stringify(scope), token, cookie, path: '/admin' })
  }
})

// Roles are not here: the kit gives `roles` to the application as it came and never compares it.
test('D-19 a scope is granted by its whole name and nothing that resembles it', async (t) => {
  const app = await createAttackedApp(t, SCOPED)
  const scopes = ['administrator', 'not-admin', 'adm', 'ADMIN', 'admin:read', 'a,admin', '["admin"]', 'admin*', '*', '']
  const others = [
    { roles: 'admin' },
    { roles: ['admin'] },
    { scp: ['admin'] },
    { Scope: 'admin' },
    { permissions: ['admin'] },
  ]
  for (const overrides of [
    ...scopes.filter((scope) => !scope.includes('"')).map((scope) => ({ scope })),
    ...others,
    {},
  ]) {
    const { claims, cookie } = validClaims(app, overrides)
    const label = JSON.stringify(overrides)
    app.seen.length = 0
    const response = await launch(app, { label, token: sign(validHeader(), claims), cookie, path: '/admin' })
    t.is(response.status, 403, label)
    assertChallenged(t, response, 'insufficient_scope', 'scope="admin"', label)
    t.deepEqual(codesOf(app.seen), ['ERR_SCOPE_INSUFFICIENT'], label)
  }
  for (const scope of ['admin', 'read admin', 'admin write']) {
    const { claims, cookie } = validClaims(app, { scope })
    const response = await launch(app, { label: scope, token: sign(validHeader(), claims), cookie, path: '/admin' })
    t.is(response.text, 'secret', scope)
  }
})

test('D-20 a token that says it is bound to a key is refused, whatever its cnf holds', async (t) => {
  const app = await createAttackedApp(t)
  const thumbprint = createHash('sha256').update('x').digest('base64url')
  const values = [
    {},
    null,
    [],
    '',
    0,
    false,
    'x',
    { jkt: 1 },
    { jkt: null },
    { jkt: thumbprint },
    { 'x5t#S256': thumbprint },
  ]
  const rows = [...values, { jwk: { kty: 'oct', k: 'AA' } }, { kid: 'k1' }, { jku: 'https://evil.example' }]
  await assertRows(
    t,
    app,
    rows.map((cnf) => [JSON.stringify(cnf), { cnf }, CLAIMS, 'accepts'] as const),
  )
})

const STEP_UP: TestAppOptions = {
  mount: (_koa, kit, router) =>
    router.get('/transfer', kit.protect({ maxTokenAge: 60 }), (ctx) => {
      ctx.body = 'secret'
    }),
}

test('D-21 an auth_time in the future or of another type is refused, on a route with a maximum age and without', async (t) => {
  const app = await createAttackedApp(t, STEP_UP)
  const future = [now + 6, now + 60, now * 2, 1e308, now * 1000]
  for (const authTime of [...future, String(now), 'x', '', null, true, [], [now], {}, 0, -1]) {
    const { claims, cookie } = validClaims(app, { auth_time: authTime })
    const token = sign(validHeader(), claims)
    const label = JSON.stringify(authTime)
    await assertRepelled(t, app, CLAIMS, { label, token, cookie })
    await assertRepelled(t, app, CLAIMS, { label, token, cookie, path: '/transfer' })
  }
})

test('D-21 an auth_time that is missing or too long ago asks for a step up', async (t) => {
  const app = await createAttackedApp(t, STEP_UP)
  for (const authTime of [undefined, now - 61, now - 86_400, 1]) {
    const { claims, cookie } = validClaims(app, { auth_time: authTime })
    const label = String(authTime)
    const response = await launch(app, { label, token: sign(validHeader(), claims), cookie, path: '/transfer' })
    t.is(response.status, 401, label)
    assertChallenged(t, response, 'insufficient_user_authentication', 'max_age="60"', label)
  }
  const { claims, cookie } = validClaims(app, { auth_time: now - 59 })
  const response = await launch(app, { label: 'recent', token: sign(validHeader(), claims), cookie, path: '/transfer' })
  t.is(response.text, 'secret')
})

test('D-22 a header or claim forced to another value under the old signature is refused, and is no accident', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app, { nbf: now, acr: '1', amr: ['pwd'], scope: 'read' })
  const header = validHeader()
  const [, , signature = ''] = sign(header, claims).split('.')
  // The values of jwt_tool's "forced errors" scan.
  for (const value of [null, true, false, 'jwt_tool', 0]) {
    for (const name of Object.keys(claims)) {
      const token = `${b64(header)}.${b64({ ...claims, [name]: value })}.${signature}`
      await assertRepelled(t, app, 'ERR_TOKEN_SIGNATURE', { label: `${name}: ${value}`, token, cookie })
    }
    const codes = {
      alg: 'ERR_TOKEN_ALGORITHM',
      typ: 'ERR_TOKEN_TYPE',
      kid: 'ERR_TOKEN_KEY',
      x: 'ERR_TOKEN_SIGNATURE',
    } as const
    for (const [name, code] of Object.entries(codes)) {
      const token = `${b64({ ...header, [name]: value })}.${b64(claims)}.${signature}`
      await assertRepelled(t, app, code, { label: `header ${name}: ${value}`, token, cookie })
    }
  }
})

test('D-22 the same under a good signature is refused or accepted, but never an accident', async (t) => {
  const app = await createAttackedApp(t)
  const genuine = validClaims(app, { nbf: now, acr: '1', amr: ['pwd'], scope: 'read', custom: 1 })
  for (const value of [null, true, false, 'jwt_tool', 0, [], {}, -1, 1e308]) {
    for (const name of Object.keys(genuine.claims)) {
      const token = sign(validHeader(), { ...genuine.claims, [name]: value })
      const { status } = await launch(app, { label: name, token, cookie: genuine.cookie })
      // Any of these names is a good subject, and nothing asks what the custom claim is.
      const mayPass = name === 'custom' || (value === 'jwt_tool' && /^(?:sub|jti|sid|client_id|acr|scope)$/.test(name))
      const isEmptyList = name === 'amr' && Array.isArray(value)
      t.is(status, mayPass || isEmptyList ? 200 : 401, `${name}: ${JSON.stringify(value)}`)
    }
  }
  t.deepEqual(app.errors, [])
})

// D-23's listener is not here: it is with the attacks by header, which have the bait for it.
test('D-23 a URL in a header parameter that has no place in a token is refused before it is looked at', async (t) => {
  const names = ['jku', 'x5u', 'jwk', 'x5c', 'x5t', 'x5t#S256', 'crit', 'cty', 'zip', 'enc', 'b64', 'epk', 'p2c']
  await assertAllRepelled(
    t,
    await createAttackedApp(t),
    names.map((name): Forgery => [
      name,
      'ERR_TOKEN_HEADER',
      (claims) => sign(validHeader({ [name]: 'http://127.0.0.1:9/x' }), claims),
    ]),
  )
})
