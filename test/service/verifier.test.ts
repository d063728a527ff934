// What a service learns of who is calling, and what it refuses: a kit issues, real services verify with its public keys.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

import test, { type ExecutionContext } from 'ava'

import { isSessionError } from '../../src/index.ts'
import type { VerifierOptions } from '../../src/service.ts'
import {
  codesOf,
  createClock,
  ISSUER,
  type Login,
  openTestApp,
  privateJwk,
  START,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { listen, send } from '../helpers/http.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import { assertAnonymous, assertRefused, INVALID_TOKEN_BODY } from '../helpers/refused.ts'
import {
  AUDIENCE,
  openIssuer,
  openService,
  publicOf,
  statusOf,
  type TestService,
  type TestServiceOptions,
  toLoopback,
  WRONG_COOKIE,
} from '../helpers/service.ts'

const API = 'https://api.app.example'

interface Split {
  readonly app: TestApp
  readonly service: TestService
}

/** An app that issues, and a service on a subdomain that it shares its cookie with. */
async function openSplit(
  t: ExecutionContext,
  options: TestServiceOptions = {},
  appOptions: TestAppOptions = {},
): Promise<Split> {
  const testClock = createClock()
  const app = await openTestApp(t, {
    testClock,
    audience: [ISSUER, AUDIENCE],
    cookie: { domain: 'app.example' },
    mount(_koa, kit, router) {
      router.get('/delegated', kit.protect(), async (ctx) => {
        ctx.body = await kit.delegate(ctx, { audience: API, scope: 'read' })
      })
    },
    ...appOptions,
  })
  const service = await openService(t, {
    testClock,
    issuer: ISSUER,
    audience: [AUDIENCE, API],
    origin: API,
    cookie: { domain: 'app.example' },
    fetch: toLoopback(ISSUER, `http://127.0.0.1:${app.port}`),
    ...options,
  })
  return { app, service }
}

async function delegate(app: TestApp, { token, cookie }: Login): Promise<string> {
  const response = await app.request('GET', '/delegated', { Authorization: `Bearer ${token}`, Cookie: cookie })
  return String(response.json['access_token'])
}

test('a token of the app is good at its service, with everything it says', async (t) => {
  const { app, service } = await openSplit(t)
  const login = await app.login('alice', { body: { scope: 'read write', claims: { theme: 'dark' } } })
  const response = await service.me(login.token, login.cookie)
  t.is(response.status, 200)
  t.like(response.json['auth'], {
    sub: 'alice',
    sid: login.sid,
    kid: privateJwk.kid,
    scope: ['read', 'write'],
    claims: { iss: ISSUER, theme: 'dark' },
  })
})

test('FP-13 a browser brings the shared cookie to the service, and the service demands it', async (t) => {
  const { app, service } = await openSplit(t)
  const jar = createCookieJar({ clock: app.clock })
  const login = await app.login()
  jar.receive(`${ISSUER}/auth/login`, login.response.cookies)
  const cookie = jar.header(`${API}/me`)
  t.is(cookie, login.cookie, 'the fingerprint, and not the refresh token')
  t.is((await service.me(login.token, cookie)).status, 200)
  await assertRefused(t, service, () => service.me(login.token), 'ERR_FINGERPRINT_MISSING')
  await assertRefused(t, service, () => service.me(login.token, WRONG_COOKIE), 'ERR_FINGERPRINT_MISMATCH')
  const planted = `${WRONG_COOKIE}; ${cookie}`
  await assertRefused(t, service, () => service.me(login.token, planted), 'ERR_FINGERPRINT_AMBIGUOUS')
  await assertAnonymous(t, service, () => service.me(undefined, cookie))
  // Another site is not given it.
  t.is(jar.header('https://app.other.example/me'), undefined)
})

test('FP-13 without a shared domain the cookie stays with the app, so no service is built for another host', async (t) => {
  const app = await openTestApp(t)
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${ISSUER}/auth/login`, (await app.login()).response.cookies)
  t.is(jar.header(`${API}/me`), undefined)
  await t.throwsAsync(openSplit(t, { cookie: {} }), { instanceOf: TypeError, message: /^cookie\.domain/ })
})

test("FP-13 'if-present' lets delegated tokens in, and the app's own only with their fingerprint", async (t) => {
  const { app, service } = await openSplit(t, { fingerprint: 'if-present' })
  const login = await app.login('alice', { body: { scope: 'read' } })
  const delegated = await delegate(app, login)
  t.is((await service.me(delegated)).status, 200)
  t.is((await service.me(delegated, login.cookie)).status, 200, 'whatever cookies come with it')
  t.is((await service.me(login.token, login.cookie)).status, 200)
  await assertRefused(t, service, () => service.me(login.token), 'ERR_FINGERPRINT_MISSING')
  await assertRefused(t, service, () => service.me(login.token, WRONG_COOKIE), 'ERR_FINGERPRINT_MISMATCH')
})

test("FP-13 on another site 'if-present' takes delegated tokens, and never one that is bound to a browser", async (t) => {
  const { app, service } = await openSplit(t, {
    origin: 'https://api.elsewhere.example',
    cookie: {},
    fingerprint: 'if-present',
  })
  const login = await app.login('alice', { body: { scope: 'read' } })
  t.is((await service.me(await delegate(app, login))).status, 200)
  // No browser sends the cookie there, so whoever has the token has stolen it.
  await assertRefused(t, service, () => service.me(login.token), 'ERR_FINGERPRINT_MISSING')
})

test("FP-13 'required' refuses delegated tokens, and a claim that is no fingerprint is refused everywhere", async (t) => {
  const { app, service } = await openSplit(t)
  const login = await app.login('alice', { body: { scope: 'read' } })
  const delegated = await delegate(app, login)
  await assertRefused(t, service, () => service.me(delegated, login.cookie), 'ERR_TOKEN_CLAIMS')
  const issuer = await openIssuer(t)
  const lax = await openService(t, { issuer: issuer.issuer, fingerprint: 'if-present' })
  for (const fgp of [null, '', 7, {}, ['x'], 'short', 'A'.repeat(44)]) {
    const { token, cookie } = issuer.mint(lax.clock, { fgp })
    await assertRefused(t, lax, () => lax.me(token, cookie), 'ERR_TOKEN_CLAIMS', JSON.stringify(fgp))
  }
})

test("'none' asks for no fingerprint, so a token alone is enough: for issuers that know none", async (t) => {
  const { app, service } = await openSplit(t, { fingerprint: 'none', cookie: {} })
  const login = await app.login()
  t.is((await service.me(login.token)).status, 200)
  t.is((await service.me(login.token, WRONG_COOKIE)).status, 200)
})

test('a delegated token is good for its service alone, for its minutes, and says only what was named', async (t) => {
  const { app, service } = await openSplit(t, { fingerprint: 'if-present' })
  const login = await app.login('alice', { body: { scope: 'read write', claims: { theme: 'dark' } } })
  const delegated = await delegate(app, login)
  t.like((await service.me(delegated)).json['auth'], { sub: 'alice', scope: ['read'] })
  t.false((await service.me(delegated)).text.includes('dark'))
  t.is((await app.me(delegated, login.cookie)).status, 401)
  app.clock.advance(120)
  await assertRefused(t, service, () => service.me(delegated), 'ERR_TOKEN_EXPIRED')
})

test('after a refresh old and new token are good with the new cookie, at the service as at the app', async (t) => {
  const { app, service } = await openSplit(t)
  const login = await app.login()
  app.clock.advance(60)
  const refreshed = await app.request('POST', '/auth/refresh', {
    Cookie: `${login.cookie}; ${login.refreshCookie}`,
    'Sec-Fetch-Site': 'same-origin',
  })
  const cookie = String(refreshed.cookies[0]).split(';')[0]
  t.is((await service.me(login.token, cookie)).status, 200)
  t.is((await service.me(String(refreshed.json['access_token']), cookie)).status, 200)
  await assertRefused(
    t,
    service,
    () => service.me(String(refreshed.json['access_token']), login.cookie),
    'ERR_FINGERPRINT_MISMATCH',
  )
})

test('the spelling of OWASP is read where the issuer writes it', async (t) => {
  const { app, service } = await openSplit(t, { format: 'owasp' }, { fingerprint: { format: 'owasp' } })
  const login = await app.login()
  t.is((await service.me(login.token, login.cookie)).status, 200)
  await assertRefused(t, service, () => service.me(login.token), 'ERR_FINGERPRINT_MISSING')
})

test('CK-18 a service on https believes no token that came over plain http', async (t) => {
  const { app, service } = await openSplit(t)
  const { token, cookie } = await app.login()
  const headers = { Authorization: `Bearer ${token}`, Cookie: cookie, 'X-Forwarded-Proto': 'http' }
  const response = await service.request('GET', '/me', headers)
  t.is(response.status, 500)
  t.deepEqual(codesOf(service.seen), ['ERR_TRANSPORT_INSECURE'])
  t.is(service.handled.count, 0)
})

test('a token without a session is of somebody all the same', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer, fingerprint: 'none' })
  const bare = { sid: undefined, iat_ms: undefined, auth_time: undefined, fgp: undefined, scope: 'a b' }
  const { token } = issuer.mint(service.clock, bare)
  const { status, json } = await service.me(token)
  t.is(status, 200)
  t.false('sid' in (json['auth'] as object))
  t.like(json['auth'], { sub: 'alice', scope: ['a', 'b'] })
})

test("EL-09 where tokens name no session, the noise of one user does not hide another's alarm", async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  for (let i = 0; i < 60; i += 1) await service.me(issuer.mint(service.clock, { sid: undefined, sub: 'mallory' }).token)
  t.is(service.seen.length, 50)
  await service.me(issuer.mint(service.clock, { sid: undefined }).token)
  t.like(service.seen[50], { name: 'sidejack' })
  t.like(service.seen[50]?.event, { sub: 'alice' })
})

test('VF-11 every check of the app is a check of the service', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  const now = Math.floor(START / 1000)
  for (const [claims, header, code] of [
    [{ exp: now }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ iat: now - 900, iat_ms: undefined, auth_time: undefined, exp: now }, {}, 'ERR_TOKEN_EXPIRED'],
    [{ exp: now + 3601 }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ nbf: now + 60 }, {}, 'ERR_TOKEN_NOT_YET_VALID'],
    [{ sub: undefined }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ jti: undefined }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ aud: undefined }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ cnf: { jkt: 'x' } }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ fgp: undefined }, {}, 'ERR_TOKEN_CLAIMS'],
    [{}, { typ: 'JWT' }, 'ERR_TOKEN_TYPE'],
    [{}, { typ: 'ticket+jwt' }, 'ERR_TOKEN_TYPE'],
    [{}, { typ: undefined }, 'ERR_TOKEN_TYPE'],
    [{}, { alg: 'none' }, 'ERR_TOKEN_ALGORITHM'],
    [{}, { alg: 'HS256' }, 'ERR_TOKEN_ALGORITHM'],
    [{}, { jku: issuer.jwksUri }, 'ERR_TOKEN_HEADER'],
    [{}, { crit: ['exp'] }, 'ERR_TOKEN_HEADER'],
  ] as const) {
    const { token, cookie } = issuer.mint(service.clock, claims, header)
    await assertRefused(t, service, () => service.me(token, cookie), code, JSON.stringify([claims, header]))
  }
  const { token, cookie } = issuer.mint(service.clock)
  await assertRefused(t, service, () => service.me(`${token}=`, cookie), 'ERR_TOKEN_MALFORMED')
  t.is(issuer.fetches, 1)
})

test('SL-07 what has expired at a service stays so when the clock goes back', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  const { token, cookie } = issuer.mint(service.clock)
  service.clock.advance(901)
  t.is((await service.me(token, cookie)).status, 401)
  service.clock.advance(-600)
  await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_EXPIRED')
})

test('a route of a service demands scopes, a recent login and classes of it, as a route of the app does', async (t) => {
  const issuer = await openIssuer(t)
  const ask = async (protect: TestServiceOptions['protect'], claims: object): Promise<readonly [number, string]> => {
    const service = await openService(t, { issuer: issuer.issuer, ...(protect && { protect }) })
    const { token, cookie } = issuer.mint(service.clock, { ...claims })
    const { status, headers } = await service.me(token, cookie)
    return [status, String(headers['www-authenticate'])]
  }
  t.is((await ask({ scope: 'read' }, { scope: 'read write' }))[0], 200)
  const [status, challenge] = await ask({ scope: 'read' }, { scope: 'write' })
  t.is(status, 403)
  t.regex(challenge, /error="insufficient_scope".*scope="read"/)
  const [old, again] = await ask({ maxTokenAge: '5m' }, { auth_time: Math.floor(START / 1000) - 600 })
  t.is(old, 401)
  t.regex(again, /error="insufficient_user_authentication".*max_age="300"/)
  t.is((await ask({ acr: 'gold' }, { acr: 'gold' }))[0], 200)
  t.is((await ask({ acr: 'gold' }, { acr: 'silver' }))[0], 401)
})

test('requests without a token pass where that is allowed, and with a bad one nowhere', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer, protect: { optional: true } })
  t.deepEqual((await service.me()).json, { auth: null })
  const { token } = issuer.mint(service.clock)
  t.is((await service.me(token)).status, 401)
})

test('two middlewares of one verifier verify a request once, and the stricter one decides', async (t) => {
  const issuer = await openIssuer(t)
  const { protect } = await import('../../src/koa/service.ts')
  const service = await openService(t, {
    issuer: issuer.issuer,
    protect: { scope: 'admin' },
    mount: (koa, verifier) => koa.use(protect(verifier, { optional: true })),
  })
  const { token, cookie } = issuer.mint(service.clock)
  t.is((await service.me(token, cookie)).status, 403)
  t.deepEqual(codesOf(service.seen), ['ERR_SCOPE_INSUFFICIENT'])
  t.throws(() => protect(service.verifier, { scopes: 'x' } as object), { instanceOf: TypeError })
})

test('EL-03 a challenge is what it should be, whatever the service is called', async (t) => {
  for (const audience of ['an "audience"', 'ünïcödé → 界', 'back\\slash']) {
    const issuer = await openIssuer(t)
    const service = await openService(t, {
      issuer: issuer.issuer,
      audience,
      fingerprint: 'none',
      origin: undefined,
    } as never)
    const { status, headers } = await service.me()
    t.is(status, 401)
    t.is(headers['www-authenticate'], `Bearer realm="${issuer.issuer}/"`)
  }
})

/** Any framework: what it takes to protect a handler without Koa. */
function openBareService(t: ExecutionContext, verifier: TestService['verifier']): Promise<number> {
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const fingerprints = (request.headers.cookie ?? '')
      .split('; ')
      .filter((one) => one.startsWith(`${verifier.settings.cookie.name}=`))
      .map((one) => one.slice(verifier.settings.cookie.name.length + 1))
    try {
      response.end((await verifier.verify({ token, fingerprints })).sub)
    } catch (thrown) {
      const { method = '', url = '', socket } = request
      const userAgent = request.headers['user-agent'] ?? ''
      verifier.report(thrown, { method, path: url, ip: String(socket.remoteAddress), userAgent })
      response.writeHead(isSessionError(thrown) ? thrown.status : 503).end()
    }
  }
  return listen(
    t,
    createServer((...pair) => void handle(...pair)),
  )
}

test('EL-06 EL-08 any framework can verify and report, and what it reports holds no query and forges no line', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  const port = await openBareService(t, service.verifier)
  const { token, cookie } = issuer.mint(service.clock)
  const get = (path: string, headers: Record<string, string>): ReturnType<typeof send> =>
    send({ port, defaults: { Host: 'api.example' } }, 'GET', path, headers)
  const both = await get('/', { Authorization: `Bearer ${token}`, Cookie: cookie })
  t.deepEqual([both.status, both.text], [200, 'alice'])
  const alone = await get('/a?access_token=secret#more', {
    Authorization: `Bearer ${token}`,
    'User-Agent': 'x\u009b31m',
  })
  t.is(alone.status, 401)
  t.is(service.seen.length, 1)
  t.like(service.seen[0], { name: 'sidejack' })
  t.like(service.seen[0]?.event, {
    code: 'ERR_FINGERPRINT_MISSING',
    sub: 'alice',
    request: { method: 'GET', path: '/a', ip: '127.0.0.1', userAgent: 'x\\u009b31m' },
  })
  t.false(JSON.stringify(service.seen).includes('secret'))
  t.is((await get('/', {})).status, 401)
})

test('EL-05 a 503 is heard by the app, a 401 is not', async (t) => {
  const issuer = await openIssuer(t)
  issuer.keys = []
  const service = await openService(t, { issuer: issuer.issuer })
  const { token, cookie } = issuer.mint(service.clock)
  t.is((await service.me(token, cookie)).status, 503)
  t.is(service.errors.length, 1)
  t.is((await service.me('nonsense', cookie)).text, INVALID_TOKEN_BODY)
  t.is(service.errors.length, 1)
})

test('nothing that a verifier shows holds a key or a token', async (t) => {
  const { inspect } = await import('node:util')
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  const { token, cookie } = issuer.mint(service.clock)
  await service.me(token)
  for (const text of [inspect(service.verifier, { depth: 20 }), JSON.stringify(service.verifier)]) {
    t.false(text.includes(publicOf(privateJwk).x ?? '-'))
  }
  const events = JSON.stringify(service.seen)
  for (const part of [...token.split('.'), cookie.slice(COOKIE_NAME.length + 1)]) t.false(events.includes(part))
})

const options: VerifierOptions = { issuer: 'http://localhost:3000', audience: 'http://localhost:3001' }

test("the development cookie of an issuer on localhost is its service's too", async (t) => {
  const testClock = createClock()
  const app = await openTestApp(t, {
    testClock,
    issuer: options.issuer ?? '',
    audience: [options.issuer ?? '', AUDIENCE],
    cookie: { development: true },
  })
  const service = await openService(t, {
    testClock,
    issuer: options.issuer ?? '',
    origin: 'http://localhost:3001',
    cookie: { development: true },
    fetch: toLoopback(options.issuer ?? '', `http://127.0.0.1:${app.port}`),
  })
  const login = await app.login()
  t.regex(login.cookie, /^Fgp-Development=/)
  t.is(await statusOf(service, login), 200)
  await assertRefused(t, service, () => service.me(login.token), 'ERR_FINGERPRINT_MISSING')
})
