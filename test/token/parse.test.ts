// The form of a token, before any key: what parseToken takes and which code it refuses the rest with.

import test from 'ava'
import * as fc from 'fast-check'

import { isSessionError } from '../../src/errors.ts'
import { ALGORITHMS } from '../../src/keys/algorithms.ts'
import { type ParsedToken, parseToken } from '../../src/token/parse.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const OPTIONS = { maxBytes: 8192, typ: 'at+jwt' }
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }
const SIGNATURE = Buffer.alloc(64, 7).toString('base64url')

const encode = (part: unknown): string =>
  (part instanceof Uint8Array
    ? Buffer.from(part)
    : Buffer.from(typeof part === 'string' ? part : JSON.stringify(part))
  ).toString('base64url')
const write = (header: unknown = HEADER, payload: unknown = { sub: 'a' }, signature = SIGNATURE): string =>
  `${encode(header)}.${encode(payload)}.${signature}`

/** The token, or the code it was refused with; whatever else happens is a bug. */
function attempt(token: string, options: typeof OPTIONS = OPTIONS): ParsedToken | string {
  try {
    return parseToken(token, options)
  } catch (error) {
    if (isSessionError(error) && error.code.startsWith('ERR_TOKEN_')) return error.code
    throw new Error('neither a token nor a SessionError of one', { cause: error })
  }
}

test('takes a token of the right form and repairs nothing in it', (t) => {
  const token = write()
  t.deepEqual(
    { ...parseToken(token, OPTIONS), payload: { ...parseToken(token, OPTIONS).payload } },
    { token, alg: 'ES256', kid: 'k1', payload: { sub: 'a' } },
  )
  for (const spoilt of [
    ` ${token}`,
    `${token} `,
    `${token}\n`,
    `\n${token}`,
    `${token}\0`,
    `"${token}"`,
    `Bearer ${token}`,
  ]) {
    t.is(attempt(spoilt), 'ERR_TOKEN_MALFORMED', JSON.stringify(spoilt))
  }
})

test('refuses anything but three parts that are not empty', (t) => {
  const [header, payload, signature] = write().split('.')
  const cases = [
    ...['', '.', '..', '...', 'a', 'a.b', 'a..b', '.a.b', 'a.b.'],
    ...[`${header}.${payload}`, `${header}.${payload}.`, `${header}..${signature}`, `.${payload}.${signature}`],
    ...[`${write()}.`, `.${write()}`, `${write()}.${signature}`, `${write()}.${signature}.${signature}`],
  ]
  for (const token of cases) t.is(attempt(token), 'ERR_TOKEN_MALFORMED', token)
})

test('looks no further into a token that is too long', (t) => {
  const token = write()
  t.is(typeof attempt(token, { ...OPTIONS, maxBytes: token.length }), 'object')
  t.is(attempt(token, { ...OPTIONS, maxBytes: token.length - 1 }), 'ERR_TOKEN_TOO_LARGE')
  t.is(attempt('\0'.repeat(8193)), 'ERR_TOKEN_TOO_LARGE')
  t.is(attempt('\0'.repeat(8192)), 'ERR_TOKEN_MALFORMED')
})

test('refuses each header parameter that carries a key, fetches one or changes the meaning, whatever its value', (t) => {
  const names = [
    ...['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'crit', 'b64', 'cty', 'zip', 'enc'],
    ...['epk', 'apu', 'apv', 'iv', 'tag', 'p2s', 'p2c'],
  ]
  for (const name of names) {
    for (const value of [null, false, '', 0, [], {}, 'JWT', ['b64'], { kty: 'oct', k: 'AA' }]) {
      t.is(attempt(write({ ...HEADER, [name]: value })), 'ERR_TOKEN_HEADER', `${name}: ${JSON.stringify(value)}`)
    }
  }
  // Others mean nothing to the kit (RFC 7515 section 4: ignored).
  const others = { x: 1, url: 'x', nonce: 'x', iss: 'x', JKU: 'x', 'x5t#s256': 'x', toString: 1, constructor: {} }
  t.is(typeof attempt(write({ ...HEADER, ...others })), 'object')
})

test('takes the type in any case, with or without application/, and no other', (t) => {
  const good = ['at+jwt', 'AT+JWT', 'At+Jwt', 'application/at+jwt', 'APPLICATION/AT+JWT']
  for (const typ of good) t.is(typeof attempt(write({ ...HEADER, typ })), 'object', typ)
  const texts = [
    '',
    'JWT',
    'jwt',
    'at+jwt ',
    ' at+jwt',
    'at+jwt;v=1',
    'at-jwt',
    'at+jwt,JWT',
    'text/at+jwt',
    'dpop+jwt',
  ]
  const more = [
    'application/',
    '/at+jwt',
    'application/application/at+jwt',
    'application/jwt',
    'at+jw\u0442',
    'at+jwt\0',
  ]
  for (const typ of [...texts, ...more, undefined, null, 0, true, ['at+jwt'], { at: 'jwt' }]) {
    t.is(attempt(write({ ...HEADER, typ })), 'ERR_TOKEN_TYPE', JSON.stringify(typ))
  }
})

test('takes only algorithms of the table, spelt exactly', (t) => {
  for (const alg of Object.keys(ALGORITHMS)) t.is(typeof attempt(write({ ...HEADER, alg })), 'object', alg)
  const texts = [
    '',
    'none',
    'None',
    'NONE',
    'nOnE',
    'es256',
    'ES256 ',
    ' ES256',
    'ES256K',
    'RSA1_5',
    'HS1',
    'RS1',
    'dir',
  ]
  const inherited = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf']
  for (const alg of [...texts, ...inherited, undefined, null, 0, true, ['ES256'], { ES256: 1 }]) {
    t.is(attempt(write({ ...HEADER, alg })), 'ERR_TOKEN_ALGORITHM', JSON.stringify(alg))
  }
})

test('takes a kid of up to 128 plain characters and none that means something elsewhere', (t) => {
  for (const kid of ['k1', 'A'.repeat(128), 'a.b~c:d+e=f-g_h', '__proto__', 'constructor']) {
    t.is(typeof attempt(write({ ...HEADER, kid })), 'object', kid)
  }
  const texts = [
    '',
    'A'.repeat(129),
    'a b',
    'k1\n',
    '\nk1',
    'k1\0',
    '../../dev/null',
    '/dev/null',
    "' OR 1=1 --",
    '$(id)',
  ]
  for (const kid of [
    ...texts,
    'k\u00e9',
    'k%31',
    'https://evil.example',
    undefined,
    null,
    1,
    true,
    ['k1'],
    { k1: 1 },
  ]) {
    t.is(attempt(write({ ...HEADER, kid })), 'ERR_TOKEN_KEY', JSON.stringify(kid))
  }
})

test('refuses a header or payload that is not one strict JSON object', (t) => {
  const texts = ['null', '[]', '[1]', '"x"', '42', '{', '{}{}', '{}x', '\ufeff{}', '{"a":1,"a":2}', '{"__proto__":{}}']
  for (const text of [...texts, `{"a":${'['.repeat(16)}${']'.repeat(16)}}`, Buffer.from([0x7b, 0xff, 0x7d])]) {
    t.is(attempt(write(text)), 'ERR_TOKEN_MALFORMED', String(text))
    t.is(attempt(write(HEADER, text)), 'ERR_TOKEN_MALFORMED', String(text))
  }
})

test('says nothing of the token in the error', (t) => {
  const secret = 'topsecret'
  const tokens = [
    write(`{"${secret}`),
    write(HEADER, secret),
    write(HEADER, `{"${secret}":1,"${secret}":2}`),
    write({ ...HEADER, alg: secret }),
    write({ ...HEADER, typ: secret }),
    write({ ...HEADER, kid: `/${secret}` }),
    write({ ...HEADER, crit: [secret] }),
    `${secret}.x`,
  ]
  for (const token of tokens) {
    const error = t.throws(() => parseToken(token, OPTIONS))
    t.false(`${error?.message} ${error?.stack} ${String(error?.cause)}`.includes(secret), token)
  }
})

const kids = fc.string({ unit: fc.constantFrom(...`${ALPHABET}.~:+=`.split('')), minLength: 1, maxLength: 128 })
const extras = fc.dictionary(
  fc
    .string()
    .filter((name) => !/^(?:__proto__|alg|typ|kid|jwk|jku|x5|crit|b64|cty|zip|enc|epk|ap[uv]|iv|tag|p2)/.test(name)),
  fc.jsonValue({ maxDepth: 4 }),
  { maxKeys: 3 },
)
const payloads = fc
  .dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 }), { maxKeys: 8 })
  .filter((value) => !JSON.stringify(value).includes('__proto__'))
const genuine = fc.record({
  alg: fc.constantFrom(...Object.keys(ALGORITHMS)),
  typ: fc.constantFrom('at+jwt', 'AT+JWT', 'application/at+jwt'),
  kid: kids,
  extra: extras.filter((value) => !JSON.stringify(value).includes('__proto__')),
  payload: payloads,
  signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
})

test('every token of the right form parses to what was written', (t) => {
  fc.assert(
    fc.property(genuine, ({ alg, typ, kid, extra, payload, signature }) => {
      const token = write({ ...extra, alg, typ, kid }, payload, encode(signature))
      const parsed = attempt(token, { ...OPTIONS, maxBytes: Infinity })
      if (typeof parsed === 'string') throw new Error(`${parsed}: ${token}`)
      if (parsed.token !== token || parsed.alg !== alg || parsed.kid !== kid) throw new Error(token)
      if (JSON.stringify(parsed.payload) !== JSON.stringify(payload)) throw new Error(JSON.stringify(parsed.payload))
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('any string is a token or is refused with a code of a token', (t) => {
  const part = fc.oneof(fc.string({ unit: 'binary' }), fc.string().map(encode), fc.jsonValue().map(encode))
  const spliced = fc
    .tuple(genuine, fc.nat(), fc.nat(8), fc.string({ unit: 'binary', maxLength: 8 }))
    .map(([{ alg, typ, kid, payload }, at, drop, insert]) => {
      const token = write({ alg, typ, kid }, payload)
      const index = at % token.length
      return token.slice(0, index) + insert + token.slice(index + drop)
    })
  const strings = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(...`${ALPHABET}..==+/ %`.split('')), maxLength: 300 }),
    fc.array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
    fc.tuple(fc.jsonValue(), fc.jsonValue(), fc.string()).map(([a, b, c]) => write(a, b, encode(c))),
    spliced,
  )
  const counts = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(strings, (token) => {
      const parsed = attempt(token) // throws for anything that is neither
      counts[typeof parsed === 'string' ? 'refused' : 'taken'] += 1
      if (typeof parsed !== 'string' && parsed.token !== token) throw new Error('repaired')
    }),
    { numRuns: 5000 },
  )
  t.true(counts.refused > 1000, JSON.stringify(counts))
})

test('a part whose last character is another is refused or holds other bytes, and no padding passes', (t) => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(bytes, (signature) => {
      const part = encode(signature)
      let taken = 0
      for (const last of ALPHABET) {
        const changed = part.slice(0, -1) + last
        if (typeof attempt(write(HEADER, {}, changed)) === 'string') continue
        taken += 1
        const same = Buffer.from(changed, 'base64url').equals(Buffer.from(signature))
        if (same !== (changed === part)) throw new Error(`${changed} is a twin of ${part}`)
      }
      // 2, 4 or 6 bits of the last character are bytes'; every value of them is one spelling, the others are none.
      if (taken !== [64, undefined, 4, 16][part.length % 4]) throw new Error(`${taken} spellings of ${part}`)
      for (const padding of ['=', '==', '===', ' ', '\n']) {
        if (attempt(write(HEADER, {}, part + padding)) !== 'ERR_TOKEN_MALFORMED') throw new Error(part + padding)
      }
    }),
    { numRuns: 200 },
  )
  t.pass()
})

test('header and payload have one spelling too: every change of a last character changes the bytes or is refused', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 5 }), fc.constantFrom(0, 1), (pad, which) => {
      const parts = write({ ...HEADER, x: pad }, { x: pad }).split('.')
      const part = parts[which] ?? ''
      for (const last of ALPHABET.replace(part.at(-1) ?? '', '')) {
        const changed = parts.with(which, part.slice(0, -1) + last).join('.')
        // The last byte of both is '}', so what changes it is no object any more.
        if (attempt(changed) !== 'ERR_TOKEN_MALFORMED') throw new Error(changed)
      }
    }),
    { numRuns: 100 },
  )
  t.pass()
})

test('a part of a length that no bytes have is refused', (t) => {
  for (const signature of ['A', 'AAAAA', `${'A'.repeat(84)}A`])
    t.is(attempt(write(HEADER, {}, signature)), 'ERR_TOKEN_MALFORMED')
  const [header = '', payload = ''] = write().split('.')
  t.is(
    attempt(`${header.padEnd(Math.ceil(header.length / 4) * 4 + 1, 'A')}.${payload}.${SIGNATURE}`),
    'ERR_TOKEN_MALFORMED',
  )
  t.is(
    attempt(`${header}.${payload.padEnd(Math.ceil(payload.length / 4) * 4 + 1, 'A')}.${SIGNATURE}`),
    'ERR_TOKEN_MALFORMED',
  )
})

test('characters outside the alphabet are refused in every part', (t) => {
  const parts = write().split('.')
  const odd = [
    '+',
    '/',
    '=',
    '%',
    ' ',
    '\t',
    '\n',
    '\r',
    '\0',
    '\u00a0',
    '\u00e9',
    '\uff21',
    '\u{1f600}',
    '\u2028',
    '~',
    '*',
    ',',
  ]
  for (const character of odd) {
    for (const which of [0, 1, 2]) {
      const part = parts[which] ?? ''
      for (const at of [0, 4, part.length]) {
        const token = parts.with(which, part.slice(0, at) + character + part.slice(at)).join('.')
        t.is(attempt(token), 'ERR_TOKEN_MALFORMED', `${JSON.stringify(character)} in part ${which} at ${at}`)
      }
    }
  }
})
