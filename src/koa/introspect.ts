// Introspection: what a token says, to a client that the token is for, while it is good. RFC 7662.

import { ERROR_CODES, isSessionError, SessionError } from '../errors.ts'
import type { ClientSettings } from '../options/clients.ts'
import type { RevocationList } from '../revocation.ts'
import type { Auth } from '../auth.ts'
import type { ClientHandler } from './client-routes.ts'
import type { ClientVerifiers } from './client-verifier.ts'
import type { Context } from './context.ts'

// What is told of every token. The digest of the fingerprint is among it: whoever holds token and cookie compares them.
const TOLD = [
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'iat_ms', 'jti', 'client_id', 'scope', 'sid'],
  ...['auth_time', 'acr', 'amr', 'act', 'cnf', 'fgp', 'userFingerprint'],
] as const

/**
 * Makes what answers introspection.
 *
 * @param options.verifierFor - of access tokens for an audience, without their cookie
 * @param options.report - only raises the event
 * @see https://www.rfc-editor.org/rfc/rfc7662#section-2.2
 */
export function createIntrospect(options: {
  readonly verifierFor: ClientVerifiers
  readonly revocations: Pick<RevocationList, 'assertFresh'>
  readonly report: (ctx: Context, thrown: unknown) => void
}): ClientHandler {
  const { verifierFor, revocations, report } = options

  async function verify(ctx: Context, token: string, client: ClientSettings): Promise<Auth | undefined> {
    try {
      return await verifierFor(client).verify({ token, fingerprints: [] })
    } catch (error) {
      if (!isRefusal(error)) throw error
      report(ctx, error)
      return undefined
    }
  }

  return async function introspect(ctx, token, client) {
    const auth = await verify(ctx, token, client)
    // Whatever `onStale` lets in here: what is said to others is kept by them, and they cannot tell.
    if (auth !== undefined) revocations.assertFresh('reject')
    ctx.body = auth === undefined ? { active: false } : { active: true, token_type: 'Bearer', ...tell(auth, client) }
  }
}

/** The token's fault, rather than the server's: 401 where a user presents it. */
export function isRefusal(error: unknown): error is SessionError {
  return isSessionError(error) && ERROR_CODES[error.code].status === 401
}

function tell({ claims }: Auth, client: ClientSettings): Record<string, unknown> {
  const names = new Set<string>([...TOLD, ...client.claims])
  return Object.fromEntries(Object.entries(claims).filter(([name]) => names.has(name)))
}
