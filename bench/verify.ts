// Microseconds for one verification: the kit's whole sequence beside bare jose, the same token, the same run.
// `npm run bench`. The ratio is the figure; the times are this machine's.

import { jwtVerify } from 'jose'
import { createKeySet, memoryStore } from 'koa-holdfast'

import { createRevocationList } from '../src/revocation.ts'
import { createSessions } from '../src/session/sessions.ts'
import { createIssuer } from '../src/session/issue.ts'
import { createEvents } from '../src/events.ts'
import { createOutbox } from '../src/outbox.ts'
import { createTokenVerifier } from '../src/verifier.ts'

const BATCH = 192
const BATCHES = 101
const WARM_UP = 20
const issuer = 'https://app.example'
const settings = {
  issuer,
  audience: [issuer],
  format: 'base64url',
  clockTolerance: 0,
  maxLifetime: 3600,
  requiredClaims: ['sid'],
  binding: 'required',
  lifetime: 900,
  limits: { absolute: 28_800, idle: 1800 },
  rememberedLimits: { absolute: 28_800, idle: 1800 },
  maxSessions: Infinity,
  onMaxSessions: 'evict',
  isPersistent: true,
  grace: 10,
  maxBytes: 8192,
  clock: Date.now,
  steadyClock: Date.now,
} as const

const keys = await createKeySet()
const store = memoryStore()
const outbox = createOutbox(Date.now)
const revocations = await createRevocationList({ ...settings, store, retention: 3605, maxStaleness: 5, outbox })
const signer = createIssuer({ ...settings, keys, revocations })
const events = createEvents(Date.now)
const sessions = createSessions({ ...settings, issuer: signer, store, revocations, events, outbox })
const verifier = createTokenVerifier({ ...settings, keys, revocations, typ: 'at+jwt' })
const started = await sessions.start({ sub: 'alice', claims: { roles: ['reader'] } }, { replaces: [] })
const {
  access: { token: accessToken },
  fingerprints,
} = started
const key = keys.active?.verifyingKey
if (key === undefined) throw new Error('the key set has no active key')

const verifyKit = (): Promise<unknown> => verifier.verify({ token: accessToken, fingerprints })
const verifyJose = (): Promise<unknown> =>
  jwtVerify(accessToken, key, { algorithms: ['ES256'], issuer, audience: issuer, typ: 'at+jwt' })

await Promise.all([verifyKit(), verifyJose()]) // both accept it, or this throws

/** Microseconds a call, over a batch of calls of which so many are under way at once. */
async function time(work: () => Promise<unknown>, inFlight: number): Promise<number> {
  const start = process.hrtime.bigint()
  for (let i = 0; i < BATCH; i += inFlight) await Promise.all(Array.from({ length: inFlight }, work))
  return Number(process.hrtime.bigint() - start) / 1000 / BATCH
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** In turns and in small batches, so that a machine whose speed drifts slows both; the ratio is taken pair by pair. */
async function compare(title: string, inFlight: number): Promise<void> {
  const jose: number[] = []
  const kit: number[] = []
  for (let batch = -WARM_UP; batch < BATCHES; batch += 1) {
    const [one, other] = [await time(verifyJose, inFlight), await time(verifyKit, inFlight)]
    if (batch < 0) continue
    jose.push(one)
    kit.push(other)
  }
  const ratios = kit.map((other, i) => other / (jose[i] ?? Number.NaN)).toSorted((a, b) => a - b)
  const at = (share: number): string => (ratios[Math.floor(ratios.length * share)] ?? Number.NaN).toFixed(2)
  const times = `jose.jwtVerify ${median(jose).toFixed(1)} µs, the kit ${median(kit).toFixed(1)} µs`
  console.log(`${title}: ${times}, ratio ${at(0.5)} (half of the pairs within ${at(0.25)} and ${at(0.75)})`)
}

console.log(`Node ${process.version}, ES256, ${accessToken.length} bytes, every check of the kit, ${BATCHES} pairs`)
await compare('one at a time', 1)
await compare('64 in flight', 64)
