// A Redis store with a client of its own, as the contract and other processes open it.

import type { Clock, Store } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import { type ClientKind, connect } from './redis.ts'

/** What the store is opened with; survives JSON. */
export interface OpenRedis {
  readonly kind: ClientKind
  readonly port: number
  readonly prefix: string
}

/** Opens it; closing it closes its client too. */
export async function openStore(options: unknown, clock?: Clock): Promise<Store> {
  const { kind, port, prefix } = options as OpenRedis // what the tests pass
  const { client, close } = await connect(kind, port)
  // Tests share two cores with each other: slow is not what is tested here.
  const store = redisStore({ client, prefix, timeout: '20s', ...(clock !== undefined && { clock }) })
  return {
    ...store,
    async close() {
      await store.close()
      close()
    },
  }
}
