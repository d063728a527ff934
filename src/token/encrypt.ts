// Encrypts signed tokens, and decrypts them: nested JWTs, a JWS within a JWE, exactly one level deep. By jose.
// RFC 7516, RFC 7519 sections 5.2 and 7.2, RFC 8725, RFC 9068 section 4.

import { compactDecrypt, CompactEncrypt } from 'jose'

import { SessionError } from '../errors.ts'
import type { EncryptingKey, EncryptionKeys } from '../keys/encryption.ts'
import { CONTENT_ENCRYPTION } from '../keys/encryption-algorithms.ts'
import type { TokenForm } from './parse.ts'
import { parseEncrypted } from './parse-encrypted.ts'
import { assertSize } from './sign.ts'

/** Turns an encrypted token into the signed one inside. Nothing in that is verified. */
export type Decrypt = (token: string, form: TokenForm) => Promise<string>

/**
 * Encrypts a signed token.
 *
 * @param form.maxBytes - counts for the result
 * @throws SessionError with ERR_TOKEN_OVERSIZE
 * @see https://www.rfc-editor.org/rfc/rfc7519#section-5.2
 */
export async function encryptToken(token: string, key: EncryptingKey, form: TokenForm): Promise<string> {
  // RFC 7519 section 5.2 wants `cty`. RFC 8725 section 3.11 wants `typ` inside and allows it outside as well, where it
  // says what this is before it costs anything (RFC 9068 section 4).
  const header = { alg: key.alg, enc: CONTENT_ENCRYPTION, typ: form.typ, cty: 'JWT', kid: key.kid }
  const encrypted = await new CompactEncrypt(Buffer.from(token)).setProtectedHeader(header).encrypt(key.encryptingKey)
  assertSize(encrypted, form.maxBytes)
  return encrypted
}

/**
 * Makes what decrypts tokens with the key that each one names. A token that is not encrypted is refused.
 *
 * What is inside still has to go through every check, and with a public key anybody can encrypt: it says nothing about
 * who wrote the token.
 *
 * @returns a function that throws SessionError with ERR_TOKEN_TOO_LARGE, ERR_TOKEN_MALFORMED, ERR_TOKEN_HEADER,
 *   ERR_TOKEN_TYPE, ERR_TOKEN_ALGORITHM, ERR_TOKEN_KEY or, for whatever goes wrong with a key in hand,
 *   ERR_TOKEN_DECRYPTION
 * @see https://www.rfc-editor.org/rfc/rfc7516#section-5.2
 */
export function createDecrypt(keys: Pick<EncryptionKeys, 'get'>): Decrypt {
  return async (token, form) => {
    const { alg, kid, crv } = parseEncrypted(token, form)
    const key = keys.get(kid)
    if (key === undefined) throw new SessionError('ERR_TOKEN_KEY')
    // One key, one algorithm (RFC 8725 section 3.1): the header can only agree, and so can the curve (section 3.4).
    if (alg !== key.alg) throw new SessionError('ERR_TOKEN_ALGORITHM')
    if (crv !== key.crv) throw new SessionError('ERR_TOKEN_HEADER', { detail: 'epk' })
    try {
      const { plaintext } = await compactDecrypt(token, key.decryptingKey, {
        keyManagementAlgorithms: [key.alg],
        contentEncryptionAlgorithms: [CONTENT_ENCRYPTION],
        maxDecompressedLength: 0,
      })
      // Whatever the bytes are: parseToken takes a few characters of ASCII only, and three parts of them, never five.
      return Buffer.from(plaintext).toString('latin1')
    } catch (cause) {
      // RFC 7516 section 11.5: that the content key does not fit must look like a content that does not. jose goes on
      // with a random one; which step failed is not told apart here either.
      throw new SessionError('ERR_TOKEN_DECRYPTION', { cause })
    }
  }
}
