// One server process of the fault campaign: the kit on Redis, and an application that can revoke.

import { once } from 'node:events'

import { Router } from '@koa/router'
import { createClient } from '@redis/client'
import Koa from 'koa'

import { type AuthState, createKeySet, createSessionKit } from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import { portOf } from '../helpers/http.ts'

const { REDIS_PORT = '', KEY = '', ISSUER = '', MAX_STALENESS = '' } = process.env

const client = createClient({
  socket: { host: '127.0.0.1', port: Number(REDIS_PORT), reconnectStrategy: 50, connectTimeout: 500 },
})
// Faults are what this is about.
client.on('error', () => {})
await client.connect()

const kit = await createSessionKit({
  issuer: ISSUER,
  keys: await createKeySet({ keys: [KEY] }),
  store: redisStore({ client, timeout: '500ms' }),
  maxStaleness: Number(MAX_STALENESS),
  limiter: false,
  authenticate: (ctx) => ({ sub: String(ctx.request.body['sub']) }),
})

const router = new Router<AuthState>()
router.get('/me', kit.protect(), (ctx) => {
  ctx.body = { sid: ctx.state.auth.sid }
})
router.post('/revoke/:kind/:name', async (ctx) => {
  const { kind, name } = ctx.params
  await kit.revoke(kind === 'sub' ? { sub: String(name) } : { sid: String(name) })
  ctx.status = 204
})

const app = new Koa({ proxy: true })
app.silent = true
app.use(kit.routes())
app.use(router.routes())
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
process.on('disconnect', () => process.exit())
process.send?.({ port: portOf(server) })
