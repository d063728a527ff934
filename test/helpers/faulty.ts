// Dependencies that stop working on demand: what a verifier, a store, a clock or a key set does on its worst day.

import type { KeySet } from '../../src/index.ts'
import type { Store } from '../../src/store/store.ts'
import { createClock, type TestClock } from './app.ts'

/** What can be switched to fail. */
export interface Fault {
  broken: boolean
}

const failure = (): never => {
  throw new Error('injected fault')
}

/** A key set whose look-up throws while it is broken. */
export function faultyKeys(keys: KeySet, fault: Fault): KeySet {
  return { ...keys, get: (kid) => (fault.broken ? failure() : keys.get(kid)) }
}

/** A clock that throws, or answers nonsense, while it is broken. */
export function faultyClock(fault: Fault, whenBroken: () => number = failure): TestClock {
  const clock = createClock()
  return Object.assign(() => (fault.broken ? whenBroken() : clock()), { advance: clock.advance, set: clock.set })
}

export type Verb = keyof Store

/** A store that counts its calls by verb, and whose verbs reject while they are named in `broken`. */
export function watchedStore(store: Store): { store: Store; calls: Map<Verb, number>; broken: Set<Verb> } {
  const calls = new Map<Verb, number>()
  const broken = new Set<Verb>()

  function pass(verb: Verb): void {
    calls.set(verb, (calls.get(verb) ?? 0) + 1)
    if (broken.has(verb)) failure()
  }

  const watched: Store = {
    async get(kind, key) {
      pass('get')
      return store.get(kind, key)
    },
    async set(kind, record) {
      pass('set')
      return store.set(kind, record)
    },
    async add(kind, record) {
      pass('add')
      return store.add(kind, record)
    },
    async swap(kind, record) {
      pass('swap')
      return store.swap(kind, record)
    },
    async delete(kind, key) {
      pass('delete')
      return store.delete(kind, key)
    },
    list(kind, group) {
      pass('list')
      return store.list(kind, group)
    },
    async watch(kind, listener) {
      pass('watch')
      return (await store.watch?.(kind, listener)) ?? (() => {})
    },
    close: () => store.close(),
  }
  return { store: watched, calls, broken }
}
