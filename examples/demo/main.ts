// Starts the demo: `npm start`. HOST, PORT and DATA_DIR say where; PORT=0 takes a free port.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createDemo, type Demo, USERS } from './app.ts'

const GRACE_MS = 1000

const { HOST = '127.0.0.1', PORT = '3000', DATA_DIR = '.data' } = process.env

try {
  await main()
} catch (error) {
  console.error(explain(error))
  process.exit(1)
}

async function main(): Promise<void> {
  let demo: Promise<Demo>
  const server = createServer((request, response) => void demo.then(({ handle }) => handle(request, response)))
  // First of all: the issuer names the port, and a second demo on a taken port must not touch the data of the first.
  const origin = `http://localhost:${await listen(server)}`
  demo = createDemo({ origin, directory: DATA_DIR, log: (line) => console.log(line) })
  closeOnSignal(server, await demo)
  const users = Object.entries(USERS).map(([name, password]) => `${name} / ${password}`)
  console.log(`koa-holdfast demo: ${origin}\nUsers: ${users.join(', ')}`)
}

async function listen(server: Server): Promise<number> {
  if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65_535) throw new Error(`PORT: expected 0 to 65535, got '${PORT}'`)
  server.listen(Number(PORT), HOST)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // the cast holds: it listens on a port
}

function closeOnSignal(server: Server, demo: Demo): void {
  let isClosing = false
  const close = (): void => {
    // A terminal's ^C can reach the process twice, once through whoever started it.
    if (isClosing) return
    isClosing = true
    server.close(() => void demo.close())
    setTimeout(() => server.closeAllConnections(), GRACE_MS).unref()
  }
  process.on('SIGINT', close)
  process.on('SIGTERM', close)
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException // whatever else was thrown has no message and no code
  if (code === 'EADDRINUSE') {
    return `Port ${PORT} on ${HOST} is taken: stop what runs there, or choose another: PORT=${Number(PORT) + 1} npm start`
  }
  if (code === 'EACCES') return `No permission: ${message}`
  return message ?? String(error)
}
