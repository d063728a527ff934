// Seals what one tab hands to another, so that nobody else on the channel can read it: ECDH over P-256 with a key that
// cannot leave its tab, then AES-GCM.

const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const
const CIPHER = 'AES-GCM'

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

/** @throws where the browser has no WebCrypto, which is outside of secure contexts */
export async function createSealer(): Promise<Sealer> {
  const { subtle } = crypto
  const { privateKey, publicKey } = await subtle.generateKey(CURVE, false, ['deriveKey'])

  async function keyWith(other: string): Promise<CryptoKey> {
    const key = await subtle.importKey('raw', Uint8Array.from(other.split(','), Number), CURVE, false, [])
    const use = { name: CIPHER, length: 256 }
    return subtle.deriveKey({ ...CURVE, public: key }, privateKey, use, false, ['encrypt', 'decrypt'])
  }

  return {
    name: String(new Uint8Array(await subtle.exportKey('raw', publicKey))),
    async seal(to, text) {
      const iv = crypto.getRandomValues(new Uint8Array(12))
      return { iv, data: await subtle.encrypt({ name: CIPHER, iv }, await keyWith(to), new TextEncoder().encode(text)) }
    },
    async open(from, { iv, data }) {
      return new TextDecoder().decode(await subtle.decrypt({ name: CIPHER, iv }, await keyWith(from), data))
    },
  }
}
