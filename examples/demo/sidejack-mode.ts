// The switch: what happens when a token is stolen is an option of the kit, so there are two kits, which share keys, store
// and issuer and differ in nothing but `onSidejack`. Sessions that chose it have the one with `'revoke'` stand in front.

import type { Middleware } from 'koa'
import type { SessionKit } from 'koa-holdfast'

/** What may happen. */
export type Mode = 'reject' | 'revoke'

/** Which session chose what. */
export interface SidejackModes {
  readonly guard: Middleware
  get(sid: string): Mode
  set(sid: string, mode: Mode): void
}

// Sessions whose time is up end in silence.
const MOST = 1000

/** Whether this is what the switch can say. */
export function isMode(value: unknown): value is Mode {
  return value === 'reject' || value === 'revoke'
}

/**
 * Makes the switch, which stands at `'reject'`.
 *
 * @param strict - the kit with `onSidejack: 'revoke'`
 */
export function createSidejackModes(strict: Pick<SessionKit, 'protect'>): SidejackModes {
  const revoking = new Set<string>()
  const protect = strict.protect({ optional: true })

  return {
    guard: (ctx, next) => (revoking.has(claimedSid(ctx.get('Authorization'))) ? protect(ctx, next) : next()),
    get: (sid) => (revoking.has(sid) ? 'revoke' : 'reject'),
    set(sid, mode) {
      revoking.delete(sid)
      if (mode === 'revoke') revoking.add(sid)
      const [oldest = ''] = revoking
      if (revoking.size > MOST) revoking.delete(oldest)
    },
  }
}

/** Only chooses who verifies: what the token says is not believed, and each of the two kits checks all of it. */
function claimedSid(authorization: string): string {
  const [, payload = ''] = /^Bearer +[\w-]+\.([\w-]+)\./i.exec(authorization) ?? []
  try {
    const { sid } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { readonly sid?: unknown }
    return String(sid)
  } catch {
    return ''
  }
}
