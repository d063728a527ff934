// better-auth on Express: getSession as documented, and with its cookie cache. The database is its memory adapter, so that
// no time goes to a database.

import { createServer } from 'node:http'

import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { fromNodeHeaders } from 'better-auth/node'
import express from 'express'

import { readCookies } from '../servers/shared.mjs'

const person = { name: 'Alice', email: 'alice@app.example', password: 'a password of the bench' }

export async function create({ fast = false }) {
  const auth = betterAuth({
    secret: 'a secret of the bench, long enough to be one',
    baseURL: 'http://127.0.0.1',
    database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    ...(fast && { session: { cookieCache: { enabled: true, maxAge: 3600 } } }),
  })

  async function answer(request, response) {
    const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })
    if (session === null) response.status(401).end()
    else response.json({ user: session.user.id })
  }

  async function signIn() {
    const good = { Cookie: readCookies(await auth.api.signUpEmail({ body: person, asResponse: true })) }
    return { good, bad: [{}, { Cookie: good.Cookie.replaceAll(/=[^;]{8}/g, '=AAAAAAAA') }] }
  }

  const app = express()
  // oxlint-disable-next-line no-async-endpoint-handlers -- Express 5 looks after the promise
  app.get('/me', answer)
  return { server: createServer(app), signIn }
}
