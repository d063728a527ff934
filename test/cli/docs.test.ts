// docs/cli.md: its session is run, and its tables are held against the code.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import test from 'ava'

import { ANSWER_CHECKS } from '../../src/cli/doctor/answer-checks.ts'
import { CONFIG_CHECKS } from '../../src/cli/doctor/config-checks.ts'
import { nameOf } from '../../src/cli/doctor/finding.ts'
import { KEY_CHECKS } from '../../src/cli/doctor/key-checks.ts'
import { LOGIN_CHECKS, SESSION_CHECKS } from '../../src/cli/doctor/login-checks.ts'
import { TRANSPORT_CHECKS } from '../../src/cli/doctor/transport-checks.ts'
import { runCli } from '../helpers/cli.ts'
import { startExample, temporaryDirectory } from '../helpers/example.ts'

const text = await readFile('docs/cli.md', 'utf8')

/** What differs from one run to the next, made equal. */
function normalize(printed: string): string {
  return printed
    .replaceAll(/localhost:\d+/g, 'localhost:3000')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
    .replaceAll(/\b\d{13}\b/g, 'MILLISECONDS')
    .replaceAll(/\b\d+ (?:ms|seconds?|minutes?)\b/g, 'SPAN')
    .replaceAll(/(?<![\w-])[\w-]{43}(?![\w-])/g, 'DIGEST')
    .replaceAll(/(?<![\w-])[\w-]{22}(?![\w-])/g, 'IDENTIFIER')
    .replaceAll(/[\w-]{6}…/g, 'CUT…')
    .replaceAll(/AAAA[\w+/]{40,}=*/g, 'BASE64')
    .replaceAll(/ +/g, ' ')
}

test('the session in docs/cli.md is what happens', async (t) => {
  const [, block = ''] = /```console\n([^]*?)```/.exec(text) ?? []
  const steps = block.split(/^\$ /m).slice(1)
  t.true(steps.length >= 6)
  const cwd = await temporaryDirectory(t)
  const demo = await startExample(t, 'demo/main.ts', { PORT: '0', DATA_DIR: join(cwd, '.data') })
  const body = JSON.stringify({ username: 'alice', password: 'wonderland' })
  const headers = { 'Content-Type': 'application/json', 'User-Agent': 'curl/7.88.1' }
  const login = await demo.request('POST', '/auth/login', headers, body)
  await writeFile(join(cwd, 'token.txt'), String(login.json['access_token']))
  await writeFile(join(cwd, 'jar'), login.cookies[0]?.split(';')[0] ?? '')
  for (const step of steps) {
    const [line = '', ...expected] = step.split('\n')
    const [program, ...words] = line.replaceAll('http://localhost:3000', demo.url).split(' ')
    t.is(program, 'koa-holdfast')
    const { stdout, stderr } = await runCli(words, { cwd })
    t.is(normalize(stdout + stderr), normalize(expected.join('\n')), line)
  }
})

test('docs/cli.md names every check of the doctor, in their order', (t) => {
  const named = [...(text.split('## What the doctor looks at')[1] ?? '').matchAll(/^\| `([\w-]+)`/gm)].map(
    ([, name]) => name,
  )
  const checks = [...TRANSPORT_CHECKS, ...KEY_CHECKS, ...ANSWER_CHECKS, ...LOGIN_CHECKS, ...SESSION_CHECKS]
  t.deepEqual(named, [...checks.map(nameOf), 'options', ...CONFIG_CHECKS.map(nameOf)])
})
