// Valid sessions that come again and again, over HTTP: the kit on each store and the peers, each on its own framework.

import { addedOf, keptOf, measureRounds, type Sample, type Samples, shareOf, UNDISTURBED } from '../rounds.ts'
import { type Bench, type Findings, judge, type Table, type Verdict } from '../section.ts'
import { median, quantile, spread } from '../stats.ts'
import { BASES, KITS, PEERS, type Subject } from '../subjects.ts'

const DISTURBED = ' That is too little: this machine was busy with other things, and the figures are worth nothing.'
const SUBJECTS = [...KITS, ...PEERS]
// Each time in new processes: one of the same code can be slower than another for as long as it lives.
const FULL = { sittings: 2, rounds: 4 }
const QUICK = { sittings: 1, rounds: 1 }

/** Measures those that were asked for, one at a time: processes that only wait make those slower that work. */
export async function runRepeated(bench: Bench): Promise<Findings> {
  const { sittings, rounds } = bench.isQuick ? QUICK : FULL
  const wanted = SUBJECTS.filter(({ id }) => bench.wants(`repeated/${id}`))
  const samples = new Map<string, Sample[]>()
  for (let sitting = 1; sitting <= sittings; sitting += 1) {
    for (const subject of wanted) {
      const found = await measureOne(bench, subject, { rounds, section: `repeated ${sitting} of ${sittings}` })
      if (found.length > 0) samples.set(subject.id, [...(samples.get(subject.id) ?? []), ...found])
    }
  }
  return {
    tables: [toTable(BASES, wanted, samples)],
    verdicts: judgeAll(samples),
    bars: wanted.flatMap(({ id, label }) => {
      const all = samples.get(id)
      return all === undefined ? [] : [{ label, value: median(all.map(addedOf)), isOurs: id.startsWith('kit') }]
    }),
  }
}

/** Beside its bare framework. None where something that it needs is missing. */
async function measureOne(
  bench: Bench,
  { id, ...subject }: Subject,
  { rounds, section }: { readonly rounds: number; readonly section: string },
): Promise<readonly Sample[]> {
  bench.progress(`${section}: starting ${id}`)
  const framework = BASES.find((one) => one.id === subject.base)
  const base = framework && (await bench.start(framework))
  const server = await bench.start({ id, ...subject })
  try {
    return server === undefined
      ? []
      : ((await measureRounds(bench, section, [{ id, server, base }], rounds)).get(id) ?? [])
  } finally {
    base?.close()
    server?.close()
  }
}

function toTable(bases: readonly Subject[], wanted: readonly Subject[], samples: Samples): Table {
  const share = quantile([...samples.values()].flat().map(shareOf), 0.1)
  const rowOf = ({ id, label }: Subject): string[][] => {
    const all = samples.get(id)
    if (all === undefined) return []
    return [[label, ...figuresOf(all), `${(median(all.map((one) => one.busy)) * 100).toFixed(0)} %`]]
  }
  const bareOf = ({ id, label }: Subject): string[][] => {
    const all = wanted.filter(({ base }) => base === id).flatMap((subject) => samples.get(subject.id) ?? [])
    if (all.length === 0) return []
    const of = (name: 'rate' | 'cpu' | 'busy'): number => median(all.map(({ bare }) => bare[name]))
    return [[label, of('rate').toFixed(0), '100 %', '', of('cpu').toFixed(1), `${(of('busy') * 100).toFixed(0)} %`]]
  }
  return {
    title: 'Repeated sessions over HTTP',
    note:
      'Median of the rounds, with the quarter below and above. The server had ' +
      `${(share * 100).toFixed(0)} % of its core or more in nine of ten windows.${share < UNDISTURBED ? DISTURBED : ''}`,
    head: ['', 'requests a second', 'throughput kept', 'CPU added, µs', 'CPU a request, µs', 'core in use'],
    rows: bases.flatMap((base) => [...bareOf(base), ...wanted.filter((one) => one.base === base.id).flatMap(rowOf)]),
  }
}

function figuresOf(all: readonly Sample[]): string[] {
  return [
    median(all.map(({ rate }) => rate)).toFixed(0),
    `${spread(
      all.map((sample) => keptOf(sample) * 100),
      1,
    )} %`,
    spread(all.map(addedOf), 1),
    median(all.map(({ cpu }) => cpu)).toFixed(1),
  ]
}

function judgeAll(samples: Samples): Verdict[] {
  const kit = samples.get('kit-memory')
  const kept = (id: string, least: number, what: string): Verdict[] => {
    const all = samples.get(id)
    return all === undefined ? [] : [judge(what, median(all.map(keptOf)) * 100, { least }, 1)]
  }
  /** Each beside its own framework first, so that a slow minute slows neither. */
  const added = (id: string, most: number, label: string): Verdict[] => {
    const others = samples.get(id)
    if (kit === undefined || others === undefined) return []
    const share = median(kit.map(addedOf)) / median(others.map(addedOf))
    return [judge(`CPU added, as a share of ${label}`, share, { most })]
  }
  const redis = samples.get('kit-redis')
  return [
    ...kept('kit-memory', 74, "repeated tokens, memory: % of bare Koa's throughput kept"),
    ...added('koa-session-redis', 0.25, 'koa-session + Redis'),
    ...added('fastify-jwt-cache', 0.6, '@fastify/jwt with its cache'),
    ...added('koa-jwt-fast', 0.1, "koa-jwt's best on ES256"),
    ...kept('kit-lmdb', 68, "repeated tokens, LMDB: % of bare Koa's throughput kept"),
    ...kept('kit-redis', 74, "repeated tokens, Redis: % of bare Koa's throughput kept"),
    ...(kit === undefined || redis === undefined
      ? []
      : [
          judge(
            "repeated tokens, Redis: throughput kept, as a share of memory's",
            median(redis.map(keptOf)) / median(kit.map(keptOf)),
            { least: 0.95 },
          ),
        ]),
  ]
}
