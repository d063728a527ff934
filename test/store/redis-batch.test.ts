// Revocations that are made in one go are sent in one go, and each has an answer of its own.

import test from 'ava'

import { hasRedis, openRedis } from '../helpers/redis.ts'
import { drawn, intercept, keysOf, openProcess, toRecord } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip

/** How often the server ran a script. */
async function countScripts(server: { command(...command: string[]): Promise<unknown> }): Promise<number> {
  const [, calls = '0'] = /cmdstat_evalsha:calls=(\d+)/.exec(String(await server.command('INFO', 'commandstats'))) ?? []
  return Number(calls)
}

run('revocations in one go are one script for each fifty, and all are told in turn', async (t) => {
  const server = await openRedis(t)
  const [writer, watcher] = [await openProcess(t, server.port), await openProcess(t, server.port)]
  // Whoever watches runs a script twice a second.
  for (const { watch } of [writer, watcher]) watch.stop()
  await writer.revoke('first')
  const before = await countScripts(server)
  const keys = keysOf(120)
  await Promise.all(keys.map(writer.revoke))
  t.is((await countScripts(server)) - before, 3)
  const late = await openProcess(t, server.port)
  await late.hears('first', ...keys)
  const more = keysOf(60, 'more')
  await Promise.all(more.map(writer.revoke))
  await late.hears(...more)
  t.deepEqual(
    late.records.slice(-more.length).map(({ key }) => key),
    more,
  )
})

run(
  'RV-17 revocations in one go are a chain, past one whose bucket is taken, and the head names the last',
  async (t) => {
    const server = await openRedis(t)
    const [writer, watcher] = [await openProcess(t, server.port), await openProcess(t, server.port)]
    await writer.revoke('before')
    const day = { key: 'tomorrow', value: null, expires: Date.now() + 86_400_000 }
    await server.command('LPUSH', `holdfast:{r}:b:${Math.floor(day.expires / 60_000)}`, 'x')
    const go = [
      ...keysOf(3, 'a').map(writer.revoke),
      writer.store.set('revocation', day),
      ...keysOf(3, 'b').map(writer.revoke),
    ]
    const rejected = (await Promise.allSettled(go)).map(({ status }) => status === 'rejected')
    t.deepEqual(rejected, [false, false, false, true, false, false, false])
    const entries = (await server.command('XRANGE', 'holdfast:{r}:stream', '-', '+')) as [string, [string, string]][]
    const links = entries.map(([, [, write]]) => write.split(' '))
    t.deepEqual(
      links.map(([before]) => before),
      ['0', ...links.slice(0, -1).map(([, version]) => version)],
    )
    t.is(String(await server.command('GET', 'holdfast:{r}:head')).split(' ')[0], links.at(-1)?.[1])
    await watcher.hears('before', ...keysOf(3, 'a'), ...keysOf(3, 'b'))
    t.deepEqual(watcher.problems, [])
  },
)

run('RV-17 of revocations in one go, one that Redis does not take rejects alone', async (t) => {
  const server = await openRedis(t)
  const [writer, watcher] = [await openProcess(t, server.port), await openProcess(t, server.port)]
  await server.command('LPUSH', 'holdfast:{r}:k:bad', 'x')
  const [before, bad, after] = await Promise.allSettled(['before', 'bad', drawn('after')].map(writer.revoke))
  t.is(before?.status, 'fulfilled')
  t.is(after?.status, 'fulfilled')
  t.true(bad?.status === 'rejected' && (bad.reason as Error).message.startsWith('Redis: WRONGTYPE'))
  await watcher.hears('before', drawn('after'))
  t.false(watcher.told.has('bad'))
})

run('a server that takes no writes is an error to the client too, which may act on it', async (t) => {
  const server = await openRedis(t)
  const answers: string[] = []
  const { revoke, store } = await openProcess(t, server.port, {
    kind: 'ioredis',
    wrap: (client) =>
      intercept(client, async (redis, name, ...parameters) => {
        try {
          return await redis.call(name, ...parameters)
        } catch (thrown) {
          if (parameters.includes('set')) answers.push(String(thrown))
          throw thrown
        }
      }),
  })
  await revoke('first')
  await server.command('REPLICAOF', '127.0.0.1', '1')
  // One that would write nothing anyway.
  const again = store.add('revocation', toRecord('first'))
  for (const one of await Promise.allSettled([revoke('a'), revoke(drawn('b')), again])) {
    t.true(one.status === 'rejected' && (one.reason as Error).message.includes('READONLY'))
  }
  t.true(answers.some((message) => message.includes('READONLY')))
})

run('of two in one go that want to be the first, one is', async (t) => {
  const server = await openRedis(t)
  const { store } = await openProcess(t, server.port)
  const record = toRecord('once')
  t.deepEqual(await Promise.all([store.add('revocation', record), store.add('revocation', record)]), [true, false])
})

run('I-09 when the store is closed, each that waits to be sent rejects', async (t) => {
  const server = await openRedis(t)
  const { store } = await openProcess(t, server.port)
  const writes = ['a', 'b'].map((key) => store.set('revocation', toRecord(key)))
  await store.close()
  for (const one of await Promise.allSettled(writes)) t.is(one.status, 'rejected')
})
