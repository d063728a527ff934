// Identifiers until they expire: a few tables, each for a stretch of time, dropped whole when that is over. A lookup asks
// every table, so there are few of them, and an identifier may stay a while longer than it has to.

import type { Id } from './id.ts'
import { createIdTable, type IdTable } from './id-table.ts'
import type { Milliseconds } from './time.ts'

/** Identifiers of one kind. */
export interface ExpiringIds {
  has(id: Id): boolean
  /** Adding it again can only prolong it. */
  add(id: Id, expires: Milliseconds, now: Milliseconds): void
  /** Adds a page of them, which it may keep: it must not change any more. */
  addPage(page: DataView, expires: Milliseconds, now: Milliseconds): void
  /** Makes room for so many. */
  reserve(count: number, expires: Milliseconds, now: Milliseconds): void
  /** Drops the tables that are over. */
  purge(now: Milliseconds): void
  /** How many identifiers there are, which takes a look at each. */
  readonly size: number
  /** How many tables there are: what a lookup costs. */
  readonly tables: number
}

interface Bucket {
  readonly end: Milliseconds
  readonly table: IdTable
}

// Of one width. What expires later than so many of them goes into wider ones.
const MOST_BUCKETS = 8

/**
 * Makes an empty set.
 *
 * @param width - the stretch of time of one table; longer for what expires so late that there would be more than a few
 */
export function createExpiringIds(width: Milliseconds): ExpiringIds {
  let buckets: Bucket[] = []

  function bucketFor(expires: Milliseconds, now: Milliseconds): Bucket {
    let stretch = width
    while (expires - now > MOST_BUCKETS * stretch) stretch *= MOST_BUCKETS
    // What is over already goes with the next that is: it must not have a bucket of its own.
    const end = (Math.floor(Math.max(expires, now) / stretch) + 1) * stretch
    const known = buckets.find((bucket) => bucket.end === end)
    if (known !== undefined) return known
    const bucket = { end, table: createIdTable() }
    // The latest first, so that what is to be prolonged is found where it stays longest.
    buckets = [...buckets, bucket].toSorted((a, b) => b.end - a.end)
    return bucket
  }

  function find(id: Id): Bucket | undefined {
    for (let i = 0; i < buckets.length; i += 1) if (buckets[i]?.table.has(id) === true) return buckets[i]
    return undefined
  }

  return {
    has: (id) => find(id) !== undefined,
    add(id, expires, now) {
      const known = find(id)
      if (known === undefined || known.end <= expires) bucketFor(expires, now).table.add(id)
    },
    addPage: (page, expires, now) => bucketFor(expires, now).table.addPage(page),
    reserve: (count, expires, now) => bucketFor(expires, now).table.reserve(count),
    purge(now) {
      if (buckets.some(({ end }) => end <= now)) buckets = buckets.filter(({ end }) => end > now)
    },
    get size() {
      let sum = 0
      // One that was prolonged is in several.
      for (const bucket of buckets) for (const id of bucket.table.ids()) if (find(id) === bucket) sum += 1
      return sum
    },
    get tables() {
      return buckets.length
    },
  }
}
