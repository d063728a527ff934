// What a process was told of the revocation list, word for word as it is in Redis' buckets: compact, comparable piece by
// piece, and what is written back after Redis has lost it.

import type { Milliseconds } from '../../time.ts'
import { endOf } from './wire.ts'

/** The buckets as they were read. */
export interface Ledger {
  /** Appends whole lines, each with its end, to a bucket. */
  add(bucket: string, lines: string): void
  /** The bytes of a bucket. */
  bytes(bucket: string): Buffer
  has(bucket: string, line: string): boolean
  /** Forgets what has expired. */
  drop(now: Milliseconds): void
  /** The names of the buckets. */
  buckets(): string[]
}

/** Makes an empty one. */
export function createLedger(): Ledger {
  const pages = new Map<string, { buffer: Buffer; length: number }>()

  function bytes(bucket: string): Buffer {
    const page = pages.get(bucket)
    return page === undefined ? Buffer.alloc(0) : page.buffer.subarray(0, page.length)
  }

  return {
    bytes,
    add(bucket, lines) {
      const page = pages.get(bucket) ?? { buffer: Buffer.alloc(0), length: 0 }
      pages.set(bucket, page)
      const length = page.length + lines.length
      if (length > page.buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(256, length + (length >> 2)))
        page.buffer.copy(larger, 0, 0, page.length)
        page.buffer = larger
      }
      // One byte a character: lines are ASCII.
      page.length += page.buffer.write(lines, page.length, 'latin1')
    },
    has(bucket, line) {
      const all = bytes(bucket)
      return all.subarray(0, line.length + 1).equals(Buffer.from(`${line}\n`)) || all.includes(`\n${line}\n`)
    },
    drop(now) {
      for (const bucket of pages.keys()) if (endOf(bucket) <= now) pages.delete(bucket)
    },
    buckets: () => [...pages.keys()],
  }
}

/** The lines that one ledger has and another has not, bucket by bucket. */
export function* missing(from: Ledger, present: Ledger): Generator<string[]> {
  for (const bucket of from.buckets()) {
    const [old, now] = [from.bytes(bucket), present.bytes(bucket)]
    // As a rule nothing is lost, and more was appended.
    if (now.subarray(0, old.length).equals(old)) continue
    const there = new Set(now.toString('latin1').split('\n'))
    yield old
      .toString('latin1')
      .split('\n')
      .filter((line) => line !== '' && !there.has(line))
  }
}
