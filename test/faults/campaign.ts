// The fault campaign: `npm run faults -- [rounds] [seed]`. Four servers on one Redis, users who log in, refresh and are
// revoked, and in each round a fault: a server or Redis is killed, Redis is paused or emptied, a link is cut, held or slow.
//
// What must hold, for every revocation that was acknowledged: no request that began later than the staleness bound after
// the acknowledgement was let in. And every session that nobody ended still works.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { generateKey } from '../../src/index.ts'
import { type Response, send } from '../helpers/http.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { createLink, type Link } from './proxy.ts'

const SERVERS = 4
const MAX_STALENESS_S = 2
/** What `maxStaleness` promises, and a little for this machine to be slow. */
const BOUND_MS = MAX_STALENESS_S * 1000 + 250
/** How long an answer can be lost; a little less than the kit's ten seconds. */
const GRACE_MS = 8000
/** How long a round lasts at least; the fault is mended within it. */
const ROUND_MS = 600
/** How many users act at the same time. */
const LANES = 6
const ISSUER = 'https://app.example'
const HEADERS = { Host: 'app.example', 'X-Forwarded-Proto': 'https', 'Content-Type': 'application/json' }

const [rounds = 200, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number)
const random = createRandom(seed)
const agent = new Agent({ keepAlive: true, timeout: 3000 })
const key = JSON.stringify(await generateKey())

interface Server {
  process: ChildProcess
  port: number
  readonly link: Link
  isUp: boolean
}

interface Session {
  readonly sub: string
  readonly sid: string
  token: string
  cookie: string
  refreshCookie: string
  /** Unknown where an end was asked for and not acknowledged. */
  state: 'live' | 'ended' | 'unknown'
  /** When its end was acknowledged. */
  acknowledged: number
  /** Whether its record may be lost: Redis was emptied since. */
  isLost: boolean
  /** Whether a refresh is under way: an honest client has one at a time. */
  isRefreshing: boolean
}

const tally = {
  requests: 0,
  accepted: 0,
  unavailable: 0,
  revocations: 0,
  unacknowledged: 0,
  violations: 0,
  broken: 0,
  checked: 0,
}
const sessions: Session[] = []
let redis: RedisServer
let servers: Server[] = []

async function startServer(link: Link): Promise<Pick<Server, 'process' | 'port'>> {
  const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), {
    execArgv: ['--import=tsx'],
    env: { ...process.env, REDIS_PORT: String(link.port), KEY: key, ISSUER, MAX_STALENESS: String(MAX_STALENESS_S) },
  })
  const [message] = (await once(child, 'message')) as [{ port: number }]
  return { process: child, port: message.port }
}

async function restart(server: Server): Promise<void> {
  server.isUp = false
  const gone = once(server.process, 'exit')
  server.process.kill('SIGKILL')
  await gone
  Object.assign(server, await startServer(server.link), { isUp: true })
}

async function request(
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: object,
): Promise<Response | undefined> {
  const up = servers.filter(({ isUp }) => isUp)
  const { port } = pick(up)
  tally.requests += 1
  const text = body && JSON.stringify(body)
  return send({ port, agent, defaults: HEADERS }, method, path, headers, text).catch(() => undefined)
}

/** When Redis was last emptied, Infinity while it is being. */
let lastEmptied = 0

/** When the last revocation of a subject ended, Infinity while one is under way. */
const lastRevoked = new Map<string, number>()

async function logIn(): Promise<void> {
  const sub = `user-${Math.floor(random() * 20)}`
  const began = performance.now()
  const answer = await request('POST', '/auth/login', {}, { sub })
  if (answer?.status !== 200) return
  // What is revoked of the user meanwhile may or may not be this one.
  const state = (lastRevoked.get(sub) ?? 0) > began ? 'unknown' : 'live'
  const session: Session = {
    ...{
      sub,
      state,
      sid: String(answer.json['sid']),
      acknowledged: Infinity,
      isLost: lastEmptied > began,
      isRefreshing: false,
    },
    ...{ token: '', cookie: '', refreshCookie: '' },
  }
  adopt(session, answer)
  sessions.push(session)
}

function adopt(session: Session, answer: Response): void {
  session.token = String(answer.json['access_token'])
  const [cookie = '', refreshCookie = ''] = answer.cookies.map((line) => line.split(';')[0] ?? '')
  Object.assign(session, { cookie, refreshCookie })
}

/** The check that all of this is for. */
async function use(session: Session): Promise<Response | undefined> {
  const began = performance.now()
  const { token, cookie } = session
  const answer = await request('GET', '/me', { Authorization: `Bearer ${token}`, Cookie: cookie })
  if (answer?.status === 503) tally.unavailable += 1
  if (answer?.status !== 200) return answer
  tally.accepted += 1
  if (began > session.acknowledged + BOUND_MS) {
    tally.violations += 1
    console.error(
      `VIOLATION: ${session.sid} was let in ${Math.round(began - session.acknowledged)} ms after its end was acknowledged`,
    )
  }
  return answer
}

/** As an honest client does: one at a time, and once more when the answer is lost, while the old token is still good. */
async function refresh(session: Session): Promise<void> {
  if (session.isRefreshing) return
  session.isRefreshing = true
  const deadline = performance.now() + GRACE_MS
  let answer: Response | undefined
  do {
    const { cookie, refreshCookie } = session
    answer = await request('POST', '/auth/refresh', { Cookie: `${cookie}; ${refreshCookie}` })
    if (answer === undefined || answer.status === 503) await wait(50)
  } while ((answer === undefined || answer.status === 503) && performance.now() < deadline)
  session.isRefreshing = false
  if (answer?.status === 200) return adopt(session, answer)
  if (session.state !== 'live' || session.isLost) return
  if (answer?.status === 401) {
    tally.broken += 1
    console.error(`BROKEN: ${session.sid} is live, and its refresh was answered 401`)
  }
  session.state = 'unknown'
}

async function end(session: Session): Promise<void> {
  const { sid, token, cookie, sub } = session
  const how = random()
  const isAll = how > 0.85
  const ending = isAll ? sessions.filter((one) => one.sub === sub) : [session]
  for (const one of ending) if (one.state === 'live') one.state = 'unknown'
  if (isAll) lastRevoked.set(sub, Infinity)
  const answer =
    how < 0.4
      ? await request('POST', '/auth/logout', { Authorization: `Bearer ${token}`, Cookie: cookie })
      : await request('POST', isAll ? `/revoke/sub/${sub}` : `/revoke/sid/${sid}`, {})
  if (isAll) lastRevoked.set(sub, performance.now())
  if (answer?.status !== 204) {
    tally.unacknowledged += 1
    return
  }
  for (const one of ending) {
    if (one.acknowledged === Infinity) tally.revocations += 1
    one.state = 'ended'
    one.acknowledged = Math.min(one.acknowledged, performance.now())
  }
}

async function operate(): Promise<void> {
  const [known, what] = [pick(sessions), random()]
  if (known === undefined || what < 0.15) return logIn()
  if (what < 0.75) return void (await use(known))
  if (what < 0.88) return refresh(known)
  return end(known)
}

/** What goes wrong in a round; answers what puts it right. */
const FAULTS: Readonly<Record<string, () => Promise<() => Promise<void> | void>>> = {
  async nothing() {
    return () => {}
  },
  async 'a server is killed'() {
    const restarted = restart(pick(servers))
    return () => restarted
  },
  async 'Redis is killed'() {
    await redis.kill()
    return () => redis.restart()
  },
  async 'Redis is paused'() {
    redis.stop()
    return () => redis.cont()
  },
  async 'Redis is emptied'() {
    lastEmptied = Infinity
    for (const session of sessions) session.isLost = true
    await redis.command('FLUSHALL')
    lastEmptied = performance.now()
    return () => {}
  },
  async 'a link is cut'() {
    const { link } = pick(servers)
    link.cut()
    return () => link.mend()
  },
  async 'a link is held'() {
    const { link } = pick(servers)
    link.hold()
    return () => link.mend()
  },
  async 'a link is slow'() {
    const { link } = pick(servers)
    link.slow(Math.floor(random() * 400))
    return () => link.mend()
  },
}

async function runRound(round: number): Promise<void> {
  const fault = pick(Object.keys(FAULTS))
  const until = performance.now() + ROUND_MS
  const lanes = Array.from({ length: LANES }, async () => {
    while (performance.now() < until) await operate()
  })
  const mend = (await FAULTS[fault]?.()) ?? (() => {})
  await wait(random() * ROUND_MS)
  await mend()
  await Promise.all(lanes)
  if (process.stdout.isTTY || round % 20 === 0) console.log(`${round}/${rounds}  ${fault}`)
}

/** After all is mended: who was not ended must get in, and who was ended must not. */
async function settle(): Promise<void> {
  const deadline = performance.now() + 30_000
  await wait(BOUND_MS)
  for (const session of sessions) {
    if (session.state === 'unknown') continue
    tally.checked += 1
    for (const server of servers) {
      let answer: Response | undefined
      do answer = await useAt(server, session)
      while ((answer === undefined || answer.status === 503) && performance.now() < deadline)
      const isRight = answer?.status === (session.state === 'live' ? 200 : 401)
      if (isRight) continue
      tally.broken += 1
      console.error(`BROKEN: ${session.sid} is ${session.state}, and a server answered ${answer?.status}`)
    }
    if (session.state === 'live' && !session.isLost) await checkRefresh(session)
  }
}

async function useAt({ port }: Server, { token, cookie }: Session): Promise<Response | undefined> {
  const headers = { Authorization: `Bearer ${token}`, Cookie: cookie }
  return send({ port, agent, defaults: HEADERS }, 'GET', '/me', headers).catch(() => undefined)
}

async function checkRefresh({ sid, cookie, refreshCookie }: Session): Promise<void> {
  const answer = await request('POST', '/auth/refresh', { Cookie: `${cookie}; ${refreshCookie}` })
  if (answer?.status === 200) return
  tally.broken += 1
  console.error(`BROKEN: ${sid} is live, and its refresh was answered ${answer?.status}`)
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T // of an empty array: undefined, which callers look for
}

/** Mulberry32: small, and the same for the same seed. */
function createRandom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

console.log(`${rounds} rounds, seed ${seed}: ${SERVERS} servers, staleness at most ${MAX_STALENESS_S} s`)
redis = await startRedis({ appendfsync: 'always' })
try {
  for (let i = 0; i < SERVERS; i += 1) {
    const link = await createLink(redis.port)
    servers.push({ ...(await startServer(link)), link, isUp: true })
  }
  for (let round = 1; round <= rounds; round += 1) await runRound(round)
  await settle()
} finally {
  for (const { process: child, link } of servers) {
    child.kill('SIGKILL')
    link.close()
  }
  await redis.close()
  agent.destroy()
}
console.log(JSON.stringify(tally, null, 2))
console.log(
  `${tally.revocations} acknowledged revocations, ${tally.violations} violations; ` +
    `${tally.checked} sessions checked at the end, ${tally.broken} wrong answers`,
)
process.exitCode = tally.violations + tally.broken === 0 ? 0 : 1
