// Writes entries again that Redis has lost, some at a time. Every process that knew them does so; the first one counts.

import type { Clock, Milliseconds } from '../../time.ts'
import type { NewRecord } from '../store.ts'
import { messageOf } from './commands.ts'
import type { Report } from './problems.ts'
import { parseLine } from './wire.ts'

/** Work that is done in the background. */
export interface Restorer {
  add(lines: readonly string[]): void
  /** How many lines wait. */
  readonly size: number
  close(): void
}

const AT_ONCE = 100
const PAUSE: Milliseconds = 500

/** Makes one that has nothing to do. */
export function createRestorer(options: {
  readonly write: (record: NewRecord) => Promise<void>
  readonly clock: Clock
  readonly report: Report
}): Restorer {
  const { write, clock, report } = options
  const waiting = new Set<string>()
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

  async function writeOne(line: string): Promise<void> {
    const record = parseLine(line)
    if (record !== undefined && record.expires > clock()) await write(record)
    waiting.delete(line)
  }

  return {
    add(lines) {
      for (const line of lines) waiting.add(line)
      // Not all processes at the same moment: whoever comes later finds it done.
      schedule(Math.random() * 100)
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

function firstOf(lines: Iterable<string>): string[] {
  const some: string[] = []
  for (const line of lines) {
    if (some.length === AT_ONCE) break
    some.push(line)
  }
  return some
}
