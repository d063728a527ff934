// What is on the list, by key, until it expires. Identifiers that the kit drew are most of it, and are kept in flat tables;
// the rest is in a map whose keys are also filed by the minute in which they expire. Either way purging drops whole buckets.

import { createExpiringIds } from './expiring-ids.ts'
import { createId, readId } from './id.ts'
import type { Clock, Milliseconds } from './time.ts'

/** What is known of a key. Adding it again can only make either time later. */
export interface ExpiringEntry {
  readonly expires: Milliseconds
  /** For a subject: tokens issued until then are revoked. */
  readonly cutoff?: Milliseconds
}

/** The revocation list in this process. A key is a prefix and a name. */
export interface ExpiringMap {
  has(prefix: string, name: string): boolean
  /** The latest cut-off of the key; 0 when there is none. */
  cutoff(prefix: string, name: string): Milliseconds
  add(key: string, entry: ExpiringEntry): void
  /** Adds identifiers that all follow one prefix; false if such are not kept in pages after this prefix. */
  addPage(prefix: string, page: DataView, expires: Milliseconds): boolean
  /** Makes room for so many more. */
  reserve(prefix: string, count: number, expires: Milliseconds): void
  /** Takes note of the time and drops what is over by then. What has expired may be found until then, and for a while. */
  purge(): void
  /** The latest time that was ever noted: it does not go back when the clock does. */
  readonly latest: Milliseconds
  /** Whether an entry that stopped a token of this expiry may be gone. For a live token: only if the clock went back. */
  hasForgotten(expires: Milliseconds): boolean
  /** How many keys are held. */
  readonly size: number
}

const MINUTE: Milliseconds = 60_000

/**
 * Makes an empty map.
 *
 * @param options.idPrefixes - after which prefixes most names are identifiers that the kit drew
 * @param options.span - how far ahead such an entry expires, as a rule. It may be held for a quarter longer
 */
export function createExpiringMap(
  clock: Clock,
  options: { readonly idPrefixes: readonly string[]; readonly span: Milliseconds },
): ExpiringMap {
  const width = Math.ceil(options.span / 4 / MINUTE) * MINUTE
  const ids = new Map(options.idPrefixes.map((prefix) => [prefix, createExpiringIds(width)]))
  const others = new Map<string, Required<ExpiringEntry>>()
  const minutes = new Map<number, string[]>()
  // One that is used again and again, so that a lookup makes nothing.
  const id = createId()
  let latest = 0
  let purged = 0

  function purge(): void {
    const now = clock()
    if (now > latest) latest = now
    const current = minuteOf(latest)
    if (current <= purged) return
    purged = current
    for (const each of ids.values()) each.purge(current * MINUTE)
    for (const [minute, keys] of minutes) {
      if (minute >= current) continue
      minutes.delete(minute)
      for (const key of keys) if (minuteOf(others.get(key)?.expires) < current) others.delete(key)
    }
  }

  function addOther(key: string, { expires, cutoff = 0 }: ExpiringEntry): void {
    const known = others.get(key)
    const merged = { expires: Math.max(expires, known?.expires ?? 0), cutoff: Math.max(cutoff, known?.cutoff ?? 0) }
    others.set(key, merged)
    const minute = minuteOf(merged.expires)
    if (known !== undefined && minuteOf(known.expires) === minute) return
    const keys = minutes.get(minute)
    if (keys === undefined) minutes.set(minute, [key])
    else keys.push(key)
  }

  purge()

  return {
    purge,
    has(prefix, name) {
      const drawn = ids.get(prefix)
      // Where there are none, nothing has to be read, and no key put together.
      if (drawn !== undefined && drawn.tables > 0 && readId(name, 0, id)) return drawn.has(id)
      return others.size > 0 && others.has(prefix + name)
    },
    cutoff: (prefix, name) => (others.size > 0 && others.get(prefix + name)?.cutoff) || 0,
    add(key, entry) {
      purge()
      for (const [prefix, drawn] of ids) {
        if (key.startsWith(prefix) && readId(key, prefix.length, id)) return drawn.add(id, entry.expires, latest)
      }
      addOther(key, entry)
    },
    addPage(prefix, page, expires) {
      purge()
      const drawn = ids.get(prefix)
      drawn?.addPage(page, expires, latest)
      return drawn !== undefined
    },
    reserve(prefix, count, expires) {
      purge()
      ids.get(prefix)?.reserve(count, expires, latest)
    },
    hasForgotten: (expires) => expires <= purged * MINUTE,
    get latest() {
      return latest
    },
    get size() {
      purge()
      return [...ids.values()].reduce((sum, { size }) => sum + size, others.size)
    },
  }
}

function minuteOf(time: Milliseconds = 0): number {
  return Math.floor(time / MINUTE)
}
