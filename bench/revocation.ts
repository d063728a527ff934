// The revocation list in this process beside a plain Map that is swept every minute: the same names, the same run.
// `npm run bench:revocation`, or with sizes: `npm run bench:revocation -- 100000`. The ratios are the figures.

import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

import { createExpiringMap } from '../dist/expiring-map.js'
import { bytesUsed } from '../test/helpers/cost.ts'
import { hasRedis } from '../test/helpers/redis.ts'
import { type Load, measureSnapshots } from './snapshot.ts'
import { printVerdict, type Verdict } from './verdict.ts'

const MINUTE = 60_000
const SPAN = 3605_000 // the retention of a kit with default options
const BATCH = 500
const PAIRS = 101
const ROUNDS = 3
const LOADS = 5
const WARM_UP = 5

/** One of the two that are compared. A name is what a token carries, so each lookup brings a string of its own. */
interface Side {
  add(name: string, expires: number): void
  has(name: string): boolean
  purge(): void
}

let now = Date.now()

function createOurs(): Side {
  const map = createExpiringMap(() => now, { idPrefixes: ['sid '], span: SPAN })
  return {
    add: (name, expires) => map.add(`sid ${name}`, { expires }),
    has: (name) => map.has('sid ', name),
    purge: map.purge,
  }
}

function createPlain(): Side {
  const map = new Map<string, number>()
  let swept = now
  return {
    add: (name, expires) => void map.set(name, expires),
    has: (name) => map.has(name),
    purge() {
      if (now - swept < MINUTE) return
      swept = now
      for (const [name, expires] of map) if (expires <= now) map.delete(name)
    },
  }
}

const nameIn = (bytes: Buffer, i: number): string => bytes.toString('base64url', 16 * i, 16 * i + 16)

const namesIn = (bytes: Buffer, indexOf: (i: number) => number): string[] =>
  Array.from({ length: BATCH }, (_, i) => nameIn(bytes, indexOf(i)))

/** Milliseconds. */
function time(work: () => void): number {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start) / 1e6
}

/** As after so many logouts, one after the other, in the time that entries live. Answers milliseconds without the names. */
function fill(side: Side, bytes: Buffer): number {
  const count = bytes.length / 16
  let sum = 0
  for (let start = 0; start < count; start += BATCH) {
    const names = namesIn(bytes, (i) => start + i)
    sum += time(() => names.forEach((name, i) => side.add(name, now + Math.ceil((SPAN * (start + i + 1)) / count))))
  }
  return sum
}

const at = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN

function print(what: string, unit: string, [ours, plain]: readonly [number, number], ratio = ours / plain): void {
  const digits = Math.max(ours, plain) < 10 ? 3 : 1
  console.log(
    `  ${what.padEnd(24)} ${ours.toFixed(digits)} ${unit}, a Map ${plain.toFixed(digits)} ${unit}, ratio ${ratio.toFixed(2)}`,
  )
}

/** In turns and in small batches, so that a machine whose speed drifts slows both; the ratio is taken pair by pair. */
function compareLookups(what: string, sides: readonly [Side, Side], bytes: Buffer, expected: boolean): number {
  const spent: [number[], number[]] = [[], []]
  for (let pair = -WARM_UP; pair < PAIRS; pair += 1) {
    // Any of them: names that were added together lie together in the Map, and no requests come like that.
    const picks = Array.from({ length: BATCH }, () => Math.floor((Math.random() * bytes.length) / 16))
    for (const [i, side] of sides.entries()) {
      const names = namesIn(bytes, (pick) => picks[pick] ?? 0)
      let found = 0
      const ms = time(() => names.forEach((name) => (found += Number(side.has(name)))))
      if (found !== (expected ? BATCH : 0)) throw new Error(`${found} of ${BATCH} were found`)
      if (pair >= 0) spent[i]?.push((ms * 1000) / BATCH)
    }
  }
  const ratios = spent[0].map((one, i) => one / (spent[1][i] ?? Number.NaN))
  const ratio = at(ratios, 0.5)
  print(what, 'µs', [at(spent[0], 0.5), at(spent[1], 0.5)], ratio)
  return ratio
}

/** What both cost at this size when nothing but time goes by. Answers the bytes of an entry, and a lookup's ratio. */
function compareAtRest(bytes: Buffer): { readonly bytes: number; readonly lookup: number } {
  const count = bytes.length / 16
  const measure = (create: () => Side): { side: Side; bytes: number; add: number } => {
    const before = bytesUsed()
    const side = create()
    const add = (fill(side, bytes) * 1000) / count
    return { side, bytes: (bytesUsed() - before) / count, add }
  }
  const [ours, plain] = [measure(createOurs), measure(createPlain)]
  print('an entry', 'bytes', [ours.bytes, plain.bytes])
  print('add', 'µs', [ours.add, plain.add])
  const lookups = [
    compareLookups('lookup, listed', [ours.side, plain.side], bytes, true),
    compareLookups('lookup, not listed', [ours.side, plain.side], randomBytes(16 * 100_000), false),
  ]
  now += SPAN / 2
  print('purge of half', 'ms', [time(ours.side.purge), time(plain.side.purge)])
  return { bytes: ours.bytes, lookup: Math.max(...lookups) }
}

/**
 * A third of the entries is replaced in small turns of the event loop: adds, twice as many lookups, expiry.
 *
 * @returns the longest time from one turn to the next in milliseconds, with whatever the collector did in between
 */
async function churn(create: () => Side, bytes: Buffer): Promise<number> {
  const count = bytes.length / 16
  const side = create()
  fill(side, bytes)
  bytesUsed() // what the filling has left to collect is no part of this
  let worst = 0
  let last = performance.now()
  for (let turn = 0; turn < count / 3 / 50; turn += 1) {
    const fresh = randomBytes(16 * 100)
    now += (SPAN * 50) / count
    side.purge()
    for (let i = 0; i < 50; i += 1) side.add(nameIn(fresh, i), Math.ceil(now + SPAN))
    for (let i = 0; i < 100; i += 1) side.has(nameIn(fresh, i))
    await setImmediate()
    const start = performance.now()
    worst = Math.max(worst, start - last)
    last = start
  }
  return worst
}

/** Prints what new processes needed until they had loaded it from Redis. Answers how many times faster the list is. */
function printSnapshots([ours, plain]: readonly [readonly Load[], readonly Load[]]): number {
  const both = (of: keyof Load): readonly [number, number] => [medianOf(ours, of), medianOf(plain, of)]
  const [mine, hash] = both('milliseconds')
  print('loaded from Redis', 'ms', [mine, hash])
  print('worst gap meanwhile', 'ms', both('gap'))
  print('an entry, with its copy', 'bytes', both('bytes'))
  return hash / mine
}

function medianOf(loads: readonly Load[], of: keyof Load): number {
  return at(
    loads.map((one) => one[of]),
    0.5,
  )
}

console.log(`Node ${process.version}; the list of the kit, then a Map of the same names`)
const sizes = process.argv.slice(2).map((size) => Math.ceil(Number(size) / BATCH) * BATCH)
const verdicts: Verdict[] = []
for (const count of sizes.length > 0 ? sizes : [100_000, 1_000_000, 5_000_000]) {
  const size = count.toLocaleString('en')
  console.log(`${size} entries`)
  const bytes = randomBytes(16 * count)
  const atRest = compareAtRest(bytes)
  // The machine's other work only ever adds to a turn, so the least of a few rounds is closest to the truth.
  const worst: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    worst[0].push(await churn(createOurs, bytes))
    worst[1].push(await churn(createPlain, bytes))
  }
  const gaps = [Math.min(...worst[0]), Math.min(...worst[1])] as const
  print('worst gap under churn', 'ms', gaps)
  const faster = hasRedis()
    ? printSnapshots(await measureSnapshots(count, count > 1_000_000 ? ROUNDS : LOADS))
    : Number.NaN
  verdicts.push(
    ...[
      { what: 'bytes an entry', at: 1_000_000, reached: atRest.bytes, most: 50 },
      { what: "a lookup, as part of the Map's", at: 5_000_000, reached: atRest.lookup, most: 1 },
      { what: "the worst gap, as part of the Map's", at: 1_000_000, reached: gaps[0] / gaps[1], most: 0.2 },
      { what: 'loading from Redis, times faster than HGETALL', at: 1_000_000, reached: faster, least: 8 },
    ].filter((verdict) => verdict.at === count),
  )
}
console.log('Targets')
for (const verdict of verdicts) printVerdict(verdict)
