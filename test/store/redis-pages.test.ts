// The list as a kit reads it from Redis at its start and after a gap: most of it comes in pages.

import { randomBytes } from 'node:crypto'

import test, { type ExecutionContext } from 'ava'

import type { Store } from '../../src/index.ts'
import { createOutbox } from '../../src/outbox.ts'
import { createRevocationList, type RevocationList } from '../../src/revocation.ts'
import { redisStore } from '../../src/store/redis.ts'
import { createLink } from '../faults/proxy.ts'
import { CLIENT_KINDS, type ClientKind, hasRedis, openClient, openRedis } from '../helpers/redis.ts'
import { drawn, openProcess, until } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip

const ISSUER = 'https://app.example'
const HOUR = 3_600_000
const settings = { issuer: ISSUER, clock: Date.now, clockTolerance: 0, maxStaleness: 5, retention: 3600 }

const draw = (): string => randomBytes(16).toString('base64url')

async function openList(
  t: ExecutionContext,
  port: number,
  kind: ClientKind = 'node-redis',
): Promise<{ list: RevocationList; store: Store }> {
  const client = await openClient(t, kind, port)
  const store = redisStore({ client, timeout: '20s', onProblem: ({ message }) => t.log(message) })
  t.teardown(() => store.close())
  const list = await createRevocationList({ ...settings, store, outbox: createOutbox(Date.now) })
  t.teardown(() => list.close())
  return { list, store }
}

/** What a token is looked up by that nothing revokes. */
const toToken = (more: object): Parameters<RevocationList['has']>[0] => ({
  ...{ iss: ISSUER, jti: draw(), sid: draw(), sub: 'nobody', kid: 'k' },
  ...{ iat: Date.now() / 1000 + 1, exp: Date.now() / 1000 + 900, ...more },
})

for (const kind of CLIENT_KINDS) {
  run(`RV-19 ${kind}: a new process knows every session, token, subject and key that is revoked`, async (t) => {
    const server = await openRedis(t)
    const { list, store } = await openList(t, server.port, kind)
    const sids = Array.from({ length: 3000 }, (_, i) => (i % 10 ? draw() : `session ${i}`))
    const jtis = Array.from({ length: 300 }, draw)
    await Promise.all([...sids.map((sid) => list.add({ sid })), ...jtis.map((jti) => list.add({ jti }))])
    await Promise.all([list.add({ sub: 'alice' }), list.add({ kid: 'leaked' })])
    // Of an issuer that shares the store.
    const other = draw()
    const expires = Date.now() + HOUR
    await store.set('revocation', { key: `jti https://other.example ${other}`, value: null, expires })
    const { list: late } = await openList(t, server.port, kind)
    t.is(late.size, sids.length + jtis.length + 3)
    t.true(sids.every((sid) => late.has(toToken({ sid }))))
    t.true(jtis.every((jti) => late.has(toToken({ jti }))))
    t.false([...sids, other].some((jti) => late.has(toToken({ jti }))))
    t.false([...jtis, other].some((sid) => late.has(toToken({ sid }))))
    t.false(late.has(toToken({})))
    t.true(late.has(toToken({ sub: 'alice', iat: Date.now() / 1000 - 60 })))
    t.true(late.has(toToken({ kid: 'leaked' })))
  })
}

run(
  'RV-17 who listens hears of each session that was revoked while nothing was heard, also of those in pages',
  async (t) => {
    const server = await openRedis(t)
    const link = await createLink(server.port)
    t.teardown(() => link.close())
    const { list: near } = await openList(t, server.port)
    const { list: far } = await openList(t, link.port)
    const before = draw()
    await near.add({ sid: before })
    await until(() => far.hasSession(before), 'to hear of it')
    const heard = new Set<string>()
    far.watch((kind, name) => heard.add(`${kind} ${name}`))
    link.cut()
    const sids = Array.from({ length: 3000 }, draw)
    await Promise.all(sids.map((sid) => near.add({ sid })))
    // Nothing is left of it in the stream: all has to be read.
    await server.command('XTRIM', 'holdfast:{r}:stream', 'MAXLEN', '0')
    link.mend()
    await until(() => sids.every((sid) => heard.has(`sid ${sid}`)), 'to hear of all')
    // What was heard before may be told once more.
    heard.delete(`sid ${before}`)
    t.deepEqual([...heard].sort(), sids.map((sid) => `sid ${sid}`).sort())
    t.true(sids.every((sid) => far.hasSession(sid)))
  },
)

run('a session in a line counts as one that is packed', async (t) => {
  const server = await openRedis(t)
  const [expires, key] = [Date.now() + HOUR, drawn('a')]
  const minute = Math.floor(expires / 60_000)
  await server.command('APPEND', `holdfast:{r}:b:${minute}`, `${expires}\t${key}\n`)
  await server.command('ZADD', 'holdfast:{r}:buckets', '+inf', minute)
  const { list } = await openList(t, server.port)
  t.true(list.hasSession(key.slice(4)))
})

run('what is deleted is not told to who comes later, and what stands around it is', async (t) => {
  const server = await openRedis(t)
  const { store } = await openProcess(t, server.port)
  const expires = Date.now() + HOUR
  const keys = Array.from({ length: 50 }, (_, i) => (i % 5 ? drawn(`${i}`) : `key ${i}`))
  for (const key of [...keys, ...keys]) await store.set('revocation', { key, value: null, expires })
  const gone = new Set(keys.filter((_, i) => i % 3 === 0))
  for (const key of gone) t.true(await store.delete('revocation', key))
  const late = await openProcess(t, server.port)
  t.deepEqual([...late.told.keys()].sort(), keys.filter((key) => !gone.has(key)).sort())
  t.false(late.problems.some((message) => /ignored/.test(message)))
})
