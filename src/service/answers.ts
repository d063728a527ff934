// What an issuer answered about tokens, kept for a short while: what is active and what is not apart, so that a flood of
// bad tokens cannot push out the good ones. By the digest of the token, to the last character: by what a token says of
// itself (`jti`), a forged one would find the answer of a good one.

import { createHash } from 'node:crypto'

import type { Clock, Milliseconds } from '../time.ts'

/** Answers of one kind. */
export interface Answers<T> {
  /** The answer, while it is good. */
  get(token: string): T | undefined
  /** Keeps it; the oldest goes when there are too many. */
  set(token: string, answer: T, expires: Milliseconds): void
  readonly size: number
}

/** Makes an empty place for answers. */
export function createAnswers<T>(clock: Clock, capacity: number): Answers<T> {
  const kept = new Map<string, { readonly answer: T; readonly expires: Milliseconds }>()

  return {
    get(token) {
      const entry = kept.get(digestToken(token))
      // Not `>`: whatever is no number is over.
      return entry !== undefined && clock() < entry.expires ? entry.answer : undefined
    },
    set(token, answer, expires) {
      const key = digestToken(token)
      kept.delete(key)
      const [oldest] = kept.size >= capacity ? kept.keys() : []
      if (oldest !== undefined) kept.delete(oldest)
      kept.set(key, { answer, expires })
    },
    get size() {
      return kept.size
    },
  }
}

/** What stands for a token where the token itself should not be kept. */
export function digestToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
