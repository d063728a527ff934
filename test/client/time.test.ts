// Time and the network: tokens are replaced in time whatever the clocks of the machine do, and who is offline, or whose
// server is away for a while, stays signed in.

import test from 'ava'

import { type BrowserApp, openBrowserApp } from '../helpers/browser-app.ts'
import { createContexts, openTab, settled, type Tab } from '../helpers/browser-tab.ts'

const contexts = createContexts()
let app: BrowserApp

test.before(async () => {
  await contexts.start()
  app = await openBrowserApp(contexts.owner)
})
test.after.always(contexts.end)
test.afterEach.always(() => app.intercept('/auth/refresh', undefined))

const refreshes = (): number => app.asked('/auth/refresh').length

/** Waits until the client has got an answer to a refresh, and has taken note of it. */
async function nextRefresh({ page }: Tab, act: () => Promise<unknown>): Promise<number> {
  const answer = page.waitForResponse('**/auth/refresh')
  await act()
  const response = await answer
  await response.finished()
  return response.status()
}

for (const [lifetime, client, seconds] of [
  ['15m', {}, 840],
  ['15m', { refreshAhead: 120 }, 780],
  ['15m', { refreshAhead: 0 }, 900],
  ['40s', {}, 30],
  ['40s', { refreshAhead: 1000 }, 30],
] as const) {
  test.serial(`with ${lifetime} and ${JSON.stringify(client)} a token is replaced after ${seconds} s`, async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const short = await openBrowserApp(t, { accessToken: { lifetime } })
    await context.clock.install()
    const tab = await openTab(context, short, { client })
    await tab.login()
    const { length } = short.asked('/auth/refresh')
    await context.clock.fastForward((seconds - 15) * 1000)
    t.is(await tab.status('/me'), 200)
    await settled(tab, short)
    t.is(short.asked('/auth/refresh').length, length)
    t.is(await nextRefresh(tab, () => context.clock.fastForward(15_000)), 200)
    t.is(short.asked('/auth/refresh').length, length + 1)
    t.true(short.asked('/me').every(({ status }) => status === 200))
  })
}

/** Lets a test hide the page, which a browser without a screen does not do. */
function hideOnDemand(): void {
  const state = { hidden: false }
  Object.defineProperty(document, 'hidden', {
    get() {
      return state.hidden
    },
  })
  addEventListener('hide', ({ detail }: CustomEventInit<boolean>) => {
    state.hidden = detail === true
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
  })
}

test.serial('a page that nobody sees does not keep the session alive, and looks again when it is seen', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  await context.clock.install()
  const tab = await openTab(context, app, { before: hideOnDemand })
  await tab.login()
  const hide = (isHidden: boolean): Promise<unknown> =>
    tab.page.evaluate((detail) => dispatchEvent(new CustomEvent('hide', { detail })), isHidden)
  const before = refreshes()
  await hide(true)
  await context.clock.fastForward('20:00')
  await context.clock.fastForward('20:00')
  t.is(refreshes(), before)
  t.is(await nextRefresh(tab, () => hide(false)), 200)
  await hide(true)
  await context.clock.fastForward('20:00')
  t.is(refreshes(), before + 1)
  t.is(await tab.status('/me'), 200)
  t.is(refreshes(), before + 2, 'what it asks for by itself is another matter')
})

/** Lets a test move the clocks of the page: `wall` can be set by anyone, `steady` may stand still. In milliseconds. */
function moveClocks(): void {
  const moved = { wall: 0, steady: 0 }
  const { now } = Date
  Date.now = () => now() + moved.wall
  const steady = performance.now.bind(performance)
  performance.now = () => steady() + moved.steady
  addEventListener('skew', ({ detail }: CustomEventInit<object>) => Object.assign(moved, detail))
}

async function skew({ page }: Tab, clocks: { readonly wall: number; readonly steady: number }): Promise<void> {
  const detail = { wall: clocks.wall * 1000, steady: clocks.steady * 1000 }
  await page.evaluate((one) => dispatchEvent(new CustomEvent('skew', { detail: one })), detail)
}

for (const [title, clocks, seconds, refused] of [
  ['the machine slept, and one clock with it', { wall: 1000, steady: 0 }, 1000, false],
  ['the clock was set back while the token ended', { wall: -36_000, steady: 1000 }, 1000, false],
  ['both clocks are wrong', { wall: -36_000, steady: 0 }, 1000, true],
  ['the clock was set forward', { wall: 36_000, steady: 0 }, 0, false],
  ['the clock was set forward by years', { wall: 1e8, steady: 0 }, 0, false],
] as const) {
  test.serial(`${title}: one refresh, and nobody is logged out`, async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const tab = await openTab(context, app, { before: moveClocks })
    await tab.login()
    await skew(tab, clocks)
    app.advance(seconds)
    const before = refreshes()
    const { length } = app.asked('/me')
    for (let i = 0; i < 3; i += 1) t.is(await tab.status('/me'), 200)
    t.is(refreshes(), before + 1)
    t.deepEqual(
      app
        .asked('/me')
        .slice(length)
        .map(({ status }) => status),
      [...(refused ? [401] : []), 200, 200, 200],
    )
    const session = await tab.session()
    t.is(session.status, 'signed-in')
    if (session.status === 'signed-in') t.true(session.expiresIn > 880 && session.expiresIn <= 900)
  })
}

test.serial('who is offline stays signed in, and goes on when the network is back', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app, { before: moveClocks })
  await tab.login()
  await context.setOffline(true)
  await skew(tab, { wall: 1000, steady: 1000 })
  app.advance(1000)
  t.is(await tab.status('/me'), 'TypeError')
  // So often that the next attempt is far off.
  for (let i = 0; i < 8; i += 1) t.is(await refresh(tab), 'ERR_UNREACHABLE 0')
  t.like(await tab.session(), { status: 'signed-in', subject: 'alice', expiresIn: 0 })
  t.is(await nextRefresh(tab, () => context.setOffline(false)), 200)
  t.is(await tab.status('/me'), 200)
})

/** What the tab's `refresh` rejects with. */
function refresh({ client }: Tab): Promise<string> {
  return client.evaluate((one) =>
    one.refresh().then(
      ({ status }) => status,
      ({ code, status }: { readonly code: string; readonly status: number }) => `${code} ${status}`,
    ),
  )
}

test.serial('only a 401 to the refresh signs out', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  for (const [status, headers, error] of [
    [200, {}, 'ERR_UNREACHABLE 0'],
    [302, { Location: '/' }, 'ERR_UNREACHABLE 0'],
    [400, {}, 'ERR_REFUSED 400'],
    [403, {}, 'ERR_REFUSED 403'],
    [404, {}, 'ERR_REFUSED 404'],
    [429, {}, 'ERR_RATE_LIMITED 429'],
    [500, {}, 'ERR_UNAVAILABLE 500'],
    [503, {}, 'ERR_UNAVAILABLE 503'],
  ] as const) {
    app.intercept('/auth/refresh', (_request, response) => response.writeHead(status, headers).end('<html>'))
    t.is(await refresh(tab), error)
    t.is((await tab.session()).status, 'signed-in')
    t.is(await tab.status('/me'), 200)
  }
  app.intercept('/auth/refresh', (_request, response) => response.writeHead(401).end())
  t.is(await refresh(tab), 'signed-out')
})

test.serial('while a server says to wait it is not asked, whatever is called, and then it is', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  app.advance(900)
  app.intercept('/auth/refresh', (_request, response) => response.writeHead(503, { 'Retry-After': '2' }).end())
  const before = refreshes()
  const asked = performance.now()
  for (let i = 0; i < 3; i += 1) t.is(await tab.status('/me'), 401)
  t.is(refreshes(), before + 1)
  app.intercept('/auth/refresh', undefined)
  const isLate = (): boolean => performance.now() - asked > 30_000
  while ((await tab.status('/me')) === 401 && !isLate()) t.is((await tab.session()).status, 'signed-in')
  t.true(performance.now() - asked >= 2000)
  t.is(refreshes(), before + 2)
})

test.serial('a server that is away is asked ever less often, and at least once a minute', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  await context.clock.install()
  const tab = await openTab(context, app)
  await tab.login()
  app.intercept('/auth/refresh', (_request, response) => response.writeHead(503).end())
  const before = refreshes()
  const seconds: number[] = []
  await context.clock.fastForward('14:00')
  for (let second = 0; second < 300; second += 1) {
    while (seconds.length < refreshes() - before) seconds.push(second)
    await context.clock.fastForward(1000)
    // However slow this machine is, an attempt takes no time.
    await settled(tab, app)
  }
  const waits = seconds.slice(1).map((second, i) => second - (seconds[i] ?? 0))
  t.true(waits.length >= 6 && waits.length <= 15, String(waits))
  t.true(
    waits.slice(0, 3).every((wait) => wait < 10),
    String(waits),
  )
  t.true(
    waits.slice(6).every((wait) => wait > 20 && wait < 70),
    String(waits),
  )
  t.is((await tab.session()).status, 'signed-in')
  app.intercept('/auth/refresh', undefined)
  t.is(await nextRefresh(tab, () => context.clock.fastForward(60_000)), 200)
})

test.serial('a page that loads while the server is away knows nothing, and keeps nothing waiting', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const first = await openTab(context, app)
  await first.login()
  await first.page.close()
  app.intercept('/auth/refresh', (request) => request.destroy())
  const tab = await openTab(context, app, { isEarly: true })
  t.is(await tab.status('/me'), 401)
  t.deepEqual(await tab.session(), { status: 'unknown' })
  app.intercept('/auth/refresh', undefined)
  const ready = await tab.client.evaluate((client) => client.ready)
  t.like(ready, { status: 'signed-in', subject: 'alice' })
  t.is(await tab.status('/me'), 200)
})
