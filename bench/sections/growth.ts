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
  readonly options?: object
  /** How many distinct tokens are used in turn. */
  readonly tokens: number
  /** Whether the cost must stay within a tenth of the first step's. */
  readonly isFlat: boolean
}

const million = 1e6

/** With the working set held at 100 tokens but where it is what grows. */
function stepsOf(isQuick: boolean): Step[] {
  const cut = (count: number): number => (isQuick ? Math.min(count, 10_000) : count)
  const grow = (name: string, what: string, counts: readonly number[]): Step[] =>
    [...new Set(counts.map(cut))].map((count) => ({
      ...{ id: `${name}-${count}`, label: `${count.toLocaleString('en')} ${what}` },
      ...{ options: { [name]: count }, tokens: 100, isFlat: true },
    }))
  const sets = [1, 1000, 10_000, 100_000].filter((count) => !isQuick || count <= 1000)
  return [
    { id: 'one', label: '1 session, 0 revocations, 100 tokens', tokens: 100, isFlat: false },
    ...grow('sessions', 'sessions more', [1000, million]),
    ...grow('revocations', 'revocations', [100_000, 5 * million]),
    ...sets.map((tokens) => ({
      ...{ id: `tokens-${tokens}`, label: `${tokens.toLocaleString('en')} tokens in turn`, tokens, isFlat: false },
    })),
    ...[0, 750, 3500].map((claimBytes) => ({
      ...{ id: `claims-${claimBytes}`, label: `${claimBytes + 25} bytes of claims of the application`, tokens: 100 },
      ...{ options: { claimBytes }, isFlat: false },
    })),
  ]
}

interface Measured extends Step {
  readonly server: Server
  readonly requests: readonly Buffer[]
}

/** Measures what was asked for. */
export async function runGrowth(bench: Bench): Promise<Findings> {
  const steps = stepsOf(bench.isQuick).filter(({ id }) => id === 'one' || bench.wants(`growth/${id}`))
  const all: Measured[] = []
  try {
    for (const step of steps) {
      bench.progress(`growth: starting with ${step.label}`)
      const subject: Subject = { ...step, base: 'koa', file: 'servers/kit.mjs', options: step.options ?? {} }
      const server = await bench.start(subject)
      if (server === undefined) continue
      all.push({ ...step, server, requests: createMint(bench.jwk, server.good).good(step.tokens) })
    }
    const first = all[0]?.server
    const runners = all.map(({ id, server, requests }): Runner => {
      return { id, server, requests, base: server === first ? undefined : first }
    })
    const samples = await measureRounds(bench, 'growth', runners)
    const costs = new Map<string, Cost>()
    for (const { id, server } of all) costs.set(id, await server.cost(true))
    return { tables: [toTable(all, samples, costs)], verdicts: all.flatMap((step) => judgeStep(step, samples)) }
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
      'The kit on its memory store, over HTTP. The ratio is to the first line, measured right before. Memory is that of ' +
      'the process after a collection; of sessions that of the memory store, which keeps them there.',
    head: ['', 'token, bytes', 'CPU a request, µs', 'ratio', 'RSS, MB', 'heap and buffers, MB'],
    rows: all.map(({ id, label, requests, server }) => {
      const memory = costs.get(id)?.memory
      const token = server.good['Authorization']?.length ?? 0
      return [
        label,
        `${requests.length > 0 ? token - 'Bearer '.length : 0}`,
        median((samples.get(id) ?? []).map(({ cpu }) => cpu)).toFixed(1),
        id === 'one' ? '1' : spread(ratiosOf(id, samples), 2),
        toMegabytes(memory?.rss),
        toMegabytes((memory?.heapUsed ?? 0) + (memory?.arrayBuffers ?? 0)),
      ]
    }),
  }
}

function toMegabytes(bytes = 0): string {
  return (bytes / 1e6).toFixed(0)
}

function judgeStep({ id, label, isFlat }: Measured, samples: Samples): Verdict[] {
  if (!isFlat) return []
  const ratio = median(ratiosOf(id, samples))
  const verdict = judge(`CPU a request with ${label}, beside one session and none`, ratio, { most: 1.1 })
  return [{ ...verdict, target: '0.9 – 1.1', isOk: verdict.isOk && ratio >= 0.9 }]
}
