// Builds encrypted tokens that the kit itself would never write, by node:crypto alone and so without jose: any header, any
// content, any length of tag and initialisation vector, keys that do not fit. Where nothing is spoilt, they pass.

import {
  constants,
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'

import type { JWK } from 'jose'

import { createEncryptionKeys, generateEncryptionKey } from '../../src/index.ts'
import type { TestAppOptions } from './app.ts'
import { b64, type Json, type Part, publicKeyOf } from './forge.ts'

/** One key for each algorithm, for all tests of a process. */
export const encryptionJwks = {
  dir: { ...(await generateEncryptionKey('dir')), kid: 'dir-1' },
  A256KW: { ...(await generateEncryptionKey('A256KW')), kid: 'kw-1' },
  'ECDH-ES': await generateEncryptionKey('ECDH-ES'),
  'ECDH-ES+A256KW': await generateEncryptionKey('ECDH-ES+A256KW'),
  'RSA-OAEP-256': await generateEncryptionKey('RSA-OAEP-256'),
} as const

/** The options of an app that encrypts with the first of these keys. */
export async function encrypting(...keys: JWK[]): Promise<TestAppOptions> {
  return { accessToken: { encryption: await createEncryptionKeys({ keys }) } }
}

/** What is to be wrong. */
export interface Spoil {
  /** Members that are replaced, added, or (by undefined) left out. */
  readonly header?: Json
  /** The whole header, to the letter. */
  readonly headerText?: string | Uint8Array
  /** Encrypted with this, whatever the token says about it. */
  readonly cek?: Uint8Array
  readonly encryptedKey?: Part
  /** What the token shows of it, which is also what it is encrypted with unless that is empty. */
  readonly iv?: Uint8Array
  readonly tagBytes?: number
  /** What both sides are to have agreed on. */
  readonly agreement?: { readonly epk: unknown; readonly z: Uint8Array }
}

/** What the key makes of a content key: how it travels, and what the header says about that. */
interface Managed {
  readonly cek: Uint8Array
  readonly encryptedKey: Uint8Array
  readonly header: Json
}

/** Encrypts a signed token, or anything else, for the owner of the key. */
export function nest(inner: string | Uint8Array, jwk: JWK, spoil: Spoil = {}): string {
  const managed = manage(jwk, spoil)
  const header = { alg: jwk.alg, enc: 'A256GCM', typ: 'at+jwt', cty: 'JWT', kid: jwk.kid, ...managed.header }
  const protectedHeader = b64(spoil.headerText ?? { ...header, ...spoil.header })
  const { iv = randomBytes(12), tagBytes = 16, cek = managed.cek, encryptedKey = managed.encryptedKey } = spoil
  const cipher = createCipheriv('aes-256-gcm', cek, iv.length === 0 ? Buffer.alloc(12) : iv, { authTagLength: 16 })
  cipher.setAAD(Buffer.from(protectedHeader))
  const content = Buffer.concat([cipher.update(inner), cipher.final()])
  const tag = cipher.getAuthTag().subarray(0, tagBytes)
  return [protectedHeader, b64(encryptedKey), b64(iv), b64(content), b64(tag)].join('.')
}

/** The bytes of a secret. */
export function secretOf(jwk: JWK): Buffer {
  return Buffer.from(jwk.k ?? '', 'base64url')
}

/** The five parts, some of them changed. */
export function mend(token: string, change: (parts: string[]) => void): string {
  const parts = token.split('.')
  change(parts)
  return parts.join('.')
}

/** A part with one bit of its first byte wrong. */
export function flip(part: string): string {
  const bytes = Buffer.from(part, 'base64url')
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1)
  return bytes.toString('base64url')
}

function manage(jwk: JWK, { agreement }: Pick<Spoil, 'agreement'> = {}): Managed {
  const cek = randomBytes(32)
  switch (jwk.alg) {
    case 'dir':
      return { cek: secretOf(jwk), encryptedKey: Buffer.alloc(0), header: {} }
    case 'A256KW':
      return { cek, encryptedKey: wrap(secretOf(jwk), cek), header: {} }
    case 'RSA-OAEP-256': {
      const key = { key: publicKeyOf(jwk), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
      return { cek, encryptedKey: publicEncrypt(key, cek), header: {} }
    }
    default: {
      const { epk, z } = agreement ?? agree(jwk)
      if (jwk.alg === 'ECDH-ES') return { cek: derive(z, 'A256GCM'), encryptedKey: Buffer.alloc(0), header: { epk } }
      return { cek, encryptedKey: wrap(derive(z, 'ECDH-ES+A256KW'), cek), header: { epk } }
    }
  }
}

/** An ephemeral key, and what it agrees on with the key. */
export function agree(jwk: JWK): { readonly epk: Json; readonly z: Buffer } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: jwk.crv ?? '' })
  const { kty, crv, x, y } = createPublicKey(privateKey).export({ format: 'jwk' })
  return { epk: { kty, crv, x, y }, z: diffieHellman({ privateKey, publicKey: publicKeyOf(jwk) }) }
}

/** RFC 3394. */
export function wrap(kek: Uint8Array, cek: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', kek, Buffer.alloc(8, 0xa6))
  return Buffer.concat([cipher.update(cek), cipher.final()])
}

function uint32(value: number): Buffer {
  return Buffer.from(value.toString(16).padStart(8, '0'), 'hex')
}

/** 256 bits by the Concat KDF, without party information. RFC 7518 section 4.6.2. */
function derive(z: Uint8Array, algorithmId: string): Buffer {
  const other = [uint32(algorithmId.length), Buffer.from(algorithmId), uint32(0), uint32(0), uint32(256)]
  return createHash('sha256')
    .update(Buffer.concat([uint32(1), z, ...other]))
    .digest()
}
