// The algorithms: each of them end to end, and nothing beside them. IS-07, IS-08.

import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

import test from 'ava'

import { type Algorithm, createKeySet, createSessionKit, generateKey, importKey } from '../../src/index.ts'
import { ALGORITHMS, inferAlgorithm, isAlgorithm, isSymmetric } from '../../src/keys/algorithms.ts'
import { openTestApp } from '../helpers/app.ts'
import { assertSigns } from '../helpers/key-use.ts'

const jwk = await generateKey()
const rsaJwk = await generateKey('PS256')

const ALL: readonly Algorithm[] = [
  ...(['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'Ed25519', 'HS256', 'HS384', 'HS512'] as const),
]

// Bytes of a signature, which tell one algorithm from another even if a header lied. RFC 7518 section 3, RFC 8037.
const SIGNATURE_BYTES: Readonly<Record<Algorithm, number>> = {
  ...{
    ES256: 64,
    ES384: 96,
    ES512: 132,
    RS256: 384,
    PS256: 384,
    EdDSA: 64,
    Ed25519: 64,
    HS256: 32,
    HS384: 48,
    HS512: 64,
  },
}

test('IS-07 the table has these algorithms and no more', (t) => {
  t.deepEqual(Object.keys(ALGORITHMS).toSorted(), ALL.toSorted())
  t.deepEqual(ALL.filter(isSymmetric), ['HS256', 'HS384', 'HS512'])
})

for (const algorithm of ALL) {
  test(`IS-07 ${algorithm}: a generated key logs in, and the request is accepted`, async (t) => {
    const app = await openTestApp(t, { keys: await createKeySet({ algorithm }) })
    const { token, cookie } = await app.login()
    const [header = '', , signature = ''] = token.split('.')
    t.is((JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string }).alg, algorithm)
    t.is(Buffer.from(signature, 'base64url').length, SIGNATURE_BYTES[algorithm])
    const response = await app.me(token, cookie)
    t.is(response.status, 200)
    t.is(response.json['sub'], 'alice')
    t.is(app.handled.count, 1)
    t.deepEqual(app.errors, [])
  })

  test(`IS-07 ${algorithm}: a kept key signs after it went through a file`, async (t) => {
    // Drawing RSA keys is what takes time here.
    const kept = ALGORITHMS[algorithm].kty === 'RSA' ? { ...rsaJwk, alg: algorithm } : await generateKey(algorithm)
    t.is(kept.alg, algorithm)
    await assertSigns(t, await importKey(JSON.stringify(kept)))
  })
}

// RSA1_5 and the rest exist elsewhere; `constructor` and the like exist on every object.
for (const algorithm of [
  ...['none', 'None', 'NONE', 'nOnE', '', ' ', 'es256', 'ES256 ', 'ES256K', 'RS1', 'RS384', 'RS512', 'PS384', 'PS512'],
  ...['RSA1_5', 'RSA-OAEP', 'ECDH-ES', 'A128KW', 'dir', 'Ed448', 'HS1', 'ML-DSA-44'],
  ...['constructor', '__proto__', 'toString', 'hasOwnProperty'],
  ...[null, 0, 1, true, {}, [], ['ES256'], Symbol('ES256'), Object('ES256')],
] as unknown[]) {
  test(`IS-07 ${inspect(algorithm)} is no algorithm`, async (t) => {
    const name = algorithm as Algorithm // that it is none is the point
    t.false(isAlgorithm(algorithm))
    const expectation = { instanceOf: TypeError, message: /^alg(?:orithm)?: expected / }
    await t.throwsAsync(generateKey(name), expectation)
    await t.throwsAsync(createKeySet({ algorithm: name }), expectation)
    await t.throwsAsync(createKeySet({ algorithm: name, keys: [jwk] }), expectation)
    await t.throwsAsync(importKey(jwk, { algorithm: name }), expectation)
    await t.throwsAsync(importKey({ ...jwk, alg: name }), expectation)
    await t.throwsAsync(createKeySet({ keys: [{ ...jwk, alg: name }] }), expectation)
  })
}

// IS-07's split of issuer and verifier is not here: verifiers of their own come later; in this kit one process does both.

test('IS-08 the default is ES256, of a generated key, of a key set and of a kit of its own', async (t) => {
  t.is((await generateKey()).alg, 'ES256')
  t.is((await createKeySet()).active?.alg, 'ES256')
  const kit = await createSessionKit({ issuer: 'http://localhost:3000' })
  t.teardown(kit.close)
  t.deepEqual(
    kit.jwks().keys.map(({ alg }) => alg),
    ['ES256'],
  )
})

test('IS-08 RS256 is never chosen for a key: an RSA key demands that somebody does', async (t) => {
  const { alg: _, ...rsa } = rsaJwk
  await t.throwsAsync(importKey(rsa), { instanceOf: TypeError, message: /^algorithm: / })
  t.throws(() => inferAlgorithm({ kty: 'RSA' }), { instanceOf: TypeError })
})

test('IS-08 the README tells of the conflict about RS256', (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const lines = readme.split('\n').filter((line) => line.includes('RS256'))
  t.true(lines.some((line) => line.includes('RFC 9068') && line.includes('ASVS')))
})

test('only a curve decides an algorithm', (t) => {
  t.is(inferAlgorithm({ kty: 'EC', crv: 'P-256' }), 'ES256')
  t.is(inferAlgorithm({ kty: 'EC', crv: 'P-384' }), 'ES384')
  t.is(inferAlgorithm({ kty: 'EC', crv: 'P-521' }), 'ES512')
  t.is(inferAlgorithm({ kty: 'OKP', crv: 'Ed25519' }), 'EdDSA')
  for (const members of [
    {},
    { kty: 'EC' },
    { kty: 'OKP' },
    { kty: 'oct' },
    { kty: 'RSA' },
    { kty: 'EC', crv: 'Ed25519' },
  ]) {
    t.throws(() => inferAlgorithm(members), { instanceOf: TypeError })
  }
  for (const members of [
    { kty: 'OKP', crv: 'P-256' },
    { kty: 'RSA', crv: 'P-256' },
    { kty: 'AKP' },
    { crv: 'P-256' },
  ]) {
    t.throws(() => inferAlgorithm(members), { instanceOf: TypeError, message: /^key: / })
  }
})
