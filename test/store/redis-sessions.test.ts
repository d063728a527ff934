// What the index of a subject's sessions names when Redis forgets, a process ends, or a client sends twice in the middle of
// a write: whoever is not named there is missed when everything of the subject is revoked.

import test from 'ava'

import type { Store } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import type { Owner } from '../helpers/http.ts'
import { hasRedis, openClient, openRedis } from '../helpers/redis.ts'
import { intercept } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip
const HOUR = 3_600_000
/** More commands than any verb sends. */
const MOST_SENT = 6

type Write = (store: Store, expires: number) => Promise<unknown>
/** Sends a command, or does something else. */
type Wire = (send: () => Promise<unknown>, number: number) => Promise<unknown>

const WRITES: readonly (readonly [name: string, write: Write])[] = [
  ['add', (store, expires) => store.add('session', { key: 'new', value: 1, group: 'alice', expires })],
  ['set', (store, expires) => store.set('session', { key: 'new', value: 1, group: 'alice', expires })],
  ['set over', (store, expires) => store.set('session', { key: 'old', value: 1, group: 'alice', expires })],
  [
    'swap',
    async (store, expires) => {
      const record = await store.get('session', 'old')
      return record === undefined || store.swap('session', { ...record, value: 1, expires })
    },
  ],
]

async function openStore(t: Owner, port: number, options: { clock?: () => number; wire?: Wire } = {}): Promise<Store> {
  const { clock = Date.now, wire } = options
  const client = await openClient(t, 'ioredis', port)
  let sent = 0
  const store = redisStore({
    clock,
    client:
      wire === undefined
        ? client
        : intercept(client, (redis, ...command) => wire(() => redis.call(...command), sent++)),
  })
  t.teardown(() => store.close())
  return store
}

const addOld = (store: Store, expires: number): Promise<boolean> =>
  store.add('session', { key: 'old', value: 0, group: 'alice', expires })

/** Which sessions there are, by their records and by the index. */
async function look(store: Store): Promise<{ readonly there: string[]; readonly listed: string[] }> {
  const [there, listed]: [string[], string[]] = [[], []]
  for (const key of ['new', 'old']) if ((await store.get('session', key)) !== undefined) there.push(key)
  for await (const { key } of store.list('session', 'alice')) listed.push(key)
  return { there, listed: listed.toSorted() }
}

for (const [name, write] of WRITES) {
  run(`RV-20 ${name}: a session that is there is listed, whenever Redis has forgotten all`, async (t) => {
    const server = await openRedis(t)
    const store = await openStore(t, server.port)
    for (let at = 0; at < MOST_SENT; at += 1) {
      await server.command('FLUSHALL')
      await addOld(store, Date.now() + HOUR)
      const wire: Wire = async (send, number) => {
        if (number === at) await server.command('FLUSHALL')
        return send()
      }
      await write(await openStore(t, server.port, { wire }), Date.now() + HOUR)
      const { there, listed } = await look(store)
      t.deepEqual(listed, there, `forgotten before command ${at}`)
      if (at === MOST_SENT - 1) t.true(there.length > 0)
    }
  })

  run(
    `RV-20 ${name}: a session that is there is listed, whatever Redis has lost since its last snapshot`,
    async (t) => {
      const server = await openRedis(t, { appendonly: 'no', save: '' })
      const store = await openStore(t, server.port)
      for (let most = 0; most < MOST_SENT; most += 1) {
        await server.command('FLUSHALL')
        await addOld(store, Date.now() + HOUR)
        const wire: Wire = async (send, number) => {
          if (number === most) await server.command('SAVE')
          return send()
        }
        await write(await openStore(t, server.port, { wire }), Date.now() + 2 * HOUR)
        await server.kill()
        await server.restart()
        const { there, listed } = await look(store)
        t.deepEqual(listed, there, `lost from command ${most} on`)
        if (most > 0) t.true(there.length > 0)
      }
    },
  )

  run(`RV-20 ${name}: a session that is there is listed for as long, wherever a process has ended`, async (t) => {
    const server = await openRedis(t)
    let now = Date.now()
    const clock = (): number => now
    const store = await openStore(t, server.port, { clock })
    let ends = 0
    for (let most = 0; most < MOST_SENT; most += 1) {
      await server.command('FLUSHALL')
      await addOld(store, now + HOUR)
      const wire: Wire = async (send, number) => {
        if (number >= most) throw new Error('the process has ended')
        return send()
      }
      const ending = await openStore(t, server.port, { clock, wire })
      ends += await write(ending, now + 3 * HOUR).then(
        () => 0,
        () => 1,
      )
      now += 2 * HOUR
      const { there, listed } = await look(store)
      t.deepEqual(listed, there, `ended after ${most} commands`)
    }
    t.true(ends > 0 && ends < MOST_SENT)
  })

  run(`RV-20 ${name}: what a client has sent twice is done once, and the session is listed`, async (t) => {
    const server = await openRedis(t)
    const store = await openStore(t, server.port)
    await addOld(store, Date.now() + HOUR)
    const twice = await openStore(t, server.port, { wire: (send) => send().then(send) })
    t.not(await write(twice, Date.now() + HOUR), false)
    const { there, listed } = await look(store)
    t.deepEqual(listed, there)
    t.is(there.length, name === 'add' || name === 'set' ? 2 : 1)
    t.is((await store.get('session', there[0] ?? ''))?.value, 1)
  })
}
