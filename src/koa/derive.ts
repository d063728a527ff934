// Tokens that a handler takes from the session of its request: tickets for connections that cannot send headers, and
// down-scoped tokens with which the application acts for the user elsewhere. RFC 8693.

import { assertKnown } from '../options/checks.ts'
import type { Settings } from '../options/options.ts'
import { describe } from '../describe.ts'
import type { EventSink } from '../events.ts'
import type { DerivedToken, Issuer } from '../session/issue.ts'
import { type Duration, parseDuration, type Seconds } from '../time.ts'
import { isText, SCOPE } from '../token/claims.ts'
import type { SignedToken } from '../token/sign.ts'
import type { Context } from './context.ts'
import type { Authenticator } from './protect.ts'
import { describeRequest } from './request-info.ts'

/** What a ticket is for. */
export interface TicketOptions {
  /** Where it is good: what {@link UpgradeOptions} names. @default the issuer */
  readonly audience?: string
  /** How long it is good, at most five minutes and never longer than the token of the request. @default '30s' */
  readonly lifetime?: Duration
}

/** What a delegated token is for. */
export interface DelegateOptions {
  /** The service that is to accept it; not this one. */
  readonly audience: string
  /** How long it is good, at most ten minutes. It cannot be called back there before. @default '2m' */
  readonly lifetime?: Duration
  /** Space-delimited scopes that the session has. @default none */
  readonly scope?: string
  /** Claims of your own. @default none: those of the session stay here */
  readonly claims?: object
}

/** The answer of a token exchange (RFC 8693 section 2.2.1). */
export interface DelegatedToken {
  readonly access_token: string
  readonly issued_token_type: 'urn:ietf:params:oauth:token-type:access_token'
  readonly token_type: 'Bearer'
  readonly expires_in: Seconds
  readonly scope?: string
}

/** Derives tokens from the session of a request. */
export interface Derive {
  ticket(ctx: Context, options?: TicketOptions): Promise<string>
  delegate(ctx: Context, options: DelegateOptions): Promise<DelegatedToken>
}

/** Makes what derives tokens in one kit. */
export function createDerive(options: {
  readonly settings: Settings
  readonly issuer: Issuer
  readonly authenticator: Authenticator
  readonly events: EventSink
}): Derive {
  const { settings, issuer, authenticator, events } = options

  function announce(ctx: Context, { claims }: SignedToken): void {
    const { sub, sid, jti, exp } = claims
    events.emit('authn_token_created', { sub, sid, jti, exp, request: describeRequest(ctx) })
  }

  return {
    async ticket(ctx, given = {}) {
      assertKnown(given, 'ticket', ['audience', 'lifetime'])
      const { audience = settings.issuer, lifetime = '30s' } = given
      const to = { audience: assertAudience(audience), lifetime: parseDuration(lifetime, 'lifetime', { max: 300 }) }
      const ticket = await issuer.ticket(await authenticator.demand(ctx), to)
      announce(ctx, ticket)
      return ticket.token
    },
    async delegate(ctx, given) {
      assertKnown(given, 'delegate', ['audience', 'lifetime', 'scope', 'claims'])
      const { lifetime = '2m', scope, claims } = given
      const audience = assertAudience(given.audience)
      // Here it would be a token without its fingerprint.
      if (settings.audience.includes(audience)) {
        throw new TypeError(`audience: expected another service than this one, got ${describe(audience)}`)
      }
      if (scope !== undefined && !(typeof scope === 'string' && SCOPE.test(scope))) {
        throw new TypeError(`scope: expected space-delimited names, got ${describe(scope)}`)
      }
      const to: DerivedToken = {
        audience,
        lifetime: parseDuration(lifetime, 'lifetime', { max: 600 }),
        ...(scope !== undefined && { scope }),
        ...(claims !== undefined && { claims }),
      }
      const delegated = await issuer.delegated(await authenticator.demand(ctx), to)
      announce(ctx, delegated)
      return {
        access_token: delegated.token,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: to.lifetime,
        ...(scope !== undefined && { scope }),
      }
    },
  }
}

function assertAudience(audience: unknown): string {
  if (isText(audience)) return audience as string // isText says so
  throw new TypeError(`audience: expected the name of a service, got ${describe(audience)}`)
}
