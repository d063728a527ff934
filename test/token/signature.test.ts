// Signatures of every algorithm in the one form that JWS gives them, whoever verifies them: RFC 7518 section 3, RFC 8037.

import { constants, createPublicKey, generateKeyPairSync, sign as signBytes, verify } from 'node:crypto'

import test from 'ava'
import { compactVerify, type JWK } from 'jose'

import { createKeySet, generateKey, isSessionError, type Key, type SigningKey } from '../../src/index.ts'
import { ALGORITHMS, type Algorithm } from '../../src/keys/algorithms.ts'
import { halvesOf } from '../../src/keys/key.ts'
import { signCompact, verifySignature } from '../../src/token/signature.ts'
import { b64, privateKeyOf, sign } from '../helpers/forge.ts'

// RSA keys take their time.
const jwks = Object.fromEntries(
  await Promise.all(
    (Object.keys(ALGORITHMS) as Algorithm[]).map(async (alg) => [alg, await generateKey(alg)] as const),
  ),
) as Record<Algorithm, JWK>

const payload = { sub: 'alice' }

const inputOf = (alg: string): string => `${b64({ alg })}.${b64(payload)}`

async function keyOf(alg: Algorithm): Promise<SigningKey> {
  const { active } = await createKeySet({ keys: [jwks[alg]], algorithm: alg })
  if (active === undefined) throw new Error('it has a private part')
  return active
}

async function outcome(token: string, key: Key): Promise<string> {
  try {
    await verifySignature({ token, alg: key.alg }, key)
    return 'passed'
  } catch (error) {
    return isSessionError(error) ? error.code : String(error)
  }
}

/** The token with its signature replaced. */
function withSignature(token: string, change: (signature: Buffer) => Uint8Array): string {
  const dot = token.lastIndexOf('.')
  return `${token.slice(0, dot)}.${b64(change(Buffer.from(token.slice(dot + 1), 'base64url')))}`
}

for (const alg of Object.keys(ALGORITHMS) as Algorithm[]) {
  test(`VF-06 VF-22 ${alg}: a signature passes, and nothing that is one bit, one byte or one form away`, async (t) => {
    const key = await keyOf(alg)
    const token = sign({ alg, kid: key.kid }, payload, { ...jwks[alg], alg })
    t.is(await outcome(token, key), 'passed')
    await t.notThrowsAsync(compactVerify(token, key.verifyingKey), 'jose agrees')
    const others: Record<string, (signature: Buffer) => Uint8Array> = {
      'none at all': () => Buffer.alloc(0),
      zeros: (signature) => Buffer.alloc(signature.length),
      ones: (signature) => Buffer.alloc(signature.length, 255),
      'a byte less': (signature) => signature.subarray(0, -1),
      'a byte more': (signature) => Buffer.concat([signature, Buffer.alloc(1)]),
      'a zero before it': (signature) => Buffer.concat([Buffer.alloc(1), signature]),
      twice: (signature) => Buffer.concat([signature, signature]),
      backwards: (signature) => signature.toReversed(),
    }
    for (const [label, change] of Object.entries(others)) {
      t.is(await outcome(withSignature(token, change), key), 'ERR_TOKEN_SIGNATURE', label)
    }
    for (let bit = 0; bit < 256; bit += 11) {
      const flipped = withSignature(token, (signature) => {
        const bytes = Buffer.from(signature)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        return bytes
      })
      t.is(await outcome(flipped, key), 'ERR_TOKEN_SIGNATURE', `bit ${bit}`)
    }
    const other = sign({ alg, kid: key.kid }, { sub: 'mallory' }, { ...jwks[alg], alg })
    const signatureOfOther = Buffer.from(other.slice(other.lastIndexOf('.') + 1), 'base64url')
    t.is(
      await outcome(
        withSignature(token, () => signatureOfOther),
        key,
      ),
      'ERR_TOKEN_SIGNATURE',
      'of another token',
    )
    const [stranger = key] = (await createKeySet({ keys: [await generateKey(alg)], algorithm: alg })).keys
    t.is(await outcome(token, stranger), 'ERR_TOKEN_SIGNATURE')
    for (const named of Object.keys(ALGORITHMS) as Algorithm[]) {
      if (named === alg) continue
      await t.throwsAsync(verifySignature({ token, alg: named }, key), { code: 'ERR_TOKEN_ALGORITHM' }, named)
    }
  })
}

test('what is signed is what jose verifies, with every algorithm and header', async (t) => {
  for (const alg of Object.keys(ALGORITHMS) as Algorithm[]) {
    const key = await keyOf(alg)
    // Of one key in turns, since the header of each kind is kept.
    for (const header of [{ typ: 'at+jwt' }, {}, { typ: 'ticket+jwt' }, { typ: 'at+jwt' }]) {
      const token = await signCompact('{"sub":"älice"}', header, key)
      const read = await compactVerify(token, key.verifyingKey, { algorithms: [alg] })
      t.is(Buffer.from(read.payload).toString(), '{"sub":"älice"}', alg)
      t.deepEqual(read.protectedHeader, { alg, ...header, kid: key.kid })
      t.is(await outcome(token, key), 'passed')
      t.is(Buffer.from(token, 'latin1').toString('utf8'), token, 'ASCII')
    }
  }
})

test('A-11 ES256, ES384, ES512: the DER form of a genuine signature is none', async (t) => {
  for (const [alg, hash] of [
    ['ES256', 'sha256'],
    ['ES384', 'sha384'],
    ['ES512', 'sha512'],
  ] as const) {
    const key = await keyOf(alg)
    const token = sign({ alg, kid: key.kid }, payload, jwks[alg])
    const input = Buffer.from(token.slice(0, token.lastIndexOf('.')))
    const der = signBytes(hash, input, privateKeyOf(jwks[alg]))
    t.true(verify(hash, input, createPublicKey(privateKeyOf(jwks[alg])), der), 'OpenSSL takes it')
    t.is(
      await outcome(
        withSignature(token, () => der),
        key,
      ),
      'ERR_TOKEN_SIGNATURE',
      alg,
    )
  }
})

test('VF-06 RS256 and PS256: another padding, or a salt of another length, is none', async (t) => {
  const rsa = { ...jwks.RS256 }
  const make = (alg: string, options: { padding: number; saltLength?: number }): string =>
    `${inputOf(alg)}.${b64(signBytes('sha256', Buffer.from(inputOf(alg)), { key: privateKeyOf(rsa), ...options }))}`
  const [rs] = (await createKeySet({ keys: [{ ...rsa, alg: 'RS256' }] })).keys
  const [ps] = (await createKeySet({ keys: [{ ...rsa, alg: 'PS256' }] })).keys
  if (rs === undefined || ps === undefined) throw new Error('there is one in each')
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants
  t.is(await outcome(make('RS256', { padding: RSA_PKCS1_PADDING }), rs), 'passed')
  t.is(await outcome(make('PS256', { padding: RSA_PKCS1_PSS_PADDING, saltLength: 32 }), ps), 'passed')
  t.is(await outcome(make('RS256', { padding: RSA_PKCS1_PSS_PADDING, saltLength: 32 }), rs), 'ERR_TOKEN_SIGNATURE')
  t.is(await outcome(make('PS256', { padding: RSA_PKCS1_PADDING }), ps), 'ERR_TOKEN_SIGNATURE')
  for (const saltLength of [0, 20, 31, 33, 64, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
    const token = make('PS256', { padding: RSA_PKCS1_PSS_PADDING, saltLength })
    t.is(await outcome(token, ps), 'ERR_TOKEN_SIGNATURE', `${saltLength}`)
  }
})

test('a copy of a key, of which only the CryptoKeys are known, signs and verifies by those', async (t) => {
  const key = { ...(await keyOf('ES256')) }
  t.deepEqual(halvesOf(key), {})
  const token = await signCompact(JSON.stringify(payload), {}, key)
  t.is(await outcome(token, key), 'passed')
  t.is(
    await outcome(
      withSignature(token, (signature) => signature.toReversed()),
      key,
    ),
    'ERR_TOKEN_SIGNATURE',
  )
})

test('an RSA key of unusual size is left to another thread, and verifies all the same', async (t) => {
  for (const [modulusLength, publicExponent, isQuick] of [
    [2048, 65_537, true],
    [2048, 0x1000_0001, false],
    [4104, 65_537, false],
  ] as const) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent })
    const [key] = (await createKeySet({ keys: [privateKey], algorithm: 'RS256' })).keys
    if (key === undefined) throw new Error('there is one')
    t.is(halvesOf(key).publicKey !== undefined, isQuick, `${modulusLength} ${publicExponent}`)
    const signed = `${inputOf('RS256')}.${b64(signBytes('sha256', Buffer.from(inputOf('RS256')), privateKey))}`
    t.is(await outcome(signed, key), 'passed')
    t.is(
      await outcome(
        withSignature(signed, (signature) => signature.toReversed()),
        key,
      ),
      'ERR_TOKEN_SIGNATURE',
    )
  }
})

test('A-10 ES256: numbers that no signature has are refused, whatever they multiply to', async (t) => {
  const key = await keyOf('ES256')
  const token = sign({ alg: 'ES256', kid: key.kid }, payload, jwks.ES256)
  // The order of P-256 (SEC 2 section 2.4.2): r and s are from 1 to one less.
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const numbers = [Buffer.alloc(32), order, Buffer.alloc(32, 255)]
  for (const number of numbers) {
    for (const place of [0, 32]) {
      const spoilt = withSignature(token, (signature) => {
        const bytes = Buffer.from(signature)
        number.copy(bytes, place)
        return bytes
      })
      t.is(await outcome(spoilt, key), 'ERR_TOKEN_SIGNATURE')
    }
    t.is(
      await outcome(
        withSignature(token, () => Buffer.concat([number, number])),
        key,
      ),
      'ERR_TOKEN_SIGNATURE',
    )
  }
})
