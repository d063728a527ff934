// One process, no HTTP: the kit's verification, login and refresh beside the least that each needs, and how long the event
// loop is kept waiting by a burst of logins. What is timed is the built package.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

import { CompactSign, jwtVerify } from 'jose'
import { createKeySet, generateKey, memoryStore, type Store } from 'koa-holdfast'
import { lmdbStore } from 'koa-holdfast/store/lmdb'

import { createEvents } from '../dist/events.js'
import { joinFingerprints } from '../dist/fingerprint.js'
import { createOutbox } from '../dist/outbox.js'
import { createRevocationList } from '../dist/revocation.js'
import { createIssuer } from '../dist/session/issue.js'
import { createSessions, type Sessions } from '../dist/session/sessions.js'
import { createTokenVerifier, type TokenVerifier } from '../dist/verifier.js'
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
const TURN = 256
// So many make a batch that lasts as long as one of the other side. What is answered at once is not waited for.
const HITS = 6144

const issuer = 'https://app.example'
const jwk = await generateKey()
const YEAR = 31_536_000
const limits = { absolute: 100 * YEAR, idle: 1800 }
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
} as const
const keys = await createKeySet({ keys: [jwk] })
// Sessions that are refreshed before their tokens expire have a clock that moves on.
let passed = 0
const moving = (): number => Date.now() + passed
const { sessions, verifier } = await createParts(memoryStore(), Date.now)

async function createParts(store: Store, clock: () => number): Promise<Parts> {
  const outbox = createOutbox(clock)
  const shared = { ...settings, clock, steadyClock: clock, store, outbox, keys }
  const revocations = await createRevocationList({ ...shared, retention: 3605, maxStaleness: 5 })
  const signer = createIssuer({ ...shared, revocations })
  return {
    sessions: createSessions({ ...shared, issuer: signer, revocations, events: createEvents(clock) }),
    verifier: createTokenVerifier({ ...shared, revocations, typ: 'at+jwt', maxCached: 20_000 }),
  }
}

interface Parts {
  readonly sessions: Sessions
  readonly verifier: TokenVerifier
}

const subject = { sub: 'u-4711', claims: { roles: ['reader'] } }
const { access, fingerprints } = await sessions.start(subject, { replaces: [] })
const key = keys.active
if (key === undefined) throw new Error('the key set has no active key')

const rules = { algorithms: ['ES256'], issuer, audience: issuer, typ: 'at+jwt' }
const model = { Authorization: `Bearer ${access.token}`, Cookie: `__Secure-Fgp=${joinFingerprints(fingerprints)}` }
const minted = createMint(jwk, model).pairs(isQuick ? 3000 : 60_000)
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
const nextOurs = cycle(minted)
const nextJose = cycle(minted)

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

/**
 * Login and refresh on this store, beside what they cannot do without: a signature over as many bytes, a write, and for a
 * refresh the record as it is. */
async function runSessions(label: string, store: Store, size: Size): Promise<void> {
  const { sessions: moved } = await createParts(store, moving)
  const issued = await moved.start(subject, { replaces: [] })
  const payload = Buffer.from(issued.access.token.split('.')[1] ?? '', 'base64url')
  const record = await store.get('session', issued.sid)
  if (record === undefined || key === undefined) throw new Error('the session was not written')
  const live = await Promise.all(Array.from({ length: TURN }, () => moved.start(subject, { replaces: [] })))
  let turn = 0

  /** A quarter of an hour passes when it is everybody's turn again. */
  function next(): number {
    turn = (turn + 1) % TURN
    if (turn === 0) passed += settings.lifetime * 1000
    return turn
  }

  const header = { alg: key.alg, typ: 'at+jwt', kid: key.kid }
  const nextKey = cycle(Array.from({ length: TURN }, (_, i) => `other-${i}`))
  let added = 0

  const readSignAndSet = async (): Promise<void> => {
    const name = nextKey()
    await store.get('session', name)
    await new CompactSign(payload).setProtectedHeader(header).sign(key.signingKey)
    await store.set('session', { ...record, key: name })
  }

  const signAndAdd = async (): Promise<void> => {
    next()
    await new CompactSign(payload).setProtectedHeader(header).sign(key.signingKey)
    await store.add('session', { ...record, key: `new-${(added += 1)}`, expires: moving() + 1_800_000 })
  }

  const login = (): Promise<unknown> => {
    next()
    return moved.start(subject, { replaces: [] })
  }

  const refresh = async (): Promise<void> => {
    const at = next()
    const { refreshToken, fingerprints: presented } = live[at] ?? issued
    const cookies = [joinFingerprints(presented)]
    live[at] = await moved.refresh({ token: refreshToken, fingerprints: cookies }, undefined)
  }

  // First, since a session that is not refreshed is over soon, and logins let time pass as well.
  await run(`refresh, ${label}`, 'read, signature and write', [readSignAndSet, refresh], { inFlight: 16, ...size })
  await run(`login, ${label}`, 'signature and write', [signAndAdd, login], { inFlight: 16, ...size })
}

/** How late the event loop is while every millisecond one token is verified, and so many logins begin at once. */
async function delay(logins: number): Promise<Delay> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  const times: number[] = []
  let done = 0
  histogram.enable()
  const ends = performance.now() + BURST.milliseconds
  while (performance.now() < ends) {
    const burst = Promise.all(
      Array.from({ length: logins }, () => sessions.start(subject, { replaces: [] }).then(() => (done += 1))),
    )
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

await Promise.all([hits(), cold(), bareRepeated(), bareDistinct()]) // all work, or this throws

async function run(
  name: string,
  base: string,
  [first, second]: readonly [Work, Work],
  { inFlight, calls = 1, batch = BATCH, pairs = PAIRS.pairs }: { inFlight: number; calls?: number } & Partial<Size>,
): Promise<void> {
  const works = [[base, first] as const, [name, second, calls] as const] as const
  send({ name, base, pairs: await comparePairs({ works, ...PAIRS, pairs, batch, inFlight }) })
}

/** How many calls make a batch, and how many pairs of batches are made. */
interface Size {
  readonly batch: number
  readonly pairs: number
}

type Work = () => Promise<unknown>

const send = (message: Compared | { readonly idle: Delay; readonly burst: Delay }): void => void process.send?.(message)

await run('a token seen before', 'jose.jwtVerify, 64 in flight', [bareRepeated, hits], { inFlight: 64, calls: HITS })
await run('a new token, one at a time', 'jose.jwtVerify', [bareDistinct, cold], { inFlight: 1 })
await run('a new token, 64 in flight', 'jose.jwtVerify, 64 in flight', [bareDistinct, cold], { inFlight: 64 })
// Large enough that each batch has its share of collections.
await runSessions(
  'memory',
  memoryStore({ clock: moving }),
  isQuick ? { batch: 192, pairs: 3 } : { batch: 1536, pairs: 41 },
)
const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
const lmdb = lmdbStore({ path: join(directory, 'sessions'), clock: moving })
await runSessions('LMDB', lmdb, isQuick ? { batch: 64, pairs: 3 } : { batch: 192, pairs: 41 })
await lmdb.close()
rmSync(directory, { recursive: true, force: true })
send({ idle: await delay(0), burst: await delay(BURST.logins) })
