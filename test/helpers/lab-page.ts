// The demo's page in a real Chromium: one browser and one demo for a test file, a browser context for each visit.

import type { ExecutionContext } from 'ava'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'

import { launchChromium, reportMissingChromium } from './chromium.ts'
import { type Example, startExample, temporaryDirectory } from './example.ts'
import type { Owner } from './http.ts'

export interface Lab {
  readonly demo: Example
  /** Undefined where there is no Chromium. */
  readonly browser: Browser | undefined
  /** Opens the page in a fresh browser context; undefined, and said, without a browser. */
  visit(t: ExecutionContext, options?: BrowserContextOptions): Promise<Visit | undefined>
  close(): Promise<void>
}

export interface Visit {
  readonly context: BrowserContext
  readonly page: Page
  click(name: string): Promise<void>
  signIn(user: 'alice' | 'bob'): Promise<void>
  /** Runs an attack and answers how it went. */
  attack(name: string, button: string): Promise<Outcome>
  /** What the browser complained about, policy violations among it, but for 401 answers: they are what this is about. */
  complaints(): Promise<readonly string[]>
}

export interface Outcome {
  readonly verdict: string
  /** For each exchange its heading, status and word, and what was sent. */
  readonly exchanges: readonly (readonly [who: string, outcome: string, sent: string])[]
  readonly good: readonly boolean[]
}

/** Starts browser and demo. */
export async function openLab(): Promise<Lab> {
  const ends: (() => unknown)[] = []
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  const [browser, directory] = [await launchChromium(owner), await temporaryDirectory(owner)]
  const demo = await startExample(owner, 'demo/main.ts', { PORT: '0', DATA_DIR: directory })
  return {
    demo,
    browser,
    visit: (t, options) => openVisit(t, browser, demo.url, options),
    async close() {
      for (const end of ends) await end()
    },
  }
}

/** Opens the page of a demo. */
export async function openVisit(
  t: ExecutionContext,
  browser: Browser | undefined,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit | undefined> {
  if (browser === undefined) {
    reportMissingChromium(t)
    return undefined
  }
  const viewport = { width: 1200, height: 900 }
  const context = await browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'], ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    const isExpected = message.type() === 'error' && /status of 401/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text())
  })
  await context.addInitScript(() => {
    const violations: string[] = []
    Object.assign(globalThis, { violations })
    document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective))
  })
  await page.goto(url)

  const click = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click()

  return {
    context,
    page,
    click,
    async signIn(user) {
      await click(`Sign in as ${user}`)
      await page.getByText(`Signed in as ${user}`, { exact: true }).waitFor()
      await page.getByText('Connected', { exact: true }).waitFor()
    },
    async attack(name, button) {
      const card = page.locator(`[data-attack=${name}]`)
      await card.getByRole('button', { name: button, exact: true }).click()
      await page.locator(`[data-attack=${name}][data-state=done]`).waitFor()
      const items = await card.locator('.exchange').all()
      return {
        verdict: await card.locator('.verdict').innerText(),
        exchanges: await Promise.all(items.map(readExchange)),
        good: await Promise.all(items.map(async (item) => (await item.getAttribute('data-outcome')) === 'good')),
      }
    },
    complaints: async () => [
      ...complaints,
      // The cast holds: the init script above put it there.
      ...(await page.evaluate(() => (globalThis as unknown as { violations: string[] }).violations)),
    ],
  }
}

async function readExchange(item: Locator): Promise<readonly [string, string, string]> {
  const read = async (part: string): Promise<string> =>
    (await item.locator(part).innerText()).trim().replaceAll(/\s+/g, ' ')
  return [await read('.who'), await read('.outcome'), await read('.sent')]
}
