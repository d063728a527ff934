// A store in a process of its own: its verbs from here, and a flood of writes that reports what was acknowledged.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Store, StoreKind, StoreRecord } from '../../src/index.ts'
import type { Owner } from './http.ts'

/** How another process opens the same data. */
export interface RemoteStore {
  /** A module with `openStore(options): Store | Promise<Store>`. */
  readonly module: string
  /** What it takes; must survive JSON. */
  readonly options: unknown
}

/** What a process says that it has begun, or that the store has acknowledged. */
export interface Report {
  readonly did: 'write' | 'delete' | 'swap'
  readonly isDone: boolean
  readonly kind: StoreKind
  readonly key: string
  /** What a swap writes. */
  readonly value?: number
}

/** A store over there. */
export interface StoreProcess {
  readonly store: Pick<Store, 'get' | 'set' | 'add' | 'swap' | 'delete'>
  /** Lets it write without end; `reports` grows. */
  flood(name: string): void
  readonly reports: readonly Report[]
  /** Resolves with the next report. */
  nextReport(): Promise<void>
  /** SIGKILL, and waits until it is gone and everything it had said is here. */
  kill(): Promise<void>
}

const CHILD = fileURLToPath(new URL('store-child.ts', import.meta.url))

/** Starts a process that has the store open, and ends it with its owner. */
export async function startStoreProcess(owner: Owner, remote: RemoteStore): Promise<StoreProcess> {
  const child = fork(CHILD, [JSON.stringify(remote)], {
    execArgv: ['--import=tsx'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: withoutCoverage(),
  })
  owner.teardown(() => child.kill('SIGKILL'))
  const reports: Report[] = []
  const lines = createInterface({ input: demand(child.stdout) })
  lines.on('line', (line) => reports.push(JSON.parse(line) as Report))
  const gone = Promise.all([once(child, 'close'), once(lines, 'close')])
  const call = createCaller(child)
  await call('ready', [])
  return {
    // The casts are what the other side answers: the same verbs.
    store: {
      get: (...parameters) => call('get', parameters) as Promise<StoreRecord | undefined>,
      set: async (...parameters) => void (await call('set', parameters)),
      add: (...parameters) => call('add', parameters) as Promise<boolean>,
      swap: (...parameters) => call('swap', parameters) as Promise<boolean>,
      delete: (...parameters) => call('delete', parameters) as Promise<boolean>,
    },
    reports,
    flood: (name) => void child.send({ verb: 'flood', parameters: [name] }),
    nextReport: async () => void (await once(lines, 'line')),
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** What the flood's reports say must be there after the process was killed, checked against the store. */
export async function findLost(store: Store, reports: readonly Report[]): Promise<string[]> {
  const last = new Map<string, { done?: Report; begun?: Report }>()
  for (const report of reports) {
    const entry = last.get(`${report.kind} ${report.key}`) ?? {}
    // What was begun after the last acknowledgement may have happened or not.
    last.set(`${report.kind} ${report.key}`, report.isDone ? { done: report } : { ...entry, begun: report })
  }
  const lost: string[] = []
  for (const [name, { done, begun }] of last) {
    if (done === undefined) continue
    const record = await store.get(done.kind, done.key)
    const states = [done, ...(begun === undefined ? [] : [begun])]
    const isRight = states.some(({ did, value }) =>
      did === 'delete' ? record === undefined : record !== undefined && record.value === (value ?? null),
    )
    if (!isRight) lost.push(name)
  }
  return lost
}

/** Coverage is measured in the processes of the tests only. */
export function withoutCoverage(): NodeJS.ProcessEnv {
  const { NODE_V8_COVERAGE: _, ...environment } = process.env
  return environment
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

function createCaller(child: ChildProcess): (verb: string, parameters: readonly unknown[]) => Promise<unknown> {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let calls = 0
  child.on('message', (message) => {
    const { id, value, error } = message as Answer // store-child.ts sends nothing else
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(value)
    else call?.reject(new Error(error))
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process of the store is gone'))
  })
  return (verb, parameters) =>
    new Promise((resolve, reject) => {
      calls += 1
      waiting.set(calls, { resolve, reject })
      child.send({ id: calls, verb, parameters })
    })
}

function demand<T>(value: T | null): T {
  if (value === null) throw new TypeError('expected a pipe')
  return value
}
