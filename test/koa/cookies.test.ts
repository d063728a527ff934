// The fingerprint cookie as a browser sees it: how it is written, what a strict jar makes of it, and how it is read.

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'

import { createSessionKit, isSessionError, type SessionKitOptions } from '../../src/index.ts'
import { readCookies } from '../../src/koa/cookies.ts'
import {
  bearer,
  codesOf,
  createClock,
  createTestApp,
  ISSUER,
  openTestApp,
  postLogout,
  type TestApp,
} from '../helpers/app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { createJar } from '../helpers/jar.ts'
import { assertRefused } from '../helpers/refused.ts'

type Cookie = NonNullable<SessionKitOptions['cookie']>

const NAME = '__Secure-Fgp'
const LOCAL = 'http://localhost:3000'
const VARIANTS = [
  ['__Secure-Fgp', {}],
  ['__Host-Fgp', { prefix: '__Host-' }],
  ['__Host-Http-Fgp', { prefix: '__Host-Http-' }],
  ['__Secure-other', { name: '__Secure-other' }],
  ['__Secure-Fgp', { domain: 'app.example' }],
  ['__Secure-Fgp', { sameSite: 'lax', path: '/' }],
  ['__Secure-Fgp', { sameSite: 'none', crossSiteReason: 'embedded', partitioned: true }],
] as const satisfies readonly (readonly [string, Cookie])[]

test('CK-01 CK-02 every Set-Cookie of the kit is Secure and HttpOnly, whatever the options', async (t) => {
  for (const [name, cookie] of VARIANTS) {
    const app = await openTestApp(t, { cookie })
    const { response, token, cookie: pair } = await app.login()
    const out = await postLogout(app, { token, cookie: pair })
    for (const { cookies } of [response, out]) {
      t.is(cookies.length, 1)
      t.true(cookies[0]?.startsWith(`${name}=`), name)
      t.true(attributesOf(cookies[0]).has('secure'), name)
      t.true(attributesOf(cookies[0]).has('httponly'), name)
    }
  }
})

test('CK-02 the value is in Set-Cookie and nowhere else, in no encoding', async (t) => {
  for (const format of ['base64url', 'owasp'] as const) {
    const app = await openTestApp(t, { fingerprint: { format } })
    const { response, token, fingerprint, cookie } = await app.login()
    const me = await app.me(token, cookie)
    await app.me(token)
    await app.me(token, `${cookie}x`)
    const out = await postLogout(app, { token, cookie })
    const { 'set-cookie': _, ...headers } = response.headers
    const decoded = token.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'))
    const records = []
    for (const kind of ['session', 'revocation'] as const) {
      for await (const record of app.store.list(kind)) records.push(record)
    }
    const said = [headers, response.text, decoded, me.headers, me.text, out.headers, out.text, app.seen, records].map(
      (part) => JSON.stringify(part).toLowerCase(),
    )
    for (const secret of encodingsOf(fingerprint, format)) {
      for (const text of said) t.false(text.includes(secret.toLowerCase()))
    }
  }
})

test('CK-02 a script in the page sees nothing of it', async (t) => {
  const app = await openTestApp(t)
  const jar = createJar(app.clock)
  jar.receive(`${ISSUER}/auth/login`, (await app.login()).response.cookies)
  t.is(jar.all().length, 1)
  t.is(jar.header(`${ISSUER}/`, { script: true }), undefined)
  jar.receive(`${ISSUER}/`, [`${NAME}=planted; Path=/; Secure`], { script: true })
  t.false(jar.header(`${ISSUER}/`)?.includes('planted'))
})

test('CK-03 SameSite is always written: Strict unless asked, Lax on request', async (t) => {
  for (const [cookie, expected] of [
    [{}, 'Strict'],
    [{ sameSite: 'strict' }, 'Strict'],
    [{ sameSite: 'lax' }, 'Lax'],
    [{ sameSite: 'none', crossSiteReason: 'an embedded widget' }, 'None'],
  ] as const satisfies readonly (readonly [Cookie, string])[]) {
    const app = await openTestApp(t, { cookie })
    const { response, token, cookie: pair } = await app.login()
    t.is(attributesOf(response.cookies[0]).get('samesite'), expected)
    t.is(attributesOf((await postLogout(app, { token, cookie: pair })).cookies[0]).get('samesite'), expected)
  }
})

test('CK-03 SameSite=None without a reason is refused', async (t) => {
  await assertRefusedOption(t, { sameSite: 'none' }, 'cookie.sameSite')
  await assertRefusedOption(t, { sameSite: 'none', crossSiteReason: '' }, 'cookie.sameSite')
  await assertRefusedOption(t, { sameSite: 'None', crossSiteReason: 'x' }, 'cookie.sameSite')
})

test('CK-04 the name is __Secure-Fgp, and one option makes it __Host-Fgp or __Host-Http-Fgp', async (t) => {
  for (const [prefix, name] of [
    [undefined, '__Secure-Fgp'],
    ['__Secure-', '__Secure-Fgp'],
    ['__Host-', '__Host-Fgp'],
    ['__Host-Http-', '__Host-Http-Fgp'],
  ] as const) {
    const app = await openTestApp(t, { cookie: prefix === undefined ? {} : { prefix } })
    const { token, cookie } = await app.login()
    t.is(cookie.split('=')[0], name)
    t.is((await app.me(token, cookie)).status, 200)
    const jar = createJar(app.clock)
    jar.receive(`${ISSUER}/auth/login`, (await app.login()).response.cookies)
    t.deepEqual(
      jar.all().map((one) => one.name),
      [name],
    )
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
  for (const name of ['__SECURE-fgp', '__secure-fgp', '__HOST-fgp', '__host-http-fgp']) {
    const app = await openTestApp(t, { cookie: { name } })
    const { response, token, cookie } = await app.login()
    const jar = createJar(app.clock)
    jar.receive(`${ISSUER}/auth/login`, response.cookies)
    t.is(jar.header(`${ISSUER}/me`), cookie)
    t.is((await app.me(token, cookie)).status, 200)
  }
  for (const name of ['Fgp', 'Secure-Fgp', '_Secure-Fgp', '__SecureFgp', '__Http-Fgp', ' __Secure-Fgp']) {
    await assertRefusedOption(t, { name }, 'cookie.name')
  }
})

test('CK-07 Path is written, so the browser sends the cookie beyond the login route', async (t) => {
  const app = await openTestApp(t)
  const { response, cookie } = await app.login()
  t.is(attributesOf(response.cookies[0]).get('path'), '/')
  const jar = createJar(app.clock)
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  t.is(jar.header(`${ISSUER}/api/x`), cookie)
  // What the browser would do without it, which is what the OWASP sample leaves open.
  const bare = createJar(app.clock)
  bare.receive(`${ISSUER}/auth/login`, [response.cookies[0]?.replace('; Path=/', '') ?? ''])
  t.is(bare.header(`${ISSUER}/api/x`), undefined)
})

test('CK-08 no Domain unless asked, so no other host gets the cookie', async (t) => {
  const app = await openTestApp(t)
  const { response, cookie } = await app.login()
  t.false(attributesOf(response.cookies[0]).has('domain'))
  const jar = createJar(app.clock)
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  t.is(jar.header(`${ISSUER}/`), cookie)
  for (const url of ['https://sub.app.example/', 'https://example/', 'https://evil.example/', 'http://app.example/']) {
    t.is(jar.header(url), undefined, url)
  }
  const shared = await openTestApp(t, { cookie: { domain: 'app.example' } })
  const wide = createJar(shared.clock)
  wide.receive(`${ISSUER}/auth/login`, (await shared.login()).response.cookies)
  t.truthy(wide.header('https://sub.app.example/'))
  t.is(wide.header('https://evilapp.example/'), undefined)
})

test('CK-09 CK-10 the lifetime is Max-Age in whole seconds, and not a second longer than the token', async (t) => {
  for (const [lifetime, absolute, expected] of [
    ['15m', '8h', 900],
    ['1s', '8h', 1],
    ['1h', '30m', 1800],
    ['1h', 1, 1],
  ] as const) {
    const app = await openTestApp(t, { accessToken: { lifetime }, session: { absolute } })
    const { response, token } = await app.login()
    const attributes = attributesOf(response.cookies[0])
    t.is(attributes.get('max-age'), String(expected))
    t.false(attributes.has('expires'))
    const now = Math.floor(app.clock() / 1000)
    t.true(now + expected <= (payloadOf(token)['exp'] as number))
    t.is(response.json['expires_in'], expected)
  }
})

test('CK-10 the browser has dropped the cookie when the token has expired', async (t) => {
  const app = await openTestApp(t)
  const jar = createJar(app.clock)
  const { response, token, cookie } = await app.login()
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  app.clock.advance(899)
  t.is(jar.header(`${ISSUER}/me`), cookie)
  t.is((await app.me(token, cookie)).status, 200)
  app.clock.advance(1)
  t.is(jar.header(`${ISSUER}/me`), undefined)
  t.is((await app.me(token, cookie)).status, 401)
})

test('CK-10 the cookie does not outlive its token after everything of the subject was revoked', async (t) => {
  // The next token is then issued a moment after the cut-off, which may be the next second.
  const clock = createClock(Date.UTC(2026, 0, 15, 12, 0, 0, 999))
  const app = await openTestApp(t, { testClock: clock })
  await app.login()
  await app.kit.revoke({ sub: 'alice' })
  const { response, token } = await app.login()
  const gone = Math.floor(clock() / 1000) + Number(attributesOf(response.cookies[0]).get('max-age'))
  t.true(gone <= (payloadOf(token)['exp'] as number))
})

test('CK-10 a session longer than the 400 days that browsers grant is refused', async (t) => {
  await t.notThrowsAsync(openTestApp(t, { session: { absolute: '400d' } }))
  await t.throwsAsync(createTestApp({ session: { absolute: '401d' } }), {
    instanceOf: TypeError,
    message: /^session\.absolute: /,
  })
})

test('CK-11 with the lifetime `session` the cookie goes with the browser', async (t) => {
  const app = await openTestApp(t, { cookie: { lifetime: 'session' } })
  const { response, token, cookie } = await app.login()
  const attributes = attributesOf(response.cookies[0])
  t.false(attributes.has('max-age'))
  t.false(attributes.has('expires'))
  const jar = createJar(app.clock)
  jar.receive(`${ISSUER}/auth/login`, response.cookies)
  t.is(jar.header(`${ISSUER}/me`), cookie)
  jar.restart()
  t.is(jar.header(`${ISSUER}/me`), undefined)
  t.is(attributesOf((await postLogout(app, { token, cookie })).cookies[0]).get('max-age'), '0')
})

test('CK-12 name, value and attributes are within what browsers keep', async (t) => {
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
    const [line = ''] = (await app.login()).response.cookies
    const pair = line.split(';')[0] ?? ''
    t.true(Buffer.byteLength(pair) - 1 <= 4096)
    for (const value of attributesOf(line).values()) t.true(Buffer.byteLength(value) <= 1024)
    const jar = createJar(app.clock)
    jar.receive(`https://${domain}${path}/login`, [line])
    t.is(jar.all()[0]?.path, path)
    t.is(jar.all()[0]?.domain, domain)
  }
})

test('CK-12 an option that makes an attribute longer than browsers keep is refused', async (t) => {
  await assertRefusedOption(t, { name: `__Secure-${'n'.repeat(4096)}` }, 'cookie.name')
  await assertRefusedOption(t, { path: `/${'p'.repeat(1024)}` }, 'cookie.path')
  await assertRefusedOption(t, { domain: `${'a.'.repeat(600)}app.example` }, 'cookie.domain')
})

test('CK-13 a deletion repeats every attribute and empties the jar of a browser', async (t) => {
  for (const [name, cookie] of VARIANTS) {
    const app = await openTestApp(t, { cookie })
    const { response, token, cookie: pair } = await app.login()
    const jar = createJar(app.clock)
    jar.receive(`${ISSUER}/auth/login`, response.cookies)
    t.is(jar.header(`${ISSUER}/me`), pair)
    const { cookies } = await postLogout(app, { token, cookie: pair })
    t.is(cookies.length, 1)
    t.true(cookies[0]?.startsWith(`${name}=;`))
    const [set, deletion] = [attributesOf(response.cookies[0]), attributesOf(cookies[0])]
    t.is(deletion.get('max-age'), '0')
    t.deepEqual([...deletion.entries()].filter(notMaxAge), [...set.entries()].filter(notMaxAge))
    jar.receive(`${ISSUER}/auth/logout`, cookies)
    t.deepEqual(jar.all(), [], name)
  }
})

test('CK-13 a deletion that lacks an attribute leaves the cookie where it is', async (t) => {
  // What the row is about, shown on the jar: each attribute is needed.
  const app = await openTestApp(t, { prefix: '/api/auth', cookie: { domain: 'app.example', path: '/api' } })
  const { response, token, cookie } = await app.login()
  const [deletion = ''] = (await app.request('POST', '/api/auth/logout', bearer({ token, cookie }))).cookies
  for (const part of ['; Secure', '; Path=/api', '; Domain=app.example', '; Max-Age=0']) {
    const jar = createJar(app.clock)
    jar.receive(`${ISSUER}/api/auth/login`, response.cookies)
    jar.receive(`${ISSUER}/api/auth/logout`, [deletion.replace(part, '')])
    t.true(deletion.includes(part))
    t.true(
      jar.all().some((one) => one.path === '/api' && one.domain === 'app.example'),
      part,
    )
  }
})

test('CK-14 app.keys add no signature cookie', async (t) => {
  const app = await openTestApp(t, {
    before: (koa) => {
      koa.keys = ['a key for something else']
    },
  })
  const { response, token, cookie } = await app.login()
  t.is(response.cookies.length, 1)
  const out = await postLogout(app, { token, cookie })
  t.is(out.cookies.length, 1)
  t.false([...response.cookies, ...out.cookies].some((line) => line.includes('.sig')))
})

test('CK-14 a login and a logout in one response leave one Set-Cookie, the last, and those of others', async (t) => {
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
  const names = cookies.map((line) => line.split('=')[0] ?? '')
  t.deepEqual(names.toSorted(), [NAME, 'mine', 'yours'])
  t.is(attributesOf(cookies.find((line) => line.startsWith(NAME))).get('max-age'), '0')
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
  const jar = createJar(createClock())
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
    const response = await loginOver(app, 'http')
    t.is(response.status, 500)
    t.is(response.json['error'], 'server_error')
    t.deepEqual(response.cookies, [])
    t.false(response.text.includes('proxy'), 'the hint is for the operator')
    t.deepEqual(codesOf(app.seen), ['ERR_TRANSPORT_INSECURE'])
    t.true(app.seen.some(({ name }) => name === 'transport_insecure'))
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
  t.true(attributesOf(response.cookies[0]).has('secure'))
})

test('CK-18 on localhost the cookie stays Secure, and only `development` gives it another name', async (t) => {
  const app = await openTestApp(t, { issuer: LOCAL, proxy: false })
  const { response } = await app.login()
  t.true(response.cookies[0]?.startsWith(`${NAME}=`))
  t.true(attributesOf(response.cookies[0]).has('secure'))
  const jar = createJar(app.clock)
  jar.receive(`${LOCAL}/auth/login`, response.cookies)
  t.is(jar.all().length, 1, 'browsers but Safari take it')

  const safari = await openTestApp(t, { issuer: LOCAL, proxy: false, cookie: { development: true } })
  const login = await safari.login()
  t.true(login.response.cookies[0]?.startsWith('Fgp-Development='))
  t.false(attributesOf(login.response.cookies[0]).has('secure'))
  t.true(attributesOf(login.response.cookies[0]).has('httponly'))
  t.is(attributesOf(login.response.cookies[0]).get('samesite'), 'Strict')
  t.is((await safari.me(login.token, login.cookie)).status, 200)
})

test('CK-19 X-Forwarded-Proto is believed only where the operator trusts the proxy', async (t) => {
  const trusting = await openTestApp(t, { proxy: true })
  t.is((await loginOver(trusting, 'https')).status, 200)
  const wary = await openTestApp(t, { proxy: false })
  const response = await loginOver(wary, 'https')
  t.is(response.status, 500)
  t.deepEqual(response.cookies, [])
  t.deepEqual(codesOf(wary.seen), ['ERR_TRANSPORT_INSECURE'])
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

test('CK-21 a cross-site login is refused rather than half done', async (t) => {
  const app = await openTestApp(t)
  const headers = { 'Sec-Fetch-Site': 'cross-site', 'Content-Type': 'application/json' }
  const body = JSON.stringify({ sub: 'alice', password: 'correct' })
  const response = await app.request('POST', '/auth/login', headers, body)
  t.is(response.status, 403)
  t.deepEqual(response.cookies, [])
  t.false(response.text.includes('access_token'))
  // Why: the browser would drop the cookie and keep the token.
  const jar = createJar(app.clock)
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

test('CK-23 the cookie tells neither the framework nor the user', async (t) => {
  const app = await openTestApp(t)
  const { response, sid } = await app.login('alice@app.example')
  for (const line of response.cookies) {
    for (const word of ['koa', 'holdfast', 'jwt', 'sess', 'alice', 'node', sid]) {
      t.false(line.toLowerCase().includes(word.toLowerCase()), word)
    }
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
