// The jar against a real Chromium: the same lines into both, and what each then sends where.

import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'playwright-core'

import { createCookieJar, type CookieContext, type CookieJar } from '../../src/testing/cookie-jar.ts'
import { launchChromium, reportMissingChromium } from '../helpers/chromium.ts'
import { listen, type Owner } from '../helpers/http.ts'

const LONG = 'x'.repeat(4090)

/** Every line has a cookie of its own, so that all can be set at once. */
const LINES = [
  ...['plain=1', 'root=1; Path=/', 'deep=1; Path=/auth/deep', 'below=1; Path=/auth/', 'other=1; Path=/other'],
  ...['relative=1; Path=auth', 'empty-path=1; Path=', 'twice=1; Path=/other; Path=/', 'quoted-path=1; Path="/"'],
  ...['secure=1; Path=/; Secure', 'http-only=1; Path=/; HttpOnly', 'CASE=1; path=/; SECURE; httponly; samesite=LAX'],
  // Prefixes.
  ...['__Secure-a=1; Path=/; Secure', '__Secure-b=1; Path=/', '__secure-c=1; Path=/', '__SECURE-d=1; Path=/; Secure'],
  ...['__Host-a=1; Path=/; Secure', '__Host-b=1; Path=/', '__Host-c=1; Path=/auth; Secure', '__Host-d=1; Secure'],
  ...['__host-e=1; Path=/', '__HOST-f=1; Path=/auth; Secure', '__Host-g=1; Path=/; Secure; Domain='],
  ...['__Http-a=1; Path=/; Secure; HttpOnly', '__Http-b=1; Path=/; Secure', '__Http-c=1; Path=/; HttpOnly'],
  ...[
    '__Host-Http-a=1; Path=/; Secure; HttpOnly',
    '__Host-Http-b=1; Path=/; Secure',
    '__host-http-c=1; Path=/; Secure',
  ],
  ...['__Host-Http-d=1; Path=/auth; Secure; HttpOnly', '=__Secure-x=1; Path=/', '=__host-y=1; Path=/', '__Host-Http-e'],
  // Lifetimes.
  ...['age=1; Path=/; Max-Age=60', 'gone=1; Path=/; Max-Age=0', 'negative=1; Path=/; Max-Age=-1'],
  ...['age-word=1; Path=/; Max-Age=soon', 'age-half=1; Path=/; Max-Age=1.5'],
  ...['age-long=1; Path=/; Max-Age=99999999999999999999', 'age-empty=1; Path=/; Max-Age='],
  'age-first=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
  'past=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
  'past-dashes=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT',
  'past-short=1; Path=/; Expires=Thu, 01-Jan-71 00:00:00 GMT',
  'past-loose=1; Path=/; Expires=1 January 1999 1:2:3',
  'past-iso=1; Path=/; Expires=1999-01-01T00:00:00Z',
  'past-epoch=1; Path=/; Expires=0',
  'past-day=1; Path=/; Expires=Thu, 01 Jan 1999',
  'past-hour=1; Path=/; Expires=Thu, 01 Jan 1999 24:00:00 GMT',
  'past-minute=1; Path=/; Expires=Thu, 01 Jan 1999 12:60:00 GMT',
  'past-second=1; Path=/; Expires=Thu, 01 Jan 1999 12:00:60 GMT',
  'past-1600=1; Path=/; Expires=Thu, 01 Jan 1600 12:00:00 GMT',
  'past-31st=1; Path=/; Expires=Thu, 31 Feb 1999 00:00:00 GMT',
  'future=1; Path=/; Expires=Fri, 01 Jan 2999 00:00:00 GMT',
  'future-short=1; Path=/; Expires=Fri, 01 Jan 69 00:00:00 GMT',
  // SameSite.
  ...['strict=1; Path=/; SameSite=Strict', 'lax=1; Path=/; SameSite=Lax', 'none=1; Path=/; SameSite=None'],
  ...['none-secure=1; Path=/; SameSite=None; Secure', 'odd=1; Path=/; SameSite=Odd', 'unsaid=1; Path=/; SameSite'],
  // Domains.
  ...['domain-local=1; Path=/; Domain=localhost', 'domain-app=1; Path=/; Domain=app.test'],
  ...['domain-dot=1; Path=/; Domain=.app.test', 'domain-sub=1; Path=/; Domain=sub.app.test'],
  ...[
    'domain-suffix=1; Path=/; Domain=test',
    'domain-evil=1; Path=/; Domain=p.test',
    'domain-empty=1; Path=/; Domain=',
  ],
  ...[
    'domain-ip=1; Path=/; Domain=127.0.0.1',
    'domain-tail=1; Path=/; Domain=0.0.1',
    'domain-upper=1; Path=/; Domain=APP.TEST',
  ],
  ...['__Secure-domain=1; Path=/; Secure; Domain=app.test', '__Host-domain=1; Path=/; Secure; Domain=app.test'],
  // Shapes.
  ...['nameless; Path=/', ' spaced = a b ; Path=/', 'quoted="a"; Path=/', 'equals=a=b; Path=/', 'empty=; Path=/'],
  ...[`long=${LONG}; Path=/shape`, `longer=xxx${LONG}; Path=/shape`, `long-path=1; Path=/${LONG}`],
]

const HOSTS = ['localhost', '127.0.0.1', 'app.localhost', 'app.test', 'sub.app.test']
const PATHS = ['/', '/auth', '/auth/', '/auth/login', '/authx', '/auth/deep/er', '/other', '/shape']

const ends: (() => unknown)[] = []
let browser: Browser | undefined
let port = 0
/** What the next answer from `/auth/set` sets. */
let lines: readonly string[] = []

test.before(async () => {
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  browser = await launchChromium(owner, ['--host-resolver-rules=MAP *.test 127.0.0.1'])
  port = await listen(owner, ({ url, headers }, response) => {
    if (url === '/auth/set') response.setHeader('Set-Cookie', lines)
    const origin = headers.origin ?? ''
    response
      .setHeader('Access-Control-Allow-Origin', origin)
      .setHeader('Access-Control-Allow-Credentials', 'true')
      .setHeader('Content-Type', 'text/html')
      .end(`<pre>${headers.cookie ?? ''}</pre>`)
  })
})

test.after.always(async () => {
  for (const end of ends) await end()
})

const urlOf = (host: string, path: string): string => `http://${host}:${port}${path}`

/** The cookies of a header, in any order: Chromium's own among equals depends on its clock. */
const pairsOf = (header = ''): string[] => (header === '' ? [] : header.split('; ').toSorted())

interface Both {
  readonly page: Page
  readonly jar: CookieJar
}

/** A fresh browser and a fresh jar; undefined, and said, without a browser. */
async function open(t: ExecutionContext): Promise<Both | undefined> {
  if (browser === undefined) {
    reportMissingChromium(t)
    return undefined
  }
  const context = await browser.newContext()
  t.teardown(() => context.close())
  return { page: await context.newPage(), jar: createCookieJar() }
}

/** Sets these cookies by an answer from this host, in both. */
async function setBoth({ page, jar }: Both, host: string, set: readonly string[]): Promise<void> {
  lines = set
  await page.goto(urlOf(host, '/auth/set'))
  jar.receive(urlOf(host, '/auth/set'), set)
}

/** Asserts that what this host is sent, at each path, is what the jar would send. */
async function assertSame(t: ExecutionContext, { page, jar }: Both, host: string, label: string): Promise<void> {
  await page.goto(urlOf(host, '/'))
  const sent = await page.evaluate((paths) => Promise.all(paths.map(async (path) => (await fetch(path)).text())), PATHS)
  for (const [i, path] of PATHS.entries()) {
    t.deepEqual(pairsOf(jar.header(urlOf(host, path))), pairsOf(textOf(sent[i])), `${label} → ${host}${path}`)
  }
}

/** The Cookie header that an answer repeats. */
function textOf(html = ''): string {
  return /<pre>(.*)<\/pre>/.exec(html)?.[1] ?? ''
}

async function read(page: Page): Promise<string> {
  return (await page.locator('pre').textContent()) ?? ''
}

test.serial('takes and sends what Chromium does, at every host and path', async (t) => {
  for (const host of HOSTS) {
    const both = await open(t)
    if (both === undefined) return
    await setBoth(both, host, LINES)
    for (const to of HOSTS) await assertSame(t, both, to, host)
  }
})

test.serial('replaces and deletes as Chromium does', async (t) => {
  const both = await open(t)
  if (both === undefined) return
  for (const [label, set] of [
    ['set', ['a=1; Path=/', 'a=2; Path=/auth', '__Secure-b=1; Path=/; Secure', 'c=1; Path=/; HttpOnly', 'D=1; Path=/']],
    ['replaced, each where it is', ['a=3; Path=/auth', 'd=2; Path=/', 'c=2; Path=/']],
    ['a deletion without Secure is none', ['__Secure-b=; Path=/; Max-Age=0']],
    ['nor one of another path', ['a=; Path=/other; Max-Age=0', 'c=; Max-Age=0']],
    ['deleted', ['__Secure-b=; Path=/; Secure; Max-Age=0', 'a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT']],
  ] as const) {
    await setBoth(both, 'localhost', set)
    await assertSame(t, both, 'localhost', label)
  }
})

test.serial('shows scripts what document.cookie shows, and takes from them what it takes', async (t) => {
  const both = await open(t)
  if (both === undefined) return
  const { page, jar } = both
  const script: CookieContext = { script: true }
  for (const host of ['localhost', 'app.test']) {
    const url = urlOf(host, '/auth/set')
    await setBoth(both, host, LINES)
    t.deepEqual(pairsOf(jar.header(url, script)), pairsOf(await page.evaluate(() => document.cookie)), host)
    const written = [
      ...['root=2; Path=/', 'http-only=2; Path=/', '__Secure-a=2; Path=/; Secure', '__Http-a=2; Path=/; Secure'],
      ...['__Host-Http-a=2; Path=/; Secure', 'mine=1; Path=/; HttpOnly', '__Http-z=1; Path=/; Secure; HttpOnly'],
      ...['control=a\u0001b; Path=/', 'line=a\nb; Path=/', 'root=; Path=/; Max-Age=0', '', ';', '='],
    ]
    await page.evaluate((all) => {
      for (const line of all) document.cookie = line
    }, written)
    for (const line of written) jar.receive(url, [line], script)
    await assertSame(t, both, host, 'written')
  }
})

test.serial('keeps across sites to itself what Chromium does', async (t) => {
  const both = await open(t)
  if (both === undefined) return
  const { page, jar } = both
  await setBoth(both, 'localhost', LINES)
  const url = urlOf('localhost', '/auth/login')
  const evil = urlOf('127.0.0.1', '/')
  const ask = (to: string): Promise<string> =>
    page.evaluate(async (where) => (await fetch(where, { credentials: 'include' })).text(), to)

  await page.goto(evil)
  const fetched = textOf(await ask(url))
  const allowed = pairsOf(jar.header(url, { crossSite: true }))
  t.deepEqual(allowed, ['none-secure=1'])
  // Debian's Chromium keeps all third-party cookies back, so there what None allows shows in navigations only.
  t.deepEqual(pairsOf(fetched), fetched === '' ? [] : allowed)

  await page.evaluate((to) => location.assign(to), url)
  await page.waitForURL(url)
  t.deepEqual(pairsOf(jar.header(url, { crossSite: true, navigation: true })), pairsOf(await read(page)))

  // What an answer across sites sets.
  lines = ['new=1; Path=/', 'new-strict=1; Path=/; SameSite=Strict', 'new-lax=1; Path=/; SameSite=Lax; Secure']
  const set = urlOf('localhost', '/auth/set')
  await page.goto(evil)
  await ask(set)
  jar.receive(set, lines, { crossSite: true })
  await assertSame(t, both, 'localhost', 'after a cross-site answer')
  t.notRegex(jar.header(set) ?? '', /new/)
})
