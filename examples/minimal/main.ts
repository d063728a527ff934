// The smallest app whose stolen tokens open nothing.

import { Router } from '@koa/router'
import Koa from 'koa'
import { createKeySet, createSessionKit, memoryStore } from 'koa-holdfast'

const port = Number(process.env.PORT ?? 3000)
const issuer = `http://localhost:${port}` // in production: your public https origin

const kit = await createSessionKit({
  issuer,
  keys: await createKeySet(), // fresh at each start; keep one with generateKey()
  store: memoryStore(), // for one process, forgotten at exit
  authenticate: (ctx) => {
    const { username, password } = ctx.request.body
    // Your own check goes here: look the user up and compare with a password hash.
    return username === 'alice' && password === 'wonderland' ? { sub: 'alice' } : null
  },
})

const app = new Koa()
const router = new Router()
router.get('/me', kit.protect(), (ctx) => {
  ctx.body = { sub: ctx.state.auth.sub }
})
app.use(kit.routes()) // POST /auth/login, /auth/refresh, /auth/logout, the device list, the public keys
app.use(router.routes())

app.listen(port, '127.0.0.1', () => {
  console.log(`${issuer} is up. Log in, then show both halves, the token and the cookie in the jar:
TOKEN=$(curl -s -c jar -H 'Content-Type: application/json' -d '{"username":"alice","password":"wonderland"}' ${issuer}/auth/login | cut -d '"' -f 4)
curl -b jar -H "Authorization: Bearer $TOKEN" ${issuer}/me`)
})
