// The binding of a token to its browser: a random value in a cookie, its SHA-256 in the token.
// OWASP JSON Web Token Cheat Sheet, "Token Sidejacking", as of 4 July 2026 (removed on 1 August 2026).

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** How value and digest are written. `'owasp'` is the cheat sheet's sample to the letter. */
export type FingerprintFormat = 'base64url' | 'owasp'

/** What makes a format. */
export interface FormatRow {
  /** The claim that carries the digest. */
  readonly claim: string
  /** How many random bytes make a value. */
  readonly bytes: number
  readonly encoding: 'base64url' | 'hex'
  /** What a value looks like; anything else is not hashed. */
  readonly value: RegExp
  /** What a digest looks like. */
  readonly digest: RegExp
}

/** The formats. Both hash the ASCII of the written value, not the random bytes. */
export const FINGERPRINT_FORMATS: Readonly<Record<FingerprintFormat, FormatRow>> = {
  base64url: {
    claim: 'fgp',
    bytes: 32,
    encoding: 'base64url',
    value: /^[\w-]{43}$/,
    digest: /^[\w-]{43}$/,
  },
  owasp: {
    claim: 'userFingerprint',
    bytes: 50,
    encoding: 'hex',
    value: /^[0-9A-F]{100}$/,
    digest: /^[0-9A-F]{64}$/,
  },
}

/** Draws a new value from the system's random source: 256 bits, in the OWASP format 400. */
export function drawFingerprint(format: FingerprintFormat): string {
  const { bytes, encoding } = FINGERPRINT_FORMATS[format]
  return write(randomBytes(bytes), encoding)
}

/** The digest of a value, as the claim carries it. */
export function digestFingerprint(value: string, format: FingerprintFormat): string {
  return write(createHash('sha256').update(value, 'ascii').digest(), FINGERPRINT_FORMATS[format].encoding)
}

/**
 * Whether the value is the one of the digest. Anything malformed on either side is not. Takes the same time wherever
 * two digests differ.
 */
export function matchesFingerprint(value: string, digest: unknown, format: FingerprintFormat): boolean {
  const row = FINGERPRINT_FORMATS[format]
  if (typeof digest !== 'string' || !row.digest.test(digest) || !row.value.test(value)) return false
  return timingSafeEqual(Buffer.from(digestFingerprint(value, format)), Buffer.from(digest))
}

function write(bytes: Buffer, encoding: 'base64url' | 'hex'): string {
  return encoding === 'hex' ? bytes.toString('hex').toUpperCase() : bytes.toString('base64url')
}
