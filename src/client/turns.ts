// One tab at a time talks to the session's routes: by Web Locks, or where there are none by taking turns on the channel.
// There two may still collide; the server answers racers alike, so that costs a request and nothing else.

import type { Tabs } from './tabs.ts'

/** Longer than any request of the client takes. */
const PATIENCE_MS = 45_000

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

export type Turns = (work: () => Promise<void>) => Promise<void>

/** Makes what runs work while no other tab does. The work must not reject. */
export function createTurns(name: string, tabs: Pick<Tabs, 'tell' | 'isBusy'>): Turns {
  async function takeTurns(work: () => Promise<void>): Promise<void> {
    await pause(Math.random() * 100)
    while (tabs.isBusy()) await pause(20)
    tabs.tell('busy')
    await work()
    tabs.tell('free')
  }

  return async (work) => {
    const { locks } = navigator
    if (locks === undefined) return takeTurns(work)
    try {
      await locks.request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, work)
    } catch {
      // A tab that hangs has the lock, or this page may have none.
      await takeTurns(work)
    }
  }
}
