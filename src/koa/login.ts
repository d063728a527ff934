// Login, logout, and the same for applications with routes of their own. RFC 6749 section 5.1 for the answer.

import { ERROR_CODES, isSessionError, SessionError } from '../errors.ts'
import type { EventSink } from '../events.ts'
import type { SessionKitOptions, Settings } from '../options/options.ts'
import type { RevocationList } from '../revocation.ts'
import type { Sessions, Subject } from '../sessions.ts'
import { type Seconds, toNumericDate } from '../time.ts'
import type { Auth, Credentials, Verifier } from '../verifier.ts'
import { readJsonBody } from './body.ts'
import type { Context } from './context.ts'
import { assertTransport, setCookie } from './cookies.ts'
import { readCredentials } from './credentials.ts'
import { assertSameSite, type CrossSiteRule } from './cross-site.ts'
import type { Authenticator } from './protect.ts'
import { describeRequest } from './request-info.ts'
import { harden } from './respond.ts'

/** The answer to a login (RFC 6749 section 5.1). */
export interface TokenResponse {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: Seconds
  readonly sid: string
}

/** Login and logout. */
export interface Login {
  /** The route: asks `authenticate`, then starts. */
  login(ctx: Context): Promise<void>
  /** The route: ends the session presented, if any, and clears the browser. */
  logout(ctx: Context): Promise<void>
  /** Starts a session for someone the application has authenticated; ends the one that the request presents. */
  start(ctx: Context, subject: Subject): Promise<TokenResponse>
  /** Ends the session of this request, if there is one, and deletes the cookie. */
  end(ctx: Context): Promise<void>
}

/** Makes login and logout of one kit. */
export function createLogin(options: {
  readonly settings: Settings
  readonly sessions: Sessions
  readonly verifier: Verifier
  readonly authenticator: Authenticator
  readonly revocations: Pick<RevocationList, 'watchSubjects'>
  readonly events: EventSink
  readonly authenticate: SessionKitOptions['authenticate']
  readonly limiter: SessionKitOptions['limiter']
}): Login {
  const { settings, sessions, verifier, authenticator, revocations, events } = options
  const { cookie } = settings
  const rule: CrossSiteRule = { origins: settings.origins, crossSite: cookie.sameSite === 'None' }

  async function login(ctx: Context): Promise<void> {
    assertSameSite(ctx, rule)
    const wait = await options.limiter?.(ctx, 'login')
    if (wait !== undefined) {
      throw new SessionError('ERR_RATE_LIMITED', { headers: { 'Retry-After': toRetryAfter(wait) } })
    }
    ctx.body = await start(ctx, await askForSubject(ctx))
  }

  /** Who `authenticate` accepts, unless all of theirs was revoked meanwhile: it may have checked an old password. */
  async function askForSubject(ctx: Context): Promise<Subject> {
    const revoked = new Set<string>()
    const unwatch = revocations.watchSubjects((sub) => revoked.add(sub))
    try {
      const subject = await options.authenticate?.(await readJsonBody(ctx))
      if (!subject || revoked.has(subject.sub)) throw new SessionError('ERR_LOGIN_FAILED')
      return subject
    } finally {
      unwatch()
    }
  }

  async function start(ctx: Context, subject: Subject): Promise<TokenResponse> {
    assertSameSite(ctx, rule)
    assertTransport(ctx, cookie)
    const presented = await identify(ctx)
    const request = describeRequest(ctx)
    const { accessToken, sub, sid, jti, fingerprint, exp, expires } = await sessions.start(subject)
    // Only now: a login that is not accepted must not cost the session that is there.
    if (presented !== undefined) await sessions.end(presented.sid, 'login', request)
    authenticator.forget(ctx)
    const expiresIn = exp - toNumericDate(settings.clock())
    // As long as the token is believed; a cookie that went before it would look like a theft.
    const maxAge = expiresIn + settings.clockTolerance
    harden(ctx, settings)
    setCookie(ctx, cookie, fingerprint, cookie.lifetime === 'token' ? maxAge : undefined)
    events.emit('session_created', { sub, sid, expires, request })
    events.emit('authn_token_created', { sub, sid, jti, exp, request })
    events.emit('authn_login_success', { sub, sid, request })
    return { access_token: accessToken, token_type: 'Bearer', expires_in: expiresIn, sid }
  }

  async function logout(ctx: Context): Promise<void> {
    assertSameSite(ctx, rule)
    const credentials = read(ctx)
    const session = credentials && (await verifier.identify(credentials))
    if (session !== undefined) await sessions.end(session.sid, 'logout', describeRequest(ctx))
    else if (credentials !== undefined) await refuseThief(credentials)
    setCookie(ctx, cookie, undefined)
    if (settings.clearSiteData !== '') ctx.set('Clear-Site-Data', settings.clearSiteData)
    ctx.status = 204
  }

  /** Whatever is wrong with the token, its bearer may forget it; but a live one without its fingerprint is stolen. */
  async function refuseThief(credentials: Credentials): Promise<void> {
    const error: unknown = await verifier.verify(credentials).catch((thrown: unknown) => thrown)
    if (!isSessionError(error) || ERROR_CODES[error.code].event === 'sidejack') throw error
  }

  async function end(ctx: Context): Promise<void> {
    assertSameSite(ctx, rule)
    const session = authenticator.peek(ctx) ?? (await identify(ctx))
    if (session !== undefined) await sessions.end(session.sid, 'logout', describeRequest(ctx))
    authenticator.forget(ctx)
    setCookie(ctx, cookie, undefined)
  }

  async function identify(ctx: Context): Promise<Auth | undefined> {
    const credentials = read(ctx)
    return credentials && verifier.identify(credentials)
  }

  /** What login and logout make of a malformed token: nothing was presented. Anything else stays an error. */
  function read(ctx: Context): Credentials | undefined {
    try {
      return readCredentials(ctx.req, cookie.name)
    } catch (error) {
      if (isSessionError(error) && error.code === 'ERR_TOKEN_MALFORMED') return undefined
      throw error
    }
  }

  return { login, logout, start, end }
}

/** A whole number of seconds from 1 to a day, whatever the limiter answered: that it answered closes the door. */
function toRetryAfter(wait: Seconds): string {
  return String(Math.min(Math.max(Math.ceil(wait) || 1, 1), 86_400))
}
