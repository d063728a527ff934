// The Redis store, by the contract, with both clients and in several processes.

import { execFile } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { inspect, promisify } from 'node:util'

import test from 'ava'

import { redisStore } from '../../src/store/redis.ts'
import { CLIENT_KINDS, connect, hasRedis, type RedisServer, startRedis } from '../helpers/redis.ts'
import { type OpenRedis, openStore } from '../helpers/redis-store.ts'
import { testStoreContract } from './contract.ts'

const module = new URL('../helpers/redis-store.ts', import.meta.url).href

let server: RedisServer
let opened = 0

if (hasRedis()) {
  test.before(async () => {
    server = await startRedis()
  })
  test.after.always(() => server.close())

  for (const kind of CLIENT_KINDS) {
    testStoreContract(
      `redis with ${kind}`,
      async (clock) => {
        opened += 1
        const options: OpenRedis = { kind, port: server.port, prefix: `test${opened}:` }
        return { store: await openStore(options, clock), other: await openStore(options, clock), options }
      },
      { module },
    )
  }
}

test('no client, no visible prefix and no time are refused by name', (t) => {
  const client = { duplicate: () => ({}), on() {}, sendCommand() {} }
  for (const [options, name] of [
    [{ client: undefined }, 'client'],
    [{ client: {} }, 'client'],
    [{ client: { ...client, duplicate: 1 } }, 'client'],
    [{ client, prefix: '' }, 'prefix'],
    [{ client, prefix: 'a b' }, 'prefix'],
    [{ client, timeout: 0 }, 'timeout'],
    [{ client, timeout: '31s' }, 'timeout'],
    [{ client, timeOut: 1 }, 'timeOut'],
  ] as const) {
    // The cast is what an application without types does.
    const error = t.throws(() => redisStore(options as never), { instanceOf: TypeError })
    t.true(error.message.includes(name), error.message)
  }
})

if (hasRedis()) {
  test('what the client says in an error is passed on without what was sent', async (t) => {
    for (const kind of CLIENT_KINDS) {
      const { client, close } = await connect(kind, server.port)
      t.teardown(close)
      await server.command('LPUSH', 'wrong:s:secret-key', 'x')
      const error = await t.throwsAsync(redisStore({ client, prefix: 'wrong:' }).get('session', 'secret-key'))
      t.regex(error.message, /WRONGTYPE/)
      t.notRegex(inspect(error, { depth: 9, showHidden: true }), /secret-key/)
    }
  })

  test('a record that expires at no time is refused, and nothing of it is written', async (t) => {
    const { client, close } = await connect('node-redis', server.port)
    t.teardown(close)
    const store = redisStore({ client, prefix: 'nan:' })
    await t.throwsAsync(store.set('revocation', { key: 'sid one', value: null, expires: NaN }), { message: /expires/ })
    await t.throwsAsync(store.set('session', { key: 'one', value: null, expires: NaN }))
    t.deepEqual(await server.command('KEYS', 'nan:*'), [])
  })

  test('a client may answer at once, and throw at once', async (t) => {
    const { client, close } = await connect('node-redis', server.port)
    t.teardown(close)
    const like = (sendCommand: () => unknown): typeof client => Object.assign(Object.create(client), { sendCommand })
    t.is(await redisStore({ client: like(() => null) }).get('session', 'one'), undefined)
    const thrower = like(() => {
      throw new Error('not now')
    })
    await t.throwsAsync(redisStore({ client: thrower }).get('session', 'one'), { message: 'Redis: not now' })
  })

  test('each command that gets no answer is given up after the time limit, of its own', async (t) => {
    t.timeout(10_000)
    const { client, close } = await connect('node-redis', server.port)
    t.teardown(close)
    const answers: (() => void)[] = []
    const hanging = Object.assign(Object.create(client) as typeof client, {
      sendCommand: () => new Promise((resolve) => answers.push(() => resolve(null))),
    })
    const store = redisStore({ client: hanging, timeout: '100ms' })
    const ask = async (key: string): Promise<string> => {
      const began = performance.now()
      const error = await t.throwsAsync(Promise.resolve(store.get('session', key)), {
        message: /no answer within 100 ms/,
      })
      t.true(performance.now() - began >= 99, `${error.message} ${key}`)
      return key
    }
    const done: string[] = []
    const note = (key: string): void => void done.push(key)
    const first = ask('first').then(note)
    await wait(40)
    const second = ask('second').then(note)
    const answered = store.get('session', 'answered')
    await wait(20)
    answers.at(2)?.()
    t.is(await answered, undefined)
    await Promise.all([first, second])
    t.deepEqual(done, ['first', 'second'])
    // What comes too late harms nobody, and the next is given up as well.
    for (const answer of answers) answer()
    await ask('third')
  })

  test('a process stays for an answer until the time limit, and not for the limit alone', async (t) => {
    const run = promisify(execFile)
    const options = ['--import=tsx', '--input-type=module', '--eval']
    const hanging = await run(process.execPath, [...options, script('() => new Promise(() => {})', '300ms')])
    t.is(hanging.stdout, 'Redis: no answer within 300 ms\n')
    const began = performance.now()
    const answered = await run(process.execPath, [...options, script('async () => null', '30s')])
    t.is(answered.stdout, 'undefined\n')
    t.true(performance.now() - began < 20_000)
  })
}

/** A program that asks a store once, of a client that answers like this, and prints what it hears. */
function script(sendCommand: string, timeout: string): string {
  return `
    import { redisStore } from ${JSON.stringify(new URL('../../src/store/redis.ts', import.meta.url).href)}
    const client = { duplicate: () => client, on() {}, sendCommand: ${sendCommand} }
    const answer = await redisStore({ client, timeout: '${timeout}' }).get('session', 'one').catch(({ message }) => message)
    console.log(String(answer))`
}
