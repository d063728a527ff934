// The watch of the Redis store when something goes wrong: nothing that was acknowledged is missed, nothing is believed
// that proves nothing, and nobody is let in again.

import test from 'ava'
import type { Redis } from 'ioredis'

import { createLink } from '../faults/proxy.ts'
import { CLIENT_KINDS, hasRedis, openRedis } from '../helpers/redis.ts'
import { bucketOf, FORMS, intercept, keysOf, openProcess, toRecord, until } from '../helpers/redis-process.ts'

const STREAM = 'holdfast:{r}:stream'
const HEAD = 'holdfast:{r}:head'

const run = hasRedis() ? test.serial : test.skip

for (const kind of CLIENT_KINDS) {
  run(`RV-17 ${kind}: what was revoked while the connections were cut is told once they are back`, async (t) => {
    const server = await openRedis(t)
    const link = await createLink(server.port)
    t.teardown(() => link.close())
    const near = await openProcess(t, server.port, { kind })
    const far = await openProcess(t, link.port, { kind })
    await near.revoke('before')
    await far.hears('before')
    for (let round = 0; round < 3; round += 1) {
      link.cut()
      await near.revoke(`cut ${round}`)
      link.mend()
      await far.hears(`cut ${round}`)
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await until(() => far.watch.age() < 400, 'to be fresh again')
      await near.revoke(`killed ${round}`)
      await far.hears(`killed ${round}`)
    }
    t.is(far.told.size, 7)
  })

  run(`RV-17 ${kind}: a restart of Redis loses nothing, with its data and without`, async (t) => {
    const server = await openRedis(t)
    const options = { kind, timeout: '1s' }
    const processes = [await openProcess(t, server.port, options), await openProcess(t, server.port, options)] as const
    const [one, other] = processes
    await one.store.set('revocation', { ...toRecord('kid'), expires: Number.MAX_SAFE_INTEGER })
    for (const [round, keepData] of [true, false].entries()) {
      const names = keysOf(50, `${round}`)
      await Promise.all(names.map((name, i) => (i % 2 ? one : other).revoke(name)))
      await Promise.all(processes.map((each) => each.hears(...names)))
      await server.kill()
      await t.throwsAsync(one.revoke('unheard'))
      await server.restart({ keepData })
      await until(() => processes.every(({ watch }) => watch.age() < 400), 'both to be fresh again')
      await one.revoke(`after ${round}`)
      await other.hears(`after ${round}`)
      const expected = ['kid', ...names, `after ${round}`]
      // Who starts now has it from Redis: where it was lost, the others have written it back.
      const late = await openProcess(t, server.port, { kind })
      await late.hears(...expected)
      await until(() => late.told.get('kid') === Number.MAX_SAFE_INTEGER, 'the key to stay revoked')
    }
    t.true(one.problems.concat(other.problems).some((message) => /has lost entries/.test(message)))
  })
}

run('RV-17 after a flush each entry is written back once, however many processes do so', async (t) => {
  const server = await openRedis(t)
  const first = await openProcess(t, server.port)
  const processes = [first, await openProcess(t, server.port), await openProcess(t, server.port)]
  const names = keysOf(300)
  await Promise.all(names.map((name) => first.revoke(name)))
  await Promise.all(processes.map((each) => each.hears(...names)))
  await server.command('FLUSHALL')
  // The history begins anew, before anybody has noticed.
  await first.revoke('new')
  const late = await openProcess(t, server.port)
  await late.hears(...names, 'new')
  await until(() => processes.every(({ watch }) => watch.age() < 400), 'all to be fresh')
  t.is(Number(await server.command('XLEN', STREAM)), names.length + 1)
  t.is(late.records.length, names.length + 1, 'and is told once')
})

for (const [form, keyOf] of FORMS) {
  run(`RV-17 a set-back history that has grown as long again is noticed, ${form}`, async (t) => {
    const server = await openRedis(t)
    const [one, other] = [await openProcess(t, server.port), await openProcess(t, server.port)]
    const [kept, lost, instead] = [keyOf('kept'), keyOf('lost'), keyOf('instead')]
    await one.revoke(kept)
    const head = String(await server.command('GET', HEAD))
    await other.hears(kept)
    await one.revoke(lost)
    await other.hears(lost)
    // As after a failover: the last write is gone, and another one stands in its place.
    await server.command('XTRIM', STREAM, 'MAXLEN', '0')
    await server.command('EVAL', SET_BACK, '3', HEAD, `holdfast:{r}:k:${lost}`, await bucketOf(one, lost), head)
    await one.revoke(instead)
    await other.hears(instead)
    const late = await openProcess(t, server.port)
    await late.hears(kept, instead, lost)
    t.pass()
  })
}

// Takes the last entry off its bucket: a line, or 18 bytes.
const SET_BACK = `
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
local all = redis.call('GET', KEYS[3])
local ttl = redis.call('PTTL', KEYS[3])
local rest = string.match(all, '^(.*\\n)[^\\n]*lost\\n$') or string.sub(all, 1, -19)
redis.call('SET', KEYS[3], rest, 'PX', ttl)`

run('RV-17 what was trimmed off the stream before it was read is read from the list', async (t) => {
  const server = await openRedis(t)
  // Each write and its trimming are one step: no reader can be in between.
  const trimming = await openProcess(t, server.port, {
    kind: 'ioredis',
    wrap: (client) =>
      intercept(client, async (redis, name, ...parameters) => {
        if (!parameters.includes(STREAM)) return redis.call(name, ...parameters)
        const command = [name.toLowerCase(), ...parameters]
        if (name === 'EVALSHA') throw new Error('NOSCRIPT')
        const results = await redis.multi([command, ['xtrim', STREAM, 'MAXLEN', '0']]).exec()
        return results?.[0]?.[1]
      }),
  })
  const other = await openProcess(t, server.port)
  for (const sid of keysOf(4)) {
    await trimming.revoke(sid)
    t.is(await server.command('XLEN', STREAM), 0)
    await other.hears(sid)
  }
  t.true(other.problems.some((message) => /gap/.test(message)))
})

run('RV-18 a watch is never younger than it is: stopped, held, slow, or told by a replica', async (t) => {
  const server = await openRedis(t)
  const link = await createLink(server.port)
  t.teardown(() => link.close())
  const { watch, revoke } = await openProcess(t, link.port, { timeout: '300ms' })
  const faults: Readonly<Record<string, readonly [begin: () => unknown, end: () => unknown]>> = {
    stopped: [() => server.stop(), () => server.cont()],
    held: [() => link.hold(), () => link.mend()],
    'slower than the timeout': [() => link.slow(2000), () => link.mend()],
    'a replica': [() => server.command('REPLICAOF', '127.0.0.1', '1'), () => server.command('REPLICAOF', 'NO', 'ONE')],
  }
  for (const [name, [begin, end]] of Object.entries(faults)) {
    await until(() => watch.age() < 400, 'to be fresh')
    await begin()
    // From here on nothing is proven, whatever is still answered.
    const began = performance.now()
    while (performance.now() - began < 1500) {
      const elapsed = performance.now() - began
      const age = watch.age()
      t.true(age >= elapsed - 1, `${name}: ${age} after ${elapsed}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await t.throwsAsync(revoke('refused'), undefined, name)
    await end()
  }
  await until(() => watch.age() < 400, 'to be fresh')
  await revoke('taken')
})

run(
  'RV-18 over a slow link a watch is at least as old as the oldest revocation that it has not been told',
  async (t) => {
    const server = await openRedis(t)
    const link = await createLink(server.port)
    t.teardown(() => link.close())
    const [near, far] = [await openProcess(t, server.port), await openProcess(t, link.port)]
    link.slow(300)
    const acknowledged = new Map<string, number>()
    const began = performance.now()
    for (let i = 0; performance.now() - began < 4000; i += 1) {
      await near.revoke(`s${i}`)
      acknowledged.set(`s${i}`, performance.now())
      await new Promise((resolve) => setTimeout(resolve, 5))
      for (const [sid, time] of acknowledged) {
        if (far.told.has(sid)) acknowledged.delete(sid)
        else t.true(far.watch.age() >= performance.now() - time - 1, sid)
      }
    }
    t.true(far.told.size > 50)
    t.true(far.watch.age() < 5000, 'and not older than maxStaleness allows by default')
  },
)

run('I-09 a Redis that hangs rejects each verb within the timeout, and a late command shortens nothing', async (t) => {
  const server = await openRedis(t)
  for (const kind of CLIENT_KINDS) {
    await server.command('FLUSHALL')
    const link = await createLink(server.port)
    t.teardown(() => link.close())
    const { store } = await openProcess(t, link.port, { kind, timeout: '300ms' })
    const near = await openProcess(t, server.port, { kind })
    const [record, hour] = [toRecord('a'), 3_600_000]
    await store.set('revocation', record)
    const read = await store.get('revocation', 'a')
    if (read === undefined) throw new Error('expected a record')
    link.hold()
    const verbs = {
      get: () => store.get('session', 'a'),
      set: () => store.set('revocation', { ...record, expires: record.expires - hour / 2 }),
      add: () => store.add('revocation', { ...record, key: 'b', expires: record.expires - hour / 2 }),
      swap: () => store.swap('revocation', { ...read, expires: read.expires - hour / 2 }),
      delete: () => store.delete('session', 'a'),
      list: async () => {
        for await (const _ of store.list('session', 'g')) t.fail()
      },
      watch: async () => store.watch?.(() => {}),
    }
    const began = performance.now()
    await Promise.all(Object.entries(verbs).map(([name, verb]) => t.throwsAsync(verb(), { message: /Redis/ }, name)))
    t.true(performance.now() - began < 2500)
    // Meanwhile somebody else revokes the same for longer; then what was held comes through.
    await near.store.set('revocation', { ...record, expires: record.expires + hour })
    await near.store.set('revocation', { ...record, key: 'b', expires: record.expires + hour })
    link.mend()
    await until(() => near.told.size === 2 && near.records.length >= 4, 'the late command to be told')
    t.is((await near.store.get('revocation', 'a'))?.expires, record.expires + hour)
    t.is((await near.store.get('revocation', 'b'))?.expires, record.expires + hour)
    const late = await openProcess(t, server.port, { kind })
    t.is(late.told.get('a'), record.expires + hour)
  }
})

run('I-09 answers that are none reject', async (t) => {
  const server = await openRedis(t)
  const answers: unknown[] = [null, undefined, 7, 'OK', [], {}, [[]], [[1]], true, new Date(0)]
  for (const answer of answers) {
    const { store } = await openProcess(t, server.port, {
      kind: 'ioredis',
      wrap: (client) => {
        const redis = client as Redis // the kind says so
        let isHonest = true
        return {
          duplicate: () => redis.duplicate(),
          on: redis.on.bind(redis),
          callBuffer: async (...command: Parameters<Redis['callBuffer']>) =>
            isHonest ? redis.callBuffer(...command) : answer,
          async call(name: string, ...parameters: string[]) {
            // The watch opens as usual; the verbs get nonsense.
            if (parameters.includes('revocation') || parameters.some((one) => one.includes('nonsense')))
              isHonest = false
            return isHonest ? redis.call(name, ...parameters) : answer
          },
        } as typeof client
      },
    })
    const record = toRecord('nonsense')
    await t.throwsAsync(store.set('session', record))
    await t.throwsAsync(store.set('revocation', record))
    await t.throwsAsync(store.add('session', record))
    await t.throwsAsync(store.swap('revocation', { ...record, version: 1 }))
    await t.throwsAsync(store.delete('revocation', 'nonsense'))
    t.is(await store.get('session', 'nonsense'), undefined)
  }
})

run('close ends what the store has opened at once, and leaves the client', async (t) => {
  const server = await openRedis(t)
  for (const kind of CLIENT_KINDS) {
    const { store, client, watch } = await openProcess(t, server.port, { kind })
    const list = async (): Promise<string[]> =>
      String(await server.command('CLIENT', 'LIST'))
        .trim()
        .split('\n')
    let open = await list()
    while (!open.some((line) => line.includes('cmd=xread'))) open = await list()
    server.stop()
    const hanging = t.throwsAsync(store.get('session', 'a'), { message: /closed/ })
    const began = performance.now()
    await store.close()
    await hanging
    t.true(performance.now() - began < 200)
    server.cont()
    while ((await list()).length !== open.length - 1) await new Promise(setImmediate)
    await t.throwsAsync(store.get('session', 'a'), { message: /closed/ })
    t.true(watch.age() > 0)
    const own = client as unknown as {
      call?: (name: string) => Promise<unknown>
      sendCommand(parts: string[]): Promise<unknown>
    }
    t.is(await (own.call?.('PING') ?? own.sendCommand(['PING'])), 'PONG')
  }
})

run('five thousand revocations at once are all told, in turn and without reading all again', async (t) => {
  const server = await openRedis(t)
  const [one, other] = [await openProcess(t, server.port, { timeout: '20s' }), await openProcess(t, server.port)]
  const names = Array.from({ length: 5000 }, (_, i) => `s${i}`)
  await Promise.all(names.map((name) => one.revoke(name)))
  await Promise.all([one.hears(...names), other.hears(...names)])
  t.deepEqual(
    other.records.map(({ key }) => key),
    names,
  )
  t.false(other.problems.some((message) => /gap/.test(message)))
})

run('a list of many pieces is read whole, whatever its keys are made of', async (t) => {
  const server = await openRedis(t)
  const writer = await openProcess(t, server.port, { kind: 'ioredis', timeout: '20s' })
  const expires = Date.now() + 3_600_000
  const odd = ['', ' ', '\t', '\n', '"', '\\', 'ü', '\u0000', '\ud800', '😀', '__proto__', 'k'.repeat(60_000)]
  const names = [...odd, ...Array.from({ length: 20_000 }, (_, i) => `sid ${i} ${'x'.repeat(i % 60)}`)]
  for (let i = 0; i < names.length; i += 500) {
    const some = names.slice(i, i + 500)
    await Promise.all(some.map((key) => writer.store.set('revocation', { key, value: { key }, expires, group: key })))
  }
  const { records } = await openProcess(t, server.port, { timeout: '20s' })
  t.is(records.length, names.length)
  t.deepEqual(new Set(records.map(({ key }) => key)), new Set(names))
  t.true(
    records.every(({ key, value, group, expires: its }) => {
      return group === key && (value as { key: string }).key === key && its === expires
    }),
  )
  await t.throwsAsync(writer.revoke('k'.repeat(70_000)), { instanceOf: RangeError }, 'what nobody would believe')
})
