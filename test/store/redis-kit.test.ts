// Two kits on one Redis, as two servers of a fleet: a logout at one holds at the other, and when Redis fails nobody is
// let in by mistake and nobody waits for ever.

import test, { type ExecutionContext } from 'ava'

import { createKeySet, type Store } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import { createLink } from '../faults/proxy.ts'
import {
  createClock,
  openTestApp,
  privateJwk,
  postLogout,
  postRefresh,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import { hasRedis, openClient, openRedis, type RedisServer } from '../helpers/redis.ts'
import { payloadOf } from '../helpers/decode.ts'

const run = hasRedis() ? test.serial : test.skip

/** Starts a server of the fleet: the same key and Redis, a client of its own. */
async function openServer(
  t: ExecutionContext,
  port: number,
  options: TestAppOptions & { readonly timeout?: string } = {},
): Promise<TestApp & { readonly store: Store }> {
  const { timeout = '1s', ...kitOptions } = options
  const client = await openClient(t, 'node-redis', port)
  const testClock = options.testClock ?? createClock(Date.now())
  const store = redisStore({ client, timeout, clock: testClock, onProblem: () => {} })
  t.teardown(() => store.close())
  const keys = await createKeySet({ keys: [privateJwk] })
  return openTestApp(t, { keys, store, testClock, maxStaleness: 2, ...kitOptions })
}

async function openFleet(t: ExecutionContext, server: RedisServer): Promise<[TestApp, TestApp]> {
  return [await openServer(t, server.port), await openServer(t, server.port)]
}

run('RV-17 a logout at one server is refused at the other within a second', async (t) => {
  const [one, other] = await openFleet(t, await openRedis(t))
  for (let round = 0; round < 5; round += 1) {
    const login = await one.login()
    t.is((await other.me(login.token, login.cookie)).status, 200)
    const began = performance.now()
    t.is((await postLogout(one, login)).status, 204)
    while ((await other.me(login.token, login.cookie)).status !== 401) t.true(performance.now() - began < 1000)
    t.is((await postRefresh(other, login)).status, 401)
  }
})

run('RV-17 a session, a subject, a token and a key that one server revokes are refused at the other', async (t) => {
  const [one, other] = await openFleet(t, await openRedis(t))
  const [claims, kid] = ['bob', other.keys.active?.kid ?? '']
  for (const kind of ['sid', 'sub', 'jti', 'kid'] as const) {
    const login = await one.login(claims)
    t.is((await other.me(login.token, login.cookie)).status, 200, 'a later login is another matter')
    const { jti } = payloadOf(login.token) as { jti: string }
    await one.kit.revoke({ sid: { sid: login.sid }, sub: { sub: claims }, jti: { jti }, kid: { kid } }[kind])
    const began = performance.now()
    while ((await other.me(login.token, login.cookie)).status !== 401) t.true(performance.now() - began < 1000, kind)
  }
})

run(
  'RV-18 EL-10 a logout that Redis did not take answers 503, holds here at once, and everywhere once Redis is back',
  async (t) => {
    const server = await openRedis(t)
    const [one, other] = await openFleet(t, server)
    for (const [begin, end] of [
      [() => server.stop(), () => server.cont()],
      [() => server.kill(), () => server.restart()],
    ] as const) {
      const login = await one.login()
      t.is((await other.me(login.token, login.cookie)).status, 200)
      await begin()
      const began = performance.now()
      const answer = await postLogout(one, login)
      t.is(answer.status, 503)
      t.truthy(answer.headers['retry-after'])
      t.true(performance.now() - began < 5000)
      t.is((await one.me(login.token, login.cookie)).status, 401, 'refused here, and not for staleness')
      await end()
      const refused = async (): Promise<boolean> => (await other.me(login.token, login.cookie)).status === 401
      const back = performance.now()
      while (!(await refused())) t.true(performance.now() - back < 10_000)
      const fresh = await one.login()
      t.is((await other.me(fresh.token, fresh.cookie)).status, 200, 'both serve again')
    }
  },
)

run(
  'RV-18 EL-10 a list that is too old refuses with 503 and Retry-After, and lets in only where the route says so',
  async (t) => {
    const server = await openRedis(t)
    const strict = await openServer(t, server.port)
    const open = await openServer(t, server.port, { onStale: { openFor: '1h' }, withSession: false })
    const [live, dead] = [await strict.login(), await strict.login()]
    t.is((await postLogout(strict, dead)).status, 204)
    while ((await open.me(dead.token, dead.cookie)).status !== 401);
    server.stop()
    const began = performance.now()
    let answer = await strict.me(live.token, live.cookie)
    while (answer.status === 200) answer = await strict.me(live.token, live.cookie)
    const passed = performance.now() - began
    t.is(answer.status, 503)
    t.truthy(answer.headers['retry-after'])
    t.true(passed > 900 && passed < 2500, `after ${passed} ms, where 2000 are allowed`)
    t.is((await open.me(live.token, live.cookie)).status, 200)
    t.is((await open.me(dead.token, dead.cookie)).status, 401, 'what was revoked before stays so')
    for (const path of ['login', 'refresh'] as const) {
      const sent = performance.now()
      const response =
        path === 'login'
          ? await strict.request('POST', '/auth/login', JSON_HEADERS, LOGIN)
          : await postRefresh(strict, live)
      t.is(response.status, 503, path)
      t.true(performance.now() - sent < 5000)
    }
    server.cont()
    while ((await strict.me(live.token, live.cookie)).status !== 200) t.true(performance.now() - began < 20_000)
  },
)

const JSON_HEADERS = { 'Content-Type': 'application/json' }
const LOGIN = JSON.stringify({ sub: 'alice', password: 'correct' })

run(
  'I-09 a Redis that is slow, cut off or gone answers 503 within the timeout, and no login or logout is a success',
  async (t) => {
    const server = await openRedis(t)
    const link = await createLink(server.port)
    t.teardown(() => link.close())
    const app = await openServer(t, link.port, { timeout: '300ms' })
    const login = await app.login()
    const faults = {
      'hangs for as long as you like': () => link.hold(),
      'two seconds late': () => link.slow(2000),
      'cut off': () => link.cut(),
    }
    for (const [name, begin] of Object.entries(faults)) {
      begin()
      for (const send of [
        () => app.request('POST', '/auth/login', JSON_HEADERS, LOGIN),
        () => postRefresh(app, login),
        () => postLogout(app, login),
      ]) {
        const began = performance.now()
        const { status } = await send()
        // A session that has been logged out here may also be known to be over.
        t.true(status === 503 || status === 401, `${name}: ${status}`)
        t.true(performance.now() - began < 3000, name)
      }
      link.mend()
      let recovered = await app.request('POST', '/auth/login', JSON_HEADERS, LOGIN)
      while (recovered.status !== 200) recovered = await app.request('POST', '/auth/login', JSON_HEADERS, LOGIN)
    }
  },
)

run('I-09 a wrong type in Redis is 503 and not a session', async (t) => {
  const server = await openRedis(t)
  const app = await openServer(t, server.port)
  const login = await app.login()
  await server.command('DEL', `holdfast:s:${login.sid}`)
  await server.command('LPUSH', `holdfast:s:${login.sid}`, 'x')
  t.is((await postRefresh(app, login)).status, 503)
  await server.command('DEL', `holdfast:s:${login.sid}`)
  for (const nonsense of ['', '{', 'null', '1 2 3', `1 ${Date.now() + 1e6} null`, `1 ${Date.now() + 1e6} []`]) {
    await server.command('SET', `holdfast:s:${login.sid}`, nonsense)
    t.is((await postRefresh(app, login)).status, 401, nonsense)
  }
})

run('a request with a token asks Redis nothing', async (t) => {
  const server = await openRedis(t)
  // Without koa-session, which reads what the application keeps there.
  const app = await openServer(t, server.port, { withSession: false })
  const login = await app.login()
  const count = async (): Promise<number> => {
    const stats = String(await server.command('INFO', 'commandstats'))
    return [...stats.matchAll(/^cmdstat_(?!info)[^:]+:calls=(\d+)/gm)].reduce(
      (sum, [, calls]) => sum + Number(calls),
      0,
    )
  }
  const timed = async (work: () => Promise<void>): Promise<{ commands: number; seconds: number }> => {
    const [before, began] = [await count(), performance.now()]
    await work()
    return { commands: (await count()) - before, seconds: (performance.now() - began) / 1000 }
  }
  const busy = await timed(async () => {
    for (let i = 0; i < 1000; i += 1) t.is((await app.me(login.token, login.cookie)).status, 200)
  })
  // What the watch does anyway: a wait and a question twice a second, of three commands and a script each.
  t.true(busy.commands <= 12 + busy.seconds * 12, `${busy.commands} commands in ${busy.seconds} s`)
})

run('K-05 a flood of 10^5 logouts is bounded by the time they are good for', async (t) => {
  const server = await openRedis(t, { appendonly: 'no' })
  const app = await openServer(t, server.port, { timeout: '30s' })
  const flood = 100_000
  for (let i = 0; i < flood; i += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, j) => app.kit.revoke({ sid: `flood-${i + j}` })))
  }
  const login = await app.login()
  t.is((await app.me(login.token, login.cookie)).status, 200)
  t.true(Number(await server.command('XLEN', 'holdfast:{r}:stream')) < 60_000, 'the stream is trimmed')
  // Everything but the head, the stream and the list of buckets goes by itself.
  const ttls = await server.command(
    'EVAL',
    `local without = {}
    for _, key in ipairs(redis.call('KEYS', '*')) do
      if redis.call('PTTL', key) == -1 then without[#without + 1] = key end
    end
    return without`,
    0,
  )
  t.deepEqual(
    (ttls as string[]).sort(),
    ['buckets', 'head', 'stream'].map((name) => `holdfast:{r}:${name}`),
  )
})
