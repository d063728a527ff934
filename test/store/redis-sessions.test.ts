// What the index of a subject's sessions names, when Redis forgets all or a process ends in the middle of a write.

import test from 'ava'

import type { Store } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import { hasRedis, openClient, openRedis } from '../helpers/redis.ts'
import { intercept } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip
const HOUR = 3_600_000
/** More commands than any verb sends. */
const MOST_COMMANDS = 10

const VERBS: readonly (readonly [name: string, write: (store: Store, expires: number) => Promise<unknown>])[] = [
  ['add', (store, expires) => store.add('session', { key: 'new', value: 1, group: 'alice', expires })],
  ['set', (store, expires) => store.set('session', { key: 'new', value: 1, group: 'alice', expires })],
  ['set over', (store, expires) => store.set('session', { key: 'old', value: 1, group: 'alice', expires })],
  [
    'swap',
    async (store, expires) => {
      const record = await store.get('session', 'old')
      if (record !== undefined) await store.swap('session', { ...record, value: 1, expires })
    },
  ],
]

async function listed(store: Store): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('session', 'alice')) keys.push(key)
  return keys
}

for (const [name, write] of VERBS) {
  run(`RV-20 a session that is there after ${name} is listed, whenever Redis has forgotten all`, async (t) => {
    const server = await openRedis(t)
    const client = await openClient(t, 'ioredis', server.port)
    const store = redisStore({ client })
    t.teardown(() => store.close())
    let found = 0
    for (let at = 0; at < MOST_COMMANDS; at += 1) {
      await server.command('FLUSHALL')
      await store.add('session', { key: 'old', value: 0, group: 'alice', expires: Date.now() + HOUR })
      let commands = 0
      const emptied = redisStore({
        client: intercept(client, async (redis, command, ...parameters) => {
          if (commands === at) await server.command('FLUSHALL')
          commands += 1
          return redis.call(command, ...parameters)
        }),
      })
      t.teardown(() => emptied.close())
      await write(emptied, Date.now() + HOUR)
      const keys = await listed(store)
      for (const key of ['old', 'new']) {
        if ((await store.get('session', key)) === undefined) continue
        t.true(keys.includes(key), `${key}, forgotten before command ${at}`)
        found += 1
      }
    }
    t.true(found > 0)
  })

  run(
    `RV-20 a session that is there for longer after ${name} is listed for as long, wherever a process ended`,
    async (t) => {
      const server = await openRedis(t)
      const client = await openClient(t, 'ioredis', server.port)
      let now = Date.now()
      const clock = (): number => now
      const store = redisStore({ client, clock })
      t.teardown(() => store.close())
      for (let most = 0; most < MOST_COMMANDS; most += 1) {
        await server.command('FLUSHALL')
        await store.add('session', { key: 'old', value: 0, group: 'alice', expires: now + HOUR })
        let commands = 0
        const ending = redisStore({
          clock,
          client: intercept(client, async (redis, command, ...parameters) => {
            commands += 1
            if (commands > most) throw new Error('the process has ended')
            return redis.call(command, ...parameters)
          }),
        })
        t.teardown(() => ending.close())
        const isDone = await write(ending, now + 3 * HOUR).then(
          () => true,
          () => false,
        )
        now += 2 * HOUR
        const keys = await listed(store)
        // What is new belongs to nobody before it is told.
        for (const key of isDone ? ['old', 'new'] : ['old']) {
          if ((await store.get('session', key)) !== undefined) t.true(keys.includes(key), `${key}, ended after ${most}`)
        }
      }
      t.pass()
    },
  )
}
