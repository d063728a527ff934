// The screenshots: a theft in the demo's lab, in both colour schemes, as a reader of the README would see it.

import { writeFile } from 'node:fs/promises'

import type { Browser } from 'playwright-core'

import { launchChromium } from '../../test/helpers/chromium.ts'
import { startExample, temporaryDirectory } from '../../test/helpers/example.ts'
import type { Owner } from '../../test/helpers/http.ts'
import type { Scheme } from './sequence.ts'

const MARGIN = 12

/** Starts the demo and a browser, lets the token be stolen, and writes what that looks like. */
export async function takeScreenshots(owner: Owner, files: Readonly<Record<Scheme, URL>>): Promise<void> {
  const browser = await launchChromium(owner)
  if (browser === undefined) throw new Error('No Chromium here: apt-get install chromium, or set CHROMIUM_PATH')
  const directory = await temporaryDirectory(owner)
  const demo = await startExample(owner, 'demo/main.ts', { PORT: '0', DATA_DIR: directory })
  for (const scheme of ['light', 'dark'] as const)
    await writeFile(files[scheme], await capture(browser, demo.url, scheme))
}

async function capture(browser: Browser, url: string, colorScheme: Scheme): Promise<Buffer> {
  const viewport = { width: 1240, height: 1400 }
  const options = { viewport, deviceScaleFactor: 1.4, colorScheme, reducedMotion: 'reduce', locale: 'en-GB' } as const
  const context = await browser.newContext(options)
  const page = await context.newPage()
  await page.goto(url)
  await page.getByRole('button', { name: 'Sign in as alice' }).click()
  await page.getByText('Connected', { exact: true }).waitFor()
  for (const [attack, name] of [
    ['race', 'Two tabs race'],
    ['tampered', 'Tamper with the token'],
    ['theft', 'Steal the token'],
  ] as const) {
    await page.getByRole('button', { name }).click()
    await page.locator(`[data-attack=${attack}][data-state=done]`).waitFor()
  }
  await page.locator('#alarm').waitFor()
  await page.mouse.move(0, 0)
  const box = await page.locator('.stage').boundingBox()
  if (box === null) throw new Error('The stage is not to be seen.')
  const clip = { x: 0, y: box.y - MARGIN, width: viewport.width, height: box.height + 2 * MARGIN }
  const picture = await page.screenshot({ clip, animations: 'disabled', caret: 'hide' })
  await context.close()
  return picture
}
