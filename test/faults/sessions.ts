// What must be true of each session, as far as its client can know.

import type { Server } from './fleet.ts'

export interface Session {
  readonly sub: string
  readonly sid: string
  token: string
  cookie: string
  refreshCookie: string
  /** Unknown where an end was asked for and not acknowledged. */
  state: 'live' | 'ended' | 'unknown'
  /** Since when its end must hold, within the bound, */
  acknowledged: number
  /** and where that is later, Infinity for not yet: at servers that may not have heard of it when Redis forgot it. */
  readonly uncertain: Map<Server, number>
  /** Whether its record may be lost, and with it its refreshes: sessions are not written back. Its token still counts. */
  isLost: boolean
  /** One refresh at a time, as with Web Locks: SECURITY.md says what else may happen. */
  isRefreshing: boolean
}

/** An end that was asked for. */
export interface Ending {
  /** It is acknowledged. Answers which sessions were not known to have ended before. */
  acknowledge(): readonly Session[]
  /** There was an answer, or will be none. */
  close(): void
}

/** While Redis has lost what it had been told. */
export interface Loss {
  /** It can be told again. */
  isOver(): void
  /** It has been told again of every revocation. */
  isWrittenBack(): void
}

export interface Sessions {
  readonly all: readonly Session[]
  /** A login that began then has been answered. */
  add(login: Pick<Session, 'sub' | 'sid' | 'token' | 'cookie' | 'refreshCookie'> & { readonly began: number }): Session
  /** An end is asked for: of a session, or of all of a subject. */
  end(which: Session | string): Ending
  /**
   * Redis forgets all. A server that had not heard of a revocation by then cannot know of it before one that had writes
   * it back (docs/operations.md), so until then nothing is said of what that server may not have heard of.
   *
   * @param heard - what was acknowledged by then the server has heard of
   */
  lose(heard: (server: Server) => number): Loss
  /** How many ends there were of which a server may not have heard. */
  readonly doubted: number
}

const now = (): number => performance.now()

/** Since when the end of a session must hold at a server. */
export function endedAt(server: Server, { acknowledged, uncertain }: Session): number {
  return Math.max(acknowledged, uncertain.get(server) ?? 0)
}

/** Makes an empty list. */
export function createSessions(servers: readonly Server[]): Sessions {
  const all: Session[] = []
  /** Of each subject, how many ends of all its sessions are under way, and when the last one was over. */
  const subjects = new Map<string, { underWay: number; last: number }>()
  /** When Redis last forgot, Infinity while it does. */
  let lastLoss = 0
  /** Ends that were lost, until all is written back. */
  let lost: Set<Session> | undefined
  let doubted = 0

  function doubt(session: Session, which: readonly Server[]): void {
    for (const server of which) session.uncertain.set(server, Infinity)
    if (which.length > 0) lost?.add(session)
  }

  function end(which: Session | string): Ending {
    const began = now()
    const sub = typeof which === 'string' ? which : undefined
    const ending = typeof which === 'string' ? all.filter((one) => one.sub === sub) : [which]
    for (const one of ending) if (one.state === 'live') one.state = 'unknown'
    const subject = subjects.get(sub ?? '') ?? { underWay: 0, last: 0 }
    if (sub !== undefined) subjects.set(sub, subject)
    subject.underWay += 1
    return {
      acknowledge() {
        const ended = ending.filter(({ state }) => state !== 'ended')
        for (const one of ending) {
          one.state = 'ended'
          // What was asked for before the loss was over may have been written before it.
          if (began < lastLoss && one.acknowledged === Infinity) doubt(one, lost === undefined ? [] : servers)
          one.acknowledged = Math.min(one.acknowledged, now())
        }
        return ended
      },
      close() {
        subject.underWay -= 1
        subject.last = now()
      },
    }
  }

  return {
    all,
    get doubted() {
      return doubted
    },
    add({ began, ...login }) {
      const { sub } = login
      const { underWay, last } = subjects.get(sub) ?? { underWay: 0, last: 0 }
      const session: Session = {
        ...login,
        // What is ended of its subject meanwhile may or may not include this one.
        state: underWay > 0 || last > began ? 'unknown' : 'live',
        acknowledged: Infinity,
        uncertain: new Map(),
        isLost: lastLoss > began,
        isRefreshing: false,
      }
      all.push(session)
      return session
    },
    end,
    lose(heard) {
      lastLoss = Infinity
      lost = new Set()
      for (const one of all) {
        one.isLost = true
        const unaware = servers.filter((server) => endedAt(server, one) > heard(server))
        if (one.state === 'ended') doubt(one, unaware)
      }
      return {
        isOver() {
          lastLoss = now()
        },
        isWrittenBack() {
          for (const { uncertain } of lost ?? []) {
            for (const [server, time] of uncertain) if (time === Infinity) uncertain.set(server, now())
          }
          doubted += lost?.size ?? 0
          lost = undefined
        },
      }
    },
  }
}
