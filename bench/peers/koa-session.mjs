// koa-session: all of it in a signed cookie, as documented; in this process's memory; in Redis through ioredis.

import { Redis } from 'ioredis'
import Koa from 'koa'
import session from 'koa-session'

import { cookiesOf, serveKoa, USER } from '../servers/shared.mjs'

function memory() {
  const sessions = new Map()
  return {
    get: (key) => sessions.get(key),
    set: (key, value) => void sessions.set(key, value),
    destroy: (key) => void sessions.delete(key),
  }
}

function redis(port) {
  const client = new Redis({ host: '127.0.0.1', port })
  return {
    get: async (key) => JSON.parse(await client.get(key)),
    set: (key, value, maxAge) => client.set(key, JSON.stringify(value), 'PX', maxAge),
    destroy: (key) => client.del(key),
  }
}

const STORES = { cookie: () => undefined, memory, redis }

export async function create({ kind, redis: port }) {
  const app = new Koa()
  app.keys = ['a secret of the bench, long enough to be one']
  const store = STORES[kind](port)
  app.use(session({ ...(store !== undefined && { store }) }, app))
  app.use((ctx) => {
    if (ctx.path === '/login') ctx.session.user = USER
    if (ctx.session.user === undefined) ctx.status = 401
    else ctx.body = { user: ctx.session.user }
  })
  return { server: serveKoa(app), signIn: cookiesOf }
}
