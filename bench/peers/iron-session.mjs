// iron-session on Express: an encrypted cookie. Its documentation offers no faster way.

import { createServer } from 'node:http'

import express from 'express'
import { getIronSession } from 'iron-session'

import { cookiesOf, USER } from '../servers/shared.mjs'

const options = { password: 'a secret of the bench, long enough to be one', cookieName: 'session' }

export async function create() {
  const app = express()
  // oxlint-disable-next-line no-async-endpoint-handlers -- Express 5 looks after the promise
  app.post('/login', login)
  // oxlint-disable-next-line no-async-endpoint-handlers -- Express 5 looks after the promise
  app.get('/me', answer)
  return { server: createServer(app), signIn: cookiesOf }
}

async function login(request, response) {
  const session = await getIronSession(request, response, options)
  session.user = USER
  await session.save()
  response.end()
}

async function answer(request, response) {
  const { user } = await getIronSession(request, response, options)
  if (user === undefined) response.status(401).end()
  else response.json({ user })
}
