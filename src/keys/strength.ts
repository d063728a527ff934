// What makes a key pair worthless although it parses: too short, a degenerate number, parts of two keys.
// RFC 8725 section 3.5, RFC 8017 section 3.1, RFC 8032 section 5.1.

import { type KeyObject, sign, verify } from 'node:crypto'

import type { JWK } from 'jose'

const MODULUS_BITS = 2048
const QUICK_MODULUS_BITS = 4096
const QUICK_EXPONENT = 65_537n

// The encodings of y for the points of order 1, 2, 4 and 8 on edwards25519, reduced or not, the sign bit cleared: for
// such a public key anybody can make signatures.
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '0100000000000000000000000000000000000000000000000000000000000000',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
])

/**
 * @param jwk - the same public key
 * @throws TypeError when the key is one for which signatures can be forged
 */
export function assertStrength(publicKey: KeyObject, jwk: JWK): void {
  const { modulusLength, publicExponent } = { ...publicKey.asymmetricKeyDetails }
  if (modulusLength !== undefined && modulusLength < MODULUS_BITS) {
    throw new TypeError(
      `key: expected an RSA modulus of at least ${MODULUS_BITS} bits, got ${modulusLength}; ` +
        'make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072',
    )
  }
  if (publicExponent !== undefined && (publicExponent < 3n || publicExponent % 2n === 0n)) {
    throw new TypeError('key: expected an odd RSA exponent of at least 3 (65537 is usual), got another one')
  }
  if (jwk.n !== undefined && toNumber(jwk.n) % 2n === 0n) {
    throw new TypeError('key: expected an odd RSA modulus, got an even one')
  }
  if (jwk.kty === 'OKP' && isSmallOrder(Buffer.from(String(jwk.x), 'base64url'))) {
    throw new TypeError('key: expected an Ed25519 public key of full order, got one for which anybody can sign')
  }
}

/** Whether a signature is soon verified with it, by whoever waits: an RSA key can be of any size. */
export function isQuick(publicKey: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = { ...publicKey.asymmetricKeyDetails }
  return modulusLength <= QUICK_MODULUS_BITS && publicExponent <= QUICK_EXPONENT
}

function toNumber(base64url: string): bigint {
  return BigInt(`0x0${Buffer.from(base64url, 'base64url').toString('hex')}`)
}

function isSmallOrder(point: Buffer): boolean {
  const y = Buffer.from(point)
  y.writeUInt8(y.readUInt8(31) & 0x7f, 31)
  return SMALL_ORDER.has(y.toString('hex'))
}

/** @throws TypeError when the private part is broken or belongs to another public part: signatures would never verify */
export function assertPair(privateKey: KeyObject, publicKey: KeyObject): void {
  const probe = Buffer.from('koa-holdfast key probe')
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  try {
    if (verify(hash, probe, publicKey, sign(hash, probe, privateKey))) return
  } catch (cause) {
    throw new TypeError('key: expected a private key that signs, got one whose numbers are broken', { cause })
  }
  throw new TypeError('key: expected private and public parts of one key, got parts of two')
}
