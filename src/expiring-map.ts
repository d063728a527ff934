// A map whose keys are also filed by the minute in which they expire, so that purging looks at nothing else.

import type { Clock, Milliseconds } from './time.ts'

/** What is known of a key. Adding it again can only make either time later. */
export interface ExpiringEntry {
  readonly expires: Milliseconds
  /** For a subject: tokens issued until then are revoked. */
  readonly cutoff: Milliseconds
}

/** The revocation list in this process. */
export interface ExpiringMap {
  get(key: string): ExpiringEntry | undefined
  add(key: string, entry: ExpiringEntry): void
  /** Takes note of the time and drops the minutes that are over. What has expired may be found until then. */
  purge(): void
  /** The latest time that was ever noted: it does not go back when the clock does. */
  readonly latest: Milliseconds
  /** Whether an entry that stopped a token of this expiry may be gone. For a live token: only if the clock went back. */
  hasForgotten(expires: Milliseconds): boolean
  readonly size: number
}

const BUCKET: Milliseconds = 60_000

/** Makes an empty map. */
export function createExpiringMap(clock: Clock): ExpiringMap {
  const entries = new Map<string, ExpiringEntry>()
  const buckets = new Map<number, string[]>()
  let latest = 0
  let purged = 0

  function purge(): void {
    const now = clock()
    if (now > latest) latest = now
    const current = Math.floor(latest / BUCKET)
    if (current <= purged) return
    purged = current
    for (const [minute, keys] of buckets) {
      if (minute >= current) continue
      buckets.delete(minute)
      for (const key of keys) if (bucketOf(entries.get(key)) < current) entries.delete(key)
    }
  }

  purge()

  return {
    purge,
    get: (key) => entries.get(key),
    add(key, entry) {
      purge()
      const known = entries.get(key)
      const merged = {
        expires: Math.max(entry.expires, known?.expires ?? 0),
        cutoff: Math.max(entry.cutoff, known?.cutoff ?? 0),
      }
      entries.set(key, merged)
      if (known !== undefined && bucketOf(known) === bucketOf(merged)) return
      const bucket = buckets.get(bucketOf(merged))
      if (bucket === undefined) buckets.set(bucketOf(merged), [key])
      else bucket.push(key)
    },
    hasForgotten: (expires) => expires <= purged * BUCKET,
    get latest() {
      return latest
    },
    get size() {
      purge()
      return entries.size
    },
  }
}

function bucketOf(entry: ExpiringEntry | undefined): number {
  return Math.floor((entry?.expires ?? 0) / BUCKET)
}
