// One tab at a time talks to the session's routes: by Web Locks. Where there are none, chance makes it likely; should two
// meet all the same, the server answers racers alike, so that costs a request and nothing else.

import { PATIENCE_MS, SPREAD_MS } from './limits.ts'

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/**
 * Does it while no other tab does the like.
 *
 * @param work - is told whether another tab may just have; must not reject
 */
export async function takeTurn(name: string, work: (isLate: boolean) => Promise<void>): Promise<void> {
  try {
    const { locks } = navigator
    await locks.request(name, { ifAvailable: true }, (lock) =>
      lock ? work(false) : locks.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => work(true)),
    )
  } catch {
    // This page may have none, or a tab that hangs has it.
    await pause(Math.random() * SPREAD_MS)
    await work(true)
  }
}
