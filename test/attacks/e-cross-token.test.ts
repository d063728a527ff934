// Attacks with what is genuine, in the wrong place: a token of one kind for another, of one service at another, of one
// environment in another, and halves of two pairs.

import test, { type ExecutionContext } from 'ava'

import { createKeySet, type ErrorCode, generateKey, memoryStore } from '../../src/index.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import {
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  postRefresh,
  privateJwk,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import { basic, drawSecret, introspect } from '../helpers/clients.ts'
import { payloadOf } from '../helpers/decode.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { assertGoesOn, refresh, refuseRefresh, withToken } from '../helpers/refreshing.ts'
import { assertRefused } from '../helpers/refused.ts'

const OTHER = 'https://other.example'

/** An app that hands out every kind of token there is, and a stream that takes tickets. */
function openAllKinds(t: ExecutionContext, options: TestAppOptions = {}): Promise<TestApp> {
  return openTestApp(t, {
    mount(_koa, kit, router) {
      router.get('/ticket', kit.protect(), async (ctx) => {
        ctx.body = { token: await kit.ticket(ctx) }
      })
      router.get('/delegated', kit.protect(), async (ctx) => {
        ctx.body = { token: (await kit.delegate(ctx, { audience: OTHER })).access_token }
      })
      router.get('/stream', async (ctx) => {
        ctx.body = { sub: (await kit.stream(ctx)).auth.sub }
      })
    },
    ...options,
  })
}

/** Draws a token from the session. */
async function draw(app: TestApp, login: Login, path: '/ticket' | '/delegated'): Promise<string> {
  const response = await app.request('GET', path, { Authorization: `Bearer ${login.token}`, Cookie: login.cookie })
  return response.json['token'] as string
}

/** Opens a stream with this as the ticket. */
async function redeem(app: TestApp, ticket: string, Cookie: string): Promise<{ status: number; codes: string[] }> {
  app.seen.length = 0
  const { status } = await app.request('GET', `/stream?ticket=${ticket}`, { Cookie })
  return { status, codes: codesOf(app.seen) }
}

test('E-01 RF-07 every kind of token is good for its own purpose and for no other', async (t) => {
  const app = await openAllKinds(t)
  const login = await app.login()
  const { token: access, refreshToken, fingerprint, sid, cookie } = login
  const [ticket, delegated] = [await draw(app, login, '/ticket'), await draw(app, login, '/delegated')]
  const [, family = ''] = /\.([\w-]{22})[\w-]{43}$/.exec(refreshToken) ?? []
  const as = {
    access: [
      [refreshToken, 'ERR_TOKEN_MALFORMED'],
      [`${refreshToken}=`, 'ERR_TOKEN_MALFORMED'],
      [fingerprint, 'ERR_TOKEN_MALFORMED'],
      [sid, 'ERR_TOKEN_MALFORMED'],
      [ticket, 'ERR_TOKEN_TYPE'],
      [delegated, 'ERR_TOKEN_AUDIENCE'],
    ],
    refresh: [
      [access, 'ERR_REFRESH_MALFORMED'],
      [ticket, 'ERR_REFRESH_MALFORMED'],
      [delegated, 'ERR_REFRESH_MALFORMED'],
      [fingerprint, 'ERR_REFRESH_MALFORMED'],
      [sid, 'ERR_REFRESH_MALFORMED'],
      // Put together of what an access token and a cookie show.
      [`${sid}.0.${sid}${fingerprint}`, 'ERR_REFRESH_FORGED'],
      [`${sid}.0.${String(payloadOf(access)['jti'])}${String(payloadOf(access)['fgp'])}`, 'ERR_REFRESH_FORGED'],
      [`${sid}.0.${family}${fingerprint}`, 'ERR_REFRESH_FORGED'],
    ],
    ticket: [
      [access, 'ERR_TOKEN_TYPE'],
      [delegated, 'ERR_TOKEN_TYPE'],
      [refreshToken, 'ERR_TOKEN_MALFORMED'],
      [fingerprint, 'ERR_TOKEN_MALFORMED'],
    ],
    fingerprint: [
      [access, 'ERR_FINGERPRINT_MISMATCH'],
      [refreshToken, 'ERR_FINGERPRINT_MISMATCH'],
      [refreshToken.slice(-43), 'ERR_FINGERPRINT_MISMATCH'],
      [ticket, 'ERR_FINGERPRINT_MISMATCH'],
    ],
  } as const satisfies Record<string, readonly (readonly [string, ErrorCode])[]>
  for (const [wrong, code] of as.access) {
    // Nor together with the cookie that carries it where it belongs.
    for (const cookies of [cookie, `${cookie}; ${login.refreshCookie}`]) {
      await assertRefused(t, app, () => app.me(wrong, cookies), code, wrong.slice(0, 60))
    }
  }
  for (const [wrong, code] of as.refresh) await refuseRefresh(t, app, withToken(login, wrong), code, wrong.slice(0, 60))
  for (const [wrong, code] of as.ticket) {
    t.deepEqual(await redeem(app, wrong, cookie), { status: 401, codes: [code] }, wrong.slice(0, 60))
  }
  for (const [wrong, code] of as.fingerprint) {
    await assertRefused(t, app, () => app.me(access, `${COOKIE_NAME}=${wrong}`), code, wrong.slice(0, 60))
  }
  // All of them are good still, where they belong.
  t.deepEqual(await redeem(app, ticket, cookie), { status: 200, codes: [] })
  await assertGoesOn(t, app, login)
})

test('E-03 a token for one service is none at another, whatever else is the same', async (t) => {
  const [X, Y] = ['https://x.example', 'https://y.example']
  const [x, y, both] = [
    await openAllKinds(t, { audience: X }),
    await openAllKinds(t, { audience: Y }),
    await openAllKinds(t, { audience: [X, Y] }),
  ]
  for (const [from, to] of [
    [x, y],
    [y, x],
  ] as const) {
    const login = await from.login()
    t.is((await from.me(login.token, login.cookie)).status, 200)
    t.is((await both.me(login.token, login.cookie)).status, 200, 'a service with several names has that one as well')
    await assertRefused(t, to, () => to.me(login.token, login.cookie), 'ERR_TOKEN_AUDIENCE')
    // Where its session is not known, a refresh token is nobody's.
    await refuseRefresh(t, to, login, 'ERR_SESSION_EXPIRED')
    await assertGoesOn(t, from, login)
  }
  const login = await both.login()
  for (const app of [x, y]) t.is((await app.me(login.token, login.cookie)).status, 200)
})

test('E-03 a service learns of no other service whose token is good: introspection answers active:false', async (t) => {
  const [X, Y] = ['https://x.example', 'https://y.example']
  const secrets = new Map([X, Y].map((id) => [id, drawSecret()]))
  const clients = [...secrets].map(([id, secret]) => ({ id, secret }))
  const ask = async (app: TestApp, token: string, id: string): Promise<string> =>
    (await introspect(app, token, basic(id, secrets.get(id) ?? ''))).text
  for (const [own, other] of [
    [X, Y],
    [Y, X],
  ] as const) {
    const app = await openAllKinds(t, { audience: own, clients })
    const { token } = await app.login()
    t.regex(await ask(app, token, own), /^\{"active":true,/)
    t.is(await ask(app, token, other), '{"active":false}')
    t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_AUDIENCE'])
  }
  const app = await openAllKinds(t, { audience: [X, Y], clients })
  const { token } = await app.login()
  for (const id of [X, Y]) t.regex(await ask(app, token, id), /^\{"active":true,/, 'a token for both is for each')
})

test('E-03 a delegated token is none where it was drawn, and without a fingerprint none at a service with one', async (t) => {
  const [here, there] = [await openAllKinds(t), await openAllKinds(t, { audience: OTHER })]
  const login = await here.login()
  const delegated = await draw(here, login, '/delegated')
  t.is(payloadOf(delegated)['aud'], OTHER)
  await assertRefused(t, here, () => here.me(delegated, login.cookie), 'ERR_TOKEN_AUDIENCE')
  await assertRefused(t, there, () => there.me(delegated, login.cookie), 'ERR_TOKEN_CLAIMS')
})

test('E-03 RF-11 a refresh token of one service gives no token for another, even on one store', async (t) => {
  const clock = createClock()
  const shared = { testClock: clock, store: memoryStore({ clock }) }
  const users = await openTestApp(t, { ...shared, audience: 'https://users.example' })
  for (const others of [{ audience: 'https://admin.example' }, { audience: 'https://users.example', issuer: OTHER }]) {
    const admin = await openTestApp(t, { ...shared, ...others })
    const login = await users.login()
    const { status } = await postRefresh(admin, login)
    t.is(status, 401, JSON.stringify(others))
    t.is((await postRefresh(users, login)).status, 200)
  }
})

test('E-04 a token of staging is none in production, though issuer, audience and subject are the same', async (t) => {
  const stagingKey = await generateKey()
  const production = await openTestApp(t)
  for (const [label, key, code] of [
    ['under a key id of its own', stagingKey, 'ERR_TOKEN_KEY'],
    ['under the key id of production', { ...stagingKey, kid: privateJwk.kid ?? '' }, 'ERR_TOKEN_SIGNATURE'],
  ] as const) {
    const staging = await openTestApp(t, { keys: await createKeySet({ keys: [key] }) })
    const login = await staging.login()
    t.is((await staging.me(login.token, login.cookie)).status, 200)
    t.like(payloadOf(login.token), { iss: ISSUER, aud: ISSUER, sub: 'alice' })
    await assertRefused(t, production, () => production.me(login.token, login.cookie), code, label)
    await refuseRefresh(t, production, login, 'ERR_SESSION_EXPIRED', label)
    const real = await production.login()
    await assertRefused(t, staging, () => staging.me(real.token, real.cookie), code, `${label}, the other way`)
  }
})

test('E-08 the token of one user with the fingerprint of another is a theft, whoever they are', async (t) => {
  const app = await openTestApp(t)
  const [alice, bob, again] = [await app.login('alice'), await app.login('bob'), await app.login('alice')]
  for (const [owner, other] of [
    [alice, bob],
    [bob, alice],
    // Two browsers of one user.
    [alice, again],
    [again, alice],
  ] as const) {
    await assertRefused(t, app, () => app.me(owner.token, other.cookie), 'ERR_FINGERPRINT_MISMATCH')
    t.like(app.seen, [{ name: 'sidejack', event: { sid: owner.sid } }] as never)
    await refuseRefresh(t, app, { ...owner, cookie: other.cookie }, 'ERR_FINGERPRINT_MISMATCH')
    t.like(app.seen, [{ name: 'sidejack', event: { sid: owner.sid } }] as never)
    // Nor a cookie that holds both, put together by hand: the one of the pair is in it, and no other opens anything.
    const joined = `${COOKIE_NAME}=${other.fingerprint}~${other.fingerprint}`
    await assertRefused(t, app, () => app.me(owner.token, joined), 'ERR_FINGERPRINT_MISMATCH')
  }
  for (const login of [alice, bob, again]) await assertGoesOn(t, app, login)
})

test('E-09 after another login in the browser the old token is dead, and the new one is not for the old cookie', async (t) => {
  for (const sub of ['alice', 'bob']) {
    const app = await openTestApp(t)
    const jar = createCookieJar({ clock: app.clock })
    const url = `${ISSUER}/auth/login`
    const old = await app.login('alice')
    jar.receive(url, old.response.cookies)
    const fresh = await app.login(sub, { headers: { Cookie: jar.header(url) ?? '' } })
    jar.receive(url, fresh.response.cookies)
    const now = jar.header(`${ISSUER}/me`)
    t.is(now, fresh.cookie, 'the new cookie took the place of the old one')
    await assertRefused(t, app, () => app.me(old.token, now), 'ERR_TOKEN_REVOKED')
    await assertRefused(t, app, () => app.me(old.token, old.cookie), 'ERR_TOKEN_REVOKED')
    await assertRefused(t, app, () => app.me(fresh.token, old.cookie), 'ERR_FINGERPRINT_MISMATCH')
    await refuseRefresh(t, app, { ...fresh, cookie: old.cookie }, 'ERR_FINGERPRINT_MISMATCH')
    await refuseRefresh(t, app, { ...old, cookie: fresh.cookie }, 'ERR_TOKEN_REVOKED')
    await assertGoesOn(t, app, fresh)
  }
})

test('E-09 two logins that know nothing of each other: no half of one goes with a half of the other', async (t) => {
  const app = await openTestApp(t)
  const old = await refresh(t, app, await app.login())
  app.clock.advance(60)
  const fresh = await refresh(t, app, await app.login())
  for (const [one, other] of [
    [old, fresh],
    [fresh, old],
  ] as const) {
    await assertRefused(t, app, () => app.me(one.token, other.cookie), 'ERR_FINGERPRINT_MISMATCH')
    await refuseRefresh(t, app, { ...one, cookie: other.cookie }, 'ERR_FINGERPRINT_MISMATCH')
  }
  await assertGoesOn(t, app, old)
  await assertGoesOn(t, app, fresh)
})
