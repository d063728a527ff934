// The demo in a real Chromium: what the browser keeps to itself, what a thief can do with what the page has, and that
// the page stays within its own policy.

import test, { type ExecutionContext } from 'ava'
import type { Browser, BrowserContext, Cookie, Page } from 'playwright-core'

import { launchChromium, reportMissingChromium } from '../helpers/chromium.ts'
import { type Example, startExample, temporaryDirectory } from '../helpers/example.ts'
import { type Owner } from '../helpers/http.ts'

const COOKIE = '__Secure-Fgp'
const REFRESH_COOKIE = '__Secure-Refresh'
const COPIED = /^curl -i -H 'Authorization: Bearer ([\w.-]+)' (http:\/\/localhost:\d+)\/api\/me$/

// One browser and one demo; each test has a browser context of its own.
const ends: (() => unknown)[] = []
let browser: Browser | undefined
let demo: Example

test.before(async () => {
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  browser = await launchChromium(owner)
  demo = await startExample(owner, 'demo/main.ts', { PORT: '0', DATA_DIR: await temporaryDirectory(owner) })
})

test.after.always(async () => {
  for (const end of ends) await end()
})

interface Visit {
  readonly context: BrowserContext
  readonly page: Page
  /** What the browser complained about: everything but 401 answers, which are what the page is about. */
  complaints(): Promise<readonly string[]>
  /** The text of the answer below a button, once it is there. */
  answer(id: string): Promise<string>
  click(name: string): Promise<void>
}

/** Opens the demo's page in a fresh browser context; undefined, and said, without a browser. */
async function visit(t: ExecutionContext, viewport = { width: 1200, height: 900 }): Promise<Visit | undefined> {
  if (browser === undefined) {
    reportMissingChromium(t)
    return undefined
  }
  const context = await browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'] })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    const isExpected = message.type() === 'error' && /status of 401/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text())
  })
  await page.addInitScript(() => {
    const violations: string[] = []
    Object.assign(globalThis, { violations })
    document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective))
  })
  await page.goto(demo.url)
  return {
    context,
    page,
    complaints: async () => [
      ...complaints,
      // The cast holds: the init script above put it there.
      ...(await page.evaluate(() => (globalThis as unknown as { violations: string[] }).violations)),
    ],
    answer: async (id) => {
      await page.locator(`#${id}[data-state=in], #${id}[data-state=out]`).waitFor()
      return page.locator(`#${id}`).innerText()
    },
    click: (name) => page.getByRole('button', { name, exact: true }).click(),
  }
}

async function cookieOf(context: BrowserContext, name: string): Promise<Cookie | undefined> {
  return (await context.cookies()).find((cookie) => cookie.name === name)
}

/** Reloads, and waits for the refresh that the page begins with. */
async function reload(page: Page): Promise<void> {
  const refreshed = page.waitForResponse('**/auth/refresh')
  await page.reload()
  await (await refreshed).finished()
}

test.serial(
  'a login through the page leaves the cookies to the browser alone, and nothing in any storage',
  async (t) => {
    const visited = await visit(t)
    if (visited === undefined) return
    const { context, page, answer, click, complaints } = visited
    await page.getByLabel('User name').fill('alice')
    await page.getByLabel('Password').fill('wrong')
    await click('Log in')
    await page.getByText('the user name or the password is wrong').waitFor()
    t.deepEqual(await context.cookies(), [])

    await page.getByLabel('Password').fill('wonderland')
    await page.getByLabel('Password').press('Enter')
    await page.getByText('Logged in as alice.').waitFor()
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
    t.deepEqual(seen, { ...none, url: `${demo.url}/` })
    t.regex(await page.locator('#proof').innerText(), /^document\.cookie === ""/)
    for (const secret of [cookie?.value ?? '', refreshCookie?.value.split('.')[2] ?? '']) {
      t.true(secret.length >= 43)
      t.false((await page.content()).includes(secret))
    }
    const marked = await page.locator('#claims mark').innerText()
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(cookie?.value))
    t.true(marked.includes(`"fgp": "${Buffer.from(digest).toString('base64url')}"`), 'the marked claim is the digest')

    await click('Call /api/me')
    t.regex(await answer('call-answer'), /^200 OK\s+\{\s+"sub": "alice"/)
    t.deepEqual(await complaints(), [])
  },
)

test.serial('a token copied out of the page opens nothing, and logging out ends it everywhere', async (t) => {
  const visited = await visit(t)
  if (visited === undefined) return
  const { context, page, answer, click, complaints } = visited
  await click('Log in as bob')
  await page.getByText('Logged in as bob.').waitFor()
  await click('Call /api/me')
  t.regex(await answer('call-answer'), /^200 OK/)
  t.false(demo.lines.some((line) => line.includes('sidejack')))

  await click('Try it without its cookie')
  t.regex(await answer('alone-answer'), /^401 Unauthorized[^]*"error": "invalid_token"/)
  t.regex(await answer('call-answer'), /^200 OK/, 'beside it')
  const inPage = await demo.line((line) => line.startsWith('{"event":"sidejack","code":"ERR_FINGERPRINT_MISSING"'))

  await click('Copy the token as curl')
  await page.getByText('Copied.').waitFor()
  const [, token = '', origin] = COPIED.exec(await page.evaluate(() => navigator.clipboard.readText())) ?? []
  t.is(origin, demo.url)
  const cookie = await cookieOf(context, COOKIE)
  const pair = { Authorization: `Bearer ${token}`, Cookie: `${COOKIE}=${cookie?.value}` }
  t.is((await demo.request('GET', '/api/me', { Authorization: pair.Authorization })).status, 401)
  await demo.line((line) => line.includes('"event":"sidejack"') && line !== inPage)
  // What the page says it does not protect against: with both halves it is the same session.
  t.is((await demo.request('GET', '/api/me', pair)).status, 200)

  await click('Log out')
  await page.getByText('Logged out.').waitFor()
  t.deepEqual(await context.cookies(), [])
  t.is((await demo.request('GET', '/api/me', pair)).status, 401)
  await click('Try the old token')
  await page.locator('#old-answer').getByText('401 Unauthorized').waitFor()
  t.true(await page.getByRole('button', { name: 'Call /api/me' }).isDisabled())
  await demo.line((line) => line.startsWith('{"event":"authn_token_reuse","code":"ERR_TOKEN_REVOKED","sub":"bob"'))
  t.deepEqual(await complaints(), [])
})

test.serial(
  'logging in as someone else ends the session before, and a reload forgets the token but not the session',
  async (t) => {
    const visited = await visit(t)
    if (visited === undefined) return
    const { context, page, answer, click, complaints } = visited
    await click('Log in as alice')
    await page.getByText('Logged in as alice.').waitFor()
    await click('Log in as bob')
    await page.getByText('Logged in as bob.').waitFor()
    await demo.line((line) => line.startsWith('{"event":"session_expired","sub":"alice"') && line.includes('"login"'))
    const before = await context.cookies()
    await reload(page)
    await page.getByText('Logged in as bob.').waitFor()
    const after = await context.cookies()
    t.is(after.length, 2)
    for (const { name, value } of after) t.not(value, before.find((one) => one.name === name)?.value, name)
    await demo.line((line) => line.startsWith('{"event":"session_renewed","sub":"bob"'))
    await click('Call /api/me')
    t.regex(await answer('call-answer'), /^200 OK\s+\{\s+"sub": "bob"/)

    await click('Log out')
    await page.getByText('Logged out.').waitFor()
    await reload(page)
    t.is(await page.locator('#who').innerText(), 'Nobody is logged in.')
    t.true(await page.getByRole('button', { name: 'Log out', exact: true }).isDisabled())
    t.deepEqual(await complaints(), [])
  },
)

test.serial(
  'tabs that refresh at the same time stay logged in, and a session is ended from another browser',
  async (t) => {
    const [here, there] = [await visit(t), await visit(t)]
    if (here === undefined || there === undefined) return
    for (const { click, page } of [here, there]) {
      await click('Log in as bob')
      await page.getByText('Logged in as bob.').waitFor()
    }
    const tab = await there.context.newPage()
    await tab.goto(demo.url)
    await tab.getByText('Logged in as bob.').waitFor()
    const tabs = [there.page, tab]
    for (let i = 0; i < 3; i += 1) {
      const answers = tabs.map((one) => one.waitForResponse('**/auth/refresh'))
      for (const one of tabs) await one.getByRole('button', { name: 'Refresh now' }).click()
      for (const answer of answers) t.is((await answer).status(), 200)
    }
    await there.click('Call /api/me')
    t.regex(await there.answer('call-answer'), /^200 OK/)

    const { page } = here
    await here.click('Refresh now')
    await page.getByRole('listitem').nth(1).waitFor()
    t.is(await page.getByRole('listitem').filter({ hasText: '(this one)' }).count(), 1)
    await here.click('Log out there')
    await page.getByText('That session has ended.').waitFor()
    await demo.line((line) => line.startsWith('{"event":"session_expired","sub":"bob"') && line.includes('DELETE'))
    for (const one of tabs) {
      await one.getByRole('button', { name: 'Call /api/me' }).click()
      await one.locator('#call-answer[data-state=out]').waitFor()
    }
    await here.click('Call /api/me')
    t.regex(await here.answer('call-answer'), /^200 OK/)
    await here.click('Log out')
    await page.getByText('Logged out.').waitFor()
    for (const { complaints } of [here, there]) t.deepEqual(await complaints(), [])
  },
)

test.serial('the page fits 360 pixels, works by keyboard, and says its answers aloud', async (t) => {
  const visited = await visit(t, { width: 360, height: 800 })
  if (visited === undefined) return
  const { page, answer, complaints } = visited
  await page.keyboard.press('Tab')
  await page.keyboard.type('alice')
  await page.keyboard.press('Tab')
  await page.keyboard.type('wonderland')
  await page.keyboard.press('Enter')
  await page.getByText('Logged in as alice.').waitFor()
  await page.getByRole('button', { name: 'Call /api/me' }).focus()
  t.is(await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle), 'solid')
  await page.keyboard.press('Enter')
  await answer('call-answer')
  t.is(await page.getByRole('status').filter({ hasText: '200 OK' }).count(), 1)
  await page.getByRole('button', { name: 'Log out', exact: true }).press('Enter')
  await page.getByText('Logged out.').waitFor()
  t.is(await page.locator(':focus').innerText(), 'Try the old token', 'the focus does not stay on a disabled button')
  t.true(await page.evaluate(() => document.documentElement.scrollWidth <= 360))
  const unlabelled = await page.evaluate(
    () => [...document.querySelectorAll('input')].filter(({ labels }) => !labels?.length).length,
  )
  t.is(unlabelled, 0)
  t.deepEqual(await complaints(), [])
})

test.serial('the policy stops inline code and other origins, so the test above would notice', async (t) => {
  const visited = await visit(t)
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
