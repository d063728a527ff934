// Several Redis servers at once: a cluster of three masters, and a master with a replica and a Sentinel.

import { once } from 'node:events'

import { createCluster, createSentinel } from '@redis/client'
import { Cluster, Redis } from 'ioredis'

import type { Owner } from './http.ts'
import { type Client, type ClientKind, openRedis, type RedisServer, startRedis } from './redis.ts'

const SLOTS = 16_384

/** Three masters that share the slots. */
export async function openCluster(t: Owner): Promise<readonly RedisServer[]> {
  const config = {
    'cluster-enabled': 'yes',
    'cluster-require-full-coverage': 'no',
    // Long, so that on a busy machine none is taken for dead that is only slow.
    'cluster-node-timeout': '5000',
    // Else a kill may lose what was acknowledged within the last seconds, while the disk is busy.
    appendfsync: 'always',
  }
  const servers = await Promise.all(Array.from({ length: 3 }, () => openRedis(t, config)))
  const [first] = servers
  for (const [index, server] of servers.entries()) {
    const [from, to] = [index, index + 1].map((one) => Math.floor((one * SLOTS) / servers.length))
    await server.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    await server.command('CLUSTER', 'ADDSLOTSRANGE', from ?? 0, (to ?? 0) - 1)
    if (server !== first) await server.command('CLUSTER', 'MEET', '127.0.0.1', first?.port ?? 0)
  }
  for (const server of servers) {
    const isWhole = async (): Promise<boolean> => {
      const info = String(await server.command('CLUSTER', 'INFO'))
      return /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info) && /cluster_size:3/.test(info)
    }
    while (!(await isWhole())) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return servers
}

/** Which of the servers has the key. */
export async function ownerOf(servers: readonly RedisServer[], key: string): Promise<number> {
  const slot = Number(await servers[0]?.command('CLUSTER', 'KEYSLOT', key))
  return Math.floor((slot * servers.length) / SLOTS)
}

/** A client of a cluster. */
export async function openClusterClient(t: Owner, kind: ClientKind, servers: readonly RedisServer[]): Promise<Client> {
  const nodes = servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  if (kind === 'ioredis') {
    const cluster = new Cluster(nodes, { clusterRetryStrategy: () => 100 }).on('error', () => {})
    t.teardown(() => cluster.disconnect())
    await once(cluster, 'ready')
    return cluster
  }
  const rootNodes = nodes.map((socket) => ({ socket }))
  const defaults = { socket: { reconnectStrategy: () => 50 } }
  const cluster = createCluster({ rootNodes, defaults }).on('error', () => {})
  t.teardown(() => cluster.destroy())
  await cluster.connect()
  return cluster
}

export interface SentinelFleet {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinel: RedisServer
}

const NAME = 'holdfast'

/** A master, its replica, and a Sentinel that puts the replica in its place when it is gone. */
export async function openSentinel(t: Owner): Promise<SentinelFleet> {
  const master = await openRedis(t)
  const replica = await openRedis(t, { replicaof: `127.0.0.1 ${master.port}` })
  while (!/master_link_status:up/.test(String(await replica.command('INFO', 'replication')))) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const rules = [`monitor ${NAME} 127.0.0.1 ${master.port} 1`, `down-after-milliseconds ${NAME} 2000`]
  const watch = [...rules, `failover-timeout ${NAME} 2000`].map((rule) => `sentinel ${rule}`).join('\n')
  const sentinel = await startRedis({}, watch)
  t.teardown(() => sentinel.close())
  // The cast is what SENTINEL REPLICAS answers.
  while (((await sentinel.command('SENTINEL', 'REPLICAS', NAME)) as unknown[]).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { master, replica, sentinel }
}

/** A client that asks a Sentinel for the master. */
export async function openSentinelClient(t: Owner, kind: ClientKind, { sentinel }: SentinelFleet): Promise<Client> {
  const root = { host: '127.0.0.1', port: sentinel.port }
  if (kind === 'ioredis') {
    const options = { sentinels: [root], name: NAME, retryStrategy: () => 50, sentinelRetryStrategy: () => 50 }
    const client = new Redis(options).on('error', () => {})
    t.teardown(() => client.disconnect())
    await once(client, 'ready')
    return client
  }
  const client = createSentinel({ name: NAME, sentinelRootNodes: [root], scanInterval: 200 }).on('error', () => {})
  t.teardown(() => void client.destroy())
  await client.connect()
  return client
}
