// A clock that stands still until a test moves it.

import { type Clock, type Duration, type Milliseconds, parseDuration } from '../time.ts'

/** A clock to pass as `clock`. */
export interface TestClock extends Clock {
  /** Moves on: `'15m'`, or seconds, which may be negative. */
  advance(by: Duration): void
  /** Moves to an instant. */
  set(to: Milliseconds): void
}

/**
 * Makes a clock that stands still.
 *
 * @param start - by default the time when it is made
 * @example
 * ```ts
 * import { createSessionKit } from 'koa-holdfast'
 * import { createTestClock } from 'koa-holdfast/testing'
 *
 * const clock = createTestClock()
 * const kit = await createSessionKit({ issuer: 'http://localhost:3000', clock })
 * clock.advance('16m') // every access token has expired
 * ```
 */
export function createTestClock(start: Milliseconds = Date.now()): TestClock {
  let now = start
  return Object.assign(() => now, {
    advance: (by: Duration) => {
      now += (typeof by === 'number' ? by : parseDuration(by, 'by')) * 1000
    },
    set: (to: Milliseconds) => {
      now = to
    },
  })
}
