// Express with nothing, and with express-session: its memory, as documented; Redis through connect-redis, which can be
// told not to touch a session on each request.

import { createServer } from 'node:http'

import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

import { anonymous, cookiesOf, USER } from '../servers/shared.mjs'

const STORES = {
  memory: async () => undefined,
  async redis({ redis, disableTouch = false }) {
    const client = await createClient({ socket: { host: '127.0.0.1', port: redis } }).connect()
    return new RedisStore({ client, disableTouch })
  },
}

export async function create({ kind, ...place }) {
  const app = express()
  if (kind === undefined) {
    app.get('/me', (_request, response) => response.json({ user: USER }))
    return { server: createServer(app), signIn: anonymous }
  }
  const store = await STORES[kind](place)
  const secret = 'a secret of the bench, long enough to be one'
  app.use(session({ secret, resave: false, saveUninitialized: false, ...(store !== undefined && { store }) }))
  app.post('/login', (request, response) => {
    request.session.user = USER
    response.json({ user: USER })
  })
  app.get('/me', (request, response) => {
    if (request.session.user === undefined) response.status(401).end()
    else response.json({ user: request.session.user })
  })
  return { server: createServer(app), signIn: cookiesOf }
}
