// Koa with bare jose: the signature and the registered claims, no cookie, no list.

import { importJWK, jwtVerify } from 'jose'
import Koa from 'koa'

import { bearerOf, ISSUER, serveKoa } from './shared.mjs'

export async function create({ jwk }) {
  const { d: _, ...publicJwk } = jwk
  const key = await importJWK(publicJwk, 'ES256')
  const rules = { algorithms: ['ES256'], issuer: ISSUER, audience: ISSUER, typ: 'at+jwt' }
  const app = new Koa()
  app.use(async function verify(ctx, next) {
    try {
      const { payload } = await jwtVerify(ctx.headers.authorization?.slice(7) ?? '', key, rules)
      ctx.state.user = payload
    } catch {
      ctx.status = 401
      return
    }
    await next()
  })
  app.use((ctx) => {
    ctx.body = { user: ctx.state.user.sub }
  })
  return { server: serveKoa(app), signIn: bearerOf(jwk) }
}
