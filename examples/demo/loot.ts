// What leaked: requests as a careless log keeps them. Each is known by a random name, which only its owner is told.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

import type { Auth } from 'koa-holdfast'

/** One request that leaked. */
export interface Loot {
  readonly sub: string
  readonly sid: string
  readonly token: string
  /** The fingerprint and the refresh token, as `name=value`. */
  readonly cookies: readonly string[]
  /** The last event before it leaked. */
  readonly after: number
}

/** The leaking log: bounded, and forgetful. */
export interface LeakingLog {
  /** Keeps the request's credentials. Answers the name of the loot. */
  keep(request: IncomingMessage, auth: Auth, after: number): string
  /** The loot, for as long as it is kept. */
  find(name: unknown): Loot | undefined
}

const MOST = 200
const LIFETIME_MS = 120_000
const OF_THE_KIT = /^__Secure-(?:Fgp|Refresh)=/

/** The token in the `Authorization` header of a request that was let in. */
export function tokenOf({ headers }: IncomingMessage): string {
  return headers.authorization?.replace(/^Bearer +/i, '') ?? ''
}

/** Makes an empty log. */
export function createLeakingLog(clock: () => number = Date.now): LeakingLog {
  const kept = new Map<string, { readonly loot: Loot; readonly until: number }>()

  return {
    keep(request, { sub, sid }, after) {
      const name = randomUUID()
      // Other programs on this machine have cookies for localhost as well.
      const cookies = (request.headers.cookie ?? '').split('; ').filter((cookie) => OF_THE_KIT.test(cookie))
      const loot = { sub, sid, token: tokenOf(request), cookies, after }
      kept.set(name, { loot, until: clock() + LIFETIME_MS })
      const [oldest = ''] = kept.keys()
      if (kept.size > MOST) kept.delete(oldest)
      return name
    },
    find(name) {
      const { loot, until = 0 } = kept.get(String(name)) ?? {}
      return clock() < until ? loot : undefined
    },
  }
}
