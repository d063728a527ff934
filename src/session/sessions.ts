// Sessions: how they start, go on, end and are listed. Each is one record, and an end holds at once.

import type { Store } from '../store/store.ts'
import type { Clock, Milliseconds } from '../time.ts'
import { createEnd, type End, type EndOptions } from './end.ts'
import { createRecords, expiryOf, type SessionData, type SessionRecord } from './record.ts'
import { createRefresh, type Reauthorize, type RefreshOptions, type RefreshRequest } from './refresh.ts'
import { createRenew, type Renew } from './renew.ts'
import { matchesHash, parseRefreshToken } from './refresh-token.ts'
import type { IssuedSession, SessionSummary } from './session.ts'
import { createStart, type Start, type StartOptions } from './start.ts'

/** When a session ends. */
export interface SessionEnds {
  readonly expires: Milliseconds
  readonly ends: Milliseconds
}

/** The sessions of one kit. */
export interface Sessions extends Pick<Start, 'start'>, End {
  readonly renew: Renew
  /** The next generation of a session, or once more the one that this request missed. */
  refresh(request: RefreshRequest, reauthorize: Reauthorize | undefined): Promise<IssuedSession>
  /** The session of a refresh token, if it is genuine, of whatever generation; for ending it, never for letting in. */
  identify(refreshToken: string): Promise<string | undefined>
  /** The same, but none of another kit on the same store. */
  identifyOwn(refreshToken: string): Promise<string | undefined>
  /** Those of a subject that live, the newest first. */
  list(sub: string): Promise<SessionSummary[]>
  /** When a session ends if nobody refreshes it, and when whatever happens; undefined when it has ended. */
  expiryOf(sid: string): Promise<SessionEnds | undefined>
  /** The application's data, or undefined when there is none or the session has ended. */
  readData(sid: string): Promise<SessionData | undefined>
  /** Replaces the data, only if the session still lives; tells whether it does. */
  writeData(sid: string, data: SessionData): Promise<boolean>
}

/** What sessions need: what their parts need, and a store. */
export type SessionsOptions = Omit<StartOptions & EndOptions & RefreshOptions, 'records' | 'end'> & {
  readonly store: Store
  /** A clock that does not go back. */
  readonly steadyClock: Clock
}

/** Makes the sessions of one kit. */
export function createSessions(options: SessionsOptions): Sessions {
  const records = createRecords({ store: options.store, clock: options.steadyClock })
  const end = createEnd({ ...options, records })

  const start = createStart({ ...options, records, end })

  async function find(refreshToken: string): Promise<SessionRecord | undefined> {
    const token = parseRefreshToken(refreshToken)
    const record = token && (await records.read(token.sid))
    return token && record && matchesHash(token.family, record.value.family) ? record : undefined
  }

  const isOwn = ({ value }: SessionRecord): boolean => value.realm === options.issuer.realm

  return {
    ...end,
    start: start.start,
    renew: createRenew({ ...options, records, end, start }),
    refresh: createRefresh({ ...options, records }),
    identify: async (refreshToken) => (await find(refreshToken))?.key,
    async identifyOwn(refreshToken) {
      const record = await find(refreshToken)
      return record && isOwn(record) ? record.key : undefined
    },
    async list(sub) {
      // Not those of another kit on the same store, whose subjects may be other people.
      const own = (await records.list(sub)).filter(isOwn)
      return own.toSorted((a, b) => b.value.created - a.value.created).map(summarize)
    },
    async expiryOf(sid) {
      const record = await records.read(sid)
      return record && { expires: expiryOf(record.value), ends: record.value.ends }
    },
    readData: async (sid) => (await records.read(sid))?.value.data,
    // Data lives in the session's own record, so it cannot outlive it.
    writeData: (sid, data) => records.update(sid, (value) => ({ ...value, data })),
  }
}

function summarize({ key: sid, value }: SessionRecord): SessionSummary {
  const { created, used, userAgent, label } = value
  return {
    sid,
    created,
    used,
    expires: expiryOf(value),
    ...(userAgent !== undefined && { userAgent }),
    ...(label !== undefined && { label }),
  }
}
