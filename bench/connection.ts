// One kept-alive connection over which one request at a time goes out, and as little of HTTP as its answers need. What
// sends the load must cost less than what is measured.

import { once } from 'node:events'
import { connect } from 'node:net'

/** An answer. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/** A connection; it is free again when `onAnswer` is called. */
export interface Connection {
  send(request: Buffer): void
  close(): void
}

const LENGTH = /\ncontent-length: (\d+)/i

/** What the headers of a request become on the wire. */
export function toRequest(headers: Readonly<Record<string, string>>): Buffer {
  const all = { Host: 'app.example', 'X-Forwarded-Proto': 'https', Accept: 'application/json', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`GET /me HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
}

/**
 * Opens a connection on this machine.
 *
 * @param onAnswer - called with each answer
 * @param onError - called when the connection breaks or what comes is no answer with a length
 */
export async function openConnection(
  port: number,
  onAnswer: (answer: Answer, connection: Connection) => void,
  onError: (error: Error) => void,
): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let isClosed = false
  let held = ''

  function read(chunk: Buffer): void {
    const text = held === '' ? chunk.toString('latin1') : held + chunk.toString('latin1')
    const start = text.indexOf('\r\n\r\n') + 4
    const length = start < 4 ? undefined : LENGTH.exec(text)?.[1]
    if (length === undefined && start >= 4) return onError(new Error(`an answer without a length: ${text}`))
    if (length === undefined || text.length < start + Number(length)) {
      held = text
      return
    }
    held = ''
    onAnswer({ status: Number(text.slice(9, 12)), body: text.slice(start) }, connection)
  }

  const connection: Connection = {
    send: (request) => void socket.write(request),
    close() {
      isClosed = true
      socket.destroy()
    },
  }
  socket.on('data', read)
  socket.on('error', onError)
  socket.on('close', () => {
    if (!isClosed) onError(new Error('the server closed a connection'))
  })
  return connection
}
