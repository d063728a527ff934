// Two ways of doing the same, timed in turns and in small batches, so that a machine whose speed drifts slows both; the
// ratio is taken pair by pair.

import { median, quantile } from './stats.ts'

type Work = () => Promise<unknown>

/** One of the two; `calls` is how many calls a run of `work` stands for, where one is too short to be timed. */
type Side = readonly [name: string, work: Work, calls?: number]

/** What is compared, and how. */
export interface Comparison {
  /** Each with the name that the figures bear. The first is what the other is measured by. */
  readonly works: readonly [Side, Side]
  /** How many calls make a batch, at least. */
  readonly batch: number
  /** How many pairs of batches count, and how many before them do not. */
  readonly pairs: number
  readonly warmUp: number
  /** How many calls are under way at once. */
  readonly inFlight: number
}

/** What one call of each has cost, in microseconds: on the clock, and of all threads of this process. */
export interface Pair {
  readonly wall: readonly [number, number]
  readonly cpu: readonly [number, number]
}

/** Compares, and prints the medians in microseconds a call and the ratio. */
export async function compare(title: string, comparison: Comparison): Promise<void> {
  const pairs = await comparePairs(comparison)
  const ratios = pairs.map(({ wall: [one, other] }) => other / one)
  const at = (share: number): string => quantile(ratios, share).toFixed(2)
  const medians = [0, 1].map((i) => median(pairs.map(({ wall }) => wall[i] ?? Number.NaN)).toFixed(1))
  const [[firstName], [secondName]] = comparison.works
  console.log(
    `${title}: ${firstName} ${medians[0]} µs, ${secondName} ${medians[1]} µs, ratio ${at(0.5)} ` +
      `(half of the pairs within ${at(0.25)} and ${at(0.75)})`,
  )
}

/** Compares, and answers what each pair of batches has cost. */
export async function comparePairs({ works, batch, pairs, warmUp, inFlight }: Comparison): Promise<Pair[]> {
  const [first, second] = works
  const found: Pair[] = []
  for (let pair = -warmUp; pair < pairs; pair += 1) {
    const one = await time(first, batch, inFlight)
    const other = await time(second, batch, inFlight)
    if (pair >= 0) found.push({ wall: [one.wall, other.wall], cpu: [one.cpu, other.cpu] })
  }
  return found
}

/** Microseconds a call. */
async function time(
  [, work, calls = 1]: Side,
  batch: number,
  inFlight: number,
): Promise<{ wall: number; cpu: number }> {
  const atOnce = Math.ceil(inFlight / calls)
  const cpu = process.cpuUsage()
  const start = process.hrtime.bigint()
  let count = 0
  for (; count < batch; count += atOnce * calls) await Promise.all(Array.from({ length: atOnce }, work))
  const wall = Number(process.hrtime.bigint() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { wall: wall / count, cpu: (user + system) / count }
}
