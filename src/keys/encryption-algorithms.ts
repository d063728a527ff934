// How a token's content key is managed: the algorithms the kit knows, one row each. RSA1_5, PBES2 and the like cannot be
// expressed. RFC 7518 section 4.

import { freezeDeep } from '../freeze.ts'

/** A key management algorithm of the kit. The content is always encrypted with {@link CONTENT_ENCRYPTION}. */
export type EncryptionAlgorithm = 'dir' | 'A256KW' | 'ECDH-ES' | 'ECDH-ES+A256KW' | 'RSA-OAEP-256'

/** The one `enc`: authenticated, and 256 bits (RFC 7518 section 5.3). */
export const CONTENT_ENCRYPTION = 'A256GCM'

/** What fits an algorithm. */
export interface EncryptionAlgorithmRow {
  readonly kty: 'oct' | 'EC' | 'RSA'
  /** What a secret is to WebCrypto: its algorithm, the usage that encrypts, the one that decrypts. */
  readonly secret?: readonly ['AES-GCM', 'encrypt', 'decrypt'] | readonly ['AES-KW', 'wrapKey', 'unwrapKey']
  /** The `key_ops` of a key that decrypts: one of these. */
  readonly ops: readonly string[]
  /** Whether a token carries its content key, encrypted. */
  readonly hasEncryptedKey: boolean
}

/** Every key management algorithm of the kit, with the kind of key that fits it. */
export const ENCRYPTION_ALGORITHMS: Readonly<Record<EncryptionAlgorithm, EncryptionAlgorithmRow>> = freezeDeep<
  Record<EncryptionAlgorithm, EncryptionAlgorithmRow>
>({
  dir: { kty: 'oct', secret: ['AES-GCM', 'encrypt', 'decrypt'], ops: ['decrypt'], hasEncryptedKey: false },
  A256KW: { kty: 'oct', secret: ['AES-KW', 'wrapKey', 'unwrapKey'], ops: ['unwrapKey'], hasEncryptedKey: true },
  'ECDH-ES': { kty: 'EC', ops: ['deriveKey', 'deriveBits'], hasEncryptedKey: false },
  'ECDH-ES+A256KW': { kty: 'EC', ops: ['deriveKey', 'deriveBits'], hasEncryptedKey: true },
  'RSA-OAEP-256': { kty: 'RSA', ops: ['unwrapKey', 'decrypt'], hasEncryptedKey: true },
})

/** The curves for ECDH-ES, and how many characters a coordinate takes (RFC 7518 section 6.2.1.2: always the same). */
export const ECDH_CURVES: Readonly<Record<string, number>> = freezeDeep({ 'P-256': 43, 'P-384': 64, 'P-521': 88 })

/** Whether `value` names a key management algorithm of the kit; own names only. */
export function isEncryptionAlgorithm(value: unknown): value is EncryptionAlgorithm {
  return typeof value === 'string' && Object.hasOwn(ENCRYPTION_ALGORITHMS, value)
}
