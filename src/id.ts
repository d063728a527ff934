// The 128-bit identifiers that the kit draws, read into words. Exact: no two of them are read alike.

import { randomFillSync } from 'node:crypto'

/** An identifier that has been read: its words, then their hash. */
export type Id = Uint32Array

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)))
const LENGTH = 22

/** How many words an identifier has. Its hash follows them. */
export const WORDS = 4

/** How many bytes an identifier takes in a page, with two after it for whoever made the page. */
export const ENTRY_BYTES: number = WORDS * 4 + 2

// Simple tabulation: short runs whatever the identifiers are, for whoever does not know these numbers.
// Pătraşcu and Thorup, "The Power of Simple Tabulation Hashing", 2012.
const TABULATION = randomFillSync(new Uint32Array(WORDS * 4 * 256))

/** Makes the place for an identifier. */
export function createId(): Id {
  return new Uint32Array(WORDS + 1)
}

/**
 * Reads what `drawIdentifier` writes: 16 bytes in 22 characters of base64url, from `start` to the end of the text.
 *
 * @param id - where it is put; when the answer is false, that holds nothing of use
 * @returns whether it is one, and the only spelling of it
 */
export function readId(text: string, start: number, id: Id): boolean {
  if (text.length !== start + LENGTH) return false
  let seen = 0
  // Five characters are 30 bits of a word. The last two are the other two bits of each, and four that must not be set.
  for (let word = 0, at = start; word < WORDS; word += 1) {
    let bits = 0
    for (const end = at + 5; at < end; at += 1) {
      const value = valueAt(text, at)
      seen |= value
      bits = (bits << 6) | value
    }
    id[word] = bits
  }
  const rest = (valueAt(text, start + 20) << 6) | valueAt(text, start + 21)
  if ((seen | rest) < 0 || (rest & 15) !== 0) return false
  for (let word = 0; word < WORDS; word += 1) id[word] = (id[word] ?? 0) | ((rest >>> (4 + 2 * word)) << 30)
  id[WORDS] = hashId(id, 0)
  return true
}

/** Writes what `readId` reads. */
export function writeId(id: Id): string {
  let text = ''
  let rest = 0
  for (let word = 0; word < WORDS; word += 1) {
    const bits = id[word] ?? 0
    for (let shift = 24; shift >= 0; shift -= 6) text += ALPHABET.charAt((bits >>> shift) & 63)
    rest |= (bits >>> 30) << (4 + 2 * word)
  }
  return text + ALPHABET.charAt(rest >>> 6) + ALPHABET.charAt(rest & 63)
}

/** Reads the words of the identifier that begins there in a page. */
export function loadWords(page: DataView, at: number, id: Id): void {
  for (let word = 0; word < WORDS; word += 1) id[word] = page.getUint32(at + 4 * word, true)
}

/** Puts them there. */
export function storeWords(id: Id, page: DataView, at: number): void {
  for (let word = 0; word < WORDS; word += 1) page.setUint32(at + 4 * word, id[word] ?? 0, true)
}

/** The texts of the identifiers in a page. */
export function* namesIn(page: DataView): Generator<string> {
  const id = createId()
  for (let at = 0; at < page.byteLength; at += ENTRY_BYTES) {
    loadWords(page, at, id)
    yield writeId(id)
  }
}

/** Negative when the character is none of the alphabet. */
function valueAt(text: string, at: number): number {
  return VALUES[text.charCodeAt(at)] ?? -1
}

/** The hash of the words that begin at `start`. Differs from process to process. */
export function hashId(words: Uint32Array, start: number): number {
  let hash = 0
  for (let row = 0; row < WORDS * 4; row += 4) {
    const word = words[start + row / 4] ?? 0
    hash ^= TABULATION[(row << 8) | (word & 255)] ?? 0
    hash ^= TABULATION[((row + 1) << 8) | ((word >>> 8) & 255)] ?? 0
    hash ^= TABULATION[((row + 2) << 8) | ((word >>> 16) & 255)] ?? 0
    hash ^= TABULATION[((row + 3) << 8) | (word >>> 24)] ?? 0
  }
  return hash >>> 0
}
