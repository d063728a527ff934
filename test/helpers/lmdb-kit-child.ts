// A server with a kit on an LMDB store, in a process of its own: it takes its key and the store's path, and says its port.

import { once } from 'node:events'

import { Router } from '@koa/router'
import Koa from 'koa'

import { type AuthState, createKeySet, createSessionKit } from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { portOf } from './http.ts'

// The cast is what lmdb.test.ts passes.
const { key, path } = JSON.parse(process.argv[2] ?? '') as { readonly key: string; readonly path: string }

const kit = await createSessionKit({
  issuer: 'http://localhost',
  keys: await createKeySet({ keys: [key] }),
  store: lmdbStore({ path }),
  limiter: false,
  authenticate: (ctx) => ({ sub: String(ctx.request.body['sub']) }),
})
const router = new Router<AuthState>()
router.get('/me', kit.protect(), (ctx) => {
  ctx.body = { sub: ctx.state.auth.sub }
})
const app = new Koa()
app.use(kit.routes())
app.use(router.routes())
const server = app.listen(0, '127.0.0.1')
server.keepAliveTimeout = 0
await once(server, 'listening')
process.on('disconnect', () => process.exit())
process.send?.(portOf(server))
