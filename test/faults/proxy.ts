// A link that can be cut, held and slowed: a TCP proxy between a server and its Redis.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

import { portOf } from '../helpers/http.ts'

export interface Link {
  readonly port: number
  /** Cuts every connection, and refuses new ones until it is mended. */
  cut(): void
  /** Delivers nothing, and loses nothing, until it is mended. */
  hold(): void
  /** Delivers everything so many milliseconds late. */
  slow(milliseconds: number): void
  mend(): void
  close(): void
}

export async function createLink(target: number): Promise<Link> {
  const sockets = new Set<Socket>()
  let state: 'whole' | 'cut' | 'held' = 'whole'
  let delay = 0

  const server: Server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      let last = 0
      from.on('data', (chunk) => {
        // Never before what came before it, also when the link has just become fast again.
        last = Math.max(performance.now() + delay, last)
        const wait = last - performance.now()
        if (wait <= 0) to.write(chunk)
        else setTimeout(() => to.writable && to.write(chunk), wait)
      })
      if (state === 'held') from.pause()
    }
    if (state === 'cut') near.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: portOf(server),
    cut() {
      state = 'cut'
      for (const socket of sockets) socket.destroy()
    },
    hold() {
      state = 'held'
      for (const socket of sockets) socket.pause()
    },
    slow(milliseconds) {
      delay = milliseconds
    },
    mend() {
      state = 'whole'
      delay = 0
      for (const socket of sockets) socket.resume()
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
