// The two cookies, of the fingerprint and of the refresh token, as a browser sees them: how they are written, what a strict
// jar makes of them, and how they are read.

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'

import { createSessionKit, isSessionError, type SessionKitOptions } from '../../src/index.ts'
import { readCookies } from '../../src/koa/cookies.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'
import {
  bearer,
  codesOf,
  createClock,
  createTestApp,
  ISSUER,
  openTestApp,
  postLogin,
  postLogout,
  postRefresh,
  refreshHeaders,
  type Response,
  type TestApp,
  toLogin,
} from '../helpers/app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { assertRefused } from '../helpers/refused.ts'

type Cookie = NonNullable<SessionKitOptions['cookie']>

const NAME = '__Secure-Fgp'
const REFRESH_NAME = '__Secure-Refresh'
const LOCAL = 'http://localhost:3000'
/** The names of both cookies with these options. */
const VARIANTS = [
  [[NAME, REFRESH_NAME], {}],
  [['__Host-Fgp', '__Host-Refresh'], { prefix: '__Host-' }],
  [['__Host-Http-Fgp', '__Host-Http-Refresh'], { prefix: '__Host-Http-' }],
  [['__Secure-other', REFRESH_NAME], { name: '__Secure-other' }],
  [[NAME, REFRESH_NAME], { domain: 'app.example' }],
  [[NAME, REFRESH_NAME], { sameSite: 'lax', path: '/' }],
  [[NAME, REFRESH_NAME], { sameSite: 'none', crossSiteReason: 'embedded', partitioned: true }],
] as const satisfies readonly (readonly [readonly [string, string], Cookie])[]

test('CK-01 CK-02 every Set-Cookie of the kit is Secure and HttpOnly, whatever the options', async (t) => {
  for (const [names, cookie] of VARIANTS) {
    const app = await openTestApp(t, { cookie })
    const login = await app.login()
    const again = await postRefresh(app, login)
    for (const { cookies } of [login.response, again, await postLogout(app, login)]) {
      t.deepEqual(namesOf(cookies), [...names])
      for (const line of cookies) {
        t.true(attributesOf(line).has('secure'), line)
        t.true(attributesOf(line).has('httponly'), line)
      }
    }
  }
})

test('CK-02 the values are in Set-Cookie and nowhere else, in no encoding', async (t) => {
  for (const format of ['base64url', 'owasp'] as const) {
    const app = await openTestApp(t, { fingerprint: { format } })
    const login = await app.login()
    const { token, cookie } = login
    const said: unknown[] = []
    const hear = ({ headers, text }: Response): void => {
      const { 'set-cookie': _, ...others } = headers
      said.push(others, text)
    }
    for (const half of [cookie, undefined, `${cookie}x`]) hear(await app.me(token, half))
    const again = await postRefresh(app, login)
    const next = toLogin(again)
    const records = async () => {
      for (const kind of ['session', 'revocation'] as const) {
        for await (const record of app.store.list(kind)) said.push(record)
      }
    }
    await records()
    for (const response of [login.response, again, await postLogout(app, login)]) hear(response)
    await records()
    said.push(app.seen)
    for (const jwt of [token, next.token]) {
      said.push(jwt.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1')))
    }
    const texts = said.map((part) => JSON.stringify(part).toLowerCase())
    for (const { fingerprint, refreshToken } of [login, next]) {
      const values = fingerprint.split('~')
      const secret = refreshToken.split('.')[2] ?? ''
      t.is(secret.length, 22 + 43)
      for (const spelling of [
        ...values.flatMap((value) => encodingsOf(value, format)),
        ...[secret, secret.slice(0, 22), secret.slice(22)].flatMap((part) => encodingsOf(part, 'base64url')),
      ]) {
        for (const text of texts) t.false(text.includes(spelling.toLowerCase()))
      }
    }
  }
})

test('CK-02 a script in the page sees nothing of them, and cannot overwrite them', async (t) => {
  const app = await openTestApp(t)
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${ISSUER}/auth/login`, (await app.login()).response.cookies)
  t.is(jar.all().length, 2)
  for (const path of ['/', '/auth/refresh']) t.is(jar.header(ISSUER + path, { script: true }), undefined)
  const planted = [`${NAME}=planted; Path=/; Secure`, `${REFRESH_NAME}=planted; Path=/auth; Secure`]
  jar.receive(`${ISSUER}/`, planted, { script: true })
  t.false(jar.header(`${ISSUER}/auth/refresh`)?.includes('planted'))
})

test('CK-03 SameSite is always written: Strict unless asked, Lax on request', async (t) => {
  for (const [cookie, expected] of [
    [{}, 'Strict'],
    [{ sameSite: 'strict' }, 'Strict'],
    [{ sameSite: 'lax' }, 'Lax'],
    [{ sameSite: 'none', crossSiteReason: 'an embedded widget' }, 'None'],
  ] as const satisfies readonly (readonly [Cookie, string])[]) {
    const app = await openTestApp(t, { cookie })
    const login = await app.login()
    const lines = [...login.response.cookies, ...(await postLogout(app, login)).cookies]
    t.deepEqual(
      lines.map((line) => attributesOf(line).get('samesite')),
      Array<string>(4).fill(expected),
    )
  }
})

test('CK-03 SameSite=None without a reason is refused', async (t) => {
  await assertRefusedOption(t, { sameSite: 'none' }, 'cookie.sameSite')
  await assertRefusedOption(t, { sameSite: 'none', crossSiteReason: '' }, 'cookie.sameSite')
  await assertRefusedOption(t, { sameSite: 'None', crossSiteReason: 'x' }, 'cookie.sameSite')
})

test('CK-04 the names are __Secure-Fgp and __Secure-Refresh, and one option gives both another prefix', async (t) => {
  for (const prefix of [undefined, '__Secure-', '__Host-', '__Host-Http-'] as const) {
    const app = await openTestApp(t, { cookie: prefix === undefined ? {} : { prefix } })
    const login = await app.login()
    const names = ['Fgp', 'Refresh'].map((name) => `${prefix ?? '__Secure-'}${name}`)
    t.deepEqual(namesOf(login.response.cookies), names)
    t.is((await app.me(login.token, login.cookie)).status, 200)
    const jar = createCookieJar({ clock: app.clock })
    jar.receive(`${ISSUER}/auth/login`, login.response.cookies)
    t.deepEqual(
      jar.all().map(({ name, path, hostOnly }) => ({ name, path, hostOnly })),
      // A __Host- cookie is for every path (RFC 6265bis section 4.1.3.2).
      names.map((name, i) => ({
        name,
        path: i === 1 && prefix?.startsWith('__Host-') !== true ? '/auth' : '/',
        hostOnly: true,
      })),
    )
    t.is((await postRefresh(app, login)).status, 200)
  }
})
// CK-04's doctor command does not exist yet.

test('CK-04 CK-05 CK-06 a __Host- name with a domain or another path is refused, in any letter case', async (t) => {
  for (const cookie of [
    { prefix: '__Host-', domain: 'app.example' },
    { prefix: '__Host-Http-', domain: 'app.example' },
    { prefix: '__Host-', path: '/auth' },
    { prefix: '__Host-Http-', path: '/auth' },
    ...['__Host-Fgp', '__HOST-fgp', '__host-FGP', '__hOsT-x', '__Host-Http-Fgp', '__HOST-HTTP-fgp'].flatMap((name) => [
      { name, domain: 'app.example' },
      { name, path: '/auth' },
      { name, path: '/auth/' },
    ]),
  ]) {
    await assertRefusedOption(t, cookie, 'cookie.name')
  }
})

test('a cookie path that leaves out a route of the kit, so that no logout would get the cookie, is refused', async (t) => {
  for (const path of ['/api', '/auth/login', '/au', '/auth/x/', '/AUTH']) {
    await assertRefusedOption(t, { path }, 'cookie.path')
  }
})

test('CK-06 a name counts as prefixed in any letter case, and one that has none is refused', async (t) => {
  for (const [name, refreshName] of [
    ['__SECURE-fgp', '__SECURE-Refresh'],
    ['__secure-fgp', '__secure-Refresh'],
    ['__HOST-fgp', '__HOST-Refresh'],
    ['__host-http-fgp', '__host-http-Refresh'],
  ] as const) {
    const app = await openTestApp(t, { cookie: { name } })
    const login = await app.login()
    const jar = createCookieJar({ clock: app.clock })
    jar.receive(`${ISSUER}/auth/login`, login.response.cookies)
    t.deepEqual(
      jar.all().map((one) => one.name),
      [name, refreshName],
    )
    t.true(jar.header(`${ISSUER}/me`)?.startsWith(login.cookie))
    t.is((await app.me(login.token, login.cookie)).status, 200)
    t.is((await postRefresh(app, login)).status, 200)
  }
  for (const name of ['Fgp', 'Secure-Fgp', '_Secure-Fgp', '__SecureFgp', '__Http-Fgp', ' __Secure-Fgp']) {
    await assertRefusedOption(t, { name }, 'cookie.name')
  }
})

test('a fingerprint cookie that is named like the refresh cookie is refused, in any letter case', async (t) => {
  for (const name of [REFRESH_NAME, '__Host-Refresh', '__secure-refresh', '__HOST-HTTP-REFRESH']) {
    await assertRefusedOption(t, { name }, 'cookie.name')
  }
})

test('CK-07 Path is written: the browser sends the fingerprint everywhere, the refresh token only to the kit', async (t) => {
  for (const prefix of ['/auth', '/api/v1/auth']) {
    const app = await openTestApp(t, { prefix })
    const { response, cookie, refreshCookie } = await app.login()
    t.deepEqual(
      response.cookies.map((line) => attributesOf(line).get('path')),
      ['/', prefix],
    )
    const jar = createCookieJar({ clock: app.clock })
    jar.receive(`${ISSUER}${prefix}/login`, response.cookies)
    for (const path of ['/api/x', '/', `${prefix}x`, `/x${prefix}/refresh`])
      t.is(jar.header(ISSUER + path), cookie, path)
    for (const path of ['/refresh', '/logout', '/login', '/sessions/x']) {
      t.is(jar.header(ISSUER + prefix + path), `${refreshCookie}; ${cookie}`, path)
    }
    // What the browser would do without it, which is what the OWASP sample leaves open.
    const bare = createCookieJar({ clock: app.clock })
    bare.receive(`${ISSUER}${prefix}/login`, [response.cookies[0]?.replace('; Path=/', '') ?? ''])
    t.is(bare.header(`${ISSUER}/api/x`), undefined)
  }
})

test('CK-08 no Domain unless asked, and for the refresh token never, so no other host gets it', async (t) => {
  const app = await openTestApp(t)
  const { response, cookie, refreshCookie } = await app.login()
  for (const line of response.cookies) t.false(attributesOf(line).has('domain'))
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  t.is(jar.header(`${ISSUER}/`), cookie)
  t.is(jar.header(`${ISSUER}/auth/refresh`), `${refreshCookie}; ${cookie}`)
  for (const url of ['https://sub.app.example/', 'https://example/', 'https://evil.example/', 'http://app.example/']) {
    t.is(jar.header(`${url}auth/refresh`), undefined, url)
  }
  const shared = await openTestApp(t, { cookie: { domain: 'app.example' } })
  const wide = createCookieJar({ clock: shared.clock })
  const login = await shared.login()
  wide.receive(`${ISSUER}/auth/login`, login.response.cookies)
  t.is(wide.header('https://sub.app.example/auth/refresh'), login.cookie)
  t.is(wide.header(`${ISSUER}/auth/refresh`), `${login.refreshCookie}; ${login.cookie}`)
  t.is(wide.header('https://evilapp.example/'), undefined)
})

test('CK-09 CK-10 the lifetime is Max-Age in whole seconds, and not a second longer than the session', async (t) => {
  for (const [lifetime, session, expires, maxAge] of [
    ['15m', { absolute: '8h' }, 900, 1800],
    ['15m', { idle: '20m' }, 900, 1200],
    ['1s', { absolute: '8h' }, 1, 1800],
    // Not shorter than the token: a cookie that went before would look like a theft.
    ['1h', {}, 3600, 3600],
    ['1h', { absolute: '30m' }, 1800, 1800],
    ['1h', { absolute: 1 }, 1, 1],
  ] as const) {
    const app = await openTestApp(t, { accessToken: { lifetime }, session })
    const { response, token, sid } = await app.login()
    const end = (await app.store.get('session', sid))?.expires ?? 0
    for (const line of response.cookies) {
      const attributes = attributesOf(line)
      t.is(attributes.get('max-age'), String(maxAge))
      t.false(attributes.has('expires'))
      t.true(app.clock() + maxAge * 1000 <= end)
    }
    t.is(response.cookies.length, 2)
    t.is(response.json['expires_in'], expires)
    t.true((payloadOf(token)['exp'] as number) <= end / 1000)
  }
})

test('CK-10 the browser has dropped both cookies when the session is over, and a refresh gives them more time', async (t) => {
  const app = await openTestApp(t, { session: { absolute: '40m' } })
  const [jar, abandoned] = [createCookieJar({ clock: app.clock }), createCookieJar({ clock: app.clock })]
  const login = await app.login()
  const { response, token, cookie, refreshCookie } = login
  for (const one of [jar, abandoned]) one.receive(`${ISSUER}/auth/login`, response.cookies)
  app.clock.advance(899)
  t.is((await app.me(token, cookie)).status, 200)
  app.clock.advance(1)
  await assertRefused(t, app, () => app.me(token, cookie), 'ERR_TOKEN_EXPIRED')
  app.clock.advance(899)
  t.is(jar.header(`${ISSUER}/auth/refresh`), `${refreshCookie}; ${cookie}`)
  const again = await postRefresh(app, login)
  // Only 601 seconds are left of the 40 minutes, though the idle limit alone would allow 30 minutes.
  for (const line of again.cookies) t.is(attributesOf(line).get('max-age'), '601')
  jar.receive(`${ISSUER}/auth/refresh`, again.cookies)
  app.clock.advance(600)
  t.deepEqual(abandoned.all(), [], 'without the refresh they would have gone')
  t.is(jar.all().length, 2)
  app.clock.advance(1)
  t.deepEqual(jar.all(), [])
  const next = toLogin(again)
  await assertRefused(t, app, () => app.me(next.token, next.cookie), 'ERR_TOKEN_EXPIRED')
  await assertRefused(t, app, () => postRefresh(app, next), 'ERR_SESSION_EXPIRED')
})

test('CK-10 no cookie outlives its session after everything of the subject was revoked', async (t) => {
  // The next session then begins a moment after the cut-off, which may be the next second.
  const clock = createClock(Date.UTC(2026, 0, 15, 12, 0, 0, 999))
  const app = await openTestApp(t, { testClock: clock })
  await app.login()
  await app.kit.revoke({ sub: 'alice' })
  const { response, sid } = await app.login()
  const end = (await app.store.get('session', sid))?.expires ?? 0
  t.is(response.cookies.length, 2)
  for (const line of response.cookies) t.true(clock() + Number(attributesOf(line).get('max-age')) * 1000 <= end)
})

test('CK-10 a session longer than the 400 days that browsers grant is refused', async (t) => {
  await t.notThrowsAsync(openTestApp(t, { session: { absolute: '400d' } }))
  await t.throwsAsync(createTestApp({ session: { absolute: '401d' } }), {
    instanceOf: TypeError,
    message: /^session\.absolute: /,
  })
})

test('CK-11 with the lifetime `session` both cookies go with the browser', async (t) => {
  const app = await openTestApp(t, { cookie: { lifetime: 'session' } })
  const login = await app.login()
  const { response, cookie, refreshCookie } = login
  for (const line of response.cookies) {
    t.false(attributesOf(line).has('max-age'))
    t.false(attributesOf(line).has('expires'))
  }
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  t.is(jar.header(`${ISSUER}/auth/refresh`), `${refreshCookie}; ${cookie}`)
  jar.restart()
  t.deepEqual(jar.all(), [])
  const deletions = (await postLogout(app, login)).cookies
  t.deepEqual(
    deletions.map((line) => attributesOf(line).get('max-age')),
    ['0', '0'],
  )
})

test('CK-12 name, value and attributes are within what browsers keep, also of a full cookie', async (t) => {
  const label = 'a'.repeat(61)
  const domain = `${label}.${label}.${label}.app.example`
  const path = `/${'p'.repeat(255)}`
  for (const format of ['base64url', 'owasp'] as const) {
    const app = await openTestApp(t, {
      issuer: `https://${domain}`,
      fingerprint: { format },
      prefix: path,
      cookie: { name: `__Secure-${'n'.repeat(55)}`, path, domain },
    })
    const jar = createCookieJar({ clock: app.clock })
    let login = await app.login()
    // More refreshes than fingerprints fit, while the tokens of all of them live.
    for (let i = 0; i < 12; i += 1) {
      const { cookies } = login.response
      for (const line of cookies) {
        t.true(Buffer.byteLength(line.split(';')[0] ?? '') - 1 <= 4096)
        for (const value of attributesOf(line).values()) t.true(Buffer.byteLength(value) <= 1024)
      }
      jar.receive(`https://${domain}${path}/login`, cookies)
      t.deepEqual(
        jar.all().map((one) => [one.path, one.domain, one.value]),
        [
          [path, domain, login.fingerprint],
          [path, domain, login.refreshToken],
        ],
      )
      const headers = { ...refreshHeaders(login), Host: domain }
      login = toLogin(await app.request('POST', `${path}/refresh`, headers))
    }
    t.is(login.fingerprint.split('~').length, 8)
  }
})

test('CK-12 a prefix that makes the Path of the refresh cookie longer than browsers keep is refused', async (t) => {
  const error = await t.throwsAsync(openTestApp(t, { prefix: `/${'p'.repeat(1024)}` }), { instanceOf: TypeError })
  t.true(error?.message.startsWith('prefix: expected '))
})

test('CK-12 an option that makes an attribute longer than browsers keep is refused', async (t) => {
  await assertRefusedOption(t, { name: `__Secure-${'n'.repeat(4096)}` }, 'cookie.name')
  await assertRefusedOption(t, { path: `/${'p'.repeat(1024)}` }, 'cookie.path')
  await assertRefusedOption(t, { domain: `${'a.'.repeat(600)}app.example` }, 'cookie.domain')
})

test('CK-13 a deletion repeats every attribute and empties the jar of a browser', async (t) => {
  for (const [names, cookie] of VARIANTS) {
    const app = await openTestApp(t, { cookie })
    const login = await app.login()
    const jar = createCookieJar({ clock: app.clock })
    jar.receive(`${ISSUER}/auth/login`, login.response.cookies)
    t.is(jar.all().length, 2)
    const { cookies } = await postLogout(app, login)
    t.deepEqual(
      cookies.map((line) => line.split(';')[0]),
      names.map((name) => `${name}=`),
    )
    for (const [i, line] of cookies.entries()) {
      const [set, deletion] = [attributesOf(login.response.cookies[i]), attributesOf(line)]
      t.is(deletion.get('max-age'), '0')
      t.deepEqual([...deletion.entries()].filter(notMaxAge), [...set.entries()].filter(notMaxAge))
    }
    jar.receive(`${ISSUER}/auth/logout`, cookies)
    t.deepEqual(jar.all(), [], names.join())
  }
})

test('CK-13 a deletion that lacks an attribute leaves the cookie where it is', async (t) => {
  // What the row is about, shown on the jar: each attribute is needed.
  const app = await openTestApp(t, { prefix: '/api/auth', cookie: { domain: 'app.example', path: '/api' } })
  const { response, token, cookie } = await app.login()
  const [fgp = '', refresh = ''] = (await app.request('POST', '/api/auth/logout', bearer({ token, cookie }))).cookies
  for (const [deletion, name, parts] of [
    [fgp, NAME, ['; Secure', '; Path=/api', '; Domain=app.example', '; Max-Age=0']],
    // Its Path is also what a browser takes where there is none.
    [refresh, REFRESH_NAME, ['; Secure', '; Max-Age=0']],
  ] as const) {
    for (const part of parts) {
      const jar = createCookieJar({ clock: app.clock })
      jar.receive(`${ISSUER}/api/auth/login`, response.cookies)
      const before = jar.all().find((one) => one.name === name)
      jar.receive(`${ISSUER}/api/auth/logout`, [deletion.replace(part, '')])
      t.true(deletion.includes(part))
      t.true(
        jar.all().some((one) => one.path === before?.path && one.domain === before.domain),
        `${name} ${part}`,
      )
    }
  }
})

test('CK-14 app.keys add no signature cookie', async (t) => {
  const app = await openTestApp(t, {
    before: (koa) => {
      koa.keys = ['a key for something else']
    },
  })
  const login = await app.login()
  for (const { cookies } of [login.response, await postRefresh(app, login), await postLogout(app, login)]) {
    t.deepEqual(namesOf(cookies), [NAME, REFRESH_NAME])
  }
})

test('CK-14 a login and a logout in one response leave one Set-Cookie of each name, the last, and those of others', async (t) => {
  const app = await openTestApp(t, {
    mount: (_, kit, router) => {
      router.post('/again', async (ctx) => {
        ctx.cookies.set('mine', '1')
        await kit.start(ctx, { sub: 'alice' })
        await kit.start(ctx, { sub: 'bob' })
        ctx.cookies.set('yours', '2')
        await kit.end(ctx)
        ctx.status = 204
      })
    },
  })
  const { cookies } = await app.request('POST', '/again', { 'Sec-Fetch-Site': 'same-origin' })
  t.deepEqual(namesOf(cookies).toSorted(), [NAME, REFRESH_NAME, 'mine', 'yours'])
  for (const name of [NAME, REFRESH_NAME]) {
    t.is(attributesOf(cookies.find((line) => line.startsWith(name))).get('max-age'), '0', name)
  }
})

// CK-15 CK-16 CK-17 over HTTP are in test/attacks/g-cookie.test.ts; here they are laws of the reader.
test('CK-15 the order of the cookies never decides', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const crumbs = fc.uniqueArray(fc.constantFrom(cookie, `${NAME}=evil`, `${NAME}=`, NAME, 'a=b', `=${cookie}`), {
    minLength: 1,
  })
  const orders = crumbs.chain((list) =>
    fc.shuffledSubarray(list, { minLength: list.length }).map((other) => [list, other]),
  )
  await fc.assert(
    fc.asyncProperty(orders, async ([one = [], other = []]) => {
      app.clock.set(app.clock() + 1)
      const [a, b] = [await app.me(token, one.join('; ')), await app.me(token, other.join('; '))]
      const passes = one.filter((crumb) => crumb.startsWith(`${NAME}=`)).join() === cookie
      return a.status === b.status && a.text === b.text && a.status === (passes ? 200 : 401)
    }),
    { numRuns: 60 },
  )
  t.is((await app.me(token, cookie)).status, 200)
})

test('CK-15 CK-16 the reader finds every cookie of the name and no other, in any order', (t) => {
  const name = fc.constantFrom(
    NAME,
    NAME.toLowerCase(),
    NAME.toUpperCase(),
    `${NAME}.sig`,
    `x${NAME}`,
    '',
    'a',
    '__proto__',
  )
  const value = fc.stringMatching(/^[\w"=%,.:-]{0,20}$/)
  const crumbs = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 12 })
  const orders = crumbs.chain((list) =>
    fc.shuffledSubarray(list, { minLength: list.length }).map((other) => ({ list, other })),
  )
  fc.assert(
    fc.property(orders, ({ list, other }) => {
      const write = (pairs: typeof list): string => pairs.map(([n, v]) => `${n}=${v}`).join('; ')
      const expected = list.filter(([n]) => n === NAME).map(([, v]) => v)
      t.deepEqual(readCookies(incoming(write(list)), NAME), expected)
      t.deepEqual(readCookies(incoming(write(other)), NAME).toSorted(), expected.toSorted())
    }),
  )
  t.pass()
})

test('CK-15 no Cookie header crashes the reader, and what it finds was there', (t) => {
  const piece = fc.oneof(
    fc.constantFrom(NAME, `${NAME}=`, '=', ';', ' ', '; ', ';;', '"', ',', '\t', '%', '\\', '__proto__=1'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  )
  const header = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(header, (text) => {
      try {
        for (const value of readCookies(incoming(text), NAME)) {
          t.true(text.includes(`${NAME}=${value}`))
          t.false(value.includes(';'))
        }
      } catch (error) {
        t.true(isSessionError(error) && error.code === 'ERR_COOKIE_MALFORMED')
      }
    }),
    { numRuns: 2000 },
  )
  t.deepEqual(readCookies(incoming(undefined), NAME), [])
  t.deepEqual(readCookies(incoming(''), NAME), [])
})

test('CK-15 CK-17 no Cookie header over HTTP gets past the door or brings the server down', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  // Latin-1 without control characters: what Node's client agrees to send.
  const printable = fc.stringMatching(/^[\x20-\x7e\xa0-\xff]{0,40}$/)
  const header = fc.array(fc.oneof(printable, fc.constantFrom('; ', `${NAME}=`, cookie.slice(0, -1), `"${cookie}"`)))
  await fc.assert(
    fc.asyncProperty(header, async (parts) => (await app.me(token, parts.join(''))).status === 401),
    { numRuns: 100 },
  )
  t.is(app.handled.count, 0)
  t.deepEqual(app.errors, [])
  t.is((await app.me(token, cookie)).status, 200)
})

test('CK-16 a browser never sends a nameless or half-named cookie under the name', (t) => {
  const jar = createCookieJar({ clock: createClock() })
  const url = `${ISSUER}/`
  jar.receive(url, [`=${NAME}=x; Secure; Path=/`, `=__HOST-Fgp=x; Secure; Path=/`, `${NAME}; Secure; Path=/`])
  jar.receive(url, [`${NAME}=x; Path=/`, `__secure-fgp=x; Path=/`, `__HOST-x=y; Secure; Path=/; Domain=app.example`])
  t.deepEqual(jar.all(), [])
})

test('CK-17 a value is the value only as it was issued', async (t) => {
  const app = await openTestApp(t)
  const { token, fingerprint: c } = await app.login()
  for (const value of [
    `"${c}"`,
    `"${c}x`,
    `${c}%20`,
    c.toLowerCase(),
    c.toUpperCase(),
    `${c}=`,
    encodeURIComponent(`${c} `),
  ]) {
    await assertRefused(t, app, () => app.me(token, `${NAME}=${value}`), 'ERR_FINGERPRINT_MISMATCH', value)
  }
})

test('CK-18 over plain http nothing is set, the event says why, and no session is left behind', async (t) => {
  for (const options of [{ proxy: false }, { proxy: true }]) {
    const app = await openTestApp(t, options)
    const plain = { 'X-Forwarded-Proto': 'http', 'Sec-Fetch-Site': 'same-origin' }
    for (const response of [await loginOver(app, 'http'), await app.request('POST', '/auth/refresh', plain)]) {
      t.is(response.status, 500)
      t.is(response.json['error'], 'server_error')
      t.deepEqual(response.cookies, [])
      t.false(response.text.includes('proxy'), 'the hint is for the operator')
    }
    t.deepEqual(codesOf(app.seen), ['ERR_TRANSPORT_INSECURE', 'ERR_TRANSPORT_INSECURE'])
    t.true(app.seen.every(({ name }) => name === 'transport_insecure'))
  }
})

test('CK-18 a login that cannot set its cookie starts no session', async (t) => {
  const app = await openTestApp(t, { proxy: false })
  await loginOver(app, 'http')
  t.deepEqual(
    app.seen.map(({ name }) => name),
    ['transport_insecure'],
  )
  const records = []
  for await (const record of app.store.list('session')) records.push(record)
  t.deepEqual(records, [])
})

test('CK-18 cookie.tlsProxy says that the outside is https, without believing a header', async (t) => {
  const app = await openTestApp(t, { proxy: false, cookie: { tlsProxy: true } })
  const response = await loginOver(app, 'http')
  t.is(response.status, 200)
  t.is(response.cookies.length, 2)
  for (const line of response.cookies) t.true(attributesOf(line).has('secure'))
})

test('CK-18 on localhost the cookies stay Secure, and only `development` gives them other names', async (t) => {
  const app = await openTestApp(t, { issuer: LOCAL, proxy: false })
  const { response } = await app.login()
  t.deepEqual(namesOf(response.cookies), [NAME, REFRESH_NAME])
  for (const line of response.cookies) t.true(attributesOf(line).has('secure'))
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${LOCAL}/auth/login`, response.cookies)
  t.is(jar.all().length, 2, 'browsers but Safari take them')

  const safari = await openTestApp(t, { issuer: LOCAL, proxy: false, cookie: { development: true } })
  const login = await safari.login()
  t.deepEqual(namesOf(login.response.cookies), ['Fgp-Development', 'Refresh-Development'])
  for (const [i, line] of login.response.cookies.entries()) {
    const attributes = attributesOf(line)
    t.false(attributes.has('secure'))
    t.true(attributes.has('httponly'))
    t.is(attributes.get('samesite'), 'Strict')
    t.is(attributes.get('path'), ['/', '/auth'][i])
  }
  t.is((await safari.me(login.token, login.cookie)).status, 200)
  t.is((await postRefresh(safari, login)).status, 200)
})

test('CK-19 X-Forwarded-Proto is believed only where the operator trusts the proxy', async (t) => {
  const trusting = await openTestApp(t, { proxy: true })
  // Of several proxies the first one's word counts.
  for (const protocol of ['https', 'https, http', 'https,https', 'HTTPS']) {
    t.is((await loginOver(trusting, protocol)).status, 200, protocol)
  }
  for (const protocol of ['http', 'http, https', 'https:', 'httpsx', ', https', '']) {
    t.is((await loginOver(trusting, protocol)).status, 500, protocol)
  }
  const wary = await openTestApp(t, { proxy: false })
  const response = await loginOver(wary, 'https')
  t.is(response.status, 500)
  t.deepEqual(response.cookies, [])
  t.deepEqual(codesOf(wary.seen), ['ERR_TRANSPORT_INSECURE'])
})

test('CK-19 an application that believes fewer proxies than Koa is believed', async (t) => {
  const app = await openTestApp(t, {
    before: (koa) => void Object.defineProperty(koa.request, 'secure', { get: () => false }),
  })
  t.is((await loginOver(app, 'https')).status, 500)
  t.deepEqual(codesOf(app.seen), ['ERR_TRANSPORT_INSECURE'])
})

test('CK-20 the fingerprint is read from the cookie and from nowhere else', async (t) => {
  const app = await openTestApp(t)
  const { token, fingerprint, cookie } = await app.login()
  const headers = { Authorization: `Bearer ${token}` }
  const query = new URLSearchParams({ [NAME]: fingerprint, fgp: fingerprint, cookie }).toString()
  const body = JSON.stringify({ [NAME]: fingerprint, fgp: fingerprint, cookie })
  const missing = 'ERR_FINGERPRINT_MISSING'
  await assertRefused(t, app, () => app.request('GET', `/me?${query}`, headers), missing, 'query')
  for (const name of [NAME, 'X-Fgp', 'X-Fingerprint', 'Fgp', 'Cookie2', 'X-Cookie', 'Set-Cookie']) {
    for (const value of [fingerprint, cookie]) {
      await assertRefused(t, app, () => app.request('GET', '/me', { ...headers, [name]: value }), missing, name)
    }
  }
  for (const [type, sent] of [
    ['application/json', body],
    ['application/x-www-form-urlencoded', query],
  ] as const) {
    const post = { ...headers, 'Content-Type': type }
    await assertRefused(t, app, () => app.request('POST', '/me', post, sent), missing, type)
  }
})

test('CK-20 the refresh token is read from its cookie and from nowhere else', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const { token, refreshToken, cookie, refreshCookie } = login
  const headers = { ...bearer({ token, cookie }), 'Content-Type': 'application/json' }
  const names = { refresh_token: refreshToken, [REFRESH_NAME]: refreshToken, cookie: refreshCookie }
  const query = new URLSearchParams(names).toString()
  app.seen.length = 0
  const answers = [
    await app.request('POST', `/auth/refresh?${query}`, headers),
    await app.request('POST', '/auth/refresh', headers, JSON.stringify(names)),
    await app.request('POST', '/auth/refresh', { ...headers, [REFRESH_NAME]: refreshToken, 'X-Refresh': refreshToken }),
    await app.request('POST', '/auth/refresh', { ...headers, Authorization: `Bearer ${refreshToken}` }),
  ]
  for (const { status, cookies, json } of answers) {
    t.is(status, 401)
    t.false('error' in json, 'that is none at all, and not a bad one')
    t.deepEqual(cookies, [])
  }
  t.deepEqual(app.seen, [])
  const next = await postRefresh(app, login)
  t.true(toLogin(next).refreshToken.includes('.1.'), 'none of them has used it up')
})

test('CK-21 a cross-site login or refresh is refused rather than half done', async (t) => {
  const app = await openTestApp(t)
  const crossSite = { 'Sec-Fetch-Site': 'cross-site' }
  for (const response of [
    await postLogin(app, { sub: 'alice', password: 'correct' }, crossSite),
    await postRefresh(app, await app.login(), crossSite),
  ]) {
    t.is(response.status, 403)
    t.deepEqual(response.cookies, [])
    t.false(response.text.includes('access_token'))
  }
  // Why: the browser would drop the cookies and keep the token.
  const jar = createCookieJar({ clock: app.clock })
  jar.receive(`${ISSUER}/auth/login`, (await app.login()).response.cookies, { crossSite: true })
  t.deepEqual(jar.all(), [])
})

test('CK-22 a cookie that the browser lost means "log in again", and that works', async (t) => {
  const app = await openTestApp(t)
  const { token } = await app.login()
  await assertRefused(t, app, () => app.me(token), 'ERR_FINGERPRINT_MISSING')
  const refused = await app.me(token)
  t.false(/ at |Error|\.ts|node:/.test(refused.text), 'no stack trace')
  const again = await app.login('alice', { headers: { Authorization: `Bearer ${token}` } })
  t.is((await app.me(again.token, again.cookie)).status, 200)
})

test('CK-23 the cookies tell neither the framework nor the user', async (t) => {
  const app = await openTestApp(t)
  const { response, fingerprint, refreshToken, sid } = await app.login('alice@app.example')
  t.is(response.cookies.length, 2)
  for (const line of response.cookies) {
    // All but the value, in which chance could write anything.
    const written = line.replace(/=[^;]*/, '').toLowerCase()
    for (const word of ['koa', 'holdfast', 'jwt', 'sess', 'alice', 'node']) t.false(written.includes(word), word)
  }
  t.regex(fingerprint, /^[\w-]{43}$/)
  t.not(fingerprint.slice(0, 22), sid)
  t.regex(refreshToken, /^[\w-]{22}\.0\.[\w-]{65}$/)
  for (const text of ['alice', 'app.example']) {
    for (const spelling of encodingsOf(text, 'base64url')) t.false(`${fingerprint} ${refreshToken}`.includes(spelling))
  }
})

// CK-24 of the example app comes with the example; here: the kit's koa-session needs no cookie at all.
test('CK-24 koa-session beside the kit sets no cookie of its own', async (t) => {
  const app = await openTestApp(t, {
    mount: (_, kit, router) => {
      router.post('/keep', kit.protect(), (ctx) => {
        ctx.session!['seen'] = 1
        ctx.status = 204
      })
      router.post('/drop', kit.protect(), (ctx) => {
        ctx.session = null
        ctx.status = 204
      })
    },
  })
  const { token, cookie } = await app.login()
  const headers = bearer({ token, cookie })
  for (const path of ['/keep', '/drop', '/keep']) {
    const response = await app.request('POST', path, headers)
    t.is(response.status, 204)
    t.deepEqual(response.cookies, [], path)
  }
})

function loginOver(app: TestApp, protocol: string): ReturnType<TestApp['request']> {
  const headers = { 'Content-Type': 'application/json', 'X-Forwarded-Proto': protocol }
  return app.request('POST', '/auth/login', headers, JSON.stringify({ sub: 'alice', password: 'correct' }))
}

async function assertRefusedOption(t: ExecutionContext, cookie: object, name: string): Promise<void> {
  const { keys, store, close } = await createTestApp()
  t.teardown(close)
  const options = { issuer: ISSUER, keys, store, cookie } as SessionKitOptions
  const error = await t.throwsAsync(
    createSessionKit(options),
    { instanceOf: TypeError },
    JSON.stringify(cookie).slice(0, 80),
  )
  t.true(error.message.startsWith(`${name}: expected `), error.message)
}

/** The name of each cookie that is set. */
function namesOf(lines: readonly string[]): string[] {
  return lines.map((line) => line.split('=')[0] ?? '')
}

/** Attribute names in lower case; a flag's value is empty. */
function attributesOf(line = ''): Map<string, string> {
  return new Map(
    line
      .split('; ')
      .slice(1)
      .map((part) => {
        const [name = '', ...value] = part.split('=')
        return [name.toLowerCase(), value.join('=')]
      }),
  )
}

function notMaxAge([name]: [string, string]): boolean {
  return name !== 'max-age'
}

/** The value, and its bytes, in every usual writing. */
function encodingsOf(value: string, format: 'base64url' | 'owasp'): string[] {
  const text = Buffer.from(value)
  const bytes = Buffer.from(value, format === 'owasp' ? 'hex' : 'base64url')
  return [
    value,
    ...[text, bytes].flatMap((raw) => (['hex', 'base64', 'base64url'] as const).map((as) => raw.toString(as))),
  ]
}

function incoming(cookie: string | undefined): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  if (cookie !== undefined) request.headers.cookie = cookie
  return request
}
