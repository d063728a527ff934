// An app on its way from koa-jwt to koa-holdfast: both are mounted, and routes move over one by one.

import { randomBytes } from 'node:crypto'

import { Router } from '@koa/router'
import Koa, { type Middleware } from 'koa'
import jwt from 'koa-jwt'
import jsonwebtoken from 'jsonwebtoken'
import { createKeySet, createSessionKit, memoryStore } from 'koa-holdfast'

const port = Number(process.env.PORT ?? 3000)
const issuer = `http://localhost:${port}`

// What was there before: one secret that signs and verifies, tokens of an hour, no logout.
const secret = process.env.JWT_SECRET ?? randomBytes(32).toString('hex')
const legacy = jwt({ secret, algorithms: ['HS256'] })

const kit = await createSessionKit({
  issuer,
  keys: await createKeySet(),
  store: memoryStore(),
  authenticate: (ctx) => {
    const { username, password } = ctx.request.body
    return username === 'alice' && password === 'wonderland' ? { sub: 'alice' } : null
  },
})

/** For routes that both kinds of clients call for a while. Drop it when the last old token has expired. */
function either(): Middleware {
  const bound = kit.protect() as Middleware
  return (ctx, next) => (isOurs(ctx.get('Authorization')) ? bound(ctx, next) : legacy(ctx, next))
}

/** Only chooses who verifies: what the header says is not believed, and each of the two checks the whole token. */
function isOurs(authorization: string): boolean {
  const header = /^Bearer ([\w-]+)\./i.exec(authorization)?.[1] ?? ''
  return Buffer.from(header, 'base64url').toString().includes('"at+jwt"')
}

const app = new Koa()
const router = new Router()

// 1. Not moved yet: as it always was.
router.get('/orders', legacy, (ctx) => {
  ctx.body = { of: (ctx.state['user'] as { sub: string }).sub }
})

// 2. Moved, but old front ends still call it.
router.get('/profile', either(), (ctx) => {
  const { auth, user } = ctx.state as { auth?: { sub: string }; user?: { sub: string } }
  ctx.body = { of: auth?.sub ?? user?.sub, bound: auth !== undefined }
})

// 3. Moved: a stolen token opens nothing here, and a logout is one.
router.get('/payments', kit.protect(), (ctx) => {
  ctx.body = { of: ctx.state.auth.sub }
})

// Users who are signed in need not type their password again: an old token, once, for a session.
router.post('/exchange', legacy, async (ctx) => {
  ctx.body = await kit.start(ctx, { sub: (ctx.state['user'] as { sub: string }).sub })
})

app.use(kit.routes())
app.use(router.routes())

app.listen(port, '127.0.0.1', () => {
  console.log(`${issuer} is up. An old token for alice, as it would be in her browser:`)
  console.log(jsonwebtoken.sign({ sub: 'alice' }, secret, { algorithm: 'HS256', expiresIn: '1h' }))
})
