// Waiting that ends early when there is a reason.

import type { Milliseconds } from '../../time.ts'

/** One who waits, and who wakes them. */
export interface Pause {
  /** Waits so long, or until a ring finds that it is over, or the signal. */
  wait(time: Milliseconds, isOver?: () => boolean): Promise<void>
  ring(): void
}

/** Makes one; after the signal nothing waits any more. */
export function createPause(signal: AbortSignal): Pause {
  const waiting = new Set<() => void>()

  function ring(): void {
    for (const check of waiting) check()
  }

  signal.addEventListener('abort', ring, { once: true })
  return {
    ring,
    wait: (time, isOver) =>
      new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer)
          waiting.delete(check)
          resolve()
        }
        const check = (): void => {
          if (signal.aborted || isOver?.() === true) end()
        }
        const timer = setTimeout(end, time)
        timer.unref()
        waiting.add(check)
        check()
      }),
  }
}
