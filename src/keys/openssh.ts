// Reads OpenSSH's own formats into JWKs: one-line public keys and unencrypted `OPENSSH PRIVATE KEY` files.
// RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4, and OpenSSH's PROTOCOL.key.

import type { JWK } from 'jose'

const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1')
const ARMOUR = /^-----BEGIN OPENSSH PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----\s*$/
const PUBLIC_LINE = /^(?<type>[a-z0-9-]{1,64}) (?<body>[A-Za-z0-9+/]+={0,2})(?: .*)?$/

interface KeyType {
  /** Reads the public members, and with `secret` the private ones that follow in a private key file. */
  readonly read: (reader: Reader, secret: boolean) => JWK
}

const KEY_TYPES: Readonly<Record<string, KeyType>> = {
  'ssh-rsa': { read: readRsa },
  'ssh-ed25519': { read: readEd25519 },
  'ecdsa-sha2-nistp256': { read: (reader, secret) => readEcdsa(reader, secret, 'nistp256', 'P-256', 32) },
  'ecdsa-sha2-nistp384': { read: (reader, secret) => readEcdsa(reader, secret, 'nistp384', 'P-384', 48) },
  'ecdsa-sha2-nistp521': { read: (reader, secret) => readEcdsa(reader, secret, 'nistp521', 'P-521', 66) },
}

/** Whether the text is for {@link readOpenSsh}. */
export function isOpenSsh(text: string): boolean {
  return text.includes('BEGIN OPENSSH PRIVATE KEY') || /^(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-/.test(text)
}

/**
 * Reads a public key line or a private key file.
 *
 * @throws TypeError when it is malformed, encrypted, or of a type that the kit cannot use
 */
export function readOpenSsh(text: string): JWK {
  return text.startsWith('-----') ? readPrivateFile(text) : readPublicLine(text)
}

function readPublicLine(text: string): JWK {
  const { type = '', body = '' } = PUBLIC_LINE.exec(text)?.groups ?? {}
  const { read } = keyType(type)
  const reader = createReader(Buffer.from(body, 'base64'))
  if (reader.text() !== type) throw malformed('the type does not match the key')
  const jwk = read(reader, false)
  reader.end()
  return jwk
}

function readPrivateFile(text: string): JWK {
  const body = ARMOUR.exec(text)?.[1]
  if (body === undefined) throw malformed('the BEGIN and END lines or the base64 between them are broken')
  const file = createReader(Buffer.from(body, 'base64'))
  if (!file.take(MAGIC.length).equals(MAGIC)) throw malformed('it does not start with openssh-key-v1')
  const [cipher, kdf] = [file.text(), file.text()]
  file.bytes() // the key derivation's options
  if (cipher !== 'none' || kdf !== 'none') {
    throw new TypeError(
      'key: expected an OpenSSH private key without a passphrase, got an encrypted one; ' +
        'make a copy without the passphrase: cp FILE COPY && ssh-keygen -p -N "" -f COPY',
    )
  }
  if (file.uint32() !== 1) throw malformed('it does not hold exactly one key')
  file.bytes() // the public key again
  const reader = createReader(file.bytes())
  file.end()
  if (reader.uint32() !== reader.uint32()) throw malformed('its check numbers differ')
  const jwk = keyType(reader.text()).read(reader, true)
  reader.bytes() // the comment
  reader.padding()
  return jwk
}

function keyType(type: string): KeyType {
  const row = Object.hasOwn(KEY_TYPES, type) ? KEY_TYPES[type] : undefined
  if (row !== undefined) return row
  throw new TypeError(`key: expected an OpenSSH key of type ${Object.keys(KEY_TYPES).join(', ')}, got another type`)
}

function readRsa(reader: Reader, secret: boolean): JWK {
  if (!secret) {
    const [e, n] = [reader.integer(), reader.integer()]
    return { kty: 'RSA', n: encode(n), e: encode(e) }
  }
  const [n, e, d, qi, p, q] = [
    reader.integer(),
    reader.integer(),
    reader.integer(),
    reader.integer(),
    reader.integer(),
    reader.integer(),
  ]
  const [D, P, Q] = [toBigInt(d), toBigInt(p), toBigInt(q)]
  if (P < 2n || Q < 2n) throw malformed('its primes are not primes')
  return {
    kty: 'RSA',
    n: encode(n),
    e: encode(e),
    d: encode(d),
    p: encode(p),
    q: encode(q),
    dp: encode(fromBigInt(D % (P - 1n))),
    dq: encode(fromBigInt(D % (Q - 1n))),
    qi: encode(qi),
  }
}

function readEd25519(reader: Reader, secret: boolean): JWK {
  const x = reader.bytes()
  if (x.length !== 32) throw malformed('an Ed25519 public key has 32 bytes')
  if (!secret) return { kty: 'OKP', crv: 'Ed25519', x: encode(x) }
  const pair = reader.bytes() // seed and public key
  if (pair.length !== 64 || !pair.subarray(32).equals(x)) throw malformed('its two public keys differ')
  return { kty: 'OKP', crv: 'Ed25519', x: encode(x), d: encode(pair.subarray(0, 32)) }
}

function readEcdsa(reader: Reader, secret: boolean, name: string, crv: string, size: number): JWK {
  if (reader.text() !== name) throw malformed('its curve does not match its type')
  const point = reader.bytes()
  if (point.length !== 1 + 2 * size || point[0] !== 4) throw malformed('its point is not an uncompressed one')
  const jwk = { kty: 'EC', crv, x: encode(point.subarray(1, 1 + size)), y: encode(point.subarray(1 + size)) }
  if (!secret) return jwk
  const d = reader.integer()
  if (d.length > size) throw malformed('its private number is too long')
  return { ...jwk, d: encode(Buffer.concat([Buffer.alloc(size - d.length), d])) }
}

interface Reader {
  take(length: number): Buffer
  uint32(): number
  bytes(): Buffer
  text(): string
  /** A positive `mpint` (RFC 4251 section 5) without its sign byte. */
  integer(): Buffer
  /** The rest must be 1, 2, 3 … */
  padding(): void
  end(): void
}

function createReader(buffer: Buffer): Reader {
  let offset = 0
  function take(length: number): Buffer {
    if (length > buffer.length - offset) throw malformed('it ends too early')
    offset += length
    return buffer.subarray(offset - length, offset)
  }
  const uint32 = (): number => take(4).readUInt32BE()
  const bytes = (): Buffer => take(uint32())
  function integer(): Buffer {
    const number = bytes()
    if (number.length === 0 || number.readUInt8() > 0x7f) throw malformed('a number in it is not positive')
    return number[0] === 0 ? number.subarray(1) : number
  }
  function padding(): void {
    for (let expected = 1; offset < buffer.length; expected += 1) {
      if (take(1)[0] !== expected % 256) throw malformed('its padding is wrong')
    }
  }
  function end(): void {
    if (offset !== buffer.length) throw malformed('something follows the key')
  }
  return { take, uint32, bytes, text: () => bytes().toString('latin1'), integer, padding, end }
}

const encode = (bytes: Buffer): string => bytes.toString('base64url')

const toBigInt = (bytes: Buffer): bigint => BigInt(`0x0${bytes.toString('hex')}`)

function fromBigInt(number: bigint): Buffer {
  const hex = number.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

function malformed(how: string): TypeError {
  return new TypeError(`key: expected an OpenSSH key, got one that is broken: ${how}`)
}
