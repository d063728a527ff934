// protect(verifier): the middleware of a service, which has sessions and routes of its own kit nowhere near.

import type { Middleware } from 'koa'

import type { Auth } from '../auth.ts'
import type { ServiceAuth, ServiceVerifier } from '../service/service.ts'
import { type Authenticator, createProtect, createRequestVerifier, type ProtectOptions } from './protect.ts'
import { readCredentials } from './credentials.ts'
import { createRefusals } from './refusals.ts'

/** The state behind `protect(verifier)`. */
export interface ServiceState<Claims extends object = Record<string, unknown>> {
  /** Who is calling. */
  auth: ServiceAuth<Claims>
}

/** The state behind `protect(verifier, { optional: true })`. */
export interface OptionalServiceState<Claims extends object = Record<string, unknown>> {
  /** Who is calling, or undefined for nobody. */
  auth: ServiceAuth<Claims> | undefined
}

// A request that passes several of a verifier's middlewares is verified once.
const authenticators = new WeakMap<ServiceVerifier, Pick<Authenticator, 'authenticate'>>()

function shareAuthenticator(verifier: ServiceVerifier): Pick<Authenticator, 'authenticate'> {
  const authenticator =
    authenticators.get(verifier) ??
    createRequestVerifier({
      // The cast lets a token be without `sid`, which nothing here looks at.
      verify: (credentials, policy) => verifier.verify(credentials, policy) as Promise<Auth>,
      async verifyFresh(auth, policy, ctx) {
        const credentials = readCredentials(ctx.req, { fingerprint: verifier.settings.cookie.name, access: undefined })
        if (policy === 'introspect' && credentials !== undefined) await verifier.verify(credentials, policy)
        else verifier.assertFresh(auth, policy)
      },
      settings: verifier.settings,
    })
  authenticators.set(verifier, authenticator)
  return authenticator
}

/**
 * Makes middleware that lets only verified requests through to a service, as `ctx.state.auth`.
 *
 * @param verifier - what `createVerifier` or `createIntrospector` resolved to
 * @throws TypeError when an option is wrong
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-3
 */
export function protect<Claims extends object = Record<string, unknown>>(
  verifier: ServiceVerifier<Claims>,
  options?: ProtectOptions & { readonly optional?: false },
): Middleware<ServiceState<Claims>>
export function protect<Claims extends object = Record<string, unknown>>(
  verifier: ServiceVerifier<Claims>,
  options: ProtectOptions,
): Middleware<OptionalServiceState<Claims>>
export function protect(verifier: ServiceVerifier, options: ProtectOptions = {}): Middleware<OptionalServiceState> {
  const { settings } = verifier
  const { realm, cookie, clock, canIntrospect } = settings
  const refusals = createRefusals({
    settings: { issuer: realm, hsts: false, cookie, onSidejack: 'reject', clock },
    report: (thrown, request) => verifier.report(thrown, request),
  })
  const middleware = createProtect({
    authenticator: shareAuthenticator(verifier),
    refusals,
    clock,
    isOwnPath: () => false,
    canIntrospect,
  })(options)
  return middleware as Middleware<OptionalServiceState> // `sid` again
}
