// What a refusal says, and above all what it does not: to the client, to the log, and to the error handler.

import { createSecretKey, randomBytes } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'

import { createKeySet, ERROR_CODES, isSessionError, memoryStore, SessionError } from '../../src/index.ts'
import { parseToken } from '../../src/token/parse.ts'
import {
  bearer,
  codesOf,
  createClock,
  EVENT_NAMES,
  ISSUER,
  type Login,
  openTestApp,
  postLogin,
  postRefresh,
  privateJwk,
  type Response,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { faultyStore, openFaultyApp, type Verb } from '../helpers/faulty.ts'
import { resign, sign, validHeader } from '../helpers/forge.ts'
import { sendRaw } from '../helpers/raw.ts'
import { INVALID_TOKEN_BODY, INVALID_TOKEN_CHALLENGE } from '../helpers/refused.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }

type Send = (app: TestApp, session: Login) => Promise<Response>

/** One request for each way of being refused that a client can bring about. */
const REFUSALS: Readonly<Record<string, { readonly status: number; readonly send: Send }>> = {
  'no credentials': { status: 401, send: (app) => app.me() },
  'only the cookie': { status: 401, send: (app, { cookie }) => app.me(undefined, cookie) },
  'another scheme': { status: 401, send: (app) => app.me(undefined, undefined, { Authorization: 'Basic YTpi' }) },
  garbage: { status: 401, send: (app, { cookie }) => app.me('garbage', cookie) },
  'a bad signature': { status: 401, send: (app, { token, cookie }) => app.me(`${token.slice(0, -4)}AAAA`, cookie) },
  'an unknown key': {
    status: 401,
    send: (app, { token, cookie }) => app.me(resign(token, {}, { kid: 'unknown' }), cookie),
  },
  'another issuer': {
    status: 401,
    send: (app, { token, cookie }) => app.me(resign(token, { iss: 'https://evil.example' }), cookie),
  },
  'an expired token': {
    status: 401,
    send: (app, { token, cookie }) =>
      app.me(resign(token, { exp: 2, iat: 1, auth_time: 1, iat_ms: undefined }), cookie),
  },
  'no fingerprint': { status: 401, send: (app, { token }) => app.me(token) },
  'a wrong fingerprint': { status: 401, send: (app, { token }) => app.me(token, `__Secure-Fgp=${'A'.repeat(43)}`) },
  'two fingerprints': { status: 401, send: (app, { token, cookie }) => app.me(token, `${cookie}; ${cookie}`) },
  'a malformed cookie': { status: 401, send: (app, { token }) => app.me(token, 'a=b;;c') },
  'two tokens': {
    status: 400,
    send: (app, { token, cookie }) => app.request('GET', '/me?access_token=x', bearer({ token, cookie })),
  },
  'a missing scope': {
    status: 403,
    send: (app, { token, cookie }) => app.request('GET', '/scope', bearer({ token, cookie })),
  },
  'a weak authentication': {
    status: 401,
    send: (app, { token, cookie }) => app.request('GET', '/acr', bearer({ token, cookie })),
  },
  'a wrong password': { status: 401, send: (app) => postLogin(app, { sub: 'alice', password: 'wrong' }) },
  'a login from another site': {
    status: 403,
    send: (app) => postLogin(app, { sub: 'alice', password: 'correct' }, { 'Sec-Fetch-Site': 'cross-site' }),
  },
  'a login that is no JSON': { status: 400, send: (app) => postLogin(app, '{"password":"correct"') },
  'a login that is no object': { status: 400, send: (app) => postLogin(app, '["correct"]') },
  'a login that is too long': { status: 413, send: (app) => postLogin(app, { password: 'x'.repeat(20_000) }) },
  'a login of another type': {
    status: 415,
    send: (app) => app.request('POST', '/auth/login', { 'Content-Type': 'text/plain', Origin: ISSUER }, '{}'),
  },
  'a method that is not there': { status: 405, send: (app) => app.request('GET', '/auth/login') },
  'no refresh token': { status: 401, send: (app, { cookie }) => postRefresh(app, { cookie, refreshCookie: '' }) },
  'a refresh token that is none': { status: 401, send: (app, session) => refreshWith(app, session, 'garbage') },
  'two refresh tokens': {
    status: 401,
    send: (app, { cookie, refreshCookie }) =>
      postRefresh(app, { cookie, refreshCookie: `${refreshCookie}; ${refreshCookie}` }),
  },
  'a forged refresh token': {
    status: 401,
    send: (app, session) => refreshWith(app, session, `${session.sid}.0.${'A'.repeat(65)}`),
  },
  'a refresh token of no session': {
    status: 401,
    send: (app, session) => refreshWith(app, session, `${'A'.repeat(22)}.0.${'A'.repeat(65)}`),
  },
  'a refresh token without its fingerprint': {
    status: 401,
    send: (app, { refreshCookie }) => postRefresh(app, { cookie: '', refreshCookie }),
  },
  'a refresh token that was replaced': {
    status: 401,
    async send(app, session) {
      await postRefresh(app, toLogin(await postRefresh(app, session)))
      return postRefresh(app, session)
    },
  },
  'a refresh of a scope that was not granted': {
    status: 400,
    send: (app, session) =>
      app.request('POST', '/auth/refresh', { ...JSON_TYPE, ...both(session) }, '{"scope":"admin"}'),
  },
  'a refresh of a scope that is none': {
    status: 400,
    send: (app, session) => app.request('POST', '/auth/refresh', { ...JSON_TYPE, ...both(session) }, '{"scope":["x"]}'),
  },
  'a refresh that is no JSON': {
    status: 400,
    send: (app, session) => app.request('POST', '/auth/refresh', { ...JSON_TYPE, ...both(session) }, '{'),
  },
  'a refresh from another site': {
    status: 403,
    send: (app, session) => postRefresh(app, session, { 'Sec-Fetch-Site': 'cross-site' }),
  },
  'the sessions of nobody': { status: 401, send: (app) => app.request('GET', '/auth/sessions') },
  'the sessions of half a pair': {
    status: 401,
    send: (app, { token }) => app.request('GET', '/auth/sessions', { Authorization: `Bearer ${token}` }),
  },
  'a session that is not there': {
    status: 404,
    send: (app, session) => app.request('DELETE', '/auth/sessions/nowhere', bearer(session)),
  },
  'a query that is not known': {
    status: 400,
    send: (app, session) => app.request('DELETE', '/auth/sessions?all=some', bearer(session)),
  },
}

function refreshWith(app: TestApp, { cookie }: Login, refreshToken: string): Promise<Response> {
  return postRefresh(app, { cookie, refreshCookie: `__Secure-Refresh=${refreshToken}` })
}

function both({ cookie, refreshCookie }: Login): { Cookie: string } {
  return { Cookie: `${cookie}; ${refreshCookie}` }
}

/** An app with a route for each demand. */
function openWithDemands(t: ExecutionContext, options: TestAppOptions = {}): Promise<TestApp> {
  return openTestApp(t, {
    ...options,
    mount(_koa, kit, router) {
      router.get('/scope', kit.protect({ scope: 'admin' }), (ctx) => {
        ctx.body = 'in'
      })
      router.get('/acr', kit.protect({ acr: 'urn:mfa' }), (ctx) => {
        ctx.body = 'in'
      })
    },
  })
}

async function refuseAll(
  t: ExecutionContext,
  check: (name: string, response: Response, app: TestApp) => void | Promise<void>,
): Promise<void> {
  const app = await openWithDemands(t)
  for (const [name, { status, send }] of Object.entries(REFUSALS)) {
    const response = await send(app, await app.login())
    t.is(response.status, status, name)
    await check(name, response, app)
  }
  t.is(app.handled.count, 0)
  t.deepEqual(app.errors, [])
}

test('EL-01 every 401 says how to authenticate', async (t) => {
  await refuseAll(t, (name, { status, headers }) => {
    if (status === 401) t.regex(String(headers['www-authenticate']), /^Bearer realm="https:\/\/app\.example"/, name)
  })
})

test('EL-02 without credentials, or with another scheme, there is no error in the challenge and no event', async (t) => {
  const app = await openTestApp(t)
  const { cookie } = await app.login()
  app.seen.length = 0
  for (const send of [
    () => postRefresh(app, { cookie, refreshCookie: '' }),
    () => app.request('POST', '/auth/refresh', JSON_TYPE),
    () => app.request('GET', '/auth/sessions', { Cookie: cookie }),
    () => app.me(),
    () => app.me(undefined, cookie),
    () => app.me(undefined, undefined, { Authorization: 'Basic YTpi' }),
    () => app.me(undefined, undefined, { Authorization: 'BearerX abc' }),
  ]) {
    const { status, headers, json } = await send()
    t.is(status, 401)
    t.is(headers['www-authenticate'], `Bearer realm="${ISSUER}"`)
    t.false('error' in json)
  }
  t.deepEqual(app.seen, [])
})

test('EL-02 what has nothing to do with the token is not said in its challenge', async (t) => {
  const app = await openTestApp(t)
  const wrong = await postLogin(app, { sub: 'alice', password: 'wrong' })
  const crossSite = await postLogin(app, {}, { 'Sec-Fetch-Site': 'cross-site' })
  const full = await openTestApp(t, { session: { max: 1, onMax: 'refuse' } })
  await full.login()
  full.clock.advance(1)
  const tooMany = await postLogin(full, { sub: 'alice', password: 'correct' })
  for (const { headers } of [wrong, crossSite, tooMany]) t.is(headers['www-authenticate'], `Bearer realm="${ISSUER}"`)
  // One RFC error, one description: of the two a client learns no more than that it may not.
  t.deepEqual([tooMany.status, tooMany.text], [403, crossSite.text])
  t.like(tooMany.json, { error: 'access_denied', error_description: 'The request is not allowed' })
  t.deepEqual(codesOf(full.seen), ['ERR_SESSIONS_EXCEEDED'])
})

// RFC 6750 section 3: what the attributes may hold; and each name once.
const ATTRIBUTES = /^Bearer(?: [a-z_]+="[\x20-\x21\x23-\x5b\x5d-\x7e]*",?)+$/

test('EL-03 challenges hold only what RFC 6750 allows, each attribute once, and nothing of the request', async (t) => {
  await refuseAll(t, (name, { headers }) => {
    const challenge = headers['www-authenticate']
    if (challenge === undefined) return
    t.regex(String(challenge), ATTRIBUTES, name)
    const names = [...String(challenge).matchAll(/([a-z_]+)="/g)].map(([, attribute]) => attribute)
    t.is(new Set(names).size, names.length, name)
  })
})

test('EL-03 a hostile kid, issuer or scope changes nothing in the answer', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const hostile = ['x", realm="evil', 'x\r\nSet-Cookie: a=b', '<script>', '\u0000', 'ü'.repeat(50), '../../etc/passwd']
  for (const text of hostile) {
    for (const bad of [
      resign(token, {}, { kid: text }),
      resign(token, { iss: text }),
      resign(token, { scope: text, iss: 1 }),
    ]) {
      const response = await app.me(bad, cookie)
      t.is(response.headers['www-authenticate'], INVALID_TOKEN_CHALLENGE)
      t.is(response.text, INVALID_TOKEN_BODY)
      t.is(response.headers['set-cookie'], undefined)
    }
  }
})

test('EL-04 bodies hold five members and words that fit every cause', async (t) => {
  await refuseAll(t, (name, { json, text, headers }) => {
    t.deepEqual(
      Object.keys(json).filter((key) => !['type', 'title', 'status', 'error', 'error_description'].includes(key)),
      [],
      name,
    )
    t.notRegex(text, /ERR_|[a-z]Error|\bat \/|\.[jt]s\b|jose|koa|kid|stack|node:/, name)
    t.is(headers['content-type'], 'application/problem+json; charset=utf-8', name)
    t.is(headers['x-powered-by'], undefined)
    t.is(headers['server'], undefined)
  })
})

test('EL-04 every bad token is answered with the same bytes', async (t) => {
  await refuseAll(t, (name, { json, text, headers }) => {
    if (json['error'] !== 'invalid_token') return
    t.is(text, INVALID_TOKEN_BODY, name)
    t.is(headers['www-authenticate'], INVALID_TOKEN_CHALLENGE, name)
  })
})

test('EL-05 whatever a client sends, the error handler of the application hears nothing: 2000 bad tokens', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  for (let batch = 0; batch < 40; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        app.me(i % 2 ? `${token.slice(0, -1)}~` : resign(token, { exp: 1 }), cookie),
      ),
    )
    t.true(answers.every(({ status }) => status === 401))
  }
  t.deepEqual(app.errors, [])
})

test('EL-05 a bug of the application reaches its error handler once, and the client hears nothing of it', async (t) => {
  const bug = new Error('the database password is hunter2')
  const cases: [string, TestAppOptions][] = [
    ['authenticate', { authenticate: () => Promise.reject(bug) }],
    [
      'authenticate',
      {
        authenticate: () => {
          throw bug
        },
      },
    ],
    ['limiter', { limiter: () => Promise.reject(bug) }],
    ['refresh', { reauthorize: () => Promise.reject(bug) }],
    [
      'refresh',
      {
        limiter(_ctx, action) {
          if (action === 'refresh') throw bug
          return undefined
        },
      },
    ],
  ]
  for (const [name, options] of cases) {
    const app = await openTestApp(t, options)
    const response = await (name === 'refresh'
      ? postRefresh(app, await app.login())
      : postLogin(app, { sub: 'alice', password: 'correct' }))
    t.is(response.status, 503, name)
    t.truthy(response.headers['retry-after'])
    t.deepEqual(app.errors, [bug], name)
    t.false(response.text.includes('hunter2'))
    t.deepEqual(response.cookies, [])
  }
})

test('EL-05 what is thrown that is no error is a bug as well, and still reaches the error handler', async (t) => {
  for (const thrown of [null, undefined, 'text', 5, {}, Object.create(null)]) {
    const app = await openTestApp(t, { authenticate: () => Promise.reject(thrown) })
    const response = await postLogin(app, { sub: 'alice' })
    t.is(response.status, 503)
    t.is(app.errors.length, 1)
    t.true(app.errors[0] instanceof Error, typeof thrown)
  }
})

test('EL-05 claims that cannot be issued are a 500 that the application hears of, without their values', async (t) => {
  const cases: [string, object][] = [
    ['ERR_CLAIMS_INVALID', { sub: 'alice', claims: { exp: 'secret-value' } }],
    ['ERR_CLAIMS_INVALID', { sub: 'secret-value'.repeat(40) }],
    ['ERR_CLAIMS_INVALID', { sub: 5 }],
    ['ERR_TOKEN_OVERSIZE', { sub: 'alice', claims: { text: 'secret-value'.repeat(1000) } }],
  ]
  for (const [code, subject] of cases) {
    const app = await openTestApp(t, { authenticate: () => subject as { sub: string } })
    const response = await postLogin(app, {})
    t.is(response.status, 500, code)
    t.deepEqual(response.cookies, [])
    t.is(response.headers['cache-control'], 'no-store')
    const [error, ...more] = app.errors
    t.is(more.length, 0)
    t.true(isSessionError(error))
    t.is((error as SessionError).code, code as SessionError['code'])
    t.false(inspect(error).includes('secret-value'))
  }
})

test('EL-05 a store that fails is one event, one 503', async (t) => {
  const app = await openFaultyApp(t)
  const { store } = app
  store.broken.add('add')
  const response = await postLogin(app, { sub: 'alice', password: 'correct' })
  t.is(response.status, 503)
  t.truthy(response.headers['retry-after'])
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['store_unavailable'],
  )
  t.is(app.errors.length, 1)
})

/** Runs the work and answers everything that was said meanwhile, anywhere, as one text. */
async function captureAll(app: TestApp, work: () => Promise<void>): Promise<string> {
  const said: string[] = []
  const say = (...values: unknown[]): void => {
    for (const value of values) {
      if (typeof value === 'string') said.push(value)
      // Deep enough for causes of causes, hidden members included.
      said.push(inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null }))
    }
  }
  const subscriber = (message: unknown, name: string | symbol): void => say(name, message)
  const [out, err] = [process.stdout.write, process.stderr.write]
  const written: string[] = []
  const listener = (...values: unknown[]): void => say(...values)
  for (const name of EVENT_NAMES) {
    channel(`koa-holdfast:${name}`).subscribe(subscriber)
    app.kit.events.on(name, listener)
  }
  process.on('warning', listener)
  process.stdout.write = (chunk: string | Uint8Array) => written.push(String(chunk)) > 0
  process.stderr.write = (chunk: string | Uint8Array) => written.push(String(chunk)) > 0
  try {
    await work()
    // Process warnings are emitted on the next tick.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.stdout.write = out
    process.stderr.write = err
    process.off('warning', listener)
    for (const name of EVENT_NAMES) channel(`koa-holdfast:${name}`).unsubscribe(subscriber)
  }
  say(...app.seen, ...app.errors)
  return [...said, ...written].join('\n')
}

/** The encodings in which a secret might come to light. */
function spellings(secret: string | Buffer): string[] {
  const bytes = Buffer.from(secret)
  const encoded = [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]
  return typeof secret === 'string' ? [secret, encodeURIComponent(secret), ...encoded] : encoded
}

test.serial('EL-06 no secret of a run full of failures is said anywhere', async (t) => {
  const clock = createClock()
  const store = faultyStore(memoryStore({ clock }))
  const password = 'correct horse battery staple'
  const app = await openWithDemands(t, {
    store,
    testClock: clock,
    onSidejack: 'revoke',
    authenticate(ctx) {
      const { password: given, ...subject } = ctx.request.body as { password?: string; sub: string }
      return given === password ? subject : null
    },
  })
  app.kit.events.on('sidejack', () => {
    throw new Error('a listener of the application fails')
  })
  const secrets = new Set<string>([password, privateJwk.d ?? ''])
  const answers: Response[] = []

  async function enter(): Promise<Login> {
    const response = await postLogin(app, { sub: 'alice', password })
    return keep(toLogin(response))
  }

  function keep(session: Login): Login {
    const { token, fingerprint, refreshToken } = session
    const secret = refreshToken.split('.')[2] ?? ''
    const parts = [secret, secret.slice(0, 22), secret.slice(22)]
    for (const one of [token, ...token.split('.').slice(1), ...fingerprint.split('~'), refreshToken, ...parts]) {
      secrets.add(one)
    }
    return session
  }

  const said = await captureAll(app, async () => {
    for (const { send } of Object.values(REFUSALS)) answers.push(await send(app, await enter()))
    const { token, cookie } = await enter()
    const pair = bearer({ token, cookie })
    // Secrets where they do not belong: URL, path, user agent, other headers, and bodies that cannot be read.
    answers.push(await app.request('GET', `/me?access_token=${token}`, pair))
    answers.push(
      await app.request('GET', `/me?password=${encodeURIComponent(password)}`, { Authorization: 'Bearer x.y.z' }),
    )
    answers.push(await postLogin(app, `{"password":"${password}",`, pair))
    answers.push(await postLogin(app, { sub: 'alice', password: `${password}!` }))
    answers.push(await postLogin(app, { sub: 'x\u0000', password }))
    answers.push(await postLogin(app, { sub: 'alice', password, claims: { exp: 1 } }))
    answers.push(await postLogin(app, { sub: 'alice', password, claims: { long: 'x'.repeat(5000) } }))
    answers.push(await app.request('POST', '/auth/logout', { Authorization: `Bearer ${token}` }))
    const [used, wide] = [await enter(), await enter()]
    const next = keep(toLogin(await postRefresh(app, used)))
    keep(toLogin(await postRefresh(app, next)))
    answers.push(await postRefresh(app, used), await postRefresh(app, next))
    answers.push(await app.request('POST', `/auth/refresh?refresh_token=${wide.refreshToken}`, pair))
    answers.push(await postRefresh(app, { ...wide, refreshCookie: `${wide.refreshCookie}x` }))
    answers.push(await app.request('POST', '/auth/refresh', JSON_TYPE, `{"refresh_token":"${wide.refreshToken}",`))
    answers.push(await app.request('DELETE', `/auth/sessions/${wide.refreshToken}`, bearer(wide)))
    for (const verb of ['get', 'set', 'add', 'swap', 'delete'] as const) {
      const session = await enter()
      store.broken.add(verb)
      answers.push(await postRefresh(app, session))
      answers.push(await app.request('DELETE', '/auth/sessions', bearer(session)))
      answers.push(await app.request('POST', '/auth/logout', bearer(session)))
      answers.push(await postLogin(app, { sub: 'alice', password }, bearer(session)))
      const thrown: unknown = await app.kit.revoke({ sid: session.sid }).catch((error: unknown) => error)
      app.errors.push(thrown)
      store.broken.delete(verb)
    }
    const session = await enter()
    clock.advance(1000)
    answers.push(await app.me(session.token, session.cookie))
    clock.advance(1000)
    answers.push(await postRefresh(app, session))
    await app.kit.revoke({ kid: privateJwk.kid ?? '' })
    answers.push(await postLogin(app, { sub: 'alice', password }))
  })

  t.true(
    said.length > 5000 && said.includes('sidejack') && said.includes('ERR_STORE_UNAVAILABLE'),
    'something was said',
  )
  t.true(said.includes('a listener of the application fails'), 'warnings are heard')
  const failed = answers.filter(({ status }) => status >= 400)
  t.true(failed.length > 50)
  const everything = said + failed.map(({ headers, text }) => inspect(headers) + text).join('\n')
  for (const secret of secrets) {
    t.true(secret.length >= 20)
    for (const spelling of spellings(secret)) t.false(everything.includes(spelling), spelling.slice(0, 12))
  }
})

test.serial('EL-06 printing the kit, its keys or its errors shows no secret', async (t) => {
  const secret = randomBytes(64)
  const hmac = createSecretKey(secret)
  const [app, symmetric] = [await openTestApp(t), await createKeySet({ keys: [hmac], algorithm: 'HS256' })]
  const { token, fingerprint, refreshToken } = await app.login()
  const printed = [app.kit, app.keys, symmetric, app.kit.jwks(), new SessionError('ERR_TOKEN_SIGNATURE')]
    .flatMap((value) => [inspect(value, { depth: 12, showHidden: true }), JSON.stringify(value)])
    .join('\n')
  const refreshSecret = refreshToken.split('.')[2] ?? ''
  for (const one of [privateJwk.d ?? '', token, fingerprint, refreshSecret, ...spellings(secret)].flatMap(spellings))
    t.false(printed.includes(one))
})

test('EL-06 an error about a malformed token quotes nothing of it', (t) => {
  const secret = 'SECRETSECRETSECRET'
  const parts = [
    `{"kid":"${secret}"`,
    secret,
    `{"a":"${secret}","a":1}`,
    `{"__proto__":"${secret}"}`,
    `["${secret}"]`,
    Buffer.from(`{"a":"${secret}\xff"}`, 'latin1'),
  ].map((text) => Buffer.from(text).toString('base64url'))
  for (const part of parts) {
    const error = t.throws(() => parseToken(`${part}.${part}.AAAA`, { maxBytes: 4096, typ: 'at+jwt' }))
    const printed = inspect(error, { depth: 12, showHidden: true })
    for (const one of [secret, part]) t.false(printed.includes(one), printed)
  }
})

const HTTPS = 'X-Forwarded-Proto: https'

test('EL-08 text from the client cannot end a line of a log, or drive a terminal', async (t) => {
  const app = await openTestApp(t)
  // Past what Node's own client lets through: C1 control characters are legal bytes of a header.
  const agents = ['\u009b31mred', '\u0085next line', '\u0090device\u009c', 'tab\there', 'x'.repeat(5000)]
  for (const agent of agents)
    await rawRequest(app.port, '/me', `User-Agent: ${agent}\r\n${HTTPS}\r\nAuthorization: Bearer x.y.z`)
  const forwarded = 'X-Forwarded-For: \u009b2J'
  await rawRequest(app.port, '/me%0a%1b[2J', `${forwarded}\r\n${HTTPS}\r\nAuthorization: Bearer x.y.z`)
  const refused = app.seen.filter(({ name }) => name === 'token_rejected')
  t.is(refused.length, agents.length + 1)
  t.true(JSON.stringify(app.seen).includes('u009b'), 'what was taken out is shown')
  for (const { event } of app.seen) {
    for (const text of textsOf(event)) {
      // oxlint-disable-next-line no-control-regex
      t.notRegex(text, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
      t.true(text.length <= 1200)
    }
  }
})

test('EL-08 no kid, subject or claim of an unverified token is in any event', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  app.seen.length = 0
  const forgery = { sub: 'FORGED\n{"event":"authn_login_success"}', sid: 'FORGED', jti: 'FORGED' }
  const [header, payload] = sign(validHeader({ kid: 'FORGED\n{}' }), forgery).split('.')
  for (const bad of [`${header}.${payload}.AAAA`, `${token.split('.')[0]}.${payload}.${token.split('.')[2]}`]) {
    await app.me(bad, cookie)
  }
  t.is(app.seen.length, 2)
  t.false(JSON.stringify(app.seen).includes('FORGED'))
})

test('EL-08 a subject with control characters gets no token', async (t) => {
  for (const character of ['\n', '\r', '\u001b', '\u0000', '\u007f', '\u009b', '\u2028', '\u2029']) {
    const app = await openTestApp(t)
    const response = await postLogin(app, { sub: `alice${character}x`, password: 'correct' })
    t.is(response.status, 500, escape(character))
    t.is(app.seen.filter(({ name }) => name === 'authn_token_created').length, 0)
  }
})

function escape(character: string): string {
  return `U+${character.charCodeAt(0).toString(16)}`
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

/** Sends bytes that node:http would not, and waits for the answer. */
async function rawRequest(port: number, path: string, headers: string): Promise<string> {
  const head = `GET ${path} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n${headers}\r\n\r\n`
  return (await sendRaw(port, Buffer.from(head, 'latin1'))).text
}

test('EL-09 under a flood of bad tokens there are at most 50 events a second, and a count of the others', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  app.seen.length = 0
  const flood = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += 50) {
      await Promise.all(Array.from({ length: 50 }, () => app.me(`${token.slice(0, -4)}AAAA`, cookie)))
    }
  }
  await flood(400)
  t.is(app.seen.length, 50)
  app.clock.advance(1)
  await app.me('garbage', cookie)
  t.is(app.seen.length, 51)
  t.like(app.seen[50]?.event, { suppressed: 350 })
  await app.me('garbage', cookie)
  t.false('suppressed' in (app.seen[51]?.event ?? {}))
})

test('EL-10 whatever verb of the store fails, nobody gets in who would not, and nothing answers success', async (t) => {
  const verbs: Verb[] = ['get', 'set', 'add', 'swap', 'delete', 'list']
  for (const verb of verbs) {
    const app = await openFaultyApp(t)
    const { store } = app
    const [live, revoked] = [await app.login(), await app.login()]
    await app.kit.revoke({ sid: revoked.sid })
    store.broken.add(verb)
    t.is((await app.me(revoked.token, revoked.cookie)).status, 401, `${verb}: revoked`)
    t.is((await app.me(live.token)).status, 401, `${verb}: stolen`)
    t.is((await app.me(`${live.token}x`, live.cookie)).status, 401, `${verb}: bad`)
    t.true([401, 503].includes((await postRefresh(app, revoked)).status), `${verb}: a revoked refresh token`)
    const good = await app.me(live.token, live.cookie)
    t.true(good.status === 200 || (good.status === 503 && good.headers['retry-after'] !== undefined), `${verb}: good`)
    const entered = await postLogin(app, { sub: 'alice', password: 'correct' })
    if (entered.status === 200) {
      const { token, cookie } = toLogin(entered)
      t.not((await app.me(token, cookie)).status, 401, `${verb}: a 200 means what it says`)
    } else t.is(entered.status, 503)
    const refreshed = await postRefresh(app, live)
    if (refreshed.status === 200) {
      const { token, cookie } = toLogin(refreshed)
      t.not((await app.me(token, cookie)).status, 401, `${verb}: a refresh means what it says`)
    } else t.deepEqual([refreshed.status, refreshed.cookies], [503, []])
    const out = await app.request('POST', '/auth/logout', {
      Authorization: `Bearer ${live.token}`,
      Cookie: live.cookie,
    })
    t.true([204, 503].includes(out.status))
    t.is((await app.me(live.token, live.cookie)).status, 401, `${verb}: after the logout, answered ${out.status}`)
    store.broken.clear()
    t.is((await postRefresh(app, live)).status, 401, `${verb}: a refresh after the logout`)
  }
})

test('EL-10 a clock that fails or answers nonsense lets nobody in', async (t) => {
  for (const broken of [
    () => Number.NaN,
    () => Infinity,
    () => -Infinity,
    () => undefined as never,
    () => 'x' as never,
    crash,
  ]) {
    const clock = createClock()
    let now: () => number = clock
    const app = await openTestApp(t, {
      testClock: Object.assign(() => now(), { advance: clock.advance, set: clock.set }),
    })
    const login = await app.login()
    const { token, cookie } = login
    clock.advance(2000)
    now = broken
    const refreshed = await postRefresh(app, login)
    t.true(refreshed.status === 401 || refreshed.status >= 500, `${broken.toString()} refreshed ${refreshed.status}`)
    t.deepEqual(refreshed.cookies, [])
    for (const pair of [[token, cookie], [token], [`${token}x`, cookie]]) {
      const { status } = await app.me(...(pair as [string, string]))
      t.true(status === 401 || status >= 500, `${broken.toString()} answered ${status}`)
    }
    t.is(app.handled.count, 0)
  }
})

function crash(): never {
  throw new Error('no time')
}

test('EL-11 no refusal can be cached, and none carries a cookie', async (t) => {
  await refuseAll(t, (name, { headers, cookies }) => {
    t.is(headers['cache-control'], 'no-store', name)
    t.is(headers['pragma'], 'no-cache', name)
    t.deepEqual(cookies, [], name)
    t.is(headers['etag'], undefined, name)
  })
})

test('EL-11 a login that fails at its last step leaves no live cookie in its answer', async (t) => {
  const app = await openFaultyApp(t)
  const { store } = app
  const { token, cookie } = await app.login()
  for (const verb of ['set revocation', 'delete session', 'get session'] as const) {
    store.broken.clear()
    store.broken.add(verb)
    const response = await postLogin(app, { sub: 'alice', password: 'correct' }, bearer({ token, cookie }))
    t.is(response.status, 503, verb)
    t.deepEqual(response.cookies, [], verb)
    t.false(response.text.includes('access_token'))
    t.is(response.headers['cache-control'], 'no-store')
  }
})

test('EL-11 a request that the kit let in and that then fails carries no live cookie either', async (t) => {
  const app = await openFaultyApp(t, {
    mount(_koa, kit, router) {
      router.post('/own-login', async (ctx) => {
        Object.assign((ctx as unknown as { session: object }).session, { value: 1 })
        ctx.body = await kit.start(ctx, { sub: 'alice' })
        store.broken.add('get session')
      })
    },
  })
  const { store } = app
  const { token, cookie } = await app.login()
  const headers = { ...JSON_TYPE, ...bearer({ token, cookie }) }
  const response = await app.request('POST', '/own-login', headers, '{}')
  t.is(response.status, 503)
  t.deepEqual(response.cookies, [])
  t.false(response.text.includes('access_token'))
})

test('EL-12 HEAD and OPTIONS learn what GET learns, and no more', async (t) => {
  const app = await openWithDemands(t)
  const session = await app.login()
  const { token, cookie } = session
  const cases: Record<string, string>[] = [
    {},
    { Authorization: `Bearer ${token}` },
    { Authorization: 'Bearer x.y.z', Cookie: cookie },
    { Cookie: cookie },
    { Authorization: `Bearer ${resign(token, { exp: 1 })}`, Cookie: cookie },
  ]
  for (const headers of cases) {
    const get = await app.request('GET', '/me', headers)
    t.is(get.status, 401)
    for (const method of ['HEAD', 'OPTIONS', 'POST', 'DELETE']) {
      const other = await app.request(method, '/me', headers)
      t.is(other.status, get.status, method)
      t.deepEqual({ ...other.headers, date: 0 }, { ...get.headers, date: 0 }, method)
      t.is(other.text, method === 'HEAD' ? '' : get.text, method)
    }
  }
  t.is(app.handled.count, 0)
})

test('IS-13 the answers to a login or a refresh, good or bad, are stored nowhere', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const answers = [
    login.response,
    await postRefresh(app, login),
    await postRefresh(app, login, { 'Sec-Fetch-Site': 'cross-site' }),
    await postRefresh(app, { cookie: login.cookie, refreshCookie: '' }),
    await app.request('GET', '/auth/refresh'),
    await postLogin(app, { sub: 'alice', password: 'wrong' }),
    await postLogin(app, 'no json'),
    await postLogin(app, {}, { 'Sec-Fetch-Site': 'cross-site' }),
    await app.request('GET', '/auth/login'),
    await app.request('OPTIONS', '/auth/login'),
  ]
  for (const { status, headers } of answers) {
    t.is(headers['cache-control'], 'no-store', String(status))
    t.is(headers['pragma'], 'no-cache', String(status))
  }
})

function quote(name: string | undefined): string {
  return name === undefined ? '' : `\`${name}\``
}

test('the table of codes and docs/errors.md say the same', (t) => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| `ERR_'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  const expected = Object.entries(ERROR_CODES).map(([name, { status, error, event, message }]) => [
    quote(name),
    String(status),
    quote(error),
    quote(event),
    message,
  ])
  t.deepEqual(
    rows.map((row) => row.slice(0, 4)),
    expected.map((row) => row.slice(0, 4)),
  )
  for (const [name, , , , meaning] of rows) t.true((meaning ?? '').length > 10, name)
})

test('the table of codes answers no success, exposes nothing, and reports what should be reported', (t) => {
  for (const [code, { status, error, event, ends }] of Object.entries(ERROR_CODES)) {
    t.true(status >= 400 && status < 600, code)
    // RFC 6750 section 3.1: only without credentials is there no error. And what is not there has no part in OAuth.
    t.is(error === undefined, /^ERR_(?:CREDENTIALS|REFRESH)_MISSING$/.test(code) || status === 404, code)
    if (error === 'invalid_token') t.truthy(event, code)
    // Who ends a session by a refusal has shown to hold a genuine token of it, and it is told.
    if (ends !== undefined) t.deepEqual([status, error, event !== undefined], [401, 'invalid_token', true], code)
    const thrown = new SessionError(code as SessionError['code'])
    t.is(thrown.status, status)
    t.false(thrown.expose)
    t.true(isSessionError(thrown))
  }
  for (const other of [
    null,
    undefined,
    'ERR_TOKEN_EXPIRED',
    new Error('x'),
    { code: 'ERR_TOKEN_EXPIRED', status: 401 },
  ]) {
    t.false(isSessionError(other))
  }
})

/** An app with routes of its own that start and end sessions. */
function openOwnRoutes(t: ExecutionContext): ReturnType<typeof openFaultyApp> {
  return openFaultyApp(t, {
    mount(_koa, kit, router) {
      router.post('/start', async (ctx) => {
        ctx.body = await kit.start(ctx, { sub: 'alice' })
      })
      router.post('/end', async (ctx) => {
        await kit.end(ctx)
        ctx.status = 204
      })
    },
  })
}

test('EL-05 what kit.start and kit.end throw keeps its headers through the error handling of Koa', async (t) => {
  const app = await openOwnRoutes(t)
  const headers = { ...JSON_TYPE, ...bearer(await app.login()) }
  app.seen.length = 0
  const crossSite = await app.request('POST', '/start', { ...headers, 'Sec-Fetch-Site': 'cross-site' }, '{}')
  t.is(crossSite.status, 403)
  app.store.broken.add('set')
  const down = await app.request('POST', '/end', headers, '{}')
  t.is(down.status, 503)
  for (const { cookies, text } of [crossSite, down]) {
    t.deepEqual(cookies, [])
    t.notRegex(text, /ERR_|revocation|cookie/)
  }
  t.is(crossSite.headers['cache-control'], 'no-store')
  t.is(down.headers['cache-control'], 'no-store')
  t.regex(String(down.headers['retry-after']), /^\d+$/)
})

test('EL-07 what kit.start and kit.end refuse is reported like what the routes refuse', async (t) => {
  const app = await openOwnRoutes(t)
  await app.request('POST', '/start', { ...JSON_TYPE, 'Sec-Fetch-Site': 'cross-site' }, '{}')
  t.deepEqual(codesOf(app.seen), ['ERR_CROSS_SITE'])
  app.store.broken.add('add')
  await app.request('POST', '/start', JSON_TYPE, '{}')
  t.deepEqual(codesOf(app.seen), ['ERR_CROSS_SITE', 'ERR_STORE_UNAVAILABLE'])
})
