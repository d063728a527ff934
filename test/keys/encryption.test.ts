// Encryption keys: what is generated, what is taken, what is refused, what is never shown. RFC 7517, RFC 7518 section 4.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

import test from 'ava'
import { calculateJwkThumbprint, type JWK } from 'jose'

import {
  createEncryptionKeys,
  createKeySet,
  createSessionKit,
  type EncryptionAlgorithm,
  type EncryptionKeys,
  generateEncryptionKey,
  generateKey,
  memoryStore,
  type SessionKitOptions,
} from '../../src/index.ts'
import { ISSUER, openTestApp, privateJwk } from '../helpers/app.ts'
import { privateKeyOf, publicKeyOf } from '../helpers/forge.ts'
import { encrypting, encryptionJwks } from '../helpers/forge-jwe.ts'

const { dir, A256KW, 'RSA-OAEP-256': rsa, 'ECDH-ES': ecdh } = encryptionJwks
const { d: foreignD } = await generateEncryptionKey('ECDH-ES')
const { n: foreignN } = await generateEncryptionKey('RSA-OAEP-256')
const ALL: readonly JWK[] = Object.values(encryptionJwks)
const take = (...keys: unknown[]): Promise<EncryptionKeys> => createEncryptionKeys({ keys: keys as JWK[] })

for (const [alg, kty, members] of [
  ['dir', 'oct', { k: /^[\w-]{43}$/ }],
  ['A256KW', 'oct', { k: /^[\w-]{43}$/ }],
  ['ECDH-ES', 'EC', { crv: /^P-256$/, d: /^[\w-]{43}$/ }],
  ['ECDH-ES+A256KW', 'EC', { crv: /^P-256$/, d: /^[\w-]{43}$/ }],
  ['RSA-OAEP-256', 'RSA', { n: /^[\w-]{512}$/, e: /^AQAB$/, d: /./ }],
] as const satisfies readonly (readonly [EncryptionAlgorithm, string, Record<string, RegExp>])[]) {
  test(`JE-01 a generated ${alg} key is strong, and names its algorithm, its use and itself`, async (t) => {
    const jwk = await generateEncryptionKey(alg)
    t.like(jwk, { kty, alg, use: 'enc' })
    for (const [name, form] of Object.entries(members)) t.regex(String((jwk as Record<string, unknown>)[name]), form)
    // The name of a secret is derived when it is imported: a thumbprint would help to guess it.
    t.is(jwk.kid, kty === 'oct' ? undefined : await calculateJwkThumbprint(jwk))
    for (const input of [jwk, JSON.stringify(jwk), ` ${JSON.stringify(jwk, null, 2)}\n`]) {
      const keys = await createEncryptionKeys({ keys: [input] })
      t.like(keys.active, { alg, kid: jwk.kid ?? keys.keys[0]?.thumbprint })
      t.is(keys.get(keys.active.kid)?.alg, alg)
    }
    const again = await generateEncryptionKey(alg)
    t.notDeepEqual([again.k, again.d], [jwk.k, jwk.d])
  })
}

test('the default key is a secret that gives each token a content key of its own', async (t) => {
  t.like(await generateEncryptionKey(), { kty: 'oct', alg: 'A256KW' })
})

test('JE-01 no key is generated for an algorithm that is not one of the kit', async (t) => {
  for (const algorithm of [
    'RSA1_5',
    'RSA-OAEP',
    'A128KW',
    'A256GCMKW',
    'PBES2-HS256+A128KW',
    'ES256',
    'constructor',
    null,
  ]) {
    await t.throwsAsync(generateEncryptionKey(algorithm as never), { instanceOf: TypeError, message: /^algorithm: / })
  }
})

test('a key without a kid is known by its thumbprint, and one with a kid by that, exactly', async (t) => {
  const { kid: _kid, ...unnamed } = ecdh
  t.is((await take(unnamed)).active.kid, await calculateJwkThumbprint(ecdh))
  const { k } = dir
  const derived = (await take({ kty: 'oct', k, alg: 'dir' })).active.kid
  t.not(derived, await calculateJwkThumbprint({ kty: 'oct', k: String(k) }))
  t.regex(derived, /^[\w-]{43}$/)
  const keys = await take({ ...dir, kid: 'Blue' })
  t.is(keys.get('Blue')?.kid, 'Blue')
  for (const kid of ['blue', 'Blue ', '', 'constructor', '__proto__']) t.is(keys.get(kid), undefined)
})

test('whoever only encrypts gets nothing that decrypts', async (t) => {
  for (const jwk of ALL) {
    const { active, keys } = await take(jwk)
    t.deepEqual(Object.keys(active).toSorted(), ['alg', 'encryptingKey', 'kid'])
    const [key] = keys
    t.true(active.encryptingKey === key?.encryptingKey)
    const [encrypts, decrypts] = [active.encryptingKey.usages, key?.decryptingKey.usages ?? []]
    t.deepEqual(
      encrypts.filter((usage) => decrypts.includes(usage)),
      [],
      jwk.alg,
    )
    t.false(key?.decryptingKey.extractable)
    t.is(active.encryptingKey.type, jwk.kty === 'oct' ? 'secret' : 'public')
    t.is(active.encryptingKey.extractable, jwk.kty !== 'oct')
  }
})

test('printing or serialising keys shows nothing secret', async (t) => {
  const keys = await take(...ALL)
  const shown = [inspect(keys, { depth: 9, showHidden: true }), JSON.stringify(keys)].join(' ')
  for (const { k, d, p } of ALL) {
    for (const secret of [k, d, p]) if (secret !== undefined) t.false(shown.includes(secret))
  }
  t.true(Object.isFrozen(keys) && Object.isFrozen(keys.keys) && Object.isFrozen(keys.active))
})

test('KY-01 encryption keys are not published', async (t) => {
  const app = await openTestApp(t, await encrypting(ecdh, rsa, A256KW))
  const { text } = await app.request('GET', '/.well-known/jwks.json')
  t.is((JSON.parse(text) as { keys: unknown[] }).keys.length, 1)
  for (const value of [ecdh.x, ecdh.kid, rsa.n, rsa.kid, A256KW.kid]) t.false(text.includes(String(value)))
})

const publicOf = (jwk: JWK): object => ({ ...publicKeyOf(jwk).export({ format: 'jwk' }), alg: jwk.alg })
const secret = (bytes: Uint8Array, alg = 'A256KW'): JWK => ({
  kty: 'oct',
  k: Buffer.from(bytes).toString('base64url'),
  alg,
})
const { privateKey: koblitz } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
const { privateKey: weakRsa } = generateKeyPairSync('rsa', { modulusLength: 1024 })

for (const [title, message, input] of [
  ['no algorithm', /^alg: /, { ...ecdh, alg: undefined }],
  ['an algorithm that is not one of the kit', /^alg: /, { ...rsa, alg: 'RSA1_5' }],
  ['RSA-OAEP, whose hash is SHA-1', /^alg: /, { ...rsa, alg: 'RSA-OAEP' }],
  ['a password', /^alg: /, { ...A256KW, alg: 'PBES2-HS256+A128KW' }],
  ['an algorithm for signatures', /^alg: /, { ...ecdh, alg: 'ES256' }],
  ['a key for signatures', /^alg: /, privateJwk],
  ['a key whose use is signatures', /^use: /, { ...ecdh, use: 'sig' }],
  ['a use that is no text', /^use: /, { ...ecdh, use: null }],
  ['operations of signatures', /^key_ops: /, { ...ecdh, key_ops: ['sign', 'deriveBits'] }],
  ['operations that do not decrypt', /^key_ops: /, { ...A256KW, key_ops: ['wrapKey'] }],
  ['operations of another algorithm', /^key_ops: /, { ...dir, key_ops: ['unwrapKey'] }],
  ['no operations', /^key_ops: /, { ...dir, key_ops: [] }],
  ['operations that are no list', /^key_ops: /, { ...dir, key_ops: 'decrypt' }],
  ['another kind of key', /^key: expected kty RSA/, { ...ecdh, alg: 'RSA-OAEP-256' }],
  ['a secret for key agreement', /^key: expected kty EC/, { ...dir, alg: 'ECDH-ES' }],
  ['a key pair as a secret', /^key: expected kty oct/, { ...ecdh, alg: 'dir' }],
  ['a public EC key', /^key: .*public/, publicOf(ecdh)],
  ['a public RSA key', /^key: .*public/, publicOf(rsa)],
  ['a public key and a secret in one', /^key: .*public/, { ...publicOf(ecdh), k: dir.k }],
  ['a secret without its bytes', /^key: .*public/, { kty: 'oct', alg: 'dir' }],
  [
    'another curve',
    /^key: expected an EC key on P-256, P-384, P-521/,
    { ...koblitz.export({ format: 'jwk' }), alg: 'ECDH-ES' },
  ],
  ['X25519', /^key: /, { ...generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }), alg: 'ECDH-ES' }],
  ['parts of two keys', /^key: /, { ...ecdh, d: foreignD }],
  ['an RSA modulus of another key', /^key: .*(?:broken|parts of two)/, { ...rsa, n: foreignN }],
  ['a point beside the curve', /^key: /, { ...ecdh, x: ecdh.y, y: ecdh.x }],
  ['a short RSA key', /^key: .*2048/, { ...weakRsa.export({ format: 'jwk' }), alg: 'RSA-OAEP-256' }],
  ['an RSA key of three primes', /^key: .*oth/, { ...rsa, oth: [] }],
  ['a short secret', /^secret: /, secret(randomBytes(31))],
  ['a long secret', /^secret: /, secret(randomBytes(33))],
  ['a secret of zeros', /^secret: /, secret(Buffer.alloc(32))],
  ['a typed secret', /^secret: /, secret(Buffer.from('correct horse battery staple 123'))],
  ['a kid that is no name', /^kid: /, { ...dir, kid: '../dir' }],
  ['a kid that is no text', /^kid: /, { ...dir, kid: 1 }],
  ['a kid of null', /^kid: /, { ...dir, kid: null }],
  ['PEM', /^key: /, privateKeyOf(ecdh).export({ type: 'pkcs8', format: 'pem' })],
  ['broken JSON', /^key: /, JSON.stringify(ecdh).slice(1)],
  ['JSON of something else', /^alg: /, '[]'],
  ['a text of null', /^key: /, 'null'],
  ['a number', /^key: /, 1],
  ['nothing', /^key: /, null],
] as const satisfies readonly (readonly [string, RegExp, unknown])[]) {
  test(`JE-01 refuses ${title} when the keys are made, without repeating it`, async (t) => {
    const { message: said } = await t.throwsAsync(take(input), { instanceOf: TypeError, message })
    for (const { k, d } of ALL) for (const one of [k, d]) if (one !== undefined) t.false(said.includes(one))
  })
}

test('key operations that decrypt are taken, whatever else of encryption is among them', async (t) => {
  for (const [jwk, ops] of [
    [dir, ['encrypt', 'decrypt']],
    [A256KW, ['unwrapKey']],
    [ecdh, ['deriveKey']],
    [ecdh, ['deriveBits']],
    [rsa, ['decrypt', 'unwrapKey']],
  ] as const) {
    t.is((await take({ ...jwk, key_ops: ops })).active.alg, jwk.alg as EncryptionAlgorithm)
  }
})

test('F-08 a key is there once, with one algorithm, and a kid of its own', async (t) => {
  const { kid: _kid, ...unnamed } = ecdh
  for (const keys of [
    [ecdh, ecdh],
    [ecdh, { ...ecdh, kid: 'other' }],
    [unnamed, { ...unnamed, alg: 'ECDH-ES+A256KW', kid: 'other' }],
    [dir, { ...dir, alg: 'A256KW', kid: 'other' }],
    [dir, { ...A256KW, kid: dir.kid }],
  ]) {
    await t.throwsAsync(take(...keys), { instanceOf: TypeError, message: /^keys: .*twice/ })
  }
})

test('a set is made of keys', async (t) => {
  for (const options of [{ keys: [] }, { keys: undefined }, { keys: dir }, {}]) {
    await t.throwsAsync(createEncryptionKeys(options as never), {
      instanceOf: TypeError,
      message: /^keys: expected an/,
    })
  }
  for (const options of [undefined, null, [dir], { keys: [dir], algorithm: 'dir' }]) {
    await t.throwsAsync(createEncryptionKeys(options as never), { instanceOf: TypeError, message: /^options: / })
  }
})

test('accessToken.encryption takes what createEncryptionKeys made, of keys that do not sign', async (t) => {
  const build = (encryption: unknown, more: Partial<SessionKitOptions> = {}): Promise<unknown> =>
    createSessionKit({
      issuer: ISSUER,
      store: memoryStore(),
      keys: signing,
      ...more,
      accessToken: { encryption: encryption as EncryptionKeys },
    })
  const signing = await createKeySet({ keys: [privateJwk] })
  const keys = await take(A256KW)
  await t.notThrowsAsync(build(keys))
  for (const wrong of [
    null,
    true,
    'A256KW',
    A256KW,
    [A256KW],
    { keys: [A256KW] },
    { ...keys },
    signing,
    take(A256KW),
  ]) {
    await t.throwsAsync(build(wrong), { instanceOf: TypeError, message: /^encryption: expected what/ })
  }
  await t.throwsAsync(build(take(A256KW)), { message: /await/ })
  const { kid: _kid, use: _use, ...pair } = privateJwk
  const signingRsa = await generateKey('PS256')
  const hmac = { kty: 'oct', k: randomBytes(32).toString('base64url') }
  for (const [sign, encrypt] of [
    [privateJwk, { ...pair, alg: 'ECDH-ES' }],
    [signingRsa, { ...signingRsa, use: 'enc', alg: 'RSA-OAEP-256', kid: 'other' }],
    [
      { ...hmac, alg: 'HS256' },
      { ...hmac, alg: 'A256KW', kid: 'other' },
    ],
  ] as [JWK, JWK][]) {
    const more = { keys: await createKeySet({ keys: [sign] }) }
    // Not even one that only decrypts.
    const both = await take(dir, encrypt)
    await t.throwsAsync(build(both, more), { instanceOf: TypeError, message: /^encryption: .*signs/ })
  }
})
