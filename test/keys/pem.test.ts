// PEM files that are almost right: what is broken must not quietly make another key of the file.

import { generateKeyPairSync } from 'node:crypto'

import test from 'ava'

import { createKeySet, generateKey, importKey } from '../../src/index.ts'
import { selfSign } from '../helpers/self-signed.ts'

const pem = (): { privateKey: string; publicKey: string } =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })

const [own, other] = [pem(), pem()]
const BROKEN: Readonly<Record<string, string>> = {
  'cut off': own.privateKey.slice(0, 90),
  'with another END': own.privateKey.replace('END PRIVATE', 'END EC PRIVATE'),
  'in small letters': own.privateKey.toLowerCase(),
  'with four hyphens': own.privateKey.replace('-----BEGIN', '----BEGIN'),
}

for (const [how, block] of Object.entries(BROKEN)) {
  test(`a private key ${how} beside a public one is an error, not a key that can only verify`, async (t) => {
    for (const text of [own.publicKey + block, block + own.publicKey]) {
      await t.throwsAsync(importKey(text), { instanceOf: TypeError, message: /^key: / })
      await t.throwsAsync(createKeySet({ keys: [text, other.privateKey] }), { instanceOf: TypeError })
    }
  })
}

test('a private key beside its own public key or certificate signs, beside another one it is refused', async (t) => {
  t.truthy((await importKey(own.publicKey + own.privateKey)).signingKey)
  for (const text of [own.privateKey + other.publicKey, other.publicKey + own.privateKey]) {
    await t.throwsAsync(importKey(text), { instanceOf: TypeError, message: /^key: / })
  }
})

test('IS-09 a certificate, or a bare point, is no secret', async (t) => {
  const jwk = await generateKey('ES256')
  const point = Buffer.concat([Buffer.of(4), ...[jwk.x, jwk.y].map((part) => Buffer.from(part ?? '', 'base64url'))])
  for (const secret of [selfSign(jwk, 'app.example'), point]) {
    await t.throwsAsync(importKey(secret, { algorithm: 'HS256' }), { instanceOf: TypeError, message: /^secret: / })
  }
})

test('an RSA JWK with primes but without its private exponent is refused: it is half a private key', async (t) => {
  const { d: _d, ...half } = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  await t.throwsAsync(importKey({ ...half, alg: 'RS256' }), { instanceOf: TypeError, message: /^key: / })
})

test('what is neither text nor bytes nor an object is no key, and is not repeated', async (t) => {
  for (const input of [5, true, undefined, null, Symbol('k')]) {
    const error = await t.throwsAsync(importKey(input as never), { instanceOf: TypeError })
    t.regex(error?.message ?? '', /^key: expected PEM, OpenSSH, JWK or JWK Set, got /)
  }
})

test('a key that was imported is taken as it is', async (t) => {
  const key = await importKey(own.privateKey)
  t.is(await importKey(key), key)
  t.deepEqual((await createKeySet({ keys: [key] })).keys, [key])
})
