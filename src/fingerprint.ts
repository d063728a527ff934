// The binding of a token to its browser: a random value in a cookie, its SHA-256 in the token. Each refresh replaces the
// value; until the tokens of the replaced ones have expired, the cookie carries those as well.
// OWASP JSON Web Token Cheat Sheet, "Token Sidejacking", as of 4 July 2026 (removed on 1 August 2026).

import { createHmac, hash, timingSafeEqual } from 'node:crypto'

import { drawText } from './random.ts'

/** How value and digest are written. `'owasp'` is the cheat sheet's sample to the letter. */
export type FingerprintFormat = 'base64url' | 'owasp'

/** What makes a format. */
export interface FormatRow {
  /** The claim that carries the digest. */
  readonly claim: string
  /** How many random bytes make a value. */
  readonly bytes: number
  readonly encoding: 'base64url' | 'hex'
  /** What the next value is derived with: its output is as long as a value, or longer in hex. */
  readonly derivation: 'sha256' | 'sha512'
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
    derivation: 'sha256',
    value: /^[\w-]{43}$/,
    digest: /^[\w-]{43}$/,
  },
  owasp: {
    claim: 'userFingerprint',
    bytes: 50,
    encoding: 'hex',
    derivation: 'sha512',
    value: /^[0-9A-F]{100}$/,
    digest: /^[0-9A-F]{64}$/,
  },
}

/** How many values a cookie carries at most: the current one and those of tokens that still live. */
export const MAX_FINGERPRINTS = 8

// A cookie-octet (RFC 6265 section 4.1.1) that is in neither alphabet.
const SEPARATOR = '~'

/** Draws a new value from the system's random source: 256 bits, in the OWASP format 400. */
export function drawFingerprint(format: FingerprintFormat): string {
  const { bytes, encoding } = FINGERPRINT_FORMATS[format]
  return spell(drawText(bytes, encoding), encoding)
}

/** The value that follows this one. Whoever presents the same value for the same nonce gets the same successor. */
export function deriveFingerprint(value: string, nonce: string, format: FingerprintFormat): string {
  const { bytes, encoding, derivation } = FINGERPRINT_FORMATS[format]
  const derived = createHmac(derivation, value).update(`fingerprint ${nonce}`).digest(encoding)
  // Hex is two letters a byte; in base64url the output is as long as a value.
  return spell(derived.slice(0, 2 * bytes), encoding)
}

/** The digest of a value, which is ASCII, as the claim carries it. */
export function digestFingerprint(value: string, format: FingerprintFormat): string {
  const { encoding } = FINGERPRINT_FORMATS[format]
  return spell(hash('sha256', value, encoding), encoding)
}

/** The values in a cookie, the newest first; none when anything about it is not as it was set. */
export function splitFingerprints(cookie: string, format: FingerprintFormat): readonly string[] {
  const { value } = FINGERPRINT_FORMATS[format]
  if (value.test(cookie)) return [cookie]
  const values = cookie.split(SEPARATOR, MAX_FINGERPRINTS + 1)
  return values.length <= MAX_FINGERPRINTS && values.every((one) => value.test(one)) ? values : []
}

/** The cookie with these values. */
export function joinFingerprints(values: readonly string[]): string {
  return values.join(SEPARATOR)
}

/** A digest as others are compared with it: its letters, a byte for each. Always a whole one. */
export type Digest = Readonly<Uint8Array>

/** The digest that a claim carries; undefined where it is none. */
export function readDigest(claim: unknown, format: FingerprintFormat): Digest | undefined {
  if (typeof claim !== 'string' || !FINGERPRINT_FORMATS[format].digest.test(claim)) return undefined
  // Of its own: in Node's pool it would keep thousands of bytes of others for as long as its token is remembered.
  const digest = Buffer.allocUnsafeSlow(claim.length)
  digest.write(claim, 'latin1')
  return digest
}

// Where what is compared is put, so that a request makes nothing for it. Nothing waits in between.
const PLACES: Readonly<Record<FingerprintFormat, Buffer>> = { base64url: Buffer.alloc(43), owasp: Buffer.alloc(64) }

/** Whether what `digestFingerprint` made is this digest. Takes the same time wherever they differ. */
export function equalsDigest(made: string, digest: Digest, format: FingerprintFormat): boolean {
  const place = PLACES[format]
  place.write(made, 'latin1')
  return timingSafeEqual(place, digest)
}

/** Whether one of the cookie's values is the one of the digest. Anything malformed is not. */
export function matchesFingerprint(cookie: string, digest: Digest, format: FingerprintFormat): boolean {
  return splitFingerprints(cookie, format).some((value) =>
    equalsDigest(digestFingerprint(value, format), digest, format),
  )
}

/** Hex is upper case, as OWASP's sample has it. */
function spell(text: string, encoding: FormatRow['encoding']): string {
  return encoding === 'hex' ? text.toUpperCase() : text
}
