// Opens a store by its URL. The packages below are the project's own: they are looked for from where the command runs.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import type { Store } from '../store/store.ts'
import type { RedisClient } from '../store/redis/client.ts'
import { Failure } from './command.ts'

const OPENERS: Readonly<Record<string, (url: string) => Promise<Store>>> = {
  'lmdb:': openLmdb,
  'redis:': openRedis,
  'rediss:': openRedis,
}

/**
 * Opens `lmdb:<path>`, `redis://…` or `rediss://…`.
 *
 * @throws Failure when it cannot be opened
 */
export async function openStore(url: string): Promise<Store> {
  const open = OPENERS[/^[a-z]+:/.exec(url)?.[0] ?? '']
  if (open === undefined) {
    throw new Failure('misused', '--store: expected lmdb:<path>, redis://<host> or rediss://<host>, got another')
  }
  return open(url)
}

async function openLmdb(url: string): Promise<Store> {
  const path = url.slice('lmdb:'.length)
  // The store would make the file, and a revocation in a fresh one revokes nothing.
  if (!existsSync(path)) throw new Failure('unreachable', `there is no LMDB file '${path}'`)
  try {
    const { lmdbStore } = await import('../store/lmdb.ts')
    return lmdbStore({ path })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') throw missing(['lmdb'], error)
    throw new Failure('unreachable', error instanceof Error ? error.message : String(error), error)
  }
}

async function openRedis(url: string): Promise<Store> {
  if (!URL.canParse(url)) throw new Failure('misused', '--store: expected a URL such as redis://localhost:6379')
  const client = await connect(url).catch((error: unknown) => {
    if (error instanceof Failure) throw error
    throw new Failure('unreachable', `Redis at ${new URL(url).host} cannot be reached: ${String(error)}`, error)
  })
  const { redisStore } = await import('../store/redis.ts')
  return redisStore({ client })
}

interface Client extends RedisClient {
  on(event: 'error', listener: () => void): unknown
  connect(): Promise<unknown>
}

const CONNECT_MS = 3000

// None of them tries again: whoever calls the command can.
const createNodeRedis = (loaded: unknown, url: string): Client => {
  const { createClient } = loaded as { createClient: (options: object) => Client } // as its documentation says
  return createClient({
    url,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false, connectTimeout: CONNECT_MS },
  })
}
const createIoredis = (loaded: unknown, url: string): Client => {
  const { Redis } = loaded as { Redis: new (url: string, options: object) => Client } // as its documentation says
  return new Redis(url, { lazyConnect: true, connectTimeout: CONNECT_MS, retryStrategy: () => null })
}

/** The packages that are looked for, in this order. */
const CLIENTS: Readonly<Record<string, (loaded: unknown, url: string) => Client>> = {
  redis: createNodeRedis,
  '@redis/client': createNodeRedis,
  ioredis: createIoredis,
}

async function connect(url: string): Promise<Client> {
  const client = createProjectClient(url)
  // Whoever sends a command hears of it.
  client.on('error', () => {})
  await client.connect()
  return client
}

function createProjectClient(url: string): Client {
  const requireFrom = createRequire(join(process.cwd(), 'package.json'))
  for (const [name, create] of Object.entries(CLIENTS)) {
    let loaded: unknown
    try {
      loaded = requireFrom(name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') continue
      throw error
    }
    return create(loaded, url)
  }
  throw missing(Object.keys(CLIENTS))
}

function missing(names: readonly string[], cause?: unknown): Failure {
  const [first] = names
  return new Failure(
    'unreachable',
    `the package ${names.join(' or ')} is not installed here; run this in the project that has it, or: npm install ${first}`,
    cause,
  )
}
