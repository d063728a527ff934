// A self-signed X.509 certificate in DER (RFC 5280 section 4.1), as anybody can make one for any name.

import { sign } from 'node:crypto'

import type { JWK } from 'jose'

import { privateKeyOf, publicKeyOf } from './forge.ts'

/** A certificate of this P-256 key for this common name, signed by the key itself. */
export function selfSign(jwk: JWK, commonName: string): Buffer {
  const key = privateKeyOf(jwk)
  const algorithm = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex')) // ecdsa-with-SHA256
  const common = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(commonName)))
  const name = der(0x30, der(0x31, common))
  const validity = der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const publicKey = publicKeyOf(jwk).export({ format: 'der', type: 'spki' })
  const version = Buffer.from('a003020102', 'hex')
  const serial = Buffer.from('020101', 'hex')
  const body = der(0x30, version, serial, algorithm, name, validity, name, publicKey)
  const signature = sign('sha256', body, key)
  return der(0x30, body, algorithm, der(0x03, Buffer.of(0), signature))
}

/** Tag, length, contents. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  const { length } = body
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body])
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), body])
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body])
}
