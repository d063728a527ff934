// What the kit reports, kept for a while, for those whom it concerns and for whoever of them is listening.

import { randomUUID } from 'node:crypto'

import type { EventBase, EventName, SessionEventSource, SessionInfo } from 'koa-holdfast'

/** An event as its user may see it: names and codes, nothing that opens anything. */
export interface Entry {
  /** Ascending, across restarts as well. */
  readonly id: number
  readonly name: EventName
  /** In milliseconds since the epoch. */
  readonly time: number
  readonly sid: string | undefined
  readonly code: string | undefined
  readonly reason: string | undefined
  readonly generation: number | undefined
  /** Method and path of the request that caused it. */
  readonly request: string | undefined
  /** Whose request that was. */
  readonly by: 'browser' | 'thief'
}

/** Tells whose the requests of an attack are. */
export interface Trace {
  /** What the attack's requests say in `User-Agent`. Nobody else knows it. */
  readonly mark: string
  stop(): void
}

/** The events of all users, each of whom sees their own. */
export interface EventLog {
  /** Keeps what this kit reports from now on. */
  follow(events: SessionEventSource): void
  /** The id of the last entry. */
  readonly lastId: number
  /** What is kept of the session, and nothing of other ones of its user. */
  ofSession(owner: SessionInfo, after?: number): readonly Entry[]
  /** What is kept of the user, whichever session it was in. */
  ofUser(owner: SessionInfo, after: number): readonly Entry[]
  /** Calls `listener` with what concerns the user from now on. Answers what ends that. */
  subscribe(sub: string, listener: (entry: Entry) => void): () => void
  /** A forged token names nobody, so what it causes would be nobody's: this makes it the user's whose attack it is. */
  trace(owner: SessionInfo): Trace
}

const FOLLOWED = [
  ...['session_created', 'session_renewed', 'session_expired', 'session_use_after_expire'],
  ...['sidejack', 'authn_token_reuse', 'token_rejected'],
] as readonly EventName[]
const MOST = 500

type Reported = EventBase &
  Partial<SessionInfo & { readonly code: string; readonly reason: string; readonly generation: number }>

/** Makes an empty log. */
export function createEventLog(): EventLog {
  const kept: { readonly sub: string; readonly entry: Entry }[] = []
  const listeners = new Set<(sub: string, entry: Entry) => void>()
  const traced = new Map<string, SessionInfo>()
  let lastId = Date.now()

  function record(name: EventName, event: Reported): void {
    const { time, code, reason, generation, request } = event
    const attacked = traced.get(request?.userAgent ?? '')
    const owner = event.sub === undefined ? attacked : event
    if (owner?.sub === undefined) return
    const entry: Entry = {
      ...{ id: (lastId += 1), name, time, sid: owner.sid, code, reason, generation },
      request: request && `${request.method} ${request.path}`,
      by: attacked === undefined ? 'browser' : 'thief',
    }
    kept.push({ sub: owner.sub, entry })
    if (kept.length > MOST) kept.shift()
    for (const listener of listeners) listener(owner.sub, entry)
  }

  const select = (isWanted: (sub: string, entry: Entry) => boolean): Entry[] =>
    kept.filter(({ sub, entry }) => isWanted(sub, entry)).map(({ entry }) => entry)

  return {
    get lastId() {
      return lastId
    },
    follow(events) {
      for (const name of FOLLOWED) events.on(name, (event) => record(name, event))
    },
    ofSession: ({ sub, sid }, after = 0) => select((of, entry) => of === sub && entry.sid === sid && entry.id > after),
    ofUser: ({ sub }, after) => select((of, entry) => of === sub && entry.id > after),
    subscribe(sub, listener) {
      const own = (of: string, entry: Entry): void => {
        if (of === sub) listener(entry)
      }
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    trace(owner) {
      const mark = `lab-thief/${randomUUID()}`
      traced.set(mark, owner)
      return { mark, stop: () => void traced.delete(mark) }
    },
  }
}
