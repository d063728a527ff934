// Where unsafe requests may come from, and what every answer of the kit's routes carries against other sites.

import test, { type ExecutionContext } from 'ava'

import {
  bearer,
  codesOf,
  ISSUER,
  type Login,
  openTestApp,
  postRefresh,
  refreshHeaders,
  type Response,
  type TestApp,
  type TestAppOptions,
} from '../helpers/app.ts'
import { openFaultyApp } from '../helpers/faulty.ts'
import { sendRaw } from '../helpers/raw.ts'
import { assertRefused } from '../helpers/refused.ts'

type Pairs = readonly (readonly [string, string])[]

const LISTED = 'https://www.app.example'
const CREDENTIALS = JSON.stringify({ sub: 'alice', password: 'correct' })
const UNSAFE = ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND'] as const

test('CS-01 Fetch Metadata decides on every unsafe route where the browser sends it', async (t) => {
  const app = await openTestApp(t)
  const cases: readonly (readonly [Pairs, boolean])[] = [
    [[['Sec-Fetch-Site', 'same-origin']], true],
    [
      [
        ['Sec-Fetch-Site', 'same-origin'],
        ['Origin', ISSUER],
      ],
      true,
    ],
    [[['Sec-Fetch-Site', 'same-site']], false],
    [[['Sec-Fetch-Site', 'cross-site']], false],
    [[['Sec-Fetch-Site', 'none']], false],
    [
      [
        ['Sec-Fetch-Site', 'none'],
        ['Sec-Fetch-Mode', 'navigate'],
      ],
      true,
    ],
    [
      [
        ['Sec-Fetch-Site', 'none'],
        ['Sec-Fetch-Mode', 'cors'],
      ],
      false,
    ],
  ]
  for (const [pairs, passes] of cases) await assertEach(t, app, pairs, passes)
})

test('CS-01 CS-07 a sibling host passes only as a listed origin', async (t) => {
  const app = await openTestApp(t, { origins: [LISTED] })
  const sameSite = ['Sec-Fetch-Site', 'same-site'] as const
  await assertEach(t, app, [sameSite, ['Origin', LISTED]], true)
  await assertEach(t, app, [sameSite, ['Origin', 'https://evil.app.example']], false)
  await assertEach(t, app, [sameSite, ['Origin', 'null']], false)
  await assertEach(t, app, [sameSite], false)
  // Listed is not enough from another site, since the cookie is not sent there.
  await assertEach(
    t,
    app,
    [
      ['Sec-Fetch-Site', 'cross-site'],
      ['Origin', LISTED],
    ],
    false,
  )
})

test('CS-07 without a list a sibling host is refused', async (t) => {
  const app = await openTestApp(t)
  for (const origin of [LISTED, 'https://sub.app.example', 'https://example']) {
    await assertEach(t, app, [['Origin', origin]], false)
    await assertEach(
      t,
      app,
      [
        ['Sec-Fetch-Site', 'same-site'],
        ['Origin', origin],
      ],
      false,
    )
  }
})

test('CS-01 another site passes only where the cookie is sent there, and only if it is listed', async (t) => {
  const app = await openTestApp(t, {
    origins: ['https://partner.example'],
    cookie: { sameSite: 'none', crossSiteReason: 'embedded in partner.example' },
  })
  const crossSite = ['Sec-Fetch-Site', 'cross-site'] as const
  await assertEach(t, app, [crossSite, ['Origin', 'https://partner.example']], true)
  await assertEach(t, app, [crossSite, ['Origin', 'https://evil.example']], false)
  await assertEach(t, app, [crossSite, ['Origin', 'null']], false)
  await assertEach(t, app, [crossSite], false)
})

test('CS-02 without Fetch Metadata Origin decides, then Referer, then what needs a preflight', async (t) => {
  const app = await openTestApp(t)
  await assertEach(t, app, [['Origin', ISSUER]], true)
  await assertEach(t, app, [['Origin', 'https://evil.example']], false)
  await assertEach(t, app, [['Referer', `${ISSUER}/page?x=1`]], true)
  await assertEach(t, app, [['Referer', 'https://evil.example/page']], false)
  await assertEach(
    t,
    app,
    [
      ['Origin', 'https://evil.example'],
      ['Referer', `${ISSUER}/`],
    ],
    false,
  )
  // A command line: neither, but a content type and a header that no page sends across sites without asking.
  await assertEach(t, app, [], true)
})

test('CS-02 CS-06 a POST with none of the three and nothing that needs a preflight is refused', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const { Cookie } = refreshHeaders(login)
  app.seen.length = 0
  const paths = ['/auth/login', '/auth/logout', '/auth/refresh']
  for (const path of paths) {
    const response = await app.request('POST', path, { Cookie })
    t.is(response.status, 403, path)
    t.deepEqual(response.cookies, [])
  }
  t.deepEqual(codesOf(app.seen), Array<string>(paths.length).fill('ERR_CROSS_SITE'))
  await assertUntouched(t, app, login)
})

test('CS-06 a logout without a body passes with a header that forces a preflight', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const json = await app.request('POST', '/auth/logout', { Cookie: cookie, 'Content-Type': 'application/json' })
  t.is(json.status, 204)
  t.is((await app.me(token, cookie)).status, 200, 'the fingerprint alone ends nothing')
  const header = await app.request('POST', '/auth/logout', { Cookie: cookie, Authorization: `Bearer ${token}` })
  t.is(header.status, 204)
  t.is((await app.me(token, cookie)).status, 401)
})

// CS-03 is in test/attacks/h-cross-site.test.ts (H-03) for hostile origins; here for the list.
test('CS-03 a listed origin is compared whole', async (t) => {
  const app = await openTestApp(t, { origins: [LISTED, 'https://a.example:8443'] })
  await assertEach(t, app, [['Origin', LISTED]], true)
  await assertEach(t, app, [['Origin', 'https://a.example:8443']], true)
  for (const origin of [
    ...['https://www.app.example.evil.com', 'https://xwww.app.example', 'http://www.app.example', `${LISTED}/`],
    ...['https://www.app.example:8443', 'https://a.example', 'https://a.example:84430', 'https://WWW.app.example'],
  ]) {
    await assertEach(t, app, [['Origin', origin]], false)
  }
})

test('CS-04 an unknown Sec-Fetch-Site is no permission: Origin decides', async (t) => {
  const app = await openTestApp(t)
  for (const value of ['banana', '', 'same-origin, same-origin', 'SAME-ORIGIN', '?1']) {
    const unknown = ['Sec-Fetch-Site', value] as const
    await assertEach(t, app, [unknown, ['Origin', ISSUER]], true)
    await assertEach(t, app, [unknown, ['Origin', 'https://evil.example']], false)
    await assertEach(t, app, [unknown, ['Origin', 'null']], false)
    await assertEach(t, app, [unknown], false)
  }
})

test('CS-05 a body that a form can send is refused with 415', async (t) => {
  const app = await openTestApp(t)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const headers = { 'Sec-Fetch-Site': 'same-origin', 'Content-Type': type }
    const response = await app.request('POST', '/auth/login', headers, CREDENTIALS)
    t.is(response.status, 415, type)
    t.is(response.json['error'], 'invalid_request')
    t.deepEqual(response.cookies, [])
    const login = await app.login()
    const refresh = await app.request('POST', '/auth/refresh', { ...refreshHeaders(login), ...headers }, 'scope=x')
    t.is(refresh.status, 415, type)
    t.deepEqual(refresh.cookies, [])
    await assertUntouched(t, app, login)
  }
})

test('CS-08 a login from another site logs nobody in and ends no session', async (t) => {
  const app = await openTestApp(t)
  const victim = await app.login()
  app.seen.length = 0
  const response = await app.request(
    'POST',
    '/auth/login',
    {
      ...{ 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
      ...bearer({ ...victim, cookie: refreshHeaders(victim).Cookie }),
    },
    JSON.stringify({ sub: 'mallory', password: 'correct' }),
  )
  t.is(response.status, 403)
  t.deepEqual(response.cookies, [])
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['cross_site_refused'],
  )
  await assertUntouched(t, app, victim)
})

test('CS-08 a login route of the application is covered by kit.start', async (t) => {
  const app = await openTestApp(t, {
    mount: (_, kit, router) => {
      router.post('/custom-login', async (ctx) => {
        ctx.body = await kit.start(ctx, { sub: 'alice' })
      })
    },
  })
  for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'https://evil.example' }, {}]) {
    const response = await app.request('POST', '/custom-login', headers)
    t.is(response.status, 403)
    t.deepEqual(response.cookies, [])
  }
  t.deepEqual(
    app.seen.filter(({ name }) => name === 'session_created'),
    [],
  )
  t.is((await app.request('POST', '/custom-login', { 'Sec-Fetch-Site': 'same-origin' })).status, 200)
})

// CS-09 CS-10 CS-11 are in cors.test.ts, with the real @koa/cors.

interface Answer {
  readonly what: string
  readonly status: number
  readonly send: (app: TestApp) => Promise<Response>
  readonly options?: TestAppOptions
}

const JSON_HEADERS = { 'Content-Type': 'application/json' }
const post =
  (headers: Readonly<Record<string, string>>, body?: string, path = '/auth/login') =>
  (app: TestApp) =>
    app.request('POST', path, headers, body)

/** Sends with the session of a login before it. */
const signedIn =
  (method: string, path: string | ((login: Login) => string), headers: Readonly<Record<string, string>> = {}) =>
  async (app: TestApp) => {
    const login = await app.login()
    const pair = bearer({ ...login, cookie: refreshHeaders(login).Cookie })
    return app.request(method, typeof path === 'string' ? path : path(login), { ...pair, ...headers })
  }
const SESSIONS = '/auth/sessions'

const ANSWERS: readonly Answer[] = [
  { what: 'login', status: 200, send: post(JSON_HEADERS, CREDENTIALS) },
  { what: 'wrong password', status: 401, send: post(JSON_HEADERS, '{"sub":"alice","password":"no"}') },
  { what: 'no JSON', status: 400, send: post(JSON_HEADERS, '{') },
  { what: 'no object', status: 400, send: post(JSON_HEADERS, '[]') },
  { what: 'cross-site', status: 403, send: post({ ...JSON_HEADERS, 'Sec-Fetch-Site': 'cross-site' }, CREDENTIALS) },
  { what: 'too large', status: 413, send: post(JSON_HEADERS, JSON.stringify({ x: 'x'.repeat(20_000) })) },
  { what: 'no type', status: 415, send: post({ Origin: ISSUER }, CREDENTIALS) },
  {
    what: 'rate limited',
    status: 429,
    send: post(JSON_HEADERS, CREDENTIALS),
    options: { limiter: () => 7 },
  },
  { what: 'plain http', status: 500, send: post(JSON_HEADERS, CREDENTIALS), options: { proxy: false } },
  {
    what: 'unissuable claims',
    status: 500,
    send: post(JSON_HEADERS, CREDENTIALS),
    options: { authenticate: () => ({ sub: 'alice', claims: { iss: 'x' } }) },
  },
  {
    what: 'a bug in the application',
    status: 503,
    send: post(JSON_HEADERS, CREDENTIALS),
    options: {
      authenticate: () => {
        throw new Error('boom')
      },
    },
  },
  { what: 'logout', status: 204, send: post(JSON_HEADERS, undefined, '/auth/logout') },
  { what: 'cross-site logout', status: 403, send: post({ Origin: 'null' }, undefined, '/auth/logout') },
  {
    what: 'logout with two tokens',
    status: 400,
    send: post({ Authorization: 'Bearer a.b.c' }, undefined, '/auth/logout?access_token=x'),
  },
  { what: 'refresh', status: 200, send: signedIn('POST', '/auth/refresh') },
  { what: 'refresh without a token', status: 401, send: post(JSON_HEADERS, undefined, '/auth/refresh') },
  {
    what: 'refresh with a bad token',
    status: 401,
    send: post({ ...JSON_HEADERS, Cookie: '__Secure-Refresh=x' }, undefined, '/auth/refresh'),
  },
  { what: 'refresh that is no JSON', status: 400, send: post(JSON_HEADERS, '{', '/auth/refresh') },
  {
    what: 'refresh of no type',
    status: 415,
    send: post({ ...JSON_HEADERS, 'Content-Type': 'text/plain', Origin: ISSUER }, 'x', '/auth/refresh'),
  },
  {
    what: 'cross-site refresh',
    status: 403,
    send: signedIn('POST', '/auth/refresh', { 'Sec-Fetch-Site': 'cross-site' }),
  },
  { what: 'list of sessions', status: 200, send: signedIn('GET', SESSIONS) },
  { what: 'list of sessions for nobody', status: 401, send: (app) => app.request('GET', SESSIONS) },
  { what: 'logout there', status: 204, send: signedIn('DELETE', ({ sid }) => `${SESSIONS}/${sid}`) },
  { what: 'logout nowhere', status: 404, send: signedIn('DELETE', `${SESSIONS}/nowhere`) },
  { what: 'logout everywhere else', status: 204, send: signedIn('DELETE', SESSIONS) },
  { what: 'logout everywhere', status: 204, send: signedIn('DELETE', `${SESSIONS}?all=true`) },
  { what: 'unknown query', status: 400, send: signedIn('DELETE', `${SESSIONS}?all=some`) },
  {
    what: 'cross-site logout there',
    status: 403,
    send: signedIn('DELETE', ({ sid }) => `${SESSIONS}/${sid}`, { 'Sec-Fetch-Site': 'cross-site' }),
  },
  {
    what: 'one login too many',
    status: 403,
    send: async (app) => {
      await app.login()
      app.clock.advance(1)
      return post(JSON_HEADERS, CREDENTIALS)(app)
    },
    options: { session: { max: 1, onMax: 'refuse' } },
  },
  ...(
    [
      ...['/auth/login', '/auth/refresh', '/auth/logout', SESSIONS, `${SESSIONS}/x`],
      ...['/.well-known/jwks.json', '/.well-known/oauth-authorization-server'],
    ] as const
  ).flatMap((path) => [
    { what: `PUT ${path}`, status: 405, send: (app: TestApp) => app.request('PUT', path) },
    { what: `OPTIONS ${path}`, status: 204, send: (app: TestApp) => app.request('OPTIONS', path) },
  ]),
  { what: 'jwks', status: 200, send: (app) => app.request('GET', '/.well-known/jwks.json') },
  { what: 'metadata', status: 200, send: (app) => app.request('GET', '/.well-known/oauth-authorization-server') },
  { what: 'no credentials', status: 401, send: (app) => app.me() },
  { what: 'bad token', status: 401, send: (app) => app.me('nonsense') },
  {
    what: 'two tokens',
    status: 400,
    send: (app) => app.request('GET', '/me?access_token=x', { Authorization: 'Bearer x' }),
  },
]

for (const { what, status, send, options } of ANSWERS) {
  test(`CS-12 CS-17 the answer ${status} (${what}) carries every hardening header`, async (t) => {
    const app = await openTestApp(t, options)
    const response = await send(app)
    t.is(response.status, status)
    const { headers } = response
    const isPublic = what === 'jwks' || what === 'metadata'
    t.is(headers['x-content-type-options'], 'nosniff')
    t.is(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'")
    t.is(headers['referrer-policy'], 'no-referrer')
    t.is(headers['cache-control'], isPublic ? 'public, max-age=300' : 'no-store')
    // The public keys are for the services of other origins.
    t.is(headers['cross-origin-resource-policy'], isPublic ? 'cross-origin' : 'same-origin')
    t.is(headers['strict-transport-security'], undefined)
    if (status === 204) t.is(response.text, '')
    else t.regex(String(headers['content-type']), /^application\/(?:problem\+|jwk-set\+)?json; charset=utf-8$/)
    if (status === 429) t.is(headers['retry-after'], '7')
    if (status === 503) t.truthy(headers['retry-after'])
  })
}

test('CS-12 the answer 503 of a broken store carries them too', async (t) => {
  const app = await openFaultyApp(t)
  const { store } = app
  store.broken.add('add')
  const response = await app.request('POST', '/auth/login', JSON_HEADERS, CREDENTIALS)
  t.is(response.status, 503)
  t.is(response.headers['x-content-type-options'], 'nosniff')
  t.is(response.headers['cache-control'], 'no-store')
  t.is(response.headers['cross-origin-resource-policy'], 'same-origin')
  t.truthy(response.headers['retry-after'])
  t.deepEqual(response.cookies, [])
})

test('CS-13 with `hsts` every answer carries Strict-Transport-Security for at least a year, subdomains too', async (t) => {
  const app = await openTestApp(t, { hsts: true })
  for (const { what, send, options } of ANSWERS) {
    if (options !== undefined) continue
    const value = String((await send(app)).headers['strict-transport-security'])
    t.true(Number(/^max-age=(\d+); includeSubDomains$/.exec(value)?.[1]) >= 31_536_000, what)
  }
})

test('CS-14 answers that depend on where the request comes from say so', async (t) => {
  const app = await openTestApp(t)
  for (const { what, send, options, status } of ANSWERS) {
    if (options !== undefined || !/login|logout|refresh|password|JSON|object|site|large|type/.test(what)) continue
    // Another method is refused before anyone asks where it comes from.
    if (status === 405 || what.startsWith('OPTIONS')) continue
    const vary = String((await send(app)).headers['vary'])
      .toLowerCase()
      .split(/, */)
    t.true(vary.includes('sec-fetch-site') && vary.includes('origin'), what)
  }
})

test('CS-15 no other method changes anything, and each is told what there is', async (t) => {
  const app = await openTestApp(t)
  const [login, other] = [await app.login(), await app.login()]
  const { token } = login
  const headers = { ...JSON_HEADERS, ...bearer({ token, cookie: refreshHeaders(login).Cookie }) }
  app.seen.length = 0
  for (const [path, allowed] of [
    ['/auth/login', ['POST']],
    ['/auth/refresh', ['POST']],
    ['/auth/logout', ['POST']],
    [SESSIONS, ['GET', 'DELETE', 'HEAD']],
    [`${SESSIONS}/${other.sid}`, ['DELETE']],
  ] as const) {
    const allow = [...allowed, 'OPTIONS'].join(', ')
    for (const method of ['GET', 'HEAD', ...UNSAFE]) {
      if ((allowed as readonly string[]).includes(method)) continue
      const response = await app.request(method, path, headers)
      t.is(response.status, 405, `${method} ${path}`)
      t.is(response.headers['allow'], allow)
      t.deepEqual(response.cookies, [])
      t.false(response.text.includes(token), 'TRACE echoes nothing')
    }
    const options = await app.request('OPTIONS', path, headers)
    t.is(options.status, 204)
    t.is(options.headers['allow'], allow)
    t.deepEqual(options.cookies, [])
  }
  for (const method of ['GET', 'HEAD']) t.is((await app.request(method, SESSIONS, headers)).status, 200, method)
  for (const path of ['/.well-known/jwks.json', '/.well-known/oauth-authorization-server']) {
    for (const method of UNSAFE) {
      const response = await app.request(method, path, headers)
      t.is(response.status, 405, `${method} ${path}`)
      t.is(response.headers['allow'], 'GET, HEAD, OPTIONS')
    }
    const head = await app.request('HEAD', path)
    t.is(head.status, 200)
    t.is(head.text, '')
  }
  t.deepEqual(app.seen, [])
  for (const one of [login, other]) await assertUntouched(t, app, one)
})

test('CS-15 CONNECT never reaches the app', async (t) => {
  const app = await openTestApp(t)
  const { text } = await sendRaw(app.port, 'CONNECT /auth/logout HTTP/1.1\r\nHost: app.example\r\n\r\n')
  t.false(text.startsWith('HTTP/1.1 2'))
  t.deepEqual(app.seen, [])
})

test('CS-16 plain http is never redirected: a login fails loudly', async (t) => {
  const app = await openTestApp(t)
  const session = await app.login()
  const { token, cookie } = session
  const plain = { 'X-Forwarded-Proto': 'http' }
  const login = await app.request('POST', '/auth/login', { ...JSON_HEADERS, ...plain }, CREDENTIALS)
  t.is(login.status, 500)
  const answers = [
    login,
    await app.me(token, cookie, plain),
    await app.me(undefined, undefined, plain),
    await app.request('GET', '/.well-known/jwks.json', plain),
    await app.request('POST', '/auth/logout', { ...JSON_HEADERS, ...plain }),
    await postRefresh(app, session, plain),
    await app.request('GET', SESSIONS, { ...bearer(session), ...plain }),
    await app.request('DELETE', SESSIONS, { ...bearer(session), ...plain }),
  ]
  for (const { status, headers } of answers) {
    t.false(status >= 300 && status < 400)
    t.is(headers['location'], undefined)
    t.is(headers['refresh'], undefined)
  }
})

// The row's own example is "http request → error": a pair that crossed the wire in the clear should not look fine.
test('CS-16 a pair that came over plain http is refused', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const response = await app.me(token, cookie, { 'X-Forwarded-Proto': 'http' })
  t.true(response.status >= 400, `answered ${response.status}`)
})

test('CS-16 a refresh over plain http is refused, and uses nothing up', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  app.seen.length = 0
  t.is((await postRefresh(app, login, { 'X-Forwarded-Proto': 'http' })).status, 500)
  t.deepEqual(codesOf(app.seen), ['ERR_TRANSPORT_INSECURE'])
  await assertUntouched(t, app, login)
})

test('CS-18 a token is never taken from a cookie, a query or a body', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  app.seen.length = 0
  const form = { ...{ 'Content-Type': 'application/x-www-form-urlencoded' }, Cookie: cookie }
  const answers = [
    ...(await Promise.all(
      ['access_token', 'token', 'jwt', 'Authorization', 'authorization', '__Secure-Token', 'session'].map((name) =>
        app.me(undefined, `${name}=${token}; ${cookie}`),
      ),
    )),
    await app.me(undefined, `Authorization=Bearer ${token}; ${cookie}`),
    await app.request('GET', `/me?access_token=${token}`, { Cookie: cookie }),
    await app.request('POST', '/me', form, `access_token=${token}`),
    await app.request('POST', '/me', { ...JSON_HEADERS, Cookie: cookie }, JSON.stringify({ access_token: token })),
    await app.request('GET', '/me', {
      'X-Access-Token': token,
      'Proxy-Authorization': `Bearer ${token}`,
      Cookie: cookie,
    }),
  ]
  for (const response of answers) {
    t.is(response.status, 401)
    t.is(response.headers['www-authenticate'], `Bearer realm="${ISSUER}"`)
  }
  t.is(app.handled.count, 0)
  t.deepEqual(app.seen, [])
})

test('CS-18 what a browser sends by itself, the cookie, is no credential; a bad token beside it stays bad', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  t.is((await app.me(undefined, cookie)).status, 401)
  t.is(app.handled.count, 0)
  const cookies = `access_token=${token}; ${cookie}`
  await assertRefused(t, app, () => app.me('nonsense', cookies), 'ERR_TOKEN_MALFORMED')
})

/** Sends a request to each unsafe route that is fine but for where it comes from. */
async function assertEach(t: ExecutionContext, app: TestApp, pairs: Pairs, passes: boolean): Promise<void> {
  const what = JSON.stringify(pairs)
  app.clock.advance(1)
  const [session, there, elsewhere] = [await app.login(), await app.login(), await app.login()]
  const type = ['Content-Type', 'application/json'] as const
  const pair: Pairs = Object.entries(bearer(session))
  app.seen.length = 0
  const requests = [
    ['login', 200, 2, () => app.request('POST', '/auth/login', [type, ...pairs], CREDENTIALS)],
    ['logout there', 204, 0, () => app.request('DELETE', `${SESSIONS}/${there.sid}`, [...pair, ...pairs])],
    ['logout elsewhere', 204, 0, () => app.request('DELETE', SESSIONS, [...pair, ...pairs])],
    ['refresh', 200, 2, () => app.request('POST', '/auth/refresh', [type, both(session), ...pairs])],
    ['logout', 204, 2, () => app.request('POST', '/auth/logout', [...pair, ...pairs])],
  ] as const
  for (const [name, status, cookies, send] of requests) {
    const response = await send()
    t.is(response.status, passes ? status : 403, `${name} ${what}`)
    t.is(response.cookies.length, passes ? cookies : 0, `${name} ${what}`)
  }
  t.deepEqual(codesOf(app.seen), passes ? [] : requests.map(() => 'ERR_CROSS_SITE'), what)
  for (const { token, cookie } of [session, there, elsewhere]) {
    t.is((await app.me(token, cookie)).status, passes ? 401 : 200, `the sessions after ${what}`)
  }
  if (!passes) await assertUntouched(t, app, session)
}

/** Both cookies as a header. */
function both(login: Login): readonly [string, string] {
  return ['Cookie', refreshHeaders(login).Cookie]
}

/** Asserts that the session is alive and its refresh token has not been used. */
async function assertUntouched(t: ExecutionContext, app: TestApp, login: Login): Promise<void> {
  t.is((await app.me(login.token, login.cookie)).status, 200)
  const { value } = (await app.store.get('session', login.sid)) ?? {}
  t.is((value as { generation?: number }).generation, 0)
}
