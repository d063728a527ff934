// Reads PEM files as openssl writes them: text around the blocks, several blocks, certificates. RFC 7468.

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

// What stands between the lines has no run of five hyphens, so every character is looked at once.
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(?:[^-]|-(?!----))*-----END \1-----/g

/** The blocks of the text, each with its BEGIN and END lines. */
export function findPemBlocks(text: string): string[] {
  return [...text.matchAll(BLOCK)].map(([block]) => block)
}

/**
 * Reads the one key of a file: the private key if there is one, else the first key or certificate. The others may be
 * the certificate that goes with it, a chain, or the parameters of a curve.
 *
 * @throws TypeError when there are two private keys, it is encrypted, or OpenSSL cannot read it
 */
export function readPem(blocks: readonly string[]): KeyObject {
  const privateKeys = blocks.filter((block) => block.includes('PRIVATE KEY'))
  if (privateKeys.length > 1) {
    throw new TypeError(`key: expected one private key in the file, got ${privateKeys.length}; split it`)
  }
  const [pem = ''] = [...privateKeys, ...blocks.filter((block) => !block.includes('PARAMETERS'))]
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw new TypeError(
      'key: expected a PEM key without a passphrase, got an encrypted one; remove it with: openssl pkey -in FILE -out COPY',
    )
  }
  try {
    if (pem.includes('BEGIN CERTIFICATE')) return new X509Certificate(pem).publicKey
    return privateKeys.length > 0 ? createPrivateKey(pem) : createPublicKey(pem)
  } catch (cause) {
    throw new TypeError('key: expected a PEM key or certificate, got one that OpenSSL cannot read', { cause })
  }
}
