// The encryption keys among the options, checked.

import { describeKind } from '../describe.ts'
import { type EncryptionKeys, isEncryptionKeys } from '../keys/encryption.ts'
import type { KeySet } from '../keys/key-set.ts'

/** @throws TypeError for what `createEncryptionKeys` did not make, and for a key that signs as well */
export function resolveEncryption(value: unknown, signing?: KeySet): EncryptionKeys | undefined {
  if (value === undefined) return undefined
  if (!isEncryptionKeys(value)) {
    const hint = value instanceof Promise ? '; put `await` before createEncryptionKeys' : ''
    throw new TypeError(`encryption: expected what createEncryptionKeys resolves to, got ${describeKind(value)}${hint}`)
  }
  const thumbprints = new Set(signing?.keys.map((key) => key.thumbprint))
  if (value.keys.some((key) => thumbprints.has(key.thumbprint))) {
    throw new TypeError('encryption: expected keys of its own, got one that signs; one key, one purpose')
  }
  return value
}
