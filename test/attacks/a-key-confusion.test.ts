// Somebody without the private key writes a token and an algorithm that would make the public key, or no key, do.
// Nothing was stolen but what is public: the JWKS. RFC 8725 sections 2.1, 2.2 and 3.1 to 3.5.

import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  privateEncrypt,
  sign as signBytes,
} from 'node:crypto'

import test, { type ExecutionContext } from 'ava'
import { importJWK, type JWK } from 'jose'

import { type Algorithm, createKeySet, generateKey, importKey, type KeyInput } from '../../src/index.ts'
import { privateJwk } from '../helpers/app.ts'
import {
  assertAllRepelled,
  assertRepelled,
  type AttackedApp,
  createAttackedApp,
  type Forgery,
  joseAccepts,
} from '../helpers/attacked-app.ts'
import {
  b64,
  forge,
  forgeHmac,
  type Json,
  privateKeyOf,
  publicKeyOf,
  sign,
  signatureOf,
  validClaims,
  validHeader,
} from '../helpers/forge.ts'

// Made once: RSA keys take their time.
const rsaJwk = withKid(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'RS256')
const rsaPublic = publicKeyOf(rsaJwk)
const ecPublic = publicKeyOf(privateJwk)
const hmacJwk: JWK = { ...(await generateKey('HS256')), kid: 'shared' }
const edJwk = await generateKey('EdDSA')

function withKid(key: KeyObject, alg: Algorithm): JWK {
  // The cast holds: node exports these kinds as JWKs.
  return { ...(key.export({ format: 'jwk' }) as JWK), alg, kid: 'of-the-app' }
}

/** An app that signs with this key. */
async function appWith(t: ExecutionContext, jwk: JWK): Promise<AttackedApp> {
  const keys = await createKeySet({ keys: [jwk] })
  return createAttackedApp(t, { keys }, (claims) => sign(headerOf(jwk), claims, jwk))
}

function headerOf({ alg, kid }: JWK, overrides: Json = {}): Json {
  return validHeader({ alg, kid, ...overrides })
}

test('A-01 A-02 a token without a signature is refused however `none` is spelt', async (t) => {
  const spellings = ['none', 'None', 'NONE', 'nOnE', 'NoNe', 'none ', ' none', 'none\u0000', 'n\u043Ene']
  await assertAllRepelled(
    t,
    await createAttackedApp(t),
    spellings.flatMap((alg): Forgery[] => [
      [`${alg}, empty signature`, 'ERR_TOKEN_MALFORMED', (claims) => forge(validHeader({ alg }), claims)],
      [
        `${alg}, some signature`,
        'ERR_TOKEN_ALGORITHM',
        (claims) => forge(validHeader({ alg }), claims, Buffer.alloc(64, 7)),
      ],
      [`${alg}, without kid`, 'ERR_TOKEN_ALGORITHM', (claims) => forge({ alg, typ: 'at+jwt' }, claims, 'none')],
    ]),
  )
})

test('A-03 the original signature does not carry over to a header that says none', async (t) => {
  const app = await createAttackedApp(t)
  const { token, cookie } = await app.login()
  const [, payload = '', signature = ''] = token.split('.')
  t.is((await app.me(token, cookie)).status, 200)
  for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
    const hostile = `${b64(validHeader({ alg }))}.${payload}.${signature}`
    await assertRepelled(t, app, 'ERR_TOKEN_ALGORITHM', { label: alg, token: hostile, cookie })
  }
})

test('A-04 an alg that is no algorithm is refused even with a true signature', async (t) => {
  const values = [
    '',
    undefined,
    null,
    0,
    true,
    ['ES256'],
    {},
    'es256',
    ' ES256',
    'ES256 ',
    'ES256\u0000',
    'constructor',
  ]
  const others = ['toString', 'hasOwnProperty', 'RSA1_5', 'dir', 'PBES2-HS256+A128KW', 'ES256,none', { alg: 'ES256' }]
  await assertAllRepelled(
    t,
    await createAttackedApp(t),
    [...values, ...others].map((alg): Forgery => [
      `alg ${JSON.stringify(alg)}`,
      'ERR_TOKEN_ALGORITHM',
      (claims) => sign(validHeader({ alg }), claims),
    ]),
  )
  // Nor is there a key for it.
  for (const alg of ['constructor', 'toString', 'none', 'es256', '', null, ['ES256']]) {
    await t.throwsAsync(generateKey(alg as Algorithm), { instanceOf: TypeError }, JSON.stringify(alg))
    await t.throwsAsync(importKey(privateJwk, { algorithm: alg as Algorithm }), { instanceOf: TypeError })
  }
})

/** Every byte form in which a public key is passed around, and in which a naive library may take it for a secret. */
function bytesOf(key: KeyObject): readonly (readonly [form: string, bytes: Buffer])[] {
  const pem = (type: 'spki' | 'pkcs1') => String(key.export({ format: 'pem', type }))
  const der = (type: 'spki' | 'pkcs1') => key.export({ format: 'der', type })
  const spki = pem('spki')
  const isRsa = key.asymmetricKeyType === 'rsa'
  const jwk = { ...key.export({ format: 'jwk' }), alg: isRsa ? 'RS256' : 'ES256', use: 'sig' }
  const texts: readonly (readonly [string, string])[] = [
    ['SPKI PEM', spki],
    ['SPKI PEM without its last newline', spki.trimEnd()],
    ['SPKI PEM after a space', ` ${spki}`],
    ['SPKI PEM after a newline', `\n${spki}`],
    ['SPKI PEM with CRLF', spki.replaceAll('\n', '\r\n')],
    ['SPKI PEM in one line', spki.replaceAll('\n', '')],
    ['base64 of SPKI', der('spki').toString('base64')],
    ['JWK', JSON.stringify(jwk)],
    ['JWK Set', JSON.stringify({ keys: [jwk] })],
    ...(isRsa
      ? ([
          ['PKCS1 PEM', pem('pkcs1')],
          ['PKCS1 PEM without its last newline', pem('pkcs1').trimEnd()],
          ['base64 of PKCS1', der('pkcs1').toString('base64')],
        ] as const)
      : []),
  ]
  return [
    ...texts.map(([form, text]) => [form, Buffer.from(text)] as const),
    ['SPKI DER', der('spki')],
    ...(isRsa ? ([['PKCS1 DER', der('pkcs1')]] as const) : []),
  ]
}

for (const [kind, jwk, publicKey] of [
  ['RSA', rsaJwk, rsaPublic],
  ['EC', privateJwk, ecPublic],
] as const) {
  test(`A-05 an HMAC made with the ${kind} public key is refused in each of its byte forms`, async (t) => {
    const app = await appWith(t, jwk)
    const attacks = bytesOf(publicKey).flatMap(([form, bytes]) =>
      ['HS256', 'HS384', 'HS512'].map((alg): Forgery => [
        `${alg} with ${form}`,
        'ERR_TOKEN_ALGORITHM',
        (claims) => forgeHmac(headerOf(jwk, { alg }), claims, bytes, alg),
      ]),
    )
    await assertAllRepelled(t, app, attacks)
    // The true algorithm over the same HMAC: nothing left to confuse.
    const [[, pem] = ['', '']] = bytesOf(publicKey)
    await assertAllRepelled(t, app, [
      ['true alg', 'ERR_TOKEN_SIGNATURE', (claims) => forgeHmac(headerOf(jwk), claims, pem)],
    ])
    // What the kit adds: jose alone takes such a token when it is given the key as bytes and no list of algorithms.
    const { claims } = validClaims(app)
    for (const [form, bytes] of bytesOf(publicKey)) {
      const token = forgeHmac(headerOf(jwk, { alg: 'HS256' }), claims, bytes)
      t.true(await joseAccepts(app, token, bytes, {}), form)
      t.false(await joseAccepts(app, token, publicKey, {}), form)
    }
  })

  test(`A-05 no byte form of an ${kind} public key is taken as a secret`, async (t) => {
    for (const [form, bytes] of bytesOf(publicKey)) {
      await t.throwsAsync(importKey(bytes, { algorithm: 'HS256' }), { instanceOf: TypeError }, form)
      const asJwk = { kty: 'oct', k: bytes.toString('base64url'), alg: 'HS256' }
      await t.throwsAsync(createKeySet({ keys: [asJwk] }), { instanceOf: TypeError }, `${form}, as JWK`)
    }
  })
}

test('A-05 a key set holds public keys or secrets, never both', async (t) => {
  await t.throwsAsync(createKeySet({ keys: [privateJwk, hmacJwk] }), { instanceOf: TypeError })
})

test('A-06 an HMAC made with the coordinates of the EC public key is refused', async (t) => {
  const { x = '', y = '' } = privateJwk
  const [xBytes, yBytes] = [Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]
  const secrets: Record<string, Buffer | string> = {
    'the uncompressed point': Buffer.concat([Buffer.of(4), xBytes, yBytes]),
    'the compressed point': Buffer.concat([Buffer.of(2 + ((yBytes.at(-1) ?? 0) % 2)), xBytes]),
    'x and y': Buffer.concat([xBytes, yBytes]),
    x: xBytes,
    'x as the JWK has it': x,
    'x and y as the JWK has them': x + y,
    'the thumbprint': privateJwk.kid ?? '',
  }
  const app = await createAttackedApp(t)
  await assertAllRepelled(
    t,
    app,
    Object.entries(secrets).map(([name, secret]): Forgery => [
      name,
      'ERR_TOKEN_ALGORITHM',
      (claims) => forgeHmac(validHeader({ alg: 'HS256' }), claims, secret),
    ]),
  )
})

test('A-07 a null signature under the true algorithm is refused', async (t) => {
  for (const jwk of [privateJwk, rsaJwk, edJwk, hmacJwk]) {
    await assertAllRepelled(t, await appWith(t, jwk), [
      [`${jwk.alg}, empty`, 'ERR_TOKEN_MALFORMED', (claims) => forge(headerOf(jwk), claims)],
      [`${jwk.alg}, cut off`, 'ERR_TOKEN_MALFORMED', (claims) => forge(headerOf(jwk), claims).slice(0, -1)],
      [`${jwk.alg}, one zero byte`, 'ERR_TOKEN_SIGNATURE', (claims) => forge(headerOf(jwk), claims, Buffer.alloc(1))],
      [`${jwk.alg}, the word null`, 'ERR_TOKEN_SIGNATURE', (claims) => forge(headerOf(jwk), claims, 'null')],
    ])
  }
})

// A few of the secrets that every cracking list begins with, and as long as HS256 demands.
const COMMON_SECRETS = [
  'secret',
  'password',
  '123456',
  'changeme',
  'your-256-bit-secret',
  'a-string-secret-at-least-256-bits-long',
  'supersecretkeythatnobodywilleverguess123',
  '1'.repeat(32),
  '0'.repeat(64),
  'A'.repeat(43),
  'secret'.repeat(8),
  '0123456789'.repeat(4),
  '0123456789abcdef0123456789abcdef',
  'abcdefghijklmnopqrstuvwxyz012345',
  'qwertyuiopasdfghjklzxcvbnm1234567890',
]

test('A-08 A-09 an HMAC with a blank or a common password is refused', async (t) => {
  const guesses = ['', ' ', '\n', '\u0000', ...COMMON_SECRETS]
  for (const [jwk, code] of [
    [privateJwk, 'ERR_TOKEN_ALGORITHM'],
    [rsaJwk, 'ERR_TOKEN_ALGORITHM'],
    // An app that does use a secret, but a drawn one.
    [hmacJwk, 'ERR_TOKEN_SIGNATURE'],
  ] as const) {
    const app = await appWith(t, jwk)
    await assertAllRepelled(
      t,
      app,
      guesses.map((guess): Forgery => [
        `${jwk.alg}, ${JSON.stringify(guess)}`,
        code,
        (claims) => forgeHmac(headerOf(jwk, { alg: 'HS256' }), claims, guess),
      ]),
    )
  }
})

test('A-09 a common, short or merely encoded secret is refused when it is loaded', async (t) => {
  const app = await createAttackedApp(t)
  const token = forgeHmac(validHeader({ alg: 'HS256' }), validClaims(app).claims, 'secret')
  const careless = Buffer.from('secret')
  // Jose alone lets an application go into production with it.
  t.true(await joseAccepts(app, token, careless, { algorithms: ['HS256'] }))

  const counted = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
  const words = Buffer.from('correct horse battery staple, they said')
  const inputs: readonly (readonly [string, Uint8Array])[] = [
    ['blank', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(64)],
    ['counted', counted],
    ...COMMON_SECRETS.map((text) => [text, Buffer.from(text)] as const),
    // Writing a weak secret in hex or base64 does not make it stronger.
    ['zeros in hex', Buffer.from('00'.repeat(32))],
    ['counted, in hex', Buffer.from(counted.toString('hex'))],
    ['counted, in base64', Buffer.from(counted.toString('base64'))],
    ['counted, in base64url', Buffer.from(counted.toString('base64url'))],
    ['words in hex', Buffer.from(words.toString('hex'))],
    ['words in base64', Buffer.from(words.toString('base64'))],
  ]
  for (const [name, secret] of inputs) {
    await t.throwsAsync(importKey(secret, { algorithm: 'HS256' }), { instanceOf: TypeError }, name)
    const jwk = { kty: 'oct', k: Buffer.from(secret).toString('base64url'), alg: 'HS256' }
    await t.throwsAsync(createKeySet({ keys: [jwk] }), { instanceOf: TypeError }, `${name}, as JWK`)
  }
  // And a drawn one is taken in each of these spellings, or the table above would prove nothing.
  const drawn = Buffer.from(hmacJwk.k ?? '', 'base64url')
  for (const text of [drawn, drawn.toString('hex'), drawn.toString('base64'), drawn.toString('base64url')]) {
    await t.notThrowsAsync(importKey(Buffer.from(text), { algorithm: 'HS256' }))
  }
})

// The order of P-256 (NIST SP 800-186 section 3.2.1.3) and its field prime.
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const PRIME = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn

function pair(r: bigint, s: bigint): Buffer {
  return Buffer.from(r.toString(16).padStart(64, '0') + s.toString(16).padStart(64, '0'), 'hex')
}

test('A-10 a psychic signature is refused: zero, one, the order and everything else out of range', async (t) => {
  const edge = [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, PRIME, 2n ** 256n - 1n]
  const attacks = edge.flatMap((r) =>
    edge.map((s): Forgery => [
      `r=${r}, s=${s}`,
      'ERR_TOKEN_SIGNATURE',
      (claims) => forge(validHeader(), claims, pair(r, s)),
    ]),
  )
  await assertAllRepelled(t, await createAttackedApp(t), attacks)
})

function genuineSignature(claims: Json): Buffer {
  return signatureOf(`${b64(validHeader())}.${b64(claims)}`)
}

test('A-10 an ECDSA signature of another length is refused, also when it holds the true one', async (t) => {
  const reshape: Record<string, (signature: Buffer) => Buffer> = {
    'one byte less': (signature) => signature.subarray(0, 63),
    'one byte more': (signature) => Buffer.concat([signature, Buffer.alloc(1)]),
    'one byte before': (signature) => Buffer.concat([Buffer.alloc(1), signature]),
    twice: (signature) => Buffer.concat([signature, signature]),
    'r only': (signature) => signature.subarray(0, 32),
    'wide r and s': (signature) =>
      Buffer.concat([Buffer.alloc(16), signature.subarray(0, 32), Buffer.alloc(16), signature.subarray(32)]),
    's and r': (signature) => Buffer.concat([signature.subarray(32), signature.subarray(0, 32)]),
  }
  await assertAllRepelled(
    t,
    await createAttackedApp(t),
    Object.entries(reshape).map(([name, change]): Forgery => [
      name,
      'ERR_TOKEN_SIGNATURE',
      (claims) => forge(validHeader(), claims, change(genuineSignature(claims))),
    ]),
  )
})

test('A-11 a true ECDSA signature in DER is refused', async (t) => {
  const key = privateKeyOf(privateJwk)
  await assertAllRepelled(t, await createAttackedApp(t), [
    [
      'DER',
      'ERR_TOKEN_SIGNATURE',
      (claims) => {
        const input = `${b64(validHeader())}.${b64(claims)}`
        return `${input}.${b64(signBytes('sha256', Buffer.from(input), { key, dsaEncoding: 'der' }))}`
      },
    ],
  ])
})

test('A-12 the P-256 key serves no other algorithm, even signed by the key itself', async (t) => {
  // Signed with the true key and the hash that the header names: only the algorithm is wrong.
  const attacks = ['ES384', 'ES512', 'ES256K', 'RS256', 'PS256', 'EdDSA', 'Ed25519', 'ES256K-R'].map((alg): Forgery => [
    alg,
    'ERR_TOKEN_ALGORITHM',
    (claims) => sign(validHeader({ alg }), claims, { ...privateJwk, alg: alg.startsWith('ES') ? alg : 'ES256' }),
  ])
  await assertAllRepelled(t, await createAttackedApp(t), attacks)
})

test('A-12 a key of another curve that claims the kid is refused', async (t) => {
  const [p384, p521] = [await generateKey('ES384'), await generateKey('ES512')]
  const k256 = withKid(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'ES256')
  const attacks = [p384, p521, k256].flatMap((jwk): Forgery[] => [
    [`${jwk.crv} as ES256`, 'ERR_TOKEN_SIGNATURE', (claims) => sign(validHeader(), claims, { ...jwk, alg: 'ES256' })],
    [
      `${jwk.crv} as itself`,
      'ERR_TOKEN_ALGORITHM',
      (claims) => sign(validHeader({ alg: jwk === k256 ? 'ES256K' : jwk.alg }), claims, jwk),
    ],
  ])
  await assertAllRepelled(t, await createAttackedApp(t), attacks)
})

test('A-13 one RSA key serves one algorithm: PS256 does not pass as RS256, nor the reverse', async (t) => {
  for (const [own, other] of [
    ['RS256', 'PS256'],
    ['PS256', 'RS256'],
  ] as const) {
    const jwk = { ...rsaJwk, alg: own }
    const [rs384, ps512] = ['RS384', 'PS512']
    await assertAllRepelled(t, await appWith(t, jwk), [
      [`${other} under ${own}`, 'ERR_TOKEN_SIGNATURE', (claims) => sign(headerOf(jwk), claims, { ...jwk, alg: other })],
      [
        `${other} as itself`,
        'ERR_TOKEN_ALGORITHM',
        (claims) => sign(headerOf(jwk, { alg: other }), claims, { ...jwk, alg: other }),
      ],
      [`${own} under ${other}`, 'ERR_TOKEN_ALGORITHM', (claims) => sign(headerOf(jwk, { alg: other }), claims, jwk)],
      ...[rs384, ps512].flatMap((alg): Forgery[] => [
        [`${alg} as itself`, 'ERR_TOKEN_ALGORITHM', (claims) => sign(headerOf(jwk, { alg }), claims, { ...jwk, alg })],
        [`${alg} under ${own}`, 'ERR_TOKEN_SIGNATURE', (claims) => sign(headerOf(jwk), claims, { ...jwk, alg })],
      ]),
    ])
    await t.throwsAsync(createKeySet({ keys: [jwk, { ...jwk, alg: other, kid: 'twin' }] }), { instanceOf: TypeError })
  }
})

const MODULUS = BigInt(`0x${Buffer.from(rsaJwk.n ?? '', 'base64url').toString('hex')}`)

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function toBytes(integer: bigint): Buffer {
  const hex = integer.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
}

/** A genuine token whose signature has a property that few have; the claims are varied until it has. */
function search(claims: Json, wanted: (signature: Buffer) => boolean): { input: string; signature: Buffer } {
  for (let attempt = 0; attempt < 8000; attempt += 1) {
    const input = `${b64(headerOf(rsaJwk))}.${b64({ ...claims, attempt })}`
    const signature = signatureOf(input, rsaJwk)
    if (wanted(signature)) return { input, signature }
  }
  throw new Error('no such signature within 8000 attempts')
}

function plusModulus(signature: Buffer): Buffer {
  return toBytes(toInteger(signature) + MODULUS)
}

test('A-14 an RSA signature with bytes added or taken, or with the modulus added, is refused', async (t) => {
  const reshape: Record<string, readonly [(signature: Buffer) => boolean, (signature: Buffer) => Buffer]> = {
    'a zero byte after': [() => true, (signature) => Buffer.concat([signature, Buffer.alloc(1)])],
    'a zero byte before': [() => true, (signature) => Buffer.concat([Buffer.alloc(1), signature])],
    'its leading zero gone': [([first]) => first === 0, (signature) => signature.subarray(1)],
    'the modulus added, same length': [(signature) => plusModulus(signature).length === 256, plusModulus],
    'the modulus added, longer': [(signature) => plusModulus(signature).length === 257, plusModulus],
    'its negative': [() => true, (signature) => toBytes(MODULUS - toInteger(signature))],
  }
  const attacks = Object.entries(reshape).map(([name, [wanted, change]]): Forgery => [
    name,
    'ERR_TOKEN_SIGNATURE',
    (claims) => {
      const { input, signature } = search(claims, wanted)
      return `${input}.${b64(change(signature))}`
    },
  ])
  await assertAllRepelled(t, await appWith(t, rsaJwk), attacks)
})

// DigestInfo of SHA-256 and SHA-1 (RFC 8017 section 9.2, note 1).
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex')
const SHA1_INFO = Buffer.from('3021300906052b0e03021a05000414', 'hex')
const WITHOUT_NULL = Buffer.from('302f300b06096086480165030402010420', 'hex')

/** 00 01 FF … FF 00 and the rest, as long as the modulus (RFC 8017 section 9.2). */
function encode(rest: Uint8Array, options: { type?: number; fill?: number; after?: Uint8Array } = {}): Buffer {
  const { type = 1, fill = 0xff, after = Buffer.alloc(0) } = options
  const padding = Buffer.alloc(256 - 3 - rest.length - after.length, fill)
  return Buffer.concat([Buffer.of(0, type), padding, Buffer.of(0), rest, after])
}

function privatePower(bytes: Uint8Array): Buffer {
  const key = privateKeyOf(rsaJwk)
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, bytes)
}

test('A-14 an RSA signature over anything but the one PKCS #1 v1.5 encoding is refused', async (t) => {
  const blocks: Record<string, (digest: Buffer, text: string) => Buffer> = {
    'the digest alone': (digest) => encode(digest),
    'SHA-1': (_, text) => encode(Buffer.concat([SHA1_INFO, hash('sha1', text, 'buffer')])),
    'SHA-1 named, SHA-256 given': (digest) => encode(Buffer.concat([SHA1_INFO, digest])),
    'no NULL parameter': (digest) => encode(Buffer.concat([WITHOUT_NULL, digest])),
    // Bleichenbacher 2006 (CVE-2006-4339): short padding, the digest where a lazy parser looks, garbage behind it.
    'garbage after the digest': (digest) =>
      encode(Buffer.concat([SHA256_INFO, digest]), { after: Buffer.alloc(100, 0x5a) }),
    'block type 2': (digest) => encode(Buffer.concat([SHA256_INFO, digest]), { type: 2 }),
    'zeros for padding': (digest) => encode(Buffer.concat([SHA256_INFO, digest]), { type: 0, fill: 0 }),
    'the digest of something else': () => encode(Buffer.concat([SHA256_INFO, hash('sha256', 'other', 'buffer')])),
  }
  const app = await appWith(t, rsaJwk)
  const build = (claims: Json, block: (digest: Buffer, text: string) => Buffer) => {
    const input = `${b64(headerOf(rsaJwk))}.${b64(claims)}`
    return `${input}.${b64(privatePower(block(hash('sha256', input, 'buffer'), input)))}`
  }
  await assertAllRepelled(
    t,
    app,
    Object.entries(blocks).map(([name, block]): Forgery => [
      name,
      'ERR_TOKEN_SIGNATURE',
      (claims) => build(claims, block),
    ]),
  )
  // The same tools make a signature that passes, so it is the encoding that was refused.
  const { claims, cookie } = validClaims(app)
  const proper = build(claims, (digest) => encode(Buffer.concat([SHA256_INFO, digest])))
  t.is((await app.me(proper, cookie)).status, 200)
})

/** A key is refused whichever way it comes in. */
async function assertNotLoaded(
  t: ExecutionContext,
  input: KeyInput,
  algorithm: Algorithm | undefined,
  name: string,
): Promise<void> {
  const options = algorithm === undefined ? {} : { algorithm }
  await t.throwsAsync(importKey(input, options), { instanceOf: TypeError }, name)
  await t.throwsAsync(createKeySet({ keys: [input], ...options }), { instanceOf: TypeError }, name)
  await t.throwsAsync(createKeySet({ keys: [privateJwk, input], ...options }), { instanceOf: TypeError }, name)
}

/** The same key as JWK, as JWK Set, as text and as PEM. */
function waysIn(key: KeyObject): readonly KeyInput[] {
  const jwk = key.export({ format: 'jwk' }) as JWK
  const pem = key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' })
  return [key, jwk, JSON.stringify(jwk), { keys: [jwk] }, JSON.stringify({ keys: [jwk] }), String(pem)]
}

test('A-15 an RSA key of fewer than 2048 bits is not loaded, and signs nothing that passes', async (t) => {
  for (const modulusLength of [1024, 1536, 2047]) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
    for (const input of [...waysIn(privateKey), ...waysIn(publicKey)]) {
      await assertNotLoaded(t, input, 'RS256', `${modulusLength}`)
      await assertNotLoaded(t, input, 'PS256', `${modulusLength}`)
    }
    const jwk = withKid(privateKey, 'RS256')
    await assertAllRepelled(t, await appWith(t, rsaJwk), [
      ['the kid of the app', 'ERR_TOKEN_SIGNATURE', (claims) => sign(headerOf(jwk), claims, jwk)],
      ['a kid of its own', 'ERR_TOKEN_KEY', (claims) => sign(headerOf(jwk, { kid: 'weak' }), claims, jwk)],
    ])
  }
})

/** Anybody's "signature" for a key of exponent 1: the encoding itself. */
function signByOne(header: Json, claims: Json): string {
  const input = `${b64(header)}.${b64(claims)}`
  return `${input}.${b64(encode(Buffer.concat([SHA256_INFO, hash('sha256', input, 'buffer')])))}`
}

test('A-16 an RSA key with exponent 1, for which anybody can sign, is not loaded', async (t) => {
  const app = await appWith(t, rsaJwk)
  const weak = { kty: 'RSA', n: rsaJwk.n ?? '', e: 'AQ', alg: 'RS256', kid: 'of-the-app' }
  const { claims } = validClaims(app)
  const key = await importJWK(weak)
  // Jose alone takes the key and what anybody "signs" for it.
  t.true(await joseAccepts(app, signByOne(headerOf(rsaJwk), claims), key, { algorithms: ['RS256'] }))

  for (const e of ['AQ', 'AAE', 'AAAB', 'AA', '', 'Ag', 'BA', 'AQAA'])
    await assertNotLoaded(t, { ...weak, e }, undefined, e)
  const asKeyObject = createPublicKey({ key: weak, format: 'jwk' })
  for (const input of waysIn(asKeyObject)) await assertNotLoaded(t, input, 'RS256', 'e=1')
  await assertAllRepelled(t, app, [
    ['kid of the app', 'ERR_TOKEN_SIGNATURE', (all) => signByOne(headerOf(rsaJwk), all)],
    ['a kid of its own', 'ERR_TOKEN_KEY', (all) => signByOne(headerOf(rsaJwk, { kid: 'one' }), all)],
  ])
})

test('A-16 an even RSA modulus, which is no product of two odd primes, is not loaded', async (t) => {
  const even = toBytes(MODULUS - 1n).toString('base64url')
  await assertNotLoaded(t, { kty: 'RSA', n: even, e: 'AQAB', alg: 'RS256' }, undefined, 'even')
})

test('A-17 a key that is declared for encryption is not loaded', async (t) => {
  const { kty = '', crv = '', x = '', y = '', d = '' } = privateJwk
  const declarations: Record<string, Json> = {
    'use enc': { use: 'enc' },
    'another use': { use: 'SIG' },
    'empty use': { use: '' },
    'use that is no string': { use: ['sig'] },
    'null use': { use: null },
    'key_ops encrypt': { key_ops: ['encrypt'] },
    'key_ops wrapKey': { key_ops: ['wrapKey', 'unwrapKey'] },
    'key_ops deriveBits': { key_ops: ['deriveBits'] },
    'empty key_ops': { key_ops: [] },
    'key_ops that is no array': { key_ops: 'verify sign' },
    'null key_ops': { key_ops: null },
    'use enc beside key_ops': { use: 'enc', key_ops: ['verify', 'sign'] },
    'an encryption alg': { alg: 'ECDH-ES' },
    'alg none': { alg: 'none' },
  }
  for (const [name, declared] of Object.entries(declarations)) {
    const publicJwk = { kty, crv, x, y, ...declared } as JWK
    for (const jwk of [publicJwk, { ...publicJwk, d }]) {
      await assertNotLoaded(t, jwk, undefined, name)
      await assertNotLoaded(t, JSON.stringify({ keys: [jwk] }), undefined, name)
    }
    const secret = { ...hmacJwk, ...declared }
    await t.throwsAsync(importKey(secret, {}), { instanceOf: TypeError }, `${name}, secret`)
  }
  // Only what may sign may be the signing key.
  await assertNotLoaded(t, { kty, crv, x, y, d, key_ops: ['verify'] }, undefined, 'private, verify only')
  await assertNotLoaded(t, { kty, crv, x, y, key_ops: ['sign'] }, undefined, 'public, sign only')

  // Jose alone verifies with a key whose use is encryption.
  const app = await createAttackedApp(t)
  const key = await importJWK({ kty, crv, x, y, use: 'enc' }, 'ES256')
  const token = sign(validHeader(), validClaims(app).claims)
  t.true(await joseAccepts(app, token, key, { algorithms: ['ES256'] }))
})

test('A-15 A-16 A-17 nothing passes as an imported key by looking like one', async (t) => {
  const weak = { kty: 'RSA', n: rsaJwk.n, e: 'AQ', use: 'enc', alg: 'RS256', kid: 'x' }
  for (const lookalike of [
    { ...weak, verifyingKey: {} },
    { kid: 'x', alg: 'RS256', thumbprint: 'x', verifyingKey: await importJWK(weak as JWK) },
    { verifyingKey: null },
  ]) {
    // The casts are the attack: text from a file is never a Key, whatever members it has.
    await t.throwsAsync(importKey(lookalike as KeyInput), { instanceOf: TypeError })
    await t.throwsAsync(importKey(JSON.stringify(lookalike)), { instanceOf: TypeError })
    await t.throwsAsync(createKeySet({ keys: [JSON.stringify(lookalike)] }), { instanceOf: TypeError })
  }
})

test('A-15 A-16 A-17 an unfit key in a JWK Set is left out, and a token signed by it is refused', async (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const short = { ...withKid(weak, 'RS256'), kid: 'short' }
  const one = { kty: 'RSA', n: rsaJwk.n ?? '', e: 'AQ', alg: 'RS256', kid: 'one' }
  const forEncryption = { ...(await generateKey('ES256')), use: 'enc', kid: 'enc' }
  // Only the public halves: a private key that cannot be used is an error, not a key to leave out.
  const keys = await createKeySet({ keys: [{ keys: [toPublic(short), one, toPublic(forEncryption), rsaJwk] }] })
  t.deepEqual(
    keys.keys.map(({ kid }) => kid),
    [rsaJwk.kid],
  )
  const app = await createAttackedApp(t, { keys }, (claims) => sign(headerOf(rsaJwk), claims, rsaJwk))
  await assertAllRepelled(t, app, [
    ['1024 bits', 'ERR_TOKEN_KEY', (claims) => sign(headerOf(short), claims, short)],
    ['exponent 1', 'ERR_TOKEN_KEY', (claims) => signByOne(headerOf(one), claims)],
    ['encryption', 'ERR_TOKEN_KEY', (claims) => sign(headerOf(forEncryption), claims, forEncryption)],
  ])
})

// A-18 not here: the kit has no encryption or CSRF key, and refresh tokens are drawn, not signed. What is shown is that
// keys do not stand in for each other, whatever they are for.
test('A-18 one key of the set does not sign for another', async (t) => {
  const other = await generateKey('ES256')
  const keys = await createKeySet({ keys: [privateJwk, other] })
  const app = await createAttackedApp(t, { keys })
  await assertAllRepelled(t, app, [
    ['other key, first kid', 'ERR_TOKEN_SIGNATURE', (claims) => sign(validHeader(), claims, other)],
    ['first key, other kid', 'ERR_TOKEN_SIGNATURE', (claims) => sign(validHeader({ kid: other.kid }), claims)],
  ])
  const { claims, cookie } = validClaims(app)
  t.is((await app.me(sign(validHeader({ kid: other.kid }), claims, other), cookie)).status, 200)
})

// Points of small order on edwards25519, and other encodings of theirs (RFC 8032 section 5.1.3 allows one each).
// With such a public key h·A takes at most eight values, so anybody can sign.
const SMALL_ORDER = [
  ['order 1', '0100000000000000000000000000000000000000000000000000000000000000'],
  ['order 1, sign bit set', '0100000000000000000000000000000000000000000000000000000000000080'],
  ['order 1, not reduced', 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
  ['order 2', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
  ['order 4', '0000000000000000000000000000000000000000000000000000000000000000'],
  ['order 4, sign bit set', '0000000000000000000000000000000000000000000000000000000000000080'],
  ['order 4, not reduced', 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
  ['order 8', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
  ['order 8, other', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
] as const

test('A-19 an Ed25519 public key of small order, for which anybody can sign, is not loaded', async (t) => {
  for (const [name, hex] of SMALL_ORDER) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(hex, 'hex').toString('base64url') }
    await t.throwsAsync(importKey(jwk), { instanceOf: TypeError }, name)
    await t.throwsAsync(createKeySet({ keys: [edJwk, jwk] }), { instanceOf: TypeError }, name)
  }
})

function littleEndian(integer: bigint): Uint8Array {
  return Buffer.from(integer.toString(16).padStart(64, '0'), 'hex').toReversed()
}

test('A-19 an EdDSA signature of zeros, of small order, or out of range is refused', async (t) => {
  const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n
  const attacks: Forgery[] = [
    ['all zero', 'ERR_TOKEN_SIGNATURE', (claims) => forge(headerOf(edJwk), claims, Buffer.alloc(64))],
    ['all ones', 'ERR_TOKEN_SIGNATURE', (claims) => forge(headerOf(edJwk), claims, Buffer.alloc(64, 0xff))],
    ...SMALL_ORDER.map(([name, hex]): Forgery => [
      `R of ${name}, S zero`,
      'ERR_TOKEN_SIGNATURE',
      (claims) => forge(headerOf(edJwk), claims, Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(32)])),
    ]),
    [
      'S plus the group order (RFC 8032 section 5.1.7)',
      'ERR_TOKEN_SIGNATURE',
      (claims) => {
        const genuine = signatureOf(`${b64(headerOf(edJwk))}.${b64(claims)}`, edJwk)
        const s = toInteger(genuine.subarray(32).toReversed())
        return forge(headerOf(edJwk), claims, Buffer.concat([genuine.subarray(0, 32), littleEndian(s + groupOrder)]))
      },
    ],
    ['Ed25519 for EdDSA', 'ERR_TOKEN_ALGORITHM', (claims) => sign(headerOf(edJwk, { alg: 'Ed25519' }), claims, edJwk)],
  ]
  await assertAllRepelled(t, await appWith(t, edJwk), attacks)
})

function toPublic({ kty, n, e, crv, x, y, kid, alg, use }: JWK): JWK {
  return JSON.parse(JSON.stringify({ kty, n, e, crv, x, y, kid, alg, use })) as JWK
}
