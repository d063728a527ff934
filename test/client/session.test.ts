// The session of one tab: signing in and out, reloading, what the application sees of it, and where the token is not.

import test from 'ava'

import { createClient, type Session, type SignedIn } from '../../src/client/index.ts'
import { createEncryptionKeys, generateEncryptionKey } from '../../src/index.ts'
import { type BrowserApp, openBrowserApp } from '../helpers/browser-app.ts'
import { adopt, createContexts, openTab } from '../helpers/browser-tab.ts'

const contexts = createContexts()
let app: BrowserApp

test.before(async () => {
  await contexts.start()
  app = await openBrowserApp(contexts.owner)
})
test.after.always(contexts.end)
test.afterEach.always(() => app.intercept('/auth/refresh', undefined))

/** Asserts that somebody is signed in, and says as whom. */
function assertSignedIn(session: Session): SignedIn {
  if (session.status !== 'signed-in') throw new Error(`expected somebody to be signed in, got ${session.status}`)
  return session
}

test.serial('a visitor is signed out, then signed in, and signed out again', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  t.deepEqual(await tab.session(), { status: 'signed-out' })
  t.is(await tab.status('/me'), 401)

  const { subject, claims, sid, expiresIn } = assertSignedIn(await tab.login())
  t.is(subject, 'alice')
  t.like(claims, { sub: 'alice', sid, roles: ['editor'] })
  t.true(expiresIn > 880 && expiresIn <= 900, String(expiresIn))
  t.deepEqual(await tab.client.evaluate(async (client) => (await client.fetch('/me')).json()), { sub: 'alice', sid })

  await tab.client.evaluate((client) => client.logout())
  t.deepEqual(await tab.session(), { status: 'signed-out' })
  t.is(await tab.status('/me'), 401)
  t.is(app.asked('/me').at(-1)?.headers.authorization, undefined)
  t.deepEqual(await context.cookies(), [])
})

test.serial('a reload keeps the session, and shows nobody signed out meanwhile', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { page, login } = await openTab(context, app)
  await login()
  const refresh = app.hold('/auth/refresh')
  await page.goto(`${app.origin}/app`)
  await refresh.answered
  await page.getByText('unknown').waitFor()
  t.is(await page.locator('main').innerText(), 'unknown,')
  refresh.release()
  await page.getByText('unknown, signed-in alice,').waitFor()
})

test.serial('CL-01 the token is in no storage, no cookie, no URL and no global', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const page = await context.newPage()
  await page.goto(app.origin)
  const look = (): Promise<object> =>
    page.evaluate(async () => ({
      globals: Object.getOwnPropertyNames(globalThis).toSorted(),
      storages: [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length],
      caches: await caches.keys(),
      places: [document.cookie, window.name, location.href, history.state as unknown],
      html: document.documentElement.outerHTML,
    }))
  const before = await look()
  const tab = await adopt(page)
  await tab.login()
  t.is(await tab.status('/me'), 200)
  t.deepEqual(await look(), before)
  const cookies = await context.cookies()
  t.deepEqual(cookies.map(({ name }) => name).toSorted(), ['__Secure-Fgp', '__Secure-Refresh'])
  t.true(cookies.every(({ httpOnly }) => httpOnly))
})

test.serial('the snapshot is frozen, the same until something changes, and a new one then', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { client, login } = await openTab(context, app)
  await login()
  const seen = await client.evaluate(async (one) => {
    const { session } = one
    const heard: unknown[] = []
    const stop = one.onChange((now) => heard.push(now === one.session))
    const isSame = session === one.session
    const refreshed = await one.refresh()
    const isNew = refreshed !== session && refreshed === one.session
    stop()
    await one.logout()
    const { claims } = session as SignedIn
    const isFrozen = [session, claims, claims?.['roles'], one.session].every((each) => Object.isFrozen(each))
    return { isSame, isNew, isFrozen, heard }
  })
  t.deepEqual(seen, { isSame: true, isNew: true, isFrozen: true, heard: [true] })
})

test.serial('a listener that throws is reported, and stops neither the others nor the client', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { page, client, login } = await openTab(context, app)
  const reported = page.waitForEvent('pageerror')
  const heard = await client.evaluateHandle((one) => {
    const statuses: string[] = []
    one.onChange(() => {
      throw new Error('a bug of the application')
    })
    one.onChange(({ status }) => statuses.push(status))
    return statuses
  })
  t.is((await login()).status, 'signed-in')
  t.deepEqual(await heard.jsonValue(), ['signed-in'])
  t.is((await reported).message, 'a bug of the application')
})

test.serial('a wrong password, and what else a login may answer, are errors with a code', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { client, session } = await openTab(context, app)
  const attempt = (credentials: object): Promise<unknown> =>
    client.evaluate(
      (one, given) =>
        one.login(given as Record<string, unknown>).then(
          () => undefined,
          (error: Error) => Object.assign({ isError: error instanceof Error, message: error.message }, error),
        ),
      credentials,
    )
  t.deepEqual(await attempt({ username: 'alice', password: 'wrong' }), {
    ...{ name: 'ClientError', code: 'ERR_LOGIN_FAILED', status: 401, retryAfter: undefined },
    ...{ isError: true, message: 'ERR_LOGIN_FAILED' },
  })
  for (const [status, headers, code, retryAfter] of [
    [403, {}, 'ERR_REFUSED', undefined],
    [413, {}, 'ERR_REFUSED', undefined],
    [429, { 'Retry-After': '7' }, 'ERR_RATE_LIMITED', 7],
    [503, { 'Retry-After': '99999' }, 'ERR_UNAVAILABLE', 300],
    [503, { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 'ERR_UNAVAILABLE', undefined],
    [200, {}, 'ERR_UNREACHABLE', undefined],
  ] as const) {
    app.intercept('/auth/login', (_request, response) => response.writeHead(status, headers).end('<html>'))
    const expected = { code, status: code === 'ERR_UNREACHABLE' ? 0 : status, retryAfter }
    t.like(await attempt({}), expected, `${status}`)
  }
  for (const body of ['{}', '[]', 'null', '"text"', '{"sid":1,"expires_in":1}', '{"sid":"a"}', '']) {
    app.intercept('/auth/login', (_request, response) => response.writeHead(200).end(body))
    t.like(await attempt({}), { code: 'ERR_UNAVAILABLE', status: 200 }, body)
  }
  app.intercept('/auth/login', (request) => request.destroy())
  t.like(await attempt({}), { code: 'ERR_UNREACHABLE', status: 0 })
  app.intercept('/auth/login', undefined)
  t.deepEqual(await session(), { status: 'signed-out' })
})

test.serial('with the token in a cookie the session is known all the same, but for who it is', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const other = await openBrowserApp(t, { accessToken: { transport: 'cookie' } })
  const tab = await openTab(context, other)
  t.like(await tab.login(), { status: 'signed-in', subject: undefined, claims: undefined })
  t.is(await tab.status('/me'), 200)
  t.is(other.asked('/me').at(-1)?.headers.authorization, undefined)
  t.is(await tab.status('/me', { method: 'POST' }), 200)
  other.advance(900)
  const refreshes = other.asked('/auth/refresh').length
  t.is(await tab.status('/me'), 200)
  t.is(other.asked('/auth/refresh').length, refreshes + 1)
  const second = await openTab(context, other)
  t.like(await second.session(), { status: 'signed-in', sid: assertSignedIn(await tab.session()).sid })
  await tab.client.evaluate((client) => client.logout())
  await second.until('signed-out')
  t.is(await second.status('/me'), 401)
})

test.serial('an encrypted token signs in as well, and shows no claims', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const encryption = await createEncryptionKeys({ keys: [await generateEncryptionKey()] })
  const other = await openBrowserApp(t, { accessToken: { encryption } })
  const tab = await openTab(context, other)
  t.like(await tab.login(), { status: 'signed-in', subject: undefined, claims: undefined })
  t.is(await tab.status('/me'), 200)
})

test.serial('a client that is closed forgets the token and does nothing more', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  await tab.client.evaluate((client) => client.close())
  t.deepEqual(await tab.session(), { status: 'unknown' })
  const { length } = app.asked('/auth/refresh')
  t.is(await tab.status('/me'), 401)
  t.is(app.asked('/me').at(-1)?.headers.authorization, undefined)
  t.is((await tab.client.evaluate((client) => client.refresh())).status, 'unknown')
  t.is(app.asked('/auth/refresh').length, length)
})

test('a wrong option is a TypeError that names it', (t) => {
  const origin = 'https://app.example'
  for (const [name, options] of [
    ['baseURL', {}],
    ['baseURL', { baseURL: 'http://app.example' }],
    ['baseURL', { baseURL: 'http://localhost.evil.example' }],
    ['baseURL', { baseURL: 'http://127.evil.example' }],
    ['baseURL', { baseURL: `${origin}/api` }],
    ['baseURL', { baseURL: 'ftp://localhost' }],
    ['origins', { baseURL: origin, origins: ['https://*.example/'] }],
    ['origins', { baseURL: origin, origins: ['http://api.example'] }],
    ['origins', { baseURL: origin, origins: ['https://api.example/'] }],
    ['prefix', { baseURL: origin, prefix: 'auth' }],
    ['prefix', { baseURL: origin, prefix: '//evil.example' }],
    ['prefix', { baseURL: origin, prefix: '' }],
    ['refreshAhead', { baseURL: origin, refreshAhead: -1 }],
    ['refreshAhead', { baseURL: origin, refreshAhead: NaN }],
  ] as const) {
    t.throws(() => createClient(options), { instanceOf: TypeError, message: new RegExp(`^${name}: expected`) })
  }
})

test('where there is no page nothing happens, and the session is not known', async (t) => {
  for (const baseURL of ['https://app.example', new URL('http://localhost:3000'), 'http://[::1]:80']) {
    const client = createClient({ baseURL: String(baseURL).replace(':80', '') })
    t.deepEqual(client.session, { status: 'unknown' })
    t.is(await client.refresh(), client.session)
    client.close()
  }
})
