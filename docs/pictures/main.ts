// Makes the pictures of the README: `npm run pictures`. Needs a Chromium.

import { writeFile } from 'node:fs/promises'

import { takeScreenshots } from './screenshots.ts'
import { drawSequence } from './sequence.ts'

const ends: (() => unknown)[] = []

const fileOf = (name: string): URL => new URL(name, import.meta.url)

try {
  for (const scheme of ['light', 'dark'] as const) {
    await writeFile(fileOf(`sequence-${scheme}.svg`), drawSequence(scheme))
  }
  await takeScreenshots(
    { teardown: (end) => void ends.unshift(end) },
    { light: fileOf('lab-light.png'), dark: fileOf('lab-dark.png') },
  )
} finally {
  for (const end of ends) await end()
}
