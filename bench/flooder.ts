// The process that floods: sends the requests that it is told, so many a second, and says how many were answered.

import { constants, setPriority } from 'node:os'

import type { Load } from './load.ts'
import { pace } from './load.ts'

/** What it is told. */
export interface Flood extends Omit<Load, 'requests'> {
  /** As text: they are sent from process to process. */
  readonly requests: readonly string[]
  readonly perSecond: number
}

/** What it answers. */
export interface Flooded {
  readonly count: number
  readonly seconds: number
}

// Whoever sends the good traffic and takes its times goes first.
setPriority(constants.priority.PRIORITY_LOW)
process.on('disconnect', () => process.exit())
process.on('message', (flood: Flood) => {
  const requests = flood.requests.map((request) => Buffer.from(request, 'latin1'))
  void pace({ ...flood, requests }, flood.perSecond, false).then(({ count, seconds }) =>
    process.send?.({ count, seconds } satisfies Flooded),
  )
})
process.send?.('ready')
