// One of the processes: a kit on the file that all of them share.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { Router } from '@koa/router'
import Koa from 'koa'
import { type AuthState, createKeySet, createSessionKit, type SessionKit } from 'koa-holdfast'
import { lmdbStore } from 'koa-holdfast/store/lmdb'

type Handler = ReturnType<Koa['callback']>

/**
 * Serves until the primary disconnects it.
 *
 * @param options.path - the LMDB file, the same for all
 * @param options.key - the signing key, the same for all
 */
export async function serve(options: {
  readonly port: number
  readonly path: string
  readonly key: string
}): Promise<void> {
  const store = lmdbStore({ path: options.path })
  const keys = await createKeySet({ keys: [options.key] })
  let handle: Promise<Handler>
  const server = createServer((request, response) => void handle.then((answer) => answer(request, response)))
  // First of all: the port is part of the issuer.
  const issuer = `http://localhost:${await listen(server, options.port)}`
  const creating = createSessionKit({
    issuer,
    keys,
    store,
    authenticate: (ctx) => {
      const { username, password } = ctx.request.body
      return username === 'alice' && password === 'wonderland' ? { sub: 'alice' } : null
    },
  })
  handle = creating.then(createHandler)
  const kit = await creating

  process.once('disconnect', () => {
    server.closeAllConnections()
    void kit.close().then(() => store.close())
  })
  // A terminal's ^C reaches all; the primary ends them.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
}

function createHandler(kit: SessionKit): Handler {
  const app = new Koa()
  const router = new Router<AuthState>()
  router.get('/me', kit.protect(), (ctx) => {
    ctx.body = { sub: ctx.state.auth.sub, worker: process.pid }
  })
  app.use(kit.routes())
  app.use(router.routes())
  return app.callback()
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // the cast holds: it listens on a port
}
