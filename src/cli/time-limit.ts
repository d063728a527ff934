// Patience with what may hang: a store, a configuration that waits for one.

import { Failure } from './command.ts'
import type { Milliseconds } from '../time.ts'

/** @throws Failure when it takes longer */
export async function withinTime<T>(limit: Milliseconds, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Failure('unreachable', `${what} took longer than ${limit / 1000} seconds`)),
      limit,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
