// A service that may not decide by itself: it holds no keys, asks the issuer about each token, and believes the answer for
// a few seconds. It demands the cookie itself, which the issuer does not see.

import Koa from 'koa'
import { protect, type ServiceState } from 'koa-holdfast/protect'
import { createIntrospector } from 'koa-holdfast/verifier'

const { PORT = '3003', ISSUER = 'http://localhost:3000' } = process.env
const origin = `http://localhost:${PORT}`
// For this example only; the issuer has the same. In production: 32 random bytes, from where you keep secrets.
const { PAYMENTS_SECRET = '6f1c3a5e9b7d2048c1e5f3a7092b4d6e8f0a1c3b5d7e9f2a4c6e8b0d1f3a5c7e' } = process.env

const introspector = await createIntrospector({
  issuer: ISSUER,
  audience: origin,
  origin,
  client: { id: origin, secret: PAYMENTS_SECRET },
  cache: { active: '2s' },
})

const app = new Koa<ServiceState>()
app.use(protect(introspector, { scope: 'read' }))
app.use((ctx) => {
  ctx.body = { paid: `by ${ctx.state.auth.sub}` }
})
const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`Payments is on ${origin}`))

process.once('SIGTERM', () => {
  server.close(() => void introspector.close())
  server.closeIdleConnections()
})
