// `protect()`: who gets through, what a route can demand, and what it says to those who fall short.

import { Router } from '@koa/router'
import test, { type ExecutionContext } from 'ava'
import Koa from 'koa'

import {
  type AuthState,
  createKeySet,
  createSessionKit,
  memoryStore,
  type OptionalAuthState,
  type ProtectOptions,
  type SessionKitOptions,
} from '../../src/index.ts'
import {
  bearer,
  codesOf,
  ISSUER,
  type Login,
  openTestApp,
  privateJwk,
  type Response,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { type Json, resign } from '../helpers/forge.ts'
import { listen } from '../helpers/http.ts'
import { assertAnonymous, assertRefused, INVALID_TOKEN_BODY, INVALID_TOKEN_CHALLENGE } from '../helpers/refused.ts'

/** An app with `GET /demand` behind `protect(options)`. */
async function demanding(t: ExecutionContext, options: ProtectOptions, more: TestAppOptions = {}): Promise<TestApp> {
  const app = await openTestApp(t, {
    ...more,
    mount(_koa, kit, router) {
      router.all('/demand', kit.protect(options), (ctx) => {
        app.handled.count += 1
        ctx.body = { sub: ctx.state.auth?.sub ?? null }
      })
    },
  })
  return app
}

function demand(app: TestApp, { token, cookie }: Pick<Login, 'token' | 'cookie'>): Promise<Response> {
  return app.request('GET', '/demand', bearer({ token, cookie }))
}

/** Serves an app that is not the harness'. */
async function serve(t: ExecutionContext, app: Koa): Promise<string> {
  return `http://127.0.0.1:${await listen(t, app.callback())}`
}

const STEP_UP =
  `Bearer realm="${ISSUER}", error="insufficient_user_authentication", ` +
  'error_description="A more recent or stronger authentication is needed"'

/** Asserts that the route asks for a step-up with this challenge. */
async function assertStepUp(t: ExecutionContext, app: TestApp, pair: Login, attributes: string): Promise<void> {
  app.handled.count = 0
  const response = await demand(app, pair)
  t.is(response.status, 401)
  t.is(response.headers['www-authenticate'], `${STEP_UP}, ${attributes}`)
  t.is(response.headers['cache-control'], 'no-store')
  t.is(response.json['error'], 'insufficient_user_authentication')
  t.is(app.handled.count, 0)
}

test('VF-26 a token that lacks a scope gets 403 and is told which', async (t) => {
  const app = await demanding(t, { scope: 'read write' })
  for (const scope of [
    undefined,
    'read',
    'write',
    'readwrite',
    'read-write',
    'READ WRITE',
    'read writer',
    'xread write',
  ]) {
    const session = await app.login('alice', { body: scope === undefined ? {} : { scope } })
    app.seen.length = 0
    const response = await demand(app, session)
    t.is(response.status, 403, scope)
    t.is(
      response.headers['www-authenticate'],
      `Bearer realm="${ISSUER}", error="insufficient_scope", ` +
        'error_description="The access token does not carry the needed scope", scope="read write"',
    )
    t.is(response.headers['cache-control'], 'no-store')
    t.is(response.json['error'], 'insufficient_scope')
    t.deepEqual(codesOf(app.seen), ['ERR_SCOPE_INSUFFICIENT'])
  }
  t.is(app.handled.count, 0)
  for (const scope of ['read write', 'write read', 'a write b read c']) {
    t.is((await demand(app, await app.login('alice', { body: { scope } }))).status, 200, scope)
  }
})

test('VF-26 scopes can be an array, and mean the same', async (t) => {
  const app = await demanding(t, { scope: ['read', 'write'] })
  t.is((await demand(app, await app.login('alice', { body: { scope: 'read' } }))).status, 403)
  t.is((await demand(app, await app.login('alice', { body: { scope: 'write read' } }))).status, 200)
})

test('VF-26 a scope decision is about the verified token and nothing else in the request', async (t) => {
  const app = await demanding(t, { scope: 'admin' })
  const { token, cookie } = await app.login('alice', { body: { scope: 'read' } })
  const response = await app.request('GET', '/demand?scope=admin', {
    Authorization: `Bearer ${token}`,
    Cookie: `${cookie}; scope=admin`,
    Scope: 'admin',
  })
  t.is(response.status, 403)
  const forged = [token.split('.')[0], Buffer.from('{"scope":"admin"}').toString('base64url'), token.split('.')[2]]
  await assertRefused(t, app, () => demand(app, { token: forged.join('.'), cookie }), 'ERR_TOKEN_SIGNATURE')
})

test('VF-26 a scope is not told to those whose token is bad, or who have none', async (t) => {
  const app = await demanding(t, { scope: 'secret-scope', acr: 'secret-acr', maxTokenAge: '77s' })
  const { token, cookie } = await app.login()
  await assertAnonymous(t, app, () => app.request('GET', '/demand'))
  await assertRefused(
    t,
    app,
    () => app.request('GET', '/demand', { Authorization: `Bearer ${token}` }),
    'ERR_FINGERPRINT_MISSING',
  )
  app.clock.advance(901)
  await assertRefused(t, app, () => demand(app, { token, cookie }), 'ERR_TOKEN_EXPIRED')
})

test('VF-27 a session that is too old for the route is asked to step up, and how far', async (t) => {
  const app = await demanding(t, { maxTokenAge: '5m' })
  const session = await app.login()
  t.is((await demand(app, session)).status, 200)
  app.clock.advance(299)
  t.is((await demand(app, session)).status, 200)
  app.clock.advance(1)
  await assertStepUp(t, app, session, 'max_age="300"')
  t.is((await app.me(session.token, session.cookie)).status, 200, 'elsewhere it is good enough')
  t.is((await demand(app, await app.login())).status, 200, 'and after a new login')
})

test('VF-27 max_age may be 0, which only the second of the login fulfils', async (t) => {
  const app = await demanding(t, { maxTokenAge: 0 })
  app.clock.set(Math.floor(app.clock() / 1000) * 1000)
  const session = await app.login()
  t.is((await demand(app, session)).status, 200)
  app.clock.advance(1)
  await assertStepUp(t, app, session, 'max_age="0"')
})

test('VF-27 a session that is too weak for the route is asked to step up, and to what', async (t) => {
  const app = await demanding(t, { acr: ['urn:mfa', 'urn:hardware'] })
  for (const acr of [undefined, 'urn:pwd', 'urn:mf', 'urn:mfa urn:hardware', 'URN:MFA']) {
    await assertStepUp(t, app, await app.login('alice', { body: { acr } }), 'acr_values="urn:mfa urn:hardware"')
  }
  for (const acr of ['urn:mfa', 'urn:hardware']) {
    t.is((await demand(app, await app.login('alice', { body: { acr } }))).status, 200)
  }
})

test('VF-27 with both demands the challenge names both (RFC 9470 section 3)', async (t) => {
  const app = await demanding(t, { acr: 'urn:mfa', maxTokenAge: 60 })
  const session = await app.login('alice', { body: { acr: 'urn:mfa' } })
  t.is((await demand(app, session)).status, 200)
  app.clock.advance(61)
  await assertStepUp(t, app, session, 'acr_values="urn:mfa", max_age="60"')
})

test('VF-27 what a route can demand can be written into its challenge', async (t) => {
  const kit = await createSessionKit({
    issuer: ISSUER,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore(),
  })
  t.teardown(() => kit.close())
  const bad: unknown[] = [
    ...['', ' ', 'a  b', ' a', 'a"b', 'a\\b', 'a\r\nX: y', 'ü', 5, {}, [], ['a"'], null].flatMap((value) => [
      { scope: value },
      { acr: value },
    ]),
    ...['', 'soon', -1, 1.5, Number.NaN, Infinity, '5', null, {}].map((maxTokenAge) => ({ maxTokenAge })),
  ]
  for (const options of bad) {
    t.throws(() => kit.protect(options as ProtectOptions), { instanceOf: TypeError }, JSON.stringify(options))
  }
})

test('VF-27 an option that is misspelt is an error and not a route without a demand', async (t) => {
  const kit = await createSessionKit({
    issuer: ISSUER,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore(),
  })
  t.teardown(() => kit.close())
  for (const options of [{ scopes: 'admin' }, { maxAge: '5m' }, { acrValues: 'x' }, { Scope: 'admin' }]) {
    t.throws(() => kit.protect(options as ProtectOptions), { instanceOf: TypeError }, JSON.stringify(options))
  }
  for (const options of ['admin', 5, true, null]) {
    t.throws(() => kit.protect(options as unknown as ProtectOptions), { instanceOf: TypeError }, String(options))
  }
  t.throws(() => kit.protect({ optional: 'no' as unknown as boolean }), { instanceOf: TypeError })
})

test('VF-28 five parts are no token', async (t) => {
  const app = await demanding(t, {})
  const { token, cookie } = await app.login()
  const header = { alg: 'ECDH-ES', enc: 'A128GCM', typ: 'at+jwt', kid: privateJwk.kid, cty: 'JWT' }
  const jwe = [encode(header), '', 'AAAAAAAAAAAAAAAA', encode(payloadOf(token)), 'AAAAAAAAAAAAAAAAAAAAAA']
  for (const parts of [jwe, [...token.split('.'), 'AAAA', 'AAAA'], jwe.map((part) => part || 'AAAA')]) {
    await assertRefused(t, app, () => demand(app, { token: parts.join('.'), cookie }), 'ERR_TOKEN_MALFORMED')
  }
})

test('VF-28 a signed token whose header speaks of encryption is refused', async (t) => {
  const app = await demanding(t, {})
  const { token, cookie } = await app.login()
  t.is(headerOf(token)['typ'], 'at+jwt')
  for (const header of [{ enc: 'A128GCM' }, { zip: 'DEF' }, { cty: 'JWT' }, { epk: {} }]) {
    await assertRefused(t, app, () => demand(app, { token: resign(token, {}, header), cookie }), 'ERR_TOKEN_HEADER')
  }
})

test('optional: nobody is let through as nobody, a bad token is refused', async (t) => {
  const app = await demanding(t, { optional: true })
  const nobody = await app.request('GET', '/demand')
  t.is(nobody.status, 200)
  t.deepEqual(nobody.json, { sub: null })
  const { token, cookie } = await app.login()
  t.deepEqual((await demand(app, { token, cookie })).json, { sub: 'alice' })
  t.deepEqual((await app.request('GET', '/demand', { Cookie: cookie })).json, { sub: null }, 'a cookie alone is nobody')
  await assertRefused(
    t,
    app,
    () => app.request('GET', '/demand', { Authorization: `Bearer ${token}` }),
    'ERR_FINGERPRINT_MISSING',
  )
  await assertRefused(t, app, () => demand(app, { token: `${token}x`, cookie }), 'ERR_TOKEN_MALFORMED')
})

test('optional: who presents a token must fulfil the demands all the same', async (t) => {
  const app = await demanding(t, { optional: true, scope: 'read' })
  t.is((await demand(app, await app.login())).status, 403)
  t.is((await app.request('GET', '/demand')).status, 200)
})

test('optional is not in force by anything but true, and not on later routes', async (t) => {
  const app = await demanding(t, { optional: false })
  await assertAnonymous(t, app, () => app.request('GET', '/demand'))
  await assertAnonymous(t, app, () => app.request('GET', '/me'))
})

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

const FORGED = { sub: 'root', sid: 's', jti: 'j', exp: 9e9, scope: ['admin'], claims: { sub: 'root' } }

test('ctx.state.auth cannot be forged by what runs before protect()', async (t) => {
  for (const optional of [true, false]) {
    const app = await openTestApp(t, {
      before(koa) {
        koa.use((ctx, next) => {
          Object.assign(ctx.state, { auth: FORGED })
          return next()
        })
      },
      mount(_koa, kit, router) {
        router.get('/who', kit.protect({ optional } as { optional: true }), (ctx) => {
          ctx.body = { sub: ctx.state.auth?.sub ?? null }
        })
        router.get('/unprotected', (ctx) => {
          ctx.body = { sub: ctx.state.auth?.sub ?? null }
        })
      },
    })
    const anonymous = await app.request('GET', '/who')
    if (optional) t.deepEqual(anonymous.json, { sub: null })
    else t.is(anonymous.status, 401)
    t.deepEqual((await app.request('GET', '/unprotected')).json, { sub: null }, 'the app-wide protect() has reset it')
    const { token, cookie } = await app.login()
    const genuine = await app.request('GET', '/who', bearer({ token, cookie }))
    t.deepEqual(genuine.json, { sub: 'alice' })
  }
})

test('ctx.state.auth cannot be forged between two protect()', async (t) => {
  const app = await openTestApp(t, {
    mount(koa, kit, router) {
      koa.use((ctx, next) => {
        Object.assign(ctx.state, { auth: FORGED })
        return next()
      })
      router.get('/who', kit.protect(), (ctx) => {
        ctx.body = { sub: ctx.state.auth.sub }
      })
      router.get('/admin', kit.protect({ scope: 'admin' }), (ctx) => {
        ctx.body = 'in'
      })
    },
  })
  t.is((await app.request('GET', '/who')).status, 401)
  const { token, cookie } = await app.login()
  const headers = bearer({ token, cookie })
  t.deepEqual((await app.request('GET', '/who', headers)).json, { sub: 'alice' })
  t.is((await app.request('GET', '/admin', headers)).status, 403)
})

test('what is found about one request is not believed of another, on one connection or in parallel', async (t) => {
  const app = await demanding(t, {})
  const [alice, bob] = [await app.login('alice'), await app.login('bob')]
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      i % 4 < 2 ? demand(app, i % 2 ? alice : bob) : app.request('GET', '/demand'),
    ),
  )
  for (const [i, { status, text }] of answers.entries()) {
    if (i % 4 < 2) t.is(text, JSON.stringify({ sub: i % 2 ? 'alice' : 'bob' }))
    else t.is(status, 401)
  }
})

test('what is in ctx.state.auth is frozen, so that no handler can raise itself for the next', async (t) => {
  let auth: Readonly<Record<string, unknown>> = {}
  const app = await openTestApp(t, {
    mount(_koa, kit, router) {
      router.get('/catch', kit.protect(), (ctx) => {
        auth = ctx.state.auth as unknown as typeof auth
        ctx.body = 'ok'
      })
      router.get('/renew', kit.protect(), async (ctx) => {
        await kit.renew(ctx)
        auth = ctx.state.auth as unknown as typeof auth
        ctx.body = 'ok'
      })
    },
  })
  const { token, cookie } = await app.login('alice', { body: { scope: 'read', claims: { roles: ['user'] } } })
  for (const path of ['/catch', '/renew']) {
    t.is((await app.request('GET', path, bearer({ token, cookie }))).status, 200)
    t.true(Object.isFrozen(auth))
    t.true(Object.isFrozen(auth['scope']))
    t.true(Object.isFrozen(auth['claims']))
    const claims = auth['claims'] as Readonly<Record<string, unknown>>
    t.is(Object.getPrototypeOf(claims), null)
    t.deepEqual(claims['roles'], ['user'])
    t.true(Object.isFrozen(claims['roles']))
  }
})

test('protect() itself is no way around: it never runs what comes after it for a refused request', async (t) => {
  const kit = await createSessionKit({
    issuer: ISSUER,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore(),
  })
  t.teardown(() => kit.close())
  const ran: string[] = []
  const app = new Koa()
  app.use(kit.protect())
  app.use((ctx) => {
    ran.push(ctx.path)
    ctx.body = 'secret'
  })
  const base = await serve(t, app)
  const own = ['/auth/login', '/auth/refresh', '/auth/logout', '/auth/sessions', '/auth/sessions/x']
  for (const path of ['/', ...own, '/.well-known/jwks.json']) {
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS', 'DELETE']) {
      const response = await fetch(base + path, { method })
      t.is(response.status, 401, `${method} ${path}`)
    }
  }
  t.deepEqual(ran, [])
})

interface Roles {
  roles: string[]
}

test('claims are typed: what authenticate answers is what handlers read', async (t) => {
  const kit = await createSessionKit<Roles>({
    issuer: 'http://localhost:3000',
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore(),
    authenticate: () => ({ sub: 'alice', claims: { roles: ['admin', 'user'] } }),
  })
  t.teardown(() => kit.close())
  const app = new Koa()
  app.use(kit.routes())
  const router = new Router<AuthState<Roles>>()
  router.get('/roles', kit.protect(), (ctx) => {
    const roles: string[] = ctx.state.auth.claims.roles
    const sub: string = ctx.state.auth.claims.sub
    // @ts-expect-error no such claim
    const none: unknown = ctx.state.auth.claims.role
    // @ts-expect-error an array of strings, not of numbers
    const wrong: number[] = ctx.state.auth.claims.roles
    ctx.body = { roles, sub, none: none === undefined, wrong: wrong.length }
  })
  const maybe = new Router<OptionalAuthState<Roles>>()
  maybe.get('/maybe', kit.protect({ optional: true }), (ctx) => {
    // @ts-expect-error there may be nobody
    const certain: string = ctx.state.auth?.sub
    ctx.body = { certain: certain ?? null, roles: ctx.state.auth?.claims.roles ?? null }
  })
  app.use(router.routes()).use(maybe.routes())
  const base = await serve(t, app)
  const login = await fetch(`${base}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  })
  const { access_token: token } = (await login.json()) as { access_token: string }
  const cookie = (login.headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''
  const response = await fetch(`${base}/roles`, { headers: bearer({ token, cookie }) })
  t.deepEqual(await response.json(), { roles: ['admin', 'user'], sub: 'alice', none: true, wrong: 2 })
  t.deepEqual(await (await fetch(`${base}/maybe`)).json(), { certain: null, roles: null })
  const ill: SessionKitOptions<Roles> = {
    issuer: 'x',
    // @ts-expect-error roles must be strings
    authenticate: () => ({ sub: 'a', claims: { roles: [1] } }),
  }
  t.is(typeof ill.authenticate, 'function')
})

/** Asserts that the session's token with these claims, rightly signed, is refused for them. */
async function refuseClaims(t: ExecutionContext, app: TestApp, session: Login, claims: Json): Promise<void> {
  const token = resign(session.token, claims)
  await assertRefused(t, app, () => demand(app, { ...session, token }), 'ERR_TOKEN_CLAIMS', JSON.stringify(claims))
}

test('D-19 a scope that is no string is refused', async (t) => {
  const app = await demanding(t, { scope: 'admin' })
  const session = await app.login()
  for (const scope of [
    ['admin'],
    { admin: true },
    true,
    null,
    1,
    [['admin']],
    'read  admin',
    ' admin',
    'admin ',
    'a"b',
  ]) {
    await refuseClaims(t, app, session, { scope })
  }
})

test('D-19 part of a scope is not the scope', async (t) => {
  const app = await demanding(t, { scope: 'admin' })
  const { token, cookie } = await app.login()
  for (const scope of ['administrator', 'superadmin', 'adm', 'ADMIN', 'admin,read', 'read:admin', '']) {
    const response = await demand(app, { token: resign(token, { scope }), cookie })
    t.is(response.status, 403, scope)
  }
  t.is((await demand(app, { token: resign(token, { scope: 'read admin' }), cookie })).status, 200)
})

test('D-21 an authentication time of another kind, or after the token, is refused', async (t) => {
  const app = await demanding(t, { maxTokenAge: '5m' })
  const session = await app.login()
  const { iat } = payloadOf(session.token) as { iat: number }
  for (const authTime of [String(iat), null, true, [iat], {}, -1, 0, iat + 60, iat + 86_400, 9e15, iat * 1000]) {
    await refuseClaims(t, app, session, { auth_time: authTime })
  }
})

test('D-21 without an authentication time there is a step-up, and not a way in', async (t) => {
  const app = await demanding(t, { maxTokenAge: '5m' })
  const session = await app.login()
  const without = { ...session, token: resign(session.token, { auth_time: undefined }) }
  await assertStepUp(t, app, without, 'max_age="300"')
  const old = { ...session, token: resign(session.token, { auth_time: 1 }) }
  await assertStepUp(t, app, old, 'max_age="300"')
})

test('D-21 a context class of another kind is refused', async (t) => {
  const app = await demanding(t, { acr: 'urn:mfa' })
  const session = await app.login()
  for (const acr of [['urn:mfa'], { 'urn:mfa': 1 }, true, null, 1, '']) {
    await refuseClaims(t, app, session, { acr })
  }
})

test('the answer to a bad token is the documented one, byte for byte', async (t) => {
  const app = await demanding(t, {})
  const { token } = await app.login()
  const response = await app.request('GET', '/demand', { Authorization: `Bearer ${token}` })
  t.is(response.text, INVALID_TOKEN_BODY)
  t.is(response.headers['www-authenticate'], INVALID_TOKEN_CHALLENGE)
  t.is(response.headers['content-type'], 'application/problem+json; charset=utf-8')
})
