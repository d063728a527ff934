// How long a new process needs until it has loaded the revocation list from Redis, beside one that fills a Map from a hash
// of the same identifiers and expiries: HGETALL with the same client, as an array, which is the fastest of its forms.

import { fork } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

import { createClient, RESP_TYPES } from '@redis/client'

import { createOutbox } from '../dist/outbox.js'
import { createRevocationList } from '../dist/revocation.js'
import type { NewRecord } from '../dist/store/store.js'
import { redisStore } from '../dist/store/redis.js'
import { toEntry } from '../dist/store/redis/packed.js'
import { createNames } from '../dist/store/redis/revocations.js'
import { endOf } from '../dist/store/redis/wire.js'
import { bytesUsed } from '../test/helpers/cost.ts'
import { startRedis } from '../test/helpers/redis.ts'

/** What one process needed. */
export interface Load {
  readonly milliseconds: number
  /** The longest time in which its event loop stood still. */
  readonly gap: number
  /** An entry, with all that is kept of it. */
  readonly bytes: number
}

interface Task {
  readonly way: keyof typeof WAYS
  readonly port: number
  readonly count: number
  /** For the clocks: nothing expires while it is measured. */
  readonly now: number
}

type Client = Awaited<ReturnType<typeof connect>>

const SPAN = 3605_000
const AT_ONCE = 1000
// So many are written one by one, as the kit does. With the others only Redis would be measured, for minutes.
const WRITTEN = 5000
const HASH = 'hash'
const { bucket: toKey, buckets: filed } = createNames('holdfast:')

function connect(port: number) {
  return createClient({ socket: { host: '127.0.0.1', port } }).connect()
}

/** The same identifiers in each process. */
function namesOf(count: number): string[] {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'snapshot'), Buffer.alloc(16))
  const bytes = stream.update(Buffer.alloc(16 * count))
  return Array.from({ length: count }, (_, i) => bytes.toString('base64url', 16 * i, 16 * i + 16))
}

const WAYS = {
  async list(client: Client, now: number) {
    const [clock, store] = [() => now, redisStore({ client, timeout: '10s', clock: () => now })]
    const settings = { issuer: 'https://app.example', retention: SPAN / 1000, clockTolerance: 0, maxStaleness: 5 }
    const list = await createRevocationList({ ...settings, clock, store, outbox: createOutbox(clock) })
    return { has: list.hasSession, size: () => list.size }
  },
  async hash(client: Client) {
    const options = { typeMapping: { [RESP_TYPES.MAP]: Array } }
    const all = await client.sendCommand<string[]>(['HGETALL', HASH], options)
    const map = new Map<string, number>()
    for (let i = 0; i < all.length; i += 2) map.set(all[i] ?? '', Number(all[i + 1]))
    return { has: (name: string) => map.has(name), size: () => map.size }
  },
} as const

/** As after so many logouts in the time that entries live. */
async function fill(client: Client, { count, now }: Pick<Task, 'count' | 'now'>): Promise<void> {
  const store = redisStore({ client, timeout: '30s', clock: () => now })
  const names = namesOf(count)
  for (let start = 0; start < count; start += AT_ONCE) {
    const records = names.slice(start, start + AT_ONCE).map((name, i) => {
      return { key: `sid ${name}`, value: null, expires: now + Math.ceil((SPAN * (start + i + 1)) / count) }
    })
    await client.sendCommand(['HSET', HASH, ...records.flatMap(({ key, expires }) => [key.slice(4), `${expires}`])])
    if (start < WRITTEN) await Promise.all(records.map((record) => store.set('revocation', record)))
    for (const [bucket, bytes] of toBuckets(records)) {
      const key = toKey(bucket)
      if (start >= WRITTEN) {
        await client.sendCommand(['ZADD', filed, String(endOf(bucket)), bucket])
        await client.sendCommand(['APPEND', key, bytes])
      } else {
        const options = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } }
        const there = await client.sendCommand<Buffer>(['GETRANGE', key, String(-bytes.length), '-1'], options)
        if (!there.equals(bytes)) throw new Error('the store does not write what is written here')
      }
    }
  }
}

function toBuckets(records: readonly NewRecord[]): Map<string, Buffer> {
  const all = new Map<string, Buffer[]>()
  for (const { bucket, bytes } of records.map((record) => toEntry(record))) {
    all.set(bucket, [...(all.get(bucket) ?? []), bytes])
  }
  return new Map([...all].map(([bucket, entries]) => [bucket, Buffer.concat(entries)]))
}

/** In a process of its own: loads, and sees to it that all is there. */
async function load({ way, port, count, now }: Task): Promise<Load> {
  const client = await connect(port)
  const before = bytesUsed()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  const { has, size } = await WAYS[way](client, now)
  const milliseconds = performance.now() - start
  delay.disable()
  const bytes = (bytesUsed() - before) / count
  if (size() !== count || !namesOf(count).every(has)) throw new Error('not all was loaded, or more')
  return { milliseconds, gap: delay.max / 1e6, bytes }
}

async function loadElsewhere(task: Task): Promise<Load> {
  const child = fork(fileURLToPath(import.meta.url), ['load', JSON.stringify(task)], { execArgv: ['--import=tsx'] })
  const [answer] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the process that loads the ${task.way} has failed`))),
  ])
  child.kill('SIGKILL')
  return answer as Load // what the other side sends
}

/** Loads so many entries in new processes, in turns: the list, then the hash. */
export async function measureSnapshots(count: number, rounds: number): Promise<readonly [Load[], Load[]]> {
  const redis = await startRedis({ appendonly: 'no', save: '""' })
  const client = await connect(redis.port)
  const task = { port: redis.port, count, now: Date.now() }
  await fill(client, task)
  const loads: [Load[], Load[]] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    loads[0].push(await loadElsewhere({ ...task, way: 'list' }))
    loads[1].push(await loadElsewhere({ ...task, way: 'hash' }))
  }
  client.destroy()
  await redis.close()
  return loads
}

// The cast is what loadElsewhere passes.
if (process.argv[2] === 'load') process.send?.(await load(JSON.parse(process.argv[3] ?? '') as Task))
