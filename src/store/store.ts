// The store contract: a few atomic verbs over records that expire by themselves. Everything durable in the
// kit goes through it, so a new store is one file and passes one contract test (test/store/contract.ts).

import type { Milliseconds } from '../time.ts'

/** The tables of a store: sessions, the revocation list, and the keys that rotate, encrypted. */
export type StoreKind = 'session' | 'revocation' | 'key'

/** What is written. The value must survive JSON. */
export interface NewRecord<V = unknown> {
  readonly key: string
  readonly value: V
  /** When the record stops to exist, in milliseconds since the epoch; {@link NEVER} for not at all. */
  readonly expires: Milliseconds
  /** What `list` can narrow to: the subject of a session. */
  readonly group?: string
}

/** What is read. */
export interface StoreRecord<V = unknown> extends NewRecord<V> {
  /** Differs after each write of this record; what `swap` compares. */
  readonly version: number
}

/** An `expires` that never comes. */
export const NEVER: Milliseconds = Number.MAX_SAFE_INTEGER

/** Records that are told together: of one prefix and each an identifier that the kit drew, without a value. */
export interface RecordPage {
  /** What their keys begin with. */
  readonly prefix: string
  /** The identifiers, as `namesIn` reads them. It does not change any more. */
  readonly page: DataView
  /** When they expire; later by less than a minute than they were written with. */
  readonly expires: Milliseconds
}

/** Hears of pages. */
export interface PageListener {
  /** So many will be told. */
  expect(prefix: string, count: number, expires: Milliseconds): void
  tell(page: RecordPage): void
}

/** What follows the revocation list. */
export interface Watch {
  /**
   * Tells at once what has been written by now and not been told yet. Called before each answer, so it may cost one read
   * of shared memory, and no more; stores that push have none.
   */
  sync?(): void
  /** How long ago the listener was known to have been told everything, in milliseconds; 0 where it cannot be behind. */
  age(): Milliseconds
  /** Stops telling. */
  stop(): void
}

/**
 * A place for sessions, revocations and keys. Every verb is atomic, also between the processes that share the store,
 * and has taken effect durably (as far as the store is durable) when its promise resolves. A verb that cannot do
 * its work rejects; the kit answers 503 then. An expired record does not exist.
 */
export interface Store {
  /** The record, or undefined. */
  get(kind: StoreKind, key: string): Promise<StoreRecord | undefined>
  /** Writes, whether or not the key exists. */
  set(kind: StoreKind, record: NewRecord): Promise<void>
  /** Writes only if the key does not exist; tells whether it did. */
  add(kind: StoreKind, record: NewRecord): Promise<boolean>
  /** Writes only if the record exists and has this version; tells whether it did. */
  swap(kind: StoreKind, record: StoreRecord): Promise<boolean>
  /** Removes; tells whether there was something. */
  delete(kind: StoreKind, key: string): Promise<boolean>
  /** All records, or those of one group. A snapshot: what changes meanwhile may or may not be in it. */
  list(kind: StoreKind, group?: string): AsyncIterable<StoreRecord>
  /**
   * Follows the revocation list: calls `listener` for each record there is, and from then on for each that anyone who
   * shares the store writes. Resolves once everything that was there has been told. A record may be told more than once.
   * A store that has many of them may tell some in pages to whoever listens to pages.
   * A store without it serves one process only.
   */
  watch?(listener: (record: NewRecord) => void, pages?: PageListener): Promise<Watch>
  /** Lets go of files, connections and timers. */
  close(): Promise<void>
}
