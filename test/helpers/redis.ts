// Real Redis servers: started on a free port with a directory of their own, killed, stopped, restarted, ended by pid.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { createClient } from '@redis/client'
import { Redis } from 'ioredis'

import type { redisStore } from '../../src/store/redis.ts'
import type { Owner } from './http.ts'

/** A client that the store accepts. */
export type Client = Parameters<typeof redisStore>[0]['client']

export interface RedisServer {
  readonly port: number
  /** Ends it as a crash does. */
  kill(): Promise<void>
  /** It hangs: connections stay, nothing is answered. */
  stop(): void
  /** It goes on. */
  cont(): void
  /** Starts it again after `kill`, on the same port. */
  restart(options?: { readonly keepData?: boolean }): Promise<void>
  /** Sends a command by another connection, and answers what came back. */
  command(...parameters: readonly (string | number)[]): Promise<unknown>
  close(): Promise<void>
}

// Whatever ends this process, its servers end with it: by themselves they would go on.
const running = new Set<() => void>()
process.on('exit', () => {
  for (const end of running) end()
})

const BINARY = process.env['REDIS_SERVER'] ?? 'redis-server'

/** Whether there is a redis-server; under CI its absence is a failure. */
export function hasRedis(): boolean {
  try {
    execFileSync(BINARY, ['--version'])
    return true
  } catch {
    const hint = 'redis-server is missing: install it (apt-get install redis-server) or name it in REDIS_SERVER'
    if (process.env['CI'] === 'true') throw new Error(hint)
    process.stderr.write(`${hint}; its tests are skipped\n`)
    return false
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  // Far enough down that the port of a cluster's bus, 10,000 above, is none that outgoing connections take.
  for (;;) {
    const server = createServer().listen(10_000 + Math.floor(Math.random() * 12_000), '127.0.0.1')
    const isFree = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false)
    if (!isFree) continue
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return port
  }
}

const MOST_TRIES = 5

/** Settings as in redis.conf. */
export type RedisConfig = Readonly<Record<string, string>>

/**
 * Starts a server. Its data survives `kill`.
 *
 * @param sentinel - what it watches over, as in sentinel.conf, if it is one
 */
export async function startRedis(config: RedisConfig = {}, sentinel?: string): Promise<RedisServer> {
  let port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-redis-'))
  let child: ChildProcess | undefined
  let control: Redis | undefined

  function end(): void {
    child?.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
  }

  async function start(): Promise<void> {
    const settings = { port: String(port), bind: '127.0.0.1', dir, save: '', appendonly: 'yes', ...config }
    const parameters = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    const file = join(dir, 'sentinel.conf')
    if (sentinel !== undefined) writeFileSync(file, `port ${port}\nbind 127.0.0.1\ndir ${dir}\n${sentinel}\n`)
    child = spawn(BINARY, sentinel === undefined ? parameters : [file, '--sentinel'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (child.stdout === null) throw new TypeError('expected a pipe')
    const said: string[] = []
    let isReady = false
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line)
      isReady = /ready to accept|Sentinel ID is/i.test(line)
      if (isReady) break
    }
    child.stdout.resume()
    if (!isReady) throw new Error(`redis-server did not start: ${said.join('\n')}`)
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  running.add(end)
  for (let tries = 1; ; tries += 1) {
    try {
      await start()
      break
    } catch (error) {
      // Somebody else may have taken the port meanwhile, or that of the bus.
      if (tries === MOST_TRIES) throw error
      port = await freePort()
    }
  }
  return {
    port,
    kill,
    stop: () => void child?.kill('SIGSTOP'),
    cont: () => void child?.kill('SIGCONT'),
    async restart({ keepData = true } = {}) {
      if (!keepData) rmSync(join(dir, 'appendonlydir'), { recursive: true, force: true })
      await start()
    },
    command(...all) {
      control ??= new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1 }).on('error', () => {})
      const [name = '', ...rest] = all
      return control.call(String(name), ...rest)
    },
    async close() {
      control?.disconnect()
      await kill()
      end()
      running.delete(end)
    },
  }
}

/** Starts a server that ends with the test. */
export async function openRedis(t: Owner, config: RedisConfig = {}): Promise<RedisServer> {
  const server = await startRedis(config)
  t.teardown(() => server.close())
  return server
}

/** The two kinds of clients. */
export const CLIENT_KINDS = ['node-redis', 'ioredis'] as const
export type ClientKind = (typeof CLIENT_KINDS)[number]

/** Connects a client as an application would, and how to end it. */
export async function connect(
  kind: ClientKind,
  port: number,
): Promise<{ readonly client: Client; readonly close: () => void }> {
  if (kind === 'ioredis') {
    const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 }).on('error', () => {})
    await once(client, 'ready')
    return { client, close: () => client.disconnect() }
  }
  const socket = { port, host: '127.0.0.1', reconnectStrategy: () => 50 }
  const client = createClient({ socket }).on('error', () => {})
  await client.connect()
  return { client, close: () => client.destroy() }
}

/** Connects a client that ends with the test. */
export async function openClient(t: Owner, kind: ClientKind, port: number): Promise<Client> {
  const { client, close } = await connect(kind, port)
  t.teardown(close)
  return client
}
