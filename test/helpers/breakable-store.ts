// A store that does its work until a test breaks some of its verbs, and that counts what it was asked.

import type { Store, StoreKind } from '../../src/index.ts'

export type Verb = 'get' | 'set' | 'add' | 'swap' | 'delete' | 'list'

export interface BreakableStore extends Store {
  /** What fails from now on: `'get'` for both tables, `'set revocation'` for one. */
  readonly broken: Set<Verb | `${Verb} ${StoreKind}`>
  /** Every call so far. */
  readonly calls: string[]
}

/** What a broken verb rejects with. It names no secret, as a real driver might: that is for the tests of leaks. */
export class BrokenStoreError extends Error {
  override readonly name = 'BrokenStoreError'
}

/** Passes everything on to a real store. */
export function breakable(store: Store): BreakableStore {
  const broken: BreakableStore['broken'] = new Set()
  const calls: string[] = []

  function enter(verb: Verb, kind: StoreKind): void {
    calls.push(`${verb} ${kind}`)
    if (broken.has(verb) || broken.has(`${verb} ${kind}`)) throw new BrokenStoreError(`${verb} ${kind}`)
  }

  return {
    broken,
    calls,
    async get(kind, key) {
      enter('get', kind)
      return store.get(kind, key)
    },
    async set(kind, record) {
      enter('set', kind)
      return store.set(kind, record)
    },
    async add(kind, record) {
      enter('add', kind)
      return store.add(kind, record)
    },
    async swap(kind, record) {
      enter('swap', kind)
      return store.swap(kind, record)
    },
    async delete(kind, key) {
      enter('delete', kind)
      return store.delete(kind, key)
    },
    async *list(kind, group) {
      enter('list', kind)
      yield* store.list(kind, group)
    },
    ...(store.watch && { watch: store.watch }),
    close: () => store.close(),
  }
}
