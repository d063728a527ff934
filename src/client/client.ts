// The browser half: keeps the token in a closure, replaces it in time, and agrees with the other tabs. The server alone
// decides who is signed in; here is only remembered what it said.

import { toError, isTokenResponse, post, readTokenResponse } from './routes.ts'
import { createFetch } from './fetch.ts'
import { steadyClock, wallClock } from './natives.ts'
import { type ClientOptions, resolveOptions } from './options.ts'
import { createStore, type Held, secondsLeft, type Session } from './session.ts'
import { createTabs } from './tabs.ts'
import { createTurns } from './turns.ts'
import { ClientError } from './errors.ts'

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

const LOOK_EVERY_MS = 60_000
const OTHERS_TURN_MS = 5000
const SHARE = 1 / 4

/**
 * Makes the client of one page.
 *
 * @throws TypeError for a wrong option
 */
export function createClient(options: ClientOptions = {}): Client {
  const settings = resolveOptions(options)
  const { base } = settings
  const name = `koa-holdfast:${base}`
  const store = createStore()
  const tabs = createTabs(name, { in: onIn, out: onOut, hello: onHello, gift: onGift })
  const takeTurn = createTurns(name, tabs)
  const listening = new AbortController()
  /** Counts what makes the answer to an older request worthless. */
  let epoch = 0
  let aborter = new AbortController()
  let flight: Promise<Session> | undefined
  /** Whether the server has yet to be told of a logout. */
  let isEnding = false
  let failures = 0
  /** By the steady clock. */
  let notBefore = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let delivered: Promise<unknown> = Promise.resolve()

  const isClosed = (): boolean => listening.signal.aborted
  const aheadOf = (held: Held): number => Math.min(settings.refreshAhead, held.lifetime * SHARE)
  const isOld = (held: Held): boolean => secondsLeft(held) < aheadOf(held)

  /** Whether something is to be asked of the server, at the next opportunity. */
  function isDue(): boolean {
    const { held, session } = store
    return !isClosed() && (held === undefined ? session.status === 'unknown' : isOld(held))
  }

  const mayAsk = (): boolean => steadyClock() >= notBefore

  /** What was asked before no longer counts. */
  function reset(): void {
    epoch += 1
    flight = undefined
    failures = 0
    notBefore = 0
    aborter.abort()
    aborter = new AbortController()
  }

  /** Runs it while no other tab does the like, and until the others have what it brought. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      void takeTurn(async () => {
        await work().then(resolve, reject)
        await delivered
      })
    })
  }

  async function ask(
    path: string,
    signal?: AbortSignal,
    json?: unknown,
  ): Promise<{ response: Response; held: () => Promise<Held> }> {
    // Before the request, so that its way is on the safe side.
    const times = { wall: wallClock(), steady: steadyClock(), born: wallClock() }
    const response = await post(`${base}/${path}`, signal, json)
    return { response, held: async () => ({ ...(await readTokenResponse(response)), ...times }) }
  }

  function share(held: Held): void {
    delivered = tabs.give(wrap(held))
  }

  function refresh(): Promise<Session> {
    if (flight) return flight
    const { held } = store
    const began = epoch
    const mine = inTurn(() => replace(held, began))
      .then((session) => (began !== epoch && session.status === 'unknown' && !isClosed() ? refresh() : session))
      .finally(() => {
        if (flight === mine) flight = undefined
        look()
      })
    flight = mine
    return mine
  }

  async function replace(old: Held | undefined, began: number): Promise<Session> {
    // The turn was long in coming: another tab may have brought a token, or the session may have ended.
    if (began !== epoch || isEnding || isClosed() || (store.held && store.held !== old)) return store.session
    try {
      const { response, held } = await ask('refresh', aborter.signal)
      if (response.status === 401) {
        if (began === epoch) endHere()
        return store.session
      }
      const fresh = await held()
      if (began !== epoch) return store.session
      failures = 0
      notBefore = steadyClock() + 1000
      store.set(fresh)
      share(fresh)
      return store.session
    } catch (error) {
      if (began !== epoch) return store.session
      backOff(error)
      throw error
    }
  }

  function endHere(): void {
    const { held } = store
    reset()
    store.set(null)
    if (held) tabs.tell('out', { sid: held.sid, told: true })
  }

  function backOff(error: unknown): void {
    const { retryAfter = Math.min(2 ** failures, 60) * (0.5 + Math.random() / 2) } = error as ClientError
    failures += 1
    notBefore = steadyClock() + retryAfter * 1000
  }

  async function login(credentials: Readonly<Record<string, unknown>>): Promise<Session> {
    return inTurn(async () => {
      const { held } = await ask('login', undefined, credentials)
      const fresh = await held()
      reset()
      isEnding = false
      store.set(fresh)
      tabs.tell('in', { sid: fresh.sid })
      share(fresh)
      look()
      return store.session
    })
  }

  async function logout(): Promise<void> {
    reset()
    isEnding = true
    store.set(null)
    tabs.tell('out', { told: false })
    await end()
  }

  /** Tells the server, unless another tab has, or somebody has signed in. */
  function end(): Promise<void> {
    return inTurn(async () => {
      if (!isEnding) return
      const { response } = await ask('logout')
      const error = toError(response)
      if (!response.ok && (error.status >= 500 || error.status === 429)) throw error
      isEnding = false
      tabs.tell('out', { told: true })
      if (!response.ok && error.status !== 401) throw error
    })
      .catch((error: unknown) => {
        if (isEnding) backOff(error)
        throw error
      })
      .finally(look)
  }

  function onIn(sid: string | undefined): void {
    isEnding = false
    if (store.held?.sid === sid) return
    reset()
    store.set(undefined)
    look()
  }

  function onOut(sid: string | undefined, told: boolean): void {
    if (sid !== undefined && sid !== store.held?.sid) return
    isEnding = !told
    if (sid === undefined && told) return
    reset()
    store.set(null)
    notBefore = steadyClock() + OTHERS_TURN_MS
    look()
  }

  function onHello(): { readonly gift: unknown } | { readonly isOut: true } | undefined {
    if (isEnding) return { isOut: true }
    const { held } = store
    return held && !isOld(held) ? { gift: wrap(held) } : undefined
  }

  function onGift(gift: unknown): void {
    if (typeof gift !== 'object' || gift === null || !isTokenResponse(gift)) return
    const { token, sid, lifetime, wall, born } = gift as unknown as Held
    const { held, session } = store
    const isNewer = held?.sid === sid && (born > held.born || held.born > wallClock())
    const fresh = { token, sid, lifetime, wall, born, steady: steadyClock() }
    if (!(isNewer || session.status === 'unknown') || isEnding || !(secondsLeft(fresh) > 0)) return
    store.set(fresh)
    look()
  }

  /** Does what is due, or comes back when it is. */
  function look(): void {
    clearTimeout(timer)
    if (isClosed()) return
    const { held } = store
    const isHidden = globalThis.document?.hidden && held !== undefined
    const due = isEnding || isDue()
    if (due && mayAsk() && !isHidden) {
      void (isEnding ? end() : refresh()).catch(() => {})
      return
    }
    const wait = due ? notBefore - steadyClock() : held ? (secondsLeft(held) - aheadOf(held)) * 1000 : LOOK_EVERY_MS
    timer = setTimeout(look, isHidden ? LOOK_EVERY_MS : Math.min(Math.max(wait, 0), LOOK_EVERY_MS))
  }

  function start(): void {
    tabs.open()
    look()
  }

  function listen(target: EventTarget | undefined, type: string, listener: (event: Event) => void): void {
    target?.addEventListener(type, listener, { signal: listening.signal })
  }

  if (globalThis.location) {
    listen(globalThis, 'online', () => {
      notBefore = 0
      look()
    })
    listen(globalThis.document, 'visibilitychange', look)
    // What is kept to come back to must not show who was signed in when it left.
    listen(globalThis, 'pagehide', (event) => {
      tabs.close()
      if (!(event as PageTransitionEvent).persisted) return
      reset()
      store.set(isEnding ? null : undefined)
    })
    listen(globalThis, 'pageshow', (event) => {
      if ((event as PageTransitionEvent).persisted) start()
      else look()
    })
    start()
  }

  return {
    fetch: createFetch({
      settings,
      store,
      isDue: () => isDue() && mayAsk(),
      renew: () => refresh().catch(() => {}),
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
      reset()
      clearTimeout(timer)
      tabs.close()
      store.set(undefined)
    },
  }
}

/** What another tab needs of it. */
function wrap(held: Held): object {
  const { token, sid, born } = held
  return { token, sid, born, lifetime: secondsLeft(held), wall: wallClock() }
}
