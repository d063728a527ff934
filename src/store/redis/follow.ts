// Keeps one listener up to date: a snapshot, then the stream, and twice a second the question whether the head is where
// this process is. Only that question says how old the copy is; wherever the answer does not fit, all is read again.

import { setImmediate as yieldToOthers } from 'node:timers/promises'

import type { Clock, Milliseconds } from '../../time.ts'
import type { NewRecord, PageListener, RecordPage, Watch } from '../store.ts'
import type { RedisClient } from './client.ts'
import { type Commands, messageOf } from './commands.ts'
import { createLedger, type Ledger, missing } from './ledger.ts'
import { toEntry } from './packed.ts'
import { createPause } from './pause.ts'
import { attempt, type Report } from './problems.ts'
import type { Restorer } from './restore.ts'
import type { Names } from './revocations.ts'
import { type Head, readHead, readSnapshot } from './snapshot.ts'
import { type Entry, readStream } from './stream.ts'
import { parseLine } from './wire.ts'

/** Lines by version. */
export type OwnWrites = Map<string, { readonly line: string; isAcknowledged: boolean }>

/** What a follower needs. */
export interface FollowOptions {
  readonly client: RedisClient
  readonly commands: Commands
  readonly names: Names
  readonly clock: Clock
  readonly timeout: Milliseconds
  readonly listener: (record: NewRecord) => void
  readonly pages?: PageListener | undefined
  readonly report: Report
  /** What this process has written and not yet heard of. */
  readonly own: OwnWrites
  /** Gets the lines that Redis has lost. */
  readonly restorer: Omit<Restorer, 'close'>
}

const BEAT: Milliseconds = 500
// For a beat that something gave reason to bring forward.
const LEAST_BEAT: Milliseconds = 50
/** How long the stream may be silent while it is behind the head, and when it has told what does not fit. */
const PATIENCE: Milliseconds = 1000
const PATIENCE_IN_DOUBT: Milliseconds = 200
const LEAST_BETWEEN_SNAPSHOTS: Milliseconds = 1000
const MOST_UNANSWERED = 20

/** A moment by both clocks: one does not run while the machine sleeps, the other can be set. */
interface Moment {
  readonly steady: Milliseconds
  readonly wall: Milliseconds
}

const now = (): Moment => ({ steady: performance.now(), wall: Date.now() })
const since = ({ steady, wall }: Moment): Milliseconds => Math.max(performance.now() - steady, Date.now() - wall)

/** Follows; resolves once everything that was there has been told. */
export async function follow(options: FollowOptions): Promise<Watch> {
  const { client, commands, names, clock, timeout, listener, report, own, restorer } = options
  let ledger = createLedger()
  /** The last write that was told, and where the snapshot was. */
  let { version: current, id }: Head = { version: '0', id: '0-0' }
  /** When what had been written was known to have been told. */
  let complete: Moment = { steady: -Infinity, wall: -Infinity }
  /** The heads since the last question was sent. */
  let passed = new Set<string>()
  let hasDoubt = false
  const stopping = new AbortController()
  const { signal } = stopping
  const { wait, ring } = createPause(signal)

  const tell = (record: NewRecord): void => {
    if (!signal.aborted) attempt(() => listener(record))
  }

  const pages = options.pages && {
    expect: options.pages.expect,
    tell(page: RecordPage): void {
      if (!signal.aborted) attempt(() => options.pages?.tell(page))
    },
  }

  function take(entries: readonly Entry[]): void {
    let foreign = 0
    for (const { version, before, line = '' } of entries) {
      const record = parseLine(line)
      if (version === undefined || record === undefined || line.includes('\n')) foreign += 1
      // It is none of ours, or one of ours is missing. The head will tell.
      else if (before !== current) hasDoubt = true
      else {
        current = version
        // First, since requests wait for nothing else of this.
        if (record.expires > clock()) tell(record)
        passed.add(version)
        own.delete(version)
        const { bucket, bytes } = toEntry(record, line)
        ledger.add(bucket, bytes)
        restorer.heard(line)
      }
    }
    if (foreign > 0) report('revocations: what is no entry was ignored in the stream', foreign)
    ring()
  }

  function acknowledgedOwn(): [version: string, write: { readonly line: string }][] {
    return [...own].filter(([, { isAcknowledged }]) => isAcknowledged)
  }

  async function load(): Promise<void> {
    const sent = now()
    const acknowledged = acknowledgedOwn()
    const snapshot = await readSnapshot({ commands, names, clock, known: ledger, tell, pages, report })
    const before = ledger
    ledger = snapshot.ledger
    ;({ version: current, id } = snapshot.head)
    hasDoubt = false
    complete = sent
    await writeBack(before, acknowledged)
  }

  /** A flush, a restart or a failover may have lost what this process was told, or was told it had written. */
  async function writeBack(before: Ledger, acknowledged: ReturnType<typeof acknowledgedOwn>): Promise<void> {
    const present = ledger
    const lost: string[] = []
    // A snapshot without them was the reason to write them, so they are not among what was there before.
    for (const line of restorer.doubtful) {
      const record = parseLine(line)
      if (record === undefined) continue
      const { bucket, bytes } = toEntry(record, line)
      before.add(bucket, bytes)
    }
    for (const [version, { line }] of acknowledged) {
      const record = parseLine(line)
      if (record !== undefined && !present.has(toEntry(record, line))) lost.push(line)
      own.delete(version)
    }
    for (const lines of missing(before, present)) {
      for (const line of lines) lost.push(line)
      // One bucket at a time.
      await yieldToOthers()
    }
    if (lost.length > 0) report('revocations: Redis has lost entries, which are written again', lost.length)
    restorer.add(lost)
  }

  /** Whether the stream brings us to a head that is not ours yet. */
  async function reaches(version: string): Promise<boolean> {
    for (;;) {
      const last = current
      await wait(PATIENCE, () => passed.has(version) || hasDoubt)
      if (hasDoubt) await wait(PATIENCE_IN_DOUBT, () => passed.has(version))
      if (passed.has(version)) return true
      if (hasDoubt || current === last || signal.aborted) return false
    }
  }

  /** Beats until the answer does not fit. */
  async function beat(): Promise<void> {
    let pause = 0
    for (;;) {
      await wait(pause)
      await wait(BEAT - pause, () => hasDoubt)
      if (signal.aborted) return
      pause = LEAST_BEAT
      // The client keeps what it cannot send: no more of it, but one now and then.
      if (commands.unanswered > MOST_UNANSWERED) await wait(BEAT * MOST_UNANSWERED, () => commands.unanswered === 0)
      hasDoubt = false
      passed = new Set([current])
      const sent = now()
      const acknowledged = acknowledgedOwn()
      try {
        const version = await readHead(commands, names)
        if (!passed.has(version) && !(await reaches(version))) return
        // These are not later than the head. What has not been told all the same may have been lost before it was; while
        // much is written back it is too early to ask.
        if (restorer.size === 0 && acknowledged.some(([mine]) => own.has(mine))) return
        // Not the time of the answer: what was written since may not have been told.
        complete = sent
      } catch (thrown) {
        if (!signal.aborted) report(`revocations: ${messageOf(thrown)}`)
      }
      ledger.drop(clock())
    }
  }

  async function followOn(): Promise<void> {
    while (!signal.aborted) {
      const gap = new AbortController()
      const ends = AbortSignal.any([signal, gap.signal])
      readStream({ client, timeout, key: names.stream, id, take, report, signal: ends })
      const started = performance.now()
      await beat()
      gap.abort()
      if (!signal.aborted) report('revocations: the stream has a gap, all is read again')
      await wait(LEAST_BETWEEN_SNAPSHOTS - (performance.now() - started))
      await reload()
    }
  }

  async function reload(): Promise<void> {
    while (!signal.aborted) {
      try {
        await load()
        return
      } catch (thrown) {
        if (signal.aborted) return
        report(`revocations: ${messageOf(thrown)}`)
        await wait(BEAT)
      }
    }
  }

  await load()
  void followOn()
  return { age: () => since(complete), stop: () => stopping.abort() }
}
