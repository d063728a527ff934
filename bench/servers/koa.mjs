// Koa with nothing, and with a middleware that reads the two headers and does nothing: the floor.

import Koa from 'koa'

import { anonymous, ISSUER, serveKoa, USER } from './shared.mjs'

export async function create({ reads = false }) {
  const app = new Koa()
  if (reads) {
    app.use(function read(ctx, next) {
      ctx.state.length = ctx.headers.authorization.length + ctx.headers.cookie.length
      return next()
    })
  }
  app.use((ctx) => {
    ctx.body = { user: USER }
  })
  // As long as those of the kit.
  const good = { Authorization: `Bearer ${'x'.repeat(640)}`, Cookie: `__Secure-Fgp=${ISSUER}${'x'.repeat(24)}` }
  return { server: serveKoa(app), signIn: reads ? async () => ({ good, bad: [] }) : anonymous }
}
