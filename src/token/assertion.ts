// How a client proves to its issuer who it is, with a key of its own: private_key_jwt. RFC 7523 section 3.

import type { SigningKey } from '../keys/key.ts'
import { drawText } from '../random.ts'
import type { Seconds } from '../time.ts'
import { signCompact } from './signature.ts'

/** The `client_assertion_type` of a JWT. @see https://www.rfc-editor.org/rfc/rfc7523#section-2.2 */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const LIFETIME: Seconds = 60

/** Signs an assertion, good once and for a minute. */
export async function signAssertion(
  key: SigningKey,
  { clientId, audience, now }: { readonly clientId: string; readonly audience: string; readonly now: Seconds },
): Promise<string> {
  const jti = drawText(16, 'base64url')
  const claims = { iss: clientId, sub: clientId, aud: audience, jti, iat: now, exp: now + LIFETIME }
  return signCompact(JSON.stringify(claims), {}, key)
}
