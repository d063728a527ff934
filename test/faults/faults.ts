// What goes wrong in the campaign: each fault begins, lasts for a while, and is mended.

import { setTimeout as wait } from 'node:timers/promises'

import type { Fleet, Server } from './fleet.ts'
import type { History } from './history.ts'
import type { Loss } from './sessions.ts'

export interface Fault {
  /** What it happens to. Redis has one fault at a time, and so has a server. */
  readonly on: 'nothing' | 'server' | 'Redis'
  /** Whether Redis forgets all, or a server does. */
  readonly forgets?: true
  /** Resolves when it is mended. */
  run(scene: Scene): Promise<void>
}

export interface Scene {
  readonly fleet: Fleet
  readonly history: History
  /** Redis is about to forget all. */
  readonly lose: () => Loss
  /** The one that it happens to. */
  readonly server: Server
  /** How long it lasts, as a rule. */
  readonly milliseconds: number
  /** From 0 to 1: how bad it is, where that differs. */
  readonly degree: number
}

/** How long a server hangs: a refresh waits for it, and has ten seconds in all. */
export const LONGEST_PAUSE_MS = 3000
const REVOCATIONS = 'holdfast:{r}:k:*'
const NAMES_AND_FLUSH = `local names = redis.call('KEYS', ARGV[1]) redis.call('FLUSHALL') return names`
/** Longer than it takes to kill Redis. */
const WRITES_PAUSE_MS = 10_000
/** How long the servers may take to write back what Redis has forgotten, other faults notwithstanding. */
const WRITE_BACK_MS = 20_000

export const FAULTS: Readonly<Record<string, Fault>> = {
  nothing: {
    on: 'nothing',
    async run() {},
  },
  'a server is killed': {
    on: 'server',
    forgets: true,
    run: ({ server }) => server.restart(),
  },
  'a server is paused': {
    on: 'server',
    async run({ server, milliseconds }) {
      server.pause()
      await wait(Math.min(milliseconds, LONGEST_PAUSE_MS))
      server.resume()
    },
  },
  'a link is cut': {
    on: 'server',
    async run({ server, milliseconds }) {
      server.link.cut()
      await wait(milliseconds)
      server.link.mend()
    },
  },
  'a link is held': {
    on: 'server',
    async run({ server, milliseconds }) {
      server.link.hold()
      await wait(milliseconds)
      server.link.mend()
    },
  },
  'a link is slow': {
    on: 'server',
    async run({ server, milliseconds, degree }) {
      server.link.slow(Math.floor(degree * 400))
      await wait(milliseconds)
      server.link.mend()
    },
  },
  'Redis is killed': {
    on: 'Redis',
    async run({ fleet, milliseconds }) {
      await fleet.redis.kill()
      await wait(milliseconds)
      await fleet.redis.restart()
    },
  },
  'Redis is paused': {
    on: 'Redis',
    async run({ fleet, milliseconds }) {
      fleet.redis.stop()
      await wait(milliseconds)
      fleet.redis.cont()
    },
  },
  'Redis is emptied': {
    on: 'Redis',
    forgets: true,
    async run(scene) {
      const { fleet, lose } = scene
      const loss = lose()
      const names = await fleet.redis.command('EVAL', NAMES_AND_FLUSH, 0, REVOCATIONS)
      loss.isOver()
      await writtenBack(scene, names)
      loss.isWrittenBack()
    },
  },
  'Redis comes back empty': {
    on: 'Redis',
    forgets: true,
    async run(scene) {
      const { fleet, lose, milliseconds } = scene
      const loss = lose()
      // Nothing is written from when the names are read.
      await fleet.redis.command('CLIENT', 'PAUSE', WRITES_PAUSE_MS, 'WRITE')
      const names = await fleet.redis.command('KEYS', REVOCATIONS)
      await fleet.redis.kill()
      await wait(milliseconds)
      await fleet.redis.restart({ keepData: false })
      loss.isOver()
      await writtenBack(scene, names)
      loss.isWrittenBack()
    },
  },
}

// Two servers at a time, so that there are always others.
const MOST_SERVERS = 2

/** Whether a fault may begin while others last. */
export function mayBegin(fault: Fault, others: readonly Fault[]): boolean {
  const on = others.filter((other) => other.on === fault.on)
  // A revocation is lost if Redis forgets it and every process ends that had heard of it (docs/operations.md): that
  // cannot be helped, so no server ends from when Redis is emptied until all is written back.
  if (fault.forgets && others.some((other) => other.forgets === true && other.on !== fault.on)) return false
  if (fault.on === 'Redis') return on.length === 0
  return fault.on === 'nothing' || on.length < MOST_SERVERS
}

/** @throws Error when a revocation stays lost */
async function writtenBack({ fleet: { redis }, history }: Scene, names: unknown): Promise<void> {
  const lost = new Set(Array.isArray(names) ? names.map(String) : [])
  for (const deadline = performance.now() + WRITE_BACK_MS; ; await wait(100)) {
    const found = lost.size === 0 ? 0 : Number(await redis.command('EXISTS', ...lost))
    if (found === lost.size) return
    if (performance.now() > deadline) break
  }
  for (const name of lost) if ((await redis.command('EXISTS', name)) === 1) lost.delete(name)
  // A name ends with the session, or with the subject and a time.
  const about = [...lost].flatMap((name) => /([\w-]+)(?:@\d+)?$/.exec(name)?.[1] ?? [])
  throw new Error(`never written back: ${[...lost].join(', ')}\n${history.tell(...about)}`)
}
