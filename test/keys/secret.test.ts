// Secrets for HMAC: as long as the hash, and not a thing that people type, repeat or publish. IS-09.

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'

import test from 'ava'
import * as fc from 'fast-check'

import { createKeySet, createSessionKit, importKey } from '../../src/index.ts'
import { assertSecret } from '../../src/keys/secret.ts'
import { assertSigns } from '../helpers/key-use.ts'

for (const [algorithm, least] of [
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
] as const) {
  test(`IS-09 ${algorithm} demands ${least} bytes`, async (t) => {
    for (const length of [0, 1, 5, 16, least - 1]) {
      const secret = randomBytes(length)
      const k = secret.toString('base64url')
      const expectation = { instanceOf: TypeError, message: new RegExp(`^secret: expected at least ${least} bytes`) }
      await t.throwsAsync(importKey(secret, { algorithm }), expectation)
      await t.throwsAsync(importKey({ kty: 'oct', k, alg: algorithm }), expectation)
      await t.throwsAsync(createKeySet({ algorithm, keys: [secret] }), expectation)
    }
    await assertSigns(t, await importKey(randomBytes(least), { algorithm }))
    t.truthy(await importKey(new Uint8Array(randomBytes(least)), { algorithm }))
  })
}

const PHRASE = 'It was a bright cold day in April, and the clocks were striking thirteen.'

// Each is at least 64 bytes long, so that only what it looks like is against it.
for (const [what, secret] of [
  ['zeros', Buffer.alloc(64)],
  ['one byte again and again', Buffer.alloc(64, 0xa7)],
  ['the digit 1', '1'.repeat(64)],
  ['a counted sequence', Buffer.from(Array.from({ length: 64 }, (_, i) => i))],
  ['a sequence counted down', Buffer.from(Array.from({ length: 64 }, (_, i) => 200 - i))],
  ['a word repeated', 'secret'.repeat(11)],
  ['a random block repeated', Buffer.alloc(128, randomBytes(16))],
  ['a random block repeated and cut off', Buffer.alloc(100, randomBytes(32))],
  ['a common secret repeated', 'your-256-bit-secret'.repeat(4)],
  ['a placeholder', `${'change-me-'.repeat(6)}please`],
  ['a sentence', PHRASE],
  ['words with dashes', PHRASE.replaceAll(/\W+/g, '-').toLowerCase()],
  ['words with underscores', PHRASE.replaceAll(/\W+/g, '_').toUpperCase()],
  ['words in one', PHRASE.replaceAll(/\W+/g, '').toLowerCase()],
  ['words that say they are a secret', `MySuperSecretKey1MySuperSecretKey2MySuperSecretKey3MySuperSecret4`],
  ['words with capitals and a digit', `CorrectHorseBatteryStaple1OtherHorseBatteryStaple2CorrectHorseFed`],
  ['the alphabet and the digits', 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_'],
  ['the keyboard', 'qwertyuiopasdfghjklzxcvbnm1234567890QWERTYUIOPASDFGHJKLZXCVBNM09'],
  ['hex of half as many bytes', randomBytes(16).toString('hex')],
  ['base64 of too few bytes', randomBytes(23).toString('base64')],
  ['a JWK as text', JSON.stringify(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }))],
] as const) {
  test(`IS-09 a secret of ${what} is refused`, async (t) => {
    const bytes = Buffer.from(secret as string)
    for (const input of [bytes, { kty: 'oct', k: bytes.toString('base64url'), alg: 'HS256' }]) {
      await t.throwsAsync(importKey(input, { algorithm: 'HS256' }), { instanceOf: TypeError, message: /^secret: / })
    }
  })
}

test('IS-09 a secret that a specification or a tutorial published is refused', async (t) => {
  for (const k of [
    // RFC 7515 appendix A.1.1: in the documents of every JWT library.
    'AyM1SysPpbyfDfZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
    // RFC 7520 section 3.5.
    'hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg',
  ]) {
    await t.throwsAsync(importKey({ kty: 'oct', k, alg: 'HS256' }), { instanceOf: TypeError, message: /^secret: / }, k)
  }
})

test('IS-09 the hash of a password, in hex, cannot be told from a drawn secret, and is taken: what is not covered', (t) => {
  t.notThrows(() => assertSecret(createHash('sha256').update('password').digest(), 32))
})

test('IS-09 drawn bytes are always taken, as they are and in hex, and in base64 nearly always', (t) => {
  let refused = 0
  for (let i = 0; i < 1000; i += 1) {
    const drawn = randomBytes(64)
    for (const secret of [drawn, drawn.subarray(0, 32), Buffer.from(drawn.toString('hex'))]) assertSecret(secret, 32)
    try {
      assertSecret(Buffer.from(drawn.toString('base64url')), 32)
    } catch {
      refused += 1
    }
  }
  // By chance some look like words: about one in 4,000.
  t.true(refused < 10)
})

test('IS-09 a secret of any bytes is taken or refused with a TypeError that does not repeat it', (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 150 }),
    fc.string({ maxLength: 150 }).map((text) => Buffer.from(text)),
    fc.base64String({ maxLength: 150 }).map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(bytes, fc.constantFrom(32, 48, 64), (secret, least) => {
      try {
        assertSecret(secret, least)
        return secret.length >= least
      } catch (error) {
        const { constructor, message } = error as Error
        // Six characters in a row and more; shorter ones are in any sentence.
        const text = Buffer.from(secret).toString('latin1')
        const repeats = text.length >= 6 && message.includes(text)
        return constructor === TypeError && message.startsWith('secret: ') && !repeats
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

// A secret in the wrong place is the likeliest mistake of all, and errors end in logs.
const MISPLACED = 'hunter2-hunter2-hunter2'

for (const [where, place] of [
  ['createKeySet({ keys: secret })', () => createKeySet({ keys: MISPLACED as never })],
  ['createKeySet({ keys: [secret] })', () => createKeySet({ keys: [MISPLACED] })],
  ['createKeySet({ keys: [[secret]] })', () => createKeySet({ keys: [[MISPLACED]] as never })],
  ['createKeySet(secret)', () => createKeySet(MISPLACED as never)],
  [
    'createSessionKit({ keys: secret })',
    () => createSessionKit({ issuer: 'https://a.example', keys: MISPLACED as never }),
  ],
  ['importKey(secret)', () => importKey(MISPLACED)],
  ['importKey of its bytes', () => importKey(Buffer.from(MISPLACED), { algorithm: 'HS256' })],
  ['importKey as k', () => importKey({ kty: 'oct', k: MISPLACED, alg: 'HS256' })],
  ['importKey as JSON that is broken', () => importKey(`{"kty":"oct","k":"${MISPLACED}"`)],
  ['importKey as a number for d', () => importKey({ kty: 'RSA', n: 'AQAB', e: 'AQAB', d: MISPLACED, alg: 'RS256' })],
] as const) {
  test(`KY-16 IS-09 the error of ${where} does not repeat it`, async (t) => {
    const error = await t.throwsAsync<Error>(place, { instanceOf: TypeError })
    for (let shown: unknown = error; shown instanceof Error; shown = shown.cause) {
      t.false(shown.message.includes('hunter2'))
    }
  })
}

// IS-09 "one secret per issuer and audience" not here: a key set does not know for whom else its owner uses the secret.
