// A service that other servers call, on whatever site: delegated tokens need no cookie, and live for minutes.

import Koa from 'koa'
import { protect, type ServiceState } from 'koa-holdfast/protect'
import { createVerifier } from 'koa-holdfast/verifier'

const { PORT = '3002', ISSUER = 'http://localhost:3000' } = process.env
const origin = `http://localhost:${PORT}`

const verifier = await createVerifier({
  issuer: ISSUER,
  audience: origin,
  origin,
  fingerprint: 'if-present', // a token of a browser would still need its cookie
  maxLifetime: '10m',
})

const app = new Koa<ServiceState>()
app.use(protect(verifier, { scope: 'read' }))
app.use((ctx) => {
  ctx.body = { report: `everything about ${ctx.state.auth.sub}` }
})
const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`Reports is on ${origin}`))

process.once('SIGTERM', () => {
  server.close(() => void verifier.close())
  server.closeIdleConnections()
})
