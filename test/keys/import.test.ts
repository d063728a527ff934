// Every format that openssl writes, read by importKey, used by a kit, and named as jose names it. VF-23, IS-19.

import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  KeyObject,
  randomBytes,
} from 'node:crypto'
import { inspect } from 'node:util'

import test from 'ava'
import type { JWK } from 'jose'

import { type Algorithm, createKeySet, generateKey, importKey, type KeyInput } from '../../src/index.ts'
import { createKeyFiles, type KeyFiles } from '../helpers/key-files.ts'
import { assertSigns, assertVerifies } from '../helpers/key-use.ts'

const PASSPHRASE = 'correct horse'

// file → algorithm.
const PRIVATE: readonly { readonly name: string; readonly algorithm: Algorithm; readonly make: readonly string[] }[] = [
  pkcs8('p256', 'ES256', 'EC', 'ec_paramgen_curve:P-256'),
  pkcs8('p384', 'ES384', 'EC', 'ec_paramgen_curve:P-384'),
  pkcs8('p521', 'ES512', 'EC', 'ec_paramgen_curve:P-521'),
  pkcs8('ed25519', 'EdDSA', 'ED25519'),
  pkcs8('rsa2048', 'RS256', 'RSA', 'rsa_keygen_bits:2048'),
  pkcs8('rsa3072', 'PS256', 'RSA', 'rsa_keygen_bits:3072'),
  { name: 'pkcs1', algorithm: 'RS256', make: ['rsa', '-in', 'rsa2048', '-traditional', '-out', 'pkcs1'] },
  { name: 'sec1-p256', algorithm: 'ES256', make: ecparam('prime256v1', 'sec1-p256', '-noout') },
  { name: 'sec1-p384', algorithm: 'ES384', make: ecparam('secp384r1', 'sec1-p384', '-noout') },
  { name: 'sec1-p521', algorithm: 'ES512', make: ecparam('secp521r1', 'sec1-p521', '-noout') },
  { name: 'sec1-params-p256', algorithm: 'ES256', make: ecparam('prime256v1', 'sec1-params-p256') },
  { name: 'sec1-params-p384', algorithm: 'ES384', make: ecparam('secp384r1', 'sec1-params-p384') },
  { name: 'sec1-params-p521', algorithm: 'ES512', make: ecparam('secp521r1', 'sec1-params-p521') },
]

// What the file must look like, or the table does not test what it says.
const BEGINS: Readonly<Record<string, string>> = {
  p256: '-----BEGIN PRIVATE KEY-----',
  pkcs1: '-----BEGIN RSA PRIVATE KEY-----',
  'sec1-p256': '-----BEGIN EC PRIVATE KEY-----',
  'sec1-params-p256': '-----BEGIN EC PARAMETERS-----',
}

function pkcs8(name: string, algorithm: Algorithm, type: string, option?: string) {
  const options = option === undefined ? [] : ['-pkeyopt', option]
  return { name, algorithm, make: ['genpkey', '-algorithm', type, ...options, '-out', name] }
}

function ecparam(curve: string, out: string, ...more: string[]): string[] {
  return ['ecparam', '-name', curve, '-genkey', ...more, '-out', out]
}

/** Whether it is made from another file, which must be there. */
const isDerived = (make: readonly string[]): boolean => make.includes('-in')

let files: KeyFiles

test.before(async () => {
  files = await createKeyFiles()
  const [own, derived] = [PRIVATE.filter(({ make }) => !isDerived(make)), PRIVATE.filter(({ make }) => isDerived(make))]
  await Promise.all(own.map(({ make }) => files.openssl(...make)))
  for (const { make } of derived) await files.openssl(...make)
})

test.after.always(() => files?.remove())

for (const { name, algorithm } of PRIVATE) {
  test(`KY-03 a private key as PEM (${name}) signs, and its kid is its thumbprint`, async (t) => {
    const text = await files.read(name)
    t.true(text.startsWith(BEGINS[name] ?? '-----BEGIN '))
    const key = await importKey(text, { algorithm })
    t.is(key.kid, await files.thumbprint(name))
    t.is(key.thumbprint, key.kid)
    t.is(key.alg, algorithm)
    await assertSigns(t, key)
  })

  test(`KY-03 the public key and the certificate of ${name} verify`, async (t) => {
    const privateKey = await importKey(await files.read(name), { algorithm })
    const certificate = await selfSign(name)
    for (const text of [await files.openssl('pkey', '-in', name, '-pubout'), certificate]) {
      const key = await importKey(text, { algorithm })
      t.is(key.kid, privateKey.kid)
      t.is(key.signingKey, undefined)
      await assertVerifies(t, key, privateKey)
    }
  })
}

async function selfSign(name: string): Promise<string> {
  await files.openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    name,
    '-subj',
    '/CN=holdfast',
    '-days',
    '2',
    '-out',
    `${name}.crt`,
  )
  return files.read(`${name}.crt`)
}

test('KY-03 a PKCS#1 public key verifies', async (t) => {
  const text = await files.openssl('rsa', '-in', 'rsa2048', '-RSAPublicKey_out')
  t.regex(text, /^-----BEGIN RSA PUBLIC KEY-----/)
  const key = await importKey(text, { algorithm: 'PS256' })
  t.is(key.kid, await files.thumbprint('rsa2048'))
  await assertVerifies(t, key, await importKey(await files.read('rsa2048'), { algorithm: 'PS256' }))
})

test('the algorithm is inferred from a curve and demanded for RSA and secrets', async (t) => {
  for (const [name, alg] of [
    ['p256', 'ES256'],
    ['p384', 'ES384'],
    ['p521', 'ES512'],
    ['ed25519', 'EdDSA'],
  ] as const) {
    t.is((await importKey(await files.read(name))).alg, alg)
  }
  const secret = createSecretKey(randomBytes(64))
  for (const input of [await files.read('rsa2048'), secret, secret.export({ format: 'jwk' }) as JWK]) {
    await t.throwsAsync(importKey(input), { instanceOf: TypeError, message: /^algorithm: / })
  }
})

test('the same key comes out of every spelling: bytes, CRLF, a byte order mark, space around, KeyObject, JWK, JWK Set', async (t) => {
  for (const { name, algorithm } of PRIVATE) {
    const text = await files.read(name)
    const kid = await files.thumbprint(name)
    const reference = await importKey(text, { algorithm })
    const jwk = exported(text)
    const spellings: KeyInput[] = [
      Buffer.from(text),
      new Uint8Array(Buffer.from(text)),
      text.replaceAll('\n', '\r\n'),
      `\uFEFF${text}`,
      `\n\n  ${text}\n\t\n`,
      text.trimEnd(),
      jwk,
      { keys: [jwk] },
      JSON.stringify(jwk),
      `\uFEFF${JSON.stringify({ keys: [jwk] }, null, 2)}\r\n`,
      Buffer.from(JSON.stringify(jwk)),
      reference,
    ]
    for (const input of spellings) {
      const key = await importKey(input, { algorithm })
      t.is(key.kid, kid, name)
      t.is(key.alg, algorithm)
      t.not(key.signingKey, undefined)
    }
  }
})

const exported = (pem: string): JWK => createPrivateKey(pem).export({ format: 'jwk' })

test('KY-03 a JWK and a JWK Set sign and verify', async (t) => {
  const jwk = exported(await files.read('p256'))
  await assertSigns(t, await importKey(jwk))
  await assertSigns(t, await importKey(JSON.stringify({ keys: [jwk] })))
  const { d: _, ...publicJwk } = jwk
  await assertVerifies(t, await importKey({ keys: [publicJwk] }), await importKey(jwk))
})

test('a PEM block is found behind the text that openssl puts before it', async (t) => {
  await selfSign('p384')
  const certificate = await files.openssl('x509', '-in', 'p384.crt', '-text')
  const ec = await files.openssl('ec', '-in', 'p384', '-text')
  const rsa = await files.openssl('rsa', '-in', 'rsa2048', '-text', '-traditional')
  const bag = `Bag Attributes\n    friendlyName: holdfast\nKey Attributes: <No Attributes>\n${await files.read('p384')}`
  t.regex(certificate, /^Certificate:/)
  t.is((await importKey(certificate)).kid, await files.thumbprint('p384'))
  for (const text of [ec, bag, bag.replaceAll('\n', '\r\n')]) {
    const key = await importKey(text)
    t.is(key.kid, await files.thumbprint('p384'))
    t.not(key.signingKey, undefined)
  }
  t.is((await importKey(rsa, { algorithm: 'RS256' })).kid, await files.thumbprint('rsa2048'))
})

test('text behind a PEM block does not matter', async (t) => {
  const text = await files.openssl('pkey', '-in', 'p256', '-text')
  t.regex(text, /^-----BEGIN PRIVATE KEY-----[^]*pub:/)
  t.is((await importKey(text)).kid, await files.thumbprint('p256'))
})

test('of a chain of certificates the first one counts', async (t) => {
  const chain = (await selfSign('sec1-p256')) + (await selfSign('p521'))
  t.is((await importKey(chain)).kid, await files.thumbprint('sec1-p256'))
})

test('a PEM file with two private keys is refused: chance must not decide which one signs', async (t) => {
  const [one, two] = [await files.read('p256'), await files.read('sec1-params-p256')]
  for (const text of [one + two, two + one]) {
    await t.throwsAsync(importKey(text), { instanceOf: TypeError, message: /^key: / })
  }
})

test('a PEM file with a certificate and its private key signs, in either order, or is refused', async (t) => {
  const certificate = await selfSign('p256')
  const key = await files.read('p256')
  for (const text of [certificate + key, key + certificate]) {
    // A key that silently can only verify is the one wrong answer.
    const outcome = await importKey(text).then(
      ({ signingKey }) => (signingKey === undefined ? 'can only verify' : 'fine'),
      (error: unknown) => (error instanceof TypeError ? 'fine' : inspect(error)),
    )
    t.is(outcome, 'fine')
  }
})

test('an encrypted PEM key is refused with the command that decrypts it, and the command works', async (t) => {
  const pass = `pass:${PASSPHRASE}`
  const encrypted: readonly (readonly [of: string, marker: RegExp, ...make: string[]])[] = [
    ['p256', /ENCRYPTED PRIVATE KEY/, 'pkcs8', '-topk8', '-in', 'p256', '-passout', pass],
    ['ed25519', /ENCRYPTED PRIVATE KEY/, 'pkey', '-in', 'ed25519', '-aes256', '-passout', pass],
    ['p384', /Proc-Type: 4,ENCRYPTED/, 'ec', '-in', 'p384', '-aes256', '-passout', pass],
    ['pkcs1', /Proc-Type: 4,ENCRYPTED/, 'rsa', '-in', 'pkcs1', '-aes256', '-traditional', '-passout', pass],
  ]
  for (const [of, marker, ...make] of encrypted) {
    const text = await files.openssl(...make)
    t.regex(text, marker)
    for (const spelling of [text, text.replaceAll('\n', '\r\n')]) {
      await t.throwsAsync(importKey(spelling, { algorithm: 'RS256' }), {
        instanceOf: TypeError,
        message: /openssl pkey -in FILE -out COPY$/,
      })
    }
    await files.write(`${of}.enc`, text)
    await files.openssl('pkey', '-in', `${of}.enc`, '-out', `${of}.copy`, '-passin', pass)
    const options = of === 'pkcs1' ? ({ algorithm: 'RS256' } as const) : {}
    t.is((await importKey(await files.read(`${of}.copy`), options)).kid, await files.thumbprint(of))
  }
})

test('VF-23 weak RSA keys are refused in every format', async (t) => {
  await files.openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024', '-out', 'rsa1024')
  await files.openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2047', '-out', 'rsa2047')
  for (const name of ['rsa1024', 'rsa2047']) {
    const pem = await files.read(name)
    const spki = await files.openssl('pkey', '-in', name, '-pubout')
    const jwk = exported(pem)
    for (const input of [pem, spki, await selfSign(name), jwk, { keys: [jwk] }, createPublicKey(spki)]) {
      for (const algorithm of ['RS256', 'PS256'] as const) {
        await t.throwsAsync(importKey(input, { algorithm }), { instanceOf: TypeError, message: /2048/ })
      }
    }
  }
})

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }) as JWK
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }) as JWK
const ed = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK

function publicOf(jwk: JWK): JWK {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...rest } = jwk
  return rest
}

for (const [what, e] of [
  ['e=1', 'AQ'],
  ['e=2', 'Ag'],
  ['an even e', 'AQAA'],
  ['e=0', 'AA'],
  ['an empty e', ''],
] as const) {
  test(`VF-23 A-16 an RSA key with ${what} is refused`, async (t) => {
    for (const jwk of [
      { ...publicOf(rsa), e },
      { ...rsa, e },
    ]) {
      await t.throwsAsync(importKey({ ...jwk, alg: 'RS256' }), { instanceOf: TypeError, message: /^key: / })
    }
  })
}

// RFC 7517 sections 4.2 and 4.3.
for (const [what, members] of [
  ['use enc', { use: 'enc' }],
  ['use with another value', { use: 'SIG' }],
  ['use that is no string', { use: ['sig'] }],
  ['use null', { use: null }],
  ['key_ops encrypt', { key_ops: ['encrypt'] }],
  ['key_ops wrapKey', { key_ops: ['wrapKey', 'unwrapKey'] }],
  ['empty key_ops', { key_ops: [] }],
  ['key_ops that is no array', { key_ops: 'signverify' }],
  ['use sig and key_ops decrypt', { use: 'sig', key_ops: ['decrypt'] }],
] as const) {
  test(`VF-23 IS-19 a JWK with ${what} is refused`, async (t) => {
    const secret: JWK = { kty: 'oct', k: randomBytes(64).toString('base64url'), alg: 'HS256' }
    for (const jwk of [ec, publicOf(ec), ed, { ...rsa, alg: 'RS256' }, secret]) {
      const input = { ...jwk, ...members } as unknown as JWK // that it is none is the point
      await t.throwsAsync(importKey(input), { instanceOf: TypeError, message: /^(?:use|key_ops): / })
      await t.throwsAsync(createKeySet({ keys: [input] }), { instanceOf: TypeError })
    }
  })
}

test('VF-23 key_ops must allow what the key is for: sign for a private one, verify for a public one', async (t) => {
  t.truthy(await importKey({ ...ec, key_ops: ['sign'] }))
  t.truthy(await importKey({ ...ec, use: 'sig', key_ops: ['sign', 'verify'] }))
  t.truthy(await importKey({ ...publicOf(ec), key_ops: ['verify'] }))
  await t.throwsAsync(importKey({ ...ec, key_ops: ['verify'] }), { instanceOf: TypeError })
  await t.throwsAsync(importKey({ ...publicOf(ec), key_ops: ['sign'] }), { instanceOf: TypeError })
})

test('IS-19 a JWK whose key_ops allow signing and another purpose is refused', async (t) => {
  for (const more of ['decrypt', 'unwrapKey', 'deriveKey', 'deriveBits', 'encrypt', 'wrapKey']) {
    await t.throwsAsync(
      importKey({ ...ec, key_ops: ['sign', more] }),
      { instanceOf: TypeError, message: /^key_ops: / },
      more,
    )
  }
})

for (const [what, input, algorithm] of [
  ['a P-384 key for ES256', { kty: 'EC', namedCurve: 'P-384' }, 'ES256'],
  ['a P-256 key for ES384', { kty: 'EC', namedCurve: 'P-256' }, 'ES384'],
  ['a P-521 key for ES256', { kty: 'EC', namedCurve: 'P-521' }, 'ES256'],
  ['a secp256k1 key for ES256', { kty: 'EC', namedCurve: 'secp256k1' }, 'ES256'],
  ['a secp256k1 key', { kty: 'EC', namedCurve: 'secp256k1' }, undefined],
  ['a Brainpool key for ES256', { kty: 'EC', namedCurve: 'brainpoolP256r1' }, 'ES256'],
  ['an EC key for EdDSA', { kty: 'EC', namedCurve: 'P-256' }, 'EdDSA'],
  ['an EC key for RS256', { kty: 'EC', namedCurve: 'P-256' }, 'RS256'],
  ['an EC key for HS256', { kty: 'EC', namedCurve: 'P-256' }, 'HS256'],
] as const) {
  test(`VF-23 ${what} is refused`, async (t) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: input.namedCurve })
    for (const key of [privateKey, publicKey]) {
      const options = algorithm === undefined ? {} : { algorithm }
      await t.throwsAsync(importKey(key, options), { instanceOf: TypeError, message: /^key: / })
      const pem =
        key.type === 'private'
          ? key.export({ format: 'pem', type: 'pkcs8' })
          : key.export({ format: 'pem', type: 'spki' })
      await t.throwsAsync(importKey(String(pem), options), { instanceOf: TypeError, message: /^key: / })
    }
  })
}

for (const [what, make] of [
  ['Ed448', () => generateKeyPairSync('ed448')],
  ['X25519', () => generateKeyPairSync('x25519')],
  ['RSA-PSS parameters', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
  ['DSA', () => generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 })],
] as const) {
  test(`VF-23 a key of ${what} is refused, whatever algorithm it is to be used with`, async (t) => {
    const { privateKey, publicKey } = make()
    for (const key of [privateKey, publicKey]) {
      for (const options of [
        {},
        ...(['EdDSA', 'Ed25519', 'PS256', 'ES256'] as const).map((algorithm) => ({ algorithm })),
      ]) {
        await t.throwsAsync(importKey(key, options), { instanceOf: TypeError, message: /^key: / })
      }
    }
  })
}

test('VF-23 a point off the curve is refused', async (t) => {
  const y = Buffer.from(ec.y ?? '', 'base64url')
  y[31] = (y[31] ?? 0) ^ 1
  for (const jwk of [ec, publicOf(ec)]) {
    await t.throwsAsync(importKey({ ...jwk, y: y.toString('base64url') }), { instanceOf: TypeError, message: /^key: / })
  }
})

test('VF-23 a private part that belongs to another public part is refused: EC', async (t) => {
  await t.throwsAsync(importKey({ ...ec, d: (await generateKey('ES256')).d as string }), { instanceOf: TypeError })
})

test('VF-23 a private part that belongs to another public part is refused: RSA', async (t) => {
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }) as JWK
  const alg = 'RS256'
  await t.throwsAsync(importKey({ ...rsa, alg, n: other.n as string }), { instanceOf: TypeError, message: /^key: / })
})

test('VF-23 a private part that belongs to another public part is refused: Ed25519', async (t) => {
  // node:crypto derives x from d and ignores the one that is given; then the published key is not the JWK's.
  const other = (await generateKey('Ed25519')).x as string
  await t.throwsAsync(importKey({ ...ed, x: other }), { instanceOf: TypeError, message: /^key: / })
})

test('VF-23 an RSA key of more than two primes is refused', async (t) => {
  const jwk = { ...rsa, alg: 'RS256', oth: [{ r: 'AQAB', d: 'AQAB', t: 'AQAB' }] }
  await t.throwsAsync(importKey(jwk as JWK), { instanceOf: TypeError, message: /^key: / })
})

// Each member of each kind of JWK, broken in every way that a file can be.
for (const [name, jwk] of [
  ['RSA', { ...rsa, alg: 'RS256' }],
  ['EC', ec],
  ['OKP', ed],
] as const) {
  for (const member of ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'crv', 'x', 'y', 'kty', 'alg', 'kid'] as const) {
    const value: unknown = jwk[member as keyof typeof jwk]
    if (value === undefined && member !== 'alg' && member !== 'kid') continue
    test(`VF-23 a broken ${member} in an ${name} JWK gives a key that works or a TypeError, never another error`, async (t) => {
      for (const broken of [...BROKEN, flipLast(value)]) {
        const input = { ...jwk, [member]: broken }
        const error = await importKey(input).then(
          () => undefined,
          (thrown: Error) => thrown,
        )
        if (error === undefined) continue
        t.is(error.constructor, TypeError, `${inspect(broken).slice(0, 20)}: ${error.message}`)
        t.regex(error.message, /^(?:key|kid|alg|algorithm): /)
      }
      t.pass()
    })
  }
}

const BROKEN: readonly unknown[] = [
  undefined,
  null,
  '',
  'AA',
  'AQ',
  'Ag',
  '!',
  'A'.repeat(5000),
  5,
  true,
  [],
  {},
  '\u0000',
]

function flipLast(value: unknown): string {
  const bytes = Buffer.from(String(value), 'base64url')
  if (bytes.length > 0) bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
  return bytes.toString('base64url')
}

// KID is an exact map key: no spaces, no control characters, no quotes that a log or a query could trip over.
for (const kid of [
  '',
  ' ',
  'a b',
  'a\nb',
  'a\u0000',
  "' OR 1=1",
  '../../etc/passwd',
  'ä',
  'a'.repeat(129),
  5,
  null,
  ['k'],
]) {
  test(`KY-03 the kid ${inspect(kid).slice(0, 40)} of a JWK is refused`, async (t) => {
    await t.throwsAsync(importKey({ ...ec, kid } as unknown as JWK), { instanceOf: TypeError, message: /^kid: / })
  })
}

test('KY-03 a kid that the JWK brings is kept, and the thumbprint is known all the same', async (t) => {
  const key = await importKey({ ...ec, kid: '2026-01:blue' })
  t.is(key.kid, '2026-01:blue')
  t.is(key.thumbprint, (await importKey(ec)).kid)
  await assertSigns(t, key)
})

test('KY-05 unknown members of a JWK are ignored, whatever they are called', async (t) => {
  const reference = await importKey(ec)
  for (const name of [
    'foo',
    'x5u',
    'ext',
    'iat',
    'verifyingKey',
    'signingKey',
    'thumbprint',
    'publicJwk',
    'toString',
  ]) {
    const jwk = { ...ec, [name]: 'https://elsewhere.example/' }
    for (const input of [jwk, JSON.stringify(jwk), { keys: [jwk] }]) {
      const key = await importKey(input)
      t.is(key.kid, reference.kid, name)
      t.deepEqual(key.publicJwk, reference.publicJwk, name)
    }
  }
})

test('KY-16 nothing but what importKey made passes for a key that is already imported', async (t) => {
  for (const input of ['{"verifyingKey":1}', { verifyingKey: {}, kid: 'k', alg: 'none', thumbprint: 't' }]) {
    await t.throwsAsync(importKey(input as string), { instanceOf: TypeError, message: /^key: / })
    await t.throwsAsync(createKeySet({ keys: [input as string] }), { instanceOf: TypeError, message: /^key: / })
  }
})

for (const input of [
  undefined,
  null,
  5,
  5n,
  true,
  Symbol('key'),
  () => 'key',
  [],
  [[]],
  {},
  '',
  ' ',
  'key',
  '{',
  '{}',
  '[]',
  'null',
  '{"keys":5}',
  '{"kty":null}',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----',
  new Uint8Array(),
  new ArrayBuffer(8),
  new Date(0),
  new Map(),
]) {
  test(`${inspect(input).replaceAll('\n', ' ')} as a key (${typeof input}) is refused with a TypeError that says what is expected`, async (t) => {
    await t.throwsAsync(importKey(input as string), { instanceOf: TypeError, message: /^key: expected / })
    await t.throwsAsync(createKeySet({ keys: [input as string] }), {
      instanceOf: TypeError,
      message: /^key: expected /,
    })
  })
}

test('a text of more than a mebibyte is not looked into', async (t) => {
  const text = JSON.stringify(ec)
  t.is((await importKey(text.padEnd(2 ** 20))).alg, 'ES256')
  await t.throwsAsync(importKey(text.padEnd(2 ** 20 + 1)), { instanceOf: TypeError, message: /^key: / })
  await t.throwsAsync(importKey(Buffer.from(text.padStart(2 ** 20 + 1))), { instanceOf: TypeError, message: /^key: / })
})

test('a set of two is no single key', async (t) => {
  const keys = [await generateKey(), await generateKey()]
  await t.throwsAsync(importKey({ keys }), { instanceOf: TypeError, message: /^key: expected one key/ })
  await t.throwsAsync(importKey({ keys: [] }), { instanceOf: TypeError, message: /^keys?: expected / })
})

test('an algorithm that disagrees with the JWK is refused', async (t) => {
  await t.throwsAsync(importKey({ ...rsa, alg: 'RS256' }, { algorithm: 'PS256' }), {
    instanceOf: TypeError,
    message: /^algorithm: /,
  })
})

test('a secret KeyObject works for HMAC and for nothing else', async (t) => {
  const secret = createSecretKey(randomBytes(64))
  t.true(secret instanceof KeyObject)
  await assertSigns(t, await importKey(secret, { algorithm: 'HS512' }))
  await t.throwsAsync(importKey(secret, { algorithm: 'ES256' }), { instanceOf: TypeError })
})
