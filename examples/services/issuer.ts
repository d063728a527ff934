// The issuer: the only one that signs. Users log in here; its JWKS and its revocation list are all that services need.
// PORT, ORDERS, REPORTS, PAYMENTS and DATA_DIR say where everybody is.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { Router } from '@koa/router'
import Koa from 'koa'
import { type AuthState, createKeySet, createSessionKit } from 'koa-holdfast'
import { lmdbStore } from 'koa-holdfast/store/lmdb'

const { PORT = '3000', DATA_DIR = '.data' } = process.env
const { ORDERS = 'http://localhost:3001', REPORTS = 'http://localhost:3002' } = process.env
const { PAYMENTS = 'http://localhost:3003' } = process.env
// For this example only: payments has the same.
const { PAYMENTS_SECRET = '6f1c3a5e9b7d2048c1e5f3a7092b4d6e8f0a1c3b5d7e9f2a4c6e8b0d1f3a5c7e' } = process.env
const issuer = `http://localhost:${PORT}`

await mkdir(DATA_DIR, { recursive: true, mode: 0o700 })
const store = lmdbStore({ path: join(DATA_DIR, 'services.lmdb') })
const kit = await createSessionKit({
  issuer,
  audience: [issuer, ORDERS, PAYMENTS], // whom the users' own tokens are for
  keys: await createKeySet(), // fresh at each start; keep one with generateKey()
  store,
  clients: [{ id: PAYMENTS, secret: PAYMENTS_SECRET }], // who may ask about tokens
  // On other hosts of one site, say here and in orders: cookie: { domain: 'app.example' }
  authenticate: (ctx) => {
    const { username, password } = ctx.request.body
    return username === 'alice' && password === 'wonderland' ? { sub: 'alice', scope: 'read' } : null
  },
})

const router = new Router<AuthState>()
// Reports is no place for browsers: the app asks there for the user, with a token that is good for nothing else.
router.get('/report', kit.protect(), async (ctx) => {
  const { access_token: token } = await kit.delegate(ctx, { audience: REPORTS, scope: 'read' })
  const response = await fetch(`${REPORTS}/report`, { headers: { Authorization: `Bearer ${token}` } })
  ctx.status = response.status
  ctx.body = await response.json()
})

const app = new Koa()
app.use(kit.routes())
app.use(router.routes())
const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`The issuer is on ${issuer}`))

process.once('SIGTERM', () => {
  server.close(() => void kit.close().then(() => store.close()))
  server.closeIdleConnections()
})
