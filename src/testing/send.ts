// Requests as fetch takes and answers them, but by node:http: fetch sets Host by itself, and test suites like to put
// something of their own in its place.

import { once } from 'node:events'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Readable } from 'node:stream'

// A Response with one of these may have no body (Fetch section 2.2.3).
const NULL_BODY = new Set([204, 205, 304])

/** Sends a request. A redirect is answered like anything else. */
export async function send(url: URL, init: RequestInit): Promise<Response> {
  const request = new Request(url, init)
  const content = Buffer.from(await request.arrayBuffer())
  const { method, signal } = request
  // Without an agent: a connection that is used again may just be ending.
  const options = { method, signal, headers: Object.fromEntries(request.headers), agent: false }
  const outgoing = url.protocol === 'https:' ? requestHttps(url, options) : requestHttp(url, options)
  outgoing.end(content)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage] // what node documents for 'response'
  // What goes wrong from here on is said to whoever reads the body.
  outgoing.on('error', () => undefined)
  const { statusCode: status = 0, headersDistinct } = incoming
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  )
  if (!NULL_BODY.has(status)) {
    // Taken in whether anybody reads it or not: a connection that waits for a reader would keep the process alive.
    const body = Readable.toWeb(incoming, { strategy: { highWaterMark: Infinity } })
    // The cast holds: node's type of a web stream and the global one are one class.
    return new Response(body as ReadableStream, { status, headers })
  }
  incoming.resume()
  return new Response(null, { status, headers })
}
