// The fault campaign: `npm run faults -- [rounds] [seed]`. Four servers on one Redis, users who log in, refresh and are
// revoked, and in each round another fault begins: a server or Redis is killed, paused or emptied, a link is cut, held or
// slow. Some last for longer than servers may be out of date, and they overlap.
//
// What must hold, for every revocation that was acknowledged: no request that began later than the staleness bound after
// the acknowledgement was let in. And every session that nobody ended still works.

import { setTimeout as wait } from 'node:timers/promises'

import { generateKey } from '../../src/index.ts'
import { createClient } from './client.ts'
import { type Fault, FAULTS, mayBegin, type Scene } from './faults.ts'
import { type Server, startFleet } from './fleet.ts'
import { createHistory } from './history.ts'
import { createProbe } from './probe.ts'
import { createRandom, pick, shuffle } from './random.ts'
import { createSessions, type Loss } from './sessions.ts'
import { createUsers } from './users.ts'

const SERVERS = 4
const MAX_STALENESS_S = 2
/** What `maxStaleness` promises, and a little for this machine to be slow. */
const BOUND_MS = MAX_STALENESS_S * 1000 + 250
/** A fault begins so long after the one before. */
const ROUND_MS = 500
/** Redis is in trouble less often than a server, and then left alone for a while: in between something is acknowledged. */
const DECK = Object.entries(FAULTS).flatMap(([name, { on }]) =>
  Array.from({ length: on === 'server' ? 4 : 1 }, () => name),
)
const CALM_MS = 1000
/** How many users act at the same time. */
const LANES = 24

const [rounds = 200, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number)
if (!(Number.isSafeInteger(rounds) && rounds > 0 && Number.isSafeInteger(seed))) {
  throw new TypeError('expected: npm run faults -- [rounds] [seed]')
}
// Whatever ends this process ends what it started: the servers and Redis are killed as it exits.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

const history = createHistory()
const env = {
  KEY: JSON.stringify(await generateKey()),
  ISSUER: 'https://app.example',
  MAX_STALENESS: `${MAX_STALENESS_S}`,
}
const fleet = await startFleet({ size: SERVERS, env, history })
// Two, so that what goes wrong is as good as the same for the same seed, however fast the users are.
const [random, usersRandom] = [createRandom(seed), createRandom(seed + 1)]
const client = createClient({ fleet, random: usersRandom, history })
const sessions = createSessions(fleet.servers)
const probe = createProbe(fleet, client)
const users = createUsers({ fleet, client, sessions, random: usersRandom, history, bound: BOUND_MS })
const lose = (): Loss => sessions.lose(probe.heard)

const counts = new Map(Object.keys(FAULTS).map((name) => [name, 0]))
const lasting = new Map<Fault, { readonly server: Server; readonly mended: Promise<void> }>()
const deck: string[] = []

/** The next of a shuffled deck that may begin now; undefined when none may. */
function draw(): string | undefined {
  if (deck.length < DECK.length) deck.push(...shuffle(random, DECK))
  const at = deck.findIndex((name) => mayBegin(must(FAULTS[name]), [...lasting.keys()]))
  return deck.splice(at, at === -1 ? 0 : 1)[0]
}

function begin(name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
  const troubled = new Set([...lasting].map(([{ on }, { server }]) => (on === 'server' ? server : undefined)))
  const free = fleet.servers.filter((server) => !troubled.has(server))
  const server = must(pick(random, free))
  // One in three lasts for so long that a server is out of date, and then there is time to ask it.
  const milliseconds = random() < 1 / 3 ? BOUND_MS + 500 + random() * 1500 : random() * ROUND_MS
  const fault = { ...must(FAULTS[name]) }
  const scene = { fleet, history, lose, server, milliseconds, degree: random() }
  lasting.set(fault, { server, mended: last(fault, scene, fault.on === 'server' ? `${name}: ${server.name}` : name) })
}

async function last(fault: Fault, scene: Scene, name: string): Promise<void> {
  history.note('', `fault: ${name}`)
  await fault.run(scene)
  history.note('', `mended: ${name}`)
  if (fault.on === 'Redis') await wait(CALM_MS)
  lasting.delete(fault)
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('nothing to choose from')
  return value
}

const started = performance.now()
function say(text: string): void {
  const seconds = Math.round((performance.now() - started) / 1000)
  const { revocations, violations, broken } = users.tally
  console.log(`${text}  ${seconds} s  ${revocations} revocations, ${violations} violations, ${broken} broken`)
}

console.log(`${rounds} rounds, seed ${seed}: ${SERVERS} servers, staleness at most ${MAX_STALENESS_S} s`)
const over = new AbortController()
const lanes = Array.from({ length: LANES }, async () => {
  while (!over.signal.aborted) await users.act()
})
lanes.push(probe.run(over.signal))
for (let round = 1; round <= rounds; round += 1) {
  let name = draw()
  for (; name === undefined; name = draw()) await Promise.race([...lasting.values()].map(({ mended }) => mended))
  begin(name)
  await wait(ROUND_MS)
  if (process.stdout.isTTY || round % 10 === 0) say(`${round}/${rounds}`)
}
await Promise.all([...lasting.values()].map(({ mended }) => mended))
over.abort()
await Promise.all(lanes)
await users.check(LANES)
client.close()
await fleet.close()

for (const [name, count] of counts) console.log(`${String(count).padStart(6)}  ${name}`)
console.log(JSON.stringify({ ...client.tally, ...users.tally, doubted: sessions.doubted }, null, 2))
const { late, live, violations, broken } = users.tally
// A campaign that has checked nothing has shown nothing.
const isPassed = violations + broken === 0 && late > 0 && live > 0
say(isPassed ? 'passed' : 'FAILED')
process.exit(isPassed ? 0 : 1)
