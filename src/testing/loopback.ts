// An HTTP server on a free port of this machine.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What answers requests: a Koa app's `callback()`, for one. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

/** A server that listens. */
export interface Loopback {
  readonly port: number
  /** Ends every connection, those that hang among them. */
  close(): Promise<void>
}

/** Lets this answer requests on 127.0.0.1. A server that nobody closes does not keep the process alive. */
export async function listenOnLoopback(answer: Handler): Promise<Loopback> {
  const server = createServer((...pair) => void answer(...pair)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return {
    port: (server.address() as AddressInfo).port, // the cast holds: it listens on a port
    async close() {
      server.closeAllConnections()
      if (server.listening) await once(server.close(), 'close')
    },
  }
}
