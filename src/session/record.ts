// The record of a session: the one place where everything about it is kept, so that whatever changes it swaps the whole
// and nothing of it outlives it. No secret is in it, only hashes.

import { SessionError } from '../errors.ts'
import type { Store, StoreRecord } from '../store/store.ts'
import type { Clock, Milliseconds, Seconds } from '../time.ts'

/** What the application keeps in a session. Must survive JSON. */
export type SessionData = Readonly<Record<string, unknown>>

/** What the login granted. A refresh never adds to it. */
export interface Grant {
  readonly auth_time: Seconds
  readonly scope?: string
  readonly acr?: string
  readonly amr?: readonly string[]
  /** The application's own claims. */
  readonly claims?: object
}

/** One generation of a session: a refresh token, a fingerprint, and the times of the access tokens with that fingerprint. */
export interface Generation {
  /** The hash of the refresh token's secret. */
  readonly secret: string
  /** The digest of the fingerprint. */
  readonly fingerprint: string
  readonly iat: Seconds
  /** The `iat_ms`. */
  readonly issued: Milliseconds
  readonly exp: Seconds
}

/** What is kept of the generation before, to answer whoever presents it once more. */
export interface PreviousGeneration {
  readonly secret: string
  readonly fingerprint: string
  /** What the current generation was derived with. */
  readonly nonce: string
  /** When it was replaced. */
  readonly replaced: Milliseconds
}

/** A replaced fingerprint whose access tokens live on. */
export interface OlderFingerprint {
  readonly fingerprint: string
  readonly exp: Seconds
}

/** The value of a session's record. */
export interface SessionValue {
  readonly sub: string
  /** Whose session it is: who issued its tokens, and for whom. Another kit on the same store does not refresh it. */
  readonly realm: string
  readonly grant: Grant
  readonly created: Milliseconds
  /** The `iat_ms` of its first token: later than what was revoked of the subject before. */
  readonly started: Milliseconds
  /** When it was last refreshed. */
  readonly used: Milliseconds
  /** How long it may live after the user has authenticated. */
  readonly absolute: Seconds
  /** When it ends, whatever happens. */
  readonly ends: Milliseconds
  /** How long it lives without a refresh. */
  readonly idle: Seconds
  /** Whether its cookies outlive the browser. */
  readonly isPersistent: boolean
  readonly userAgent?: string
  readonly label?: string
  /** The hash of the refresh token's family. */
  readonly family: string
  readonly generation: number
  readonly current: Generation
  readonly previous?: PreviousGeneration
  /** The newest first. */
  readonly older: readonly OlderFingerprint[]
  readonly data?: SessionData
}

/** A session's record as it was read. */
export type SessionRecord = StoreRecord<SessionValue>

/** The records of sessions. Whatever the store throws is a SessionError with ERR_STORE_UNAVAILABLE. */
export interface Records {
  /** The record of a session that lives. */
  read(sid: string): Promise<SessionRecord | undefined>
  /** Those of a subject. */
  list(sub: string): Promise<SessionRecord[]>
  /** @throws SessionError with ERR_STORE_UNAVAILABLE also when there is one of that name: nobody draws one twice */
  add(sid: string, value: SessionValue): Promise<void>
  /** Writes, unless the record has changed or is gone; tells whether it has written. */
  swap(record: SessionRecord, value: SessionValue): Promise<boolean>
  /** Changes the value, however many others do at the same time; tells whether the session lives. */
  update(sid: string, change: (value: SessionValue) => SessionValue): Promise<boolean>
  /** Removes; tells whether there was something. */
  remove(sid: string): Promise<boolean>
}

// Each try that fails is another's success, so this many in a row is a store that does not swap.
const MAX_SWAPS = 100

/** When the session ends if nobody refreshes it. */
export function expiryOf({ used, idle, ends }: Pick<SessionValue, 'used' | 'idle' | 'ends'>): Milliseconds {
  return Math.min(used + idle * 1000, ends)
}

/** Makes the records of one kit. */
export function createRecords({ store, clock }: { readonly store: Store; readonly clock: Clock }): Records {
  /** The store drops what has expired by its own clock, which may go back. */
  function lives(record: StoreRecord | undefined): record is SessionRecord {
    // Asked also where there is no record: a steady clock knows only the times at which it was asked.
    const now = clock()
    // The cast that this is holds: only this file writes the table.
    return record !== undefined && now < record.expires
  }

  async function read(sid: string): Promise<SessionRecord | undefined> {
    const record = await attempt(() => store.get('session', sid))
    return lives(record) ? record : undefined
  }

  const swap: Records['swap'] = (record, value) =>
    attempt(() => store.swap('session', { ...record, value, expires: expiryOf(value) }))

  return {
    read,
    async list(sub) {
      const records: SessionRecord[] = []
      lives(undefined)
      await attempt(async () => {
        for await (const record of store.list('session', sub)) if (lives(record)) records.push(record)
      })
      return records
    },
    async add(sid, value) {
      const record = { key: sid, value, expires: expiryOf(value), group: value.sub }
      const isNew = await attempt(() => store.add('session', record))
      if (!isNew) throw new SessionError('ERR_STORE_UNAVAILABLE', { detail: 'there is a session of that name already' })
    },
    swap,
    async update(sid, change) {
      return retry(async () => {
        const record = await read(sid)
        if (record === undefined) return false
        return (await swap(record, change(record.value))) || undefined
      })
    },
    remove: (sid) => attempt(() => store.delete('session', sid)),
  }
}

/** Tries until it is done: `work` answers undefined when another was faster. */
export async function retry<T>(work: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < MAX_SWAPS; tries += 1) {
    const done = await work()
    if (done !== undefined) return done
  }
  throw new SessionError('ERR_STORE_UNAVAILABLE', { detail: `${MAX_SWAPS} others were faster` })
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new SessionError('ERR_STORE_UNAVAILABLE', { cause })
  }
}
