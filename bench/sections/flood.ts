// Good traffic beside a flood of bad tokens: what the good traffic feels of it, what stays in memory, and how much is
// reported.

import type { ChildProcess } from 'node:child_process'

import { type Cost, type Headers, pin, receive, type Server, startProcess } from '../child.ts'
import { toRequest } from '../connection.ts'
import type { Flood, Flooded } from '../flooder.ts'
import { pace } from '../load.ts'
import { type Bench, type Findings, judge, type Verdict } from '../section.ts'
import { quantile } from '../stats.ts'
import { BASES, KITS, PEERS, type Subject } from '../subjects.ts'
import { createMint, type Mint } from '../tokens.ts'

const FLOOD = 10_000
const GOOD = 500

/** What comes beside the good traffic; the good traffic by itself, and as much of it as there is of the floods. */
const KINDS = {
  'no flood': undefined,
  'as many good requests': { status: 200, make: (_mint: () => Mint, good: Headers) => [toRequest(good)] },
  'forged signatures, our kid': { status: 401, make: (mint: () => Mint) => mint().bad.forged(20_000) },
  'unknown kid': { status: 401, make: (mint: () => Mint) => mint().bad.unknownKey(20_000) },
  garbage: { status: 401, make: (mint: () => Mint) => mint().bad.garbage(20_000) },
  'expired tokens': { status: 401, make: (mint: () => Mint) => mint().bad.expired(5000) },
} as const

/** Who is flooded, with what, and for how long. The others show what a flood does to whoever has nothing to do with it. */
const VICTIMS: readonly { readonly id: string; readonly kinds: readonly Kind[]; readonly milliseconds: number }[] = [
  { id: 'kit-memory', kinds: Object.keys(KINDS) as Kind[], milliseconds: 30_000 }, // those are its keys
  { id: 'koa', kinds: ['no flood', 'as many good requests'], milliseconds: 10_000 },
  { id: 'koa-jwt-fast', kinds: ['no flood', 'forged signatures, our kid', 'garbage'], milliseconds: 10_000 },
]

interface Row {
  readonly subject: Subject
  readonly kind: Kind
  readonly perSecond: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  /** Bytes that the heap has grown by, after a collection before and after. */
  readonly grown: number
  readonly events: number
  readonly busy: number
}

/** Floods each with each kind in turn. */
export async function runFlood(bench: Bench): Promise<Findings> {
  const child = startProcess('flooder.ts', [], ['--import=tsx'])
  const rows: Row[] = []
  try {
    await receive(child)
    pin(child, 'load')
    for (const victim of VICTIMS) rows.push(...(await floodOne(bench, child, victim)))
  } finally {
    child.kill()
  }
  return { tables: [toTable(rows)], verdicts: judgeAll(rows) }
}

async function floodOne(
  bench: Bench,
  child: ChildProcess,
  { id, kinds, milliseconds: full }: (typeof VICTIMS)[number],
): Promise<Row[]> {
  const milliseconds = bench.isQuick ? 300 : full
  const warmUp = bench.isQuick ? 0 : 3000
  const subject = [...KITS, ...BASES, ...PEERS].find((one) => one.id === id)
  if (subject === undefined) return []
  const server = await bench.start(subject)
  if (server === undefined) return []
  try {
    await server.check()
    const mint = (): Mint => createMint(bench.jwk, server.good)
    const rows: Row[] = []
    for (const kind of kinds) {
      bench.progress(`flood: ${subject.label}, ${kind}`)
      const requests = KINDS[kind]?.make(mint, server.good).map(String)
      rows.push({ subject, ...(await measure(server, child, { kind, requests, milliseconds, warmUp })) })
    }
    await server.check()
    return rows
  } finally {
    server.close()
  }
}

type Kind = keyof typeof KINDS

async function measure(
  server: Server,
  child: ChildProcess,
  options: { kind: Kind; requests: string[] | undefined; milliseconds: number; warmUp: number },
): Promise<Omit<Row, 'subject'>> {
  const { kind, requests, milliseconds, warmUp } = options
  const { port } = server
  const status = KINDS[kind]?.status
  const good = { port, requests: [toRequest(server.good)], connections: 16, status: 200 }
  const before = await server.cost(true)
  const flooded =
    requests === undefined || status === undefined
      ? { count: 0, seconds: 1 }
      : send(child, { port, status, requests, milliseconds: warmUp + milliseconds, connections: 64, perSecond: FLOOD })
  // Only after a while, so that nobody pays for the compiler: collections in a row make V8 throw away what it has compiled.
  if (warmUp > 0) await pace({ ...good, milliseconds: warmUp }, GOOD, true)
  const began = await server.cost()
  const { latencies, seconds } = await pace({ ...good, milliseconds }, GOOD, true)
  const ended = await server.cost()
  const { count, seconds: floodSeconds } = await flooded
  const after = await server.cost(true)
  return {
    kind,
    perSecond: count / floodSeconds,
    seconds: Math.max(warmUp / 1000 + seconds, 1),
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

function toTable(rows: readonly Row[]): Findings['tables'][number] {
  const seconds = [...new Set(rows.map((row) => row.seconds.toFixed(0)))]
  return {
    title: 'Flood',
    note:
      `${GOOD} good requests a second, each kind beside them at up to ${FLOOD.toLocaleString('en')} a second over 64 ` +
      `connections: ${seconds.join(' s, then ')} s. The server has one core, and what sends both the other.`,
    head: ['', 'beside', 'answered a second', 'good p50, ms', 'good p99, ms', 'heap, MB', 'events', 'core in use'],
    rows: rows.map(({ subject, kind, perSecond, p50, p99, grown, events, busy }) => [
      ...[
        subject.label,
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

function judgeAll(rows: readonly Row[]): Verdict[] {
  const [alone, , ...floods] = rows.filter(({ subject }) => KITS.includes(subject))
  if (alone === undefined) return []
  return floods.flatMap(({ kind, p99, grown, events, seconds }) => [
    judge(`flood, ${kind}: good p99 beside that without`, p99 / alone.p99, { most: 2 }),
    judge(`flood, ${kind}: heap grown, MB`, grown / 1e6, { most: 1 }),
    judge(`flood, ${kind}: events a second`, events / seconds, { most: 150 }, 0),
  ])
}
