// Writes public keys as the lines that OpenSSH keeps in `id_*.pub`, which node:crypto does not.
// RFC 4251 section 5, RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4.

import type { PublicJwk } from './key.ts'

const CURVES: Readonly<Record<string, string>> = { 'P-256': 'nistp256', 'P-384': 'nistp384', 'P-521': 'nistp521' }

/** The line of a public key, with its `kid` as the comment. */
export function writeOpenSshLine(jwk: PublicJwk): string {
  const [type, ...fields] = toFields(jwk)
  const body = [type, ...fields].map(toString)
  return `${type} ${Buffer.concat(body).toString('base64')} ${jwk.kid}\n`
}

/** The type, and what follows it. A public JWK of the kit has the members that its `kty` demands. */
function toFields({ kty, crv = '', x, y, n, e }: PublicJwk): [string, ...(string | Buffer)[]] {
  if (kty === 'RSA') return ['ssh-rsa', toInteger(decode(e)), toInteger(decode(n))]
  if (kty === 'OKP') return ['ssh-ed25519', decode(x)]
  const curve = String(CURVES[crv]) // the kit has no others
  return [`ecdsa-sha2-${curve}`, curve, Buffer.concat([Buffer.of(4), decode(x), decode(y)])]
}

/** A `string` of RFC 4251: its length, then its bytes. */
function toString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A positive `mpint`: with its highest bit set it would be a negative one. */
function toInteger(bytes: Buffer): Buffer {
  return bytes.readUInt8() > 0x7f ? Buffer.concat([Buffer.of(0), bytes]) : bytes
}

const decode = (member: unknown): Buffer => Buffer.from(String(member), 'base64url')
