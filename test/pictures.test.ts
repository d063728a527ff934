// The README's pictures: the diagrams are what the code draws, the screenshots are there, and the package goes without.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

import { drawSequence } from '../docs/pictures/sequence.ts'
import { text } from '../docs/pictures/svg.ts'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const SCHEMES = ['light', 'dark'] as const

test('the sequence diagrams are what `npm run pictures` draws', (t) => {
  for (const scheme of SCHEMES) {
    t.is(readFileSync(`${ROOT}docs/pictures/sequence-${scheme}.svg`, 'utf8'), drawSequence(scheme))
  }
  t.not(drawSequence('light'), drawSequence('dark'))
  t.is(text('<a> & "b"', { x: 1 / 3 }), '<text x="0.33">&lt;a&gt; &amp; &quot;b&quot;</text>')
})

test('the screenshots are there, in both schemes, and no larger than a page may be', (t) => {
  for (const scheme of SCHEMES) {
    const picture = readFileSync(`${ROOT}docs/pictures/lab-${scheme}.png`)
    // PNG: a signature of eight bytes, then the header with width and height.
    t.is(picture.subarray(1, 4).toString(), 'PNG')
    t.true(picture.readUInt32BE(16) >= 1000 && picture.readUInt32BE(20) >= 500)
    t.true(picture.length < 300_000)
  }
})

test('README shows each picture in the scheme of its reader, and says what is in it', (t) => {
  const readme = readFileSync(`${ROOT}README.md`, 'utf8')
  for (const name of ['lab', 'sequence']) {
    const shown = new RegExp(
      `<picture><source media="\\(prefers-color-scheme: dark\\)" srcset="docs/pictures/${name}-dark\\.(png|svg)" />` +
        `<img alt="[^"]{20,}" src="docs/pictures/${name}-light\\.\\1" /></picture>`,
    )
    t.regex(readme, shown)
  }
})

test('the package goes without pictures', async (t) => {
  const pack = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const { stdout } = await promisify(execFile)('npm', pack, { cwd: ROOT })
  const [{ files = [] } = {}] = JSON.parse(stdout) as { readonly files?: readonly { readonly path: string }[] }[]
  const paths = files.map(({ path }) => path)
  t.true(paths.includes('docs/live.md'))
  t.deepEqual(
    paths.filter((path) => path.includes('pictures')),
    [],
  )
})
