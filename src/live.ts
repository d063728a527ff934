// Live connections: sockets and streams that outlast their request. Each is tied to its session and ends with it: at once
// when the session is revoked, and when its time is up; not when its token expires or is replaced.

import { SessionError } from './errors.ts'
import type { RevocationList } from './revocation.ts'
import type { SessionEnds, Sessions } from './session/sessions.ts'
import type { Clock, Milliseconds } from './time.ts'
import type { Auth } from './auth.ts'

/** What a connection is tied to. */
export interface LiveSession<Claims extends object = Record<string, unknown>> {
  /** Who is at the other end. */
  readonly auth: Auth<Claims>
  /**
   * Aborted when the session ends. Listeners may still send something, such as a WebSocket close frame; right after them
   * the connection is closed.
   */
  readonly signal: AbortSignal
}

/** The live connections of one kit. */
export interface LiveSessions {
  /**
   * Ties a connection to the session.
   *
   * @param isTicket - whether it came with a ticket, which is used up by now
   * @param close - closes the connection
   * @returns the session and what unties the connection; undefined when the session has ended
   * @throws SessionError with ERR_STORE_UNAVAILABLE
   */
  tie(
    auth: Auth,
    isTicket: boolean,
    close: () => void,
  ): Promise<{ session: LiveSession; untie: () => void } | undefined>
  /** Ends all of them. */
  close(): void
}

interface Connection {
  readonly isRevoked: () => boolean
  readonly end: () => void
}

// setTimeout takes no more; after an outage of the store it is asked again.
const LONGEST_WAIT: Milliseconds = 2 ** 31 - 1
const RETRY: Milliseconds = 5000

/** Makes the live connections of one kit. */
export function createLiveSessions(options: {
  readonly sessions: Pick<Sessions, 'expiryOf'>
  readonly revocations: Pick<RevocationList, 'isListed' | 'watch'>
  readonly clock: Clock
}): LiveSessions {
  const { sessions, revocations, clock } = options
  /** By everything that can be revoked: each ticket that is used up is heard of here, and must cost nothing. */
  const byName = new Map<string, Set<Connection>>()
  const all = new Set<Connection>()
  let isClosed = false

  const unwatch = revocations.watch((kind, name) => {
    for (const one of [...(byName.get(`${kind} ${name}`) ?? [])]) if (one.isRevoked()) one.end()
  })

  function file(connection: Connection, names: readonly string[]): void {
    all.add(connection)
    for (const name of names) byName.set(name, (byName.get(name) ?? new Set()).add(connection))
  }

  function unfile(connection: Connection, names: readonly string[]): void {
    all.delete(connection)
    for (const name of names) {
      const others = byName.get(name)
      others?.delete(connection)
      if (others?.size === 0) byName.delete(name)
    }
  }

  const tie: LiveSessions['tie'] = async (auth, isTicket, close) => {
    const { sid, kid } = auth
    // A ticket's own name is on the list already, since it has been used.
    const token = { ...auth.claims, kid, ...(isTicket && { jti: '' }) }
    const names = [`sid ${sid}`, `sub ${token.sub}`, `jti ${token.jti}`, `kid ${kid}`]
    const controller = new AbortController()
    let timer: NodeJS.Timeout | undefined
    let isTied = false
    let ends: Milliseconds = 0
    const connection: Connection = {
      isRevoked: () => revocations.isListed(token),
      end() {
        untie()
        controller.abort()
        // Until then whoever wants it tied still has to answer it.
        if (isTied) close()
      },
    }

    function untie(): void {
      clearTimeout(timer)
      unfile(connection, names)
    }

    /** Looks again when the session should have ended: a refresh may have moved that. */
    function wait(milliseconds: Milliseconds): void {
      timer = setTimeout(() => void check(), Math.min(Math.max(milliseconds, 0), LONGEST_WAIT))
      timer.unref()
    }

    async function check(): Promise<void> {
      // While the store is down it may go on, but not beyond what was known to be its end.
      const found = await sessions.expiryOf(sid).catch(() => ({ expires: clock() + RETRY, ends }))
      if (!all.has(connection)) return
      if (found === undefined || clock() >= found.ends) return connection.end()
      ends = found.ends
      wait(Math.min(found.expires, found.ends) - clock())
    }

    // First listen, then look: an end in between is heard, and nothing is missed.
    file(connection, names)
    let found: SessionEnds | undefined
    try {
      found = await sessions.expiryOf(sid)
    } catch (error) {
      untie()
      throw error
    }
    if (isClosed) {
      untie()
      throw new SessionError('ERR_STORE_UNAVAILABLE', { detail: 'the kit is closed' })
    }
    if (controller.signal.aborted) return undefined
    if (found === undefined || connection.isRevoked()) {
      untie()
      return undefined
    }
    isTied = true
    ends = found.ends
    wait(found.expires - clock())
    return { session: Object.freeze({ auth, signal: controller.signal }), untie }
  }

  return {
    tie,
    close() {
      isClosed = true
      unwatch()
      for (const one of [...all]) one.end()
    },
  }
}
