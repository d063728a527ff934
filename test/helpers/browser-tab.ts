// A tab of a real browser with a client in it, driven from outside.

import type { ExecutionContext } from 'ava'
import type { Browser, BrowserContext, JSHandle, Page } from 'playwright-core'

import type { Client, ClientOptions, Session } from '../../src/client/index.ts'
import type { BrowserApp } from './browser-app.ts'
import { hasPageCache, launchChromium, reportMissingChromium } from './chromium.ts'
import type { Owner } from './http.ts'

export interface Tab {
  readonly page: Page
  /** The client. It is held by the test alone: the page has no name for it. */
  readonly client: JSHandle<Client>
  session(): Promise<Session>
  /** Waits until the session is so. */
  until(status: Session['status'], subject?: string): Promise<void>
  login(username?: string): Promise<Session>
  /** The status of `client.fetch`, or the name of what it threw. */
  status(
    url: string,
    init?: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string },
  ): Promise<number | string>
}

export interface TabOptions {
  readonly path?: string
  readonly client?: Partial<Record<keyof ClientOptions, unknown>>
  /** Runs in the page before anything else does. No function in it may have a name, for the sake of tsx. */
  readonly before?: () => void
  /** Whether to return before the first answer. @default false */
  readonly isEarly?: boolean
}

/** Opens the page of an app in a new tab, and makes a client there. */
export async function openTab(context: BrowserContext, app: BrowserApp, options: TabOptions = {}): Promise<Tab> {
  const { path = '/', before, isEarly = false } = options
  const page = await context.newPage()
  const errors: Error[] = []
  page.on('pageerror', (error) => errors.push(error))
  if (before !== undefined) await page.addInitScript(before)
  await page.goto(app.origin + path)
  // A script that did not run to its end would change nothing, and no test would notice.
  for (const error of errors) throw error
  return adopt(page, options.client, isEarly)
}

/** Makes a client in a page that is there. */
export async function adopt(page: Page, options: TabOptions['client'] = {}, isEarly = false): Promise<Tab> {
  const client = await page.evaluateHandle(
    async ([url, given]) => ((await import(url)) as typeof import('../../src/client/index.ts')).createClient(given),
    ['/client.js', options as ClientOptions] as const, // what is wrong on purpose is wrong there
  )
  const tab: Tab = {
    page,
    client,
    session: () => client.evaluate(({ session }) => session),
    // No function in it has a name: what tsx makes of one does not run in the page.
    until: (status, subject) =>
      withDeadline(
        `until ${status} ${subject ?? ''}`,
        client.evaluate(
          async (one, [wanted, who]) => {
            for (;;) {
              const { session } = one
              const isWho = who === undefined || (session.status === 'signed-in' && session.subject === who)
              if (session.status === wanted && isWho) return
              await new Promise((resolve) => {
                one.onChange(resolve)
              })
            }
          },
          [status, subject] as const,
        ),
      ),
    login: (username = 'alice') =>
      client.evaluate((one, name) => one.login({ username: name, password: 'correct' }), username),
    status: (url, init) =>
      client.evaluate(
        (one, [to, how]) =>
          one.fetch(to, how).then(
            ({ status }) => status,
            (error: Error) => error.name,
          ),
        [url, init] as const,
      ),
  }
  if (!isEarly) await client.evaluate(async ({ ready }) => void (await ready))
  return tab
}

/** Settles when no tab of the browser asks the session's routes any more. */
export function settled({ page }: Pick<Tab, 'page'>, { origin }: BrowserApp): Promise<unknown> {
  return page.evaluate((name) => navigator.locks.request(name, () => {}), `koa-holdfast:${origin}/auth`)
}

/** What never comes must not keep the tests from ending. */
async function withDeadline(what: string, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), 30_000)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Browser contexts for the tests of one file, each of which starts the one browser with `start` before them all. */
export interface Contexts {
  readonly owner: Owner
  start(flags?: readonly string[], without?: string[]): Promise<void>
  end(): Promise<void>
  /** A fresh one that ends with the test; undefined, and said, without a browser. */
  open(t: ExecutionContext, options?: Parameters<Browser['newContext']>[0]): Promise<BrowserContext | undefined>
  /** The same, but undefined also where pages do not come back from a cache. */
  openCaching(t: ExecutionContext): Promise<BrowserContext | undefined>
}

export function createContexts(): Contexts {
  const ends: (() => unknown)[] = []
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  let browser: Browser | undefined

  async function open(
    t: ExecutionContext,
    options?: Parameters<Browser['newContext']>[0],
  ): Promise<BrowserContext | undefined> {
    if (browser === undefined) {
      reportMissingChromium(t)
      return undefined
    }
    const context = await browser.newContext(options)
    t.teardown(() => context.close())
    return context
  }

  return {
    owner,
    async start(flags, without) {
      browser = await launchChromium(owner, flags, without)
    },
    async end() {
      for (const end of ends) await end()
    },
    open,
    async openCaching(t) {
      if (browser === undefined || hasPageCache(browser)) return open(t)
      const note = 'The Chromium of the package has no back/forward cache, so nothing was checked'
      t.log(note)
      if (process.env.CI === 'true') t.fail(note)
      else t.pass(note)
      return undefined
    },
  }
}
