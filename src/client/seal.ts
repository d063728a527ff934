// Seals what one tab hands to another, so that nobody else on the channel can read it: ECDH over P-256 with a key that
// cannot leave its tab, then AES-GCM.

import { decode, encode, subtle } from './natives.ts'

const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const

export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>
  readonly data: ArrayBuffer
}

/** One tab's end of every pair. */
export interface Sealer {
  /** The public key, as text. */
  readonly name: string
  /** @param to - the other's public key @throws for what is none */
  seal(to: string, text: string): Promise<Sealed>
  /** @throws for what that tab did not seal for this one */
  open(from: string, sealed: Sealed): Promise<string>
}

/** Undefined where the browser has no WebCrypto. */
export async function createSealer(): Promise<Sealer | undefined> {
  if (subtle === undefined) return undefined
  const crypto = subtle
  const { privateKey, publicKey } = await crypto.generateKey(CURVE, false, ['deriveKey'])
  const name = String(new Uint8Array(await crypto.exportKey('raw', publicKey)))

  async function keyWith(other: string): Promise<CryptoKey> {
    const key = await crypto.importKey('raw', Uint8Array.from(other.split(','), Number), CURVE, false, [])
    const use = { name: 'AES-GCM', length: 256 }
    return crypto.deriveKey({ ...CURVE, public: key }, privateKey, use, false, ['encrypt', 'decrypt'])
  }

  return {
    name,
    async seal(to, text) {
      const iv = globalThis.crypto.getRandomValues(new Uint8Array(12))
      return { iv, data: await crypto.encrypt({ name: 'AES-GCM', iv }, await keyWith(to), encode(text)) }
    },
    async open(from, { iv, data }) {
      return decode(await crypto.decrypt({ name: 'AES-GCM', iv }, await keyWith(from), data))
    },
  }
}
