// Other sites: whoever comes from one by a link finds the session alive, and a page of one can do nothing in its name.

import test from 'ava'
import type { BrowserContext, Page } from 'playwright-core'

import { type BrowserApp, openBrowserApp } from '../helpers/browser-app.ts'
import { adopt, createContexts, openTab, type Tab } from '../helpers/browser-tab.ts'

const contexts = createContexts()
let app: BrowserApp

test.before(async () => {
  await contexts.start()
  app = await openBrowserApp(contexts.owner, {
    mount(router) {
      router.get('/bounce', (ctx) => ctx.redirect('/app'))
      router.get('/meta', (ctx) => {
        ctx.type = 'html'
        ctx.body = '<!doctype html><meta http-equiv="refresh" content="0; url=/app"><title>meta</title>'
      })
      router.post('/form', (ctx) => {
        ctx.body = 'taken'
      })
    },
  })
})
test.after.always(contexts.end)

/** What arrived last at this path, once it has been answered. */
function last(path: string): { readonly hasFingerprint: boolean; readonly status: number } {
  const { headers, status } = app.asked(path).at(-1) ?? { headers: {}, status: 0 }
  return { hasFingerprint: /__Secure-Fgp=/.test(headers.cookie ?? ''), status }
}

/** Signs in, and opens a page of another site in the same browser. */
async function openBoth(context: BrowserContext): Promise<{ readonly tab: Tab; readonly evil: Page }> {
  const tab = await openTab(context, app)
  await tab.login()
  const evil = await context.newPage()
  await evil.goto(`${app.otherSite}/`)
  return { tab, evil }
}

/** Follows a link of this page as a user does. */
async function follow(page: Page, href: string): Promise<void> {
  await page.evaluate((to) => {
    document.body.innerHTML = '<a>over there</a>'
    document.querySelector('a')?.setAttribute('href', to)
  }, href)
  await page.click('a')
}

test.serial('CL-10 after a link from another site the document has no cookie, and every call has', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { evil } = await openBoth(context)
  for (const path of ['/app', '/bounce']) {
    await evil.goto(`${app.otherSite}/`)
    await follow(evil, app.origin + path)
    await evil.getByText('signed-in alice,').waitFor()
    t.deepEqual(last('/app'), { hasFingerprint: false, status: 200 }, path)
    t.notRegex(await evil.locator('main').innerText(), /signed-out/, path)
    const { status } = await adopt(evil)
    t.is(await status('/me'), 200)
    t.deepEqual(last('/me'), { hasFingerprint: true, status: 200 }, path)
  }
})

test.serial('what the page itself goes on to has the cookie, whatever it came from', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { evil: page } = await openBoth(context)
  const arrive = async (path: string): Promise<void> => {
    await page.goto(`${app.otherSite}/`)
    await follow(page, app.origin + path)
    await page.waitForURL('**/app')
  }
  const next = async (act: () => void, path = '/app'): Promise<void> => {
    const { length } = app.asked(path)
    const loaded = page.waitForEvent('load')
    await page.evaluate(act)
    await loaded
    t.is(app.asked(path).length, length + 1)
    t.true(last(path).hasFingerprint, String(act))
  }
  await arrive('/app')
  t.false(last('/app').hasFingerprint)
  await next(() => location.reload())
  await arrive('/app')
  await next(() => location.replace('/app'))
  await arrive('/app')
  await next(() => {
    document.body.innerHTML = '<form method="post" action="/form"></form>'
    document.querySelector('form')?.submit()
  }, '/form')
  await arrive('/meta')
  t.false(last('/meta').hasFingerprint)
  t.true(last('/app').hasFingerprint, 'meta refresh')
  await page.goto(`${app.origin}/bounce`)
  t.true(last('/app').hasFingerprint, 'a redirect of the same site')
})

const UNSAFE = ['/auth/login', '/auth/refresh', '/auth/logout'] as const

test.serial('a form of another site is refused, whatever it sends and wherever', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { tab, evil } = await openBoth(context)
  const before = await context.cookies()
  for (const path of UNSAFE) {
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
      await evil.goto(`${app.otherSite}/`)
      const answer = evil.waitForResponse(`**${path}`)
      const arrived = evil.waitForURL(`**${path}`)
      await evil.evaluate(
        ([action, enctype]) => {
          document.body.innerHTML =
            '<form method="post"><input name=\'{"username":"mallory","password":"correct","x":"\' value=\'"}\'></form>'
          const form = document.querySelector('form')
          form?.setAttribute('action', action)
          form?.setAttribute('enctype', enctype)
          form?.submit()
        },
        [app.origin + path, type] as const,
      )
      t.is((await answer).status(), 403, `${path} ${type}`)
      await arrived
      t.false(last(path).hasFingerprint)
    }
  }
  t.deepEqual(await context.cookies(), before)
  t.is(await tab.status('/me'), 200)
  t.like(await tab.session(), { status: 'signed-in', subject: 'alice' })
})

test.serial('a script of another site is refused, and reads nothing', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const { tab, evil } = await openBoth(context)
  const before = await context.cookies()
  const ask = (path: string, init: object): Promise<string> =>
    evil.evaluate(
      ([to, how]) =>
        fetch(to, { credentials: 'include', ...how }).then(
          ({ type }) => type,
          ({ name }: Error) => name,
        ),
      [app.origin + path, init] as const,
    )
  for (const path of UNSAFE) {
    // What needs no preflight arrives, and is refused there.
    t.is(await ask(path, { method: 'POST', mode: 'no-cors', body: '{}' }), 'TypeError')
    t.deepEqual(last(path), { hasFingerprint: false, status: 403 }, path)
    t.is(await ask(path, { method: 'POST', body: 'a=1' }), 'TypeError')
    t.deepEqual(last(path), { hasFingerprint: false, status: 403 }, path)
    // What needs one does not arrive.
    const { length } = app.asked(path)
    t.is(await ask(path, { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } }), 'TypeError')
    t.is(await ask(path, { method: 'POST', headers: { Authorization: 'Bearer a.b.c' } }), 'TypeError')
    t.deepEqual(
      app
        .asked(path)
        .slice(length)
        .map(({ method }) => method),
      ['OPTIONS', 'OPTIONS'],
      path,
    )
  }
  t.is(await ask('/auth/sessions', { method: 'DELETE' }), 'TypeError')
  t.is(await ask('/auth/sessions', {}), 'TypeError')
  t.is(await ask('/me', {}), 'TypeError')
  t.false(last('/me').hasFingerprint)
  t.deepEqual(await context.cookies(), before)
  t.is(await tab.status('/me'), 200)
})

test.serial('Clear-Site-Data takes what it names and nothing else', async (t) => {
  for (const [what, cookies, draft] of [
    ['storage', ['theme'], null],
    ['cookies', [], 'private'],
  ] as const) {
    const context = await contexts.open(t)
    if (context === undefined) return
    const { page, client, login } = await openTab(context, await openBrowserApp(t, { clearSiteData: [what] }))
    await login()
    await page.evaluate(() => {
      document.cookie = 'theme=dark'
      localStorage.setItem('draft', 'private')
    })
    t.is((await context.cookies()).length, 3)
    await client.evaluate((one) => one.logout())
    t.deepEqual(
      (await context.cookies()).map(({ name }) => name),
      [...cookies],
      what,
    )
    t.is(await page.evaluate(() => localStorage.getItem('draft')), draft, what)
  }
})
