// The cluster example: several processes on one port that share one LMDB file.

import { Agent } from 'node:http'

import test, { type ExecutionContext } from 'ava'

import { bearer, toLogin } from '../helpers/app.ts'
import { type Example, startExample, temporaryDirectory } from '../helpers/example.ts'
import { type RequestHeaders, type Response, send } from '../helpers/http.ts'

const FILE = 'cluster/main.ts'
const WORKERS = 3
const LOGIN = ['POST', '/auth/login', { 'Content-Type': 'application/json' }] as const
const BODY = '{"username":"alice","password":"wonderland"}'

type Pair = ReturnType<typeof bearer>
type Connection = (method: string, path: string, headers?: RequestHeaders, body?: string) => Promise<Response>

const pidsOf = (lines: readonly string[], pattern: RegExp): number[] =>
  lines.flatMap((line) => pattern.exec(line)?.[1] ?? []).map(Number)

async function startCluster(t: ExecutionContext): Promise<Example> {
  const app = await startExample(t, FILE, {
    PORT: '0',
    WORKERS: String(WORKERS),
    DATA_DIR: await temporaryDirectory(t),
  })
  await app.line(() => pidsOf(app.lines, /^worker (\d+) serves/).length === WORKERS)
  return app
}

/** A connection that stays open, and so stays with one worker. */
function connect(t: ExecutionContext, { url }: Example): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const { host, port } = new URL(url)
  return (...request) => send({ port: Number(port), agent, defaults: { Host: host } }, ...request)
}

/** One connection to each worker, by its process id. */
async function connectToAll(t: ExecutionContext, app: Example, pair: Pair): Promise<Map<number, Connection>> {
  const connections = new Map<number, Connection>()
  // They take turns, so this is soon over.
  for (let i = 0; i < 50 && connections.size < WORKERS; i += 1) {
    const connection = connect(t, app)
    const { status, json } = await connection('GET', '/me', pair)
    t.is(status, 200)
    connections.set(Number(json['worker']), connections.get(Number(json['worker'])) ?? connection)
  }
  t.is(connections.size, WORKERS)
  return connections
}

async function login(connection: Connection): Promise<Pair> {
  return bearer(toLogin(await connection(...LOGIN, BODY)))
}

test.serial('a logout through one connection is refused by all workers at once', async (t) => {
  const app = await startCluster(t)
  const first = await login(connect(t, app))
  const connections = await connectToAll(t, app, first)
  const workers = [...connections.values()]
  for (let round = 0; round < 30; round += 1) {
    const pair = await login(workers[round % WORKERS] ?? t.fail())
    for (const [pid, connection] of connections) {
      const { status, json } = await connection('GET', '/me', pair)
      t.deepEqual([status, json['worker']], [200, pid])
    }
    t.is((await (workers[(round + 1) % WORKERS] ?? t.fail())('POST', '/auth/logout', pair)).status, 204)
    const answers = await Promise.all(workers.map((connection) => connection('GET', '/me', pair)))
    t.deepEqual(
      answers.map(({ status }) => status),
      workers.map(() => 401),
    )
  }
  t.is((await app.stop('SIGTERM')).code, 0)
})

test.serial('a worker that is killed is replaced by one that knows every session and every logout', async (t) => {
  const app = await startCluster(t)
  const kept = await login(connect(t, app))
  const ended = await login(connect(t, app))
  const connections = await connectToAll(t, app, kept)
  t.is((await connect(t, app)('POST', '/auth/logout', ended)).status, 204)
  const [victim = 0] = connections.keys()
  process.kill(victim, 'SIGKILL')
  await app.line((line) => line === `worker ${victim} has ended`)
  await app.line(() => pidsOf(app.lines, /^worker (\d+) serves/).length === WORKERS + 1)
  const successor = pidsOf(app.lines, /^worker (\d+) serves/).at(-1)
  const after = await connectToAll(t, app, kept)
  t.true(successor !== undefined && after.has(successor) && !after.has(victim))
  for (const [pid, connection] of after) t.is((await connection('GET', '/me', ended)).status, 401, String(pid))
})
