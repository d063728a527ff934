// How most of the list is written down: of a key that is a prefix and an identifier which the kit drew, without a value,
// only the 16 bytes of the identifier and a check of two, in a bucket for each prefix and minute. A new process takes a
// million of them as they come. All expire with their minute; the record itself says when exactly.

import { createId, ENTRY_BYTES, namesIn, readId, storeWords } from '../../id.ts'
import type { Milliseconds } from '../../time.ts'
import type { NewRecord } from '../store.ts'
import { bucketOf, endOf, toLine } from './wire.ts'

/** An entry as it is appended to a bucket: packed, or a line. */
export interface Entry {
  readonly bucket: string
  readonly bytes: Buffer
  readonly isPacked: boolean
}

const NAME_LENGTH = 22
const PREFIX = /^[!-~][ -~]{0,199} $/
const PACKED = /^\d{1,12}:([!-~][ -~]{0,199})$/
// Without it zeros, and much that repeats itself, would pass.
const SALT = 0x6b1d
// Where an entry is put together, again and again.
const ID = createId()
const SCRATCH = Buffer.alloc(ENTRY_BYTES)
const VIEW = viewOf(SCRATCH)

/** What the keys of a packed bucket begin with; undefined for a bucket of lines. */
export function prefixOf(bucket: string): string | undefined {
  const [, prefix] = PACKED.exec(bucket) ?? []
  return prefix && `${prefix} `
}

/** When everything in a packed bucket expires: the last moment that belongs to it. */
export function expiryOf(bucket: string): Milliseconds {
  return endOf(bucket) - 1
}

/** Writes an entry, packed if it can be. */
export function toEntry(record: NewRecord, line: string = toLine(record)): Entry {
  const { key, value, group, expires } = record
  const [bucket, prefix] = [bucketOf(expires), key.slice(0, -NAME_LENGTH)]
  const isBare = value === null && group === undefined && bucket !== 'never'
  if (!isBare || !PREFIX.test(prefix) || !readId(key, prefix.length, ID)) {
    return { bucket, bytes: Buffer.from(`${line}\n`), isPacked: false }
  }
  storeWords(ID, VIEW, 0)
  VIEW.setUint16(ENTRY_BYTES - 2, checkOf(VIEW, 0), true)
  return { bucket: `${bucket}:${prefix.slice(0, -1)}`, bytes: Buffer.from(SCRATCH), isPacked: true }
}

/** Leaves out what is no entry, and what was deleted. Answers the bytes themselves where that is nothing. */
export function sift(bytes: Buffer): { readonly entries: Buffer; readonly foreign: number } {
  const view = viewOf(bytes)
  const good: Buffer[] = []
  let [start, foreign] = [0, 0]
  for (let at = skipEntries(view, 0); at < bytes.length; at = skipEntries(view, start)) {
    good.push(bytes.subarray(start, at))
    start = at + ENTRY_BYTES
    if (bytes.subarray(at, start).some((byte) => byte !== 0)) foreign += 1
  }
  return { entries: start === 0 ? bytes : Buffer.concat([...good, bytes.subarray(start)]), foreign }
}

/** Where the entries from there on end. */
function skipEntries(view: DataView, from: number): number {
  const last = view.byteLength - ENTRY_BYTES
  let at = from
  while (at <= last && view.getUint16(at + ENTRY_BYTES - 2, true) === checkOf(view, at)) at += ENTRY_BYTES
  return at
}

/** The records of a packed bucket's entries. */
export function* recordsIn(bucket: string, entries: Buffer): Generator<NewRecord> {
  const [prefix = '', expires] = [prefixOf(bucket), expiryOf(bucket)]
  for (const name of namesIn(viewOf(entries))) yield { key: prefix + name, value: null, expires }
}

/** The same memory, to read numbers. */
export function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

function checkOf(view: DataView, at: number): number {
  let mixed = 0
  for (let word = 0; word < ENTRY_BYTES - 2; word += 4) mixed ^= view.getUint32(at + word, true)
  return ((mixed ^ (mixed >>> 16)) & 0xffff) ^ SALT
}
