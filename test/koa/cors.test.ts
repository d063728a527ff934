// Cross-origin reading, with the real @koa/cors in front: listed origins with credentials, and nobody else.

import cors from '@koa/cors'
import test from 'ava'

import {
  bearer,
  codesOf,
  createTestApp,
  ISSUER,
  postRefresh,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'

const LISTED = 'https://www.app.example'
const EVIL = [
  ...['https://evil.example', 'null', '*', 'https://www.app.example.evil.com', 'https://xwww.app.example'],
  ...['http://www.app.example', 'https://www.app.example:444', 'https://WWW.app.example', 'https://www.app.example/'],
]

function createCorsApp(options: TestAppOptions = {}): Promise<TestApp> {
  return createTestApp({ origins: [LISTED], before: (koa, kit) => koa.use(cors(kit.cors())), ...options })
}

function preflight(
  app: TestApp,
  origin: string,
  method = 'POST',
  headers = 'content-type',
): ReturnType<TestApp['request']> {
  return app.request('OPTIONS', '/auth/login', {
    Origin: origin,
    'Access-Control-Request-Method': method,
    'Access-Control-Request-Headers': headers,
  })
}

function corsHeaders(headers: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('access-control-'))
}

test('CS-09 a listed origin may read, with credentials; the answer names it and nothing wider', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  for (const origin of [LISTED, ISSUER]) {
    const { status, headers } = await app.me(token, cookie, { Origin: origin })
    t.is(status, 200)
    t.is(headers['access-control-allow-origin'], origin)
    t.is(headers['access-control-allow-credentials'], 'true')
    t.regex(String(headers['vary']), /\bOrigin\b/)
  }
})

test('CS-09 H-07 no other origin gets a CORS header, on no route and at no status', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const login = await app.login()
  const { token, cookie } = login
  for (const origin of EVIL) {
    const answers = [
      await app.me(token, cookie, { Origin: origin }),
      await app.me('nonsense', cookie, { Origin: origin }),
      await app.me(undefined, undefined, { Origin: origin }),
      await app.request('POST', '/auth/logout', { Origin: origin, Authorization: `Bearer ${token}`, Cookie: cookie }),
      await postRefresh(app, login, { Origin: origin, 'Sec-Fetch-Site': 'cross-site' }),
      await app.request('GET', '/auth/sessions', { Origin: origin, ...bearer(login) }),
      await app.request('DELETE', `/auth/sessions/${login.sid}`, { Origin: origin, ...bearer(login) }),
      await app.request('GET', '/.well-known/jwks.json', { Origin: origin }),
      await preflight(app, origin),
    ]
    for (const { headers } of answers) {
      t.deepEqual(corsHeaders(headers), [], origin)
      t.regex(String(headers['vary']), /\bOrigin\b/, origin)
    }
  }
  t.is((await app.me(token, cookie)).status, 200, 'the session is alive')
  t.true(toLogin(await postRefresh(app, login)).refreshToken.includes('.1.'), 'and its refresh token was not used')
})

test('CS-09 Vary: Origin is there even without an Origin', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const { token, cookie, response } = await app.login()
  for (const { headers } of [response, await app.me(token, cookie), await app.me()]) {
    t.regex(String(headers['vary']), /\bOrigin\b/)
    t.deepEqual(corsHeaders(headers), [])
  }
})

test('CS-09 refusals can be read by the listed origin, so its page can tell 401 from an outage', async (t) => {
  const app = await createCorsApp({
    mount: (_, kit, router) => {
      router.post('/custom-login', async (ctx) => {
        ctx.body = await kit.start(ctx, { sub: 'alice' })
      })
      router.get('/admin', kit.protect({ scope: 'admin' }), (ctx) => {
        ctx.body = 'never'
      })
    },
  })
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  const json = { 'Content-Type': 'application/json' }
  const origin = { Origin: LISTED }
  const pair = bearer({ token, cookie })
  const answers = [
    [401, await app.me(undefined, undefined, origin)],
    [401, await app.me('nonsense', cookie, origin)],
    [401, await app.me(token, undefined, origin)],
    [401, await app.request('POST', '/auth/login', { ...json, ...origin }, '{"sub":"alice","password":"no"}')],
    [403, await app.request('GET', '/admin', { ...pair, ...origin })],
    [403, await app.request('POST', '/auth/login', { ...json, ...origin, 'Sec-Fetch-Site': 'cross-site' }, '{}')],
    // Thrown through @koa/cors by a route of the application.
    [403, await app.request('POST', '/custom-login', { ...origin, 'Sec-Fetch-Site': 'cross-site' })],
    [405, await app.request('GET', '/auth/login', origin)],
    [401, await app.request('POST', '/auth/refresh', { ...json, ...origin })],
    [403, await app.request('POST', '/auth/refresh', { ...json, ...origin, 'Sec-Fetch-Site': 'cross-site' })],
    [401, await app.request('GET', '/auth/sessions', origin)],
    [404, await app.request('DELETE', '/auth/sessions/x', { ...pair, ...origin })],
  ] as const
  for (const [expected, { status, headers }] of answers) {
    t.is(status, expected)
    t.is(headers['access-control-allow-origin'], LISTED)
    t.is(headers['access-control-allow-credentials'], 'true')
    t.regex(String(headers['vary']), /\bOrigin\b/i)
  }
})

test('CS-09 a page of a listed origin of the same site logs in, reads, refreshes, lists and logs out', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const from = { Origin: LISTED, 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors' }
  const login = await app.login('alice', { headers: from })
  t.is(login.response.headers['access-control-allow-origin'], LISTED)
  t.is((await app.me(login.token, login.cookie, from)).json['sub'], 'alice')
  const { response, token, cookie } = toLogin(await postRefresh(app, login, from))
  t.is(response.headers['access-control-allow-origin'], LISTED)
  t.is((await app.me(token, cookie, from)).json['sub'], 'alice')
  const there = await app.login()
  const sessions = await app.request('GET', '/auth/sessions', { ...from, ...bearer({ token, cookie }) })
  t.is((sessions.json as unknown as object[]).length, 2)
  t.is(sessions.headers['access-control-allow-origin'], LISTED)
  const ended = await app.request('DELETE', `/auth/sessions/${there.sid}`, { ...from, ...bearer({ token, cookie }) })
  t.deepEqual([ended.status, ended.headers['access-control-allow-origin']], [204, LISTED])
  const out = await app.request('POST', '/auth/logout', { ...from, ...bearer({ token, cookie }) })
  t.is(out.status, 204)
  t.is(out.headers['access-control-allow-origin'], LISTED)
  t.is((await app.me(token, cookie)).status, 401)
})

test('CS-09 nothing in the options of @koa/cors is a wildcard, and an empty list allows only the own origin', async (t) => {
  const app = await createCorsApp({ origins: [] })
  t.teardown(app.close)
  t.false(JSON.stringify(app.kit.cors()).includes('*'))
  t.is((await app.me(undefined, undefined, { Origin: ISSUER })).headers['access-control-allow-origin'], ISSUER)
  t.deepEqual(corsHeaders((await app.me(undefined, undefined, { Origin: LISTED })).headers), [])
})

// The row's example "DELETE not listed" is for a kit without DELETE routes; the contract has DELETE /auth/sessions, so
// DELETE is listed and the methods that are not are TRACE, CONNECT and everything unknown.
test('CS-10 a preflight is answered without credentials and lists exact methods and headers', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const { status, headers, text } = await preflight(app, LISTED, 'TRACE', 'authorization, x-evil')
  t.is(status, 204)
  t.is(text, '')
  t.is(headers['access-control-allow-origin'], LISTED)
  t.is(headers['access-control-allow-credentials'], 'true')
  t.deepEqual(list(headers['access-control-allow-methods']), ['DELETE', 'GET', 'PATCH', 'POST', 'PUT'])
  t.deepEqual(list(headers['access-control-allow-headers']), ['Authorization', 'Content-Type'])
  t.regex(String(headers['access-control-max-age']), /^\d+$/)
  t.true(Number(headers['access-control-max-age']) <= 7200, 'browsers cap it there anyway')
  const protectedRoute = await app.request('OPTIONS', '/me', { Origin: LISTED, 'Access-Control-Request-Method': 'GET' })
  t.is(protectedRoute.status, 204)
  t.deepEqual(codesOf(app.seen), [])
  t.is(app.handled.count, 0)
})

test('CS-10 H-07 a preflight of another origin is told nothing, even beside a stolen pair', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  for (const origin of EVIL) {
    const own = ['/auth/login', '/auth/refresh', '/auth/logout', '/auth/sessions', '/auth/sessions/x']
    for (const path of [...own, '/me', '/.well-known/jwks.json']) {
      const { headers } = await app.request('OPTIONS', path, {
        ...{
          Origin: origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization',
        },
        ...{ Authorization: `Bearer ${token}`, Cookie: cookie },
      })
      t.deepEqual(corsHeaders(headers), [], `${origin} ${path}`)
    }
  }
})

test('CS-11 pages may read WWW-Authenticate, Retry-After and DPoP-Nonce', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const { headers } = await app.me(undefined, undefined, { Origin: LISTED })
  t.deepEqual(list(headers['access-control-expose-headers']), ['DPoP-Nonce', 'Retry-After', 'WWW-Authenticate'])
})

test('CS-09 the options of one kit are not shared: changing what kit.cors() answered changes nothing', async (t) => {
  const app = await createCorsApp()
  t.teardown(app.close)
  const options = app.kit.cors()
  options.origin = () => '*'
  options.allowHeaders.push('x-evil')
  options.exposeHeaders.length = 0
  t.is(
    (await app.me(undefined, undefined, { Origin: 'https://evil.example' })).headers['access-control-allow-origin'],
    undefined,
  )
  t.deepEqual(app.kit.cors().allowHeaders, ['Authorization', 'Content-Type'])
  t.is(app.kit.cors().exposeHeaders.length, 3)
})

function list(value: unknown): string[] {
  return String(value).split(/, */).toSorted()
}
