// The demo's page for everyone: judged by axe-core in both schemes and on a phone, by keyboard alone, and read aloud.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

import type { AxeResults } from 'axe-core'
import test from 'ava'
import type { BrowserContextOptions, Page } from 'playwright-core'

import { startExample, temporaryDirectory } from '../helpers/example.ts'
import { type Lab, openLab, openVisit } from '../helpers/lab-page.ts'

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const PHONE = { width: 360, height: 740 }

let lab: Lab

test.before(async () => {
  lab = await openLab()
})

test.after.always(() => lab.close())

/** What axe-core objects to. It comes in by the debugger, past the page's policy, which stays as it is. */
async function objections(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() =>
    // The cast holds: the line above put it there.
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  )
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}

/** Opens whatever is folded, so that it is judged as well. */
async function unfold(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true
  })
}

/** How far the page is wider than its window. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
}

const SETTINGS: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  'dark on a phone': { colorScheme: 'dark', viewport: PHONE },
}

for (const [name, options] of Object.entries(SETTINGS)) {
  test.serial(`axe-core finds nothing, and nothing is cut off: ${name}`, async (t) => {
    const visited = await lab.visit(t, options)
    if (visited === undefined) return
    const { page, signIn, attack, complaints } = visited
    await page.getByText('Nobody is signed in').waitFor()
    await unfold(page)
    t.deepEqual(await objections(page), [])
    t.is(await overflow(page), 0)

    await signIn('alice')
    await attack('theft', 'Steal the token')
    await attack('tampered', 'Tamper with the token')
    await attack('race', 'Two tabs race')
    await page.locator('#devices li').first().waitFor()
    await unfold(page)
    t.deepEqual(await objections(page), [])
    t.is(await overflow(page), 0)
    t.deepEqual(await complaints(), [])
  })
}

test.serial('axe-core sees what is wrong, so the tests above would', async (t) => {
  const visited = await lab.visit(t)
  if (visited === undefined) return
  const { page } = visited
  await page.evaluate(() => {
    document.querySelector('main')?.append(document.createElement('input'))
    document.documentElement.removeAttribute('lang')
  })
  const found = new Set((await objections(page)).map((objection) => objection.split(':')[0]))
  t.true(found.has('label') && found.has('html-has-lang'))
})

test.serial('everything works by keyboard alone, and the focus is always somewhere', async (t) => {
  const visited = await lab.visit(t)
  if (visited === undefined) return
  const { page, complaints } = visited
  await page.getByText('Nobody is signed in').waitFor()
  const focused = (): Promise<string> => page.locator(':focus').innerText()
  /** Goes on to the control of this name, and no further than a page has controls. */
  async function tabTo(name: string): Promise<void> {
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press('Tab')
      if ((await focused()).trim() === name) return
    }
    t.fail(`no way to '${name}' by Tab`)
  }

  await page.keyboard.press('Tab')
  t.is(await focused(), 'Skip to the lab')
  t.is(await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle), 'solid')
  await tabTo('Sign in as alice')
  await page.keyboard.press('Enter')
  await page.getByText('Signed in as alice', { exact: true }).waitFor()
  t.is(
    (await focused()).replace(/\s+/g, ' '),
    '✓ You hold two halves',
    'its button is gone, so it went on to what came of it',
  )
  await tabTo('Steal the token')
  await page.keyboard.press('Enter')
  await page.locator('[data-attack=theft][data-state=done]').waitFor()
  t.is(await focused(), 'Steal the token')
  await page.keyboard.press('Tab')
  await page.keyboard.press('ArrowRight')
  t.true(await page.getByLabel('end the session too').isChecked())
  await tabTo('The answer')
  await page.keyboard.press('Enter')
  t.is(await page.locator('[data-attack=theft] details[open]').count(), 1)
  await tabTo('Log out and replay')
  await page.keyboard.press('Space')
  await page.locator('[data-attack=replay][data-state=done]').waitFor()
  t.is(await focused(), 'Log out and replay', 'the session is over, and the focus stays with what was read')
  t.deepEqual(await complaints(), [])
})

test.serial('what happens is said aloud: who is signed in, what an attack came to, each event', async (t) => {
  const visited = await lab.visit(t)
  if (visited === undefined) return
  const { page, signIn, attack } = visited
  await signIn('alice')
  const said = page.getByRole('status')
  t.is(await said.filter({ hasText: 'Signed in as alice' }).count(), 1)
  const { verdict } = await attack('theft', 'Steal the token')
  t.is(await said.filter({ hasText: verdict }).count(), 1)
  const log = page.getByRole('log', { name: 'Security events' })
  t.is(await log.getByRole('listitem').filter({ hasText: 'Theft: a token came without its cookie' }).count(), 1)
})

test.serial('the timeline shows the newest forty events, and those of one visitor to no other', async (t) => {
  const [hers, his] = [await lab.visit(t), await lab.visit(t)]
  if (hers === undefined || his === undefined) return
  await his.signIn('bob')
  await hers.signIn('alice')
  await hers.click('Copy the token as curl')
  await hers.page.getByText('Copied.').waitFor()
  const line = await hers.page.evaluate(() => navigator.clipboard.readText())
  const [, authorization = ''] = /'Authorization: ([^']+)'/.exec(line) ?? []
  const events = hers.page.locator('#events li')
  for (let i = 0; i < 45; i += 1) {
    await lab.demo.request('GET', '/api/me', { Authorization: authorization })
  }
  await hers.attack('none', 'Send alg none')
  await events.first().getByText('A forged token was refused').waitFor()
  t.is(await events.count(), 40)
  t.is(await hers.page.locator('#events li[data-name=sidejack]').count(), 39)
  // Something of his own comes last, so what is to come has come.
  await his.click('Refresh now')
  await his.page.locator('#events').getByText('Both halves replaced').waitFor()
  t.deepEqual(await his.page.locator('#events b').allInnerTexts(), ['Both halves replaced: generation 1', 'Signed in'])
})

test.serial('the timeline comes back after the server did, with what happened meanwhile', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await startExample(t, 'demo/main.ts', { PORT: '0', DATA_DIR: directory })
  const visited = await openVisit(t, lab.browser, first.url)
  if (visited === undefined) return
  const { page, signIn, attack } = visited
  await signIn('alice')
  await first.stop('SIGTERM')
  await page.locator('#connection[data-state=waiting]').waitFor()
  const second = await startExample(t, 'demo/main.ts', { PORT: new URL(first.url).port, DATA_DIR: directory })
  await page.getByText('Connected', { exact: true }).waitFor()

  /** As when its tab goes to the background, or comes back. */
  const hide = (isHidden: boolean): Promise<void> =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value })
      document.dispatchEvent(new Event('visibilitychange'))
    }, isHidden)
  await hide(true)
  await page.getByText('Paused while this tab is hidden.').waitFor()
  await second.login('alice', 'wonderland')
  await hide(false)
  await page.locator('#events li').filter({ hasText: 'another session' }).getByText('Signed in').waitFor()
  await attack('theft', 'Steal the token')
  await page.locator('#events').getByText('Theft: a token came without its cookie').waitFor()
  t.is(await page.locator('#events').getByText('Signed in').count(), 2)
})
