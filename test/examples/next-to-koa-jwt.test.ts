// The way from koa-jwt, walked: what each kind of token opens while both are there.

import test, { type ExecutionContext } from 'ava'

import { type Example, findPort, startExample } from '../helpers/example.ts'

const headers = (token: string) => ({ Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' })
const OLD = /^[\w-]+\.[\w-]+\.[\w-]+$/

async function open(t: ExecutionContext): Promise<{ readonly app: Example; readonly old: string }> {
  const app = await startExample(t, 'next-to-koa-jwt/main.ts', { PORT: await findPort() })
  return { app, old: await app.line((line) => OLD.test(line)) }
}

test.serial('each route opens to the tokens that its row names, and to no other', async (t) => {
  const { app, old } = await open(t)
  const { token, cookie } = await app.login('alice', 'wonderland')
  const kinds = {
    old: { Authorization: `Bearer ${old}` },
    pair: { Authorization: `Bearer ${token}`, Cookie: cookie },
    alone: { Authorization: `Bearer ${token}` },
    none: {},
  }
  const expected = {
    '/orders': { old: 200, pair: 401, alone: 401, none: 401 },
    '/profile': { old: 200, pair: 200, alone: 401, none: 401 },
    '/payments': { old: 401, pair: 200, alone: 401, none: 401 },
  }
  for (const [path, statuses] of Object.entries(expected)) {
    for (const [kind, status] of Object.entries(statuses)) {
      // The cast: the rows have the names of the kinds.
      t.is((await app.request('GET', path, kinds[kind as keyof typeof kinds])).status, status, `${kind} at ${path}`)
    }
  }
})

test.serial('an old token is exchanged for a session, a new one is not', async (t) => {
  const { app, old } = await open(t)
  const exchanged = await app.request('POST', '/exchange', headers(old))
  t.is(exchanged.status, 200)
  const token = String(exchanged.json['access_token'])
  const cookie = exchanged.cookies[0]?.split(';')[0] ?? ''
  const payments = await app.request('GET', '/payments', { Authorization: `Bearer ${token}`, Cookie: cookie })
  t.deepEqual([payments.status, payments.json], [200, { of: 'alice' }])
  t.is((await app.request('POST', '/exchange', headers(token))).status, 401)
})
