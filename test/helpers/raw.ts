// Bytes to a port as they are, for what Node's HTTP client refuses to send.

import { once } from 'node:events'
import { connect } from 'node:net'

/** Writes the bytes, reads until the server closes, answers the status line's number and the text. */
export async function sendRaw(port: number, bytes: string | Buffer): Promise<{ status: number; text: string }> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  // A server that has refused may reset while we still write; what it said is in `chunks`.
  socket.on('error', () => {})
  await once(socket, 'connect')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(bytes)
  await closed
  const text = Buffer.concat(chunks).toString('latin1')
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text }
}
