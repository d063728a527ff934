// How a service says who it is when it asks. RFC 6749 section 2.3.1, RFC 7523 section 2.2.

import type { SigningKey } from '../keys/key.ts'
import { type Clock, toNumericDate } from '../time.ts'
import { ASSERTION_TYPE, signAssertion } from '../token/assertion.ts'

/** The client's secret, or the key by which it proves itself. */
export interface Client {
  readonly id: string
  readonly credential: { readonly secret: string } | { readonly key: SigningKey }
}

/** What a request carries beside its own parameters. */
export interface Authentication {
  readonly headers: Readonly<Record<string, string>>
  readonly parameters: Readonly<Record<string, string>>
}

/** Authenticates one request to this issuer. */
export async function authenticateClient(
  { id, credential }: Client,
  { issuer, clock }: { readonly issuer: string; readonly clock: Clock },
): Promise<Authentication> {
  if ('secret' in credential) {
    const pair = [id, credential.secret].map(encodeForm).join(':')
    return { headers: { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` }, parameters: {} }
  }
  const now = toNumericDate(clock())
  const assertion = await signAssertion(credential.key, { clientId: id, audience: issuer, now })
  return {
    headers: {},
    parameters: { client_id: id, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion },
  }
}

/** application/x-www-form-urlencoded, by URLSearchParams. */
function encodeForm(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
