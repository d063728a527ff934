// What a process writes back when Redis has lost what nobody has heard of in the stream.

import test from 'ava'

import { redisStore } from '../../src/store/redis.ts'
import { NEVER } from '../../src/store/store.ts'
import { createLink, type Link } from '../faults/proxy.ts'
import { createSignal } from '../helpers/held-store.ts'
import type { Owner } from '../helpers/http.ts'
import { connect, hasRedis, openRedis } from '../helpers/redis.ts'
import { bucketOf, FORMS, intercept, openProcess, type RedisProcess, toRecord } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip
// Twice as long as it takes from one reading to the next, where there is a gap each time.
const QUIET_MS = 2500

interface Gated extends RedisProcess {
  /** Resolves when it is about to write back for the first time, which waits for the gate, */
  readonly restoring: Promise<void>
  /** and when it has. */
  readonly restored: Promise<void>
}

/** A process whose stream comes over a link of its own. */
async function openGated(owner: Owner, port: number, link: Link, gate?: Promise<void>): Promise<Gated> {
  const [restoring, restored] = [createSignal(), createSignal()]
  const gated = await openProcess(owner, port, {
    kind: 'ioredis',
    wrap: (client) =>
      intercept(
        client,
        async (redis, name, ...parameters) => {
          if (!parameters.includes('restore')) return redis.call(name, ...parameters)
          restoring.send()
          await gate
          const answer = await redis.call(name, ...parameters)
          restored.send()
          return answer
        },
        { port: link.port },
      ),
  })
  return Object.assign(gated, { restoring: restoring.promise, restored: restored.promise })
}

for (const [form, keyOf] of FORMS) {
  const key = keyOf('a')

  run(`RV-17 what was acknowledged ${form}, and lost before anybody had heard of it, is written back`, async (t) => {
    const server = await openRedis(t)
    const link = await createLink(server.port)
    t.teardown(() => link.close())
    const one = await openGated(t, server.port, link)
    link.cut()
    await one.revoke(key)
    // As after a failover: the head is where this process is.
    await server.command('FLUSHALL')
    link.mend()
    const late = await openProcess(t, server.port)
    await late.hears(key)
    await one.hears(key)
    t.pass()
  })

  run(
    `RV-17 what another has written back ${form}, and Redis has lost once more, is written back once more`,
    async (t) => {
      const server = await openRedis(t)
      const link = await createLink(server.port)
      t.teardown(() => link.close())
      const gate = createSignal()
      const one = await openGated(t, server.port, link, gate.promise)
      const record = toRecord(key)
      await one.store.set('revocation', record)
      await one.hears(key)
      link.cut()
      await server.command('FLUSHALL')
      await one.restoring
      // By a process that ends.
      const { client, close } = await connect('node-redis', server.port)
      const store = redisStore({ client })
      await store.set('revocation', record)
      await store.close()
      close()
      gate.send()
      await one.restored
      await server.command('FLUSHALL')
      link.mend()
      const late = await openProcess(t, server.port)
      await late.hears(key)
      t.pass()
    },
  )

  run(
    `RV-17 a bucket that is lost while its records are not is filled again, ${form}, and then all is quiet`,
    async (t) => {
      const server = await openRedis(t)
      const one = await openProcess(t, server.port)
      const { expires } = toRecord('')
      const keys = ['a', 'b', 'c'].map(keyOf)
      await Promise.all(keys.map((each) => one.store.set('revocation', { key: each, value: null, expires })))
      await one.hears(...keys)
      await server.command('DEL', await bucketOf(one, key))
      // A gap: it reads everything again.
      await server.command('SET', 'holdfast:{r}:head', '1')
      const late = await openProcess(t, server.port)
      await late.hears(...keys)
      await isQuiet(server)
      t.pass()
    },
  )
}

run('RV-17 the same revocation twice in one go is no gap', async (t) => {
  const server = await openRedis(t)
  const one = await openProcess(t, server.port)
  const record = toRecord('twice')
  await Promise.all([one.store.set('revocation', record), one.store.set('revocation', record)])
  await isQuiet(server)
  t.deepEqual(one.problems, [])
})

run('RV-17 a record that somebody has written ahead keeps no revocation from being told', async (t) => {
  const server = await openRedis(t)
  const [one, other] = [await openProcess(t, server.port), await openProcess(t, server.port)]
  const forGood = (key: string): Promise<void> => one.store.set('revocation', { key, value: null, expires: NEVER })
  await forGood('kid first')
  await server.command('SET', 'holdfast:{r}:k:kid victim', `1 ${NEVER} {"v":null}`)
  await forGood('kid victim')
  await other.hears('kid victim')
  const late = await openProcess(t, server.port)
  t.true(late.told.has('kid victim'))
})

/** Nobody reads the list again and again. @throws Error when somebody does for longer than all should take to settle */
async function isQuiet(server: { command(...command: string[]): Promise<unknown> }): Promise<void> {
  let [reads, since] = ['', performance.now()]
  const start = performance.now()
  while (performance.now() - since < QUIET_MS) {
    if (performance.now() - start > 10 * QUIET_MS) throw new Error('expected nobody to read the list again')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const [now = ''] = /cmdstat_zrange:calls=\d+/.exec(String(await server.command('INFO', 'commandstats'))) ?? []
    if (now !== reads) [reads, since] = [now, performance.now()]
  }
}
