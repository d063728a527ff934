// A service that browsers call: it demands the token, its cookie and, by following the issuer's revocation list, that the
// user has not logged out. It holds public keys only.

import { join } from 'node:path'

import Koa from 'koa'
import { protect, type ServiceState } from 'koa-holdfast/protect'
import { lmdbStore } from 'koa-holdfast/store/lmdb'
import { createVerifier } from 'koa-holdfast/verifier'

const { PORT = '3001', ISSUER = 'http://localhost:3000', DATA_DIR = '.data' } = process.env
const origin = `http://localhost:${PORT}`

const store = lmdbStore({ path: join(DATA_DIR, 'services.lmdb') }) // on several machines: redisStore
const verifier = await createVerifier({ issuer: ISSUER, audience: origin, origin, revocations: store })
verifier.events.on('sidejack', ({ sub, code }) => console.log(`A token of ${sub} has been stolen: ${code}`))

const app = new Koa<ServiceState>()
app.use(protect(verifier, { scope: 'read' }))
app.use((ctx) => {
  ctx.body = { orders: [`a rabbit for ${ctx.state.auth.sub}`] }
})
const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`Orders is on ${origin}`))

process.once('SIGTERM', () => {
  server.close(() => void verifier.close().then(() => store.close()))
  server.closeIdleConnections()
})
