// A visitor of the demo's lab who is no browser: both cookies in a jar of its own, and the lab's routes as calls.

import { request } from 'node:http'

import type { Entry } from '../../examples/demo/event-log.ts'
import { payloadOf } from './decode.ts'
import type { Example } from './example.ts'
import type { Owner, Response } from './http.ts'

export const SAME_SITE = { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'same-origin' }

export interface Exchange {
  readonly to: string
  readonly request: readonly string[]
  readonly forged?: Record<string, unknown>
  readonly status: number
  readonly body: string
}

export interface Attacked {
  readonly exchanges: readonly Exchange[]
  readonly events: readonly Entry[]
}

export interface Visitor {
  readonly sid: string
  readonly token: string
  /** `name=value` of both, as below /auth. */
  readonly cookies: string
  /** A request with the token and the cookies. */
  ask(method: string, path: string, json?: unknown): Promise<Response>
  /** Lets a request leak. Answers its name. */
  leak(): Promise<string>
  /** Lets the thief go on from there. */
  attack(name: string, loot: string): Promise<Attacked>
  refresh(): Promise<Response>
  listen(owner: Owner, after?: number): Promise<Listener>
}

export interface Listener {
  readonly status: number
  readonly entries: readonly Entry[]
  /** Everything that came. */
  readonly text: () => string
  /** The first entry of this name, as soon as it is there. */
  entry(name: string): Promise<Entry>
  /** Resolves when the server has closed it. */
  readonly closed: Promise<unknown>
  leave(): void
}

/** Signs in. */
export async function visit(demo: Example, user: 'alice' | 'bob'): Promise<Visitor> {
  const { token, response } = await demo.login(user, user === 'alice' ? 'wonderland' : 'builder')
  let cookies = cookiesOf(response)

  const ask: Visitor['ask'] = (method, path, json = {}) => {
    const headers = { ...SAME_SITE, Authorization: `Bearer ${token}`, Cookie: cookies }
    return demo.request(method, path, headers, method === 'GET' ? undefined : JSON.stringify(json))
  }

  return {
    sid: String(payloadOf(token)['sid']),
    token,
    get cookies() {
      return cookies
    },
    ask,
    leak: async () => String((await ask('POST', '/auth/lab/leak')).json['loot']),
    async attack(name, loot) {
      const { json } = await demo.request('POST', `/lab/attacks/${name}`, SAME_SITE, JSON.stringify({ loot }))
      return json as unknown as Attacked
    },
    async refresh() {
      const answer = await demo.request('POST', '/auth/refresh', { ...SAME_SITE, Cookie: cookies })
      if (answer.status === 200) cookies = cookiesOf(answer)
      return answer
    },
    async listen(owner, after) {
      const { ticket } = (await ask('POST', '/lab/ticket')).json
      const since = after === undefined ? '' : `&after=${after}`
      return listenTo(owner, `${demo.url}/lab/events?ticket=${String(ticket)}${since}`, cookies)
    },
  }
}

function cookiesOf({ cookies }: Response): string {
  return cookies.map((line) => line.split(';')[0]).join('; ')
}

function listenTo(owner: Owner, url: string, cookie: string): Promise<Listener> {
  const { port, pathname, search } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path: pathname + search, headers: { Cookie: cookie } })
    owner.teardown(() => sent.destroy())
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      const entries: Entry[] = []
      const waiting = new Set<() => void>()
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        const whole = text.slice(0, text.lastIndexOf('\n\n'))
        const found = [...whole.matchAll(/^id: \d+\ndata: (.*)$/gm)].map(([, data = '']) => JSON.parse(data) as Entry)
        entries.push(...found.slice(entries.length))
        for (const look of waiting) look()
      })
      response.on('error', () => {})
      const closed = new Promise((end) => response.once('close', end))
      resolve({
        status: response.statusCode ?? 0,
        entries,
        text: () => text,
        closed,
        leave: () => sent.destroy(),
        entry: (name) =>
          new Promise((found, fail) => {
            const look = (): void => {
              const entry = entries.find((one) => one.name === name)
              if (entry !== undefined) found(entry)
            }
            waiting.add(look)
            look()
            void closed.then(() => fail(new Error(`no ${name} came:\n${text}`)))
          }),
      })
    })
    sent.end()
  })
}
