// The process of one server that is measured: starts the file that it is told, says where it listens and what to send,
// and answers what it has cost so far. Plain Node, so that nothing is timed but what an application would run.

import { once } from 'node:events'
import { PerformanceObserver } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'

const [file = '', options = '{}'] = process.argv.slice(2)
const { create } = await import(pathToFileURL(file).href)
const { server, signIn, grow, count = () => ({}) } = await create(JSON.parse(options))
// A connection is never given up while a request is on its way.
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address()
const { good, bad } = await signIn(`http://127.0.0.1:${port}`)

// In milliseconds, since it began.
let collecting = 0
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collecting += duration
}).observe({ entryTypes: ['gc'] })

process.on('disconnect', () => process.exit())
process.on('message', (message) => void answer(message))

async function answer({ collect = false, more }) {
  if (more !== undefined) await grow(more)
  // What a first collection finalises only a later one frees.
  if (collect) for (let i = 0; i < 3; i += 1) globalThis.gc()
  const { user, system } = process.cpuUsage()
  process.send({ cpu: user + system, collecting: collecting * 1000, memory: process.memoryUsage(), counts: count() })
}

process.send({ port, good, bad })
