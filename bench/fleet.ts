// How long it takes from a revocation in one process until another process refuses: idle, and at 5,000 revocations a
// second, beside XADD in one process and XREAD in the other, in the same run; and beside the least that can write the
// record, the bucket, the head and the stream in one step, without the kit on either side. Idle, it also says how much of
// each was in the first process, how much on the way, and how much in the second.
//
// npm run bench:fleet

import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { createClient } from '@redis/client'

import { createOutbox } from '../dist/outbox.js'
import { createRevocationList, type RevocationList } from '../dist/revocation.js'
import { redisStore } from '../dist/store/redis.js'
import { startRedis } from '../test/helpers/redis.ts'
import { median, quantile } from './stats.ts'

const STREAM = '{r}:bare'
const BARE = 'XADD → XREAD'
/** What a write has to do that survives a restart, a late start and a lost link, with nothing decided or checked. */
const STEP = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000)
redis.call('APPEND', KEYS[2], ARGV[1])
local last = redis.call('SET', KEYS[3], ARGV[1], 'GET') or ''
redis.call('XADD', KEYS[4], 'MAXLEN', '~', '10000', '*', 'sid', ARGV[1], 'last', last)
return 1`
const SAMPLES = 3000
/** So long each way is kept busy first: neither is to pay for the compiler. */
const WARM_UP = 3000
/** So many of one way, then so many of the next: few, since the speed of a machine that others share changes. */
const BLOCK = 25
const LOAD = 5000

/** Marks the identifiers of those that are measured, and of those that only keep the ways busy. */
const [SAMPLE, OTHER] = ['S', 'O'] as const

/** An identifier as the kit draws them. */
const draw = (mark: string): string => `${mark}${randomBytes(15).toString('base64url')}A`

/** The same clock in both processes, in milliseconds with fractions. */
const now = (): number => performance.timeOrigin + performance.now()

/** When something first was written to a socket since this was 0, and when something last was read from one. */
const passed = { written: 0, read: 0 }

/** Has the process note it. */
function noteSockets(): void {
  const { write, push } = Socket.prototype
  Object.assign(Socket.prototype, {
    write(this: Socket, ...all: Parameters<Socket['write']>): boolean {
      passed.written ||= now()
      return write.apply(this, all)
    },
    push(this: Socket, ...all: Parameters<Socket['push']>): boolean {
      passed.read = now()
      return push.apply(this, all)
    },
  })
}

/** What process B says: when it had the answer of Redis, and when it had heard what is in it. */
interface Heard {
  readonly name: string
  readonly read: number
  readonly heard: number
}

const tell = (name: string): void => void process.send?.({ name, read: passed.read, heard: now() } satisfies Heard)

async function connect(port: number): Promise<ReturnType<typeof createClient>> {
  const client = createClient({ socket: { host: '127.0.0.1', port } })
  client.on('error', () => {})
  return client.connect() as Promise<ReturnType<typeof createClient>>
}

async function openList(client: ReturnType<typeof createClient>): Promise<RevocationList> {
  return createRevocationList({
    ...{ issuer: 'https://app.example', clock: Date.now, retention: 3600, clockTolerance: 0, maxStaleness: 5 },
    ...{ store: redisStore({ client }), outbox: createOutbox(Date.now) },
  })
}

/** Process B: says when it heard of what. */
async function listen(port: number): Promise<void> {
  noteSockets()
  const client = await connect(port)
  const list = await openList(client)
  list.watch((_kind, name) => {
    if (name.startsWith(SAMPLE)) tell(name)
  })
  tell('ready')
  const reader = client.duplicate()
  await reader.connect()
  let last = '$'
  for (;;) {
    const answer = (await reader.sendCommand(['XREAD', 'BLOCK', '500', 'STREAMS', STREAM, last])) as Answer
    for (const [id, [, name]] of Object.values(answer ?? {}).flat()) {
      last = id
      if (name.startsWith(SAMPLE)) tell(name)
    }
  }
}

/** The entries of each stream, as RESP3 has them; null for nothing. */
type Answer = Readonly<Record<string, readonly (readonly [id: string, fields: readonly [string, string]])[]>> | null

interface Phase {
  readonly label: string
  /** Revocations a second beside those that are measured. */
  readonly load: number
}

async function measure(): Promise<void> {
  noteSockets()
  const redis = await startRedis({ appendonly: 'no' })
  const child = fork(fileURLToPath(import.meta.url), ['listen', String(redis.port)], { execArgv: ['--import=tsx'] })
  const waiting = new Map<string, (heard: Heard) => void>()
  child.on('message', (heard: Heard) => waiting.get(heard.name)?.(heard))
  await once(child, 'message')
  const client = await connect(redis.port)
  const list = await openList(client)
  const step = (await client.sendCommand(['SCRIPT', 'LOAD', STEP])) as string // its name
  const ways = {
    'the kit': (name: string) => list.add({ sid: name }),
    'one step': (name: string) =>
      client.sendCommand(['EVALSHA', step, '4', `{r}:${name}`, '{r}:bucket', '{r}:head', STREAM, name]),
    [BARE]: (name: string) => client.sendCommand(['XADD', STREAM, 'MAXLEN', '~', '10000', '*', 'sid', name]),
  } as const

  for (const send of Object.values(ways)) {
    const stop = startLoad(LOAD, send)
    await wait(WARM_UP)
    await stop()
  }
  for (const phase of [
    { label: 'idle', load: 0 },
    { label: `at ${LOAD} a second`, load: LOAD },
  ] satisfies Phase[]) {
    const times: Record<string, Sample[]> = {}
    for (let block = 0; block < SAMPLES / BLOCK; block += 1) {
      for (const [way, send] of Object.entries(ways)) {
        const stop = startLoad(phase.load, send)
        await wait(50)
        for (let i = 0; i < BLOCK; i += 1) {
          const name = draw(SAMPLE)
          const arrived = new Promise<Heard>((resolve) => waiting.set(name, resolve))
          passed.written = 0
          const began = now()
          const sent = send(name)
          const { read, heard } = await arrived
          const { written } = passed
          await sent
          const spans = [written - began, read - written, heard - read] as const
          ;(times[way] ??= []).push({ whole: heard - began, spans })
          waiting.delete(name)
          await wait(1)
        }
        await stop()
      }
    }
    report(phase, times)
  }
  list.close()
  child.kill('SIGKILL')
  client.destroy()
  await redis.close()
}

/** Sends so many a second until it is stopped, in small batches. */
function startLoad(perSecond: number, send: (name: string) => Promise<unknown>): () => Promise<void> {
  if (perSecond === 0) return async () => {}
  const pending: Promise<unknown>[] = []
  const failures = new Set<string>()
  // On a machine that has other work a write may take longer than it may; the samples say what that does.
  const note = (error: Error): void => void failures.add(error.message)
  const began = now()
  let sent = 0
  const timer = setInterval(() => {
    for (; sent < ((now() - began) / 1000) * perSecond; sent += 1) pending.push(send(draw(OTHER)).catch(note))
  }, 1)
  return async () => {
    clearInterval(timer)
    await Promise.all(pending)
    for (const message of failures) console.log(`of the load: ${message}`)
  }
}

/** One revocation: how long it took, and how much of that before it was written, on the way, and after it was read. */
interface Sample {
  readonly whole: number
  readonly spans: readonly [before: number, onTheWay: number, after: number]
}

function report({ label, load }: Phase, times: Readonly<Record<string, readonly Sample[]>>): void {
  console.log(`\n${label}, ${SAMPLES} samples, ms`)
  const rows = Object.entries(times).map(([way, all]) => {
    const wholes = all.map(({ whole }) => whole)
    return { way, all, p50: median(wholes), p99: quantile(wholes, 0.99), max: Math.max(...wholes) }
  })
  for (const { way, all, p50, p99, max } of rows) {
    const spans = [0, 1, 2].map((i) => median(all.map((one) => one.spans[i] ?? 0)).toFixed(3))
    // Among others nobody knows which writing and reading was that of a sample.
    const where = load === 0 ? `  of p50 ${spans[0]} until written, ${spans[1]} on the way, ${spans[2]} once read` : ''
    console.log(`${way.padEnd(14)} p50 ${p50.toFixed(2)}  p99 ${p99.toFixed(2)}  max ${max.toFixed(2)}${where}`)
  }
  const bare = rows.pop()
  if (bare === undefined) return
  for (const { way, p50, p99 } of rows) {
    console.log(`${way} by ${BARE}: p50 ${(p50 / bare.p50).toFixed(2)}  p99 ${(p99 / bare.p99).toFixed(2)}`)
  }
}

if (process.argv[2] === 'listen') await listen(Number(process.argv[3]))
else await measure()
