// What a session's life must be, in as few words as possible: no secrets, no store, no HTTP. Times are milliseconds.

const TOKEN = 900_000
const GRACE = 10_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export type Sub = 'alice' | 'bob'

/** Why a request is refused. `'gone'`: the session has expired or was ended. */
export type Fault =
  'ERR_TOKEN_EXPIRED' | 'ERR_TOKEN_REVOKED' | 'ERR_REFRESH_REUSED_RECENT' | 'ERR_REFRESH_REUSED_STALE' | 'gone'

export interface ModelSession {
  readonly sub: Sub
  /** How long it lives without a refresh. */
  readonly idle: number
  readonly absolute: number
  /** When it ends, whatever happens. */
  readonly ends: number
  /** When it ends without a refresh. */
  idleEnds: number
  /** False once somebody ended it. */
  isAlive: boolean
  /** When the generation before was replaced: by the clock, and by the latest time that there had been. */
  replaced: { readonly now: number; readonly latest: number }
  /** When the access tokens of each generation expire; the last is the current one. */
  readonly expiries: number[]
}

/** What `renew` changes. */
export interface Change {
  readonly isAuthenticated?: boolean
  readonly endOthers?: boolean
}

/** The whole model. A session is called by its place in `sessions`. */
export interface LifeModel {
  readonly sessions: readonly ModelSession[]
  at(index: number): ModelSession
  /** How far the clock is behind the latest that it ever showed. */
  behind(): number
  /** Moves the clock, on or back. */
  move(seconds: number): void
  login(sub: Sub, isRemembered: boolean): void
  /** A request with an access token of this generation and its fingerprint. */
  use(index: number, generation: number): Fault | undefined
  /** A refresh with the token of this generation and its fingerprint. */
  refresh(index: number, generation: number): Fault | undefined
  /** A new session in the place of this one. */
  renew(index: number, change: Change): void
  end(index: number): void
  endAll(sub: Sub, but?: number): void
  lives(index: number): boolean
}

/** A model without sessions. */
export function createLifeModel(start: number): LifeModel {
  const sessions: ModelSession[] = []
  let now = start
  // What is over by the latest time that there was, is over.
  let latest = start

  function at(index: number): ModelSession {
    const session = sessions[index]
    if (session === undefined) throw new Error(`there is no session ${index}`)
    return session
  }

  function begin(base: Pick<ModelSession, 'sub' | 'idle' | 'absolute' | 'ends'>): void {
    const session = { ...base, idleEnds: 0, isAlive: true, replaced: { now: 0, latest: 0 }, expiries: [] }
    issue(session)
    sessions.push(session)
  }

  /** The next generation. Tokens expire at whole seconds. */
  function issue(session: ModelSession): void {
    session.idleEnds = now + session.idle
    const expires = Math.min(now + TOKEN, session.idleEnds, session.ends)
    session.expiries.push(Math.floor(expires / 1000) * 1000)
  }

  function lives(index: number): boolean {
    const { isAlive, idleEnds, ends } = at(index)
    return isAlive && latest < Math.min(idleEnds, ends)
  }

  function end(index: number): void {
    at(index).isAlive = false
  }

  function endAll(sub: Sub, but?: number): void {
    for (const index of sessions.keys()) if (at(index).sub === sub && index !== but) end(index)
  }

  return {
    ...{ sessions, at, lives, end, endAll },
    behind: () => latest - now,
    move(seconds) {
      now += seconds * 1000
      latest = Math.max(latest, now)
    },
    login(sub, isRemembered) {
      const [idle, absolute] = isRemembered ? [7 * DAY, 30 * DAY] : [30 * MINUTE, 8 * HOUR]
      begin({ sub, idle, absolute, ends: now + absolute })
    },
    use(index, generation) {
      const { isAlive, expiries } = at(index)
      if (latest >= (expiries[generation] ?? 0)) return 'ERR_TOKEN_EXPIRED'
      return isAlive ? undefined : 'ERR_TOKEN_REVOKED'
    },
    refresh(index, generation) {
      const session = at(index)
      const current = session.expiries.length - 1
      if (!lives(index)) return 'gone'
      if (generation === current) {
        issue(session)
        session.replaced = { now, latest }
        return undefined
      }
      // Within the grace it is given what the first one was.
      const { replaced } = session
      const isRecent = now - replaced.now < GRACE && latest - replaced.latest < GRACE
      if (generation === current - 1 && isRecent) return undefined
      end(index)
      return generation === current - 1 ? 'ERR_REFRESH_REUSED_RECENT' : 'ERR_REFRESH_REUSED_STALE'
    },
    renew(index, { isAuthenticated = false, endOthers = false }) {
      const { sub, idle, absolute, ends } = at(index)
      end(index)
      if (endOthers) endAll(sub)
      begin({ sub, idle, absolute, ends: isAuthenticated ? now + absolute : ends })
    },
  }
}
