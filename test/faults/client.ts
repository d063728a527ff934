// How the campaign asks: requests by way of a load balancer, each noted in the history.

import { Agent } from 'node:http'

import { type Response, send } from '../helpers/http.ts'
import type { Fleet, Server } from './fleet.ts'
import type { History } from './history.ts'
import { pick, type Random } from './random.ts'

export interface Client {
  /**
   * Sends a request; answers undefined when no answer came.
   *
   * @param about - the session, or what else it is filed under
   * @param options.server - the one to ask, if it matters
   * @throws Error for an answer that nobody may get here
   */
  request(
    about: string,
    what: `${'GET' | 'POST'} ${string}`,
    options: {
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: object
      readonly server?: Server | undefined
    },
  ): Promise<Response | undefined>
  /** A load balancer's choice: nothing goes to a server that is down, and little to one that hangs. */
  choose(except?: Server): Server | undefined
  readonly tally: {
    readonly requests: number
    /** Answered 503: the server could not vouch for anything else. */
    readonly unavailable: number
    /** Not answered. */
    readonly lost: number
  }
  close(): void
}

const HEADERS = { Host: 'app.example', 'X-Forwarded-Proto': 'https', 'Content-Type': 'application/json' }
const ANSWERS: ReadonlySet<number> = new Set([200, 204, 401, 503])

/** Makes the client of a fleet. */
export function createClient({
  fleet,
  random,
  history,
}: {
  readonly fleet: Fleet
  readonly random: Random
  readonly history: History
}): Client {
  const agent = new Agent({ keepAlive: true })
  const tally = { requests: 0, unavailable: 0, lost: 0 }

  function choose(except?: Server): Server | undefined {
    const up = fleet.servers.filter((one) => one !== except && one.isUp && (!one.isPaused || random() < 0.1))
    return pick(random, up)
  }

  return {
    tally,
    choose,
    async request(about, what, { headers = {}, body, server = choose() }) {
      if (server === undefined) return undefined
      tally.requests += 1
      const number = `#${tally.requests}`
      const [method = '', path = ''] = what.split(' ')
      const to = { port: server.port, agent, defaults: { ...HEADERS, 'User-Agent': `${about} ${number}` } }
      history.note(about, `client: ${number} ${what} to ${server.name}`)
      const answer = await send(to, method, path, headers, body && JSON.stringify(body)).catch(() => undefined)
      history.note(about, `client: ${number} answered ${answer?.status ?? 'nothing'}`)
      if (answer === undefined) tally.lost += 1
      else if (answer.status === 503) tally.unavailable += 1
      else if (!ANSWERS.has(answer.status)) {
        throw new Error(`${what} was answered ${answer.status}\n${history.tell(about)}`)
      }
      return answer
    },
    close: () => agent.destroy(),
  }
}

/** What an answer to a login or a refresh hands over. */
export function tokensOf({ json, cookies }: Response): {
  readonly token: string
  readonly cookie: string
  readonly refreshCookie: string
} {
  const [cookie = '', refreshCookie = ''] = cookies.map((line) => line.split(';')[0] ?? '')
  return { token: String(json['access_token']), cookie, refreshCookie }
}

/** The headers of a request with an access token. */
export function bearer({ token, cookie }: { readonly token: string; readonly cookie: string }): Record<string, string> {
  return { Authorization: `Bearer ${token}`, Cookie: cookie }
}
