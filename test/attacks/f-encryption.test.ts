// Attacks on encrypted tokens. Whoever knows a public key, or leaks a secret, can encrypt: it must cost the server nothing,
// and get nobody in. RFC 8725 sections 2.4 to 2.12, RFC 7516 section 11, and the ideas of Wycheproof's JWE vectors.

import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'

import test, { type ExecutionContext } from 'ava'
import { compactDecrypt, type JWK } from 'jose'

import { createEncryptionKeys, type ErrorCode, generateKey } from '../../src/index.ts'
import { createDecrypt } from '../../src/token/encrypt.ts'
import { privateJwk } from '../helpers/app.ts'
import {
  assertAccepted,
  assertAllRepelled,
  type AttackedApp,
  createAttackedApp,
  type Forgery,
} from '../helpers/attacked-app.ts'
import { bytesUsed, leastCost } from '../helpers/cost.ts'
import { b64, forge, forgeHmac, type Json, publicKeyOf, sign, validClaims, validHeader } from '../helpers/forge.ts'
import { agree, encrypting, encryptionJwks, mend, nest, secretOf, type Spoil, wrap } from '../helpers/forge-jwe.ts'

const { dir, A256KW, 'RSA-OAEP-256': rsa, 'ECDH-ES': ecdh, 'ECDH-ES+A256KW': ecdhKw } = encryptionJwks
const ALL = Object.values(encryptionJwks)
const FORM = { maxBytes: 8192, typ: 'at+jwt' }

/** An app that encrypts with this key, and takes what the helper encrypts with it. */
async function open(t: ExecutionContext, jwk: JWK, ...others: JWK[]): Promise<AttackedApp> {
  return createAttackedApp(t, await encrypting(jwk, ...others), (claims) => nest(genuine(claims), jwk))
}

/** The token that would pass. */
function genuine(claims: Json): string {
  return sign(validHeader(), claims)
}

/** Attacks that differ in how a genuine token is encrypted. */
function spoilt(jwk: JWK, code: ErrorCode, spoils: Readonly<Record<string, Spoil>>): Forgery[] {
  return Object.entries(spoils).map(([name, spoil]) => [name, code, (claims) => nest(genuine(claims), jwk, spoil)])
}

/** What jose alone, told which algorithms are allowed, makes of the token. */
async function joseDecrypts(token: string, jwk: JWK, alg: string | undefined = jwk.alg): Promise<boolean> {
  const { alg: _alg, ...unnamed } = jwk
  const options = { keyManagementAlgorithms: [alg ?? ''], contentEncryptionAlgorithms: ['A256GCM'] }
  return compactDecrypt(token, unnamed, options).then(
    () => true,
    () => false,
  )
}

test('E-05 VF-28 encrypted claims without a signature are no token, whether tokens are encrypted or not', async (t) => {
  const plain = await createAttackedApp(t)
  // CVE-2023-51774: encrypted with the public key that verifies.
  const { d: _d, ...published } = { ...privateJwk, alg: 'ECDH-ES' }
  await assertAllRepelled(t, plain, [
    ...ALL.map((jwk): Forgery => [jwk.alg ?? '', 'ERR_TOKEN_MALFORMED', (claims) => nest(JSON.stringify(claims), jwk)]),
    ['with the signing key', 'ERR_TOKEN_MALFORMED', (claims) => nest(JSON.stringify(claims), published)],
    ['a genuine one inside', 'ERR_TOKEN_MALFORMED', (claims) => nest(genuine(claims), published)],
  ])
  for (const jwk of ALL) {
    const app = await open(t, jwk)
    await assertAllRepelled(t, app, [
      ['bare claims', 'ERR_TOKEN_MALFORMED', (claims) => nest(JSON.stringify(claims), jwk)],
      [
        'bare claims, and no cty',
        'ERR_TOKEN_TYPE',
        (claims) => nest(JSON.stringify(claims), jwk, { header: { cty: undefined } }),
      ],
      ['bare claims as a part', 'ERR_TOKEN_MALFORMED', (claims) => nest(b64(claims), jwk)],
      ['with the signing key', 'ERR_TOKEN_KEY', (claims) => nest(JSON.stringify(claims), published)],
      ['a genuine one inside, with the signing key', 'ERR_TOKEN_KEY', (claims) => nest(genuine(claims), published)],
    ])
  }
})

test('E-06 VF-28 what anybody can encrypt with the public key is checked like any other token', async (t) => {
  const attacker = await generateKey()
  const pem = publicKeyOf(privateJwk).export({ type: 'spki', format: 'pem' })
  const insides: [string, ErrorCode, (claims: Json) => string | Uint8Array][] = [
    ['nothing', 'ERR_TOKEN_MALFORMED', () => ''],
    ['no signature', 'ERR_TOKEN_MALFORMED', (claims) => forge({ ...validHeader(), alg: 'none' }, claims)],
    ['alg none', 'ERR_TOKEN_ALGORITHM', (claims) => forge({ ...validHeader(), alg: 'none' }, claims, 'AA')],
    ['no signature, but ES256', 'ERR_TOKEN_MALFORMED', (claims) => forge(validHeader(), claims)],
    ['a zero signature', 'ERR_TOKEN_SIGNATURE', (claims) => forge(validHeader(), claims, Buffer.alloc(64))],
    ['another key', 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid: attacker.kid }), claims, attacker)],
    ['another key of the same name', 'ERR_TOKEN_SIGNATURE', (claims) => sign(validHeader(), claims, attacker)],
    [
      'the public key as a secret',
      'ERR_TOKEN_ALGORITHM',
      (claims) => forgeHmac(validHeader({ alg: 'HS256' }), claims, pem),
    ],
    ['another type', 'ERR_TOKEN_TYPE', (claims) => sign(validHeader({ typ: 'JWT' }), claims)],
    ['no type', 'ERR_TOKEN_TYPE', (claims) => sign(validHeader({ typ: undefined }), claims)],
    ['a space behind', 'ERR_TOKEN_MALFORMED', (claims) => `${genuine(claims)} `],
    ['a byte order mark', 'ERR_TOKEN_MALFORMED', (claims) => `\uFEFF${genuine(claims)}`],
    [
      'bytes above ASCII',
      'ERR_TOKEN_MALFORMED',
      (claims) => Buffer.concat([Buffer.from(genuine(claims)), Buffer.of(0xff)]),
    ],
    ['another audience', 'ERR_TOKEN_AUDIENCE', (claims) => genuine({ ...claims, aud: 'https://other.example' })],
    ['no fingerprint', 'ERR_TOKEN_CLAIMS', (claims) => genuine({ ...claims, fgp: undefined })],
  ]
  for (const jwk of [ecdh, ecdhKw, rsa]) {
    const { kty, n, e, crv, x, y, kid, alg } = jwk
    const known = Object.fromEntries(Object.entries({ kty, n, e, crv, x, y, kid, alg }).filter(([, value]) => value))
    await assertAllRepelled(
      t,
      await open(t, jwk),
      insides.map(([name, code, build]) => [`${alg}: ${name}`, code, (claims) => nest(build(claims), known)]),
    )
  }
})

test('E-07 one level of encryption around one signature, and nothing deeper', async (t) => {
  for (const jwk of ALL) {
    const twice = (token: string): string => nest(nest(token, jwk), jwk)
    await assertAllRepelled(t, await open(t, jwk), [
      ['JWE(JWE(JWS))', 'ERR_TOKEN_MALFORMED', (claims) => twice(genuine(claims))],
      ['JWE(JWE(JWE(JWS)))', 'ERR_TOKEN_MALFORMED', (claims) => nest(twice(genuine(claims)), jwk)],
      ['JWE(JWE(claims))', 'ERR_TOKEN_MALFORMED', (claims) => twice(JSON.stringify(claims))],
      ['JWE(JWS(JWS))', 'ERR_TOKEN_HEADER', (claims) => nest(sign(validHeader({ cty: 'JWT' }), genuine(claims)), jwk)],
      ['JWE(JWS(JWS)) without cty', 'ERR_TOKEN_MALFORMED', (claims) => nest(sign(validHeader(), genuine(claims)), jwk)],
      [
        'JWS(JWE(JWS))',
        'ERR_TOKEN_MALFORMED',
        (claims) => sign(validHeader({ cty: 'JWT' }), nest(genuine(claims), jwk)),
      ],
    ])
  }
})

const PBES2 = { alg: 'PBES2-HS256+A128KW', p2s: b64(randomBytes(16)) }

test.serial('F-01 JE-04 a token that asks for two thousand million rounds of hashing costs nothing', async (t) => {
  const app = await open(t, A256KW)
  await assertAllRepelled(t, app, [
    ...spoilt(A256KW, 'ERR_TOKEN_HEADER', { 'p2c 2^31-1': { header: { ...PBES2, p2c: 2 ** 31 - 1 } } }),
    ...spoilt(A256KW, 'ERR_TOKEN_ALGORITHM', { 'PBES2 without its parameters': { header: { alg: PBES2.alg } } }),
  ])
  const decrypt = createDecrypt(await createEncryptionKeys({ keys: [A256KW] }))
  const token = nest(genuine(validClaims(app).claims), A256KW, { header: { ...PBES2, p2c: 2 ** 31 - 1 } })
  const cost = await leastCost(5, () => decrypt(token, FORM).catch(() => undefined))
  t.true(cost < 50, `${cost} ms`)
})

test('F-02 JE-01 passwords are no keys, however often they are hashed', async (t) => {
  const app = await open(t, A256KW)
  const headers: Record<string, Json> = {}
  for (const p2c of [0, -1, 1, 1000, 1e9, 1.5, '1000', null, undefined]) headers[`p2c ${p2c}`] = { ...PBES2, p2c }
  for (const p2s of ['', 'AA', 0, null]) headers[`p2s ${p2s}`] = { ...PBES2, p2s, p2c: 1000 }
  for (const alg of ['PBES2-HS384+A192KW', 'PBES2-HS512+A256KW', 'A256KW']) headers[alg] = { ...PBES2, alg, p2c: 1000 }
  const spoils = Object.entries(headers).map(([name, header]) => [name, { header }])
  await assertAllRepelled(t, app, spoilt(A256KW, 'ERR_TOKEN_HEADER', Object.fromEntries(spoils)))
})

/** A genuine token, deflated as RFC 7516 section 4.1.3 has it. */
function zipped(claims: Json, jwk: JWK, spoil: Spoil = { header: { zip: 'DEF' } }): string {
  return nest(deflateRawSync(genuine(claims)), jwk, spoil)
}

test.serial('F-03 JE-03 a token that unfolds into fifty megabytes is never unfolded', async (t) => {
  const app = await open(t, dir)
  const bomb = deflateRawSync(Buffer.alloc(50_000_000, 0x41), { level: 9 })
  const large = nest(bomb, dir, { header: { zip: 'DEF' } })
  t.true(large.length > 60_000)
  const header = { header: { zip: 'DEF' } }
  // As large a bomb as a token may be.
  const small = nest(deflateRawSync(Buffer.alloc(5_500_000, 0x41), { level: 9 }), dir, header)
  t.true(small.length > 7000 && small.length <= FORM.maxBytes)
  await assertAllRepelled(t, app, [['a bomb', 'ERR_TOKEN_HEADER', () => small]])
  const decrypt = createDecrypt(await createEncryptionKeys({ keys: [dir] }))
  for (const [token, code, form] of [
    [large, 'ERR_TOKEN_TOO_LARGE', FORM],
    [large, 'ERR_TOKEN_HEADER', { ...FORM, maxBytes: 1e6 }],
    [small, 'ERR_TOKEN_HEADER', FORM],
  ] as const) {
    const before = bytesUsed()
    const cost = await leastCost(5, () => t.throwsAsync(decrypt(token, form), { code }))
    t.true(cost < 100, `${cost} ms`)
    t.true(bytesUsed() - before < 10_000_000)
  }
})

test('F-04 JE-03 no compression, good or bad', async (t) => {
  const app = await open(t, dir)
  // jose unfolds it unless it is told not to.
  t.true(await joseDecrypts(zipped(validClaims(app).claims, dir), dir))
  await assertAllRepelled(t, app, [
    ['DEF', 'ERR_TOKEN_HEADER', (claims) => zipped(claims, dir)],
    ['GZIP', 'ERR_TOKEN_HEADER', (claims) => zipped(claims, dir, { header: { zip: 'GZIP' } })],
    ['null', 'ERR_TOKEN_HEADER', (claims) => zipped(claims, dir, { header: { zip: null } })],
    ['not compressed', 'ERR_TOKEN_HEADER', (claims) => nest(genuine(claims), dir, { header: { zip: 'DEF' } })],
    ['not named', 'ERR_TOKEN_MALFORMED', (claims) => zipped(claims, dir, {})],
    [
      'twice',
      'ERR_TOKEN_HEADER',
      (claims) => nest(deflateRawSync(deflateRawSync(genuine(claims))), dir, { header: { zip: 'DEF' } }),
    ],
    [
      'in layers',
      'ERR_TOKEN_HEADER',
      (claims) => nest(deflateRawSync(zipped(claims, dir)), dir, { header: { zip: 'DEF' } }),
    ],
    ['inside', 'ERR_TOKEN_MALFORMED', (claims) => nest(zipped(claims, dir), dir)],
    [
      'cut off',
      'ERR_TOKEN_HEADER',
      (claims) => nest(deflateRawSync(genuine(claims)).subarray(0, 40), dir, { header: { zip: 'DEF' } }),
    ],
    ['inside the signature', 'ERR_TOKEN_HEADER', (claims) => nest(sign(validHeader({ zip: 'DEF' }), claims), dir)],
  ])
})

test('F-05 JE-05 the tag has 128 bits and the initialisation vector 96, even where a shorter one is genuine', async (t) => {
  for (const jwk of ALL) {
    const spoils: Record<string, Spoil> = {}
    for (const tagBytes of [0, 1, 4, 8, 12, 13, 14, 15]) spoils[`a tag of ${tagBytes}`] = { tagBytes }
    for (const bytes of [0, 1, 8, 11, 13, 16, 32]) spoils[`an iv of ${bytes}`] = { iv: randomBytes(bytes) }
    const longer = (index: number): Forgery => [
      `part ${index} with a byte more`,
      'ERR_TOKEN_MALFORMED',
      (claims) =>
        mend(nest(genuine(claims), jwk), (parts) => {
          parts[index] = b64(Buffer.concat([Buffer.from(parts[index] ?? '', 'base64url'), Buffer.alloc(1)]))
        }),
    ]
    await assertAllRepelled(t, await open(t, jwk), [
      ...spoilt(jwk, 'ERR_TOKEN_MALFORMED', spoils),
      longer(2),
      longer(4),
    ])
  }
})

// P-256: y² = x³ - 3x + b over the integers modulo P (SEC 2 section 2.4.2).
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn
type Point = readonly [x: bigint, y: bigint] | undefined

const mod = (value: bigint): bigint => ((value % P) + P) % P
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = mod(base), rest = exponent; rest > 0n; rest >>= 1n, square = mod(square * square)) {
    if (rest & 1n) result = mod(result * square)
  }
  return result
}
const invert = (value: bigint): bigint => power(value, P - 2n)

/** The sum of two points, as the formulas have it that do not look at b: those of any curve that differs only in it. */
function add(a: Point, b: Point): Point {
  if (a === undefined || b === undefined) return a ?? b
  if (a[0] === b[0] && mod(a[1] + b[1]) === 0n) return undefined
  const slope = a[0] === b[0] ? (3n * a[0] * a[0] - 3n) * invert(2n * a[1]) : (b[1] - a[1]) * invert(mod(b[0] - a[0]))
  const x = mod(slope * slope - a[0] - b[0])
  return [x, mod(slope * (a[0] - x) - a[1])]
}

/** What a library that does not look agrees on with the owner of this key. */
function multiply(scalar: bigint, point: Point): Point {
  let sum: Point
  for (let double = point, rest = scalar; rest > 0n; rest >>= 1n, double = add(double, double)) {
    if (rest & 1n) sum = add(sum, double)
  }
  return sum
}

const isOnCurve = ([x, y]: readonly [bigint, bigint]): boolean => mod(y * y - (x * x * x - 3n * x + B)) === 0n
const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const numberOf = (part: unknown): bigint => BigInt(`0x${Buffer.from(String(part), 'base64url').toString('hex')}`)
const toEpk = ([x, y]: readonly [bigint, bigint]): Json => ({
  kty: 'EC',
  crv: 'P-256',
  x: b64(bytesOf(x)),
  y: b64(bytesOf(y)),
})

/** A point whose double is its negative: whatever the private key is, two times of three they agree on its x. */
function pointOfOrderThree(): readonly [bigint, bigint] {
  for (let x = 2n; ; x += 1n) {
    const slope = power(3n * x, (P + 1n) / 4n)
    const y = mod((3n * x * x - 3n) * invert(2n * slope))
    if (mod(slope * slope - 3n * x) === 0n && !isOnCurve([x, y])) return [x, y]
  }
}

/** A small x that the curve has, which is written as well with P added. */
function smallPoint(): readonly [bigint, bigint] {
  for (let x = 5n; ; x += 1n) {
    const square = mod(x * x * x - 3n * x + B)
    const y = power(square, (P + 1n) / 4n)
    if (mod(y * y) === square) return [x, y]
  }
}

test('F-06 JE-06 an ephemeral key that is no point of the curve is refused, also where both sides would agree', async (t) => {
  const three = pointOfOrderThree()
  t.is(add(add(three, three), three), undefined)
  const [small, infinity, two] = [smallPoint(), [0n, 0n], [7n, 0n]] as const
  for (const jwk of [ecdh, ecdhKw]) {
    const app = await open(t, jwk)
    const secret = numberOf(jwk.d)
    const shared = (point: readonly [bigint, bigint]): Buffer => bytesOf(multiply(secret, point)?.[0] ?? 0n)
    const fair = agree(jwk)
    const fairPoint = [numberOf(fair.epk['x']), numberOf(fair.epk['y'])] as const
    // The small code above is right: it agrees on the same.
    t.true(isOnCurve(fairPoint) && isOnCurve(small))
    await assertAccepted(t, app, {
      label: 'a point of the curve',
      ...encryptedFor(app, jwk, { agreement: { epk: toEpk(small), z: shared(small) } }),
    })
    const off = (point: readonly [bigint, bigint]): Spoil => ({ agreement: { epk: toEpk(point), z: shared(point) } })
    await assertAllRepelled(t, app, [
      ...spoilt(jwk, 'ERR_TOKEN_DECRYPTION', {
        'a point of order three of another curve': off(three),
        'its x, whatever the secret is': { agreement: { epk: toEpk(three), z: bytesOf(three[0]) } },
        'a point of order two of another curve': off(two),
        'beside the curve': off([fairPoint[0], mod(fairPoint[1] + 1n)]),
        infinity: off(infinity),
        'infinity, which agrees on nothing': { agreement: { epk: toEpk(infinity), z: Buffer.alloc(32) } },
        'x that is larger than the field': { agreement: { epk: toEpk([small[0] + P, small[1]]), z: shared(small) } },
        'the field itself as x': { agreement: { epk: toEpk([P, power(B, (P + 1n) / 4n)]), z: Buffer.alloc(32) } },
      }),
      ...spoilt(jwk, 'ERR_TOKEN_HEADER', formsOf(fair.epk, fair.z)),
    ])
    const p384 = agree({ ...(await generateKey('ES384')) })
    await assertAllRepelled(t, app, [
      ...spoilt(jwk, 'ERR_TOKEN_HEADER', { 'a point of P-384': { agreement: p384 } }),
      ...spoilt(jwk, 'ERR_TOKEN_HEADER', { 'no epk': { header: { epk: undefined } } }),
    ])
  }
})

/** The claims, encrypted, with their cookie. */
function encryptedFor(app: AttackedApp, jwk: JWK, spoil: Spoil): { token: string; cookie: string } {
  const { claims, cookie } = validClaims(app)
  return { token: nest(genuine(claims), jwk, spoil), cookie }
}

/** Ephemeral keys that are written wrongly, though the agreement would hold. */
function formsOf(epk: Json, z: Buffer): Record<string, Spoil> {
  const { x, y, ...others } = epk
  const [left, right] = [String(x), String(y)]
  const wrong: Record<string, unknown> = {
    'x without y': { ...others, x },
    'y without x': { ...others, y },
    'no curve': { ...epk, crv: undefined },
    'no kty': { ...epk, kty: undefined },
    'kty OKP': { ...epk, kty: 'OKP' },
    'another name for the curve': { ...epk, crv: 'prime256v1' },
    'a curve of another kind': { ...epk, crv: 'secp256k1' },
    'constructor as the curve': { ...epk, crv: 'constructor' },
    'a private key': { ...epk, d: x },
    usages: { ...epk, key_ops: ['deriveBits'] },
    ext: { ...epk, ext: true },
    'a leading zero': { ...epk, x: b64(Buffer.concat([Buffer.alloc(1), Buffer.from(left, 'base64url')])) },
    'a coordinate cut off': { ...epk, y: right.slice(0, -2) },
    padding: { ...epk, x: `${left}=` },
    'plain base64': { ...epk, x: `+${left.slice(1)}` },
    'spare bits': { ...epk, x: left.slice(0, -1) + String.fromCharCode(left.charCodeAt(42) + 1) },
    'a number as x': { ...epk, x: 1 },
    null: null,
    'a string': JSON.stringify(epk),
    'an array': [epk],
    nothing: {},
  }
  return Object.fromEntries(Object.entries(wrong).map(([name, one]) => [name, { agreement: { epk: one, z } }]))
}

test('F-07 JE-01 JE-07 an RSA key takes OAEP with SHA-256 only, and never says what was wrong with a padding', async (t) => {
  const app = await open(t, rsa)
  const cek = randomBytes(32)
  const key = publicKeyOf(rsa)
  const pkcs1 = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, cek)
  const sha1 = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, cek)
  const raw = (block: Buffer): Buffer => publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)
  /** A block as PKCS #1 v1.5 pads it, with one thing wrong: Bleichenbacher's and Manger's questions. */
  const block = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.concat([Buffer.of(0, 2), Buffer.alloc(384 - 35, 0x5a), Buffer.of(0), cek])
    change(bytes)
    return raw(bytes)
  }
  const oaep = (bytes: Buffer): Buffer =>
    publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes)
  await assertAllRepelled(t, app, [
    ...spoilt(rsa, 'ERR_TOKEN_ALGORITHM', {
      RSA1_5: { header: { alg: 'RSA1_5' }, cek, encryptedKey: pkcs1 },
      'RSA-OAEP': { header: { alg: 'RSA-OAEP' }, cek, encryptedKey: sha1 },
      'RSA-OAEP-512': { header: { alg: 'RSA-OAEP-512' } },
    }),
    ...spoilt(rsa, 'ERR_TOKEN_DECRYPTION', {
      'PKCS #1 v1.5 under the name of OAEP': { cek, encryptedKey: pkcs1 },
      'OAEP with SHA-1': { cek, encryptedKey: sha1 },
      'a block that begins with another byte': { cek, encryptedKey: block((bytes) => bytes.writeUInt8(1, 0)) },
      'a block of another type': { cek, encryptedKey: block((bytes) => bytes.writeUInt8(1, 1)) },
      'a block without an end of the padding': { cek, encryptedKey: block((bytes) => bytes.fill(0x5a, 2)) },
      'a block of zeros': { cek, encryptedKey: raw(Buffer.alloc(384)) },
      'a damaged key': { encryptedKey: randomBytes(384) },
      'a key that is too short': { encryptedKey: randomBytes(383) },
      'a key that is too long': { encryptedKey: randomBytes(385) },
      'one byte': { encryptedKey: Buffer.of(1) },
      'a content key of 128 bits': { encryptedKey: oaep(randomBytes(16)) },
      'a content key of 512 bits': { encryptedKey: oaep(randomBytes(64)) },
      'no content key': { encryptedKey: oaep(Buffer.alloc(0)) },
      'another content key': { encryptedKey: oaep(cek) },
    }),
  ])
})

/** The key's token under another name of the algorithm, and as that wants it. */
function exchanged(jwk: JWK, alg: string): Forgery {
  return [`${jwk.alg} as ${alg}`, 'ERR_TOKEN_ALGORITHM', (claims) => nest(genuine(claims), { ...jwk, alg })]
}

test('F-08 JE-01 a key serves its own algorithm, also where another would understand its bytes', async (t) => {
  const cek = randomBytes(32)
  /** RFC 7518 section 4.7. */
  const gcmWrap = (kek: Buffer): Spoil => {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', kek, iv)
    const encryptedKey = Buffer.concat([cipher.update(cek), cipher.final()])
    return { cek, encryptedKey, header: { alg: 'A256GCMKW', iv: b64(iv), tag: b64(cipher.getAuthTag()) } }
  }
  const asDir = { header: { alg: 'dir' }, cek: secretOf(A256KW), encryptedKey: '' }
  const app = await open(t, A256KW)
  t.true(await joseDecrypts(encryptedFor(app, A256KW, asDir).token, A256KW, 'dir'))
  t.true(await joseDecrypts(encryptedFor(app, A256KW, gcmWrap(secretOf(A256KW))).token, A256KW, 'A256GCMKW'))
  await assertAllRepelled(t, app, [
    ...spoilt(A256KW, 'ERR_TOKEN_ALGORITHM', {
      'A256KW as dir': asDir,
      A128KW: { header: { alg: 'A128KW' } },
      A256GCMKW: { header: { alg: 'A256GCMKW' } },
    }),
    ...spoilt(A256KW, 'ERR_TOKEN_HEADER', { 'A256GCMKW with its parameters': gcmWrap(secretOf(A256KW)) }),
  ])
  const asWrap = { header: { alg: 'A256KW' }, cek, encryptedKey: wrap(secretOf(dir), cek) }
  await assertAllRepelled(t, await open(t, dir), spoilt(dir, 'ERR_TOKEN_ALGORITHM', { 'dir as A256KW': asWrap }))
  const agreed = await open(t, ecdh)
  t.true(await joseDecrypts(nest('x', { ...ecdh, alg: 'ECDH-ES+A256KW' }), ecdh, 'ECDH-ES+A256KW'))
  await assertAllRepelled(t, agreed, [exchanged(ecdh, 'ECDH-ES+A256KW')])
  await assertAllRepelled(t, await open(t, ecdhKw), [exchanged(ecdhKw, 'ECDH-ES')])
  // Nor does a key stand in for another of the same set.
  await assertAllRepelled(t, await open(t, A256KW, dir), [
    ['dir under the name of A256KW', 'ERR_TOKEN_ALGORITHM', (claims) => nest(genuine(claims), { ...dir, kid: 'kw-1' })],
  ])
})

test('F-09 JE-01 an encrypted key is there exactly where the algorithm has one, and of the right length', async (t) => {
  for (const jwk of [dir, ecdh]) {
    await assertAllRepelled(t, await open(t, jwk), [
      ...spoilt(jwk, 'ERR_TOKEN_MALFORMED', {
        'an encrypted key': { encryptedKey: randomBytes(40) },
        'one byte of it': { encryptedKey: Buffer.of(0) },
      }),
      ...spoilt(jwk, 'ERR_TOKEN_DECRYPTION', { 'another content key': { cek: randomBytes(32) } }),
    ])
  }
  const shortKey = { ...dir, k: b64(randomBytes(16)) }
  await t.throwsAsync(createEncryptionKeys({ keys: [shortKey] }), { instanceOf: TypeError, message: /^secret: / })
  for (const jwk of [A256KW, ecdhKw, rsa]) {
    await assertAllRepelled(t, await open(t, jwk), [
      ...spoilt(jwk, 'ERR_TOKEN_MALFORMED', { 'no encrypted key': { encryptedKey: '' } }),
      ...spoilt(jwk, 'ERR_TOKEN_DECRYPTION', {
        'one byte of it': { encryptedKey: Buffer.of(0) },
        'the key in the clear': { cek: Buffer.alloc(32, 7), encryptedKey: Buffer.alloc(32, 7) },
      }),
    ])
  }
  const kek = secretOf(A256KW)
  await assertAllRepelled(
    t,
    await open(t, A256KW),
    spoilt(A256KW, 'ERR_TOKEN_DECRYPTION', {
      'a content key of 128 bits': { encryptedKey: wrap(kek, randomBytes(16)) },
      'a content key of 512 bits': { encryptedKey: wrap(kek, randomBytes(64)) },
      'a damaged one': { encryptedKey: randomBytes(40) },
    }),
  )
})
