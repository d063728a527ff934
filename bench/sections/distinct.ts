// All tokens distinct: each comes once, so that nothing kept of an earlier one helps. The kit beside Koa with bare jose,
// the same tokens.

import { addedOf, measureRounds } from '../rounds.ts'
import { type Bench, type Findings, judge } from '../section.ts'
import { median, spread } from '../stats.ts'
import { BASES, JOSE, KITS } from '../subjects.ts'
import { createMint } from '../tokens.ts'

// More than are sent in all rounds together.
const COUNT = { full: 120_000, quick: 2000 }

/** Measures the kit and bare jose. */
export async function runDistinct(bench: Bench): Promise<Findings> {
  const subjects = [...BASES, ...KITS, JOSE].filter(({ id }) => ['koa', 'jose', 'kit-memory'].includes(id))
  bench.progress('distinct: starting')
  const [koa, kit, jose] = await Promise.all(subjects.map((subject) => bench.start(subject)))
  if (koa === undefined || kit === undefined || jose === undefined) return { tables: [], verdicts: [] }
  try {
    bench.progress('distinct: signing tokens')
    const requests = createMint(bench.jwk, kit.good).good(bench.isQuick ? COUNT.quick : COUNT.full)
    const samples = await measureRounds(bench, 'distinct', [
      { id: 'jose', server: jose, base: koa, requests },
      { id: 'kit', server: kit, base: koa, requests },
    ])
    const [ours = [], bare = []] = [samples.get('kit'), samples.get('jose')]
    const cpu = ours.map((one, i) => one.cpu / (bare[i]?.cpu ?? Number.NaN))
    const rate = ours.map((one, i) => (bare[i]?.rate ?? Number.NaN) / one.rate)
    const rows = [
      { label: JOSE.label, all: bare },
      { label: 'koa-holdfast, memory', all: ours },
    ]
    return {
      tables: [
        {
          title: 'All tokens distinct',
          note: `${requests.length} tokens in turn. CPU a request, the kit beside Koa + bare jose: ${spread(cpu, 2)}.`,
          head: ['', 'requests a second', 'CPU a request, µs', 'CPU added, µs'],
          rows: rows.map(({ label, all }) => [
            label,
            spread(
              all.map((one) => one.rate),
              0,
            ),
            spread(
              all.map((one) => one.cpu),
              1,
            ),
            spread(all.map(addedOf), 1),
          ]),
        },
      ],
      verdicts: [
        judge('all tokens distinct: CPU a request beside Koa + bare jose', median(cpu), { most: 1.15 }),
        judge('all tokens distinct: time a request beside Koa + bare jose', median(rate), { most: 1.15 }),
      ],
    }
  } finally {
    for (const server of [koa, kit, jose]) server.close()
  }
}
