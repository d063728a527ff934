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
      // One queue and one timer: nothing may overtake what came before it, also when the link has just become fast again.
      const queue: { readonly chunk: Buffer; readonly due: number }[] = []
      let timer: NodeJS.Timeout | undefined
      const deliver = (): void => {
        timer = undefined
        for (;;) {
          const [first] = queue
          if (first === undefined) return
          const left = first.due - performance.now()
          if (left > 0) {
            timer = setTimeout(deliver, left)
            return
          }
          queue.shift()
          if (to.writable) to.write(first.chunk)
        }
      }
      from.on('data', (chunk: Buffer) => {
        queue.push({ chunk, due: performance.now() + delay })
        if (timer === undefined) deliver()
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
