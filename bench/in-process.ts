// One process, no HTTP: the kit's verification, login and refresh beside the least that each needs, and how long the event
// loop is kept waiting by a burst of logins. What is timed is the built package.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

import { CompactSign, jwtVerify } from 'jose'
import { createKeySet, generateKey, memoryStore } from 'koa-holdfast'

import { createEvents } from '../dist/events.js'
import { joinFingerprints } from '../dist/fingerprint.js'
import { createOutbox } from '../dist/outbox.js'
import { createRevocationList } from '../dist/revocation.js'
import { createIssuer } from '../dist/session/issue.js'
import { createSessions } from '../dist/session/sessions.js'
import { createTokenVerifier } from '../dist/verifier.js'
import { comparePairs, type Pair } from './compare.ts'
import { createMint } from './tokens.ts'

/** What was compared. */
export interface Compared {
  readonly name: string
  /** The other is beside this one. */
  readonly base: string
  readonly pairs: readonly Pair[]
}

/** Milliseconds that the event loop was late, and that verifications took meanwhile. */
export interface Delay {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly verification: number
  readonly logins: number
}

const isQuick = process.argv[2] === 'quick'
const PAIRS = isQuick ? { pairs: 11, warmUp: 3 } : { pairs: 101, warmUp: 20 }
const BURST = isQuick ? { milliseconds: 200, logins: 100 } : { milliseconds: 5000, logins: 1000 }
const BATCH = 192
// So many make a batch that lasts as long as one of the other side. What is answered at once is not waited for.
const HITS = 6144

const issuer = 'https://app.example'
const jwk = await generateKey()
const limits = { absolute: 28_800, idle: 1800 }
const settings = {
  issuer,
  audience: [issuer],
  format: 'base64url',
  clockTolerance: 0,
  maxLifetime: 3600,
  requiredClaims: ['sid'],
  binding: 'required',
  lifetime: 900,
  limits,
  rememberedLimits: limits,
  maxSessions: Infinity,
  onMaxSessions: 'evict',
  isPersistent: true,
  grace: 10,
  maxBytes: 8192,
  clock: Date.now,
  steadyClock: Date.now,
} as const
const keys = await createKeySet({ keys: [jwk] })
const store = memoryStore()
const outbox = createOutbox(Date.now)
const revocations = await createRevocationList({ ...settings, store, retention: 3605, maxStaleness: 5, outbox })
const signer = createIssuer({ ...settings, keys, revocations })
const sessions = createSessions({
  ...{ ...settings, issuer: signer, store, revocations, outbox },
  events: createEvents(Date.now),
})
const verifier = createTokenVerifier({ ...settings, keys, revocations, typ: 'at+jwt', maxCached: 10_000 })
const subject = { sub: 'u-4711', claims: { roles: ['reader'] } }
const { access, fingerprints } = await sessions.start(subject, { replaces: [] })
const key = keys.active
if (key === undefined) throw new Error('the key set has no active key')

const rules = { algorithms: ['ES256'], issuer, audience: issuer, typ: 'at+jwt' }
const model = { Authorization: `Bearer ${access.token}`, Cookie: `__Secure-Fgp=${joinFingerprints(fingerprints)}` }
const pairs = createMint(jwk, model).pairs(isQuick ? 3000 : 60_000)
// Copies, as each request brings: what is known of one string is not known of the next. No more than the processor's cache
// holds, since a request's own has only just been read.
const copies = Array.from({ length: 256 }, () => {
  return { token: Buffer.from(access.token).toString('latin1'), fingerprints: [...fingerprints] }
})

/** Each in its turn. */
function cycle<T>(all: readonly T[]): () => T {
  let next = 0
  return () => {
    next = (next + 1) % all.length
    const one = all[next]
    if (one === undefined) throw new RangeError('expected some of them')
    return one
  }
}

const nextCopy = cycle(copies)
const nextOurs = cycle(pairs)
const nextJose = cycle(pairs)

async function hits(): Promise<void> {
  for (let i = 0; i < HITS; i += 1) {
    const answer: unknown = verifier.verify(nextCopy())
    if (answer instanceof Promise) await answer
  }
}

async function cold(): Promise<unknown> {
  const { token, fingerprint } = nextOurs()
  return verifier.verify({ token, fingerprints: [fingerprint] })
}

const bareRepeated = (): Promise<unknown> => jwtVerify(nextCopy().token, key.verifyingKey, rules)
const bareDistinct = (): Promise<unknown> => jwtVerify(nextJose().token, key.verifyingKey, rules)

// What a login cannot do without: a signature over as many bytes, and one write of a record as large.
const payload = Buffer.from(access.token.split('.')[1] ?? '', 'base64url')
const record = await store.get('session', access.claims.sid)
if (record === undefined) throw new Error('the session was not written')
let written = 0

const signAndWrite = async (): Promise<void> => {
  const header = { alg: key.alg, typ: 'at+jwt', kid: key.kid }
  await new CompactSign(payload).setProtectedHeader(header).sign(key.signingKey)
  written += 1
  await store.set('session', { ...record, key: `other-${written % 10_000}` })
}

const login = (): Promise<unknown> => sessions.start(subject, { replaces: [] })
const live = await Promise.all(Array.from({ length: 256 }, () => sessions.start(subject, { replaces: [] })))
let turn = 0

async function refresh(): Promise<void> {
  turn = (turn + 1) % live.length
  const at = turn
  const { refreshToken, fingerprints: presented } = live[at] ?? (await sessions.start(subject, { replaces: [] }))
  const cookies = [joinFingerprints(presented)]
  live[at] = await sessions.refresh({ token: refreshToken, fingerprints: cookies }, undefined)
}

/** How late the event loop is while every millisecond one token is verified, and so many logins begin at once. */
async function delay(logins: number): Promise<Delay> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  const times: number[] = []
  let done = 0
  histogram.enable()
  const ends = performance.now() + BURST.milliseconds
  while (performance.now() < ends) {
    const burst = Promise.all(Array.from({ length: logins }, () => login().then(() => (done += 1))))
    for (let i = 0; i < 100; i += 1) {
      const start = performance.now()
      await verifier.verify(nextCopy())
      times.push(performance.now() - start)
      await wait(1)
    }
    await burst
  }
  histogram.disable()
  const at = (percentile: number): number => histogram.percentile(percentile) / 1e6 - 1
  times.sort((a, b) => a - b)
  const verification = times[Math.floor(times.length * 0.99)] ?? Number.NaN
  return { p50: at(50), p99: at(99), max: histogram.max / 1e6 - 1, verification, logins: done }
}

await Promise.all([hits(), cold(), bareRepeated(), bareDistinct(), signAndWrite(), refresh()]) // all work, or this throws

async function run(
  name: string,
  base: string,
  works: readonly [Work, Work],
  inFlight: number,
  calls = 1,
): Promise<void> {
  const [first, second] = works
  const sides = [[base, first] as const, [name, second, calls] as const] as const
  send({ name, base, pairs: await comparePairs({ works: sides, ...PAIRS, batch: BATCH, inFlight }) })
}

type Work = () => Promise<unknown>

const send = (message: Compared | { readonly idle: Delay; readonly burst: Delay }): void => void process.send?.(message)

await run('a token seen before', 'jose.jwtVerify, 64 in flight', [bareRepeated, hits], 64, HITS)
await run('a new token, one at a time', 'jose.jwtVerify', [bareDistinct, cold], 1)
await run('a new token, 64 in flight', 'jose.jwtVerify, 64 in flight', [bareDistinct, cold], 64)
await run('login', 'signature and write', [signAndWrite, login], 16)
await run('refresh', 'signature and write', [signAndWrite, refresh], 16)
send({ idle: await delay(0), burst: await delay(BURST.logins) })
