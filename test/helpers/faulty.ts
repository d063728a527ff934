// Dependencies that stop working on demand: what a store, a key set or a clock does on its worst day.

import type { ExecutionContext } from 'ava'

import { type KeySet, memoryStore, type Store, type StoreKind } from '../../src/index.ts'
import { createClock, openTestApp, type TestApp, type TestAppOptions, type TestClock } from './app.ts'

/** What can be switched to fail. */
export interface Fault {
  broken: boolean
}

/** What every fault says. No answer to a client may show it. */
export const FAULT = 'injected fault'

/** Fails. */
export function fail(): never {
  throw new Error(FAULT)
}

/** A key set whose look-up throws while it is broken. */
export function faultyKeys(keys: KeySet, fault: Fault): KeySet {
  return { ...keys, get: (kid) => (fault.broken ? fail() : keys.get(kid)) }
}

/** A clock that throws, or answers nonsense, while it is broken. */
export function faultyClock(fault: Fault, whenBroken: () => number = fail): TestClock {
  const clock = createClock()
  return Object.assign(() => (fault.broken ? whenBroken() : clock()), { advance: clock.advance, set: clock.set })
}

export type Verb = 'get' | 'set' | 'add' | 'swap' | 'delete' | 'list'

/** A store that does its work until a test breaks some of its verbs, and that notes what it was asked. */
export interface FaultyStore extends Store {
  /** What fails from now on: `'get'` for both tables, `'set revocation'` for one. */
  readonly broken: Set<Verb | `${Verb} ${StoreKind}`>
  /** Every call so far: `'get session'`. */
  readonly calls: string[]
}

/** Passes everything on to a real store. */
export function faultyStore(store: Store): FaultyStore {
  const broken: FaultyStore['broken'] = new Set()
  const calls: string[] = []

  function enter(verb: Verb, kind: StoreKind): void {
    calls.push(`${verb} ${kind}`)
    if (broken.has(verb) || broken.has(`${verb} ${kind}`)) fail()
  }

  async function run<T>(verb: Verb, kind: StoreKind, work: () => Promise<T>): Promise<T> {
    enter(verb, kind)
    return work()
  }

  return {
    broken,
    calls,
    get: (kind, key) => run('get', kind, () => store.get(kind, key)),
    set: (kind, record) => run('set', kind, () => store.set(kind, record)),
    add: (kind, record) => run('add', kind, () => store.add(kind, record)),
    swap: (kind, record) => run('swap', kind, () => store.swap(kind, record)),
    delete: (kind, key) => run('delete', kind, () => store.delete(kind, key)),
    async *list(kind, group) {
      enter('list', kind)
      yield* store.list(kind, group)
    },
    ...(store.watch && { watch: store.watch }),
    close: () => store.close(),
  }
}

/** Starts an app on such a store, and ends it with the test. */
export async function openFaultyApp(
  t: ExecutionContext,
  options: TestAppOptions = {},
): Promise<TestApp & { readonly store: FaultyStore }> {
  const testClock = options.testClock ?? createClock()
  const store = faultyStore(options.store ?? memoryStore({ clock: testClock }))
  return Object.assign(await openTestApp(t, { ...options, testClock, store }), { store })
}
