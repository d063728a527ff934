// One HTTP request, sent exactly as it is told and read to its end, and servers that end with their test.

import { once } from 'node:events'
import { type Agent, createServer, request as httpRequest, Server as HttpServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'

import type { Handler } from '../../src/testing/loopback.ts'

export type { Handler }

export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Each Set-Cookie line. */
  readonly cookies: readonly string[]
  readonly text: string
  /** The body, parsed. */
  readonly json: Record<string, unknown>
}

/** Headers as pairs go out exactly as given, duplicates and all. */
export type RequestHeaders = Readonly<Record<string, string | string[]>> | readonly (readonly [string, string])[]

/** Sends a request to a port of this machine. `defaults` are the headers that go out where none of the name is given. */
export function send(
  to: { readonly port: number; readonly agent?: Agent; readonly defaults: Readonly<Record<string, string>> },
  method: string,
  path: string,
  headers: RequestHeaders = {},
  body?: string | Buffer,
): Promise<Response> {
  const given = toPairs(headers)
  const names = new Set(given.map(([name]) => name.toLowerCase()))
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
  const missing = toPairs({ ...to.defaults, ...length }).filter(([name]) => !names.has(name.toLowerCase()))
  const options = {
    host: '127.0.0.1',
    port: to.port,
    method,
    path,
    // Pairs keep duplicates apart, which a record cannot.
    headers: [...given, ...missing].flat(),
    agent: to.agent ?? false,
    setHost: false,
  }
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(options, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          cookies: incoming.headers['set-cookie'] ?? [],
          text,
          get json() {
            return JSON.parse(text) as Record<string, unknown>
          },
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function toPairs(headers: RequestHeaders): (readonly [string, string])[] {
  // The casts are what Array.isArray does not tell of readonly arrays.
  if (Array.isArray(headers)) return headers as [string, string][]
  return Object.entries(headers as Readonly<Record<string, string | string[]>>).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, one] as const),
  )
}

/** Whoever starts something says when it is to end: ava's `t`, or a stand-in for hooks, which have no teardown. */
export interface Owner {
  teardown(end: () => unknown): void
}

/** Lets a server, or one made of a handler, listen on a free port of this machine until its owner ends. */
export async function listen(owner: Owner, what: Server | Handler): Promise<number> {
  const server = typeof what === 'function' ? createServer((...pair) => void what(...pair)) : what
  owner.teardown(() => {
    if (server instanceof HttpServer) server.closeAllConnections()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return portOf(server)
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port // the cast holds: it listens on a port
}
