// What the documents say is held against the code: every example compiles, every link leads somewhere.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const documents = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
]
const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `src/${file}`)

/** The TypeScript blocks of a Markdown document, or of the TSDoc comments of a source file. */
function examplesOf(file: string): string[] {
  const text = file.endsWith('.ts') ? read(file).replaceAll(/^ *\* ?/gm, '') : read(file)
  return [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code = '']) => code)
}

/** Gives an example the `kit` that it takes for granted. */
function complete(code: string): string {
  const needsKit = /\bkit\b/.test(code) && !/\bconst (?:kit\b|\{[^}]*\bkit\b)/.test(code)
  return `${needsKit ? "declare const kit: import('koa-holdfast').SessionKit\n" : ''}${code}\nexport {}\n`
}

// Inside the package, so that 'koa-holdfast' is this one, and in a folder that git ignores.
const folder = join(ROOT, 'coverage', 'examples')

/** As much of vitest as the examples use: one runner more is not installed for them. */
const VITEST = `declare module 'vitest' {
  export function test(title: string, body: () => unknown): void
  export function afterAll(end: () => unknown): void
  export function expect(actual: unknown): { toBe(expected: unknown): void; toEqual(expected: unknown): void }
}`

/** Under which name an example is kept: its own, if its first line says one, so that others may import it. */
function nameOf(file: string, index: number, code: string): string {
  return /^\/\/ ([\w-]+\.ts)\n/.exec(code)?.[1] ?? `${file.replaceAll(/[/.]/g, '-')}-${index}.ts`
}

test.serial('every example in README, docs and TSDoc compiles', async (t) => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'vitest.d.ts'), VITEST)
  const examples = [...documents, ...sources].flatMap((file) => examplesOf(file).map((code) => ({ file, code })))
  t.true(examples.length >= 6)
  for (const [index, { file, code }] of examples.entries()) {
    writeFileSync(join(folder, nameOf(file, index, code)), complete(code))
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../test/tsconfig.json', compilerOptions: { rootDir: '.' }, include: ['*.ts'] }),
  )
  const { stdout } = await promisify(execFile)('npx', ['tsc', '-p', folder], { cwd: ROOT }).catch(
    (error: { stdout: string }) => error,
  )
  t.is(stdout, '')
})

test.serial('the tests that docs/testing.md shows for node:test pass', async (t) => {
  const examples = examplesOf('docs/testing.md').filter((code) => code.includes("from 'node:test'"))
  t.true(examples.length >= 2)
  // What tells node's runner that it runs within another one, of which it would then be a part.
  const { NODE_TEST_CONTEXT: _, NODE_V8_COVERAGE: __, ...env } = process.env
  for (const code of examples) {
    const file = join(folder, 'node-test.ts')
    writeFileSync(file, code)
    const run = promisify(execFile)(process.execPath, ['--import=tsx', '--test-reporter=tap', file], { cwd: ROOT, env })
    const { stdout } = await run.catch((error: { stdout: string }) => error)
    t.regex(stdout, new RegExp(`^# pass ${code.match(/^test\(/gm)?.length}$`, 'm'))
    t.regex(stdout, /^# fail 0$/m)
  }
})

test('every example that a document takes from a file is that file, to the letter', (t) => {
  const taken = documents.flatMap((document) =>
    [...read(document).matchAll(/<!-- (examples\/[\w./-]+) -->\n+```\w+\n([^]*?)```/g)].map(
      ([, file = '', code = '']) => ({ file, isSame: code === read(file) }),
    ),
  )
  t.true(taken.some(({ file }) => file === 'examples/minimal/main.ts'))
  t.deepEqual(
    taken.filter(({ isSame }) => !isSame),
    [],
  )
})

test('every relative link in the documents leads to a file', (t) => {
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, target = '']) => join(dirname(file), target))
      .filter((target) => !existsSync(join(ROOT, target)))
      .map((target) => `${file} → ${target}`),
  )
  t.deepEqual(broken, [])
})

test('every test that a document names exists', (t) => {
  const named = documents.flatMap((file) =>
    [...read(file).matchAll(/[`[](test\/[\w./-]+)/g)].map(([, path = '']) => path),
  )
  t.true(named.length > 5)
  t.deepEqual(
    named.filter((path) => !existsSync(join(ROOT, path))),
    [],
  )
})

test('README stays within 200 lines', (t) => {
  t.true(read('README.md').split('\n').length <= 200)
})

test('docs/events.md names every event, and no other', async (t) => {
  const { EVENT_NAMES } = await import('./helpers/app.ts')
  const named = [...read('docs/events.md').matchAll(/^\| \**`(\w+)`/gm)].map(([, name = '']) => name)
  t.deepEqual(named.toSorted(), [...EVENT_NAMES].toSorted())
})
