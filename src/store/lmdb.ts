// The embedded store: one LMDB file, shared by the processes of one machine. A write is on the disk when its promise
// resolves, and is seen by every process from then on; reading is reading memory.

import { setImmediate } from 'node:timers/promises'

import { assertKnown, integer } from '../options/checks.ts'
import { describe } from '../describe.ts'
import type { Clock, Milliseconds } from '../time.ts'
import { openLmdbFile } from './lmdb-file.ts'
import { createLmdbRecords, type Draft, toDraft, toId, type Written } from './lmdb-records.ts'
import type { NewRecord, Store, StoreRecord, Watch } from './store.ts'

/** Where the store is and what it may take. */
export interface LmdbStoreOptions {
  /** The file. It is made, with its directory, for its owner only; a second file beside it, `<path>-lock`, too. */
  readonly path: string
  /**
   * About how large the file may become: what would take more is rejected, sessions already at three quarters of it, so
   * that no flood of logins leaves no room for a revocation. @default as large as the disk
   */
  readonly maxBytes?: number
  /** The time. @default Date.now */
  readonly clock?: Clock
}

// Each write adds one record and removes up to so many that have expired, which catches up without a long pause.
const PURGE = 8
const PURGE_WHEN_FULL = 500
const SESSION_SHARE = 0.75
const LEAST_BYTES = 2 ** 20
const PAGE = 200
// Requests look for themselves; this is for connections that stay open meanwhile.
const POLL: Milliseconds = 100
// A writer that is stopped while it holds LMDB's lock lets all others wait.
const PATIENCE: Milliseconds = 5000

/**
 * Opens a store in an LMDB file. Processes of one machine share it; the file must not be on a network drive.
 *
 * @throws TypeError when an option is wrong
 * @throws Error when the file cannot be opened, is none of this store's, or is of another version
 * @example
 * ```ts
 * import { lmdbStore } from 'koa-holdfast/store/lmdb'
 *
 * const store = lmdbStore({ path: 'data/sessions.lmdb' })
 * ```
 */
export function lmdbStore(options: LmdbStoreOptions): Store & AsyncDisposable {
  assertKnown(options, 'lmdbStore', ['path', 'maxBytes', 'clock'])
  const { path: given, maxBytes = Number.MAX_SAFE_INTEGER, clock = Date.now } = options
  if (typeof given !== 'string' || given === '') {
    throw new TypeError(`path: expected the path of a file, got ${describe(given)}`)
  }
  integer(maxBytes, 'maxBytes', LEAST_BYTES, Number.MAX_SAFE_INTEGER)
  const file = openLmdbFile(given)
  const { path, root } = file
  const records = createLmdbRecords(file)
  const writing = new Set<Promise<unknown>>()
  const timers = new Set<NodeJS.Timeout>()
  let closing: Promise<void> | undefined

  function assertOpen(): void {
    if (closing !== undefined) throw new Error(`the store '${path}' is closed; open another`)
  }

  /** From here on reads see what any process has committed by now. */
  function refresh(): void {
    assertOpen()
    root.resetReadTxn()
  }

  /** Where the clock answers no number nothing has expired. */
  const lives = (record: StoreRecord | undefined): record is StoreRecord =>
    record !== undefined && !(record.expires <= clock())

  /** Runs `work` in a transaction, and answers when it is on the disk. */
  async function write<T>(work: () => T): Promise<T> {
    assertOpen()
    let isLate = false
    const done = root.transaction(() => {
      // Whoever asked has been told that it was not done.
      if (isLate) throw new Error('too late')
      records.purge(clock(), PURGE)
      return work()
    })
    writing.add(done)
    let timer: NodeJS.Timeout | undefined
    const lateness = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        isLate = true
        reject(new Error(`the store '${path}' is locked by another process; see which one is stopped`))
      }, PATIENCE)
      timer.unref()
    })
    try {
      return await Promise.race([done, lateness])
    } catch (error) {
      throw await explain(error)
    } finally {
      clearTimeout(timer)
      writing.delete(done)
    }
  }

  /** lmdb-js has the reason in a promise of its own, which nobody else handles. */
  async function explain(thrown: unknown): Promise<unknown> {
    const { commitError } = thrown as { commitError?: Promise<never> } // whatever else was thrown has none
    if (commitError === undefined) return thrown
    const reason: unknown = await Promise.race([commitError.catch((cause: unknown) => cause), setImmediate()])
    const said = reason instanceof Error ? ` (${reason.message})` : ''
    return new Error(`the store '${path}' could not be written${said}: is the disk full?`, { cause: thrown })
  }

  function put(draft: Draft, old: Written | undefined): void {
    const limit = draft.kind === 'session' ? maxBytes * SESSION_SHARE : maxBytes
    const isTooMuch = (replaced: Written | undefined): boolean => {
      const growth = records.growth(draft, replaced)
      return growth > 0 && records.bytes() + growth > limit
    }
    if (!isTooMuch(old)) return records.write(draft, old)
    records.purge(clock(), PURGE_WHEN_FULL)
    // It may have gone with the others.
    const left = records.find(draft.kind, draft.id)
    if (isTooMuch(left)) {
      throw new Error(`maxBytes: the store '${path}' is full of ${draft.kind}s; open it with more than ${maxBytes}`)
    }
    records.write(draft, left)
  }

  const store: Store = {
    async get(kind, key) {
      refresh()
      const record = records.read(kind, toId(key))
      return lives(record) ? record : undefined
    },
    async set(kind, record) {
      const draft = toDraft(kind, record)
      await write(() => put(draft, records.find(kind, draft.id)))
    },
    async add(kind, record) {
      const draft = toDraft(kind, record)
      return write(() => {
        const current = records.find(kind, draft.id)
        if (lives(current?.record)) return false
        put(draft, current)
        return true
      })
    },
    async swap(kind, record) {
      const draft = toDraft(kind, record)
      return write(() => {
        const current = records.find(kind, draft.id)
        if (!lives(current?.record) || current?.record.version !== record.version) return false
        put(draft, current)
        return true
      })
    },
    async delete(kind, key) {
      const id = toId(key)
      return write(() => {
        const existed = lives(records.read(kind, id))
        records.remove(kind, id)
        return existed
      })
    },
    async *list(kind, group) {
      for (let last: string | undefined; ;) {
        refresh()
        const page = records.page(kind, group, last, PAGE)
        for (const [id, record] of page) {
          last = id
          if (lives(record)) yield record
        }
        if (page.length < PAGE) return
      }
    },
    watch: follow,
    close() {
      closing ??= close()
      return closing
    },
  }

  async function follow(listener: (record: NewRecord) => void): Promise<Watch> {
    let told = 0
    let isStopped = false
    let isBehind = false
    let isTelling = false
    let lastSync = performance.now()

    /** Tells the next ones; answers how many they were. */
    function tell(limit: number): number {
      const news = records.since(told, limit)
      for (const { sequence, record } of news) {
        if (lives(record)) listener(record)
        told = sequence
      }
      return news.length
    }

    function sync(): void {
      // A listener may ask what is revoked, and so come by here again; it is told the rest when it is done.
      if (isStopped || isTelling) return
      isTelling = true
      try {
        refresh()
        const latest = records.sequence()
        if (latest !== told) tell(Number.MAX_SAFE_INTEGER)
        // Of what was deleted nothing is told.
        told = latest
        isBehind = false
        lastSync = performance.now()
      } catch {
        // The age says it, and the kit's policy says what follows.
        isBehind = true
      } finally {
        isTelling = false
      }
    }

    // A long list in pieces: others have their turn in between.
    for (refresh(); tell(PAGE) === PAGE; refresh()) await setImmediate()
    const timer = setInterval(sync, POLL)
    timer.unref()
    timers.add(timer)
    return {
      sync,
      age: () => (isBehind ? performance.now() - lastSync : 0),
      stop() {
        isStopped = true
        clearInterval(timer)
        timers.delete(timer)
      },
    }
  }

  async function close(): Promise<void> {
    for (const timer of timers) clearInterval(timer)
    await Promise.allSettled(writing)
    await file.close()
  }

  return Object.assign(store, { [Symbol.asyncDispose]: store.close })
}
