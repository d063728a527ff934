// Attacks from a page of another site: the browser adds the cookies, the page adds the rest. On every route that changes
// something: login, refresh, logout and the list of sessions.

import test, { type ExecutionContext } from 'ava'

import { createSessionKit } from '../../src/index.ts'
import {
  bearer,
  codesOf,
  ISSUER,
  type Login,
  openTestApp,
  refreshHeaders,
  type Response,
  type TestApp,
} from '../helpers/app.ts'

type Pairs = readonly (readonly [string, string])[]

const JSON_TYPE = ['Content-Type', 'application/json'] as const
const CREDENTIALS = JSON.stringify({ sub: 'alice', password: 'correct' })

test('H-01 CK-21 CS-08 a cross-site login, refresh or logout is refused and changes nothing', async (t) => {
  const app = await openTestApp(t)
  await assertHarmless(t, app, [['Sec-Fetch-Site', 'cross-site']])
  // Even beside what would be enough without Fetch Metadata.
  await assertHarmless(t, app, [
    ['Sec-Fetch-Site', 'cross-site'],
    ['Origin', ISSUER],
  ])
  await assertHarmless(t, app, [
    ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Mode', 'navigate'],
    ['Sec-Fetch-User', '?1'],
  ])
})

test('H-02 same-site, none without navigation, unknown and doubled Sec-Fetch-Site are refused', async (t) => {
  const app = await openTestApp(t)
  const cases: readonly Pairs[] = [
    [['Sec-Fetch-Site', 'same-site']],
    [
      ['Sec-Fetch-Site', 'same-site'],
      ['Origin', 'https://other.app.example'],
    ],
    [['Sec-Fetch-Site', 'none']],
    [
      ['Sec-Fetch-Site', 'none'],
      ['Sec-Fetch-Mode', 'cors'],
    ],
    [
      ['Sec-Fetch-Site', 'none'],
      ['Sec-Fetch-Mode', 'no-cors'],
    ],
    [['Sec-Fetch-Site', 'banana']],
    [['Sec-Fetch-Site', '']],
    [['Sec-Fetch-Site', 'Same-Origin']],
    [['Sec-Fetch-Site', '"same-origin"']],
    [['Sec-Fetch-Site', 'same-origin;x=1']],
    [['Sec-Fetch-Site', 'same-origin, cross-site']],
    [
      ['Sec-Fetch-Site', 'same-origin'],
      ['Sec-Fetch-Site', 'cross-site'],
    ],
    [
      ['Sec-Fetch-Site', 'cross-site'],
      ['Sec-Fetch-Site', 'same-origin'],
    ],
    [
      ['Sec-Fetch-Site', 'banana'],
      ['Origin', 'https://evil.example'],
    ],
  ]
  for (const pairs of cases) await assertHarmless(t, app, pairs)
})

test('H-03 CS-03 an Origin that only resembles the own one is refused', async (t) => {
  const app = await openTestApp(t)
  const origins = [
    ...['null', 'NULL', '', '*', 'undefined', 'app.example', '//app.example', 'https://'],
    ...[
      'https://app.example.evil.com',
      'https://app.example.com',
      'https://evilapp.example',
      'https://evil.app.example',
    ],
    ...['http://app.example', 'https://app.example:444', 'https://app.example:443', 'wss://app.example'],
    ...['https://APP.example', 'HTTPS://app.example', 'https://app.example/', 'https://app.example.'],
    ...['https://app.example%00.evil', 'https://app.example@evil.com', 'https://app.example\\.evil.com'],
    ...['https://app.example#@evil.com', 'https://app.example?evil.com', 'https://app-example', 'https://appxexample'],
    ...['https://app.example https://evil.com', 'https://evil.com, https://app.example', 'https://\u00e0pp.example'],
  ]
  for (const origin of origins) await assertHarmless(t, app, [['Origin', origin]])
  await assertHarmless(t, app, [
    ['Origin', ISSUER],
    ['Origin', 'https://evil.example'],
  ])
  await assertHarmless(t, app, [
    ['Origin', 'https://evil.example'],
    ['Origin', ISSUER],
  ])
})

test('H-03 CS-02 a Referer that only resembles the own origin is refused, and never outvotes Origin', async (t) => {
  const app = await openTestApp(t)
  const referers = [
    ...['', 'null', 'about:blank', 'app.example', '/login', 'https://app.example@evil.example/', 'data:text/html,x'],
    ...['https://app.example.evil.example/', 'https://evil.example/https://app.example/', 'http://app.example/'],
    ...['https://evil.example/?https://app.example', 'https://app.example:444/', 'https://%61pp.example.evil/'],
    ...['blob:https://app.example/0e0e0e0e', 'filesystem:https://app.example/x', 'view-source:https://app.example/'],
  ]
  for (const referer of referers) await assertHarmless(t, app, [['Referer', referer]])
  await assertHarmless(t, app, [
    ['Origin', 'https://evil.example'],
    ['Referer', `${ISSUER}/`],
  ])
  await assertHarmless(t, app, [
    ['Origin', 'null'],
    ['Referer', `${ISSUER}/`],
  ])
})

test('H-04 CS-06 a logout or a refresh with nothing but the cookies is refused', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  for (const type of [
    undefined,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ]) {
    const pairs = [both(login), ...(type === undefined ? [] : [['Content-Type', type] as const])]
    for (const path of ['/auth/logout', '/auth/refresh']) {
      app.seen.length = 0
      const response = await app.request('POST', path, pairs, type === undefined ? undefined : 'a=b')
      assertForbidden(t, app, response, `${path} ${type}`)
    }
  }
  await assertUntouched(t, app, login, 'nothing but the cookies')
})

test('H-05 CS-05 a body of a login or a refresh of any type but JSON in UTF-8 is refused unread', async (t) => {
  let asked = 0
  const app = await openTestApp(t, {
    authenticate: () => {
      asked += 1
      return { sub: 'alice' }
    },
  })
  const types = [
    ...['text/plain', 'text/plain;charset=UTF-8', 'text/plain; application/json', 'text/json', '', 'json', '*/*'],
    ...['application/json; charset=utf-7', 'application/json; charset=utf-16', 'application/json; charset=iso-8859-1'],
    ...['application/jsonp', 'application/json-patch+json', 'application/vnd.api+json', 'application/x-json'],
    ...['multipart/form-data; boundary=application/json', 'multipart/form-data', 'application/x-www-form-urlencoded'],
    ...['application/json, text/plain', 'text/plain, application/json', 'application/json; charset=utf-8; x=y'],
    ...['application/octet-stream', 'application/csp-report', 'application/json/x', 'xapplication/json'],
  ]
  const login = await app.login()
  for (const type of [undefined, ...types]) {
    const pairs = [
      ['Sec-Fetch-Site', 'same-origin'] as const,
      ...(type === undefined ? [] : [['Content-Type', type] as const]),
    ]
    const response = await app.request('POST', '/auth/login', pairs, CREDENTIALS)
    t.is(response.status, 415, String(type))
    t.is(response.headers['cache-control'], 'no-store', String(type))
    t.deepEqual(response.cookies, [], String(type))
    // A refresh needs no body, but one that it does not understand it does not pass over.
    if (type === undefined) continue
    const refresh = await app.request('POST', '/auth/refresh', [...pairs, both(login)], '{}')
    t.is(refresh.status, 415, type)
    t.deepEqual(refresh.cookies, [], type)
  }
  await assertUntouched(t, app, login, 'odd bodies')
  t.is(asked, 1)
  for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"']) {
    t.is((await app.request('POST', '/auth/login', { 'Content-Type': type }, CREDENTIALS)).status, 200, type)
  }
})

test('H-06 a GET that asks to be taken for a POST stays a GET', async (t) => {
  const app = await openTestApp(t)
  const [login, other] = [await app.login(), await app.login()]
  const credentials = bearer({ ...login, cookie: refreshHeaders(login).Cookie })
  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', '_method']) {
    for (const path of ['/auth/logout', '/auth/login', '/auth/refresh'].flatMap((one) => [
      one,
      `${one}?_method=POST`,
    ])) {
      const headers = { ...credentials, [name]: 'POST', 'Content-Type': 'application/json' }
      const response = await app.request('GET', path, headers, CREDENTIALS)
      t.is(response.status, 405, `${name} ${path}`)
      t.is(response.headers['allow'], 'POST, OPTIONS')
      t.deepEqual(response.cookies, [])
    }
    for (const method of ['GET', 'POST']) {
      const response = await app.request(method, '/auth/sessions?_method=DELETE', { ...credentials, [name]: 'DELETE' })
      t.is(response.status, method === 'GET' ? 200 : 405)
      t.deepEqual(response.cookies, [])
    }
  }
  const form = await app.request('POST', '/me', { ...credentials, 'X-HTTP-Method-Override': 'GET' }, '_method=DELETE')
  t.is(form.status, 200)
  for (const one of [login, other]) await assertUntouched(t, app, one, 'overridden methods')
})

// H-07's preflight is in test/koa/cors.test.ts, with the real @koa/cors.
test('H-07 an origin list with a wildcard is refused when the kit is built', async (t) => {
  const app = await openTestApp(t)
  for (const origin of ['*', 'https://*', 'https://*.example', '*.example', 'null', 'https://app.example/*']) {
    await t.throwsAsync(
      createSessionKit({ issuer: ISSUER, keys: app.keys, store: app.store, origins: [origin] }),
      { instanceOf: TypeError, message: /^origins: / },
      origin,
    )
  }
})

test('H-08 an image that points to logout or to refresh ends no session and uses nothing up', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const image: Pairs = [
    both(login),
    ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Mode', 'no-cors'],
    ['Sec-Fetch-Dest', 'image'],
  ]
  for (const method of ['GET', 'HEAD']) {
    for (const extra of [[], [['Authorization', `Bearer ${login.token}`] as const]]) {
      for (const path of ['/auth/logout', '/auth/refresh']) {
        const response = await app.request(method, path, [...image, ...extra])
        t.is(response.status, 405)
        t.is(response.headers['allow'], 'POST, OPTIONS')
        t.deepEqual(response.cookies, [])
        t.is(response.headers['clear-site-data'], undefined)
      }
    }
  }
  await assertUntouched(t, app, login, 'images')
})

/** Sends to every unsafe route what would succeed but for where it comes from. */
async function assertHarmless(t: ExecutionContext, app: TestApp, pairs: Pairs): Promise<void> {
  const what = JSON.stringify(pairs)
  app.clock.advance(1)
  const [login, other] = [await app.login(), await app.login()]
  const authorization = ['Authorization', `Bearer ${login.token}`] as const
  for (const [method, path] of [
    ['POST', '/auth/login'],
    ['POST', '/auth/refresh'],
    ['POST', '/auth/logout'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', '/auth/sessions?all=true'],
    ['DELETE', `/auth/sessions/${other.sid}`],
  ] as const) {
    app.seen.length = 0
    const body = path === '/auth/login' ? CREDENTIALS : undefined
    const response = await app.request(method, path, [JSON_TYPE, authorization, both(login), ...pairs], body)
    assertForbidden(t, app, response, `${path} ${what}`)
  }
  for (const one of [login, other]) await assertUntouched(t, app, one, what)
}

/** Both cookies, as a browser sends them. */
function both(login: Login): readonly [string, string] {
  return ['Cookie', refreshHeaders(login).Cookie]
}

/** Asserts that the session is alive and its refresh token has not been used. */
async function assertUntouched(t: ExecutionContext, app: TestApp, login: Login, what: string): Promise<void> {
  t.is((await app.me(login.token, login.cookie)).status, 200, `${what}: the session is alive`)
  const { value } = (await app.store.get('session', login.sid)) ?? {}
  t.is((value as { generation?: number }).generation, 0, `${what}: the refresh token is the first`)
}

function assertForbidden(t: ExecutionContext, app: TestApp, response: Response, what: string): void {
  t.is(response.status, 403, what)
  t.deepEqual(response.cookies, [], what)
  t.is(response.headers['clear-site-data'], undefined, what)
  t.is(response.headers['cache-control'], 'no-store', what)
  t.is(response.json['error'], 'access_denied', what)
  // The one event there is: nothing was started, ended or revoked.
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['cross_site_refused'],
    what,
  )
  t.deepEqual(codesOf(app.seen), ['ERR_CROSS_SITE'], what)
}
