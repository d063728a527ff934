// Writes entries again that Redis has lost, some at a time. Every process that knew them does so; the first one counts.

import type { Clock, Milliseconds } from '../../time.ts'
import type { NewRecord } from '../store.ts'
import { messageOf } from './commands.ts'
import type { Report } from './problems.ts'
import { parseLine } from './wire.ts'

/** Work that is done in the background. */
export interface Restorer {
  /** @param lines - all that a snapshot has lacked, none if it was complete */
  add(lines: readonly string[]): void
  /** Takes note of what the stream has told: somebody has written it. */
  heard(line: string): void
  /** What seemed to be there when it was to be written again. If the next snapshot lacks it, it is not. */
  readonly doubtful: Iterable<string>
  /** How many lines wait. */
  readonly size: number
  close(): void
}

const AT_ONCE = 100
const PAUSE: Milliseconds = 500

/** Makes one that has nothing to do. */
export function createRestorer(options: {
  /** Writes unless it seems to be there, and tells whether it did. */
  readonly restore: (record: NewRecord) => Promise<boolean>
  /** Writes. */
  readonly set: (record: NewRecord) => Promise<void>
  readonly clock: Clock
  readonly report: Report
}): Restorer {
  const { restore, set, clock, report } = options
  /** Lines, and whether they are known to be missing. */
  const waiting = new Map<string, boolean>()
  const doubtful = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  function schedule(pause: Milliseconds): void {
    if (timer !== undefined || isClosed || waiting.size === 0) return
    timer = setTimeout(() => void work(), pause)
    timer.unref()
  }

  async function work(): Promise<void> {
    let pause = 0
    try {
      const some = firstOf(waiting)
      await Promise.all(some.map(writeOne))
    } catch (thrown) {
      report(`revocations: ${messageOf(thrown)}`)
      pause = PAUSE
    } finally {
      timer = undefined
      schedule(pause)
    }
  }

  async function writeOne([line, isMissing]: readonly [string, boolean]): Promise<void> {
    const record = parseLine(line)
    if (record !== undefined && record.expires > clock()) {
      if (isMissing) await set(record)
      else if (!(await restore(record))) doubtful.add(line)
    }
    waiting.delete(line)
  }

  return {
    add(lines) {
      for (const line of lines) waiting.set(line, doubtful.has(line) || waiting.get(line) === true)
      doubtful.clear()
      // Not all processes at the same moment: whoever comes later finds it done.
      schedule(Math.random() * 100)
    },
    heard(line) {
      waiting.delete(line)
      doubtful.delete(line)
    },
    doubtful,
    get size() {
      return waiting.size
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      waiting.clear()
      doubtful.clear()
    },
  }
}

function firstOf<T>(all: Iterable<T>): T[] {
  const some: T[] = []
  for (const one of all) {
    if (some.length === AT_ONCE) break
    some.push(one)
  }
  return some
}
