// What a process was told of the revocation list, word for word as it is in Redis' buckets: compact, comparable piece by
// piece, and what is written back after Redis has lost it. What came from Redis in large pieces stays in these, which the
// list itself uses as well.

import { ENTRY_BYTES } from '../../id.ts'
import type { Milliseconds } from '../../time.ts'
import { type Entry, prefixOf, recordsIn } from './packed.ts'
import { endOf, toLine } from './wire.ts'

/** The buckets as they were read. */
export interface Ledger {
  /** Appends entries to a bucket. Large pieces are kept as they are, and must not change any more. */
  add(bucket: string, bytes: Buffer): void
  has(entry: Entry): boolean
  length(bucket: string): number
  /** All bytes of a bucket. */
  bytes(bucket: string): Buffer
  /** These bytes at this place of a bucket, as they are kept; undefined where there are others. */
  find(bucket: string, from: number, bytes: Buffer): readonly Buffer[] | undefined
  /** Forgets what has expired. */
  drop(now: Milliseconds): void
  /** The names of the buckets. */
  buckets(): string[]
}

interface Bucket {
  readonly pieces: Buffer[]
  /** What comes in little goes here first. */
  tail: Buffer
  used: number
  length: number
}

const LEAST_PIECE = 4096
const LEAST_TAIL = 256
const MOST_TAIL = 65_536

/** Makes an empty one. */
export function createLedger(): Ledger {
  const buckets = new Map<string, Bucket>()

  function piecesOf(name: string): Buffer[] {
    const { pieces = [], tail, used } = buckets.get(name) ?? {}
    return tail === undefined ? pieces : [...pieces, tail.subarray(0, used)]
  }

  function bytesOf(name: string): Buffer {
    return Buffer.concat(piecesOf(name))
  }

  return {
    add(name, bytes) {
      const bucket = buckets.get(name) ?? { pieces: [], tail: Buffer.alloc(0), used: 0, length: 0 }
      buckets.set(name, bucket)
      bucket.length += bytes.length
      if (bucket.used + bytes.length <= bucket.tail.length) {
        bucket.used += bytes.copy(bucket.tail, bucket.used)
        return
      }
      if (bucket.used > 0) bucket.pieces.push(bucket.tail.subarray(0, bucket.used))
      const isKept = bytes.length >= LEAST_PIECE
      if (isKept) bucket.pieces.push(bytes)
      const room = Math.min(MOST_TAIL, Math.max(LEAST_TAIL, bytes.length, bucket.length >> 3))
      bucket.tail = Buffer.allocUnsafeSlow(isKept ? 0 : room)
      bucket.used = isKept ? 0 : bytes.copy(bucket.tail)
    },
    has({ bucket, bytes: entry }) {
      const all = bytesOf(bucket)
      const isStart = (at: number): boolean =>
        prefixOf(bucket) === undefined ? at === 0 || all[at - 1] === 10 : at % ENTRY_BYTES === 0
      let at = all.indexOf(entry)
      while (at !== -1 && !isStart(at)) at = all.indexOf(entry, at + 1)
      return at !== -1
    },
    length: (name) => buckets.get(name)?.length ?? 0,
    bytes: bytesOf,
    find(name, from, bytes) {
      const found: Buffer[] = []
      let [start, at] = [0, 0]
      for (const piece of piecesOf(name)) {
        const [begin, end] = [Math.max(0, from - start), Math.min(piece.length, from + bytes.length - start)]
        start += piece.length
        if (begin >= end) continue
        const part = piece.subarray(begin, end)
        if (!part.equals(bytes.subarray(at, at + part.length))) return undefined
        at += part.length
        found.push(part)
      }
      return at === bytes.length ? found : undefined
    },
    drop(now) {
      for (const name of buckets.keys()) if (endOf(name) <= now) buckets.delete(name)
    },
    buckets: () => [...buckets.keys()],
  }
}

/** As lines, what one ledger has and another has not, bucket by bucket. */
export function* missing(from: Ledger, present: Ledger): Generator<string[]> {
  for (const bucket of from.buckets()) {
    const old = from.bytes(bucket)
    // As a rule nothing is lost, and more was appended.
    if (present.find(bucket, 0, old) !== undefined) continue
    const there = new Set(split(bucket, present.bytes(bucket)))
    const lost = split(bucket, old).filter((entry) => !there.has(entry))
    if (prefixOf(bucket) === undefined) yield lost
    else yield Array.from(recordsIn(bucket, Buffer.from(lost.join(''), 'latin1')), toLine)
  }
}

/** The entries one by one. */
function split(bucket: string, bytes: Buffer): string[] {
  const text = bytes.toString('latin1')
  if (prefixOf(bucket) === undefined) return text.split('\n').filter((line) => line !== '')
  return Array.from({ length: text.length / ENTRY_BYTES }, (_, i) => text.slice(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES))
}
