// The middleware that lets a verified session through, and nobody else.

import type { Middleware, Next } from 'koa'

import { type Auth, toRevocable, toSubject } from '../auth.ts'
import { SessionError } from '../errors.ts'
import { isLater, proceed } from '../proceed.ts'
import { type Clock, type Duration, parseDuration } from '../time.ts'
import { SCOPE } from '../token/claims.ts'
import type { Credentials, TokenVerifier } from '../verifier.ts'
import type { RevocationList, StalePolicy } from '../revocation.ts'
import { resolveStalePolicy, type StaleOption } from '../options/values.ts'
import { assertKnown, boolean } from '../options/checks.ts'
import type { AuthState, Context, OptionalAuthState } from './context.ts'
import { assertTransport, type FingerprintCookie } from './cookies.ts'
import { readCredentials } from './credentials.ts'
import { assertSameSite, type CrossSiteRule } from './cross-site.ts'
import { createPrivateSlot } from './private-slot.ts'
import type { Refusals } from './refusals.ts'
import { readPath } from './request-info.ts'
import type { Demands } from './respond.ts'

/** What a route demands. */
export interface ProtectOptions {
  /** Lets requests without a token through, with `ctx.state.auth` undefined. A bad token is refused all the same. */
  readonly optional?: boolean
  /** Scopes the token must carry, all of them: space-delimited or an array. */
  readonly scope?: string | readonly string[]
  /** How long ago the user may have authenticated (`auth_time`); else a step-up challenge (RFC 9470). */
  readonly maxTokenAge?: Duration
  /** The authentication context classes of which the token must name one; else a step-up challenge. */
  readonly acr?: string | readonly string[]
  /** What happens here when the revocation list is too old. @default what the kit's option says */
  readonly onStale?: StaleOption
}

/** Makes `protect` middleware. */
export interface Protect<Claims extends object> {
  (options?: ProtectOptions & { readonly optional?: false }): Middleware<AuthState<Claims>>
  (options: ProtectOptions): Middleware<OptionalAuthState<Claims>>
}

/** Verifies requests, each once. */
export interface Authenticator {
  /**
   * Who is calling, or undefined when there is no token. Without a promise where nothing has to be waited for.
   *
   * @throws SessionError when it is a bad one, at once or by the promise
   */
  authenticate(ctx: Context, onStale?: StalePolicy): Auth | undefined | Promise<Auth | undefined>
  /** Who is calling, looked at again: for what is done in their name. @throws SessionError when nobody is */
  demand(ctx: Context): Promise<Auth>
  /** Who was found to be calling. */
  peek(ctx: Context): Auth | undefined
  /** Learns who is calling from now on: the request's session is another one, or none. */
  replace(ctx: Context, auth: Auth | undefined): void
}

/** What is to be known to find a request's credentials. */
export interface RequestSettings {
  readonly cookie: FingerprintCookie
  /** Where the token is in a cookie as well. */
  readonly accessCookie?: FingerprintCookie | undefined
  readonly onStale: StalePolicy
}

/** Makes what verifies each request once. */
export function createRequestVerifier(options: {
  /** Runs every check, that of how old the revocation list is among them. */
  readonly verify: (credentials: Credentials, onStale: StalePolicy) => Auth | Promise<Auth>
  /** Runs that one again, for a policy that may be stricter. */
  readonly verifyFresh: (auth: Auth, onStale: StalePolicy, ctx: Context) => Promise<void> | void
  readonly settings: RequestSettings
  /** What a request whose cookies alone are its credentials must be. @throws SessionError with ERR_CROSS_SITE */
  readonly assertOwnPage?: (ctx: Context) => void
}): Omit<Authenticator, 'demand'> {
  const { verify, verifyFresh, settings, assertOwnPage } = options
  const { cookie, accessCookie } = settings
  const names = { fingerprint: cookie.name, access: accessCookie?.name }

  // Not in ctx.state, which anybody can write to.
  const verified = createPrivateSlot<Auth>()

  function authenticate(
    ctx: Context,
    onStale: StalePolicy = settings.onStale,
  ): Auth | undefined | Promise<Auth | undefined> {
    const known = verified.get(ctx.req)
    // Each time: where one middleware is content, the next need not be.
    if (known !== undefined) return proceed(verifyFresh(known, onStale, ctx), () => known)
    const credentials = readCredentials(ctx.req, names)
    if (credentials === undefined) return undefined
    if (accessCookie !== undefined) assertOwnPage?.(ctx)
    assertTransport(ctx, cookie)
    return proceed(verify(credentials, onStale), (auth) => {
      verified.set(ctx.req, auth)
      return auth
    })
  }

  return {
    authenticate,
    peek: (ctx) => verified.get(ctx.req),
    replace: (ctx, auth) => verified.set(ctx.req, auth),
  }
}

/** Makes the authenticator of one kit. */
export function createAuthenticator(options: {
  readonly verifier: TokenVerifier
  readonly revocations: Pick<RevocationList, 'assertFresh' | 'isListed'>
  readonly settings: RequestSettings
  readonly rule: CrossSiteRule
}): Authenticator {
  const { revocations } = options
  const requests = createRequestVerifier({
    ...options,
    verify: (credentials, policy) =>
      proceed(options.verifier.verify(credentials), (auth) => {
        revocations.assertFresh(policy)
        return auth
      }),
    verifyFresh: (_auth, policy) => revocations.assertFresh(policy),
    assertOwnPage: (ctx) => assertSameSite(ctx, options.rule),
  })

  async function demand(ctx: Context): Promise<Auth> {
    const known = requests.peek(ctx)
    // The request may be a slow one, and its session over by now.
    if (known !== undefined && revocations.isListed(toRevocable(known))) {
      throw new SessionError('ERR_TOKEN_REVOKED', { subject: toSubject(known) })
    }
    const auth = await requests.authenticate(ctx)
    if (auth === undefined) throw new SessionError('ERR_CREDENTIALS_MISSING')
    return auth
  }

  return { ...requests, demand }
}

/**
 * Makes the factory of `protect` middleware.
 *
 * @param isOwnPath - the kit's own routes, which look at credentials by themselves: `protect({ optional: true })` for
 *   the whole app must not keep an expired token from logging out
 */
export function createProtect<Claims extends object>(options: {
  readonly authenticator: Pick<Authenticator, 'authenticate'>
  readonly refusals: Refusals
  readonly clock: Clock
  readonly isOwnPath: (path: string) => boolean
  /** Whether there is an issuer to ask. */
  readonly canIntrospect: boolean
}): Protect<Claims> {
  const { authenticator, refusals, clock, isOwnPath, canIntrospect } = options

  function createMiddleware(settings: ProtectOptions = {}): Middleware<AuthState<Claims>> {
    assertKnown(settings, 'protect', KNOWN)
    const { optional = false } = settings
    boolean(optional, 'optional')
    const demands = resolveDemands(settings)
    const onStale = settings.onStale === undefined ? undefined : resolveStalePolicy(settings.onStale, canIntrospect)

    function admit(ctx: Context, auth: Auth | undefined): void {
      if (auth === undefined && !optional) throw new SessionError('ERR_CREDENTIALS_MISSING')
      if (auth !== undefined) assertDemands(auth, demands, clock)
      // The cast is the application's promise, made by the type parameter: its own tokens carry its own claims. With
      // `optional` the overload above says that there may be none.
      ctx.state['auth'] = auth as Auth<Claims>
    }

    async function protectLater(ctx: Context, next: Next, found: Promise<Auth | undefined>): Promise<unknown> {
      try {
        admit(ctx, await found)
      } catch (thrown) {
        return refusals.answer(ctx, thrown, demands)
      }
      return next()
    }

    return function protect(ctx, next) {
      if (optional && isOwnPath(readPath(ctx))) return next()
      try {
        const found = authenticator.authenticate(ctx, onStale)
        if (isLater(found)) return protectLater(ctx, next, found)
        admit(ctx, found)
      } catch (thrown) {
        return refusals.answer(ctx, thrown, demands)
      }
      // Not within `try`: what handlers throw is theirs.
      return next()
    }
  }

  return createMiddleware as Protect<Claims>
}

function resolveDemands({ scope, maxTokenAge, acr }: ProtectOptions): Demands {
  return {
    ...(scope !== undefined && { scope: toList(scope, 'scope') }),
    ...(acr !== undefined && { acr: toList(acr, 'acr') }),
    ...(maxTokenAge !== undefined && { maxAge: parseDuration(maxTokenAge, 'maxTokenAge', { min: 0 }) }),
  }
}

const KNOWN = ['optional', 'scope', 'maxTokenAge', 'acr', 'onStale'] as const

function toList(value: string | readonly string[], name: string): string {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.every((item) => typeof item === 'string') && SCOPE.test(list.join(' '))) return list.join(' ')
  throw new TypeError(`${name}: expected names without spaces or quotes, space-delimited or in an array, got others`)
}

function assertDemands({ sub, sid, jti, scope, claims }: Auth, demands: Demands, clock: Clock): void {
  const subject = { sub, sid, jti }
  if (demands.scope?.split(' ').some((name) => !scope.includes(name))) {
    throw new SessionError('ERR_SCOPE_INSUFFICIENT', { subject })
  }
  const since = claims.auth_time ?? -Infinity
  // Not `>`: whatever is no number is too old.
  const isTooOld = demands.maxAge !== undefined && !(clock() / 1000 - since <= demands.maxAge)
  const isTooWeak = demands.acr !== undefined && !demands.acr.split(' ').includes(claims.acr ?? '')
  if (isTooOld || isTooWeak) throw new SessionError('ERR_AUTHENTICATION_INSUFFICIENT', { subject })
}
