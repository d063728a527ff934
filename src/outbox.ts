// What the store did not take waits here and is tried again: a revocation must reach it once it is back.

import type { Clock, Milliseconds } from './time.ts'

/** Work that is tried until it succeeds. */
export interface Outbox {
  /**
   * @param name - what it does: the same work waits once
   * @param work - does the same however often it is done
   * @param expires - when it is no longer worth doing
   */
  add(name: string, work: () => Promise<unknown>, expires: Milliseconds): void
  /** How much waits. */
  readonly size: number
  /** Gives up on the rest. */
  close(): void
}

const INTERVAL: Milliseconds = 500
// So many revocations during one outage are an attack or a mistake; those beyond hold in this process all the same.
const CAPACITY = 100_000

interface Entry {
  readonly work: () => Promise<unknown>
  readonly expires: Milliseconds
}

/** Makes an empty outbox. */
export function createOutbox(clock: Clock): Outbox {
  const waiting = new Map<string, Entry>()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  function schedule(): void {
    if (timer !== undefined || isClosed || waiting.size === 0) return
    timer = setTimeout(() => void deliver(), INTERVAL)
    timer.unref()
  }

  /** One after the other, and no further than the first that fails: most likely the store is not back yet. */
  async function deliver(): Promise<void> {
    for (const [name, entry] of [...waiting]) {
      if (isClosed) return
      const isDone = await isTaken(entry, clock)
      // What was added meanwhile under the same name still has to be done.
      if (waiting.get(name) === entry) waiting.delete(name)
      if (isDone) continue
      // To the end, so that one that can never succeed does not keep back the others.
      if (!waiting.has(name)) waiting.set(name, entry)
      break
    }
    timer = undefined
    schedule()
  }

  return {
    add(name, work, expires) {
      if (waiting.has(name) || waiting.size < CAPACITY) waiting.set(name, { work, expires })
      schedule()
    },
    get size() {
      return waiting.size
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      waiting.clear()
    },
  }
}

/** Why it failed was told when it was added. */
async function isTaken({ work, expires }: Entry, clock: Clock): Promise<boolean> {
  try {
    if (!(clock() >= expires)) await work()
    return true
  } catch {
    return false
  }
}
