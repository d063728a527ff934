// Finds the Chromium of this machine and starts it.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

import type { ExecutionContext } from 'ava'
import { type Browser, chromium } from 'playwright-core'

import type { Owner } from './http.ts'
import { PACKED_ADVICE, unpackChromium } from './packed-chromium.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
]

/** In place of a path: the one of the package, where another is installed as well. */
const PACKED = 'packed'

const packedOnes = new WeakSet<Browser>()

/** Whether a page can come back as it was left: the browser of the package is one without that. */
export function hasPageCache(browser: Browser): boolean {
  return !packedOnes.has(browser)
}

/**
 * Starts Chromium, with more flags if need be, and ends it with its owner; undefined where there is none.
 *
 * @param without - what Playwright would switch on by itself
 */
export async function launchChromium(
  owner: Owner,
  flags: readonly string[] = [],
  without: string[] = [],
): Promise<Browser | undefined> {
  const installed = findChromium()
  const packed = installed === undefined ? await unpackChromium() : undefined
  const executablePath = installed ?? packed?.executablePath
  if (executablePath === undefined) {
    if (process.env.CHROMIUM_PATH === PACKED) throw new Error(`CHROMIUM_PATH=${PACKED} needs ${PACKED_ADVICE}`)
    return undefined
  }
  const browser = await chromium.launch({
    executablePath,
    args: [...FLAGS, ...flags],
    ignoreDefaultArgs: without,
    env: { ...process.env, ...packed?.env },
  })
  if (packed !== undefined) packedOnes.add(browser)
  owner.teardown(() => browser.close())
  return browser
}

/** What a test does without Chromium: it passes with a note that says so, except in CI, where it fails. */
export function reportMissingChromium(t: ExecutionContext): void {
  const advice =
    'No Chromium here, so nothing was checked: apt-get install chromium, or set CHROMIUM_PATH, or where you may not ' +
    `install anything ${PACKED_ADVICE}`
  t.log(advice)
  if (process.env.CI === 'true') t.fail(advice)
  else t.pass(advice)
}

function findChromium(): string | undefined {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH === PACKED) return undefined
  // One that was asked for and is not there is a mistake to be seen, so there is no falling back from it.
  if (CHROMIUM_PATH) return CHROMIUM_PATH
  const directories = ['/usr/bin', ...PATH.split(delimiter)]
  return directories.flatMap((directory) => NAMES.map((name) => join(directory, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
