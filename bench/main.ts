// The benchmark: the kit and its peers side by side in one run. `npm run bench` writes docs/performance.md and its chart;
// `npm run bench -- --quick` shows that it works; `npm run bench -- --only flood,repeated/kit` runs a part.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { constants, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { generateKey } from 'koa-holdfast'

import { type RedisServer, startRedis } from '../test/helpers/redis.ts'
import { CORES, pin, startServer } from './child.ts'
import { printFindings, writeReport } from './report.ts'
import type { Bench, Findings } from './section.ts'
import { runDistinct } from './sections/distinct.ts'
import { runFlood } from './sections/flood.ts'
import { runGrowth } from './sections/growth.ts'
import { runInProcess } from './sections/in-process.ts'
import { runRepeated } from './sections/repeated.ts'

const SECTIONS = {
  repeated: runRepeated,
  distinct: runDistinct,
  growth: runGrowth,
  'in-process': runInProcess,
  flood: runFlood,
} as const

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const only = values.only?.split(',')
// Redis shares the core of the load, and goes first there: the load never sleeps. Where it is allowed, both and the servers
// go before whatever else runs here, which would be taken for latency.
pin(process, 'load')
const goesFirst = raisePriority()
const redis = await openRedis()
setPriority(goesFirst ? constants.priority.PRIORITY_ABOVE_NORMAL : constants.priority.PRIORITY_BELOW_NORMAL)
const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
const jwk = await generateKey()
let stores = 0

const bench: Bench = {
  isQuick: values.quick,
  jwk,
  // Either way: a section is wanted when one of its subjects is.
  wants: (name) => only?.some((one) => name.includes(one) || one.startsWith(`${name}/`)) ?? true,
  progress(text) {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
  },
  async start({ id, file, options, needsRedis = false }) {
    if (needsRedis && redis === undefined) {
      console.log(`${id} is left out: there is no redis-server here`)
      return undefined
    }
    stores += 1
    const place = { path: join(directory, `store-${stores}`), prefix: `bench-${stores}:`, redis: redis?.port }
    return startServer(file, { jwk, ...place, ...options })
  },
}

installPeers()
console.log(
  CORES === undefined
    ? 'Processes are not pinned: there is no taskset here, or one core only.'
    : `Servers on core ${CORES.server}, the load on core ${CORES.load}.`,
)
const began = performance.now()
const found: Findings[] = []
for (const [name, run] of Object.entries(SECTIONS)) {
  if (!bench.wants(name)) continue
  const findings = await run(bench)
  bench.progress('')
  printFindings(findings)
  found.push(findings)
}
if (found.length === 0)
  throw new Error(`--only: expected ${Object.keys(SECTIONS).join(', ')}, or parts of them such as repeated/kit`)
const seconds = Math.round((performance.now() - began) / 1000)
console.log(`\n${seconds} s`)
if (values.quick) console.log('All of it works and every answer was right. Figures of a quick run mean nothing.')
if (!values.quick && only === undefined) writeReport(found, seconds)
await redis?.close()
rmSync(directory, { recursive: true, force: true })
process.exit()

async function openRedis(): Promise<RedisServer | undefined> {
  try {
    return await startRedis({ appendonly: 'no' })
  } catch {
    return undefined
  }
}

/** What is started from here on inherits it. */
function raisePriority(): boolean {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST)
    return true
  } catch {
    return false
  }
}

/** On the first run: the peers are of no use but here. */
function installPeers(): void {
  const folder = fileURLToPath(new URL('peers/', import.meta.url))
  if (existsSync(join(folder, 'node_modules/.package-lock.json'))) return
  console.log('Installing the peers, once.')
  execFileSync('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error'], { stdio: 'inherit' })
}
