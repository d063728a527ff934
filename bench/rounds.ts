// Measures servers in rounds: everybody once in each, and right before each its bare framework, since the same code varies
// by some microseconds from one minute to the next. What is reported are the differences and ratios of such pairs.

import type { Server } from './child.ts'
import { toRequest } from './connection.ts'
import { type Load, saturate } from './load.ts'
import type { Bench } from './section.ts'

/** Someone to measure. */
export interface Runner {
  readonly id: string
  readonly server: Server
  /** What it is measured by; undefined for itself. */
  readonly base: Server | undefined
  /** What it is sent; what it lets in when there is nothing else. */
  readonly requests?: readonly Buffer[]
}

/** What one window of one server has shown. */
export interface Window {
  readonly count: number
  /** Answers a second. */
  readonly rate: number
  /** Processor time of the server, in microseconds a request. */
  readonly cpu: number
  /** How much of it went by while its main thread collected garbage. */
  readonly collecting: number
  /** The share of a core that the server has had. */
  readonly busy: number
}

/** A window beside that of the bare framework just before it. */
export interface Sample extends Window {
  readonly bare: Window
}

/** The samples of everybody, one for each round. */
export type Samples = ReadonlyMap<string, readonly Sample[]>

const CONNECTIONS = 32
// A window is in milliseconds. The compiler needs requests rather than time, and a slow server needs an end to it.
const FULL = { window: 700, tries: 3, warmUp: { requests: 30_000, windows: 12 } }
const QUICK = { window: 100, tries: 1, warmUp: { requests: 1, windows: 1 } }

/** The share of their core that both servers of a pair have to have had. */
export const UNDISTURBED = 0.9

/** The lesser share of its core that one of the two had. */
export const shareOf = (sample: Sample | undefined): number => Math.min(sample?.busy ?? 0, sample?.bare.busy ?? 0)

/** What a request costs beside the bare framework, in microseconds of processor time. */
export const addedOf = (sample: Sample): number => sample.cpu - sample.bare.cpu

/** The share of the bare framework's throughput that is left. */
export const keptOf = (sample: Sample): number => sample.rate / sample.bare.rate

/** Measures everybody so many times. @throws Error when somebody gives a wrong answer, before, after or meanwhile */
export async function measureRounds(
  bench: Bench,
  section: string,
  runners: readonly Runner[],
  rounds: number = bench.isQuick ? 1 : 7,
): Promise<Samples> {
  const { window, tries, warmUp } = bench.isQuick ? QUICK : FULL
  const everybody = new Map<Server, readonly Buffer[] | undefined>()
  for (const { base, server, requests } of runners) {
    if (base !== undefined && !everybody.has(base)) everybody.set(base, undefined)
    everybody.set(server, requests)
  }
  const sent = new Map<Server, number>()

  async function measure(server: Server): Promise<Window> {
    const requests = everybody.get(server) ?? [toRequest(server.good)]
    const first = sent.get(server) ?? 0
    const load: Load = {
      port: server.port,
      requests,
      first,
      connections: CONNECTIONS,
      milliseconds: window,
      status: 200,
    }
    const before = await server.cost()
    const { count, seconds } = await saturate(load)
    const after = await server.cost()
    const [cpu, collecting] = [after.cpu - before.cpu, after.collecting - before.collecting]
    // Where each token is used once, the next window goes on with the next one.
    sent.set(server, first + count)
    return { count, rate: count / seconds, cpu: cpu / count, collecting: collecting / count, busy: cpu / 1e6 / seconds }
  }

  /** Once more when something else had the core, and the best of them when it goes on. */
  async function measurePair(server: Server, base: Server | undefined): Promise<Sample> {
    let best: Sample | undefined
    for (let i = 0; i < tries && shareOf(best) < UNDISTURBED; i += 1) {
      const bare = base === undefined ? undefined : await measure(base)
      const own = await measure(server)
      const sample = { ...own, bare: bare ?? own }
      if (best === undefined || shareOf(sample) > shareOf(best)) best = sample
    }
    if (best === undefined) throw new RangeError('expected at least one try')
    return best
  }

  for (const server of everybody.keys()) {
    bench.progress(`${section}: warming up`)
    await server.check()
    let count = 0
    for (let i = 0; i < warmUp.windows && count < warmUp.requests; i += 1) count += (await measure(server)).count
  }
  const samples = new Map<string, Sample[]>(runners.map(({ id }) => [id, []]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const { id, server, base } of runners) {
      bench.progress(`${section}: round ${round} of ${rounds}, ${id}`)
      samples.get(id)?.push(await measurePair(server, base))
    }
  }
  for (const server of everybody.keys()) await server.check()
  return samples
}
