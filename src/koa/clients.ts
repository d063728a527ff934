// Which client asks, and that it is the one: client_secret_basic, client_secret_post (RFC 6749 section 2.3.1) or
// private_key_jwt (RFC 7523). Every failure gets the same answer; events say which it was, and whose.

import { createHash } from 'node:crypto'

import { isSessionError, SessionError } from '../errors.ts'
import type { ClientAction, ClientSettings } from '../options/clients.ts'
import type { RevocationList } from '../revocation.ts'
import { hashSecret, matchesHash } from '../session/refresh-token.ts'
import type { Clock, Seconds } from '../time.ts'
import { ASSERTION_TYPE } from '../token/assertion.ts'
import { parseAssertion, verifyAssertion } from '../token/verify-assertion.ts'
import type { Form } from './body.ts'
import type { Context } from './context.ts'
import { countHeaders } from './credentials.ts'
import type { Throttle } from './limiter.ts'
import { noteClient } from './request-info.ts'

/** Finds out which client asks. */
export interface ClientAuthenticator {
  /**
   * @param audience - what an assertion may be for: the issuer, or the route that was called
   * @throws SessionError with one of the ERR_CLIENT codes, ERR_RATE_LIMITED or ERR_STORE_UNAVAILABLE
   */
  authenticate(ctx: Context, form: Form, action: ClientAction, audience: readonly string[]): Promise<ClientSettings>
}

/** What a request says about its client, in one way and no other. */
type Proof =
  | { readonly id: string | undefined; readonly secret: string }
  | { readonly id: string | undefined; readonly assertion: string }

const BASIC = /^basic +([\w+/-]+={0,2})$/i
const LONGEST_ASSERTION: Seconds = 300

// What the secret of a client that is not there, or has none, is compared with: it takes as long, and nothing matches.
const NO_SECRETS: readonly string[] = [hashSecret('')]

/** Makes the authenticator of one kit's clients. */
export function createClientAuthenticator(options: {
  readonly clients: readonly ClientSettings[]
  readonly revocations: Pick<RevocationList, 'consume'>
  readonly throttle: Throttle
  readonly settings: { readonly steadyClock: Clock; readonly clockTolerance: Seconds; readonly maxLifetime: Seconds }
}): ClientAuthenticator {
  const { revocations, throttle, settings } = options
  const { steadyClock, clockTolerance } = settings
  const clients = new Map(options.clients.map((client) => [client.id, client]))
  // Not longer than the revocation list remembers that it was used.
  const maxLifetime = Math.min(LONGEST_ASSERTION, settings.maxLifetime)

  function find(ctx: Context, id: string | undefined): ClientSettings | undefined {
    const client = id === undefined ? undefined : clients.get(id)
    // Only a name that is known: what a stranger writes does not belong into events.
    if (client !== undefined) noteClient(ctx, client.id)
    return client
  }

  function checkSecret(ctx: Context, id: string | undefined, secret: string): ClientSettings {
    const client = find(ctx, id)
    const secrets = client?.secrets ?? []
    const matches = (secrets.length > 0 ? secrets : NO_SECRETS).map((hash) => matchesHash(secret, hash))
    if (client === undefined) throw new SessionError('ERR_CLIENT_UNKNOWN')
    if (secrets.length === 0 || !matches.includes(true)) throw new SessionError('ERR_CLIENT_SECRET')
    return client
  }

  async function checkAssertion(
    ctx: Context,
    id: string | undefined,
    text: string,
    audience: readonly string[],
  ): Promise<ClientSettings> {
    const assertion = parseAssertion(text)
    const claimed = assertion.payload['iss']
    if (typeof claimed !== 'string' || (id !== undefined && id !== claimed)) {
      throw new SessionError('ERR_CLIENT_ASSERTION', { detail: 'client_id' })
    }
    const client = find(ctx, claimed)
    if (client === undefined) throw new SessionError('ERR_CLIENT_UNKNOWN')
    const rules = { client: client.id, audience, maxLifetime, clockTolerance }
    const jti = await verifyAssertion(assertion, client.keys, rules, steadyClock())
    if (!(await revocations.consume(nameAssertion(client.id, jti)))) {
      throw new SessionError('ERR_CLIENT_ASSERTION_REUSED')
    }
    return client
  }

  return {
    async authenticate(ctx, form, action, audience) {
      const proof = readProof(ctx, form)
      try {
        if ('secret' in proof) return checkSecret(ctx, proof.id, proof.secret)
        return await checkAssertion(ctx, proof.id, proof.assertion, audience)
      } catch (error) {
        if (!isSessionError(error) || error.status !== 401) throw error
        // Only failures: one client that has a wrong secret must not shut out others behind the same address.
        return throttle.run(ctx, action, () => Promise.reject(toRefusal(error)))
      }
    },
  }
}

/**
 * Reads how the client authenticates.
 *
 * @throws SessionError with ERR_CLIENT_MISSING or ERR_CLIENT_AMBIGUOUS
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-2.3
 */
function readProof(ctx: Context, form: Form): Proof {
  const id = form.get('client_id')
  const secret = form.get('client_secret')
  const assertion = form.get('client_assertion')
  const headers = countHeaders(ctx.req, 'authorization')
  const ways = headers + (secret === undefined ? 0 : 1) + (assertion === undefined ? 0 : 1)
  if (ways > 1) throw new SessionError('ERR_CLIENT_AMBIGUOUS')
  if (secret !== undefined) return { id, secret }
  if (assertion !== undefined && form.get('client_assertion_type') === ASSERTION_TYPE) return { id, assertion }
  const basic = readBasic(ctx)
  if (basic === undefined) throw new SessionError('ERR_CLIENT_MISSING')
  if (id !== undefined && id !== basic.id) throw new SessionError('ERR_CLIENT_AMBIGUOUS')
  return basic
}

/** Both halves are written as in a form (RFC 6749 section 2.3.1). */
function readBasic(ctx: Context): { readonly id: string; readonly secret: string } | undefined {
  const [, credentials] = BASIC.exec(ctx.get('Authorization')) ?? []
  if (credentials === undefined) return undefined
  const text = Buffer.from(credentials, 'base64').toString()
  const at = text.indexOf(':')
  if (at === -1) return undefined
  try {
    return { id: decodeField(text.slice(0, at)), secret: decodeField(text.slice(at + 1)) }
  } catch {
    return undefined // a stray percent sign
  }
}

function decodeField(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

/** What is wrong with an assertion is one thing to the outside; inside, the cause says more. */
function toRefusal(error: SessionError): SessionError {
  if (error.code.startsWith('ERR_CLIENT_')) return error
  return new SessionError('ERR_CLIENT_ASSERTION', { detail: error.message, cause: error })
}

/** Among the identifiers of tokens, which the kit draws, no client can write one of another's. */
function nameAssertion(client: string, jti: string): string {
  const text = JSON.stringify(['client assertion', client, jti])
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
}
