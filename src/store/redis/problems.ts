// What goes wrong where nobody waits for an answer: told to the application, each kind now and then.

import type { Milliseconds } from '../../time.ts'

/** Hears of a problem; `count` is how often it happened now. */
export type Report = (message: string, count?: number) => void

const INTERVAL: Milliseconds = 10_000
const MAX_KINDS = 50

/** Makes a report that tells the first of a kind at once, and the others together, not before ten seconds later. */
export function createReport(onProblem: (error: Error) => void): Report {
  const kinds = new Map<string, { told: Milliseconds; count: number }>()
  return (message, count = 1) => {
    const kind = kinds.get(message) ?? { told: -Infinity, count: 0 }
    kind.count += count
    if (performance.now() - kind.told >= INTERVAL) {
      const times = kind.count > 1 ? ` (${kind.count} times)` : ''
      Object.assign(kind, { told: performance.now(), count: 0 })
      attempt(() => onProblem(new Error(`${message}${times}`)))
    }
    kinds.delete(message)
    kinds.set(message, kind)
    const [oldest] = kinds.keys()
    if (kinds.size > MAX_KINDS && oldest !== undefined) kinds.delete(oldest)
  }
}

/** An application's function that throws must not end what goes on in the background. */
export function attempt(work: () => void): void {
  try {
    work()
  } catch (thrown) {
    process.emitWarning(thrown instanceof Error ? thrown : String(thrown))
  }
}
