// Good traffic beside a flood of bad tokens: what the good traffic feels of it, what stays in memory, and how much is
// reported.

import { receive, type Server, startProcess } from '../child.ts'
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
  readonly kind: string
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
  const milliseconds = bench.isQuick ? 1000 : 30_000
  const [subject] = KITS
  const server = subject && (await bench.start(subject))
  if (server === undefined) return { tables: [], verdicts: [] }
  try {
    await server.check()
    // So that the first kind does not pay for the compiler.
    await flood(bench, server, 'as many good requests', Math.min(milliseconds, 5000))
    await flood(bench, server, 'forged signatures, our kid', Math.min(milliseconds, 5000))
    const rows: Row[] = []
    for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
      rows.push(await flood(bench, server, kind, milliseconds))
    }
    await server.check()
    return { tables: [toTable(rows, milliseconds)], verdicts: judgeAll(rows, milliseconds) }
  } finally {
    server.close()
  }
}

async function flood(bench: Bench, server: Server, kind: keyof typeof KINDS, milliseconds: number): Promise<Row> {
  bench.progress(`flood: ${kind}`)
  const mint = createMint(bench.jwk, server.good)
  const child = startProcess('flooder.ts', [], ['--import=tsx'], 'load')
  try {
    await receive(child)
    const what = KINDS[kind]
    const requests = what?.make(mint).map(String)
    const before = await server.cost(true)
    const flooded =
      what === undefined || requests === undefined
        ? { count: 0, seconds: 1 }
        : send(child, {
            port: server.port,
            status: what.status,
            requests,
            connections: 64,
            milliseconds,
            perSecond: FLOOD,
          })
    const good = { port: server.port, requests: [toRequest(server.good)], connections: 16, milliseconds, status: 200 }
    const began = await server.cost()
    const { latencies, seconds } = await pace(good, GOOD, true)
    const ended = await server.cost()
    const { count, seconds: floodSeconds } = await flooded
    const after = await server.cost(true)
    const heldBy = ({ memory }: typeof after): number => memory.heapUsed + memory.arrayBuffers
    return {
      kind,
      perSecond: count / floodSeconds,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      grown: heldBy(after) - heldBy(before),
      events: (after.counts['events'] ?? 0) - (before.counts['events'] ?? 0),
      busy: (ended.cpu - began.cpu) / 1e6 / seconds,
    }
  } finally {
    child.kill()
  }
}

function send(child: ReturnType<typeof startProcess>, flood: Flood): Promise<Flooded> {
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
    judge(`flood, ${kind}: events a second`, events / (milliseconds / 1000), { most: 150 }, 0),
  ])
}
