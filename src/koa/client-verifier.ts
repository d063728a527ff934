// Verifies tokens for the clients that ask about them: for their audience, and without the cookie, which they look at.

import type { ClientSettings } from '../options/clients.ts'
import { ACCESS_TOKEN_TYPE } from '../token/sign.ts'
import { createTokenVerifier, type TokenVerifier, type TokenVerifierOptions } from '../verifier.ts'

/** The verifier for a client. */
export type ClientVerifiers = (client: ClientSettings) => Pick<TokenVerifier, 'verify'>

/**
 * Makes the verifiers of one kit's clients.
 *
 * @param options.own - the names of the app, whose tokens have to be encrypted where the app demands it
 */
export function createClientVerifiers(
  options: Omit<TokenVerifierOptions, 'audience' | 'binding' | 'typ'> & { readonly own: readonly string[] },
): ClientVerifiers {
  const { own, ...common } = options

  return ({ audience }) => {
    const rules = { ...common, audience, binding: 'none', typ: ACCESS_TOKEN_TYPE } as const
    const verifier = createTokenVerifier(rules)
    if (rules.decrypt === undefined) return verifier
    // Delegated tokens are only signed. None of them is for this app.
    const others = audience.filter((name) => !own.includes(name))
    const delegated = createTokenVerifier({ ...rules, decrypt: undefined, audience: others })
    return {
      verify: (credentials) => (isEncrypted(credentials.token) ? verifier : delegated).verify(credentials),
    }
  }
}

/** A JWE has five parts, a JWS three (RFC 7516 section 9). */
function isEncrypted(token: string): boolean {
  return token.split('.').length === 5
}
