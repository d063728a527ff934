// The store of development and tests: two Maps in this process, gone when it ends.

import type { Clock, Milliseconds } from '../time.ts'
import type { NewRecord, Store, StoreKind, StoreRecord } from './store.ts'

const SWEEP_EVERY = 1024

/** A record at rest. What it holds is text, as in every other store: whoever changes what was read changes nothing here. */
interface Row {
  readonly expires: Milliseconds
  readonly group: string | undefined
  readonly version: number
  readonly text: string
}

const made = new WeakSet<Store>()

/** Whether it is a store of this kind, which no other process can see. */
export function isMemoryStore(store: Store): boolean {
  return made.has(store)
}

/**
 * A store in this process' memory. Nothing survives a restart, a revocation included, and no other process sees it.
 *
 * @param options.clock - the time, for tests; default `Date.now`
 */
export function memoryStore(options: { readonly clock?: Clock } = {}): Store {
  const { clock = Date.now } = options
  const tables: Readonly<Record<StoreKind, Map<string, Row>>> = {
    session: new Map(),
    revocation: new Map(),
    key: new Map(),
  }
  const listeners = new Set<(record: NewRecord) => void>()
  let writes = 0

  function find(kind: StoreKind, key: string): Row | undefined {
    const row = tables[kind].get(key)
    return row !== undefined && row.expires > clock() ? row : undefined
  }

  function read(kind: StoreKind, key: string): StoreRecord | undefined {
    const row = find(kind, key)
    if (row === undefined) return undefined
    const { expires, group, version } = row
    return { key, value: valueOf(row), expires, version, ...(group !== undefined && { group }) }
  }

  function write(kind: StoreKind, { key, value, expires, group }: NewRecord): void {
    writes += 1
    if (writes % SWEEP_EVERY === 0) sweep()
    const row = { expires, group, version: writes, text: JSON.stringify({ value }) }
    tables[kind].set(key, row)
    if (kind === 'revocation') for (const listener of listeners) listener({ key, value: valueOf(row), expires })
  }

  function sweep(): void {
    const now = clock()
    for (const table of Object.values(tables)) {
      for (const [key, row] of table) if (row.expires <= now) table.delete(key)
    }
  }

  const store: Store = {
    get: async (kind, key) => read(kind, key),
    set: async (kind, record) => write(kind, record),
    async add(kind, record) {
      if (find(kind, record.key) !== undefined) return false
      write(kind, record)
      return true
    },
    async swap(kind, record) {
      if (find(kind, record.key)?.version !== record.version) return false
      write(kind, record)
      return true
    },
    async delete(kind, key) {
      const existed = find(kind, key) !== undefined
      tables[kind].delete(key)
      return existed
    },
    async *list(kind, group) {
      for (const [key, row] of tables[kind]) {
        if (group !== undefined && row.group !== group) continue
        const record = read(kind, key)
        if (record !== undefined) yield record
      }
    },
    async watch(listener) {
      listeners.add(listener)
      for (const key of tables.revocation.keys()) {
        const record = read('revocation', key)
        if (record !== undefined) listener(record)
      }
      return { age: () => 0, stop: () => void listeners.delete(listener) }
    },
    async close() {
      listeners.clear()
    },
  }
  made.add(store)
  return store
}

/** A copy each time. */
function valueOf({ text }: Row): unknown {
  // The cast is what `write` makes.
  return (JSON.parse(text) as { readonly value?: unknown }).value
}
