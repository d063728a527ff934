// What is written again is written once: not by whoever hears that another has, and for good where it only seemed to be
// there.

import test from 'ava'

import { createRestorer, type Restorer } from '../../src/store/redis/restore.ts'
import { hasRedis, openRedis } from '../helpers/redis.ts'
import { bucketOf, openProcess, toRecord, until } from '../helpers/redis-process.ts'

const run = hasRedis() ? test.serial : test.skip
const LINE = `${Date.now() + 3_600_000}\tsomething`

/** One that notes what it would write. */
function open(isThere: boolean): { readonly restorer: Restorer; readonly calls: string[] } {
  const calls: string[] = []
  const restorer = createRestorer({
    async restore() {
      calls.push('restore')
      return !isThere
    },
    async set() {
      calls.push('set')
    },
    clock: Date.now,
    report: (message) => calls.push(message),
  })
  return { restorer, calls }
}

test('RV-17 what the stream has told is not written again', async (t) => {
  const { restorer, calls } = open(false)
  restorer.add([LINE])
  restorer.heard(LINE)
  t.is(restorer.size, 0)
  // Longer than any waits before it writes.
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.deepEqual(calls, [])
})

test('RV-17 what only seemed to be there is written if the next snapshot lacks it too, and only then', async (t) => {
  const { restorer, calls } = open(true)
  restorer.add([LINE])
  await until(() => restorer.size === 0, 'to be asked for')
  t.deepEqual([...restorer.doubtful], [LINE])
  restorer.add([LINE])
  await until(() => restorer.size === 0, 'to be written')
  restorer.add([LINE])
  await until(() => restorer.size === 0, 'to be asked for again')
  restorer.add([])
  t.deepEqual([...restorer.doubtful], [])
  t.deepEqual(calls, ['restore', 'set', 'restore'])
})

run('RV-17 of a large bucket that is lost while its records are not, all is filled again', async (t) => {
  const server = await openRedis(t)
  const one = await openProcess(t, server.port)
  const { expires } = toRecord('')
  const keys = Array.from({ length: 12_000 }, (_, i) => `key ${i}`) // more than a process notes of its own writes
  await Promise.all(keys.map((key) => one.store.set('revocation', { key, value: null, expires })))
  await one.hears(...keys)
  await server.command('DEL', await bucketOf(one, 'key 0'))
  await server.command('SET', 'holdfast:{r}:head', '1')
  const late = await openProcess(t, server.port)
  await late.hears(...keys)
  t.pass()
})
