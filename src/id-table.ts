// A set of 128-bit identifiers. They stand in pages, one after the other, and are found by open addressing in flat arrays,
// in segments, so that growing never takes long and moves no identifier. Nothing is ever removed; who is done with a table
// lets go of it whole. Slots are looked at four at a time, by one byte of each of their identifiers: most lookups find
// nothing, and cost one read and no branch that the processor would guess wrong.

import { createId, ENTRY_BYTES, hashId, type Id, loadWords, storeWords, WORDS } from './id.ts'

/** A set of identifiers. */
export interface IdTable {
  has(id: Id): boolean
  /** Tells whether it was missing. */
  add(id: Id): boolean
  /** Adds all in a page, which it may keep: the page must not change any more. */
  addPage(page: DataView): void
  /** Makes room for so many more, so that they are added without growing. */
  reserve(count: number): void
  /** All of them, in the same place one after the other. */
  ids(): Generator<Id>
  readonly size: number
}

/** Part of a table: the identifiers whose hash begins alike. */
interface Segment {
  /** A byte for each of four slots: the tag of its identifier, or 0 where there is none. */
  readonly tags: Int32Array
  /** For each slot where its identifier is: the number of the page, then its number there. */
  readonly places: Uint32Array
  count: number
}

const SEGMENTS = 64
const SEGMENT_SHIFT = 26
const SLOTS = 4
const LEAST_GROUPS = 4
const MOST_FULL = 0.8

const PAGE_SHIFT = 16
const MOST_IN_PAGE = 2 ** PAGE_SHIFT
const LEAST_IN_PAGE = 16
// A page of the table's own is an eighth of what is there, so no more than that is ever empty. Of others' pages only
// those are kept that are worth a number.
const LEAST_KEPT = 1024
const MOST_KEPT = 2 ** 15

/**
 * Makes an empty table.
 *
 * @param hash - what spreads the words that begin at `start`: its first bits over the segments, its last within
 */
export function createIdTable(hash: (words: Uint32Array, start: number) => number = hashId): IdTable {
  const segments: (Segment | undefined)[] = Array.from({ length: SEGMENTS })
  const pages: DataView[] = []
  /** The page of its own that is being filled. */
  let own = { page: new DataView(new ArrayBuffer(0)), number: -1, count: 0 }
  let leastGroups = LEAST_GROUPS
  let expected = 0
  let size = 0
  const read = createId()

  function isAt(place: number, id: Id): boolean {
    const page = pages[place >>> PAGE_SHIFT]
    const at = (place & (MOST_IN_PAGE - 1)) * ENTRY_BYTES
    for (let word = 0; word < WORDS; word += 1) if (page?.getUint32(at + 4 * word, true) !== id[word]) return false
    return true
  }

  function find({ tags, places }: Segment, id: Id): boolean {
    const last = tags.length - 1
    const tag = tagOf(id)
    const tagInEach = Math.imul(tag, 0x01010101)
    for (let group = (id[WORDS] ?? 0) & last; ; group = (group + 1) & last) {
      const four = tags[group] ?? 0
      if (hasZeroByte(four ^ tagInEach)) {
        for (let slot = 0; slot < SLOTS; slot += 1) {
          if (tagAt(four, slot) === tag && isAt(places[group * SLOTS + slot] ?? 0, id)) return true
        }
      }
      if (hasZeroByte(four)) return false
    }
  }

  /** Reads an identifier and its hash. */
  function load(page: DataView | undefined, at: number, id: Id): Id {
    if (page !== undefined) loadWords(page, at * ENTRY_BYTES, id)
    id[WORDS] = hash(id, 0)
    return id
  }

  const loadAt = (place: number): Id => load(pages[place >>> PAGE_SHIFT], place & (MOST_IN_PAGE - 1), read)

  function grow(old: Segment): Segment {
    const segment = createSegment(Math.max(old.tags.length * 2, leastGroups))
    for (const place of placesIn(old)) put(segment, loadAt(place), place)
    return segment
  }

  /** Adds what is missing, at a place that is asked for only then. */
  function addAt(id: Id, placeOf: (id: Id) => number): boolean {
    const at = (id[WORDS] ?? 0) >>> SEGMENT_SHIFT
    let segment = (segments[at] ??= createSegment(leastGroups))
    if (find(segment, id)) return false
    if (segment.count >= segment.tags.length * SLOTS * MOST_FULL) segment = segments[at] = grow(segment)
    put(segment, id, placeOf(id))
    size += 1
    return true
  }

  function copy(id: Id): number {
    if (own.count * ENTRY_BYTES === own.page.byteLength) {
      const count = Math.min(MOST_IN_PAGE, Math.max(LEAST_IN_PAGE, size >> 3))
      const page = new DataView(new ArrayBuffer(count * ENTRY_BYTES))
      own = { page, number: pages.push(page) - 1, count: 0 }
    }
    storeWords(id, own.page, own.count * ENTRY_BYTES)
    own.count += 1
    return toPlace(own.number, own.count - 1)
  }

  function has(id: Id): boolean {
    const segment = segments[(id[WORDS] ?? 0) >>> SEGMENT_SHIFT]
    return segment !== undefined && find(segment, id)
  }

  return {
    has,
    add: (id) => addAt(id, copy),
    addPage(page) {
      const count = Math.floor(page.byteLength / ENTRY_BYTES)
      const id = createId()
      const isWorth = count >= LEAST_KEPT && count <= MOST_IN_PAGE && pages.length < MOST_KEPT
      // One that begins with what is there brings little, as a rule.
      const number = isWorth && !has(load(page, 0, id)) ? pages.push(page) - 1 : -1
      let i = 0
      const here = (): number => toPlace(number, i)
      for (; i < count; i += 1) addAt(load(page, i, id), number === -1 ? copy : here)
    },
    reserve(count) {
      expected += count
      while (leastGroups * SEGMENTS * SLOTS * MOST_FULL < expected * 1.05) leastGroups *= 2
    },
    *ids() {
      for (const segment of segments) {
        if (segment !== undefined) for (const place of placesIn(segment)) yield loadAt(place)
      }
    },
    get size() {
      return size
    },
  }
}

function createSegment(groups: number): Segment {
  return { tags: new Int32Array(groups), places: new Uint32Array(groups * SLOTS), count: 0 }
}

function placesIn({ tags, places }: Segment): Uint32Array {
  return places.filter((_, slot) => tagAt(tags[Math.floor(slot / SLOTS)] ?? 0, slot % SLOTS) !== 0)
}

/** Into the first gap from where the hash points; there always is one. */
function put(segment: Segment, id: Id, place: number): void {
  const last = segment.tags.length - 1
  let group = (id[WORDS] ?? 0) & last
  while (!hasZeroByte(segment.tags[group] ?? 0)) group = (group + 1) & last
  const four = segment.tags[group] ?? 0
  let slot = 0
  while (tagAt(four, slot) !== 0) slot += 1
  segment.tags[group] = four | (tagOf(id) << (8 * slot))
  segment.places[group * SLOTS + slot] = place
  segment.count += 1
}

function toPlace(page: number, at: number): number {
  return page * MOST_IN_PAGE + at
}

function tagOf(id: Id): number {
  return (id[0] ?? 0) & 255 || 1
}

function tagAt(four: number, slot: number): number {
  return (four >>> (8 * slot)) & 255
}

function hasZeroByte(four: number): boolean {
  return ((four - 0x01010101) & ~four & 0x80808080) !== 0
}
