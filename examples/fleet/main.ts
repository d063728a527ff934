// One server of a fleet: start as many as you like, on one Redis and with one key. Logging out at one of them holds at all.

import { readFile } from 'node:fs/promises'

import { Router } from '@koa/router'
import { createClient } from '@redis/client'
import Koa from 'koa'
import { createKeySet, createSessionKit } from 'koa-holdfast'
import { redisStore } from 'koa-holdfast/store/redis'

const { PORT = '3001', HOST = '127.0.0.1', REDIS_URL = 'redis://127.0.0.1:6379' } = process.env
const { ISSUER = 'http://localhost:3000', KEY_FILE = '.data/key.json' } = process.env

// A client that fails fast: what it cannot send now is answered with 503, not kept in a queue.
const client = createClient({ url: REDIS_URL, disableOfflineQueue: true, socket: { reconnectStrategy: 200 } })
client.on('error', (error: Error) => console.error(`Redis: ${error.message}`))
await client.connect()

const kit = await createSessionKit({
  issuer: ISSUER, // where browsers reach the load balancer
  keys: await createKeySet({ keys: [await readFile(KEY_FILE, 'utf8')] }),
  store: redisStore({ client }),
  maxStaleness: '2s', // a server that has not heard of Redis for so long answers 503
  authenticate: (ctx) => {
    const { username, password } = ctx.request.body
    return username === 'alice' && password === 'wonderland' ? { sub: 'alice' } : null
  },
})

const router = new Router()
router.get('/me', kit.protect(), (ctx) => {
  ctx.body = { sub: ctx.state.auth.sub, server: process.pid }
})

const app = new Koa({ proxy: true }) // behind the load balancer
app.use(kit.routes())
app.use(router.routes())
const server = app.listen(Number(PORT), HOST, () => {
  const { port } = server.address() as { port: number } // it listens on a port
  console.log(`Server ${process.pid} of ${ISSUER} on http://${HOST}:${port}`)
})

process.once('SIGTERM', () => {
  server.close(() => void kit.close().then(() => client.destroy()))
  server.closeIdleConnections()
})
