// Revocations that are made in one go are sent in one go, and each has an answer of its own.

import test from 'ava'

import { hasRedis, openRedis } from '../helpers/redis.ts'
import { drawn, keysOf, openProcess, toRecord } from '../helpers/redis-process.ts'

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
