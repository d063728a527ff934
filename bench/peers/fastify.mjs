// Fastify with nothing, and with @fastify/jwt as documented for key pairs; with its cache of verified tokens when told.

import jwt from '@fastify/jwt'
import fastify from 'fastify'

import { anonymous, bearerOf, ISSUER, readKey, USER } from '../servers/shared.mjs'

export async function create({ jwk, isBare = false, cache = false }) {
  const app = fastify()
  if (isBare) {
    app.get('/me', () => ({ user: USER }))
  } else {
    const verify = { algorithms: ['ES256'], allowedIss: ISSUER, allowedAud: ISSUER, ...(cache && { cache }) }
    await app.register(jwt, { secret: { public: readKey(jwk).publicPem }, verify })
    app.addHook('onRequest', async (request) => {
      await request.jwtVerify()
    })
    app.get('/me', (request) => ({ user: request.user.sub }))
  }
  await app.ready()
  return { server: app.server, signIn: isBare ? anonymous : bearerOf(jwk) }
}
