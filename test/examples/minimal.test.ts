// The quick start of the README, started as a reader would start it.

import { spawnSync } from 'node:child_process'

import test from 'ava'

import { findPort, startExample, temporaryDirectory } from '../helpers/example.ts'

const FILE = 'minimal/main.ts'

test.serial('the minimal example lets in both halves, and neither half alone', async (t) => {
  const port = await findPort()
  const app = await startExample(t, FILE, { PORT: port })
  t.is(app.url, `http://localhost:${port}`)
  const { token, cookie } = await app.login('alice', 'wonderland')
  const both = await app.request('GET', '/me', { Authorization: `Bearer ${token}`, Cookie: cookie })
  t.deepEqual([both.status, both.json], [200, { sub: 'alice' }])
  const alone = await app.request('GET', '/me', { Authorization: `Bearer ${token}` })
  t.is(alone.status, 401)
  t.regex(String(alone.headers['www-authenticate']), /^Bearer .*error="invalid_token"/)
  const cookieOnly = await app.request('GET', '/me', { Cookie: cookie })
  t.is(cookieOnly.status, 401)
  t.notRegex(String(cookieOnly.headers['www-authenticate']), /error=/)
})

test.serial('the minimal example refuses a wrong password', async (t) => {
  const app = await startExample(t, FILE, { PORT: await findPort() })
  await t.throwsAsync(app.login('alice', 'wrong'), { message: /^login answered 401/ })
})

test.serial('the lines that the minimal example prints work as they are', async (t) => {
  if (spawnSync('curl', ['--version']).status !== 0) {
    t.log('No curl here, so the printed lines were not run: apt-get install curl')
    t.true(process.env.CI !== 'true')
    return
  }
  const app = await startExample(t, FILE, { PORT: await findPort() })
  await app.line((line) => line.startsWith('curl '))
  const script = app.lines.slice(1).join('\n')
  const { stdout, stderr } = spawnSync('sh', ['-c', script], { cwd: await temporaryDirectory(t), encoding: 'utf8' })
  t.regex(stdout, /^\{"sub":"alice"\}\s*$/, stderr)
})
