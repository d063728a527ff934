// Watches what a process does to the world beside answering: connections, name look-ups, files, child processes.

import { createHook } from 'node:async_hooks'
import { createServer } from 'node:http'

import { listen, type Owner } from './http.ts'

/** What was begun while watching, by kind. */
export interface Outside {
  /** Outgoing TCP connections, new ones of the test's own client among them. */
  tcp: number
  /** Connections to sockets and pipes in the file system. */
  pipe: number
  dns: number
  file: number
  process: number
}

const KINDS: Readonly<Record<string, keyof Outside>> = {
  TCPCONNECTWRAP: 'tcp',
  PIPECONNECTWRAP: 'pipe',
  GETADDRINFOREQWRAP: 'dns',
  QUERYWRAP: 'dns',
  FSREQCALLBACK: 'file',
  FSREQPROMISE: 'file',
  PROCESSWRAP: 'process',
}

const NAMES = [...new Set(Object.values(KINDS))]

/** Runs `work` and tells what this process began meanwhile. For serial tests: it sees everything. */
export async function watchOutside(work: () => Promise<void>): Promise<Outside> {
  const begun: Outside = { tcp: 0, pipe: 0, dns: 0, file: 0, process: 0 }
  const hook = createHook({
    init(_id, type) {
      const kind = KINDS[type]
      if (kind !== undefined) begun[kind] += 1
    },
  })
  hook.enable()
  try {
    await work()
  } finally {
    hook.disable()
  }
  return begun
}

/**
 * What the work itself begins, of each kind the least of up to three runs: newer lines of Node read a file now and then
 * for themselves, but what the work causes, it causes each time.
 */
export async function watchCaused(work: () => Promise<void>): Promise<Outside> {
  const least = await watchOutside(work)
  for (let runs = 1; runs < 3 && NAMES.some((kind) => least[kind] > 0); runs += 1) {
    const again = await watchOutside(work)
    for (const kind of NAMES) least[kind] = Math.min(least[kind], again[kind])
  }
  return least
}

/** A server that hands the attacker's answer to whoever asks, and counts who did. */
export async function createBait(
  owner: Owner,
  answer: unknown,
): Promise<{ readonly url: string; readonly port: number; readonly hits: { count: number } }> {
  const hits = { count: 0 }
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer))
  })
  // A connection is a hit, whatever is asked on it: a TLS handshake would be one too.
  server.on('connection', () => {
    hits.count += 1
  })
  const port = await listen(owner, server)
  return { url: `http://127.0.0.1:${port}/jwks.json`, port, hits }
}
