// Fresh keys: strong, distinct, named by their thumbprint, ready to be kept.

import { createPublicKey } from 'node:crypto'

import test from 'ava'
import { calculateJwkThumbprint } from 'jose'

import { type Algorithm, generateKey, importKey } from '../../src/index.ts'

for (const [algorithm, kty, members, bits] of [
  ['ES256', 'EC', { crv: 'P-256' }],
  ['ES384', 'EC', { crv: 'P-384' }],
  ['ES512', 'EC', { crv: 'P-521' }],
  ['EdDSA', 'OKP', { crv: 'Ed25519' }],
  ['Ed25519', 'OKP', { crv: 'Ed25519' }],
  ['PS256', 'RSA', { e: 'AQAB' }, 3072],
  ['RS256', 'RSA', { e: 'AQAB' }, 3072],
] as const satisfies readonly (readonly [Algorithm, string, object, number?])[]) {
  test(`KY-02 KY-03 VF-23 a generated ${algorithm} key is strong, and names its algorithm, its use and itself`, async (t) => {
    const jwk = await generateKey(algorithm)
    t.like(jwk, { kty, alg: algorithm, use: 'sig', ...members })
    t.is(typeof jwk.d, 'string')
    t.is(
      createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' }).asymmetricKeyDetails?.modulusLength,
      bits,
    )
    t.is(jwk.kid ?? '', await calculateJwkThumbprint(jwk))
    const key = await importKey(jwk)
    t.is(key.kid, jwk.kid ?? '')
    t.is(key.alg, algorithm)
  })
}

for (const [algorithm, bytes] of [
  ['HS256', 64],
  ['HS384', 96],
  ['HS512', 128],
] as const) {
  test(`IS-09 a generated ${algorithm} secret is longer than it must be, and no kid tells of it`, async (t) => {
    const jwk = await generateKey(algorithm)
    t.deepEqual(Object.keys(jwk).toSorted(), ['alg', 'k', 'kty', 'use'])
    t.is(Buffer.from(jwk.k ?? '', 'base64url').length, bytes)
    const key = await importKey(jwk)
    // RFC 7638 section 7: the thumbprint of a secret helps whoever guesses at it.
    t.not(key.kid, await calculateJwkThumbprint(jwk))
    t.is(key.kid, (await importKey(jwk)).kid)
  })
}

test('no two generated keys are the same', async (t) => {
  const algorithms = ['ES256', 'EdDSA', 'HS256'] as const
  const jwks = await Promise.all(algorithms.flatMap((one) => Array.from({ length: 20 }, () => generateKey(one))))
  t.is(new Set(jwks.map(({ d, k }) => d ?? k)).size, jwks.length)
})
