// One browser: a cookie jar that several tabs share, and requests that take their time on the way there and back. Its
// tabs are honest: they refresh when their token has expired. What the protocol does not promise, it does not do: a
// refresh overtakes no second rotation, and is answered within the grace.

import { ISSUER, type Login, type Response, type TestApp } from './app.ts'
import { payloadOf } from './decode.ts'
import { type CookieJar, createCookieJar } from '../../src/testing/cookie-jar.ts'

const GRACE = 10_000

export interface IssuedToken {
  readonly text: string
  /** A NumericDate. */
  readonly exp: number
}

export interface Tab {
  token?: IssuedToken
}

/** A request under way. */
export interface Flight {
  readonly kind: 'use' | 'refresh'
  readonly tab: Tab
  /** Of the refresh token in the jar when it was sent. */
  readonly generation: number
  /** When the token it carries expires; for a refresh Infinity. */
  readonly exp: number
  readonly send: () => Promise<Response>
  /** The response, once the server has answered; the browser has yet to get it. */
  answer?: Response
}

export interface Browser {
  readonly jar: CookieJar
  readonly tabs: readonly Tab[]
  readonly flights: readonly Flight[]
  /** Every access token that was ever issued to it. */
  readonly issued: readonly IssuedToken[]
  /** The Cookie header of a refresh, by the generation of the refresh token in it: what could be copied. */
  readonly pairs: ReadonlyMap<number, string>
  /** The generation of the refresh token in the jar. */
  generation(): number
  /** The Cookie header for a path now. */
  cookies(path: string): string
  isLive(token: IssuedToken): boolean
  /** Sends off `GET /me` or a refresh, with the token and the cookies of now. */
  start(kind: Flight['kind'], tab: Tab): Promise<Flight>
  /** One step on: the server answers, or the browser gets the answer. */
  move(flight: Flight): Promise<void>
  finish(flight: Flight): Promise<void>
  /** Finishes the flights that are so, the oldest first. */
  settle(isWanted?: (flight: Flight) => boolean): Promise<void>
  /** The connection breaks: whatever the server does with it, nobody hears of it. */
  lose(flight: Flight): void
  /** Moves the clock on, after what must not wait that long. */
  advance(seconds: number): Promise<void>
}

/** Opens a browser whose first tab has just logged in; the others have no token yet. */
export function openBrowser(app: TestApp, login: Login, tabCount: number): Browser {
  const { clock } = app
  const jar = createCookieJar({ clock })
  const tabs: Tab[] = Array.from({ length: tabCount }, () => ({}))
  const flights: Flight[] = []
  const issued: IssuedToken[] = []
  const pairs = new Map<number, string>()
  const rotated = new Map<number, number>()

  const cookies = (path: string): string => jar.header(ISSUER + path) ?? ''
  const generation = (): number => Number(/__Secure-Refresh=[\w-]+\.(\d+)\./.exec(cookies('/auth/refresh'))?.[1])
  const isLive = ({ exp }: IssuedToken): boolean => clock() < exp * 1000

  function take(tab: Tab, response: Response): void {
    jar.receive(`${ISSUER}/auth/refresh`, response.cookies)
    tab.token = tokenOf(response)
    pairs.set(generation(), cookies('/auth/refresh'))
  }

  async function start(kind: Flight['kind'], tab: Tab): Promise<Flight> {
    const flight = kind === 'refresh' ? await startRefresh(tab) : await startUse(tab)
    flights.push(flight)
    return flight
  }

  async function startRefresh(tab: Tab): Promise<Flight> {
    const now = generation()
    // It may make the second rotation after those.
    await settle((flight) => flight.kind === 'refresh' && flight.generation < now)
    const headers = { Cookie: cookies('/auth/refresh'), 'Sec-Fetch-Site': 'same-origin' }
    const send = (): Promise<Response> => app.request('POST', '/auth/refresh', headers)
    return { kind: 'refresh', tab, generation: now, exp: Infinity, send }
  }

  async function startUse(tab: Tab): Promise<Flight> {
    if (tab.token === undefined || !isLive(tab.token)) await finish(await start('refresh', tab))
    const { text = '', exp = 0 } = tab.token ?? {}
    const cookie = cookies('/me')
    return { kind: 'use', tab, generation: generation(), exp, send: () => app.me(text, cookie) }
  }

  async function move(flight: Flight): Promise<void> {
    if (flight.answer === undefined) {
      const answer = await flight.send()
      if (answer.status !== 200) throw new Error(`an honest ${flight.kind} was answered ${answer.status}`)
      flight.answer = answer
      if (flight.kind === 'refresh') {
        issued.push(tokenOf(answer))
        if (!rotated.has(flight.generation)) rotated.set(flight.generation, clock())
      }
      return
    }
    if (flight.kind === 'refresh') take(flight.tab, flight.answer)
    lose(flight)
  }

  async function finish(flight: Flight): Promise<void> {
    while (flights.includes(flight)) await move(flight)
  }

  async function settle(isWanted: (flight: Flight) => boolean = () => true): Promise<void> {
    for (const flight of flights.filter(isWanted)) await finish(flight)
  }

  function lose(flight: Flight): void {
    flights.splice(flights.indexOf(flight), 1)
  }

  async function advance(seconds: number): Promise<void> {
    const then = clock() + seconds * 1000
    const isTooLate = (replaced: number): boolean => then - (rotated.get(replaced) ?? Infinity) >= GRACE
    await settle(({ kind, exp, generation: sent }) => (kind === 'use' ? exp * 1000 <= then : isTooLate(sent)))
    // The answers are lost, so it asks again.
    const [tab] = tabs
    if (tab !== undefined && isTooLate(generation())) await finish(await start('refresh', tab))
    clock.advance(seconds)
  }

  const [first] = tabs
  if (first !== undefined) take(first, login.response)
  issued.push(tokenOf(login.response))
  return {
    ...{ jar, tabs, flights, issued, pairs, generation, cookies, isLive },
    ...{ start, move, finish, settle, lose, advance },
  }
}

function tokenOf(response: Response): IssuedToken {
  const text = response.json['access_token'] as string
  return { text, exp: payloadOf(text)['exp'] as number }
}
