// The fleet example: three servers on one Redis, started and spoken to as its README says.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { bearer, toLogin } from '../helpers/app.ts'
import { type Example, startExample, temporaryDirectory } from '../helpers/example.ts'
import { type RequestHeaders, type Response, send } from '../helpers/http.ts'
import { hasRedis, openRedis, type RedisServer } from '../helpers/redis.ts'

const run = hasRedis() ? test.serial : test.skip

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const README = readFileSync(join(ROOT, 'examples/fleet/README.md'), 'utf8')
const SERVERS = 3
/** `maxStaleness` of the example. */
const BOUND_MS = 2000
const LOGIN = ['POST', '/auth/login', { 'Content-Type': 'application/json' }] as const
const BODY = '{"username":"alice","password":"wonderland"}'

type Server = (method: string, path: string, headers?: RequestHeaders, body?: string) => Promise<Response>

/** What stands in the README's variables when a request goes through its nginx. */
const NGINX: Readonly<Record<string, string>> = {
  $http_host: 'localhost:3000',
  $remote_addr: '127.0.0.1',
  $scheme: 'http',
  $http_upgrade: '',
}

/** The headers that it sets; those without a value it leaves out. */
const proxied = Object.fromEntries(
  [...README.matchAll(/proxy_set_header (\S+) (\S+);/g)]
    .map(([, name = '', value = '']) => [name, NGINX[value] ?? value] as const)
    .filter(([, value]) => value !== ''),
)

/** The README's line that has this in it. */
function lineWith(text: string): string {
  const line = README.split('\n').find((one) => one.includes(text))
  if (line === undefined) throw new Error(`README: expected a line with ${text}`)
  return line
}

async function startFleet(
  t: ExecutionContext,
): Promise<{ redis: RedisServer; examples: readonly Example[]; servers: readonly [Server, Server, Server] }> {
  // In a directory and on ports of their own; else as it is written there.
  const config = [...lineWith('redis-server').matchAll(/--(append\S+) (\S+)/g)].map(([, name, value]) => [name, value])
  const redis = await openRedis(t, Object.fromEntries(config) as Record<string, string>)
  const keyFile = join(await temporaryDirectory(t), 'key.json')
  execFileSync('sh', ['-c', lineWith('generateKey').replace('.data/key.json', keyFile)], { cwd: ROOT })
  const environment = { PORT: '0', KEY_FILE: keyFile, REDIS_URL: `redis://127.0.0.1:${redis.port}` }
  const examples = await Promise.all(
    Array.from({ length: SERVERS }, () => startExample(t, 'fleet/main.ts', environment)),
  )
  const servers = examples.map(({ lines }): Server => {
    const [, port] = /on http:\/\/127\.0\.0\.1:(\d+)/.exec(lines.join('\n')) ?? []
    return (...request) => send({ port: Number(port), defaults: proxied }, ...request)
  })
  return { redis, examples, servers: servers as [Server, Server, Server] } // so many were started
}

// Only what hangs takes that long.
const PATIENCE_MS = 30_000
const TEST_MS = 180_000

/**
 * Asks until the answer has this status; any other than these is a failure.
 *
 * @returns when the last request was sent that was let in, or -Infinity
 */
async function until(
  t: ExecutionContext,
  status: number,
  before: readonly number[],
  ask: () => Promise<Response>,
): Promise<number> {
  const start = performance.now()
  let admitted = -Infinity
  for (;;) {
    const sent = performance.now()
    const answer = await ask()
    if (answer.status === status) return admitted
    t.true(before.includes(answer.status), String(answer.status))
    if (answer.status === 200) admitted = sent
    if (sent - start > PATIENCE_MS) throw new Error(`expected ${status} within ${PATIENCE_MS} ms`)
    await wait(5)
  }
}

run(
  'who logs in at one server is known to the others, and who logs out at one is refused by them in time',
  async (t) => {
    t.timeout(TEST_MS)
    const { examples, servers } = await startFleet(t)
    let latest = 0
    for (let round = 0; round < 10; round += 1) {
      const [one, other] = [servers[round % SERVERS], servers[(round + 1) % SERVERS]] as [Server, Server]
      const pair = bearer(toLogin(await one(...LOGIN, BODY)))
      const answers = await Promise.all(servers.map((server) => server('GET', '/me', pair)))
      t.true(answers.every(({ status, json }) => status === 200 && json['sub'] === 'alice'))
      t.is(new Set(answers.map(({ json }) => json['server'])).size, SERVERS)
      t.is((await other('POST', '/auth/logout', pair)).status, 204)
      const ended = performance.now()
      t.is((await other('GET', '/me', pair)).status, 401)
      // On a busy machine a server may lose sight of Redis for a moment; that is no reason to let anyone in.
      const admitted = await Promise.all(
        servers.map((server) => until(t, 401, [200, 503], () => server('GET', '/me', pair))),
      )
      latest = Math.max(latest, ...admitted.map((time) => time - ended))
    }
    t.log(`let in for ${Math.ceil(latest)} ms at most`)
    t.true(latest < BOUND_MS)
    const ends = await Promise.all(examples.map((example) => example.stop('SIGTERM')))
    t.deepEqual(
      ends.map(({ code }) => code),
      [0, 0, 0],
    )
  },
)

run('a server that loses sight of Redis answers 503 after two seconds, and goes on once Redis does', async (t) => {
  t.timeout(TEST_MS)
  const { redis, servers } = await startFleet(t)
  const [one, other] = servers
  const pair = bearer(toLogin(await one(...LOGIN, BODY)))
  t.is((await other('GET', '/me', pair)).status, 200)
  redis.stop()
  const stopped = performance.now()
  await Promise.all(servers.map((server) => until(t, 503, [200], () => server('GET', '/me', pair))))
  // Whatever is asked later than that is not believed, however busy the machine.
  await wait(Math.max(0, BOUND_MS + 100 - (performance.now() - stopped)))
  for (const server of servers) {
    const { status, headers } = await server('GET', '/me', pair)
    t.is(status, 503)
    t.truthy(headers['retry-after'])
  }
  t.is((await one(...LOGIN, BODY)).status, 503)
  redis.cont()
  await Promise.all(servers.map((server) => until(t, 200, [503], () => server('GET', '/me', pair))))
})
