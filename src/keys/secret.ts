// What an HMAC secret must look like: as long as the hash (RFC 7518 section 3.2) and not a thing people type or
// publish. This finds careless secrets, it does not measure entropy: only a generator gives that.

const HINT = 'make one with crypto.randomBytes(64), or in a shell: openssl rand -base64 64, and decode it'

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

function weakness(secret: Uint8Array, least: number): string | undefined {
  if (isRepetition(secret)) return 'a repeated pattern'
  if (isSequence(secret)) return 'a counted sequence'
  if (new Set(secret).size < 12) return 'few different bytes'
  const text = Buffer.from(secret).toString('latin1')
  if (!PRINTABLE.test(text)) return undefined
  if (text.includes('-----BEGIN') || /^(?:ssh-|ecdsa-)/.test(text)) return 'a key file'
  if (!HEX.test(text) && !BASE64.test(text)) return 'text that somebody may have typed'
  const decoded = Buffer.from(text, HEX.test(text) ? 'hex' : 'base64').byteLength
  if (decoded < least) return `text that encodes only ${decoded} bytes`
  return HEX.test(text) || looksDrawn(text) ? undefined : 'text that looks like words'
}

/** Base64 of random bytes has all three classes of characters; words strung together mostly have not. */
function looksDrawn(text: string): boolean {
  const classes = /[a-z]/.test(text) && /[A-Z]/.test(text) && /[0-9]/.test(text)
  // Fourteen letters of one case in a row come up by chance in 1 of 4,000 secrets of 86 characters.
  return classes && !/[a-z]{14}|[A-Z]{14}/.test(text) && !/secret|passw|token/i.test(text)
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
  const step = (bytes[1] ?? 0) - (bytes[0] ?? 0)
  return bytes.every((byte, i) => i === 0 || (byte - (bytes[i - 1] ?? 0) - step) % 256 === 0)
}
