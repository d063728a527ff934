// The refresh route: the refresh token and the fingerprint, both from cookies, for their successors. RFC 6749 section 6.

import { SessionError } from '../errors.ts'
import type { EventSink } from '../events.ts'
import type { SessionKitOptions, Settings } from '../options/options.ts'
import type { Reauthorization } from '../session/refresh.ts'
import type { Sessions } from '../session/sessions.ts'
import { SCOPE } from '../token/claims.ts'
import { readOptionalJsonBody } from './body.ts'
import type { Context } from './context.ts'
import { assertTransport, readCookies } from './cookies.ts'
import { readRefreshToken } from './credentials.ts'
import { assertSameSite, type CrossSiteRule } from './cross-site.ts'
import type { Delivery } from './delivery.ts'
import type { Throttle } from './limiter.ts'
import { describeRequest } from './request-info.ts'

/** Makes the handler of the refresh route. */
export function createRefreshRoute(options: {
  readonly settings: Settings
  readonly rule: CrossSiteRule
  readonly sessions: Pick<Sessions, 'refresh'>
  readonly delivery: Delivery
  readonly throttle: Throttle
  readonly events: EventSink
  readonly reauthorize: SessionKitOptions['reauthorize']
}): (ctx: Context) => Promise<void> {
  const { settings, sessions, delivery, events } = options
  const { cookie, refreshCookie, transport } = settings

  async function proceed(ctx: Context, token: string, body: Readonly<Record<string, unknown>>): Promise<void> {
    const request = describeRequest(ctx)
    const { userAgent } = request
    const scope = readScope(body)
    const asked = {
      token,
      fingerprints: readCookies(ctx.req, cookie.name),
      ...(scope !== undefined && { scope }),
      ...(userAgent !== undefined && { userAgent }),
    }
    const { reauthorize } = options
    const session = await sessions.refresh(
      asked,
      reauthorize && (async (refreshing) => assertAnswer(await reauthorize(refreshing, ctx))),
    )
    const { sub, sid, generation, expires } = session
    events.emit('session_renewed', { sub, sid, generation, expires, request })
    ctx.body = delivery.hand(ctx, session)
  }

  return async function refresh(ctx) {
    // The cookies alone authenticate it, so another site's page must not send it.
    assertSameSite(ctx, options.rule)
    assertTransport(ctx, cookie)
    const body = await readOptionalJsonBody(ctx)
    const token = readRefreshToken(ctx.req, body, { transport, cookieName: refreshCookie.name })
    // Not before: pages that ask without having a session are no attempts.
    await options.throttle.run(ctx, 'refresh', () => proceed(ctx, token, body))
  }
}

function readScope({ scope }: Readonly<Record<string, unknown>>): string | undefined {
  if (scope === undefined) return undefined
  if (typeof scope === 'string' && SCOPE.test(scope)) return scope
  throw new SessionError('ERR_SCOPE_INVALID')
}

/** An answer that is none, such as of a hook that forgot to return, must neither let on nor log out. */
function assertAnswer(answer: unknown): Reauthorization | null {
  if (typeof answer === 'object') return answer
  throw new TypeError(`reauthorize: expected null or an object such as {}, got ${typeof answer}`)
}
