// Good traffic beside a flood of bad tokens: what the good traffic feels of it, what stays in memory, and how much is
// reported.

import type { ChildProcess } from 'node:child_process'

import { type Cost, pin, receive, type Server, startProcess } from '../child.ts'
import { toRequest } from '../connection.ts'
import type { Flood, Flooded } from '../flooder.ts'
import { pace } from '../load.ts'
import { type Bench, type Findings, judge, type Verdict } from '../section.ts'
import { quantile } from '../stats.ts'
import { KITS } from '../subjects.ts'
import { createMint, type Mint } from '../tokens.ts'

const FLOOD = 10_000
const GOOD = 500

/** What comes beside the good traffic; the good traffic by itself, and as much of it as there is of the floods. */
const KINDS = {
  'no flood': undefined,
  'as many good requests': { status: 200, make: (mint: Mint) => mint.good(100) },
  'forged signatures, our kid': { status: 401, make: (mint: Mint) => mint.bad.forged(20_000) },
  'unknown kid': { status: 401, make: (mint: Mint) => mint.bad.unknownKey(20_000) },
  garbage: { status: 401, make: (mint: Mint) => mint.bad.garbage(20_000) },
  'expired tokens': { status: 401, make: (mint: Mint) => mint.bad.expired(5000) },
} as const

interface Row {
  readonly kind: Kind
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Bytes that the heap has grown by, after a collection before and after. */
  readonly grown: number
  readonly events: number
  readonly busy: number
}

/** Floods the kit with each kind in turn. */
export async function runFlood(bench: Bench): Promise<Findings> {
  const milliseconds = bench.isQuick ? 300 : 30_000
  const kinds = Object.keys(KINDS) as Kind[] // those are its keys
  const [subject] = KITS
  const server = subject && (await bench.start(subject))
  if (server === undefined) return { tables: [], verdicts: [] }
  const child = startProcess('flooder.ts', [], ['--import=tsx'])
  try {
    await receive(child)
    pin(child, 'load')
    await server.check()
    const mint = createMint(bench.jwk, server.good)
    const rows: Row[] = []
    for (const kind of kinds) {
      bench.progress(`flood: ${kind}`)
      const requests = KINDS[kind]?.make(mint).map(String)
      // First a short one, so that nobody pays for the compiler.
      if (!bench.isQuick) await measure(server, child, { kind, requests, milliseconds: milliseconds / 10 })
      rows.push(await measure(server, child, { kind, requests, milliseconds }))
    }
    await server.check()
    return { tables: [toTable(rows, milliseconds)], verdicts: judgeAll(rows, milliseconds) }
  } finally {
    child.kill()
    server.close()
  }
}

type Kind = keyof typeof KINDS

async function measure(
  server: Server,
  child: ChildProcess,
  { kind, requests, milliseconds }: { kind: Kind; requests: string[] | undefined; milliseconds: number },
): Promise<Row> {
  const { port } = server
  const status = KINDS[kind]?.status
  const before = await server.cost(true)
  const flooded =
    requests === undefined || status === undefined
      ? { count: 0, seconds: 1 }
      : send(child, { ...{ port, status, requests, milliseconds }, connections: 64, perSecond: FLOOD })
  const began = await server.cost()
  const good = { port, requests: [toRequest(server.good)], connections: 16, milliseconds, status: 200 }
  const { latencies, seconds } = await pace(good, GOOD, true)
  const ended = await server.cost()
  const { count, seconds: floodSeconds } = await flooded
  const after = await server.cost(true)
  return {
    kind,
    perSecond: count / floodSeconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    grown: heldBy(after) - heldBy(before),
    events: (after.counts['events'] ?? 0) - (before.counts['events'] ?? 0),
    busy: (ended.cpu - began.cpu) / 1e6 / seconds,
  }
}

function heldBy({ memory }: Cost): number {
  return memory.heapUsed + memory.arrayBuffers
}

function send(child: ChildProcess, flood: Flood): Promise<Flooded> {
  const answer = receive<Flooded>(child)
  child.send(flood)
  return answer
}

function toTable(rows: readonly Row[], milliseconds: number): Findings['tables'][number] {
  return {
    title: 'Flood',
    note:
      `${GOOD} good requests a second, each kind beside them for ${milliseconds / 1000} s at up to ` +
      `${FLOOD.toLocaleString('en')} a second over 64 connections. The server has one core, and what sends both the other.`,
    head: ['beside', 'answered a second', 'good p50, ms', 'good p99, ms', 'heap, MB', 'events', 'core in use'],
    rows: rows.map(({ kind, perSecond, p50, p99, grown, events, busy }) => [
      ...[
        kind,
        perSecond.toFixed(0),
        p50.toFixed(2),
        p99.toFixed(2),
        `${grown < 0 ? '' : '+'}${(grown / 1e6).toFixed(1)}`,
      ],
      ...[String(events), `${(busy * 100).toFixed(0)} %`],
    ]),
  }
}

function judgeAll([alone, , ...floods]: readonly Row[], milliseconds: number): Verdict[] {
  if (alone === undefined) return []
  return floods.flatMap(({ kind, p99, grown, events }) => [
    judge(`flood, ${kind}: good p99 beside that without`, p99 / alone.p99, { most: 2 }),
    judge(`flood, ${kind}: heap grown, MB`, grown / 1e6, { most: 1 }),
    judge(`flood, ${kind}: events a second`, events / Math.max(milliseconds / 1000, 1), { most: 150 }, 0),
  ])
}
