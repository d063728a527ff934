// LMDB stores in temporary directories, for this process and for others.

import { join } from 'node:path'

import type { Clock, Store } from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { temporaryDirectory } from './example.ts'
import type { Owner } from './http.ts'
import type { RemoteStore } from './store-process.ts'

/** Opens one, as store-process.ts and the contract ask for it. */
export function openStore(options: unknown, clock?: Clock): Store & AsyncDisposable {
  const { path } = options as { readonly path: string } // toRemote() says it
  return lmdbStore({ path, ...(clock !== undefined && { clock }) })
}

/** How another process opens the store with this path. */
export function toRemote(path: string): RemoteStore {
  return { module: import.meta.url, options: { path } }
}

/** The path of a store that goes with its owner. */
export async function newPath(owner: Owner): Promise<string> {
  return join(await temporaryDirectory(owner), 'store.lmdb')
}
