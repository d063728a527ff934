// iron-session on Express: an encrypted cookie. Its documentation offers no faster way.

import { createServer } from 'node:http'

import express from 'express'
import { getIronSession } from 'iron-session'

import { cookiesOf, USER } from '../servers/shared.mjs'

const options = { password: 'a secret of the bench, long enough to be one', cookieName: 'session' }

export async function create() {
  const app = express()
  app.post('/login', async (request, response) => {
    const session = await getIronSession(request, response, options)
    session.user = USER
    await session.save()
    response.end()
  })
  app.get('/me', async (request, response) => {
    const { user } = await getIronSession(request, response, options)
    if (user === undefined) response.status(401).end()
    else response.json({ user })
  })
  return { server: createServer(app), signIn: cookiesOf }
}
