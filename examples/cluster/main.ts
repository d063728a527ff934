// Several processes on one port that share one LMDB file: log out in one, and all of them refuse the token at once.
// PORT, WORKERS and DATA_DIR say where and how many; PORT=0 takes a free port.

import cluster from 'node:cluster'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

import { generateKey } from 'koa-holdfast'

import { serve } from './worker.ts'

const { PORT = '3000', WORKERS, DATA_DIR = '.data' } = process.env
const keyFile = join(DATA_DIR, 'key.json')

if (cluster.isPrimary) await lead()
else await serve({ port: Number(PORT), path: join(DATA_DIR, 'cluster.lmdb'), key: await readFile(keyFile, 'utf8') })

/** Makes the key that all of them sign with, starts the workers, and replaces whichever ends. */
async function lead(): Promise<void> {
  await mkdir(DATA_DIR, { recursive: true, mode: 0o700 })
  const key = JSON.stringify(await generateKey())
  await writeFile(keyFile, key, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  let isEnding = false
  cluster.on('listening', ({ process: { pid } }, { port }) =>
    console.log(`worker ${pid} serves http://localhost:${port}`),
  )
  cluster.on('exit', ({ process: { pid }, exitedAfterDisconnect }) => {
    console.log(`worker ${pid} has ended`)
    if (!isEnding && !exitedAfterDisconnect) cluster.fork()
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      isEnding = true
      cluster.disconnect()
    })
  }
  const count = WORKERS === undefined ? Math.min(Math.max(availableParallelism(), 2), 4) : Number(WORKERS)
  for (let i = 0; i < count; i += 1) cluster.fork()
}
