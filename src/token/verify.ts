// The signature, by jose. The only place where a token meets a key to be verified.

import { compactVerify } from 'jose'

import { SessionError } from '../errors.ts'
import type { Key } from '../keys/key.ts'
import type { ParsedToken } from './parse.ts'

/**
 * Verifies the signature with the one key that the token may be signed with.
 *
 * @throws SessionError with ERR_TOKEN_ALGORITHM or ERR_TOKEN_SIGNATURE
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-5.2
 */
export async function verifySignature(parsed: Pick<ParsedToken, 'token' | 'alg'>, key: Key): Promise<void> {
  // One key, one algorithm (RFC 8725 section 3.1): the header can only agree.
  if (parsed.alg !== key.alg) throw new SessionError('ERR_TOKEN_ALGORITHM')
  try {
    await compactVerify(parsed.token, key.verifyingKey, { algorithms: [key.alg] })
  } catch (cause) {
    // jose throws plain TypeErrors for some keys and headers, so everything it throws means the same.
    throw new SessionError('ERR_TOKEN_SIGNATURE', { cause })
  }
}
