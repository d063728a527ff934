// The package as it is published: the command line runs from it, also where the optional packages are not installed.

import { execFile } from 'node:child_process'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

import test from 'ava'

import { temporaryDirectory } from '../helpers/example.ts'
import { withoutCoverage } from '../helpers/store-process.ts'

const execute = promisify(execFile)

// What package.json does not call optional.
const NEEDED = ['jose', 'koa', '@koa/bodyparser', '@koa/router', 'koa-session', 'ms', 'rate-limiter-flexible']

test('the packed command line runs without the optional packages, and says which one it would need', async (t) => {
  const directory = await temporaryDirectory(t)
  // Without its scripts: it would build anew, under the feet of other tests.
  await execute('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', directory])
  const tarball = (await readdir(directory)).find((name) => name.endsWith('.tgz')) ?? ''
  const modules = join(directory, 'node_modules')
  await mkdir(join(modules, '@koa'), { recursive: true })
  await execute('tar', ['-xzf', join(directory, tarball), '-C', modules])
  await execute('mv', [join(modules, 'package'), join(modules, 'koa-holdfast')])
  for (const name of NEEDED) await symlink(resolve('node_modules', name), join(modules, name))

  const bin = join(modules, 'koa-holdfast', 'dist', 'cli', 'main.js')
  const run = (...words: readonly string[]) =>
    execute(process.execPath, [bin, ...words], { cwd: directory, env: withoutCoverage() }).catch(
      (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error,
    )
  t.regex((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
  t.regex((await run('keygen')).stdout, /"kty": "EC"/)
  await writeFile(join(directory, 'store.lmdb'), '')
  for (const [store, name] of [
    ['lmdb:store.lmdb', 'lmdb'],
    ['redis://localhost', 'redis'],
  ] as const) {
    const refused = await run('sessions', 'alice', '--store', store, '--issuer', 'https://app.example')
    t.like(refused, { code: 3, stdout: '' })
    t.true(refused.stderr.includes(`npm install ${name}`), refused.stderr)
  }
})
