// koa-jwt as documented for public keys, with a Buffer of PEM; and with a KeyObject, which jsonwebtoken takes as well.

import Koa from 'koa'
import jwt from 'koa-jwt'

import { bearerOf, ISSUER, readKey, serveKoa } from '../servers/shared.mjs'

export async function create({ jwk, fast = false }) {
  const { publicKey, publicPem } = readKey(jwk)
  const app = new Koa()
  app.silent = true
  const secret = fast ? publicKey : Buffer.from(publicPem)
  app.use(jwt({ secret, algorithms: ['ES256'], issuer: ISSUER, audience: ISSUER }))
  app.use((ctx) => {
    ctx.body = { user: ctx.state.user.sub }
  })
  return { server: serveKoa(app), signIn: bearerOf(jwk) }
}
