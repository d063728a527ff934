// Refresh tokens and the ratchet by themselves, without a session. The known answers are from Python's hmac and hashlib.

import { createHash, createHmac } from 'node:crypto'

import test from 'ava'
import * as fc from 'fast-check'

import { deriveFingerprint, digestFingerprint, drawFingerprint, FINGERPRINT_FORMATS } from '../../src/fingerprint.ts'
import {
  deriveRefreshToken,
  drawRefreshToken,
  formatRefreshToken,
  hashSecret,
  matchesHash,
  parseRefreshToken,
} from '../../src/session/refresh-token.ts'
import { malformedTokens } from '../helpers/refreshing.ts'

const mac = (key: string, message: string): string => createHmac('sha256', key).update(message).digest('base64url')

const SID = 'AAAAAAAAAAAAAAAAAAAAAA'
const FORMATS = ['base64url', 'owasp'] as const

// 32 bytes 00 to 1f, and 20 to 3f, in base64url.
const VALUE = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const NONCE = 'ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8'
const OWASP_VALUE =
  '000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F3031'

const text = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes).toString('base64url'))

const tokens = fc.record({
  sid: text(16),
  generation: fc.integer({ min: 0, max: 999_999_999 }),
  family: text(16),
  secret: text(32),
})

test('a refresh token is read as it was written', (t) => {
  fc.assert(fc.property(tokens, (token) => void t.deepEqual(parseRefreshToken(formatRefreshToken(token)), token)))
  t.deepEqual(Object.keys(parseRefreshToken(formatRefreshToken(drawRefreshToken(SID))) ?? {}), [
    ...['sid', 'generation', 'family', 'secret'],
  ])
})

test('what only resembles a refresh token is none', (t) => {
  const token = formatRefreshToken(drawRefreshToken(SID))
  t.truthy(parseRefreshToken(token))
  const malformed = [...malformedTokens(token), '']
  t.true(malformed.length > 100)
  for (const one of malformed) t.is(parseRefreshToken(one), undefined, JSON.stringify(one.slice(0, 120)))
})

test('no text takes long to refuse', (t) => {
  const started = performance.now()
  for (const part of ['A', '0', '.', 'A.', '.0', 'A.0.', '-']) parseRefreshToken(part.repeat(200_000))
  t.true(performance.now() - started < 500)
})

test('RF-06 a session starts with 128 bits of family and 256 bits of secret that come never twice', (t) => {
  const drawn = Array.from({ length: 2000 }, () => drawRefreshToken(SID))
  for (const { sid, generation, family, secret } of drawn) {
    t.deepEqual([sid, generation], [SID, 0])
    t.deepEqual(
      [family, secret].map((one) => Buffer.from(one, 'base64url').length),
      [16, 32],
    )
  }
  t.is(new Set(drawn.flatMap(({ family, secret }) => [family, secret, secret.slice(0, 22)])).size, 6000)
})

test('RF-03 the ratchet: the same token and the same nonce give the same successor, which is one generation on', (t) => {
  const token = { sid: SID, generation: 6, family: 'F'.repeat(22), secret: VALUE }
  const next = { ...token, generation: 7, secret: 'mKisu-oij4CRmDjsETpz3PIQPlOUTssPNhxJas7YRGI' }
  t.deepEqual(deriveRefreshToken(token, NONCE), next)
  t.deepEqual(parseRefreshToken(formatRefreshToken(next)), next, 'it can be written and read')
  t.is(token.secret, VALUE, 'the old one is left as it was')
  fc.assert(
    fc.property(tokens, text(32), (one, nonce) => {
      t.deepEqual(deriveRefreshToken(one, nonce), deriveRefreshToken({ ...one }, nonce))
    }),
  )
})

test('RF-03 the ratchet: another nonce or another secret gives another successor', (t) => {
  fc.assert(
    fc.property(tokens, text(32), text(32), text(32), (token, nonce, otherNonce, secret) => {
      fc.pre(nonce !== otherNonce && secret !== token.secret)
      const results = [
        deriveRefreshToken(token, nonce),
        deriveRefreshToken(token, otherNonce),
        deriveRefreshToken({ ...token, secret }, nonce),
        token,
      ]
      t.is(new Set(results.map((one) => one.secret)).size, 4)
    }),
  )
})

test('RF-06 neither an old secret alone nor what the store keeps gives the successor', (t) => {
  const token = drawRefreshToken(SID)
  const hash = hashSecret(token.secret)
  const { secret: next } = deriveRefreshToken(token, NONCE)
  t.is(mac(token.secret, `refresh ${NONCE}`), next, 'this is how it is made')
  const guesses = [
    // The secret without the nonce.
    ...['', 'refresh', 'refresh ', 'refresh undefined', hash, token.secret, SID].map((one) => mac(token.secret, one)),
    // The record: hashes and the nonce.
    ...[hash, hashSecret(token.family), NONCE, '', token.family, SID].map((key) => mac(key, `refresh ${NONCE}`)),
    ...[hash, hashSecret(hash), hashSecret(NONCE), hashSecret(hash + NONCE), hashSecret(NONCE + hash), NONCE],
    // What the fingerprint of the same name would become.
    ...[deriveFingerprint(token.secret, NONCE, 'base64url'), mac(token.secret, `fingerprint ${NONCE}`)],
  ]
  for (const guess of guesses) t.not(guess, next)
  t.false(next.includes(token.secret.slice(0, 8)))
})

test('RF-03 the next fingerprint follows from the value and the nonce: known answers in both formats', (t) => {
  t.is(deriveFingerprint(VALUE, NONCE, 'base64url'), 'P0BVt_GeKY7lxmdTZSTo6wi5ZO5o7nB_djxZeDGA4pY')
  t.is(
    deriveFingerprint(OWASP_VALUE, NONCE, 'owasp'),
    '1CF54F0850B681E8E24E69E58809F47440353F0037B395572F4712A7AEAFBE17801ABB330051D07DE887C28521F8DDB146FB',
  )
})

for (const format of FORMATS) {
  test(`RF-03 ${format}: a derived fingerprint looks like a drawn one, and depends on the whole value and the nonce`, (t) => {
    const seen = new Set<string>()
    for (let i = 0; i < 200; i += 1) {
      const value = drawFingerprint(format)
      const next = deriveFingerprint(value, NONCE, format)
      t.regex(next, FINGERPRINT_FORMATS[format].value)
      t.regex(digestFingerprint(next, format), FINGERPRINT_FORMATS[format].digest)
      t.is(deriveFingerprint(value, NONCE, format), next)
      // The last character counts, and so does each of the nonce.
      const twin = value.slice(0, -1) + (value.endsWith('0') ? '1' : '0')
      const others = [`${NONCE} `, NONCE.slice(1), NONCE.toLowerCase(), ''].map((nonce) =>
        deriveFingerprint(value, nonce, format),
      )
      for (const one of [value, next, deriveFingerprint(twin, NONCE, format), ...others]) seen.add(one)
      // Nor is the digest, which every token shows, of any use for it.
      t.not(deriveFingerprint(digestFingerprint(value, format), NONCE, format), next)
    }
    t.is(seen.size, 200 * 7)
  })
}

test('RF-06 a secret matches its own SHA-256 and nothing else, of whatever length', (t) => {
  t.is(hashSecret(VALUE), '6oZqdX5MOLq_qBJ8vppAnT4fk6AP8UiP9zX8-Rev_9A')
  t.true(matchesHash(VALUE, hashSecret(VALUE)))
  const hash = hashSecret(VALUE)
  const flipped = `${hash.slice(0, -1)}${hash.endsWith('A') ? 'B' : 'A'}`
  for (const other of ['', VALUE, `${hash}=`, hash.slice(0, -1), `${hash}A`, hash.toLowerCase(), flipped, '\u00e9']) {
    t.false(matchesHash(VALUE, other), other)
  }
  // Of the same length, and of the same bytes for who looks at the low one of each character only.
  for (let at = 0; at < hash.length; at += 1) {
    const twin = `${hash.slice(0, at)}${String.fromCharCode(hash.charCodeAt(at) + 256)}${hash.slice(at + 1)}`
    t.true(matchesHash(VALUE, hash))
    t.false(matchesHash(VALUE, twin), twin)
  }
  for (const other of ['', hash, `${VALUE} `, VALUE.slice(0, -1), VALUE.toLowerCase()])
    t.false(matchesHash(other, hash))
  t.false(matchesHash(VALUE, createHash('sha256').update(VALUE).digest('hex')))
})
