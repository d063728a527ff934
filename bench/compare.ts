// Two ways of doing the same, timed in turns and in small batches, so that a machine whose speed drifts slows both; the
// ratio is taken pair by pair.

type Work = () => Promise<unknown>

/** What is compared, and how. */
export interface Comparison {
  /** Each with the name that the figures bear. The first is what the other is measured by. */
  readonly works: readonly [readonly [name: string, work: Work], readonly [name: string, work: Work]]
  /** How many calls make a batch. */
  readonly batch: number
  /** How many pairs of batches count, and how many before them do not. */
  readonly pairs: number
  readonly warmUp: number
  /** How many calls are under way at once. */
  readonly inFlight: number
}

/** Compares, and prints the medians in microseconds a call and the ratio. */
export async function compare(title: string, { works, batch, pairs, warmUp, inFlight }: Comparison): Promise<void> {
  const [[firstName, first], [secondName, second]] = works
  const times: (readonly [number, number])[] = []
  for (let pair = -warmUp; pair < pairs; pair += 1) {
    const both = [await time(first, batch, inFlight), await time(second, batch, inFlight)] as const
    if (pair >= 0) times.push(both)
  }
  const ratios = times.map(([one, other]) => other / one)
  const at = (share: number): string => quantile(ratios, share).toFixed(2)
  const medians = [times.map(([one]) => one), times.map(([, other]) => other)].map((all) =>
    quantile(all, 0.5).toFixed(1),
  )
  console.log(
    `${title}: ${firstName} ${medians[0]} µs, ${secondName} ${medians[1]} µs, ratio ${at(0.5)} ` +
      `(half of the pairs within ${at(0.25)} and ${at(0.75)})`,
  )
}

/** Microseconds a call. */
async function time(work: Work, batch: number, inFlight: number): Promise<number> {
  const start = process.hrtime.bigint()
  for (let i = 0; i < batch; i += inFlight) await Promise.all(Array.from({ length: inFlight }, work))
  return Number(process.hrtime.bigint() - start) / 1000 / batch
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
}
