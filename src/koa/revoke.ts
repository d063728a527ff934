// Revocation by a client: a refresh token ends its session with all its tokens, an access token is revoked alone. What is
// none, or none any more, is answered as if it had been revoked just now. RFC 7009.

import { isSessionError, SessionError } from '../errors.ts'
import type { EventSink } from '../events.ts'
import type { ClientSettings } from '../options/clients.ts'
import type { RevocationList } from '../revocation.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Auth } from '../auth.ts'
import type { ClientHandler } from './client-routes.ts'
import type { ClientVerifiers } from './client-verifier.ts'
import { isRefusal } from './introspect.ts'
import { describeRequest } from './request-info.ts'

/**
 * Makes what answers revocation. A client may revoke tokens that are for it, and refresh tokens where it is this app.
 *
 * @param options.audience - the names of this app, which its sessions' tokens are for
 * @param options.verifierFor - of access tokens for an audience, without their cookie
 * @see https://www.rfc-editor.org/rfc/rfc7009#section-2.1
 */
export function createRevoke(options: {
  readonly audience: readonly string[]
  readonly verifierFor: ClientVerifiers
  readonly sessions: Pick<Sessions, 'identifyOwn' | 'end'>
  readonly revocations: Pick<RevocationList, 'add'>
  readonly events: EventSink
}): ClientHandler {
  const { audience, verifierFor, sessions, revocations, events } = options

  async function verify(token: string, client: ClientSettings): Promise<Auth | undefined> {
    try {
      return await verifierFor(client).verify({ token, fingerprints: [] })
    } catch (error) {
      // Genuine, and another's: the client is told (RFC 7009 section 2.1), as if it had not been let in at all.
      if (isSessionError(error) && error.code === 'ERR_TOKEN_AUDIENCE') throw new SessionError('ERR_CLIENT_FORBIDDEN')
      if (!isRefusal(error)) throw error
      return undefined
    }
  }

  return async function revoke(ctx, token, client) {
    // Each form is told by itself, so `token_type_hint` is not needed and may say anything.
    const sid = await sessions.identifyOwn(token)
    const auth = sid === undefined ? await verify(token, client) : undefined
    if (sid !== undefined) {
      if (!client.audience.some((name) => audience.includes(name))) throw new SessionError('ERR_CLIENT_FORBIDDEN')
      await sessions.end(sid, 'revoked', describeRequest(ctx))
    } else if (auth !== undefined) {
      const target = { jti: auth.jti }
      await revocations.add(target)
      events.emit('authn_token_revoked', { target, request: describeRequest(ctx) })
    }
    ctx.status = 200
    ctx.body = ''
  }
}
