// What all commands have in common: help, exit codes, JSON, colours, and that nothing secret is taken from the words of
// a call or repeated.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { generateKey } from '../../src/index.ts'
import { runCli, runOnTerminal } from '../helpers/cli.ts'

const COMMANDS = ['keygen', 'jwks', 'convert', 'inspect', 'sessions', 'revoke', 'rotate', 'doctor'] as const
const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2VjcmV0LXNpZ25hdHVyZQ'
const cwd = await mkdtemp(join(tmpdir(), 'koa-holdfast-'))
test.after.always(() => rm(cwd, { recursive: true, force: true }))

test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  const run = await runCli(['--version'], { cwd })
  t.deepEqual([run.code, run.stdout], [0, `${version}\n`])
})

test('--help lists every command, and docs/cli.md documents each of them', async (t) => {
  const { code, stdout } = await runCli(['--help'], { cwd })
  t.is(code, 0)
  t.deepEqual(
    [...stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name),
    [...COMMANDS],
  )
  const [, table = ''] = (await readFile('docs/cli.md', 'utf8')).split('\n## ')
  const documented = [...table.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name)
  t.deepEqual(documented, [...COMMANDS])
})

for (const name of COMMANDS) {
  test(`${name} --help says how it is called, with every option and examples`, async (t) => {
    const { code, stdout } = await runCli([name, '--help'], { cwd })
    t.is(code, 0)
    t.true(stdout.startsWith(`koa-holdfast ${name} `))
    t.regex(stdout, /--json {2,}print JSON/)
    t.regex(stdout, new RegExp(`\nExamples\n(?:  .*koa-holdfast ${name}.*\n)+$`))
  })

  test(`${name} called in a wrong way exits with 2, says what is wrong, and prints nothing else`, async (t) => {
    for (const words of [['--no-such-option'], ['one', 'two', 'three', '--help-me'], ['--json=yes']]) {
      const run = await runCli([name, ...words], { cwd })
      t.deepEqual([run.code, run.stdout], [2, ''])
      t.regex(run.stderr, new RegExp(`^koa-holdfast ${name}: `))
    }
  })
}

test('no command, or one that there is not, exits with 2 and the list', async (t) => {
  for (const words of [[], ['frobnicate'], ['constructor']]) {
    const run = await runCli(words, { cwd })
    t.deepEqual([run.code, run.stdout], [2, ''])
    t.regex(run.stderr, /koa-holdfast COMMAND/)
  }
})

test('with --json an error is JSON as well', async (t) => {
  const run = await runCli(['keygen', '--algorithm', 'none', '--json'], { cwd })
  t.is(run.code, 2)
  t.like(JSON.parse(run.stderr), { exit_code: 2 })
})

test('a secret among the words is refused and not repeated', async (t) => {
  const jwk = JSON.stringify(await generateKey())
  const pem = '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----'
  const calls = [
    ['inspect', TOKEN],
    ['inspect', `Bearer ${TOKEN}`],
    ['inspect', '-', '--cookie', 'x'.repeat(300)],
    ['inspect', '-', '--jwks', `https://user:hunter2@issuer.example/${TOKEN}`],
    ['jwks', jwk],
    ['convert', pem, '--to', 'jwk'],
    ['convert', '--to', TOKEN],
    ['keygen', '--algorithm', TOKEN],
    ['keygen', '--out', TOKEN],
    ['keygen', TOKEN],
    ['sessions', 'alice', '--issuer', 'https://app.example', '--store', 'redis://user:hunter2@127.0.0.1:1'],
    ['sessions', 'alice', '--issuer', 'https://app.example', '--store', 'redis://:hunter2@127.0.0.1:1'],
    ['sessions', 'alice', '--config', TOKEN],
    ['doctor', `https://user:hunter2@app.example/`],
    ['doctor', 'https://app.example', '--credentials', '{"password":"hunter2"}'],
    ['revoke', `--password=hunter2`],
  ]
  for (const words of calls) {
    const run = await runCli(words, { cwd, stdin: TOKEN })
    t.is(run.code, 2, words.join(' '))
    for (const secret of [TOKEN, 'c2VjcmV0', jwk, 'hunter2', 'xxxxx']) {
      t.false(`${run.stdout}${run.stderr}`.includes(secret), words.join(' '))
    }
  }
})

test('standard input can be named once only, and is read to a limit', async (t) => {
  const twice = await runCli(['jwks', '-', '-'], { cwd, stdin: JSON.stringify(await generateKey()) })
  t.is(twice.code, 2)
  t.regex(twice.stderr, /once only/)
  const long = await runCli(['inspect'], { cwd, stdin: 'x'.repeat(1_100_000) })
  const endless = await runCli(['inspect', '/dev/zero'], { cwd })
  for (const { code, stderr } of [long, endless]) {
    t.is(code, 2)
    t.regex(stderr, /longer than/)
  }
})

test('a file that is not there exits with 2', async (t) => {
  const run = await runCli(['jwks', 'nothing.json'], { cwd })
  t.is(run.code, 2)
  t.regex(run.stderr, /cannot read 'nothing\.json': ENOENT/)
})

test('colours are for terminals, and for nobody who set NO_COLOR', async (t) => {
  await writeFile(join(cwd, 'token'), TOKEN)
  const coloured = new RegExp(`${String.fromCharCode(27)}\\[`)
  t.regex((await runOnTerminal(['inspect', 'token'], { cwd, env: { TERM: 'xterm', NO_COLOR: '' } })).stdout, coloured)
  t.notRegex(
    (await runOnTerminal(['inspect', 'token'], { cwd, env: { TERM: 'xterm', NO_COLOR: '1' } })).stdout,
    coloured,
  )
  t.notRegex((await runOnTerminal(['inspect', 'token'], { cwd, env: { TERM: 'dumb', NO_COLOR: '' } })).stdout, coloured)
  t.notRegex((await runCli(['inspect', 'token'], { cwd, env: { TERM: 'xterm', NO_COLOR: '' } })).stdout, coloured)
})
