// What something costs this process: processor time and memory. Time on the clock would tell of the machine's other
// work. For serial tests: whatever runs beside them counts too.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Milliseconds of processor time: the least of up to ten runs, since the compiler and the collector run when they like.
 *
 * @param enough - the first run that costs less ends it
 */
export async function leastCost(enough: number, work: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 10 && least >= enough; i += 1) {
    const start = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(start)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

/** Bytes of the heap in use after a full collection. */
export function heapUsed(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** The same, and what typed arrays hold outside of the heap. */
export function bytesUsed(): number {
  collectGarbage()
  const { heapUsed: onHeap, arrayBuffers } = process.memoryUsage()
  return onHeap + arrayBuffers
}

/** The collector is asked for by name, so no test needs a flag from outside. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // What a first collection finalises only a later one frees.
  for (let i = 0; i < 3; i += 1) collect()
}
