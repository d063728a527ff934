// Encoding and malleability: the same token spelt another way, and text that two readers understand differently.
// RFC 4648 section 3.5, RFC 7515 sections 2, 4 and 5.2, RFC 7519 section 7.2, RFC 6750 section 2.1.

import test, { type ExecutionContext } from 'ava'

import { bearer, codesOf, ISSUER, type TestApp } from '../helpers/app.ts'
import {
  assertAccepted,
  assertRepelled,
  type AttackedApp,
  createAttackedApp,
  joseAccepts,
  launch,
  verifyByJose,
} from '../helpers/attacked-app.ts'
import { leastCost } from '../helpers/cost.ts'
import { payloadOf } from '../helpers/decode.ts'
import {
  b64,
  COOKIE_NAME,
  sign,
  signatureOf,
  signParts,
  signRaw,
  twinOf,
  validClaims,
  validHeader,
} from '../helpers/forge.ts'
import { sendRaw } from '../helpers/raw.ts'
import { parseToken } from '../../src/token/parse.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

interface Live {
  readonly app: AttackedApp
  readonly token: string
  readonly cookie: string
  readonly parts: readonly [string, string, string]
}

/** An app and a genuine pair that passes, so that whatever is refused later is refused for what was done to it. */
async function createLive(t: ExecutionContext): Promise<Live> {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const token = sign(validHeader(), claims)
  await assertAccepted(t, app, { label: 'the genuine token', token, cookie })
  return { app, token, cookie, parts: token.split('.') as [string, string, string] }
}

/** The other spellings of the same bytes: unpadded base64url whose spare bits are not zero. */
function twinsOf(part: string): string[] {
  const spare = { 2: 16, 3: 4 }[part.length % 4] ?? 1
  const last = ALPHABET.indexOf(part.at(-1) ?? '')
  return Array.from({ length: spare - 1 }, (_, i) => part.slice(0, -1) + ALPHABET[last + i + 1])
}

test('B-01 padding behind the signature is refused, though jose takes it', async (t) => {
  const { app, token, cookie } = await createLive(t)
  t.true(await joseAccepts(app, `${token}==`))
  for (const suffix of ['=', '==', '===', '.', '.=']) {
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: suffix, token: token + suffix, cookie })
  }
})

const padded = (part: string): string => part.padEnd(Math.ceil(part.length / 4) * 4, '=')

test('B-02 padding inside the signed text is refused, though the signature covers it and jose takes it', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  // Each length modulo 4 that takes padding.
  const payload = [1, 2, 3].map((n) => b64({ ...claims, x: 'x'.repeat(n) })).find((part) => part.length % 4 !== 0) ?? ''
  const header =
    [1, 2, 3].map((n) => b64(validHeader({ x: 'x'.repeat(n) }))).find((part) => part.length % 4 !== 0) ?? ''
  const tokens = {
    payload: signParts(b64(validHeader()), padded(payload)),
    header: signParts(padded(header), b64(claims)),
    both: signParts(padded(header), padded(payload)),
  }
  await assertAccepted(t, app, { label: 'without padding', token: signParts(header, payload), cookie })
  for (const [label, token] of Object.entries(tokens)) {
    t.true(token.includes('=.'))
    t.true(await joseAccepts(app, token), label)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token, cookie })
  }
})

// B-03 in a body: test/attacks/i-introspection.test.ts.
test('B-03 white space inside or before the signature is refused, though jose takes it', async (t) => {
  const { app, cookie, parts } = await createLive(t)
  const [header, payload, signature] = parts
  const cases = ['\t', ' ', '  '].flatMap((space) => [
    [`${header}.${payload}.${space}${signature}`, 'before'],
    [`${header}.${payload}.${signature.slice(0, 40)}${space}${signature.slice(40)}`, 'inside'],
  ])
  for (const [token = '', where = ''] of cases) {
    t.true(await joseAccepts(app, token), where)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: JSON.stringify(token), token, cookie })
  }
  // Node does not let these through, but the kit does not lean on that.
  for (const space of ['\n', '\r', '\f', '\r\n']) {
    const token = `${header}.${payload}.${signature.slice(0, 40)}${space}${signature.slice(40)}`
    t.true(await joseAccepts(app, token))
    for (const text of [token, `${parts.join('.')}${space}`, `${space}${parts.join('.')}`]) {
      t.throws(() => parseToken(text, { maxBytes: 8192, typ: 'at+jwt' }), { code: 'ERR_TOKEN_MALFORMED' })
    }
  }
})

test('B-04 the 15 twins of a signature in its spare bits are refused, though jose takes every one', async (t) => {
  const { app, cookie, parts } = await createLive(t)
  const [header, payload, signature] = parts
  const twins = twinsOf(signature)
  t.is(signature.length, 86)
  t.is(twins.length, 15)
  for (const twin of twins) {
    const token = `${header}.${payload}.${twin}`
    t.deepEqual(Buffer.from(twin, 'base64url'), Buffer.from(signature, 'base64url'))
    t.true(await joseAccepts(app, token), twin)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: twin, token, cookie })
  }
})

test('B-04 twins of header and payload are refused even when they are what was signed', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  for (const pad of ['x', 'xx', 'xxx']) {
    const [header, payload] = [b64(validHeader({ x: pad })), b64({ ...claims, x: pad })]
    await assertAccepted(t, app, { label: pad, token: signParts(header, payload), cookie })
    const tokens = [
      ...twinsOf(header).map((twin) => signParts(twin, payload)),
      ...twinsOf(payload).map((twin) => signParts(header, twin)),
    ]
    for (const token of tokens.slice(0, 12)) {
      t.true(await joseAccepts(app, token))
      await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: pad, token, cookie })
    }
  }
})

/** The token itself, (r, n - s), and the spare-bit and padding twins of both. */
function everyTwin(token: string): string[] {
  return [token, twinOf(token)].flatMap((one) => {
    const [header, payload, signature = ''] = one.split('.')
    const twins = twinsOf(signature).map((twin) => `${header}.${payload}.${twin}`)
    return [one, `${one}==`].concat(twins)
  })
}

const ENDINGS: Readonly<
  Record<string, (app: TestApp, pair: { token: string; cookie: string; sid: string }) => unknown>
> = {
  'logging out': (app, { token, cookie }) => app.request('POST', '/auth/logout', bearer({ token, cookie })),
  'logging out with (r, n - s)': (app, { token, cookie }) =>
    app.request('POST', '/auth/logout', bearer({ token: twinOf(token), cookie })),
  'revoking the token': (app, { token }) => app.kit.revoke({ jti: String(payloadOf(token)['jti']) }),
  'revoking the session': (app, { sid }) => app.kit.revoke({ sid }),
  'revoking the subject': (app) => app.kit.revoke({ sub: 'alice' }),
  'revoking the key': (app) => app.kit.revoke({ kid: app.keys.active?.kid ?? '' }),
}

for (const [ending, end] of Object.entries(ENDINGS)) {
  test(`B-05 after ${ending} no twin of the token gets in`, async (t) => {
    const app = await createAttackedApp(t)
    const pair = await app.login()
    const { token, cookie } = pair
    const twin = twinOf(token)
    t.not(twin, token)
    t.true(await joseAccepts(app, twin))
    const first = await assertAccepted(t, app, { label: 'the token', token, cookie })
    // The same token, not another one: whoever holds it holds nothing more.
    const second = await assertAccepted(t, app, { label: 'its twin', token: twin, cookie })
    t.deepEqual(second.json, first.json)
    await end(app, pair)
    for (const one of everyTwin(token)) {
      const code = one === token || one === twin ? 'ERR_TOKEN_REVOKED' : 'ERR_TOKEN_MALFORMED'
      await assertRepelled(t, app, code, { label: `…${one.slice(-8)}`, token: one, cookie })
    }
  })
}

test('B-05 the twin of a live token needs the cookie as the token does', async (t) => {
  const app = await createAttackedApp(t)
  const { token } = await app.login()
  const other = await app.login('bob')
  await assertRepelled(t, app, 'ERR_FINGERPRINT_MISMATCH', {
    label: 'another cookie',
    token: twinOf(token),
    cookie: other.cookie,
  })
})

const standard = (part: string): string => part.replaceAll('-', '+').replaceAll('_', '/')

test('B-06 the standard base64 alphabet is refused', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  // Bytes that need the two letters in which the alphabets differ, in each part, with a fitting signature.
  const payload = b64({ ...claims, x: '???>>>~~~???>>>' })
  const header = b64(validHeader({ x: '???>>>~~~???>>>' }))
  t.regex(payload, /[-_]/)
  t.regex(header, /[-_]/)
  let token = signParts(header, payload)
  for (let i = 0; i < 20 && !/[-_][^.]*$/.test(token); i += 1) token = signParts(header, payload)
  await assertAccepted(t, app, { label: 'base64url', token, cookie })
  const [, , signature = ''] = token.split('.')
  const cases = {
    header: signParts(standard(header), payload),
    payload: signParts(header, standard(payload)),
    signature: `${header}.${payload}.${standard(signature)}`,
  }
  for (const [label, spoilt] of Object.entries(cases)) {
    t.regex(spoilt, /[+/]/)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token: spoilt, cookie })
  }
})

test('B-07 a percent-encoded token is not decoded', async (t) => {
  const { app, token, cookie } = await createLive(t)
  const cases = [
    token.replaceAll('.', '%2E'),
    token.replaceAll('.', '%2e'),
    token.replace('.', '%2E'),
    `${token}%3D`,
    `${token}%3D%3D`,
    token.replace(/^e/, '%65'),
    token.replace(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`),
    encodeURIComponent(`Bearer ${token}`),
  ]
  for (const one of cases) await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: one, token: one, cookie })
})

const BOM = Buffer.from([0xef, 0xbb, 0xbf])

test('B-08 a byte order mark before the JSON is refused, though jose drops it', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const [header, payload] = [Buffer.from(JSON.stringify(validHeader())), Buffer.from(JSON.stringify(claims))]
  const cases = {
    payload: signRaw(header, Buffer.concat([BOM, payload])),
    header: signRaw(Buffer.concat([BOM, header]), payload),
    twice: signRaw(header, Buffer.concat([BOM, BOM, payload])),
  }
  t.true(await joseAccepts(app, cases.payload))
  for (const [label, token] of Object.entries(cases)) {
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token, cookie })
  }
})

/** Each code unit as so many bytes, little or big end first. */
function widen(text: string, bytes: 2 | 4, end: 'LE' | 'BE'): Buffer {
  const out = Buffer.alloc(text.length * bytes)
  for (let i = 0; i < text.length; i += 1) {
    out.writeUInt8(text.charCodeAt(i), i * bytes + (end === 'LE' ? 0 : bytes - 1))
  }
  return out
}

test('B-09 claims and header in UTF-16 or UTF-32 are refused', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  for (const bytes of [2, 4] as const) {
    for (const end of ['LE', 'BE'] as const) {
      for (const mark of ['', '\ufeff']) {
        const write = (value: object): Buffer => {
          const bom = mark === '' ? Buffer.alloc(0) : Buffer.alloc(bytes)
          if (end === 'LE') Buffer.from([0xff, 0xfe]).copy(bom)
          else Buffer.from([0xfe, 0xff]).copy(bom, Math.max(0, bom.length - 2))
          return Buffer.concat([bom, widen(JSON.stringify(value), bytes, end)])
        }
        const label = `UTF-${bytes * 8}${end}${mark && ' with a mark'}`
        const payload = signRaw(JSON.stringify(validHeader()), write(claims))
        const header = signRaw(write(validHeader()), JSON.stringify(claims))
        await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token: payload, cookie })
        await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token: header, cookie })
      }
    }
  }
})

const ILL_FORMED: Readonly<Record<string, readonly number[]>> = {
  'a lone FF': [0xff],
  'a lone continuation byte': [0x80],
  'an overlong full stop': [0xc0, 0xae],
  'an overlong slash': [0xe0, 0x80, 0xaf],
  'an overlong NUL': [0xc0, 0x80],
  'a surrogate half': [0xed, 0xa0, 0x80],
  'a pair of surrogates, each in three bytes': [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
  'past the last code point': [0xf4, 0x90, 0x80, 0x80],
  'cut short': [0xe2, 0x82],
}

/** The object's JSON with one more member, in whose text these bytes are. */
function insert(value: object, bytes: readonly number[]): Buffer {
  const [before = '', after = ''] = JSON.stringify({ ...value, x: '@@' }).split('@@')
  return Buffer.concat([Buffer.from(`${before}a`), Buffer.from(bytes), Buffer.from(`b${after}`)])
}

test('B-10 ill-formed UTF-8 is refused and never replaced', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const well = signRaw(JSON.stringify(validHeader()), insert(claims, [0xe2, 0x82, 0xac]))
  await assertAccepted(t, app, { label: 'well-formed UTF-8', token: well, cookie })
  for (const [label, bytes] of Object.entries(ILL_FORMED)) {
    const payload = signRaw(JSON.stringify(validHeader()), insert(claims, bytes))
    const header = signRaw(insert(validHeader(), bytes), JSON.stringify(claims))
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token: payload, cookie })
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: `${label}, header`, token: header, cookie })
  }
})

test('B-11 white space around the JSON is legal and accepted: it is JSON, and the signature covers it', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  for (const space of [' ', '\n', '\r\n', '\t', ' \n \t ']) {
    const tokens = [
      signRaw(JSON.stringify(validHeader()), JSON.stringify(claims) + space),
      signRaw(JSON.stringify(validHeader()), space + JSON.stringify(claims)),
      signRaw(JSON.stringify(validHeader()) + space, JSON.stringify(claims, null, 2)),
    ]
    for (const token of tokens) {
      t.true(await joseAccepts(app, token))
      const response = await assertAccepted(t, app, { label: JSON.stringify(space), token, cookie })
      t.is(response.json['sub'], 'alice')
    }
  }
  // White space to other languages, but not to JSON (RFC 8259 section 2).
  for (const space of ['\u00a0', '\u2028', '\u0085', '\f', '\v', '\0']) {
    const token = signRaw(JSON.stringify(validHeader()), JSON.stringify(claims) + space)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: JSON.stringify(space), token, cookie })
  }
})

test('B-12 anything after the object is refused', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const [header, payload] = [JSON.stringify(validHeader()), JSON.stringify(claims)]
  for (const tail of ['x', '{}', payload, ',', ';', '//', '/**/', '\n{"sub":"admin"}', '}', '\u0000']) {
    const label = JSON.stringify(tail)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token: signRaw(header, payload + tail), cookie })
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label, token: signRaw(header + tail, payload), cookie })
  }
})

/** The object's JSON with more members, as text, before or behind its own. */
function withMembers(value: object, members: { readonly before?: string; readonly after?: string }): string {
  const inner = JSON.stringify(value).slice(1, -1)
  return `{${[members.before, inner, members.after].filter((part) => part !== undefined).join(',')}}`
}

test('B-13 a header parameter that comes twice is refused, though jose takes the last', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const header = validHeader()
  const cases = [
    withMembers(header, { before: '"alg":"none"' }),
    withMembers(header, { before: '"alg":"HS256"' }),
    withMembers(header, { before: `"alg":"${String(header['alg'])}"` }),
    withMembers(header, { before: '"typ":"JWT"' }),
    withMembers(header, { before: '"kid":"another"' }),
    withMembers(header, { before: '"x":1', after: '"x":1' }),
  ]
  for (const text of cases) {
    const token = signRaw(text, JSON.stringify(claims))
    t.true(await joseAccepts(app, token), text)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: text, token, cookie })
  }
  const last = signRaw(withMembers(header, { after: '"alg":"none"' }), JSON.stringify(claims))
  await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: 'the other order', token: last, cookie })
})

test('B-14 a claim that comes twice is refused, though jose takes the last', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app, { roles: { level: 1 } })
  const twice = Object.entries(claims).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const cases = [
    ...twice.map((member) => withMembers(claims, { before: member })),
    withMembers(claims, { before: '"sub":"admin"' }),
    withMembers(claims, { after: '"sub":"admin"' }),
    withMembers(claims, { before: '"exp":1' }),
    withMembers(claims, { before: '"fgp":null' }),
    withMembers(claims, { before: '"":1', after: '"":1' }),
    withMembers(claims, { after: '"nested":{"admin":false,"admin":true}' }),
    withMembers(claims, { after: '"nested":[[{"admin":false},{"a":{},"a":[]}]]' }),
  ]
  for (const text of cases) {
    const token = signRaw(JSON.stringify(validHeader()), text)
    t.true(await joseAccepts(app, token), text)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: text, token, cookie })
  }
  const payload = await verifyByJose(
    app,
    signRaw(JSON.stringify(validHeader()), withMembers(claims, { after: '"sub":"admin"' })),
  )
  t.is(payload.sub, 'admin')
  // The same name in two objects is no repetition.
  const text = withMembers(claims, { after: '"a":{"sub":1,"b":[{"sub":2},{"sub":3}]},"c":{"sub":4}' })
  await assertAccepted(t, app, { label: text, token: signRaw(JSON.stringify(validHeader()), text), cookie })
})

test('B-14 the fingerprint of the OWASP format cannot come twice either', async (t) => {
  const app = await createAttackedApp(t, { fingerprint: { format: 'owasp' } }, null)
  const { token, cookie } = await app.login()
  const [header = '', payload = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  const value = (JSON.parse(payload) as { userFingerprint: string }).userFingerprint
  await assertAccepted(t, app, { label: 'once', token: signRaw(header, payload), cookie })
  for (const member of [`"userFingerprint":"${value}"`, `"userFingerprint":"${'0'.repeat(64)}"`]) {
    const text = withMembers(JSON.parse(payload) as object, { before: member })
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: member, token: signRaw(header, text), cookie })
  }
})

test('B-15 an escaped name is the name it stands for, though jose lets the escaped one win', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const names = ['"\\u0073ub"', '"s\\u0075b"', '"su\\u0062"', '"\\u0073\\u0075\\u0062"']
  const payloads = [
    ...names.map((name) => withMembers(claims, { after: `${name}:"admin"` })),
    withMembers(claims, { before: '"\\u0065xp":1' }),
    withMembers(claims, { before: '"f\\u0067p":""' }),
    withMembers(claims, { after: '"a\\/b":1,"a/b":2' }),
    withMembers(claims, { after: '"\\u000a":1,"\\n":2' }),
    withMembers(claims, { after: '"\\uD83D\\uDE00":1,"\u{1f600}":2' }),
    withMembers(claims, { after: '"\\u00E9":1,"\\u00e9":2' }),
  ]
  for (const text of payloads) {
    const token = signRaw(JSON.stringify(validHeader()), text)
    t.true(await joseAccepts(app, token), text)
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: text, token, cookie })
  }
  const [first = ''] = payloads
  t.is((await verifyByJose(app, signRaw(JSON.stringify(validHeader()), first))).sub, 'admin')
  const header = signRaw(withMembers(validHeader(), { before: '"\\u0061lg":"none"' }), JSON.stringify(claims))
  t.true(await joseAccepts(app, header))
  await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: 'header', token: header, cookie })
  // Escapes that repeat nothing are only another spelling.
  const { sub, ...others } = claims
  const single = signRaw(
    JSON.stringify(validHeader()),
    withMembers(others, { after: `"\\u0073ub":${JSON.stringify(sub)}` }),
  )
  t.is((await assertAccepted(t, app, { label: 'once', token: single, cookie })).json['sub'], 'alice')
  // Nor does a text that only looks like a name repeat one.
  const text = withMembers(claims, { after: '"a":"\\"sub\\":1","b":["sub","sub"],"\\"sub":1,"sub\\\\":2' })
  await assertAccepted(t, app, { label: text, token: signRaw(JSON.stringify(validHeader()), text), cookie })
})

test('B-16 names that differ in case are other names and mean nothing', async (t) => {
  const app = await createAttackedApp(t)
  const past = Math.floor(app.clock() / 1000) - 3600
  const extra = { Sub: 'admin', SUB: 'admin', EXP: past, Exp: past, Iss: 'https://evil.example', AUD: 'other', Cnf: {} }
  const { claims, cookie } = validClaims(app, { ...extra, FGP: 'x', NBF: past * 2 })
  const header = validHeader({ ALG: 'none', Alg: 'HS256', JKU: 'https://evil.example', Kid: 'k2', CRIT: ['x'] })
  const response = await assertAccepted(t, app, { label: 'beside the real ones', token: sign(header, claims), cookie })
  t.is(response.json['sub'], 'alice')
  // Nor do they stand in for one that is missing.
  for (const name of ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'sid', 'fgp']) {
    const renamed = { ...claims, [name]: undefined, [name.toUpperCase()]: claims[name] }
    await assertRepelled(t, app, 'ERR_TOKEN_CLAIMS', { label: name, token: sign(validHeader(), renamed), cookie })
  }
  const codes = { alg: 'ERR_TOKEN_ALGORITHM', typ: 'ERR_TOKEN_TYPE', kid: 'ERR_TOKEN_KEY' } as const
  for (const [name, code] of Object.entries(codes)) {
    const renamed = validHeader({ [name]: undefined, [name.toUpperCase()]: validHeader()[name] })
    await assertRepelled(t, app, code, { label: name, token: sign(renamed, claims), cookie })
  }
})

test('B-17 issuer and audience are compared code point by code point', async (t) => {
  const composed = 'https://app.example/caf\u00e9'
  const app = await createAttackedApp(t, { audience: composed }, (claims) =>
    sign(validHeader(), { ...claims, aud: composed }),
  )
  const own = validClaims(app, { aud: composed })
  const label = 'the composed form'
  await assertAccepted(t, app, { label, token: sign(validHeader(), own.claims), cookie: own.cookie })
  const audiences = [
    composed.normalize('NFD'),
    composed.toUpperCase(),
    'https://app.example/caf\u0435', // Cyrillic
    `${composed}\u200b`,
    `\u200e${composed}`,
    'https://app.example/caf%C3%A9',
  ]
  for (const aud of audiences) {
    const { claims, cookie } = validClaims(app, { aud })
    await assertRepelled(t, app, 'ERR_TOKEN_AUDIENCE', { label: aud, token: sign(validHeader(), claims), cookie })
    await assertRepelled(t, app, 'ERR_TOKEN_AUDIENCE', {
      label: `[${aud}]`,
      token: sign(validHeader(), { ...claims, aud: [aud, aud] }),
      cookie,
    })
  }
  const issuers = [
    ISSUER.replace('a', '\u0430'), // Cyrillic
    ISSUER.replace('app', '\uff41pp'), // full width
    ISSUER.replace('app.', 'app\u3002'), // ideographic full stop, a dot to IDNA
    ISSUER.replace('x', 'x\u0301'),
    `${ISSUER}\u200d`,
    `\ufeff${ISSUER}`,
    ISSUER.replace('s:', '\u017f:'), // long s, an s when folded
  ]
  for (const iss of issuers) {
    const { claims, cookie } = validClaims(app, { iss, aud: composed })
    await assertRepelled(t, app, 'ERR_TOKEN_ISSUER', { label: iss, token: sign(validHeader(), claims), cookie })
  }
})

test('B-17 subjects that look alike are different subjects, for the handler and for the revocation list', async (t) => {
  const app = await createAttackedApp(t)
  const names = ['zo\u00eb', 'zoe\u0308', 'z\u043e\u00eb', 'ZO\u00cb', 'zo\u00eb ', 'zo\u00eb\u200b']
  const pairs = names.map((sub) => {
    const { claims, cookie } = validClaims(app, { sub })
    return { sub, token: sign(validHeader(), claims), cookie }
  })
  await app.kit.revoke({ sub: 'zo\u00eb' })
  for (const { sub, token, cookie } of pairs) {
    if (sub === 'zo\u00eb') await assertRepelled(t, app, 'ERR_TOKEN_REVOKED', { label: sub, token, cookie })
    else t.is((await assertAccepted(t, app, { label: sub, token, cookie })).json['sub'], sub)
  }
})

test('B-18 any number of segments but three is refused', async (t) => {
  const { app, token, cookie, parts } = await createLive(t)
  const [header, payload, signature] = parts
  const cases = [
    header,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `.${payload}.${signature}`,
    `${header}..${signature}`,
    `${token}.${signature}`,
    `${token}.`,
    `.${token}`,
    `${token}.${payload}.${signature}`,
    `${header}.${payload}.${payload}.${payload}.${signature}`,
    `${token}.${token}`,
    '.',
    '..',
    '...',
    '.'.repeat(100),
    '.'.repeat(8192),
    'e30.e30.',
    '=',
  ]
  for (const one of cases) await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: one, token: one, cookie })
  await assertRepelled(t, app, 'ERR_TOKEN_TOO_LARGE', { label: 'dots', token: '.'.repeat(8193), cookie })
  for (const authorization of ['Bearer', 'Bearer ', 'Bearer        ', 'bearer\t', 'Bearer  \t ']) {
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: authorization, authorization, cookie })
  }
})

test.serial(
  'B-18 a token of a million dots costs next to nothing, even where no limit on its length stops it',
  async (t) => {
    const million = 1_000_000
    const cases = [
      '.'.repeat(million),
      'a'.repeat(million),
      ' '.repeat(million),
      `a.${'a'.repeat(million)}`,
      'a.'.repeat(million / 2),
      `${'a'.repeat(million)}.a.a!`,
    ]
    for (const token of cases) {
      const cost = await leastCost(20, () => {
        t.throws(() => parseToken(token, { maxBytes: Infinity, typ: 'at+jwt' }), { code: 'ERR_TOKEN_MALFORMED' })
      })
      t.true(cost < 20, `${token.slice(0, 8)}… took ${cost} ms`)
    }
  },
)

test('B-19 a JWS in a JSON form is refused, and so is JSON that splits like a compact one', async (t) => {
  const { app, cookie, parts } = await createLive(t)
  const [header, payload, signature] = parts
  const evil = b64({ ...validClaims(app).claims, sub: 'admin' })
  const flattened = { payload, protected: header, signature }
  const cases = [
    flattened,
    { payload, signatures: [{ protected: header, signature }] },
    // RFC 8725bis sections 2.13 and 3.14: readers that split at dots see other claims than readers of JSON.
    { ...flattened, x: `.${evil}.` },
    { x: `.${evil}.`, ...flattened },
    { ...flattened, header: { alg: 'none' } },
    [flattened],
  ]
  for (const value of cases) {
    const text = JSON.stringify(value)
    t.false(await joseAccepts(app, text))
    for (const token of [text, b64(text), `${b64(text)}.${evil}.${signature}`]) {
      const shape = token.split('.').length === 3 && !token.includes('{')
      // With three clean parts it is a compact JWS whose header lacks everything.
      const code = shape ? (Array.isArray(value) ? 'ERR_TOKEN_MALFORMED' : 'ERR_TOKEN_TYPE') : 'ERR_TOKEN_MALFORMED'
      await assertRepelled(t, app, code, { label: token, token, cookie })
    }
  }
})

test('B-20 `b64` is refused with and without `crit`, though jose takes two of the forms', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  const cases = [
    { header: { b64: false, crit: ['b64'] }, jose: false },
    { header: { b64: false }, jose: true },
    { header: { b64: true, crit: ['b64'] }, jose: true },
    { header: { b64: true }, jose: true },
    { header: { b64: null }, jose: true },
    { header: { crit: ['b64'] }, jose: false },
  ]
  for (const { header, jose } of cases) {
    const token = sign(validHeader(header), claims)
    const label = JSON.stringify(header)
    if (jose) t.true(await joseAccepts(app, token), label)
    else t.false(await joseAccepts(app, token), label)
    await assertRepelled(t, app, 'ERR_TOKEN_HEADER', { label, token, cookie })
  }
  // RFC 7797 for real: the payload itself between the dots, and the signature over it.
  const bare = `${b64(validHeader({ b64: false, crit: ['b64'] }))}.${JSON.stringify(claims)}`
  const token = `${bare}.${signatureOf(bare).toString('base64url')}`
  await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: 'unencoded', token, cookie })
})

test('B-21 the scheme is read without regard to case, followed by one or more spaces', async (t) => {
  const { app, token, cookie } = await createLive(t)
  for (const scheme of ['Bearer ', 'bearer ', 'BEARER ', 'bEaReR ', 'Bearer  ', 'Bearer      ']) {
    await assertAccepted(t, app, { label: scheme, authorization: scheme + token, cookie })
  }
})

test('B-21 anything but one token after the scheme is a bad token', async (t) => {
  const { app, token, cookie } = await createLive(t)
  const other = sign(validHeader(), validClaims(app).claims)
  const cases = [
    `Bearer\t${token}`,
    `Bearer \t${token}`,
    `Bearer ${token},${other}`,
    `Bearer ${token}, Bearer ${other}`,
    `Bearer ${token}, Basic YTpi`,
    `Bearer ${token} ${other}`,
    `Bearer ${token} x`,
    `Bearer "${token}"`,
    `Bearer '${token}'`,
    `Bearer <${token}>`,
    `Bearer ${token};`,
    `Bearer token=${token}`,
    `Bearer token="${token}"`,
    `Bearer Bearer ${token}`,
    `Bearer, ${token}`,
    `Bearer=${token}`,
    `Bearer:${token}`,
    `Bearer`,
  ]
  for (const authorization of cases) {
    await assertRepelled(t, app, 'ERR_TOKEN_MALFORMED', { label: authorization, authorization, cookie })
  }
})

test('B-21 another scheme is no token at all: a bare challenge without an error', async (t) => {
  const { app, token, cookie } = await createLive(t)
  const cases = [
    `Bearer${token}`,
    `Basic ${token}`,
    `Token ${token}`,
    `JWT ${token}`,
    `DPoP ${token}`,
    `Bearer-x ${token}`,
    `xBearer ${token}`,
    `x Bearer ${token}`,
    `, Bearer ${token}`,
    `"Bearer" ${token}`,
    token,
    '',
  ]
  const before = app.handled.count
  for (const authorization of cases) {
    app.seen.length = 0
    const response = await launch(app, { label: authorization, authorization, cookie })
    t.is(response.status, 401, authorization)
    t.is(response.headers['www-authenticate'], `Bearer realm="${ISSUER}"`, authorization)
    t.is(response.json['error'], undefined, authorization)
    t.is(response.headers['cache-control'], 'no-store', authorization)
    t.deepEqual(codesOf(app.seen), [], authorization)
  }
  t.is(app.handled.count, before)
  t.deepEqual(app.errors, [])
})

test('B-22 two Authorization headers are a bad request, whichever of them is good', async (t) => {
  const { app, token, cookie } = await createLive(t)
  const other = sign(validHeader(), validClaims(app).claims)
  const cases = [
    [`Bearer ${token}`, 'Bearer x'],
    ['Bearer x', `Bearer ${token}`],
    [`Bearer ${token}`, `Bearer ${token}`],
    [`Bearer ${token}`, `Bearer ${other}`],
    [`Bearer ${token}`, 'Basic YTpi'],
    ['Basic YTpi', `Bearer ${token}`],
    [`Bearer ${token}`, ''],
    ['', `Bearer ${token}`],
    [`Bearer ${token}`, 'Bearer x', 'Bearer y'],
  ]
  const before = app.handled.count
  for (const values of cases) {
    for (const [method, path] of [
      ['GET', '/me'],
      ['POST', '/auth/logout'],
    ] as const) {
      app.seen.length = 0
      const names = ['Authorization', 'authorization', 'AUTHORIZATION']
      const headers = values.map((value, i) => [names[i] ?? 'Authorization', value] as const)
      const response = await app.request(method, path, [
        ['Cookie', cookie],
        ['Sec-Fetch-Site', 'same-origin'],
        ...headers,
      ])
      const label = `${method} ${values.map((value) => value.slice(0, 12)).join(' | ')}`
      t.is(response.status, 400, label)
      t.is(response.json['error'], 'invalid_request', label)
      t.regex(String(response.headers['www-authenticate']), /^Bearer realm="[^"]+", error="invalid_request"/, label)
      t.is(response.headers['cache-control'], 'no-store', label)
      t.deepEqual(response.cookies, [], label)
      t.deepEqual(codesOf(app.seen), ['ERR_CREDENTIALS_AMBIGUOUS'], label)
    }
  }
  t.is(app.handled.count, before)
  await assertAccepted(t, app, { label: 'nothing was ended by it', token, cookie })
})

function writeRequest(authorization: Buffer, cookie: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from('GET /me HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-Proto: https\r\nConnection: close\r\nCookie: '),
    cookie,
    Buffer.from('\r\nAuthorization: '),
    authorization,
    Buffer.from('\r\n\r\n'),
  ])
}

// NUL, the other controls, DEL, and everything past ASCII; not the tab, which B-03 and B-21 have.
const RAW_BYTES = Array.from({ length: 256 }, (_, byte) => byte).filter(
  (byte) => (byte < 0x20 && byte !== 0x09) || byte > 0x7e,
)
// Those that some reader could drop or take for a space or a line's end, for every other place.
const TELLING_BYTES = new Set([
  0x00, 0x01, 0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1f, 0x7f, 0x80, 0x85, 0xa0, 0xad, 0xe9, 0xfe, 0xff,
])

test('B-23 a byte that no header may hold is refused wherever in the token it stands', async (t) => {
  const { app, token, cookie } = await createLive(t)
  const before = app.handled.count
  const genuine = writeRequest(Buffer.from(`Bearer ${token}`), Buffer.from(cookie))
  t.is((await sendRaw(app.port, genuine)).status, 200)
  for (const byte of RAW_BYTES) {
    const odd = Buffer.from([byte])
    const places = {
      'before the token': [Buffer.from('Bearer '), odd, Buffer.from(token)],
      'in the scheme': [Buffer.from('Bea'), odd, Buffer.from(`rer ${token}`)],
      'in the token': [Buffer.from(`Bearer ${token.slice(0, -9)}`), odd, Buffer.from(token.slice(-9))],
      'behind the token': [Buffer.from(`Bearer ${token}`), odd, Buffer.from('')],
      'for the space': [Buffer.from('Bearer'), odd, Buffer.from(token)],
    }
    for (const [place, pieces] of Object.entries(places)) {
      if (place !== 'in the token' && !TELLING_BYTES.has(byte)) continue
      const { status } = await sendRaw(app.port, writeRequest(Buffer.concat(pieces), Buffer.from(cookie)))
      t.true(status === 400 || status === 401, `${byte.toString(16)} ${place}: ${status}`)
    }
  }
  t.is(app.handled.count, before + 1)
  t.deepEqual(app.errors, [])
})

test('B-23 a byte that no header may hold is refused in the cookie, and a folded line too', async (t) => {
  const { app, token, cookie } = await createLive(t)
  const before = app.handled.count
  const authorization = Buffer.from(`Bearer ${token}`)
  for (const byte of RAW_BYTES) {
    const odd = Buffer.from([byte])
    for (const at of [cookie.length - 5, COOKIE_NAME.length + 1, cookie.length]) {
      if (at !== cookie.length - 5 && !TELLING_BYTES.has(byte)) continue
      const value = Buffer.concat([Buffer.from(cookie.slice(0, at)), odd, Buffer.from(cookie.slice(at))])
      const { status } = await sendRaw(app.port, writeRequest(authorization, value))
      t.true(status === 400 || status === 401, `${byte.toString(16)} at ${at}: ${status}`)
    }
  }
  for (const fold of ['\r\n ', '\r\n\t', '\n ', '\r ']) {
    const folded = Buffer.from(`Bearer ${token.slice(0, 50)}${fold}${token.slice(50)}`)
    const { status } = await sendRaw(app.port, writeRequest(folded, Buffer.from(cookie)))
    t.true(status === 400 || status === 401, `${JSON.stringify(fold)}: ${status}`)
  }
  t.is(app.handled.count, before)
  t.deepEqual(app.errors, [])
})
