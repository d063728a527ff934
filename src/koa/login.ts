// Login and logout, and the same for applications with routes of their own: everything that starts or ends the session of
// the request it is called in.

import { toAuth, toSubject } from '../auth.ts'
import { ERROR_CODES, type ErrorCode, isSessionError, SessionError } from '../errors.ts'
import type { EventSink } from '../events.ts'
import type { SessionKitOptions, Settings } from '../options/options.ts'
import type { RevocationList } from '../revocation.ts'
import type { Sessions } from '../session/sessions.ts'
import type { IssuedSession, Renewal, Subject } from '../session/session.ts'
import type { Milliseconds } from '../time.ts'
import { pickOwnClaims } from '../token/claims.ts'
import { withoutPrototype } from '../token/json.ts'
import type { Credentials, TokenVerifier } from '../verifier.ts'
import { readJsonBody, readOptionalJsonBody } from './body.ts'
import type { Context } from './context.ts'
import { assertTransport, readCookies } from './cookies.ts'
import { readCredentials } from './credentials.ts'
import { assertSameSite, type CrossSiteRule } from './cross-site.ts'
import type { Delivery, TokenResponse } from './delivery.ts'
import type { Throttle } from './limiter.ts'
import { isJson } from './media-type.ts'
import type { Authenticator } from './protect.ts'
import { describeRequest } from './request-info.ts'

/** Login and logout. */
export interface Login {
  /** The route: asks `authenticate`, then starts. */
  login(ctx: Context): Promise<void>
  /** The route: ends the session presented, if any, and clears the browser. */
  logout(ctx: Context): Promise<void>
  /** Starts a session for someone the application has authenticated; ends the one that the request presents. */
  start(ctx: Context, subject: Subject): Promise<TokenResponse>
  /** Puts a new session in the place of the one of this request, with its data. */
  renew(ctx: Context, change: Renewal): Promise<TokenResponse>
  /** Ends the session of this request, if there is one, and deletes the cookies. */
  end(ctx: Context): Promise<void>
}

/** Makes login and logout of one kit. */
export function createLogin(options: {
  readonly settings: Settings
  readonly rule: CrossSiteRule
  readonly sessions: Sessions
  readonly verifier: TokenVerifier
  readonly authenticator: Authenticator
  readonly delivery: Delivery
  readonly throttle: Throttle
  readonly revocations: Pick<RevocationList, 'cutoff' | 'watch'>
  readonly events: EventSink
  readonly authenticate: SessionKitOptions['authenticate']
}): Login {
  const { settings, rule, sessions, verifier, authenticator, delivery, throttle, revocations, events } = options
  const { cookie, accessCookie, refreshCookie, transport } = settings

  async function login(ctx: Context): Promise<void> {
    assertSameSite(ctx, rule)
    const { subject, cutoff } = await throttle.run(ctx, 'login', () => askForSubject(ctx))
    ctx.body = await start(ctx, subject, cutoff)
  }

  /** Who `authenticate` accepts, unless all of theirs was revoked meanwhile: it may have checked an old password. */
  async function askForSubject(ctx: Context): Promise<{ subject: Subject; cutoff: Milliseconds }> {
    // First the body, which may be long in coming.
    const read = await readJsonBody(ctx)
    const revoked = new Set<string>()
    const unwatch = revocations.watch((kind, name) => kind === 'sub' && revoked.add(name))
    try {
      const subject = await options.authenticate?.(read)
      if (!subject || revoked.has(subject.sub)) throw new SessionError('ERR_LOGIN_FAILED')
      return { subject, cutoff: revocations.cutoff(subject.sub) }
    } finally {
      unwatch()
    }
  }

  async function start(ctx: Context, subject: Subject, known?: Milliseconds): Promise<TokenResponse> {
    // What is revoked of the subject while its login is under way holds for this login too.
    const cutoff = known ?? revocations.cutoff(subject.sub)
    assertSameSite(ctx, rule)
    assertTransport(ctx, cookie)
    const replaces = await findPresented(ctx)
    const request = describeRequest(ctx)
    const { userAgent } = request
    const from = { replaces, request, cutoff, ...(userAgent !== undefined && { userAgent }) }
    const session = await sessions.start(subject, from)
    authenticator.replace(ctx, undefined)
    const body = hand(ctx, session)
    events.emit('authn_login_success', { sub: session.sub, sid: session.sid, request })
    return body
  }

  async function renew(ctx: Context, change: Renewal): Promise<TokenResponse> {
    assertSameSite(ctx, rule)
    assertTransport(ctx, cookie)
    const auth = await authenticator.demand(ctx)
    // From what the token says now: what a refresh has taken away since the login must not come back.
    const { claims = pickOwnClaims(auth.claims), scope = auth.claims.scope } = change
    const kept = { ...change, claims, ...(scope !== undefined && { scope }) }
    const session = await sessions.renew(auth.sid, kept, describeRequest(ctx))
    if (session === undefined) throw new SessionError('ERR_SESSION_EXPIRED', { subject: toSubject(auth) })
    const renewed = toAuth(withoutPrototype(session.access.claims), session.access.kid)
    authenticator.replace(ctx, renewed)
    ctx.state['auth'] = renewed
    return hand(ctx, session)
  }

  function hand(ctx: Context, session: IssuedSession): TokenResponse {
    const { sub, sid, expires } = session
    events.emit('session_created', { sub, sid, expires, request: describeRequest(ctx) })
    return delivery.hand(ctx, session)
  }

  async function logout(ctx: Context): Promise<void> {
    assertSameSite(ctx, rule)
    const presented = await findPresented(ctx)
    for (const sid of presented) await sessions.end(sid, 'logout', describeRequest(ctx))
    const credentials = readPair(ctx)
    if (presented.length === 0 && credentials !== undefined) await refuseThief(credentials)
    delivery.leave(ctx)
    ctx.status = 204
  }

  /** Whatever is wrong with the token, its bearer may forget it; but a live one without its fingerprint is stolen. */
  async function refuseThief(credentials: Credentials): Promise<void> {
    const verified = (async () => verifier.verify(credentials))()
    const error: unknown = await verified.catch((thrown: unknown) => thrown)
    if (!isSessionError(error) || ERROR_CODES[error.code].event === 'sidejack') throw error
  }

  async function end(ctx: Context): Promise<void> {
    assertSameSite(ctx, rule)
    const known = authenticator.peek(ctx)?.sid
    const presented = new Set([...(known === undefined ? [] : [known]), ...(await findPresented(ctx))])
    for (const sid of presented) await sessions.end(sid, 'logout', describeRequest(ctx))
    authenticator.replace(ctx, undefined)
    delivery.clear(ctx)
  }

  /**
   * The sessions that the request proves to hold, by the pair or by a refresh token. Who has a refresh token of a session
   * can end it anyway, by using it twice.
   */
  async function findPresented(ctx: Context): Promise<string[]> {
    const credentials = readPair(ctx)
    const pair = credentials && (await verifier.identify(credentials))
    const held = await Promise.all((await readRefreshTokens(ctx)).map((token) => sessions.identify(token)))
    const sids = [pair?.sid, ...held].filter((sid) => sid !== undefined)
    return [...new Set(sids)]
  }

  /** Every refresh token there is: where one has been planted, the own one is still found. */
  async function readRefreshTokens(ctx: Context): Promise<string[]> {
    if (transport === 'cookie')
      return (ignore(['ERR_COOKIE_MALFORMED'], () => readCookies(ctx.req, refreshCookie.name)) ?? []).slice(0, MAX_HELD)
    if (!isJson(ctx.get('Content-Type'))) return []
    const { refresh_token: token } = await readOptionalJsonBody(ctx)
    return typeof token === 'string' ? [token] : []
  }

  function readPair(ctx: Context): Credentials | undefined {
    return ignore(['ERR_TOKEN_MALFORMED'], () =>
      readCredentials(ctx.req, { fingerprint: cookie.name, access: accessCookie?.name }),
    )
  }

  return { login, logout, start: (ctx, subject) => start(ctx, subject), renew, end }
}

// Each is looked up. A browser has one, and one more for each domain above it where somebody has planted one.
const MAX_HELD = 8

/** What login and logout make of what is malformed: nothing was presented. Anything else stays an error. */
function ignore<T>(codes: readonly ErrorCode[], read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isSessionError(error) && codes.includes(error.code)) return undefined
    throw error
  }
}
