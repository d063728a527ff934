// What a process of a fleet has of Redis: its client, its store, what its watch was told, and what it complained of.

import { createHash } from 'node:crypto'

import type { Redis } from 'ioredis'

import type { NewRecord, Store } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import type { Watch } from '../../src/store/store.ts'
import type { Owner } from './http.ts'
import { type Client, type ClientKind, connect } from './redis.ts'

export interface RedisProcess {
  readonly client: Client
  readonly store: Store
  readonly watch: Watch
  /** Each key that was told, with its latest expiry. */
  readonly told: ReadonlyMap<string, number>
  /** Everything that was told, in turn. */
  readonly records: readonly NewRecord[]
  readonly problems: readonly string[]
  /** Revokes a session for an hour. */
  revoke(sid: string): Promise<void>
  /** Resolves when these keys have been told. */
  hears(...keys: readonly string[]): Promise<void>
}

const HOUR = 3_600_000
const PATIENCE_MS = 30_000

/** Starts one that ends with its test. */
export async function openProcess(
  owner: Owner,
  port: number,
  options: { readonly kind?: ClientKind; readonly timeout?: string; readonly wrap?: (client: Client) => Client } = {},
): Promise<RedisProcess> {
  const { kind = 'node-redis', timeout = '5s', wrap = (client) => client } = options
  const { client, close } = await connect(kind, port)
  owner.teardown(close)
  return follow(owner, wrap(client), timeout)
}

/** Follows the list with a client that somebody else ends. */
export async function follow(owner: Owner, client: Client, timeout: string): Promise<RedisProcess> {
  const problems: string[] = []
  const store = redisStore({ client, timeout, onProblem: ({ message }) => problems.push(message) })
  owner.teardown(() => store.close())
  const told = new Map<string, number>()
  const records: NewRecord[] = []
  const watch = await store.watch?.((record) => {
    records.push(record)
    told.set(record.key, Math.max(record.expires, told.get(record.key) ?? 0))
  })
  if (watch === undefined) throw new TypeError('expected a store with a watch')
  return {
    ...{ client, store, watch, told, records, problems },
    revoke: (sid) => store.set('revocation', toRecord(sid)),
    hears: (...keys) => until(() => keys.every((key) => told.has(key)), `to hear of ${keys.join(', ').slice(0, 60)}`),
  }
}

/** Puts itself between the store and a client, which is of ioredis; the stream's own connection is left alone. */
export function intercept(
  client: Client,
  call: (redis: Redis, name: string, ...parameters: string[]) => Promise<unknown>,
  overrides: { readonly port?: number } = {},
): Client {
  const redis = client as Redis // whoever asks for it says so
  return {
    duplicate: () => redis.duplicate(overrides),
    on: redis.on.bind(redis),
    callBuffer: redis.callBuffer.bind(redis),
    call: (name: string, ...parameters: string[]) => call(redis, name, ...parameters),
  } as typeof client
}

/** A revocation that holds for an hour. */
export function toRecord(key: string): NewRecord {
  return { key, value: null, expires: Date.now() + HOUR }
}

/** The key of a session as the kit draws it: packed in the list, where other keys are lines. */
export function drawn(name: string): string {
  return `sid ${createHash('sha256').update(name).digest().toString('base64url', 0, 16)}`
}

/** Both forms in which the list has keys. */
export const FORMS: readonly (readonly [form: string, keyOf: (name: string) => string])[] = [
  ['in a line', (name) => name],
  ['packed', drawn],
]

/** As many keys, in turns of one form and the other. */
export function keysOf(count: number, name = ''): string[] {
  return Array.from({ length: count }, (_, i) => (i % 2 ? drawn(`${name} ${i}`) : `${name} ${i}`))
}

/** The name of the bucket in Redis that has the key of a process's record. */
export async function bucketOf({ told }: Pick<RedisProcess, 'told'>, key: string): Promise<string> {
  await until(() => told.has(key), 'to hear of it')
  const minute = Math.floor((told.get(key) ?? 0) / 60_000)
  return `holdfast:{r}:b:${minute}${key.startsWith('sid ') ? ':sid' : ''}`
}

/** Waits for what no event tells. */
export async function until(isSo: () => boolean, what: string, patience: number = PATIENCE_MS): Promise<void> {
  const start = performance.now()
  while (!isSo()) {
    if (performance.now() - start > patience) throw new Error(`expected ${what} within ${patience} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
