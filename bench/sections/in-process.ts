// Without HTTP, in a process of its own: what the kit does beside the least that it takes.

import { pin, receive, startProcess } from '../child.ts'
import type { Piece } from '../floor.ts'
import type { Compared, Delay } from '../in-process.ts'
import { type Bench, type Findings, judge, type Table, type Verdict } from '../section.ts'
import { median, spread } from '../stats.ts'

type Message = Compared | { readonly idle: Delay; readonly burst: Delay }

/** Measures all of it. */
export async function runInProcess(bench: Bench): Promise<Findings> {
  bench.progress('in-process: starting')
  const compared: Compared[] = []
  const child = startProcess('in-process.ts', [bench.isQuick ? 'quick' : 'full'], ['--import=tsx'])
  pin(child, 'server')
  try {
    for (;;) {
      const message = await receive<Message>(child)
      if ('idle' in message) {
        const pieces = await readPieces(bench)
        const tables = [toTable(compared), toPieces(pieces, compared), toDelays(message)]
        return { tables, verdicts: judgeAll(compared) }
      }
      compared.push(message)
      bench.progress(`in-process: ${message.name}`)
    }
  } finally {
    child.kill()
  }
}

async function readPieces(bench: Bench): Promise<Piece[]> {
  bench.progress('in-process: what it is made of')
  const child = startProcess('floor.ts', [bench.isQuick ? 'quick' : 'full'], ['--import=tsx'])
  pin(child, 'server')
  try {
    return await receive<Piece[]>(child)
  } finally {
    child.kill()
  }
}

const columnOf = ({ pairs }: Compared, what: 'wall' | 'cpu', side: 0 | 1): number[] =>
  pairs.map((pair) => pair[what][side])

const ratioOf = ({ pairs }: Compared, what: 'wall' | 'cpu'): number[] =>
  pairs.map(({ [what]: [one, other] }) => other / one)

function toTable(compared: readonly Compared[]): Table {
  return {
    title: 'In process',
    note: 'Microseconds a call, medians of pairs: on the clock, and of processor time of all threads. One core.',
    head: ['', 'beside', 'wall', 'beside: wall', 'ratio', 'CPU', 'beside: CPU', 'ratio'],
    rows: compared.map((one) => [
      ...[one.name, one.base],
      ...(['wall', 'cpu'] as const).flatMap((what) => [
        median(columnOf(one, what, 1)).toFixed(1),
        median(columnOf(one, what, 0)).toFixed(1),
        spread(ratioOf(one, what), median(ratioOf(one, what)) < 0.1 ? 4 : 2),
      ]),
    ]),
  }
}

/** Below each whole its pieces; none of them can be left out. */
function toPieces(pieces: readonly Piece[], compared: readonly Compared[]): Table {
  const rows: string[][] = []
  for (const one of compared) {
    const its = pieces.filter(({ of }) => of === one.name)
    if (its.length === 0) continue
    rows.push([one.name, median(columnOf(one, 'cpu', 1)).toFixed(1)])
    rows.push(...its.map(({ what, microseconds }) => [what, microseconds.toFixed(2)]))
  }
  return {
    title: 'What it is made of',
    note: 'Microseconds. The whole as above; below it the pieces that cannot be left out, each by itself, at its best.',
    head: ['', 'CPU'],
    rows,
  }
}

function toDelays({ idle, burst }: { readonly idle: Delay; readonly burst: Delay }): Table {
  return {
    title: 'Verification during a burst of logins',
    note: 'Milliseconds. One token is verified every millisecond; up to a thousand logins begin at once, again and again.',
    head: ['', 'logins', 'event loop late, p50', 'p99', 'longest', 'verification, p99'],
    rows: [toDelay('no logins', idle), toDelay('bursts', burst)],
  }
}

function toDelay(name: string, { logins, p50, p99, max, verification }: Delay): string[] {
  return [name, String(logins), ...[p50, p99, max, verification].map((value) => value.toFixed(2))]
}

/** What it may cost, as a share of what it cannot do without. */
const boundOf = (name: string): number => (/^(?:login|refresh)/.test(name) ? 1.2 : 1.15)

function judgeAll(compared: readonly Compared[]): Verdict[] {
  const [hit, ...others] = compared
  if (hit === undefined) return []
  const times = (what: 'wall' | 'cpu'): number => 1 / median(ratioOf(hit, what))
  return [
    judge('a cache hit, times cheaper than jose.jwtVerify with 64 in flight: CPU', times('cpu'), { least: 45 }, 1),
    judge('a cache hit, times cheaper than jose.jwtVerify with 64 in flight: wall', times('wall'), { least: 45 }, 1),
    // What a disk takes for a write varies by more than what is to be judged.
    ...others
      .filter(({ name }) => !name.includes('LMDB'))
      .map((one) =>
        judge(`${one.name}, beside ${one.base}: CPU`, median(ratioOf(one, 'cpu')), { most: boundOf(one.name) }),
      ),
  ]
}
