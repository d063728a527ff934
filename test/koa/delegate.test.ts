// Delegated tokens: what another service makes of them with the public keys alone, and that this one takes none.

import test, { type ExecutionContext } from 'ava'
import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'

import type { DelegatedToken, DelegateOptions, SessionKit } from '../../src/index.ts'
import { RESERVED_CLAIMS } from '../../src/token/claims.ts'
import {
  bearer,
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  type Response,
  START,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { knock, openSocketServer } from '../helpers/live.ts'

const BILLING = 'https://billing.example'
const GRANT = { scope: 'read write', claims: { theme: 'dark' }, amr: ['pwd'], acr: 'urn:silver' }

interface Opened {
  readonly app: TestApp
  readonly session: Login
  /** Calls `kit.delegate` in a request of the session; answers what it did. */
  ask(options: unknown, before?: (kit: SessionKit) => Promise<void>): Promise<Response>
  /** The same, where it must succeed. */
  delegate(options?: Partial<DelegateOptions>): Promise<DelegatedToken>
}

async function open(t: ExecutionContext, options: TestAppOptions = {}, grant: object = GRANT): Promise<Opened> {
  let asked: { options: unknown; before?: ((kit: SessionKit) => Promise<void>) | undefined } = { options: {} }
  const app = await openTestApp(t, {
    // By the real time, at which other people's software looks.
    testClock: createClock(Date.now()),
    mount(_koa, kit, router) {
      router.post('/delegate', kit.protect(), async (ctx) => {
        await asked.before?.(kit)
        ctx.body = await kit.delegate(ctx, asked.options as DelegateOptions)
      })
      router.post('/open', async (ctx) => {
        ctx.body = await kit.delegate(ctx, { audience: BILLING })
      })
    },
    ...options,
  })
  const session = await app.login('alice', { body: grant })
  const ask: Opened['ask'] = (to, before) => {
    asked = { options: to, before }
    app.seen.length = 0
    app.errors.length = 0
    return app.request('POST', '/delegate', bearer(session))
  }
  return {
    app,
    session,
    ask,
    async delegate(to) {
      const { status, json, text } = await ask({ audience: BILLING, ...to })
      t.is(status, 200, text)
      return json as unknown as DelegatedToken
    },
  }
}

/** What another service makes of it, with jose and what the JWKS route shows. */
async function verifyElsewhere(app: TestApp, { access_token: token }: DelegatedToken): Promise<JWTPayload> {
  const { json } = await app.request('GET', '/.well-known/jwks.json')
  const keys = createLocalJWKSet(json as unknown as JSONWebKeySet)
  const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: BILLING, typ: 'at+jwt' })
  return payload
}

test('a delegated token says who acts for whom at which service, and nothing else of the session', async (t) => {
  const { app, session, delegate } = await open(t)
  const delegated = await delegate()
  const { iat = 0, iat_ms: milliseconds, jti, ...claims } = await verifyElsewhere(app, delegated)
  t.deepEqual(claims, {
    ...{ iss: ISSUER, sub: 'alice', aud: BILLING, client_id: ISSUER, exp: iat + 120, sid: session.sid },
    ...{ act: { sub: ISSUER }, acr: 'urn:silver', amr: ['pwd'] },
    auth_time: payloadOf(session.token)['auth_time'],
  })
  t.is(milliseconds, app.clock())
  t.not(jti, payloadOf(session.token)['jti'])
  t.deepEqual(headerOf(delegated.access_token), headerOf(session.token))
  const { access_token: _token, ...answer } = delegated
  t.deepEqual(answer, {
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 120,
  })
  t.like(app.seen, { 0: { name: 'authn_token_created', event: { sub: 'alice', sid: session.sid, jti } }, length: 1 })
})

test('oauth4webapi accepts a delegated token as an access token (RFC 9068) for its audience, and for no other', async (t) => {
  const { app, delegate } = await open(t)
  const { access_token: token } = await delegate({ scope: 'read' })
  const server = { issuer: ISSUER, jwks_uri: `${ISSUER}/.well-known/jwks.json` }
  const fetched: string[] = []
  const validate = (audience: string): Promise<oauth.JWTAccessTokenClaims> => {
    const request = new Request(`${BILLING}/invoices`, { headers: { Authorization: `Bearer ${token}` } })
    return oauth.validateJwtAccessToken(server, request, audience, {
      signingAlgorithms: ['ES256'],
      async [oauth.customFetch](url) {
        fetched.push(url)
        const { text, status } = await app.request('GET', new URL(url).pathname)
        return new globalThis.Response(text, { status, headers: { 'Content-Type': 'application/jwk-set+json' } })
      },
    })
  }
  t.like(await validate(BILLING), { sub: 'alice', scope: 'read', act: { sub: ISSUER } })
  await t.throwsAsync(validate(ISSUER))
  t.deepEqual([...new Set(fetched)], [server.jwks_uri], 'the public keys, and nothing else')
})

test('a delegated token has the claims that are named, and none of the session', async (t) => {
  const { app, delegate } = await open(t)
  const claims = { invoice: 7 }
  const payload = await verifyElsewhere(app, await delegate({ claims }))
  t.is(payload['invoice'], 7)
  t.false('theme' in payload)
  t.false('fgp' in payload)
})

test("no delegated token sets a claim that is the kit's own", async (t) => {
  const { app, ask } = await open(t)
  for (const name of RESERVED_CLAIMS) {
    const claims = Object.defineProperty({}, name, { value: 'x', enumerable: true })
    const { status, text } = await ask({ audience: BILLING, claims })
    t.is(status, 500, name)
    t.false(text.includes('.ey'), name)
    t.like(app.errors, { 0: { code: 'ERR_CLAIMS_INVALID' } }, name)
  }
})

test('a delegated token has the scopes that are named, if the session has them all', async (t) => {
  const { app, ask, delegate } = await open(t)
  for (const scope of ['read', 'write', 'write read']) {
    const delegated = await delegate({ scope })
    t.is(delegated.scope, scope)
    t.is((await verifyElsewhere(app, delegated))['scope'], scope)
  }
  for (const scope of ['admin', 'read admin', 'rea', 'READ']) {
    t.is((await ask({ audience: BILLING, scope })).status, 500, scope)
    t.like(app.errors, { 0: { code: 'ERR_CLAIMS_INVALID' } }, scope)
  }
  const none = await open(t, {}, {})
  t.is((await none.ask({ audience: BILLING, scope: 'read' })).status, 500)
})

test('a delegated token lives for two minutes, or up to ten', async (t) => {
  const { delegate } = await open(t)
  for (const [options, seconds] of [
    [{}, 120],
    [{ lifetime: 1 }, 1],
    [{ lifetime: '10m' }, 600],
  ] as const) {
    const delegated = await delegate(options)
    const { exp, iat } = payloadOf(delegated.access_token)
    t.deepEqual([Number(exp) - Number(iat), delegated.expires_in], [seconds, seconds])
  }
})

const WRONG: readonly unknown[] = [
  ...[undefined, null, 'billing', {}, { audience: '' }, { audience: 5 }, { audience: [BILLING] }, { audience: 'a\nb' }],
  ...[0, -1, 601, '11m', 1.5, 'soon', null].map((lifetime) => ({ audience: BILLING, lifetime })),
  ...['', ' ', ' read', 'read  write', 'a"b', ['read'], 5, null].map((scope) => ({ audience: BILLING, scope })),
  ...[
    { audience: BILLING, claim: {} },
    { audience: BILLING, act: {} },
  ],
]

test('wrong options are a TypeError, and delegate nothing', async (t) => {
  const { app, ask } = await open(t)
  for (const options of WRONG) {
    const { status } = await ask(options)
    t.is(status, 500, JSON.stringify(options))
    t.true(app.errors[0] instanceof TypeError, JSON.stringify(options))
    t.deepEqual(app.seen, [])
  }
})

for (const audience of [ISSUER, 'shop', ['shop', 'https://api.app.example']]) {
  test(`no delegated token is for this application itself, where it would need no fingerprint: ${audience.toString()}`, async (t) => {
    const { app, ask } = await open(t, { audience })
    for (const own of [audience].flat()) {
      t.is((await ask({ audience: own })).status, 500)
      t.true(app.errors[0] instanceof TypeError)
    }
  })
}

test('FP-07 a delegated token opens nothing here, nor at another kit with the same issuer and keys', async (t) => {
  const { app, session, delegate } = await open(t)
  const { access_token: token } = await delegate()
  const { cookie } = session
  const sockets = await openSocketServer(t, app)
  const service = await openTestApp(t, { keys: app.keys, testClock: app.clock, audience: BILLING })
  const attempts: Readonly<Record<string, readonly [string, TestApp, () => Promise<{ readonly status: number }>]>> = {
    'a route': ['ERR_TOKEN_AUDIENCE', app, () => app.me(token, cookie)],
    'the list of sessions': [
      ...(['ERR_TOKEN_AUDIENCE', app] as const),
      () => app.request('GET', '/auth/sessions', bearer({ token, cookie })),
    ],
    'an upgrade': ['ERR_TOKEN_AUDIENCE', app, () => knock(sockets, bearer({ token, cookie }))],
    'an upgrade as a ticket': [
      ...(['ERR_TOKEN_TYPE', app] as const),
      () => knock(sockets, { Cookie: cookie }, `/live?ticket=${token}`),
    ],
    'the service, with the cookie': ['ERR_TOKEN_CLAIMS', service, () => service.me(token, cookie)],
    'the service, without': ['ERR_TOKEN_CLAIMS', service, () => service.me(token)],
  }
  for (const [where, [code, at, send]] of Object.entries(attempts)) {
    at.seen.length = 0
    t.is((await send()).status, 401, where)
    t.deepEqual(codesOf(at.seen), [code], where)
  }
  await app.request('POST', '/auth/logout', bearer({ token, cookie }))
  t.is((await app.me(session.token, cookie)).status, 200, 'nor does it log out')
})

test('nobody delegates without a session, or with one that has just been revoked', async (t) => {
  const { app, session, ask } = await open(t)
  t.is((await app.request('POST', '/open', { Cookie: session.cookie })).status, 401)
  t.is((await app.request('POST', '/open', bearer(session))).status, 200)
  const { status } = await ask({ audience: BILLING }, (kit) => kit.revoke({ sid: session.sid }))
  t.is(status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_REVOKED'])
})

test('nobody delegates with a token that has expired since the request began', async (t) => {
  const { app, ask } = await open(t, { testClock: createClock(START + 30_000) })
  app.clock.advance(899)
  const { status } = await ask({ audience: BILLING }, async () => app.clock.advance(2))
  t.is(status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_TOKEN_EXPIRED'])
})
