// Whoever can write to the keys of the revocation list can add to it. Nothing they write takes an entry off it, stops a
// process, or fills its memory or its log.

import test from 'ava'

import { hasRedis, openRedis } from '../helpers/redis.ts'
import { drawn, FORMS, openProcess, until } from '../helpers/redis-process.ts'

const STREAM = 'holdfast:{r}:stream'
const HEAD = 'holdfast:{r}:head'
const BUCKETS = 'holdfast:{r}:buckets'
const HOUR = 3_600_000
const MB = 2 ** 20

const LINES: Readonly<Record<string, string>> = {
  'half an object': '{',
  null: 'null',
  'an empty array': '[]',
  'a prototype': '{"__proto__":{}}',
  '10 MB': 'x'.repeat(10 * MB),
  'a jti of 1 MB': `${Date.now() + HOUR}\tjti ${'x'.repeat(MB)}`,
  'an expiry in the past': `1\tsid foreign`,
  'an expiry of 1e308': `1e308\tsid foreign`,
  'an expiry that is too large': `${'9'.repeat(16)}\tsid foreign`,
  'a negative expiry': `-1\tsid foreign`,
  'no key': String(Date.now() + HOUR),
  'a value that is no JSON': `${Date.now() + HOUR}\tsid foreign\t{`,
  'a value that is null': `${Date.now() + HOUR}\tsid foreign\tnull`,
  'a key that is no text': `${Date.now() + HOUR}\t"\\u00`,
  'two lines': `${Date.now() + HOUR}\tsid foreign\n${Date.now() + HOUR}\tsid foreign`,
  'bytes that are no text': '\u0000\ufffd\u00ff',
  nothing: '',
}

const run = hasRedis() ? test.serial : test.skip

run('I-08 RV-19 what is no entry of the stream is ignored and reported, and the next entry is told', async (t) => {
  const server = await openRedis(t)
  const [writer, watcher] = [await openProcess(t, server.port), await openProcess(t, server.port)]
  await writer.revoke('first')
  await watcher.hears('first')
  const line = `${Date.now() + HOUR}\tsid foreign`
  // With the right history, where nothing else is said.
  const shapes: Readonly<Record<string, (version: string) => readonly string[]>> = {
    ...Object.fromEntries(
      Object.entries(LINES).map(([name, text]) => [name, (version) => ['w', `${version} 12345 ${text}`]]),
    ),
    'an unknown type': () => ['type', 'unrevoke', 'sid', 'first'],
    'another field': (version) => ['x', `${version} 1 ${line}`],
    'one more field': (version) => ['w', `${version} 1 ${line}`, 'x', 'y'],
    'a version that is none': (version) => ['w', `${version} {} ${line}`],
    'a version that is too long': (version) => ['w', `${version} ${'1'.repeat(17)} ${line}`],
    'a control character': (version) => ['w', `${version} 1 ${line}\u0001`],
    'no version before': () => ['w', `1 ${line}`],
    'a version alone': (version) => ['w', `${version}\t`],
    'two versions alone': (version) => ['w', `${version} ${version}\t`],
    'another history': () => ['w', `424242 424243 ${line}`],
  }
  let round = 0
  for (const [name, toFields] of Object.entries(shapes)) {
    if (name === 'an expiry in the past') continue
    round += 1
    await server.command('XADD', STREAM, '*', ...toFields(String(await server.command('GET', HEAD))))
    await writer.revoke(`after ${round}`)
    await watcher.hears(`after ${round}`)
    t.false(
      [...watcher.told.keys()].some((key) => key === '' || key.startsWith('sid foreign')),
      name,
    )
  }
  t.true(watcher.problems.some((message) => /ignored in the stream/.test(message)))
  t.true(watcher.problems.length < 6, 'the report does not grow with what is reported')
  t.true(process.memoryUsage().rss < 1500 * MB)
  t.is(({} as { foreign?: unknown }).foreign, undefined)
})

run(
  'I-08 entries that come twice, out of turn or from an old history are told once, and make nobody miss one',
  async (t) => {
    const server = await openRedis(t)
    const [writer, watcher] = [await openProcess(t, server.port), await openProcess(t, server.port)]
    for (const sid of ['a', 'b', 'c']) await writer.revoke(sid)
    await watcher.hears('a', 'b', 'c')
    // The cast is what XRANGE answers.
    const entries = (await server.command('XRANGE', STREAM, '-', '+')) as [string, string[]][]
    for (const [, fields] of [...entries, ...entries.toReversed()]) await server.command('XADD', STREAM, '*', ...fields)
    await writer.revoke('d')
    await watcher.hears('d')
    t.deepEqual(
      watcher.records.map(({ key }) => key),
      ['a', 'b', 'c', 'd'],
    )
  },
)

run('I-08 RV-19 what is no entry of the list is ignored and reported, between and after real ones', async (t) => {
  const server = await openRedis(t)
  const writer = await openProcess(t, server.port)
  const expires = Date.now() + HOUR
  const bucket = `holdfast:{r}:b:${Math.floor(expires / 60_000)}`
  let real = 0
  for (const line of Object.values(LINES)) {
    await server.command('APPEND', bucket, `${line}\n`)
    real += 1
    await writer.store.set('revocation', { key: `real ${real}`, value: null, expires })
  }
  await server.command('APPEND', bucket, `${Number.MAX_SAFE_INTEGER}\tof another bucket\n`)
  await server.command('APPEND', bucket, 'no end of line')
  await server.command('ZADD', BUCKETS, '+inf', '../../etc', '+inf', '-1', '+inf', '{}')
  const late = await openProcess(t, server.port)
  // The two lines in one are two entries here, as if they had been revoked.
  const expected = Array.from({ length: real }, (_, i) => `real ${i + 1}`)
  t.deepEqual([...late.told.keys()].filter((key) => key !== 'sid foreign').sort(), expected.sort())
  t.true(late.problems.some((message) => /ignored in the list/.test(message)))
  t.true(late.problems.length < 4)
  await writer.revoke('after')
  await late.hears('after')
})

run('I-08 RV-19 what is no packed entry is ignored and reported, between and after real ones', async (t) => {
  const server = await openRedis(t)
  const writer = await openProcess(t, server.port)
  const expires = Date.now() + HOUR
  const minute = Math.floor(expires / 60_000)
  const real: string[] = []
  const garbage = ['', 'x', 'x'.repeat(17), 'x'.repeat(18), 'x'.repeat(19), '\u0000'.repeat(40), 'ü'.repeat(500)]
  for (const one of [...garbage, ...Object.values(LINES)]) {
    await server.command('APPEND', `holdfast:{r}:b:${minute}:sid`, one)
    real.push(drawn(`${real.length}`))
    await writer.store.set('revocation', { key: real.at(-1) ?? '', value: null, expires })
  }
  await server.command('APPEND', `holdfast:{r}:b:${minute}:sid`, 'x')
  await server.command('APPEND', `holdfast:{r}:b:${minute}:jti x`, 'x'.repeat(1800))
  const names = [
    `${minute}:`,
    `${minute}: sid`,
    `${minute}:jti x`,
    `${minute}:${'x'.repeat(201)}`,
    `${minute}:\u0000`,
    ':sid',
  ]
  await server.command('ZADD', BUCKETS, ...names.flatMap((name) => ['+inf', name]))
  const late = await openProcess(t, server.port)
  t.deepEqual(
    late.records.map(({ key }) => key),
    real,
  )
  t.true(late.problems.some((message) => /ignored in the list/.test(message)))
  t.true(late.problems.length < 4)
  await writer.revoke('after')
  await late.hears('after')
})

run('I-08 RV-19 a line that somebody has left without its end takes no entry with it', async (t) => {
  const server = await openRedis(t)
  const writer = await openProcess(t, server.port)
  const expires = Date.now() + HOUR
  for (const key of ['first', 'second', 'third']) {
    await server.command('APPEND', `holdfast:{r}:b:${Math.floor(expires / 60_000)}`, 'x')
    await writer.store.set('revocation', { key, value: null, expires })
  }
  const late = await openProcess(t, server.port)
  t.deepEqual([...late.told.keys()], ['first', 'second', 'third'])
})

run('I-08 keys of another type reject or stop nothing but themselves', async (t) => {
  const server = await openRedis(t)
  const watcher = await openProcess(t, server.port, { timeout: '500ms' })
  await watcher.revoke('a')
  await server.command('DEL', STREAM)
  await server.command('SET', STREAM, 'x')
  await t.throwsAsync(watcher.revoke('b'), { message: /WRONGTYPE/ })
  await server.command('DEL', STREAM)
  await watcher.revoke('c')
  await watcher.hears('a', 'c')
  await server.command('DEL', HEAD)
  await server.command('LPUSH', HEAD, 'x')
  await t.throwsAsync(watcher.revoke('d'), { message: /WRONGTYPE/ })
  await until(() => watcher.watch.age() > 1200, 'to grow old')
  await server.command('DEL', HEAD)
  await watcher.revoke('e')
  await watcher.hears('e')
  await until(() => watcher.watch.age() < 400, 'to be fresh again')
  const late = await openProcess(t, server.port)
  await late.hears('a', 'c', 'e')
  t.pass()
})

for (const [form, keyOf] of FORMS) {
  const victim = keyOf('victim')

  run(`RV-20 nothing that can be written takes an entry off the list of a process, ${form}`, async (t) => {
    const server = await openRedis(t)
    const [writer, watcher] = [await openProcess(t, server.port), await openProcess(t, server.port)]
    await writer.revoke(victim)
    await watcher.hears(victim)
    const before = watcher.told.get(victim)
    const [version = '0'] = String(await server.command('GET', HEAD)).split(' ')
    // With the right history, as one who knows the format would write it.
    for (const line of [
      `1\t${victim}`,
      `0\t${victim}`,
      `${Date.now() + 1}\t${victim}`,
      `${Date.now() + HOUR}\t${victim}\t{"v":false}`,
    ]) {
      await server.command('XADD', STREAM, '*', 'w', `${version} 777 ${line}`)
    }
    for (const key of (await server.command('KEYS', 'holdfast:*')) as string[]) await server.command('DEL', key)
    await writer.revoke('mark')
    await watcher.hears('mark')
    t.true(Number(watcher.told.get(victim)) >= Number(before))
    const late = await openProcess(t, server.port)
    await late.hears(victim)
    const after = Number(late.told.get(victim))
    t.true(after >= Number(before) && after < Number(before) + 60_000, 'who starts later has it from those who knew')
  })
}
