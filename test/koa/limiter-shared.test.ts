// The default limits, counted in a real Redis that several processes share.

import test, { type ExecutionContext } from 'ava'
import { RateLimiterRedis } from 'rate-limiter-flexible'

import { codesOf, openTestApp, postLogin, type TestApp } from '../helpers/app.ts'
import { CLIENT_KINDS, type ClientKind, hasRedis, openClient, openRedis } from '../helpers/redis.ts'

const run = hasRedis() ? test : test.skip

/** An app that counts where another one does. */
async function open(t: ExecutionContext, kind: ClientKind, port: number): Promise<TestApp> {
  const storeClient = await openClient(t, kind, port)
  return openTestApp(t, {
    limiter: {
      count: (limit) =>
        new RateLimiterRedis({
          storeClient,
          useRedisPackage: kind === 'node-redis',
          rejectIfRedisNotReady: true,
          ...limit,
        }),
    },
  })
}

const tryLogin = (app: TestApp, password: string) => postLogin(app, { sub: 'alice', password })

for (const kind of CLIENT_KINDS) {
  run(`IS-17 ${kind}: ten failed logins at two processes are ten, and what succeeds is given back`, async (t) => {
    const { port } = await openRedis(t)
    const apps = [await open(t, kind, port), await open(t, kind, port)] as const
    for (let i = 0; i < 20; i += 1) t.is((await tryLogin(apps[i % 2 === 0 ? 0 : 1], 'correct')).status, 200)
    for (let i = 0; i < 10; i += 1) t.is((await tryLogin(apps[i % 2 === 0 ? 0 : 1], 'wrong')).status, 401)
    for (const app of apps) {
      const refused = await tryLogin(app, 'correct')
      t.is(refused.status, 429)
      t.regex(String(refused.headers['retry-after']), /^[1-9]\d{0,2}$/)
    }
  })

  run(`IS-17 ${kind}: while nobody can count, nobody logs in`, async (t) => {
    const server = await openRedis(t)
    const app = await open(t, kind, server.port)
    t.is((await tryLogin(app, 'correct')).status, 200)
    server.stop()
    t.is((await tryLogin(app, 'correct')).status, 503, 'it hangs')
    server.cont()
    await server.kill()
    t.is((await tryLogin(app, 'correct')).status, 503)
    t.true(codesOf(app.seen).includes('ERR_STORE_UNAVAILABLE'))
  })
}
