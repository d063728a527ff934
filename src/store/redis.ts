// The store of a fleet: sessions and revocations in Redis 6.2 or later, or Valkey. Each process keeps the revocation list
// by itself and follows the stream of what is written.

import { assertKnown } from '../options/checks.ts'
import { describe } from '../describe.ts'
import { type Clock, type Duration, parseMilliseconds } from '../time.ts'
import type { NewRecord, PageListener, Store, StoreKind, Watch } from './store.ts'
import { type RedisClient, toConnection } from './redis/client.ts'
import { createCommands } from './redis/commands.ts'
import { follow, type OwnWrites } from './redis/follow.ts'
import { createReport } from './redis/problems.ts'
import { createRestorer } from './redis/restore.ts'
import { createNames, createRevocationTable } from './redis/revocations.ts'
import { createSessionTable } from './redis/sessions.ts'
import type { Table } from './redis/table.ts'

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /**
   * A connected client of `redis` or `ioredis`: single, Sentinel or Cluster. It is its owner's to close. Where it may
   * read from replicas, sessions may be read late.
   */
  readonly client: RedisClient
  /** What the names of all keys begin with: visible ASCII. @default 'holdfast:' */
  readonly prefix?: string
  /** How long a command may take, from `'50ms'` to `'30s'`. @default '1s' */
  readonly timeout?: Duration
  /**
   * Hears of what goes wrong in the background: lost connections, gaps, foreign entries. Each kind at most every ten
   * seconds. @default a process warning
   */
  readonly onProblem?: (error: Error) => void
  /** The time, for tests. @default Date.now */
  readonly clock?: Clock
}

// What was acknowledged and not yet seen in the stream: more is not kept.
const MAX_OWN = 10_000

/**
 * A store in Redis. The promise of a write resolves when the server has answered: how durable that is, its persistence
 * and replication decide. Memory must not be freed by eviction there (`maxmemory-policy noeviction`).
 *
 * @throws TypeError when an option is wrong
 * @example
 * ```ts
 * import { redisStore } from 'koa-holdfast/store/redis'
 * import { createClient } from '@redis/client'
 *
 * const client = await createClient().on('error', console.error).connect()
 * const store = redisStore({ client })
 * ```
 */
export function redisStore(options: RedisStoreOptions): Store {
  assertKnown(options, 'options', ['client', 'prefix', 'timeout', 'onProblem', 'clock'])
  const { client, prefix = 'holdfast:', onProblem = warn, clock = Date.now } = options
  if (!/^[!-~]{1,100}$/.test(prefix)) {
    throw new TypeError(`prefix: expected 1 to 100 visible ASCII characters, got ${describe(prefix)}`)
  }
  const timeout = parseMilliseconds(options.timeout ?? '1s', 'timeout', { min: 50, max: 30_000 })
  const connection = toConnection(client)
  const commands = createCommands(connection, timeout)
  const report = createReport(onProblem)
  const names = createNames(prefix)
  const watches = new Set<Watch>()
  const own: OwnWrites = new Map()
  const observer = {
    sent(version: string, line: string): void {
      // Nobody compares them with what comes back.
      if (watches.size === 0) return
      own.set(version, { line, isAcknowledged: false })
      if (own.size <= MAX_OWN) return
      const [oldest = ''] = own.keys()
      own.delete(oldest)
    },
    answered(version: string, isWritten: boolean): void {
      const write = own.get(version)
      if (write !== undefined) write.isAcknowledged = true
      if (!isWritten) own.delete(version)
    },
  }
  const shared = { commands, clock, prefix, keyPrefix: connection.keyPrefix }
  const sessions = createSessionTable(shared)
  const revocations = createRevocationTable({ ...shared, observer })
  const tables: Readonly<Record<StoreKind, Table>> = {
    session: sessions,
    revocation: revocations,
    // Laid out as sessions are, in a slot of its own.
    key: createSessionTable({ ...shared, prefix: `${prefix}{k}:` }),
  }
  const restorer = createRestorer({ restore: revocations.restore, set: revocations.set, clock, report })

  return {
    get: (kind, key) => tables[kind].get(key),
    set: (kind, record) => tables[kind].set(record),
    add: (kind, record) => tables[kind].add(record),
    swap: (kind, record) => tables[kind].swap(record),
    delete: (kind, key) => tables[kind].delete(key),
    list: (kind, group) => tables[kind].list(group),
    async watch(listener: (record: NewRecord) => void, pages?: PageListener) {
      const background = { report, own, restorer }
      const watch = await follow({ client, commands, names, clock, timeout, listener, pages, ...background })
      watches.add(watch)
      return {
        age: () => watch.age(),
        stop() {
          watch.stop()
          watches.delete(watch)
        },
      }
    },
    async close() {
      for (const watch of watches) watch.stop()
      watches.clear()
      restorer.close()
      commands.close()
    },
  }
}

function warn(error: Error): void {
  process.emitWarning(error)
}
