// How records lie in the tables of an LMDB file. Whatever writes runs inside one transaction, and decides before its
// first write: what a transaction has written stays when its callback throws.

import { createHash } from 'node:crypto'

import type { Milliseconds } from '../time.ts'
import type { LmdbFile, Table } from './lmdb-file.ts'
import { NEVER, type NewRecord, type StoreKind, type StoreRecord } from './store.ts'

/** A record as text, ready for a transaction. */
export interface Draft {
  readonly kind: StoreKind
  readonly id: string
  readonly expires: Milliseconds
  readonly groupId: string | undefined
  readonly json: string
}

/** A record as it lies there. */
export interface Written extends Draft {
  readonly record: StoreRecord
}

/** The records of a file. */
export interface LmdbRecords {
  /** The record, expired or not. */
  read(kind: StoreKind, id: string): StoreRecord | undefined
  /** The same, to be replaced or removed. */
  find(kind: StoreKind, id: string): Written | undefined
  /** How many bytes more the file's records take once this is written in the place of that. */
  growth(draft: Draft, old: Written | undefined): number
  /** Writes in the place of what is there. In a transaction only. */
  write(draft: Draft, old: Written | undefined): void
  /** Removes. In a transaction only. */
  remove(kind: StoreKind, id: string): void
  /** Removes what has expired, no more than so many. In a transaction only. */
  purge(now: Milliseconds, limit: number): void
  /** So many records of a table, or of a group of it, after the one with this id. */
  page(kind: StoreKind, group: string | undefined, after: string | undefined, limit: number): [string, StoreRecord][]
  /** Moves with each write of a revocation. One read. */
  sequence(): number
  /** So many revocations, as they are now, that were written after this sequence: the oldest first. */
  since(sequence: number, limit: number): { readonly sequence: number; readonly record: StoreRecord | undefined }[]
  /** How many bytes the records take. */
  bytes(): number
}

// LMDB's longest key has room for two ids.
const MAX_ID_BYTES = 500
// Above every id, which begin with '=' or '#'.
const AFTER_IDS = '~'
// A value longer than this has pages of its own.
const INLINE_BYTES = 2000
const PAGE_BYTES = 4096

/** What a key or a group is filed under: text without control characters and lone surrogates, and no longer than fits. */
export function toId(text: string): string {
  const json = JSON.stringify(text)
  if (Buffer.byteLength(json) <= MAX_ID_BYTES) return `=${json}`
  return `#${createHash('sha256').update(json).digest('base64url')}`
}

/**
 * Turns a record into text.
 *
 * @throws TypeError when it would not survive
 */
export function toDraft(kind: StoreKind, { key, value, expires, group }: NewRecord): Draft {
  if (!Number.isFinite(expires)) throw new TypeError(`expires: expected a number, got ${expires}`)
  const groupId = group === undefined ? undefined : toId(group)
  return { kind, id: toId(key), expires, groupId, json: JSON.stringify({ key, value, expires, group }) }
}

/** Reads and writes the tables of this file. */
export function createLmdbRecords(file: LmdbFile): LmdbRecords {
  const { meta, group: groups, expiry, log } = file
  const counter = (name: string): number => Number(meta.get(name) ?? 0)
  const count = (name: string, value: number): void => void meta.put(name, String(value))

  function read(kind: StoreKind, id: string): StoreRecord | undefined {
    const text = file[kind].get(id)
    return text === undefined ? undefined : decode(text)
  }

  function find(kind: StoreKind, id: string): Written | undefined {
    const text = file[kind].get(id)
    if (text === undefined) return undefined
    const record = decode(text)
    const { expires, group } = record
    const groupId = group === undefined ? undefined : toId(group)
    return { kind, id, expires, groupId, json: jsonOf(text), record }
  }

  function drop(old: Written): void {
    const { kind, id, expires, groupId, record } = old
    void file[kind].remove(id)
    if (expires < NEVER) void expiry.remove([expires, kind, id])
    if (groupId !== undefined) void groups.remove([kind, groupId, id])
    if (kind === 'revocation') void log.remove(record.version)
    count('bytes', counter('bytes') - sizeOf(old))
  }

  function remove(kind: StoreKind, id: string): void {
    const old = find(kind, id)
    if (old !== undefined) drop(old)
  }

  function write(draft: Draft, old: Written | undefined): void {
    const { kind, id, expires, groupId } = draft
    if (old !== undefined) drop(old)
    // Never used again, also by a record that is deleted and added anew.
    const version = counter(`${kind} version`) + 1
    count(`${kind} version`, version)
    void file[kind].put(id, `${version} ${draft.json}`)
    if (expires < NEVER) void expiry.put([expires, kind, id], '')
    if (groupId !== undefined) void groups.put([kind, groupId, id], '')
    if (kind === 'revocation') void log.put(version, id)
    count('bytes', counter('bytes') + sizeOf(draft))
  }

  function* idsOf(kind: StoreKind, group: string | undefined, after: string, limit: number): Iterable<string> {
    const range = { exclusiveStart: true, limit }
    if (group === undefined) {
      yield* file[kind].getKeys({ start: after, end: AFTER_IDS, ...range })
      return
    }
    const groupId = toId(group)
    const keys = groups.getKeys({ start: [kind, groupId, after], end: [kind, groupId, AFTER_IDS], ...range })
    for (const [, , id = ''] of keys) yield id
  }

  return {
    read,
    find,
    growth: (draft, old) => sizeOf(draft) - (old === undefined ? 0 : sizeOf(old)),
    write,
    remove,
    purge(now, limit) {
      // What is no number is above all of them.
      if (!Number.isFinite(now)) return
      // An array first: the range must not move under what walks it.
      const expired = [...(expiry as Table).getKeys({ end: [now, AFTER_IDS], limit })]
      // The cast is what this file writes.
      for (const [, kind, id] of expired as [number, StoreKind, string][]) remove(kind, id)
    },
    page(kind, group, after = '', limit) {
      const ids = [...idsOf(kind, group, after, limit)]
      return ids.flatMap((id) => {
        const record = read(kind, id)
        return record === undefined ? [] : [[id, record] as [string, StoreRecord]]
      })
    },
    sequence: () => counter('revocation version'),
    since: (sequence, limit) =>
      [...log.getRange({ start: sequence + 1, limit })].map(({ key, value }) => ({
        sequence: key,
        record: read('revocation', value),
      })),
    bytes: () => counter('bytes'),
  }
}

function decode(text: string): StoreRecord {
  // The cast is what this file writes.
  return { ...(JSON.parse(jsonOf(text)) as NewRecord), version: Number(text.slice(0, text.indexOf(' '))) }
}

/** What stands behind the version. */
function jsonOf(text: string): string {
  return text.slice(text.indexOf(' ') + 1)
}

/** About what a record takes of the file, its entries in the other tables and half-full pages included. */
function sizeOf({ id, groupId, json }: Draft): number {
  const ids = Buffer.byteLength(id) * 3 + (groupId === undefined ? 0 : Buffer.byteLength(groupId) + id.length)
  const value = Buffer.byteLength(json) + 20
  if (value <= INLINE_BYTES) return (ids + value + 100) * 2
  return (ids + 100) * 2 + Math.ceil(value / PAGE_BYTES) * PAGE_BYTES
}
