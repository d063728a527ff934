// The other end of store-process.ts: opens a store, does what it is told, and ends with its parent.

import { writeSync } from 'node:fs'

import type { Store, StoreKind } from '../../src/index.ts'
import type { RemoteStore, Report } from './store-process.ts'

interface Call {
  readonly id: number
  readonly verb: 'ready' | 'flood' | 'get' | 'set' | 'add' | 'swap' | 'delete'
  readonly parameters: unknown[]
}

const LANES = 8
const HOUR = 3_600_000

// The casts are what store-process.ts sends.
const { module, options } = JSON.parse(process.argv[2] ?? '') as RemoteStore
const { openStore } = (await import(module)) as { openStore: (options: unknown) => Store | Promise<Store> }
const store = await openStore(options)

process.on('disconnect', () => process.exit())
process.on('message', (message) => void answer(message as Call))

async function answer({ id, verb, parameters }: Call): Promise<void> {
  try {
    if (verb === 'flood') flood(String(parameters[0]))
    else process.send?.({ id, value: verb === 'ready' ? true : await act(verb, parameters) })
  } catch (error) {
    process.send?.({ id, error: String(error) })
  }
}

function act(verb: Exclude<Call['verb'], 'ready' | 'flood'>, parameters: unknown[]): Promise<unknown> {
  // The cast forgets what each verb takes: the caller's types have seen to it.
  return (store[verb] as (...parameters: unknown[]) => Promise<unknown>)(...parameters)
}

function flood(name: string): void {
  for (let lane = 0; lane < LANES; lane += 1) void fill(`${name} ${lane}`)
}

/** Writes records, raises one by swap and deletes some, and says each before and after. */
async function fill(lane: string): Promise<never> {
  const expires = Date.now() + HOUR
  await store.set('session', { key: `${lane} counter`, value: 0, expires, group: lane })
  for (let i = 1; ; i += 1) {
    const kind: StoreKind = i % 3 === 0 ? 'session' : 'revocation'
    const written = { kind, key: `${lane} ${i}` }
    await told({ did: 'write', ...written }, () => store.set(kind, { ...written, value: null, expires, group: lane }))
    if (i % 4 === 0) await told({ did: 'delete', ...written }, () => store.delete(kind, written.key))
    const current = await store.get('session', `${lane} counter`)
    if (current === undefined) throw new Error(`the counter of lane ${lane} is gone`)
    const raised = { kind: 'session', key: current.key, value: i } as const
    await told({ did: 'swap', ...raised }, () => store.swap('session', { ...current, value: i }))
  }
}

async function told(report: Omit<Report, 'isDone'>, work: () => Promise<unknown>): Promise<void> {
  say({ ...report, isDone: false })
  await work()
  say({ ...report, isDone: true })
}

/** Synchronously, so that nothing that was said is lost with this process. */
function say(report: Report): void {
  const line = Buffer.from(`${JSON.stringify(report)}\n`)
  for (let written = 0; written < line.length;) {
    try {
      written += writeSync(1, line, written)
    } catch (error) {
      // The pipe is full for now.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}
