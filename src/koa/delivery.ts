// How a session reaches its client: the fingerprint and the refresh token in cookies, the access token in the body.
// RFC 6749 section 5.1.

import type { EventSink } from '../events.ts'
import type { Settings } from '../options/options.ts'
import type { IssuedSession } from '../session/session.ts'
import { joinFingerprints } from '../fingerprint.ts'
import { type Seconds, toNumericDate } from '../time.ts'
import type { Context } from './context.ts'
import { setCookie } from './cookies.ts'
import { describeRequest } from './request-info.ts'
import { harden } from './respond.ts'

/** The answer to a login and a refresh (RFC 6749 section 5.1). */
export interface TokenResponse {
  /** Not with `accessToken.transport: 'cookie'`. */
  readonly access_token?: string
  readonly token_type: 'Bearer'
  readonly expires_in: Seconds
  readonly sid: string
  /** Only with `refreshToken.transport: 'body'`. */
  readonly refresh_token?: string
  /** Only where the token has scopes. */
  readonly scope?: string
}

/** Hands sessions over and takes them back. */
export interface Delivery {
  /** Sets the cookies; answers the body to send. */
  hand(ctx: Context, session: IssuedSession): TokenResponse
  /** Deletes the cookies. */
  clear(ctx: Context): void
  /** Deletes the cookies and what else the browser keeps. */
  leave(ctx: Context): void
}

/** Makes the delivery of one kit. */
export function createDelivery(settings: Settings, events: EventSink): Delivery {
  const { cookie, accessCookie, refreshCookie, transport, clock } = settings

  function clear(ctx: Context): void {
    setCookie(ctx, cookie, undefined)
    if (accessCookie !== undefined) setCookie(ctx, accessCookie, undefined)
    if (transport === 'cookie') setCookie(ctx, refreshCookie, undefined)
  }

  return {
    hand(ctx, { sub, sid, access, refreshToken, fingerprints, isPersistent, expires }) {
      const now = clock()
      // As long as the session; and as its tokens are believed, since a cookie that went before would look like a theft.
      const maxAge = isPersistent ? Math.ceil((expires - now) / 1000) + settings.clockTolerance : undefined
      const { exp, jti, scope } = access.claims
      harden(ctx, settings)
      setCookie(ctx, cookie, joinFingerprints(fingerprints), maxAge)
      // The token's cookie outlives the token: with an expired one, who logs out says which session ends.
      if (accessCookie !== undefined) setCookie(ctx, accessCookie, access.token, maxAge)
      if (transport === 'cookie') setCookie(ctx, refreshCookie, refreshToken, maxAge)
      events.emit('authn_token_created', { sub, sid, jti, exp, request: describeRequest(ctx) })
      return {
        ...(accessCookie === undefined && { access_token: access.token }),
        token_type: 'Bearer',
        expires_in: Math.max(exp - toNumericDate(now), 0),
        sid,
        ...(transport === 'body' && { refresh_token: refreshToken }),
        ...(scope !== undefined && { scope }),
      }
    },
    clear,
    leave(ctx) {
      clear(ctx)
      if (settings.clearSiteData !== '') ctx.set('Clear-Site-Data', settings.clearSiteData)
    },
  }
}
