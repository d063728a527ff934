// Reads PEM files as openssl writes them: text around the blocks, several blocks, certificates. RFC 7468.

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

// What stands between the lines has no run of five hyphens, so every character is looked at once.
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(?:[^-]|-(?!----))*-----END \1-----/g

/**
 * The blocks of the text, each with its BEGIN and END lines.
 *
 * @throws TypeError when one is broken: left out, the file could mean another key
 */
export function findPemBlocks(text: string): string[] {
  const blocks = [...text.matchAll(BLOCK)].map(([block]) => block)
  if ((text.match(/-----\s*(?:BEGIN|END)/gi)?.length ?? 0) !== blocks.length * 2) {
    throw new TypeError('key: expected PEM blocks with matching BEGIN and END lines, got a broken one')
  }
  return blocks
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
  const key = parse(pem)
  const others = blocks.filter((block) => block !== pem && /PUBLIC KEY|BEGIN CERTIFICATE/.test(block)).map(parse)
  // Beside a private key one of the others must be its own: a chain holds those of its issuers as well.
  if (privateKeys.length > 0 && others.length > 0 && !others.some((other) => other.equals(createPublicKey(key)))) {
    throw new TypeError('key: expected a private key and its own certificate, got those of two keys')
  }
  return key
}

function parse(pem: string): KeyObject {
  try {
    if (pem.includes('BEGIN CERTIFICATE')) return new X509Certificate(pem).publicKey
    return pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : createPublicKey(pem)
  } catch (cause) {
    throw new TypeError('key: expected a PEM key or certificate, got one that OpenSSL cannot read', { cause })
  }
}
