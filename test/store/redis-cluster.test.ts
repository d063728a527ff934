// The Redis store on several servers: a cluster of three masters of which one is killed, a failover by Sentinel that
// loses what had not reached the replica, and connections to either that are closed too soon.

import { setImmediate } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { Store } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import { openConnection } from '../../src/store/redis/client.ts'
import { CLIENT_KINDS, hasRedis, openClient, openRedis } from '../helpers/redis.ts'
import { openCluster, openClusterClient, openSentinel, openSentinelClient, ownerOf } from '../helpers/redis-fleet.ts'
import { drawn, follow, toRecord, until } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip

async function toKeys(store: Store, group?: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('session', group)) keys.push(key)
  return keys.sort()
}

// A busy machine is slow: nothing here fails because of that.
const TIMEOUT = '5s'
const PATIENCE_MS = 60_000
const TEST_MS = 240_000

/** Does something again until it succeeds: clients take their time to learn of a failover. */
async function retry<T>(t: ExecutionContext, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() - start > PATIENCE_MS) throw error
      t.true(error instanceof Error)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

for (const kind of CLIENT_KINDS) {
  run(
    `EL-10 ${kind}: a cluster serves what a killed master does not have, and nothing that it had is lost`,
    async (t) => {
      t.timeout(TEST_MS)
      const servers = await openCluster(t)
      const clients = [await openClusterClient(t, kind, servers), await openClusterClient(t, kind, servers)] as const
      const [one, other] = [await follow(t, clients[0], TIMEOUT), await follow(t, clients[1], TIMEOUT)]
      const sids = Array.from({ length: 60 }, (_, i) => `s${i}`)
      await Promise.all(sids.map((sid) => one.store.add('session', { ...toRecord(sid), group: 'alice' })))
      t.deepEqual(await toKeys(other.store, 'alice'), sids.toSorted(), 'records and index are on several masters')
      t.deepEqual(await toKeys(other.store), sids.toSorted())
      t.deepEqual(new Set(await Promise.all(sids.map((sid) => ownerOf(servers, `holdfast:s:${sid}`)))).size, 3)
      await one.revoke('a')
      await other.hears('a')

      const listed = await ownerOf(servers, 'holdfast:{r}:head')
      const indexed = await ownerOf(servers, 'holdfast:g:alice')
      const spare = [0, 1, 2].find((index) => index !== listed && index !== indexed) ?? 0
      const there = sids.filter((_, i) => i % 2 === 0)
      const gone: string[] = []
      for (const sid of there) if ((await ownerOf(servers, `holdfast:s:${sid}`)) === spare) gone.push(sid)
      await servers[spare]?.kill()
      const [lost = ''] = gone
      await t.throwsAsync(one.store.get('session', lost))
      await t.throwsAsync(toKeys(one.store, 'alice'), undefined, 'a list that lacks some is none')
      const kept = there.find((sid) => !gone.includes(sid)) ?? ''
      t.truthy(await retry(t, () => one.store.get('session', kept)))
      await retry(t, () => one.revoke(drawn('b')))
      await other.hears(drawn('b'))
      // Nor does a stream need what it does not read.
      await servers[listed]?.command('CLIENT', 'KILL', 'TYPE', 'normal')
      await retry(t, async () => {
        const list = String(await servers[listed]?.command('CLIENT', 'LIST'))
        if (list.split('cmd=xread').length !== 3) throw new Error('expected both to follow')
      })
      await servers[spare]?.restart()
      t.truthy(await retry(t, () => one.store.get('session', lost)))
      t.deepEqual(await retry(t, () => toKeys(other.store, 'alice')), sids.toSorted())

      // Then the master of the list itself.
      await servers[listed]?.kill()
      const killed = performance.now()
      await t.throwsAsync(one.revoke('c'))
      await until(() => other.watch.age() > 1500, 'to grow old')
      t.true(other.watch.age() >= performance.now() - killed - 1)
      await servers[listed]?.restart()
      await retry(t, () => one.revoke(drawn('d')))
      await other.hears('a', drawn('b'), drawn('d'))
      await until(() => one.watch.age() < 500 && other.watch.age() < 500, 'both to be fresh')
      const client = await openClusterClient(t, kind, servers)
      const late = await retry(t, () => follow(t, client, TIMEOUT))
      await late.hears('a', drawn('b'), drawn('d'))
    },
  )

  run(`RV-17 ${kind}: a failover by Sentinel that loses writes lets nobody in again`, async (t) => {
    t.timeout(TEST_MS)
    const fleet = await openSentinel(t)
    const clients = [await openSentinelClient(t, kind, fleet), await openSentinelClient(t, kind, fleet)] as const
    const [one, other] = [await follow(t, clients[0], TIMEOUT), await follow(t, clients[1], TIMEOUT)]
    await one.store.add('session', { ...toRecord('s'), group: 'alice' })
    await one.revoke('kept')
    t.is(await fleet.master.command('WAIT', 1, 5000), 1)
    // The replica hears no more; what is acknowledged from here on only the master has, and both processes.
    fleet.replica.stop()
    await one.revoke('lost 1')
    await other.revoke(drawn('lost 2'))
    await Promise.all([one, other].map((each) => each.hears('kept', 'lost 1', drawn('lost 2'))))
    await fleet.master.kill()
    const killed = performance.now()
    fleet.replica.cont()
    await retry(t, () => one.revoke('after'))
    await other.hears('after')
    await until(() => one.watch.age() < 500 && other.watch.age() < 500, 'both to be fresh')
    t.log(`${Math.round(performance.now() - killed)} ms without a master`)
    t.deepEqual(await retry(t, () => toKeys(other.store, 'alice')), ['s'])
    const client = await openSentinelClient(t, kind, fleet)
    const late = await retry(t, () => follow(t, client, TIMEOUT))
    await late.hears('kept', 'lost 1', drawn('lost 2'), 'after')
  })

  run(`${kind}: a connection that is closed while it opens is gone, also one to a cluster`, async (t) => {
    t.timeout(TEST_MS)
    const [server, cluster] = [await openRedis(t), await openCluster(t)]
    const fleets = [
      { servers: [server], client: await openClient(t, kind, server.port) },
      { servers: cluster, client: await openClusterClient(t, kind, cluster) },
    ]
    for (const { servers, client } of fleets) {
      const count = async (): Promise<number> => {
        const lists = await Promise.all(servers.map((one) => one.command('CLIENT', 'LIST', 'TYPE', 'normal')))
        return lists.join('').split('\n').length
      }
      // Clients connect to a node when they first need it.
      await toKeys(redisStore({ client, timeout: TIMEOUT }))
      const before = await count()
      // Some while they connect, some while they connect to the node that is asked; each a little later.
      for (let round = 0; round < 40; round += 1) {
        const { ready, send, close } = openConnection(client)
        const asked = ready.then(() => send('a', ['GET', 'a'])).catch(() => {})
        if (round % 2 === 1) await ready
        for (let turn = 0; turn < round; turn += 2) await setImmediate()
        close()
        await Promise.race([asked, setImmediate()])
      }
      await retry(t, async () => {
        const left = (await count()) - before
        if (left > 0) throw new Error(`${left} connections are left`)
      })
      t.pass()
    }
  })
}
