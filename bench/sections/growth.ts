// What a request costs as things grow: live sessions, revocations, tokens in use at once, claims. Each beside the kit with
// one of everything, in the same rounds; and the memory of each process.

import type { Cost, Server } from '../child.ts'
import { measureRounds, type Runner, type Samples } from '../rounds.ts'
import { type Bench, type Findings, judge, type Verdict } from '../section.ts'
import { median, spread } from '../stats.ts'
import type { Subject } from '../subjects.ts'
import { createMint } from '../tokens.ts'

interface Step {
  readonly id: string
  readonly label: string
  /** Of the server. */
  readonly options: object
  /** How many distinct tokens are used in turn. */
  readonly tokens: number
}

const million = 1e6
// Held at this but where it is what grows.
const TOKENS = 100

const step = (id: string, label: string, options: object = {}, tokens = TOKENS): Step => ({
  id,
  label,
  options,
  tokens,
})

const sessions = (count: number): Step =>
  step(`sessions-${count}`, `${count.toLocaleString('en')} sessions more`, { sessions: count })

/** On the disk, as in production. */
const lmdbSessions = (count: number): Step =>
  step(`sessions-lmdb-${count}`, `LMDB, ${count.toLocaleString('en')} sessions more`, { kind: 'lmdb', sessions: count })

const revocations = (count: number): Step =>
  step(`revocations-${count}`, `${count.toLocaleString('en')} revocations`, { revocations: count })

const tokens = (count: number): Step =>
  step(`tokens-${count}`, `${count.toLocaleString('en')} tokens in turn`, {}, count)

const claims = (bytes: number): Step => step(`claims-${bytes}`, `${bytes} bytes of claims more`, { claimBytes: bytes })

const ONE = step('one', `1 session, 0 revocations, ${TOKENS} tokens`)
const ONE_LMDB = step('one-lmdb', `LMDB, the same`, { kind: 'lmdb' })
// What the same varies by.
const SAME = step('same', 'the same in another process')
const QUICK = [sessions(1000), lmdbSessions(1000), revocations(10_000), tokens(1000), claims(3500)]
const FULL = [
  SAME,
  ...[1000, million].map(sessions),
  lmdbSessions(million),
  ...[100_000, 5 * million].map(revocations),
  ...[1, 1000, 10_000, 100_000].map(tokens),
  ...[750, 3500].map(claims),
]

interface Measured extends Step {
  readonly server: Server
  readonly requests: readonly Buffer[]
}

/** Measures what was asked for. */
export async function runGrowth(bench: Bench): Promise<Findings> {
  const steps = [ONE, ONE_LMDB, ...(bench.isQuick ? QUICK : FULL).filter(({ id }) => bench.wants(`growth/${id}`))]
  const all: Measured[] = []
  try {
    bench.progress('growth: starting, which takes a while')
    const servers = await Promise.all(
      steps.map((one) => bench.start({ ...one, base: 'koa', file: 'servers/kit.mjs' } satisfies Subject)),
    )
    for (const [i, one] of steps.entries()) {
      const server = servers[i]
      if (server !== undefined)
        all.push({ ...one, server, requests: createMint(bench.jwk, server.good).good(one.tokens) })
    }
    const serverOf = (wanted: Step): Server | undefined => all.find(({ id }) => id === wanted.id)?.server
    const runners = all.map(({ id, server, requests }): Runner => {
      const base = serverOf(id.includes('-lmdb-') ? ONE_LMDB : ONE)
      return { id, server, requests, base: server === base ? undefined : base }
    })
    const samples = await measureRounds(bench, 'growth', runners)
    const costs = new Map<string, Cost>()
    for (const { id, server } of all) costs.set(id, await server.cost(true))
    return { tables: [toTable(all, samples, costs)], verdicts: all.flatMap((one) => judgeStep(one, samples)) }
  } finally {
    for (const { server } of all) server.close()
  }
}

const ratiosOf = (id: string, samples: Samples): number[] =>
  (samples.get(id) ?? []).map(({ cpu, bare }) => cpu / bare.cpu)

function toTable(
  all: readonly Measured[],
  samples: Samples,
  costs: ReadonlyMap<string, Cost>,
): Findings['tables'][number] {
  return {
    title: 'Growth',
    note:
      'The kit on its memory store where no other is named, over HTTP. The ratio is to the first line, or the first with ' +
      'that store, measured right before. Memory is that of the process after a collection.',
    head: ['', 'token, bytes', 'CPU a request, µs', 'ratio', 'RSS, MB', 'heap and buffers, MB'],
    rows: all.map(({ id, label, requests, server }) => {
      const memory = costs.get(id)?.memory
      const token = server.good['Authorization']?.length ?? 0
      return [
        label,
        `${requests.length > 0 ? token - 'Bearer '.length : 0}`,
        median((samples.get(id) ?? []).map(({ cpu }) => cpu)).toFixed(1),
        [ONE, ONE_LMDB].some((base) => base.id === id) ? '1' : spread(ratiosOf(id, samples), 2),
        toMegabytes(memory?.rss),
        toMegabytes((memory?.heapUsed ?? 0) + (memory?.arrayBuffers ?? 0)),
      ]
    }),
  }
}

function toMegabytes(bytes = 0): string {
  return (bytes / 1e6).toFixed(0)
}

function judgeStep({ id, label }: Measured, samples: Samples): Verdict[] {
  // What else grows makes work: a longer token is longer to hash, a set that does not fit is verified anew.
  if (!/^(?:sessions|revocations)-/.test(id)) return []
  const ratio = median(ratiosOf(id, samples))
  const verdict = judge(`CPU a request with ${label}, beside one session and none`, ratio, { most: 1.1 })
  return [{ ...verdict, target: '0.9 – 1.1', isOk: verdict.isOk && ratio >= 0.9 }]
}
