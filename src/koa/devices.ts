// The sessions of whoever is calling, seen and ended by them: "log out there", "log out everywhere else", "everywhere".

import { SessionError } from '../errors.ts'
import type { Settings } from '../options/options.ts'
import type { Sessions } from '../session/sessions.ts'
import type { SessionSummary } from '../session/session.ts'
import { type Seconds, toNumericDate } from '../time.ts'
import type { Auth } from '../auth.ts'
import type { Context } from './context.ts'
import { assertSameSite, type CrossSiteRule } from './cross-site.ts'
import type { Delivery } from './delivery.ts'
import type { Authenticator } from './protect.ts'
import { describeRequest } from './request-info.ts'
import type { Route } from './routes.ts'

/** A session as `GET /auth/sessions` shows it. Times are NumericDates; nothing in it opens anything. */
export interface SessionItem {
  readonly sid: string
  /** Whether it is the one that asks. */
  readonly current: boolean
  readonly created: Seconds
  readonly last_used: Seconds
  readonly expires: Seconds
  readonly user_agent?: string
  readonly label?: string
}

/** What users do with their sessions. */
export interface Devices {
  readonly routes: readonly Route[]
  /** Ends every session of the caller but the one that asks. */
  endOthers(ctx: Context): Promise<void>
}

/** Makes the session list of one kit. */
export function createDevices(options: {
  readonly settings: Settings
  readonly rule: CrossSiteRule
  readonly sessions: Sessions
  readonly authenticator: Authenticator
  readonly delivery: Delivery
}): Devices {
  const { settings, rule, sessions, authenticator, delivery } = options
  const path = `${settings.prefix}/sessions`

  async function list(ctx: Context): Promise<void> {
    const { sub, sid } = await authenticator.demand(ctx)
    ctx.body = (await sessions.list(sub)).map((session) => toItem(session, sid))
  }

  async function endOne(ctx: Context): Promise<void> {
    const auth = await demandUnsafe(ctx)
    const sid = ctx.path.slice(path.length + 1)
    const isOwn = (await sessions.list(auth.sub)).some((session) => session.sid === sid)
    // Of another's session the answer says no more than of none.
    if (!isOwn) throw new SessionError('ERR_SESSION_UNKNOWN')
    await sessions.end(sid, 'logout', describeRequest(ctx))
    if (sid === auth.sid) leave(ctx)
    ctx.status = 204
  }

  async function endMany(ctx: Context): Promise<void> {
    const { all } = ctx.query
    if (all !== undefined && all !== 'true') throw new SessionError('ERR_QUERY_INVALID')
    if (all === undefined) {
      await endOthers(ctx)
    } else {
      await sessions.endAll((await demandUnsafe(ctx)).sub, describeRequest(ctx))
      leave(ctx)
    }
    ctx.status = 204
  }

  async function endOthers(ctx: Context): Promise<void> {
    const { sub, sid } = await demandUnsafe(ctx)
    for (const other of await sessions.list(sub)) {
      if (other.sid !== sid) await sessions.end(other.sid, 'logout', describeRequest(ctx))
    }
  }

  async function demandUnsafe(ctx: Context): Promise<Auth> {
    assertSameSite(ctx, rule)
    return authenticator.demand(ctx)
  }

  function leave(ctx: Context): void {
    authenticator.replace(ctx, undefined)
    delivery.leave(ctx)
  }

  return {
    routes: [
      { method: 'GET', path, handle: list },
      { method: 'DELETE', path, handle: endMany },
      { method: 'DELETE', path: `${path}/:sid`, handle: endOne },
    ],
    endOthers,
  }
}

function toItem({ sid, created, used, expires, userAgent, label }: SessionSummary, current: string): SessionItem {
  return {
    sid,
    current: sid === current,
    created: toNumericDate(created),
    last_used: toNumericDate(used),
    expires: toNumericDate(expires),
    ...(userAgent !== undefined && { user_agent: userAgent }),
    ...(label !== undefined && { label }),
  }
}
