// A store that takes its time: a call that a test holds waits until it is let go, and others take as many turns of the
// event loop as the test says. What happens meanwhile is a race that a real store has, but now it happens each time.

import { setImmediate as nextTurn } from 'node:timers/promises'

import type { Store, StoreKind } from '../../src/index.ts'
import type { Verb } from './faulty.ts'

export type Call = `${Verb} ${StoreKind}`

/** A call that waits. */
export interface Held {
  /** Resolves when it has come. */
  readonly reached: Promise<void>
  /** Lets it go on. */
  release(): void
}

export interface HeldStore extends Store {
  /** Holds the next call of this kind, whoever makes it. */
  hold(call: Call): Held
  /** How many turns every other call takes from now on. */
  pace(turns: () => number): void
}

/** Passes everything on to a real store, sooner or later. */
export function heldStore(store: Store): HeldStore {
  const waiting = new Map<Call, { reach: () => void; released: Promise<void> }[]>()
  let turns: (() => number) | undefined

  async function enter(call: Call): Promise<void> {
    const held = waiting.get(call)?.shift()
    held?.reach()
    await held?.released
    for (let left = turns?.() ?? 0; left > 0; left -= 1) await nextTurn()
  }

  async function run<T>(call: Call, work: () => Promise<T>): Promise<T> {
    await enter(call)
    return work()
  }

  return {
    hold(call) {
      const [reached, released] = [createSignal(), createSignal()]
      waiting.set(call, [...(waiting.get(call) ?? []), { reach: reached.send, released: released.promise }])
      return { reached: reached.promise, release: released.send }
    },
    pace: (next) => void (turns = next),
    get: (kind, key) => run(`get ${kind}`, () => store.get(kind, key)),
    set: (kind, record) => run(`set ${kind}`, () => store.set(kind, record)),
    add: (kind, record) => run(`add ${kind}`, () => store.add(kind, record)),
    swap: (kind, record) => run(`swap ${kind}`, () => store.swap(kind, record)),
    delete: (kind, key) => run(`delete ${kind}`, () => store.delete(kind, key)),
    async *list(kind, group) {
      await enter(`list ${kind}`)
      yield* store.list(kind, group)
    },
    ...(store.watch && { watch: store.watch }),
    close: () => store.close(),
  }
}

/** A promise and what resolves it. */
export function createSignal(): { readonly promise: Promise<void>; readonly send: () => void } {
  let send: (() => void) | undefined
  const promise = new Promise<void>((resolve) => {
    send = resolve
  })
  return { promise, send: () => send?.() }
}

/** Small numbers below `limit` that look random and are the same in each run (mulberry32). */
export function createDice(limit: number, seed = 1): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}
