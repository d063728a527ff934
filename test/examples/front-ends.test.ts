// The plain, the React and the Vue front end in a real Chromium: what each shows and when, and that none of them, nor the
// library it is made with, needs more than the policy of docs/front-ends.md allows.

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'

import { Router } from '@koa/router'
import test, { type ExecutionContext } from 'ava'
import Koa from 'koa'
import type { Browser, BrowserContext, Page } from 'playwright-core'

import { createDocuments } from '../../examples/front-ends/documents.ts'
import type { PolicyState } from '../../examples/front-ends/policy.ts'
import { type AuthState, createKeySet, createSessionKit, memoryStore } from '../../src/index.ts'
import { launchChromium, reportMissingChromium } from '../helpers/chromium.ts'
import { type Example, findPort, startExample } from '../helpers/example.ts'
import { type Handler, listen, type Owner } from '../helpers/http.ts'

const FRONT_ENDS = ['plain', 'react', 'vue']
const STATES = { unknown: 'One moment …', 'signed-out': 'Sign in', 'signed-in': 'Signed in as alice' }

// One browser and one server; each test has a browser context of its own.
const ends: (() => unknown)[] = []
let browser: Browser | undefined
let example: Example

test.before(async () => {
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  browser = await launchChromium(owner)
  example = await startExample(owner, 'front-ends/main.ts', { PORT: await findPort() })
})

test.after.always(async () => {
  for (const end of ends) await end()
})

interface Visit {
  readonly context: BrowserContext
  /** Opens the front end in one more page. */
  open(): Promise<Page>
  /** What the browser complained about in any page: everything but 401 answers, which are how a page learns. */
  readonly complaints: readonly string[]
}

/** A fresh browser context; undefined, and said, without a browser. */
async function visit(t: ExecutionContext, name: string): Promise<Visit | undefined> {
  if (browser === undefined) {
    reportMissingChromium(t)
    return undefined
  }
  const context = await browser.newContext()
  t.teardown(() => context.close())
  const complaints: string[] = []
  context.on('weberror', (error) => complaints.push(String(error.error())))
  context.on('console', (message) => {
    const isExpected = message.type() === 'error' && /status of 401/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text())
  })
  await context.addInitScript((states) => {
    const shown: string[] = []
    Object.assign(globalThis, { shown })
    new MutationObserver(() => {
      const all = document.querySelector('main')?.innerText ?? ''
      const found = Object.entries(states).filter(([, text]) => all.includes(text))
      const state = found.map(([one]) => one).join(' and ')
      if (state !== '' && state !== shown.at(-1)) shown.push(state)
    }).observe(document, { subtree: true, childList: true, attributes: true })
  }, STATES)
  return {
    context,
    complaints,
    async open() {
      const page = await context.newPage()
      await page.goto(`${example.url}/${name}`)
      return page
    },
  }
}

/** Which states a page has shown since it was loaded, in this order. */
function statesOf(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => (globalThis as unknown as { shown: string[] }).shown) // the init script put it there
}

async function signIn(page: Page, password = 'wonderland'): Promise<void> {
  await page.getByLabel('User name').fill('alice')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const signedIn = (page: Page): Promise<void> => page.getByText(STATES['signed-in']).waitFor()
const signedOut = (page: Page): Promise<void> => page.getByRole('button', { name: 'Sign in' }).waitFor()

for (const name of FRONT_ENDS) {
  test.serial(`${name}: nobody is called signed out before the server has said so`, async (t) => {
    const visited = await visit(t, name)
    if (visited === undefined) return
    const { context, open, complaints } = visited
    const gate = new AbortController()
    await context.route('**/auth/refresh', async (route) => {
      if (!gate.signal.aborted) await once(gate.signal, 'abort')
      await route.continue()
    })
    const page = await open()
    await page.locator('main > :not(h1):visible').first().waitFor()
    t.deepEqual(await statesOf(page), ['unknown'])

    gate.abort()
    await signedOut(page)
    t.deepEqual(await statesOf(page), ['unknown', 'signed-out'])
    t.deepEqual(complaints, [])
  })

  test.serial(`${name}: a session stays through a reload, and nothing of it is in any storage`, async (t) => {
    const visited = await visit(t, name)
    if (visited === undefined) return
    const { context, open, complaints } = visited
    const page = await open()
    await signIn(page, 'wrong')
    await page.getByRole('alert').filter({ hasText: 'The user name or the password is wrong.' }).waitFor()
    t.deepEqual(await context.cookies(), [])
    await signIn(page)
    await signedIn(page)

    await page.reload()
    await signedIn(page)
    t.deepEqual(await statesOf(page), ['unknown', 'signed-in'])
    await page.getByRole('button', { name: 'Who am I?' }).click()
    await page.getByText('You are alice.').waitFor()
    const [, seconds] =
      /This token ends in (\d+) s\./.exec(await page.getByText('This token ends in').innerText()) ?? []
    t.true(Number(seconds) > 800 && Number(seconds) <= 900, seconds)
    await page.getByText(new RegExp(`ends in (?!${seconds})\\d+ s`)).waitFor()

    const kept = await page.evaluate(async () => ({
      cookie: document.cookie,
      local: localStorage.length,
      session: sessionStorage.length,
      databases: (await indexedDB.databases()).length,
      caches: (await caches.keys()).length,
      name: window.name,
      url: location.search + location.hash,
    }))
    t.deepEqual(kept, { cookie: '', local: 0, session: 0, databases: 0, caches: 0, name: '', url: '' })
    t.deepEqual(complaints, [])
  })

  test.serial(`${name}: two pages sign in and out together`, async (t) => {
    const visited = await visit(t, name)
    if (visited === undefined) return
    const { open, complaints } = visited
    const [here, there] = [await open(), await open()]
    await Promise.all([signedOut(here), signedOut(there)])
    await signIn(here)
    await Promise.all([signedIn(here), signedIn(there)])
    await there.getByRole('button', { name: 'Sign out' }).click()
    await Promise.all([signedOut(here), signedOut(there)])
    t.deepEqual(complaints, [])
  })
}

test.serial(
  'a script that somebody has put into the page does not run, and none can be made of a string',
  async (t) => {
    const visited = await visit(t, 'plain')
    if (visited === undefined) return
    const { context, open, complaints } = visited
    const injected = `<script>document.title = 'in'</script><img src="data:," onerror="document.title = 'in'">`
    await context.route('**/plain', async (route) => {
      const response = await route.fetch()
      await route.fulfill({ response, body: (await response.text()).replace('<main>', `${injected}<main>`) })
    })
    const page = await open()
    await signedOut(page)
    t.is(await page.title(), 'koa-holdfast and Plain')
    const refused = await page.evaluate(() =>
      [
        () => Object.assign(document.body, { innerHTML: '<p>' }),
        () => Object.assign(document.createElement('script'), { src: 'https://elsewhere.example/' }),
        () => document.write('<p>'),
      ].map((attempt) => {
        try {
          attempt()
          return 'let in'
        } catch (error) {
          return (error as Error).name // what a browser throws
        }
      }),
    )
    t.deepEqual(refused, ['TypeError', 'TypeError', 'TypeError'])
    const reasons = complaints.map((one) => /directive '([\w-]+)|requires '(\w+)'/.exec(one)?.slice(1).join('') ?? one)
    t.deepEqual(reasons, ['script-src', 'script-src', 'TrustedHTML', 'TrustedScriptURL', 'TrustedHTML'])
  },
)

const CLIENT = new URL('../../dist/client/holdfast-client.min.js', import.meta.url)

/** An app that renders a page for whoever is signed in, and logs anybody in; its clock can be moved. */
async function startRendering(owner: Owner): Promise<{ origin: string; otherSite: string; advance(ms: number): void }> {
  let offset = 0
  const app: { handle?: Handler } = {}
  const port = await listen(owner, (...pair) => app.handle?.(...pair))
  const kit = await createSessionKit({
    issuer: `http://localhost:${port}`,
    keys: await createKeySet(),
    store: memoryStore(),
    accessToken: { transport: 'cookie' },
    clock: () => Date.now() + offset,
    authenticate: () => ({ sub: 'alice' }),
  })
  owner.teardown(() => kit.close())
  const router = new Router<AuthState & PolicyState>()
  router.get('/koa-holdfast-client.js', async (ctx) => {
    ctx.type = 'text/javascript'
    ctx.body = await readFile(CLIENT)
  })
  router.get('/page', createDocuments('/stranger'), kit.protect(), (ctx) => {
    ctx.body = `<!doctype html><p>Page of ${ctx.state.auth.sub}</p>`
  })
  for (const [path, html] of [
    ['/favicon.ico', ''],
    ['/stranger', '<!doctype html><p>Who are you?</p>'],
    ['/link', `<!doctype html><a href="http://localhost:${port}/page">Go</a>`],
  ] as const) {
    router.get(path, (ctx) => {
      ctx.body = html
    })
  }
  app.handle = new Koa().use(kit.routes()).use(router.routes()).callback()
  return {
    origin: `http://localhost:${port}`,
    otherSite: `http://127.0.0.1:${port}`,
    advance(ms) {
      offset += ms
    },
  }
}

test.serial(
  'a page that the server renders is there after a link from another site, and after its token has expired',
  async (t) => {
    const visited = await visit(t, 'plain')
    if (visited === undefined) return
    const { origin, otherSite, advance } = await startRendering(t)
    const page = await visited.context.newPage()
    const answers: string[] = []
    page.on('response', (response) => {
      if (response.request().isNavigationRequest())
        answers.push(`${response.status()} ${new URL(response.url()).pathname}`)
    })
    await page.goto(`${origin}/page`)
    await page.getByText('Who are you?').waitFor()
    await page.evaluate(() =>
      fetch('/auth/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }),
    )
    await page.goto(`${origin}/page`)
    await page.getByText('Page of alice').waitFor()

    await page.goto(`${otherSite}/link`)
    await page.getByText('Go').click()
    await page.getByText('Page of alice').waitFor()
    advance(16 * 60_000)
    await page.goto(`${origin}/page`)
    await page.getByText('Page of alice').waitFor()
    t.deepEqual(answers, [
      ...['401 /page', '200 /stranger', '200 /page'],
      ...['200 /link', '401 /page', '200 /page', '401 /page', '200 /page'],
    ])
    t.deepEqual(visited.complaints, [])
  },
)
