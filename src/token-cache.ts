// What is known of tokens that were looked into before, kept until they expire: so many at most, those in use longest. A
// token is found by its SHA-256 to the last character, never by what it says of itself: a forged one would find the
// answer of a good one. The tokens themselves are not kept.

import { hash } from 'node:crypto'

import type { Clock, Milliseconds } from './time.ts'

/** What is known of tokens. */
export interface TokenCache<T> {
  /** What was kept of exactly this token, until it expires. */
  get(token: string): T | undefined
  /** Keeps it. What has not been asked for in the longest time goes when there is too much. */
  set(token: string, value: T, expires: Milliseconds): void
  /** How many tokens are known. */
  readonly size: number
}

interface Entry<T> {
  readonly value: T
  readonly expires: Milliseconds
}

// What is kept of a token grows with its length, so there are fewer of those that are longer than this.
const USUAL_LENGTH = 1024

/**
 * Makes an empty cache.
 *
 * @param max - how many tokens it may hold; 0 for none
 */
export function createTokenCache<T>(clock: Clock, max: number): TokenCache<T> {
  // Two generations: what is asked for moves into the younger one, and when that is half of all, the elder one goes. So
  // nothing is kept in order, and a flood of tokens that come once does not push out those that come again.
  let young = new Map<string, Entry<T>>()
  let old = new Map<string, Entry<T>>()
  let length = 0
  const half = Math.max(1, Math.floor(max / 2))

  function keep(digest: string, entry: Entry<T>, token: string): void {
    if (young.size >= half || length >= half * USUAL_LENGTH) {
      old = young
      young = new Map()
      length = 0
    }
    old.delete(digest)
    young.set(digest, entry)
    length += token.length
  }

  return {
    get(token) {
      if (max === 0) return undefined
      const digest = digestToken(token)
      const recent = young.get(digest)
      const entry = recent ?? old.get(digest)
      if (entry === undefined) return undefined
      // Not `>`: whatever is no number is over.
      if (!(clock() < entry.expires)) {
        young.delete(digest)
        old.delete(digest)
        return undefined
      }
      if (recent === undefined) keep(digest, entry, token)
      return entry.value
    },
    set(token, value, expires) {
      if (max > 0 && clock() < expires) keep(digestToken(token), { value, expires }, token)
    },
    get size() {
      return young.size + old.size
    },
  }
}

/** What stands for a token where the token itself should not be kept: its SHA-256, a character for each byte. */
export function digestToken(token: string): string {
  return hash('sha256', token, 'binary')
}
