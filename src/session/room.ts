// How many sessions a subject may have at the same time.

import { SessionError } from '../errors.ts'
import type { RequestInfo } from '../events.ts'
import type { End } from './end.ts'
import type { Issuer } from './issue.ts'
import type { Records } from './record.ts'
import type { IssuedSession } from './session.ts'

/** What making room needs. */
export interface RoomOptions {
  readonly records: Pick<Records, 'list'>
  readonly end: Pick<End, 'end'>
  readonly issuer: Pick<Issuer, 'realm'>
  /** How many sessions a subject may have; Infinity for any. */
  readonly maxSessions: number
  /** What happens to one more. */
  readonly onMaxSessions: 'evict' | 'refuse'
}

/** Makes room for a session that has been written, or refuses it. @throws SessionError with ERR_SESSIONS_EXCEEDED */
export type MakeRoom = (session: IssuedSession, replaces: readonly string[], request?: RequestInfo) => Promise<void>

// Those that came later give way by themselves, so this many looks in a row are at one whose process has died.
const MAX_LOOKS = 100

/**
 * Makes what keeps the sessions of a subject few. It counts when the session is there, so that of two logins at the same
 * time none is overlooked, and everyone sees the same ones go.
 */
export function createRoom({ records, end, issuer, maxSessions, onMaxSessions }: RoomOptions): MakeRoom {
  async function listOldestFirst(sub: string, replaces: readonly string[]): Promise<string[]> {
    return (await records.list(sub))
      .filter(({ key, value }) => !replaces.includes(key) && value.realm === issuer.realm)
      .toSorted((a, b) => a.value.created - b.value.created || (a.key < b.key ? -1 : 1))
      .map(({ key }) => key)
  }

  const evict: MakeRoom = async ({ sub, sid }, replaces, request) => {
    const sids = await listOldestFirst(sub, replaces)
    const oldest = sids.slice(0, Math.max(sids.length - maxSessions, 0))
    for (const one of oldest) if (one !== sid) await end.end(one, 'evicted', request)
    if (oldest.includes(sid)) throw new SessionError('ERR_SESSIONS_EXCEEDED', { subject: { sub, sid } })
  }

  const refuse: MakeRoom = async ({ sub, sid }, replaces) => {
    for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
      const sids = await listOldestFirst(sub, replaces)
      if (sids.length <= maxSessions) return
      if (sids.indexOf(sid) >= maxSessions) break
    }
    throw new SessionError('ERR_SESSIONS_EXCEEDED', { subject: { sub, sid } })
  }

  if (maxSessions === Infinity) return async () => {}
  return onMaxSessions === 'evict' ? evict : refuse
}
