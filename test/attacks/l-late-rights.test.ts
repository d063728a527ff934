// Attacks with rights that have been taken away: a request that was verified before its session ended, a renewal after
// an account was cut down, probes that use up what others need.

import test, { type ExecutionContext } from 'ava'

import { memoryStore } from '../../src/index.ts'
import { createSignal } from '../helpers/held-store.ts'
import { payloadOf } from '../helpers/decode.ts'
import { bearer, codesOf, createClock, openTestApp, postRefresh, type TestApp, toLogin } from '../helpers/app.ts'

test('RF-11 RF-13 what a refresh has taken away does not come back by a renewal', async (t) => {
  let isCutDown = false
  const app = await openTestApp(t, {
    reauthorize: () => (isCutDown ? { scope: 'read', claims: { roles: ['reader'] } } : {}),
    mount: (_koa, kit, router) => {
      router.post('/renew', async (ctx) => void (ctx.body = await kit.renew(ctx)))
    },
  })
  const login = await app.login('alice', { body: { scope: 'read admin', claims: { roles: ['admin'] } } })
  isCutDown = true
  let session = toLogin(await postRefresh(app, login))
  for (let i = 0; i < 2; i += 1) {
    const { scope, roles } = payloadOf(session.token)
    t.deepEqual([scope, roles], ['read', ['reader']])
    session = toLogin(await app.request('POST', '/renew', { ...bearer(session), Origin: 'https://app.example' }))
  }
})

test('RF-11 a token that was narrowed at its refresh is not widened by a renewal', async (t) => {
  const app = await openTestApp(t, {
    mount: (_koa, kit, router) => {
      router.post('/renew', async (ctx) => void (ctx.body = await kit.renew(ctx)))
    },
  })
  const login = await app.login('alice', { body: { scope: 'read admin' } })
  const { cookie, refreshCookie } = login
  const headers = { Cookie: `${cookie}; ${refreshCookie}`, 'Content-Type': 'application/json' }
  const narrow = toLogin(await app.request('POST', '/auth/refresh', headers, '{"scope":"read"}'))
  const renewed = toLogin(await app.request('POST', '/renew', { ...bearer(narrow), Origin: 'https://app.example' }))
  t.is(payloadOf(renewed.token)['scope'], 'read')
})

type Signal = ReturnType<typeof createSignal>

/** An app whose routes wait, once they are past `protect()`, until the test lets them go on. */
async function openSlowApp(t: ExecutionContext): Promise<{ app: TestApp; arrived: Signal; released: Signal }> {
  const [arrived, released] = [createSignal(), createSignal()]
  const app = await openTestApp(t, {
    mount: (_koa, kit, router) => {
      router.post('/:what', kit.protect(), async (ctx) => {
        arrived.send()
        await released.promise
        if (ctx.params['what'] === 'renew') ctx.body = await kit.renew(ctx)
        else if (ctx.params['what'] === 'ticket') ctx.body = await kit.ticket(ctx)
        else await kit.endOthers(ctx)
      })
    },
  })
  return { app, arrived, released }
}

for (const what of ['renew', 'ticket', 'others'] as const) {
  for (const how of ['jti', 'sid', 'sub'] as const) {
    test(`RV-22 a request that was let in before its ${how} was revoked gets no more out of it: ${what}`, async (t) => {
      const { app, arrived, released } = await openSlowApp(t)
      const [owner, thief] = [await app.login(), await app.login()]
      const { jti } = payloadOf(thief.token) as { jti: string }
      const pending = app.request('POST', `/${what}`, { ...bearer(thief), Origin: 'https://app.example' })
      await arrived.promise
      await app.kit.revoke(how === 'jti' ? { jti } : how === 'sid' ? { sid: thief.sid } : { sub: 'alice' })
      released.send()
      t.is((await pending).status, 401)
      t.is(codesOf(app.seen).at(-1), 'ERR_TOKEN_REVOKED')
      if (how !== 'sub') t.is((await app.me(owner.token, owner.cookie)).status, 200)
      t.is((await app.kit.sessions('alice')).length, how === 'sub' ? 0 : how === 'sid' ? 1 : 2)
    })
  }
}

test('IS-17 pages that ask for a refresh without having a session are no attempts', async (t) => {
  const app = await openTestApp(t, { limiter: undefined } as object)
  const login = await app.login()
  for (let i = 0; i < 130; i += 1) {
    const response = await postRefresh(app, { cookie: '', refreshCookie: '' })
    t.is(response.status, 401)
  }
  t.is((await postRefresh(app, login)).status, 200)
})

test('K-02 what a client writes into X-Forwarded-For does not fill the memory of the limiter', async (t) => {
  const app = await openTestApp(t, { limiter: undefined } as object)
  const statuses: number[] = []
  for (let i = 0; i < 11; i += 1) {
    const headers = { 'Content-Type': 'application/json', 'X-Forwarded-For': `not an address ${i} ${'x'.repeat(1000)}` }
    statuses.push((await app.request('POST', '/auth/login', headers, '{"sub":"a","password":"no"}')).status)
  }
  t.deepEqual(statuses, [...Array.from({ length: 10 }, () => 401), 429], 'all of them are one')
})

test('a hundred planted refresh cookies are not a hundred questions to the store', async (t) => {
  const inner = memoryStore()
  let asked = 0
  const store = { ...inner, get: (...key: Parameters<typeof inner.get>) => ((asked += 1), inner.get(...key)) }
  const app = await openTestApp(t, { store })
  const cookie = Array.from({ length: 100 }, (_, i) => `__Secure-Refresh=${'s'.repeat(22)}.${i}.${'x'.repeat(65)}`)
  const headers = { Cookie: cookie.join('; '), 'Sec-Fetch-Site': 'same-origin' }
  t.is((await app.request('POST', '/auth/logout', headers)).status, 204)
  t.true(asked <= 8, `${asked} reads`)
})

test('CS-02 credentials that browsers add by themselves prove no origin', async (t) => {
  const app = await openTestApp(t)
  const headers = { Authorization: 'Basic YTpi', 'Content-Type': 'text/plain' }
  t.is((await app.request('POST', '/auth/logout', headers, 'x')).status, 403)
})

test('two kits with other issuers on one store list, end and count their own sessions only', async (t) => {
  const testClock = createClock()
  const store = memoryStore({ clock: testClock })
  const here = await openTestApp(t, { testClock, store, session: { max: 1 } })
  const there = await openTestApp(t, { testClock, store, issuer: 'https://other.example' })
  const [ours, theirs] = [await here.login('1'), await there.login('1')]
  t.deepEqual(
    (await here.kit.sessions('1')).map(({ sid }) => sid),
    [ours.sid],
  )
  const path = `/auth/sessions/${theirs.sid}`
  t.is((await here.request('DELETE', path, { ...bearer(ours), Origin: 'https://app.example' })).status, 404)
  await here.login('1')
  t.is((await there.me(theirs.token, theirs.cookie)).status, 200)
})
