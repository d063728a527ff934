// The thief: an HTTP client of its own, with no cookie jar and no share in the visitor's connection.

import { request } from 'node:http'
import { text } from 'node:stream/consumers'

/** A request of the thief, by the letter. */
export interface Theft {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** Where the thief sends it. */
export interface Target {
  readonly host: string | undefined
  readonly port: number | undefined
}

/** What the server said. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/** Sends a request on a connection of its own. */
export function sendAsThief({ host, port }: Target, { method, path, headers }: Theft): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, method, path, headers, agent: false }, (response) => {
      const { statusCode: status = 0 } = response
      text(response).then((body) => resolve({ status, body }), reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}
