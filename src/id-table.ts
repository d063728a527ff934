// A set of 128-bit identifiers: open addressing in flat arrays, in segments, so that growing never takes long. Nothing is
// ever removed; who is done with a table lets go of it whole. Slots are looked at four at a time, by one byte of each of
// their identifiers: most lookups find nothing, and cost one read and no branch that the processor would guess wrong.

import { hashId, type Id, WORDS } from './id.ts'

/** A set of identifiers. */
export interface IdTable {
  has(id: Id): boolean
  /** Tells whether it was missing. */
  add(id: Id): boolean
  readonly size: number
}

/** Part of a table: the identifiers whose hash begins alike. */
interface Segment {
  /** A byte for each of four slots: the tag of its identifier, or 0 where there is none. */
  readonly tags: Int32Array
  readonly words: Uint32Array
  count: number
}

const SEGMENTS = 64
const SEGMENT_SHIFT = 26
const SLOTS = 4
const LEAST_GROUPS = 4
const MOST_FULL = 0.8

/**
 * Makes an empty table.
 *
 * @param hash - what spreads the words that begin at `start`: its first bits over the segments, its last within
 */
export function createIdTable(hash: (words: Uint32Array, start: number) => number = hashId): IdTable {
  const segments: (Segment | undefined)[] = Array.from({ length: SEGMENTS })
  let size = 0

  function grow(old: Segment): Segment {
    const segment = createSegment(old.tags.length * 2)
    for (let slot = 0; slot < old.tags.length * SLOTS; slot += 1) {
      if (tagAt(old.tags[Math.floor(slot / SLOTS)] ?? 0, slot % SLOTS) === 0) continue
      put(segment, hash(old.words, slot * WORDS), old.words, slot * WORDS)
    }
    return segment
  }

  return {
    has(id) {
      const segment = segments[(id[WORDS] ?? 0) >>> SEGMENT_SHIFT]
      return segment !== undefined && find(segment, id)
    },
    add(id) {
      const at = id[WORDS] ?? 0
      let segment = (segments[at >>> SEGMENT_SHIFT] ??= createSegment(LEAST_GROUPS))
      if (find(segment, id)) return false
      if (segment.count >= segment.tags.length * SLOTS * MOST_FULL) {
        segment = segments[at >>> SEGMENT_SHIFT] = grow(segment)
      }
      put(segment, at, id, 0)
      size += 1
      return true
    },
    get size() {
      return size
    },
  }
}

function createSegment(groups: number): Segment {
  return { tags: new Int32Array(groups), words: new Uint32Array(groups * SLOTS * WORDS), count: 0 }
}

function find({ tags, words }: Segment, id: Id): boolean {
  const last = tags.length - 1
  const tag = tagOf(id, 0)
  const tagInEach = Math.imul(tag, 0x01010101)
  for (let group = (id[WORDS] ?? 0) & last; ; group = (group + 1) & last) {
    const four = tags[group] ?? 0
    if (hasZeroByte(four ^ tagInEach)) {
      for (let slot = 0; slot < SLOTS; slot += 1) {
        if (tagAt(four, slot) === tag && isAt(words, (group * SLOTS + slot) * WORDS, id)) return true
      }
    }
    if (hasZeroByte(four)) return false
  }
}

/** Into the first gap from where the hash points; there always is one. */
function put(segment: Segment, hash: number, words: Uint32Array, start: number): void {
  const last = segment.tags.length - 1
  let group = hash & last
  while (!hasZeroByte(segment.tags[group] ?? 0)) group = (group + 1) & last
  const four = segment.tags[group] ?? 0
  let slot = 0
  while (tagAt(four, slot) !== 0) slot += 1
  segment.tags[group] = four | (tagOf(words, start) << (8 * slot))
  const to = (group * SLOTS + slot) * WORDS
  for (let word = 0; word < WORDS; word += 1) segment.words[to + word] = words[start + word] ?? 0
  segment.count += 1
}

function tagOf(words: Uint32Array, start: number): number {
  return (words[start] ?? 0) & 255 || 1
}

function tagAt(four: number, slot: number): number {
  return (four >>> (8 * slot)) & 255
}

function hasZeroByte(four: number): boolean {
  return ((four - 0x01010101) & ~four & 0x80808080) !== 0
}

function isAt(words: Uint32Array, start: number, id: Id): boolean {
  for (let word = 0; word < WORDS; word += 1) if (words[start + word] !== id[word]) return false
  return true
}
