// What an HMAC secret must look like: as long as the hash (RFC 7518 section 3.2) and not a thing people type or
// publish. This finds careless secrets, it does not measure entropy: only a generator gives that.

import { createHash, createPublicKey, X509Certificate } from 'node:crypto'

const HINT = 'make one with crypto.randomBytes(64), or in a shell: openssl rand -base64 64, and decode it'

// SHA-256 of secrets that stand in specifications, and so in everyone's tests.
const PUBLISHED: ReadonlySet<string> = new Set([
  'e329a7adf182cfd9f68bee2b29894080ec019b6406eb7d906d286b33c2e53d7b', // RFC 7515 appendix A.1.1
  '73ec74458059c70cae3f0ade8663fe0da1dc4b114ed8cdac75364140b4458a4c', // RFC 7520 section 3.5
])

const PRINTABLE = /^[\x20-\x7e\s]*$/
const HEX = /^(?:[0-9a-f]{2})+$|^(?:[0-9A-F]{2})+$/
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/**
 * @param least - bytes
 * @throws TypeError when the secret is shorter than `least`, or looks typed, repeated or public
 */
export function assertSecret(secret: Uint8Array, least: number): void {
  if (secret.byteLength < least) {
    throw new TypeError(`secret: expected at least ${least} bytes, got ${secret.byteLength}; ${HINT}`)
  }
  const problem = weakness(secret, least)
  if (problem !== undefined) throw new TypeError(`secret: expected random bytes, got ${problem}; ${HINT}`)
}

/** What makes a secret look typed, repeated or public, or shorter than `least` bytes; undefined when nothing does. */
export function weakness(secret: Uint8Array, least: number): string | undefined {
  if (isRepetition(secret)) return 'a repeated pattern'
  if (isSequence(secret)) return 'a counted sequence'
  if (new Set(secret).size < 12) return 'few different bytes'
  if (isPublicKey(secret)) return 'a public key'
  if (PUBLISHED.has(createHash('sha256').update(secret).digest('hex'))) return 'a published example'
  const text = Buffer.from(secret).toString('latin1')
  if (!PRINTABLE.test(text)) return undefined
  if (text.includes('-----BEGIN') || /^(?:ssh-|ecdsa-)/.test(text)) return 'a key file'
  if (!HEX.test(text) && !BASE64.test(text)) return 'text that somebody may have typed'
  const decoded = Buffer.from(text, HEX.test(text) ? 'hex' : 'base64')
  if (decoded.byteLength < least) return `text that encodes only ${decoded.byteLength} bytes`
  if (!HEX.test(text) && !looksDrawn(text)) return 'text that looks like words'
  // Hex or base64 adds nothing: what it encodes is the secret.
  return weakness(decoded, least)
}

/** DER of a public key or a certificate, or a bare point of a curve: as public as it gets (CVE-2016-10555). */
function isPublicKey(secret: Uint8Array): boolean {
  const key = Buffer.from(secret)
  if (key[0] === 0x04) return [65, 97, 133].includes(key.length)
  if (key[0] !== 0x30) return false
  return [
    () => createPublicKey({ key, format: 'der', type: 'spki' }),
    () => createPublicKey({ key, format: 'der', type: 'pkcs1' }),
    () => new X509Certificate(key),
  ].some(succeeds)
}

function succeeds(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false
  }
}

/** Base64 of random bytes has all three classes of characters, well mixed; words strung together have not. */
function looksDrawn(text: string): boolean {
  const hasAll = /[a-z]/.test(text) && /[A-Z]/.test(text) && /[0-9]/.test(text)
  // One small letter after another: about 1 in 6 places by chance, most places in words.
  const pairs = text.match(/(?<=[a-z])[a-z]/g)?.length ?? 0
  return hasAll && pairs < text.length * 0.45 && !/[a-z]{14}|[A-Z]{14}/.test(text) && !/secret|passw|token/i.test(text)
}

function isRepetition(bytes: Uint8Array): boolean {
  for (let period = 1; period <= bytes.length / 2; period += 1) {
    let same = true
    for (let i = period; same && i < bytes.length; i += 1) same = bytes[i] === bytes[i - period]
    if (same) return true
  }
  return false
}

function isSequence(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes)
  const steps = new Set<number>()
  for (let i = 1; i < buffer.length; i += 1) steps.add((buffer.readUInt8(i) - buffer.readUInt8(i - 1)) & 0xff)
  return steps.size === 1
}
