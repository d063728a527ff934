// The demo in a real Chromium: what the browser keeps to itself, what a thief can do with what leaks, what other tabs and
// browsers notice, and that the page stays within its own policy.

import test from 'ava'
import type { BrowserContext, Cookie, Page } from 'playwright-core'

import { type Lab, openLab } from '../helpers/lab-page.ts'

const COOKIE = '__Secure-Fgp'
const REFRESH_COOKIE = '__Secure-Refresh'
const PATIENCE_MS = 5000
const COPIED = /^curl -i -H 'Authorization: Bearer ([\w.-]+)' (http:\/\/localhost:\d+)\/api\/me$/

let lab: Lab

test.before(async () => {
  lab = await openLab()
})

test.after.always(() => lab.close())

async function cookieOf(context: BrowserContext, name: string): Promise<Cookie | undefined> {
  return (await context.cookies()).find((cookie) => cookie.name === name)
}

/** Waits for what the page says about who is signed in. */
async function saysOf(page: Page, text: string): Promise<void> {
  await page.locator('#who').getByText(text, { exact: true }).waitFor()
}

test.serial('a sign-in leaves the cookies to the browser alone, and nothing in any storage', async (t) => {
  const visited = await lab.visit(t)
  if (visited === undefined) return
  const { context, page, click, complaints } = visited
  await page.getByText('Type a name and a password').click()
  await page.getByLabel('User name').fill('alice')
  await page.getByLabel('Password').fill('wrong')
  await click('Sign in')
  await page.getByText('The name or the password is wrong').waitFor()
  t.deepEqual(await context.cookies(), [])

  await page.getByLabel('Password').fill('wonderland')
  await page.getByLabel('Password').press('Enter')
  await saysOf(page, 'Signed in as alice')
  t.is((await context.cookies()).length, 2)
  const [cookie, refreshCookie] = [await cookieOf(context, COOKIE), await cookieOf(context, REFRESH_COOKIE)]
  for (const [one, path] of [
    [cookie, '/'],
    [refreshCookie, '/auth'],
  ] as const) {
    // Without "Remember me" it goes with the browser.
    t.like(one, { domain: 'localhost', path, httpOnly: true, secure: true, sameSite: 'Strict', expires: -1 })
  }
  t.regex(cookie?.value ?? '', /^[\w-]{43}$/)
  t.regex(refreshCookie?.value ?? '', /^[\w-]{22}\.0\.[\w-]{65}$/)

  // With everything that the page shows once an attack has run.
  await visited.attack('theft', 'Steal the token')
  const seen = await page.evaluate(async () => ({
    cookie: document.cookie,
    local: localStorage.length,
    session: sessionStorage.length,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    url: location.href,
    name: window.name,
    // A token in a global would show up as a string that starts like a JWT.
    globals: Object.values(globalThis).filter((value) => typeof value === 'string' && value.startsWith('ey')).length,
  }))
  const none = { cookie: '', local: 0, session: 0, databases: 0, caches: 0, name: '', globals: 0 }
  t.deepEqual(seen, { ...none, url: `${lab.demo.url}/` })
  const content = await page.content()
  t.notRegex(content, /eyJ[\w-]+\.[\w-]+\.[\w-]+/, 'no whole token is shown')
  for (const secret of [cookie?.value ?? '', refreshCookie?.value.split('.')[2] ?? '']) {
    t.true(secret.length >= 43)
    t.false(content.includes(secret))
  }
  t.is(await page.locator('#proof').innerText(), 'document.cookie === ""\n\n// __Secure-Fgp is not in it\n')
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(cookie?.value))
  t.is((await page.locator('#fgp').innerText()).trim(), `"fgp": "${Buffer.from(digest).toString('base64url')}"`)
  t.deepEqual(await complaints(), [])
})

test.serial(
  'a token that was copied opens nothing, the page hears of it, and logging out ends both halves',
  async (t) => {
    const visited = await lab.visit(t)
    if (visited === undefined) return
    const { context, page, click, complaints } = visited
    await visited.signIn('bob')
    await click('Copy the token as curl')
    await page.getByText('Copied.').waitFor()
    const [, token = '', origin] = COPIED.exec(await page.evaluate(() => navigator.clipboard.readText())) ?? []
    t.is(origin, lab.demo.url)
    const cookie = await cookieOf(context, COOKIE)
    const pair = { Authorization: `Bearer ${token}`, Cookie: `${COOKIE}=${cookie?.value}` }
    t.is((await lab.demo.request('GET', '/api/me', { Authorization: pair.Authorization })).status, 401)
    // From a terminal, so it came by the stream and not as the answer to anything.
    await page.locator('#alarm').getByText('ERR_FINGERPRINT_MISSING at GET /api/me').waitFor()
    await page.locator('#events').getByText('Theft: a token came without its cookie').waitFor()
    // What the page says it does not protect against: with both halves it is the same session.
    t.is((await lab.demo.request('GET', '/api/me', pair)).status, 200)
    t.regex(await page.locator('.promise .open').innerText(), /whoever sees the whole request/)

    await click('Log out')
    await saysOf(page, 'Nobody is signed in')
    await page.waitForFunction(() => document.activeElement?.id === 'sign-in-title')
    t.is((await lab.demo.request('GET', '/api/me', pair)).status, 401)
    // The stream may tell the page sooner than the answer that clears them.
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await page.waitForTimeout(20)) {
      if ((await context.cookies()).length === 0) break
    }
    t.deepEqual(await context.cookies(), [])
    t.regex(await page.locator('#events').innerText(), /Theft/)
    await visited.signIn('alice')
    await page.locator('#events').getByText('Signed in').waitFor()
    t.deepEqual(await page.locator('#events b').allInnerTexts(), ['Signed in'], 'whoever comes next sees none of that')
    t.deepEqual(await complaints(), [])
  },
)

test.serial('a reload forgets the token, keeps the session and never shows a signed-out page', async (t) => {
  const visited = await lab.visit(t)
  if (visited === undefined) return
  const { context, page, click, complaints } = visited
  await visited.signIn('alice')
  const before = await context.cookies()
  await context.addInitScript(() => {
    const seen: string[] = []
    Object.assign(globalThis, { seen })
    // What there is to see, each time anything changes.
    new MutationObserver(() => {
      const status = document.body?.dataset['status']
      if (status !== undefined && status !== seen.at(-1)) seen.push(status)
    }).observe(document, { subtree: true, childList: true, attributes: true })
  })
  await page.reload()
  await saysOf(page, 'Signed in as alice')
  // The cast holds: the init script above put it there.
  t.deepEqual(await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen), ['unknown', 'signed-in'])
  const after = await context.cookies()
  t.is(after.length, 2)
  for (const { name, value } of after) t.not(value, before.find((one) => one.name === name)?.value, name)
  await click('Refresh now')
  await page.getByText('A new token, and a new cookie to go with it.').waitFor()

  await click('Log out')
  await saysOf(page, 'Nobody is signed in')
  await page.reload()
  await saysOf(page, 'Nobody is signed in')
  t.deepEqual(await complaints(), [])
})

test.serial('a session is ended from another browser, whose page notices by itself, and so do its tabs', async (t) => {
  const [here, there] = [await lab.visit(t), await lab.visit(t)]
  if (here === undefined || there === undefined) return
  await there.signIn('bob')
  const tab = await there.context.newPage()
  await tab.goto(lab.demo.url)
  await saysOf(tab, 'Signed in as bob')
  await here.signIn('bob')
  const devices = here.page.locator('#devices li')
  await devices.nth(1).waitFor()
  t.is(await devices.filter({ hasText: 'this one' }).count(), 1)
  // The list keeps up with what happens elsewhere.
  await there.click('Log out')
  await devices.nth(1).waitFor({ state: 'detached' })
  await saysOf(tab, 'Nobody is signed in')
  await there.signIn('bob')
  await saysOf(tab, 'Signed in as bob')
  await devices.nth(1).waitFor()

  await here.click('Log out there')
  await here.page.getByText('That session has ended.').waitFor()
  for (const page of [there.page, tab]) await saysOf(page, 'Nobody is signed in')
  await there.signIn('bob')
  await here.click('Log out everywhere else')
  await saysOf(there.page, 'Nobody is signed in')
  t.is(await here.page.locator('#who').innerText(), 'Signed in as bob')
  await here.click('Log out here')
  await saysOf(here.page, 'Nobody is signed in')
  for (const { complaints } of [here, there]) t.deepEqual(await complaints(), [])
})

test.serial('the policy stops inline code and other origins, so every test here would notice', async (t) => {
  const visited = await lab.visit(t)
  if (visited === undefined) return
  const { page, complaints } = visited
  await page.evaluate(async () => {
    const script = document.createElement('script')
    script.textContent = 'globalThis.injected = true'
    document.body.append(script)
    const link = document.createElement('div')
    link.setAttribute('style', 'color: red')
    document.body.append(link)
    await fetch('https://evil.example/').catch(() => {})
  })
  t.false(await page.evaluate(() => 'injected' in globalThis))
  const directives = new Set(await complaints())
  for (const directive of ['script-src-elem', 'style-src-attr', 'connect-src'])
    t.true(directives.has(directive), directive)
})
