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

/** What a table consists of. The work is done by functions of this module, not of each table: they are compiled once. */
interface Table {
  readonly segments: (Segment | undefined)[]
  readonly pages: DataView[]
  readonly hash: Hash
  /** The page of its own that is being filled, its number and how full it is. */
  own: DataView
  ownNumber: number
  ownCount: number
  /** How many groups a segment has at least, and for how many identifiers room was asked. */
  leastGroups: number
  reserved: number
  size: number
}

type Hash = (words: Uint32Array, start: number) => number

const SEGMENTS = 64
const SEGMENT_SHIFT = 26
const SLOTS = 4
const LEAST_GROUPS = 4
const MOST_FULL = 0.8
// That much more than the average, since none is average.
const SPREAD = 1.05

const PAGE_SHIFT = 16
const MOST_IN_PAGE = 2 ** PAGE_SHIFT
const LEAST_IN_PAGE = 16
// Of others' pages those are kept that are worth a number.
const LEAST_KEPT = 1024
const MOST_KEPT = 2 ** 15

/**
 * Makes an empty table.
 *
 * @param hash - what spreads the words that begin at `start`: its first bits over the segments, its last within
 */
export function createIdTable(hash: Hash = hashId): IdTable {
  const own = new DataView(new ArrayBuffer(0))
  const table: Table = {
    segments: Array.from({ length: SEGMENTS }),
    // Never empty, so that all tables' are of one kind for the compiler.
    pages: [own],
    hash,
    own,
    ownNumber: 0,
    ownCount: 0,
    leastGroups: LEAST_GROUPS,
    reserved: 0,
    size: 0,
  }
  const read = createId()
  return {
    has: (id) => has(table, id),
    add: (id) => insert(table, id, copy(table, id)),
    addPage: (page) => addPage(table, page, read),
    reserve(count) {
      table.reserved += count
      while (table.leastGroups * SEGMENTS * SLOTS * MOST_FULL < table.reserved * SPREAD) table.leastGroups *= 2
    },
    *ids() {
      for (const segment of table.segments) {
        if (segment !== undefined) for (const place of placesIn(segment)) yield loadAt(table, place)
      }
    },
    get size() {
      return table.size
    },
  }
}

function has({ segments, pages }: Table, id: Id): boolean {
  const segment = segments[(id[WORDS] ?? 0) >>> SEGMENT_SHIFT]
  return segment !== undefined && findGap(pages, segment, id) === -1
}

function addPage(table: Table, page: DataView, id: Id): void {
  const count = Math.floor(page.byteLength / ENTRY_BYTES)
  const isWorth = count >= LEAST_KEPT && count <= MOST_IN_PAGE && table.pages.length < MOST_KEPT
  if (count > 0) load(table.hash, page, 0, id)
  // One that begins with what is there brings little, as a rule.
  const isKept = isWorth && !has(table, id)
  const first = isKept ? (table.pages.push(page) - 1) * MOST_IN_PAGE : 0
  for (let i = 0; i < count; i += 1) {
    load(table.hash, page, i, id)
    insert(table, id, isKept ? first + i : copy(table, id))
  }
}

/** Puts down where it stands, unless it is there already; tells whether it was missing. */
function insert(table: Table, id: Id, place: number): boolean {
  const segment = segmentFor(table, id)
  const gap = findGap(table.pages, segment, id)
  if (gap === -1) {
    // Its copy is not needed.
    if (place === lastCopy(table)) table.ownCount -= 1
    return false
  }
  put(segment, gap, id, place)
  table.size += 1
  return true
}

/** Where it belongs, with room for one more. */
function segmentFor(table: Table, id: Id): Segment {
  const at = (id[WORDS] ?? 0) >>> SEGMENT_SHIFT
  const segment = table.segments[at]
  if (segment !== undefined && segment.count < segment.tags.length * SLOTS * MOST_FULL) return segment
  return (table.segments[at] = segment === undefined ? createSegment(table.leastGroups) : grow(table, segment))
}

function grow(table: Table, old: Segment): Segment {
  const segment = createSegment(Math.max(old.tags.length * 2, table.leastGroups))
  for (const place of placesIn(old)) {
    const id = loadAt(table, place)
    put(segment, findGap(table.pages, segment, id), id, place)
  }
  return segment
}

function createSegment(groups: number): Segment {
  return { tags: new Int32Array(groups), places: new Uint32Array(groups * SLOTS), count: 0 }
}

function placesIn({ tags, places }: Segment): Uint32Array {
  return places.filter((_, slot) => tagAt(tags[Math.floor(slot / SLOTS)] ?? 0, slot % SLOTS) !== 0)
}

/** From where the hash points: -1 if it is there, else the first group with a gap. There always is one. */
function findGap(pages: readonly DataView[], { tags, places }: Segment, id: Id): number {
  const last = tags.length - 1
  const tag = tagOf(id)
  const tagInEach = Math.imul(tag, 0x01010101)
  let group = ((id[WORDS] ?? 0) & last) - 1
  for (;;) {
    group = (group + 1) & last
    const four = tags[group] ?? 0
    if (hasZeroByte(four ^ tagInEach)) {
      for (let slot = 0; slot < SLOTS; slot += 1) {
        if (tagAt(four, slot) === tag && isAt(pages, places[group * SLOTS + slot] ?? 0, id)) return -1
      }
    }
    if (hasZeroByte(four)) return group
  }
}

function isAt(pages: readonly DataView[], place: number, id: Id): boolean {
  const page = pages[place >>> PAGE_SHIFT]
  const at = (place & (MOST_IN_PAGE - 1)) * ENTRY_BYTES
  for (let word = 0; word < WORDS; word += 1) if (page?.getUint32(at + 4 * word, true) !== id[word]) return false
  return true
}

function put(segment: Segment, group: number, id: Id, place: number): void {
  const four = segment.tags[group] ?? 0
  let slot = 0
  while (tagAt(four, slot) !== 0) slot += 1
  segment.tags[group] = four | (tagOf(id) << (8 * slot))
  segment.places[group * SLOTS + slot] = place
  segment.count += 1
}

/** Puts it into a page of the table's own. These are an eighth of what is there, so no more than that is ever empty. */
function copy(table: Table, id: Id): number {
  if (table.ownCount * ENTRY_BYTES === table.own.byteLength) {
    const count = Math.min(MOST_IN_PAGE, Math.max(LEAST_IN_PAGE, table.size >> 3))
    table.own = new DataView(new ArrayBuffer(count * ENTRY_BYTES))
    table.ownNumber = table.pages.push(table.own) - 1
    table.ownCount = 0
  }
  storeWords(id, table.own, table.ownCount * ENTRY_BYTES)
  table.ownCount += 1
  return lastCopy(table)
}

function lastCopy({ ownNumber, ownCount }: Table): number {
  return ownNumber * MOST_IN_PAGE + ownCount - 1
}

function load(hash: Hash, page: DataView, at: number, id: Id): void {
  loadWords(page, at * ENTRY_BYTES, id)
  id[WORDS] = hash(id, 0)
}

/** Always in the same memory. */
function loadAt({ pages, hash }: Table, place: number): Id {
  const page = pages[place >>> PAGE_SHIFT]
  if (page !== undefined) load(hash, page, place & (MOST_IN_PAGE - 1), SCRATCH)
  return SCRATCH
}

const SCRATCH = createId()

function tagOf(id: Id): number {
  return (id[0] ?? 0) & 255 || 1
}

function tagAt(four: number, slot: number): number {
  return (four >>> (8 * slot)) & 255
}

function hasZeroByte(four: number): boolean {
  return ((four - 0x01010101) & ~four & 0x80808080) !== 0
}
