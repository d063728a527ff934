// What a request costs as things grow: live sessions, revocations, tokens in use at once, claims. Each beside the kit with
// one of everything, in the same rounds; and the memory of each process.

import type { Cost, Growth } from '../child.ts'
import { measureRounds, type Runner, type Sample } from '../rounds.ts'
import { type Bench, type Findings, judge, type Verdict } from '../section.ts'
import { median, spread } from '../stats.ts'
import type { Subject } from '../subjects.ts'
import { createMint } from '../tokens.ts'

interface Step {
  readonly id: string
  readonly label: string
  /** The server, and what it is told. */
  readonly file: string
  readonly options: object
  /** How many distinct tokens are used in turn. */
  readonly tokens: number
  /** What the server is measured before and after, since two processes of the same code differ by more. */
  readonly more?: Growth
}

const million = 1e6
// Held at this but where it is what grows.
const TOKENS = 100

const toStep = (id: string, label: string, options: object = {}, tokens = TOKENS): Step => ({
  id,
  label,
  file: 'servers/kit.mjs',
  options,
  tokens,
})

const sessions = (count: number): Step => ({
  ...toStep(`sessions-${count}`, `${count.toLocaleString('en')} sessions more`),
  more: { sessions: count },
})

/** On the disk, as in production. */
const lmdbSessions = (count: number): Step => ({
  ...toStep(`sessions-lmdb-${count}`, `LMDB, ${count.toLocaleString('en')} sessions more`, { kind: 'lmdb' }),
  more: { sessions: count },
})

/** What the heap alone costs: the collector goes through its pages, whatever they hold. */
const strings = (count: number): Step => ({
  ...toStep(`strings-${count}`, `bare Koa, ${count.toLocaleString('en')} strings more`),
  ...{ file: 'servers/koa.mjs', more: { sessions: count } },
})

const revocations = (count: number): Step => ({
  ...toStep(`revocations-${count}`, `${count.toLocaleString('en')} revocations`),
  more: { revocations: count },
})

const tokens = (count: number): Step =>
  toStep(`tokens-${count}`, `${count.toLocaleString('en')} tokens in turn`, {}, count)

const claims = (bytes: number): Step =>
  toStep(`claims-${bytes}`, `${bytes} bytes of claims more`, { claimBytes: bytes })

const ONE = toStep('one', `1 session, 0 revocations, ${TOKENS} tokens`)
const ONE_LMDB = toStep('one-lmdb', `LMDB, the same`, { kind: 'lmdb' })
const BARE: Step = { ...toStep('bare', 'bare Koa'), file: 'servers/koa.mjs' }
// What the same varies by.
const SAME = toStep('same', 'the same in another process')
const QUICK = [sessions(1000), strings(1000), lmdbSessions(1000), revocations(10_000), tokens(1000), claims(3500)]
const FULL = [
  SAME,
  ...[1000, million].map(sessions),
  strings(million),
  lmdbSessions(million),
  ...[100_000, 5 * million].map(revocations),
  ...[1, 1000, 10_000, 100_000].map(tokens),
  ...[750, 3500].map(claims),
]

interface Measured {
  readonly step: Step
  /** How long its tokens are. */
  readonly token: number
  readonly samples: readonly Sample[]
  /** Those of the same process before it grew. */
  readonly before: readonly Sample[]
  readonly cost: Cost
}

/** What the step is measured by. */
function baseOf({ id, file }: Step): Step {
  if (file === BARE.file) return BARE
  return id.includes('lmdb') ? ONE_LMDB : ONE
}

/** Measures what was asked for, one at a time: processes that only wait make those slower that work. */
export async function runGrowth(bench: Bench): Promise<Findings> {
  const steps = (bench.isQuick ? QUICK : FULL).filter(({ id }) => bench.wants(`growth/${id}`))
  const found = new Map<string, Measured>()
  for (const step of steps) {
    for (const one of await measureBoth(bench, baseOf(step), step)) {
      if (!found.has(one.step.id)) found.set(one.step.id, one)
    }
  }
  const all = [...found.values()]
  return { tables: [toTable(all)], verdicts: all.flatMap(judgeStep) }
}

/** The step beside what it is measured by. */
async function measureBoth(bench: Bench, ...steps: readonly [base: Step, step: Step]): Promise<Measured[]> {
  const runners: (Runner & { readonly step: Step })[] = []
  try {
    bench.progress('growth: starting, which takes a while')
    for (const step of steps) {
      const server = await bench.start({ ...step, base: 'koa' } satisfies Subject)
      if (server === undefined) continue
      const base = runners[0]?.server
      const requests = step.file === BARE.file ? [] : createMint(bench.jwk, server.good).good(step.tokens)
      runners.push({ id: step.id, step, server, base, ...(requests.length > 0 && { requests }) })
    }
    const growing = runners.filter(({ step }) => step.more !== undefined)
    const before = await measureRounds(bench, 'growth, before', growing)
    for (const { step, server } of growing) {
      bench.progress(`growth: ${step.label}`)
      await server.grow(step.more ?? {})
    }
    const samples = await measureRounds(bench, 'growth', runners)
    const measured: Measured[] = []
    for (const { step, server } of runners) {
      const token = Math.max(0, (server.good['Authorization']?.length ?? 0) - 'Bearer '.length)
      const [all, old] = [samples, before].map((some) => some.get(step.id) ?? [])
      measured.push({ step, token, samples: all ?? [], before: old ?? [], cost: await server.cost(true) })
    }
    return measured
  } finally {
    for (const { server } of runners) server.close()
  }
}

const toRatio = ({ cpu, bare }: Sample): number => cpu / bare.cpu

/** Beside the base, and what has grown beside what it was before. */
function ratiosOf({ samples, before }: Measured): number[] {
  const was = before.length === 0 ? 1 : median(before.map(toRatio))
  return samples.map((sample) => toRatio(sample) / was)
}

function toTable(all: readonly Measured[]): Findings['tables'][number] {
  return {
    title: 'Growth',
    note:
      'The kit on its memory store where no other is named, over HTTP. The ratio is to the first line, or the first with ' +
      'that store or server, measured right before; of sessions and revocations, to the same process before they were added. Memory ' +
      'is that of the process after a collection.',
    head: ['', 'token, bytes', 'CPU a request, µs', 'of it collecting', 'ratio', 'RSS, MB', 'heap and buffers, MB'],
    rows: all.map((one) => [
      one.step.label,
      String(one.token),
      median(one.samples.map(({ cpu }) => cpu)).toFixed(1),
      median(one.samples.map(({ collecting }) => collecting)).toFixed(1),
      [ONE, ONE_LMDB, BARE].includes(one.step) ? '1' : spread(ratiosOf(one), 2),
      toMegabytes(one.cost.memory.rss),
      toMegabytes(one.cost.memory.heapUsed + one.cost.memory.arrayBuffers),
    ]),
  }
}

function toMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}

function judgeStep(one: Measured): Verdict[] {
  const { id, label } = one.step
  // What else grows makes work: a longer token is longer to hash, a set that does not fit is verified anew.
  if (!/^(?:sessions|revocations)-/.test(id)) return []
  const ratio = median(ratiosOf(one))
  const verdict = judge(`CPU a request with ${label}, beside the same process without`, ratio, { most: 1.1 })
  return [{ ...verdict, target: '0.9 – 1.1', isOk: verdict.isOk && ratio >= 0.9 }]
}
