// The Redis store on several servers: a cluster of three masters of which one is killed, and a failover by Sentinel that
// loses what had not reached the replica.

import test, { type ExecutionContext } from 'ava'

import type { Store } from '../../src/index.ts'
import { CLIENT_KINDS, hasRedis } from '../helpers/redis.ts'
import { openCluster, openClusterClient, openSentinel, openSentinelClient, ownerOf } from '../helpers/redis-fleet.ts'
import { follow, toRecord, until } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip

async function toKeys(store: Store, group?: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('session', group)) keys.push(key)
  return keys.sort()
}

/** Does something again until it succeeds: clients take their time to learn of a failover. */
async function retry<T>(t: ExecutionContext, work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries === 100) throw error
      t.true(error instanceof Error)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

// Its waits are too short for a busy machine. And node-redis, destroyed after it has lost a node of a cluster, does not
// let the process end.
const isAsked = process.env['REDIS_CLUSTER_TEST'] === '1'
if (!isAsked)
  process.stderr.write('The Redis Cluster test is not reliable yet and skipped: REDIS_CLUSTER_TEST=1 runs it\n')

for (const kind of CLIENT_KINDS) {
  const runCluster: typeof run = isAsked && kind !== 'node-redis' ? run : () => {}
  runCluster(
    `EL-10 ${kind}: a cluster serves what a killed master does not have, and nothing that it had is lost`,
    async (t) => {
      const servers = await openCluster(t)
      const clients = [await openClusterClient(t, kind, servers), await openClusterClient(t, kind, servers)] as const
      const [one, other] = [await follow(t, clients[0], '1s'), await follow(t, clients[1], '1s')]
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
      await retry(t, () => one.revoke('b'))
      await other.hears('b')
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
      await retry(t, () => one.revoke('d'))
      await other.hears('a', 'b', 'd')
      await until(() => one.watch.age() < 500 && other.watch.age() < 500, 'both to be fresh')
      const late = await follow(t, await openClusterClient(t, kind, servers), '1s')
      await late.hears('a', 'b', 'd')
    },
  )

  run(`RV-17 ${kind}: a failover by Sentinel that loses writes lets nobody in again`, async (t) => {
    const fleet = await openSentinel(t)
    const clients = [await openSentinelClient(t, kind, fleet), await openSentinelClient(t, kind, fleet)] as const
    const [one, other] = [await follow(t, clients[0], '1s'), await follow(t, clients[1], '1s')]
    await one.store.add('session', { ...toRecord('s'), group: 'alice' })
    await one.revoke('kept')
    t.is(await fleet.master.command('WAIT', 1, 5000), 1)
    // The replica hears no more; what is acknowledged from here on only the master has, and both processes.
    fleet.replica.stop()
    await one.revoke('lost 1')
    await other.revoke('lost 2')
    await Promise.all([one, other].map((each) => each.hears('kept', 'lost 1', 'lost 2')))
    await fleet.master.kill()
    const killed = performance.now()
    fleet.replica.cont()
    await retry(t, () => one.revoke('after'))
    await other.hears('after')
    await until(() => one.watch.age() < 500 && other.watch.age() < 500, 'both to be fresh')
    t.log(`${Math.round(performance.now() - killed)} ms without a master`)
    t.deepEqual(await toKeys(other.store, 'alice'), ['s'])
    const late = await follow(t, await openSentinelClient(t, kind, fleet), '1s')
    await late.hears('kept', 'lost 1', 'lost 2', 'after')
  })
}
