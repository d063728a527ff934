// What both tables share: reading records, and which of them exist.

import type { Clock, Milliseconds } from '../../time.ts'
import { NEVER, type Store, type StoreKind, type StoreRecord } from '../store.ts'
import type { Commands } from './commands.ts'
import { parseRecord, unescape } from './wire.ts'

/** The verbs of one table. */
export type Table = {
  readonly [Verb in 'get' | 'set' | 'add' | 'swap' | 'delete']: Store[Verb] extends (
    kind: StoreKind,
    ...rest: infer Rest
  ) => infer Answer
    ? (...rest: Rest) => Answer
    : never
} & { list(group?: string): AsyncIterable<StoreRecord> }

/** Reads the records of a table. */
export interface Reader {
  get(key: string): Promise<StoreRecord | undefined>
  /** Those of the keys that exist, of this group if one is named. */
  each(keys: readonly string[], group?: string): AsyncIterable<StoreRecord>
  /** All there are, or those of a group, by looking at every key of the database. */
  scan(group?: string): AsyncIterable<StoreRecord>
}

// So many at a time keep a connection busy, and leave room on it.
const AT_ONCE = 100

/**
 * Makes the reader of a table.
 *
 * @param options.nameOf - the name of a record's key in Redis
 */
export function createReader(options: {
  readonly commands: Commands
  readonly clock: Clock
  readonly keyPrefix: string
  readonly nameOf: (key: string) => string
}): Reader {
  const { commands, clock, keyPrefix, nameOf } = options

  async function get(key: string): Promise<StoreRecord | undefined> {
    const name = nameOf(key)
    const record = parseRecord(key, await commands.send(name, ['GET', name]))
    return record !== undefined && record.expires > clock() ? record : undefined
  }

  async function* each(keys: readonly string[], group?: string): AsyncGenerator<StoreRecord> {
    for (let start = 0; start < keys.length; start += AT_ONCE) {
      const records = await Promise.all(keys.slice(start, start + AT_ONCE).map(get))
      for (const record of records) {
        if (record !== undefined && (group === undefined || record.group === group)) yield record
      }
    }
  }

  async function* scan(group?: string): AsyncGenerator<StoreRecord> {
    // Neither a pattern nor the names that are answered go through the prefix of the client.
    const start = `${keyPrefix}${nameOf('')}`
    const seen = new Set<string>()
    for await (const names of commands.scan(`${start.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)}*`)) {
      const fresh = names.filter((name) => !seen.has(name))
      for (const name of fresh) seen.add(name)
      const keys = fresh.flatMap((name) => unescape(name.slice(start.length)) ?? [])
      yield* each(keys, group)
    }
  }

  return { get, each, scan }
}

/** For how long a record is kept, as a parameter: empty for ever. Spans, since clocks of machines differ. */
export function toSpan(expires: Milliseconds, now: Milliseconds, more: Milliseconds = 0): string {
  return expires >= NEVER ? '' : String(Math.max(1, Math.ceil(expires - now + more)))
}

/** @throws Error for an answer that is not 0 or 1 */
export function toDone(reply: unknown): boolean {
  if (reply === 0 || reply === 1) return reply === 1
  throw new Error('Redis: an unexpected answer')
}
