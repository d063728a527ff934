// The algorithms the kit knows, one row each. `none`, RSA1_5 and the like cannot be expressed.
// RFC 7518 section 3, RFC 8037 (EdDSA), RFC 9864 (Ed25519).

import { freezeDeep } from '../freeze.ts'

/** A JWS algorithm of the kit. */
export type Algorithm =
  'ES256' | 'ES384' | 'ES512' | 'RS256' | 'PS256' | 'EdDSA' | 'Ed25519' | 'HS256' | 'HS384' | 'HS512'

/** What fits an algorithm. */
export interface AlgorithmRow {
  readonly kty: 'EC' | 'RSA' | 'OKP' | 'oct'
  /** The curve, by its JOSE name. */
  readonly crv?: string
  /** The least secret, in bytes: the length of the hash (RFC 7518 section 3.2). */
  readonly bytes?: number
  /** WebCrypto's name of the hash. */
  readonly hash?: string
}

/** Every algorithm of the kit, with the kind of key that fits it. */
export const ALGORITHMS: Readonly<Record<Algorithm, AlgorithmRow>> = freezeDeep<Record<Algorithm, AlgorithmRow>>({
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  RS256: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
  HS256: { kty: 'oct', bytes: 32, hash: 'SHA-256' },
  HS384: { kty: 'oct', bytes: 48, hash: 'SHA-384' },
  HS512: { kty: 'oct', bytes: 64, hash: 'SHA-512' },
})

/** Whether `value` names an algorithm of the kit; own names only, so `constructor` does not. */
export function isAlgorithm(value: unknown): value is Algorithm {
  return typeof value === 'string' && Object.hasOwn(ALGORITHMS, value)
}

/** Whether the algorithm uses one secret to sign and to verify. */
export function isSymmetric(algorithm: Algorithm): boolean {
  return ALGORITHMS[algorithm].kty === 'oct'
}

/**
 * The algorithm of a key that does not name one: its curve decides; an RSA key or a secret fits several.
 *
 * @throws TypeError when the key fits several algorithms, or none
 */
export function inferAlgorithm(jwk: { readonly kty?: string; readonly crv?: string }): Algorithm {
  const fitting = Object.entries(ALGORITHMS).filter(([, row]) => row.kty === jwk.kty && row.crv === jwk.crv)
  const [first] = fitting
  // EdDSA comes before its fully specified twin Ed25519. The cast: keys of ALGORITHMS.
  if (first !== undefined && jwk.crv !== undefined) return first[0] as Algorithm
  if (fitting.length > 0) {
    const names = fitting.map(([name]) => `'${name}'`).join(' or ')
    throw new TypeError(`algorithm: expected ${names}, since the key fits each of them, got none`)
  }
  throw new TypeError(
    'key: expected an RSA key, an EC key on P-256, P-384 or P-521, or an Ed25519 key, got another kind or curve',
  )
}
