// The browser half: keeps the token in a closure, replaces it in time, and agrees with the other tabs. The server alone
// decides who is signed in; here is only remembered what it said.

import { owed } from './debt.ts'
import type { ClientError } from './errors.ts'
import { createFetch } from './fetch.ts'
import { LINGER_MS, LOOK_EVERY_MS, MAX_BACKOFF, OTHERS_TURN_MS, PULL_MS } from './limits.ts'
import { steadyClock, wallClock } from './natives.ts'
import { type ClientOptions, resolveOptions } from './options.ts'
import { isHeld, post } from './routes.ts'
import { createStore, type Held, secondsLeft, type Session, type Store } from './session.ts'
import { createTabs, type Message } from './tabs.ts'
import { pause, takeTurn } from './turns.ts'

/** A session in the browser. */
export interface Client {
  /**
   * `fetch` with the token: the same parameters, answers and errors. Only the origins of the options get it. Waits for the
   * session where it is not yet known, and tries once more with a new token where the server says that it was the token.
   */
  readonly fetch: typeof globalThis.fetch
  /**
   * Signs in. What is passed goes to the login route as JSON.
   *
   * @throws ClientError
   */
  login(credentials: Readonly<Record<string, unknown>>): Promise<Session>
  /**
   * Signs out, here and in the other tabs at once, whatever the server says.
   *
   * @throws ClientError where the server has not been told. It is told as soon as it can be.
   */
  logout(): Promise<void>
  /**
   * Replaces the token now, once for all tabs that ask. Answers the session, which may be signed out.
   *
   * @throws ClientError where the server could not answer; the session stays as it was
   */
  refresh(): Promise<Session>
  /** What is known now: the same object until it changes. */
  readonly session: Session
  /** Settles with the first answer after the page has loaded. */
  readonly ready: Promise<Session>
  /** Calls the listener at each change; answers what ends that. */
  onChange(listener: (session: Session) => void): () => void
  /** Forgets the token and stops; the session goes on. */
  close(): void
}

/**
 * Makes the client of one page.
 *
 * @throws TypeError for a wrong option
 */
export function createClient(options: ClientOptions = {}): Client {
  const { base, origins, refreshAhead } = resolveOptions(options)
  const name = `koa-holdfast:${base}`
  const store = createStore()
  const tabs = createTabs(name, { want: onWant, gift: onGift, in: onIn, out: onOut, told: settle, end: onEnd })
  const listening = new AbortController()
  /** Whether there is a page, and it is not put aside. */
  let isActive = false
  let flight: Promise<Session> | undefined
  /** Whether the server has yet to be told of a logout. */
  let isEnding = false
  let failures = 0
  /** By the steady clock. */
  let notBefore = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Whether another tab has a newer token. */
  let isBehind = false
  let wake: (() => void) | undefined

  const untilDue = (held: Held): number => secondsLeft(held) - Math.min(refreshAhead, held.lifetime / 4)

  /** Whether there is something to ask the server for, and it may be asked now. */
  const isDue = (): boolean =>
    isActive &&
    steadyClock() >= notBefore &&
    (store.held ? untilDue(store.held) < 0 : isEnding || store.held === undefined)

  /** From now on this is so, and the answer to what was asked before does not count any more. */
  function reset(held: Store['held']): void {
    flight = undefined
    failures = notBefore = 0
    isBehind = false
    store.set(held)
    wake?.()
  }

  /** What the server has handed out here. */
  function enter(held: Held): void {
    settle()
    reset(held)
    tabs.tell('in', held.sid)
  }

  /** Nobody is signed in from now on, whatever the server says. */
  function leave(): void {
    isEnding = true
    reset(null)
  }

  /** The server need not be told any more. */
  function settle(): void {
    isEnding = false
    owed(name, null)
  }

  /** Does it while no other tab does the like. */
  function inTurn<T>(work: (isLate: boolean) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      void takeTurn(name, async (isLate) => {
        await work(isLate).then(resolve, reject)
        if (store.held) await pause(LINGER_MS)
      })
    })
  }

  /** Settles when another tab has handed over a token, or none does. */
  function pull(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve
      setTimeout(resolve, PULL_MS)
      tabs.tell('want')
    })
  }

  /** The next attempt comes later each time. */
  function fail(error: ClientError): never {
    const { retryAfter = Math.min(2 ** failures, MAX_BACKOFF) * (1 - Math.random() / 2) } = error
    failures += 1
    notBefore = steadyClock() + retryAfter * 1000
    throw error
  }

  /** The session of the cookies, with a new token; null where there is none. */
  async function ask(): Promise<Held | null> {
    const { held, error } = await post(`${base}/refresh`)
    return held ?? (error.status === 401 ? null : fail(error))
  }

  function refresh(): Promise<Session> {
    if (flight) return flight
    const old = store.held
    const mine: Promise<Session> = inTurn(async (isLate) => {
      if ((isLate || isBehind) && tabs.hasOthers && flight === mine) await pull()
      // The turn was long in coming: another tab may have brought a token, or the session may have ended.
      if (flight !== mine || isEnding || !isActive) return
      const held = await ask()
      if (flight !== mine) return
      if (held) enter(held)
      else {
        reset(null)
        if (old) tabs.tell('end', old.sid)
      }
    })
      .then(() => (isActive && store.held === undefined ? refresh() : store.session))
      .finally(() => {
        if (flight === mine) flight = undefined
        look()
      })
    flight = mine
    return mine
  }

  function login(credentials: Readonly<Record<string, unknown>>): Promise<Session> {
    return inTurn(async () => {
      const wasEnding = isEnding
      const { held, error } = await post(`${base}/login`, credentials)
      if (!held) throw error
      // Who has logged out meanwhile did so later.
      if (wasEnding || !isEnding) enter(held)
      look()
      return store.session
    })
  }

  function logout(): Promise<void> {
    // The page may be left before the server has been told.
    owed(name, store.held?.sid ?? '')
    leave()
    tabs.tell('out')
    return end()
  }

  /**
   * Tells the server, unless another tab has, or somebody has signed in.
   *
   * @param sid - the only session that is to end: later another one may be there, from a login of which nobody here knows
   */
  function end(sid?: string): Promise<void> {
    return inTurn(async () => {
      if (!isEnding) return
      const held = sid && (await ask())
      if (held && held.sid !== sid) return enter(held)
      const { error } = await post(`${base}/logout`)
      // Done, or nothing there that could be ended.
      if (error.status !== 204 && error.status !== 401) fail(error)
      settle()
      tabs.tell('told')
    }).finally(look)
  }

  function onIn({ sid }: Message): void {
    // A refresh that was under way when somebody logged out.
    if (sid && sid === owed(name)) return
    settle()
    if (store.held?.sid !== sid) reset(undefined)
    isBehind = true
    tabs.tell('want')
    look()
  }

  function onOut(): void {
    leave()
    notBefore = steadyClock() + OTHERS_TURN_MS
    look()
  }

  function onEnd({ sid }: Message): void {
    if (sid && store.held?.sid === sid) reset(null)
  }

  function onWant({ from }: Message): void {
    const { held } = store
    if (isEnding) tabs.tell('out', undefined, from)
    else if (held && untilDue(held) > 0) void tabs.hand(held, from)
  }

  function onGift(gift: unknown): void {
    if (!isHeld(gift)) return
    const { held } = store
    // A clock that was set back since makes everything later look older.
    const isNewer = held?.sid === gift.sid && (gift.wall > held.wall || held.wall > wallClock())
    const fresh = { ...gift, steady: steadyClock(), isGift: true }
    if ((isNewer || held === undefined) && secondsLeft(fresh) > 0) reset(fresh)
    look()
  }

  /** Does what is due, or comes back when it is. */
  function look(): void {
    clearTimeout(timer)
    const { held } = store
    // A page that nobody looks at keeps no session alive; what it asks for by itself does.
    if (!isActive || (held && globalThis.document?.hidden)) return
    if (isDue()) void (isEnding ? end(owed(name)) : refresh()).catch(() => {})
    else if (isEnding || held !== null) {
      const wait = Math.max(notBefore - steadyClock(), held ? untilDue(held) * 1000 : 0)
      // Timers are cut to milliseconds, and then it would not be due yet.
      timer = setTimeout(look, Math.min(wait + 1, LOOK_EVERY_MS))
    }
  }

  function start(): void {
    isActive = true
    isEnding = owed(name) !== undefined
    store.set(isEnding ? null : undefined)
    void tabs.open()
    look()
  }

  function stop(): void {
    isActive = false
    tabs.close()
    // A page that comes back must not show who was signed in when it left.
    reset(undefined)
  }

  function listen(type: string, listener: () => void): void {
    globalThis.addEventListener(type, listener, { signal: listening.signal })
  }

  // Nothing to keep where there is no page, as on a server that renders one.
  if (globalThis.location) {
    listen('online', () => {
      notBefore = 0
      look()
    })
    // It bubbles up from the document.
    listen('visibilitychange', look)
    // A page may be kept to come back to.
    listen('pagehide', stop)
    listen('pageshow', () => {
      if (!isActive) start()
    })
    start()
  }

  return {
    fetch: createFetch({
      origins,
      store,
      isDue: () => !isEnding && isDue(),
      async renew() {
        if (steadyClock() >= notBefore) await refresh().catch(() => {})
      },
    }),
    login,
    logout,
    refresh,
    get session() {
      return store.session
    },
    ready: store.ready,
    onChange: store.onChange,
    close() {
      listening.abort()
      stop()
    },
  }
}
