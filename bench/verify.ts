// Microseconds for one verification: the kit's whole sequence beside bare jose, the same token, the same run.
// `npm run bench`. The ratio is the figure; the times are this machine's.

import { jwtVerify } from 'jose'
import { createKeySet, memoryStore } from 'koa-holdfast'
import { Bench } from 'tinybench'

import { createRevocationList } from '../src/revocation.ts'
import { createSessions } from '../src/sessions.ts'
import { createEvents } from '../src/events.ts'
import { createVerifier } from '../src/verifier.ts'

const ROUNDS = 7
const issuer = 'https://app.example'
const settings = {
  issuer,
  audience: [issuer],
  format: 'base64url',
  clockTolerance: 0,
  maxLifetime: 3600,
  lifetime: 900,
  absolute: 28_800,
  maxBytes: 8192,
  clock: Date.now,
} as const

const keys = await createKeySet()
const store = memoryStore()
const revocations = await createRevocationList({ ...settings, store, retention: 3605 })
const events = createEvents(Date.now)
const sessions = createSessions({ ...settings, keys, store, revocations, events })
const verifier = createVerifier({ ...settings, keys, revocations })
const { accessToken, fingerprint } = await sessions.start({ sub: 'alice', claims: { roles: ['reader'] } })
const key = keys.active?.verifyingKey
if (key === undefined) throw new Error('the key set has no active key')

const verifyKit = (): Promise<unknown> => verifier.verify({ token: accessToken, fingerprints: [fingerprint] })
const verifyJose = (): Promise<unknown> =>
  jwtVerify(accessToken, key, { algorithms: ['ES256'], issuer, audience: issuer, typ: 'at+jwt' })

await Promise.all([verifyKit(), verifyJose()]) // both accept it, or this throws

const ratios: number[] = []
const times = { jose: [] as number[], kit: [] as number[] }
for (let round = 0; round < ROUNDS; round += 1) {
  const bench = new Bench({ time: 400, warmupTime: 100 }).add('jose', verifyJose).add('kit', verifyKit)
  await bench.run()
  const [jose = Number.NaN, kit = Number.NaN] = bench.tasks.map((task) =>
    task.result.state === 'completed' ? task.result.latency.p50 * 1000 : Number.NaN,
  )
  times.jose.push(jose)
  times.kit.push(kit)
  ratios.push(kit / jose)
  console.log(
    `round ${round + 1} of ${ROUNDS}: jose ${jose.toFixed(1)} µs, kit ${kit.toFixed(1)} µs, ratio ${(kit / jose).toFixed(3)}`,
  )
}

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

console.log(`Node ${process.version}, ES256, ${accessToken.length} bytes, one at a time, median of ${ROUNDS} rounds`)
console.log(
  `bare jose.jwtVerify ${median(times.jose).toFixed(1)} µs; the kit, everything checked ${median(times.kit).toFixed(1)} µs`,
)
console.log(
  `ratio ${median(ratios).toFixed(3)} (${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)})`,
)
