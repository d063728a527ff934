// What a process loads that only verifies: the built package, imported by its name in a process of its own.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import test from 'ava'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

// Runs on the thread of the loader, which shares the standard output.
const HOOKS = `
import { writeSync } from 'node:fs'
export function load(url, context, next) {
  writeSync(1, url + '\\n')
  return next(url, context)
}`

/** The modules that are loaded with this one, by package; our own by their path in `dist`. */
async function loadedBy(specifier: string): Promise<{ readonly packages: string[]; readonly own: string[] }> {
  if (!existsSync(`${ROOT}/dist/index.js`)) throw new Error('This looks at the built package: npm run build')
  const hooks = `data:text/javascript,${encodeURIComponent(HOOKS)}`
  const code = `
    import { register } from 'node:module'
    register(${JSON.stringify(hooks)})
    await import(${JSON.stringify(specifier)})`
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: ROOT,
    env,
  })
  const urls = stdout.split('\n')
  const packages = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  const own = urls.flatMap((url) => (url.includes('/node_modules/') ? [] : (/\/dist\/(.*\.js)$/.exec(url)?.[1] ?? [])))
  return { packages: [...new Set(packages)].sort(), own: own.sort() }
}

const STORES = /^store\/(?!store\.js$)/
const ISSUING =
  /^(?:kit|session-kit|live)\.js$|^session\/|^koa\/(?:login|refresh|devices|derive|routes|session|upgrade)\.js$/

test('koa-holdfast/verifier loads no Koa, no store, nothing that issues, and of others only jose and ms', async (t) => {
  const { packages, own } = await loadedBy('koa-holdfast/verifier')
  t.deepEqual(packages, ['jose', 'ms'])
  t.true(own.includes('service/verifier.js'))
  t.deepEqual(
    own.filter((file) => file.startsWith('koa/') || STORES.test(file) || ISSUING.test(file)),
    [],
  )
})

test('koa-holdfast/protect loads no cryptography, no router, no sessions and no body parser, and of others only ms', async (t) => {
  const { packages, own } = await loadedBy('koa-holdfast/protect')
  t.deepEqual(packages, ['ms'])
  t.true(own.includes('koa/service.js') && own.includes('koa/protect.js'))
  t.deepEqual(
    own.filter((file) => /^(?:keys|token\/(?:sign|verify))/.test(file) || STORES.test(file) || ISSUING.test(file)),
    [],
  )
})

test('what is looked at here is what is loaded: the whole kit has all of it', async (t) => {
  const { packages, own } = await loadedBy('koa-holdfast')
  for (const name of ['jose', 'ms', '@koa/router', '@koa/bodyparser', 'koa-session'])
    t.true(packages.includes(name), name)
  t.true(own.some((file) => ISSUING.test(file)) && own.some((file) => STORES.test(file)))
})
