// Logging out: here and in the other tabs at once, on the server as soon as it can be told, and nothing brings it back.

import test, { type ExecutionContext } from 'ava'
import type { BrowserContext, Page } from 'playwright-core'

import { type BrowserApp, openBrowserApp } from '../helpers/browser-app.ts'
import { adopt, createContexts, openTab, settled, type Tab } from '../helpers/browser-tab.ts'

const contexts = createContexts()
let app: BrowserApp

test.before(async () => {
  await contexts.start([], ['--disable-back-forward-cache'])
  // Nothing is cleared for the client that it has to clear itself.
  app = await openBrowserApp(contexts.owner, { clearSiteData: [] })
})
test.after.always(contexts.end)
test.afterEach.always(async () => {
  app.intercept('/auth/logout', undefined)
  await app.kit.revoke({ sub: 'alice' })
})

/** The tab's logout: '' where it went well, else the code of the error. */
function logout({ client }: Tab): Promise<string> {
  return client.evaluate((one) =>
    one.logout().then(
      () => '',
      (error: { readonly code: string }) => error.code,
    ),
  )
}

/** Settles when a session ends on the server. */
function nextEnd(): Promise<unknown> {
  return new Promise((resolve) => app.kit.events.once('session_expired', resolve))
}

async function openTwo(context: BrowserContext): Promise<readonly [Tab, Tab]> {
  const first = await openTab(context, app)
  await first.login()
  const second = await openTab(context, app)
  await second.until('signed-in')
  return [first, second]
}

test.serial('CL-06 who logs out where the server cannot be reached is signed out in all tabs', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tabs = await openTwo(context)
  await context.setOffline(true)
  t.is(await logout(tabs[0]), 'ERR_UNREACHABLE')
  for (const tab of tabs) await tab.until('signed-out')
  t.is((await app.kit.sessions('alice')).length, 1, 'the server does not know yet')
  const ended = nextEnd()
  await context.setOffline(false)
  t.like(await ended, { sub: 'alice', reason: 'logout' })
  for (const tab of tabs) {
    t.is(await tab.status('/me'), 401)
    t.is(app.asked('/me').at(-1)?.headers.authorization, undefined)
    t.deepEqual(await tab.session(), { status: 'signed-out' })
  }
})

test.serial('the tab where somebody logged out may close: another tells the server', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const [first, second] = await openTwo(context)
  app.intercept('/auth/logout', (request) => request.destroy())
  t.is(await logout(first), 'ERR_UNREACHABLE')
  await second.until('signed-out')
  await first.page.close()
  const ended = nextEnd()
  app.intercept('/auth/logout', undefined)
  t.like(await ended, { sub: 'alice', reason: 'logout' })
})

test.serial('a tab that opens before the server was told does not bring the session back', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const first = await openTab(context, app)
  await first.login()
  app.intercept('/auth/logout', (_request, response) => response.writeHead(503, { 'Retry-After': '300' }).end())
  t.is(await logout(first), 'ERR_UNAVAILABLE')
  const second = await openTab(context, app)
  await second.until('signed-out')
  t.is(await second.status('/me'), 401)
  t.deepEqual(await first.session(), { status: 'signed-out' })
  const ended = nextEnd()
  app.intercept('/auth/logout', undefined)
  await second.page.evaluate(() => dispatchEvent(new Event('online')))
  t.like(await ended, { sub: 'alice', reason: 'logout' })
})

/** Signs in and out where the server does not hear of it, and closes the page. */
async function logOutUnheard(t: ExecutionContext, context: BrowserContext): Promise<void> {
  const first = await openTab(context, app)
  await first.login()
  app.intercept('/auth/logout', (request) => request.destroy())
  t.is(await logout(first), 'ERR_UNREACHABLE')
  await first.page.close()
}

test.serial('who logs out and closes the last page is logged out by the next one, which shows nobody', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  await logOutUnheard(t, context)
  t.is((await app.kit.sessions('alice')).length, 1, 'the server does not know yet')
  const ended = nextEnd()
  app.intercept('/auth/logout', undefined)
  const second = await openTab(context, app, { isEarly: true })
  t.deepEqual(await second.session(), { status: 'signed-out' }, 'from the first moment on')
  t.like(await ended, { sub: 'alice', reason: 'logout' })
  t.is(await second.status('/me'), 401)
  t.deepEqual(await second.session(), { status: 'signed-out' })
  t.is(await second.page.evaluate(() => localStorage.length), 0, 'it is done')
  await second.login()
  await second.page.reload()
  t.like(await (await adopt(second.page)).session(), { status: 'signed-in', subject: 'alice' })
})

test.serial(
  'a logout that came late does not end the session of whoever signed in meanwhile, and not here',
  async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    await logOutUnheard(t, context)
    app.intercept('/auth/logout', undefined)
    // A form, or a login by another party: the client hears nothing of it.
    const data = { username: 'bob', password: 'correct' }
    t.is((await context.request.post(`${app.origin}/auth/login`, { data })).status(), 200)
    const { length } = app.asked('/auth/logout')
    const second = await openTab(context, app)
    await second.until('signed-in', 'bob')
    t.is(await second.status('/me'), 200)
    await second.page.reload()
    t.like(await (await adopt(second.page)).session(), { status: 'signed-in', subject: 'bob' })
    t.is(app.asked('/auth/logout').length, length)
  },
)

test.serial('who logs out while somebody signs in, here or in another tab, is logged out', async (t) => {
  for (const which of [0, 1]) {
    const context = await contexts.open(t)
    if (context === undefined) return
    const tabs = await openTwo(context)
    const login = app.hold('/auth/login')
    const signedIn = tabs[which]?.login('carol')
    await login.answered
    const done = logout(tabs[0])
    for (const tab of tabs) await tab.until('signed-out')
    login.release()
    t.deepEqual(await signedIn, { status: 'signed-out' })
    t.is(await done, '')
    for (const tab of tabs) t.is(await tab.status('/me'), 401)
    t.deepEqual(await app.kit.sessions('carol'), [])
    t.deepEqual(await context.cookies(), [])
    await context.close()
  }
})

test.serial('a server that could not answer is told again when it says, and no sooner', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  app.intercept('/auth/logout', (_request, response) => response.writeHead(503, { 'Retry-After': '2' }).end())
  const { length } = app.asked('/auth/logout')
  const asked = performance.now()
  t.is(await logout(tab), 'ERR_UNAVAILABLE')
  app.intercept('/auth/logout', undefined)
  await nextEnd()
  t.true(performance.now() - asked >= 2000)
  t.is(app.asked('/auth/logout').length, length + 2)
})

test.serial('a refresh that is under way signs nobody in again, in whichever tab it is', async (t) => {
  for (const which of [0, 1]) {
    const context = await contexts.open(t)
    if (context === undefined) return
    const tabs = await openTwo(context)
    const [{ sid } = { sid: '' }] = await app.kit.sessions('alice')
    app.advance(900)
    const refresh = app.hold('/auth/refresh')
    const call = tabs[which]?.status('/me')
    await refresh.answered
    const ended = nextEnd()
    const done = logout(tabs[0])
    for (const tab of tabs) await tab.until('signed-out')
    // As from a tab whose refresh was answered before it heard of the logout.
    await tabs[0].page.evaluate(
      ([name, old]) => {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
        new BroadcastChannel(name).postMessage({ v: 1, t: 'in', from: '', sid: old })
      },
      [`koa-holdfast:${app.origin}/auth`, sid] as const,
    )
    refresh.release()
    t.is(await done, '')
    t.like(await ended, { reason: 'logout' })
    t.is(await call, 401)
    for (const tab of tabs) {
      t.is(await tab.status('/me'), 401)
      t.deepEqual(await tab.session(), { status: 'signed-out' })
    }
    t.deepEqual(await context.cookies(), [])
    await context.close()
  }
})

test.serial('who signs in before the server was told stays signed in', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const [first, second] = await openTwo(context)
  app.intercept('/auth/logout', (request) => request.destroy())
  t.is(await logout(first), 'ERR_UNREACHABLE')
  await second.until('signed-out')
  await second.login('bob')
  await first.until('signed-in', 'bob')
  app.intercept('/auth/logout', undefined)
  const { length } = app.asked('/auth/logout')
  for (const { page } of [first, second]) await page.evaluate(() => dispatchEvent(new Event('online')))
  for (const tab of [first, second]) t.is(await tab.status('/me'), 200)
  const refreshes = app.asked('/auth/refresh').length
  await first.client.evaluate((client) => client.refresh())
  t.is(app.asked('/auth/refresh').length, refreshes + 1, 'and goes on')
  await first.page.reload()
  t.like(await (await adopt(first.page)).session(), { status: 'signed-in', subject: 'bob' })
  t.is(app.asked('/auth/logout').length, length)
})

test.serial('logging out clears the storages of the page and the cookies', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, await openBrowserApp(t))
  await tab.login()
  const count = (): Promise<number> => tab.page.evaluate(() => localStorage.length + sessionStorage.length)
  await tab.page.evaluate(() => {
    localStorage.setItem('draft', 'private')
    sessionStorage.setItem('draft', 'private')
  })
  t.is(await count(), 2)
  t.is(await logout(tab), '')
  t.is(await count(), 0)
  t.deepEqual(await context.cookies(), [])
})

/** Whether it has taken too long. */
function createDeadline(): () => boolean {
  const end = performance.now() + 20_000
  return () => performance.now() > end
}

/** Signs in on the page of an application, goes on to another one, and comes back after `meanwhile`. */
async function comeBack(
  context: BrowserContext,
  meanwhile: (other: Tab) => Promise<unknown>,
  before: (page: Page) => Promise<unknown> = async () => {},
): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${app.origin}/app`)
  await page.getByText('signed-out,').waitFor()
  await page.evaluate(() => {
    dispatchEvent(new CustomEvent('login', { detail: { username: 'alice', password: 'correct' } }))
  })
  await page.getByText('signed-in alice,').waitFor()
  await before(page)
  // A page that holds a lock is not kept.
  await settled({ page }, app)
  await page.goto(`${app.origin}/`)
  await meanwhile(await openTab(context, app))
  // A page that comes out of the cache does not load, and what waits for something in it must not begin before.
  await page.goBack({ waitUntil: 'commit' })
  const isLate = createDeadline()
  for (let text = ''; !text.includes('back,');) {
    if (isLate()) throw new Error(`the page did not come from the cache: ${text}`)
    text = await page.evaluate(() => document.querySelector('main')?.textContent ?? '').catch(() => '')
  }
  return page
}

test.serial('a page that comes back from the cache after a logout shows nobody signed in', async (t) => {
  const context = await contexts.openCaching(t)
  if (context === undefined) return
  const page = await comeBack(context, logout)
  const all = 'unknown, signed-out, signed-in alice, unknown, left, back, signed-out,'
  await page.getByText(all, { exact: true }).waitFor()
  t.is(await page.locator('main').innerText(), all)
})

test.serial('a page that comes back from the cache while the session lives has it again', async (t) => {
  const context = await contexts.openCaching(t)
  if (context === undefined) return
  const page = await comeBack(context, ({ until }) => until('signed-in'))
  const all = 'unknown, signed-out, signed-in alice, unknown, left, back, signed-in alice,'
  await page.getByText(all, { exact: true }).waitFor()
  t.is(await page.locator('main').innerText(), all)
})

test.serial('a page that comes back from the cache shows who has signed in since it logged out', async (t) => {
  const context = await contexts.openCaching(t)
  if (context === undefined) return
  app.intercept('/auth/logout', (_request, response) => response.writeHead(503, { 'Retry-After': '300' }).end())
  const page = await comeBack(
    context,
    ({ login }) => login('bob'),
    async (here) => {
      const answer = here.waitForResponse('**/auth/logout')
      await here.evaluate(() => dispatchEvent(new Event('logout')))
      await answer
    },
  )
  await page.getByText('back, signed-in bob,').waitFor()
  t.regex(await page.locator('main').innerText(), /signed-in alice, signed-out,.* back, signed-in bob,$/)
})
