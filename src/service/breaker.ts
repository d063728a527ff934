// Does not ask again for a while who has failed several times in a row.

import type { Clock, Milliseconds } from '../time.ts'

/** A circuit breaker. */
export interface Breaker {
  /** Whether it may be tried. */
  isClosed(): boolean
  succeeded(): void
  failed(): void
}

const FAILURES = 3
const PAUSE: Milliseconds = 5000

/** Makes a closed breaker. After the pause one failure more opens it again. */
export function createBreaker(clock: Clock): Breaker {
  let failures = 0
  let opened: Milliseconds = -Infinity
  return {
    // A clock that went back does not keep it open.
    isClosed: () => failures < FAILURES || Math.abs(clock() - opened) >= PAUSE,
    succeeded() {
      failures = 0
    },
    failed() {
      failures += 1
      opened = clock()
    },
  }
}
