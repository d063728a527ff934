// sessions and revoke: on the store of an app that runs, by its file, by Redis, or by its configuration.

import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { generateKey, type Store } from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { redisStore } from '../../src/store/redis.ts'
import { ISSUER, openTestApp, type TestApp } from '../helpers/app.ts'
import { PACKAGE, runCli } from '../helpers/cli.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { temporaryDirectory } from '../helpers/example.ts'
import { newPath } from '../helpers/lmdb.ts'
import { CLIENT_KINDS, hasRedis, openClient, openRedis } from '../helpers/redis.ts'

/** An app on this store, by the clock of this machine, which is that of the command. */
function openApp(t: ExecutionContext, store: Store): Promise<TestApp> {
  t.teardown(() => store.close())
  return openTestApp(t, { store, clock: Date.now })
}

async function openLmdbApp(t: ExecutionContext): Promise<{ readonly app: TestApp; readonly where: readonly string[] }> {
  const path = await newPath(t)
  const app = await openApp(t, lmdbStore({ path }))
  return { app, where: ['--store', `lmdb:${path}`, '--issuer', ISSUER] }
}

test('sessions lists what kit.sessions does, for people and for programs', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const first = await app.login('alice', { headers: { 'User-Agent': 'Browser/1.0' } })
  const second = await app.login('alice', { body: { label: 'Work laptop' } })
  await app.login('bob')
  const { code, json } = await runCli(['sessions', 'alice', ...where, '--json'])
  t.is(code, 0)
  t.deepEqual(json as unknown, await app.kit.sessions('alice'))
  const { stdout } = await runCli(['sessions', 'alice', ...where])
  const [heading, ...rows] = stdout.trimEnd().split('\n')
  t.regex(heading ?? '', /^SID +CREATED +LAST USED +EXPIRES +DEVICE$/)
  t.deepEqual(
    rows.map((row) => row.split(/ {2,}/)[0]),
    [second.sid, first.sid],
  )
  t.regex(rows[0] ?? '', /Work laptop$/)
  t.regex(rows[1] ?? '', /Browser\/1\.0$/)
  t.is((await runCli(['sessions', 'nobody', ...where])).stdout, 'no sessions\n')
  for (const login of [first, second]) {
    for (const secret of [login.fingerprint, login.refreshToken, login.token]) t.false(stdout.includes(secret))
  }
})

test('RV-09 revoke --sid ends that session in the running app, and no other', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const [one, other] = [await app.login('alice'), await app.login('alice')]
  const { code, stdout } = await runCli(['revoke', '--sid', one.sid, ...where])
  t.is(code, 0)
  t.is(stdout, `revoked: sid ${one.sid}\nended: session ${one.sid} of alice\n`)
  t.is((await app.me(one.token, one.cookie)).status, 401)
  t.is((await app.me(other.token, other.cookie)).status, 200)
  const again = await runCli(['revoke', '--sid', one.sid, ...where, '--json'])
  t.deepEqual(again.json, { revoked: { sid: one.sid }, ended: [] })
})

test('RV-09 revoke --sub ends everything of a user, or what began before a time', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const logins = [await app.login('alice'), await app.login('alice')]
  const before = await runCli(['revoke', '--sub', 'alice', '--before', '2026-01-31T12:00:00Z', ...where])
  t.is(before.code, 0)
  t.is((await app.me(logins[0]?.token, logins[0]?.cookie)).status, 200)
  const { json } = await runCli(['revoke', '--sub', 'alice', ...where, '--json'])
  t.is((json['ended'] as unknown[]).length, 2)
  for (const { token, cookie } of logins) t.is((await app.me(token, cookie)).status, 401)
  t.is((await app.me((await app.login('alice')).token)).status, 401, 'without its cookie')
})

test('revoke --jti refuses one token, revoke --kid all of a key', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const [one, other] = [await app.login('alice'), await app.login('alice')]
  t.is((await runCli(['revoke', '--jti', String(payloadOf(one.token)['jti']), ...where])).code, 0)
  t.is((await app.me(one.token, one.cookie)).status, 401)
  t.is((await app.me(other.token, other.cookie)).status, 200)
  t.is((await runCli(['revoke', '--kid', String(headerOf(one.token)['kid']), ...where])).code, 0)
  t.is((await app.me(other.token, other.cookie)).status, 401)
})

test('an identifier that begins with a hyphen is one, and an option in its place is not', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const drawn = '-egins-with-a-hyphen-A'
  t.is((await runCli(['revoke', '--sid', drawn, ...where])).code, 0)
  t.is((await app.store.get('revocation', `sid ${drawn}`))?.value, null)
  t.is((await runCli(['revoke', '--jti', '--json', ...where])).code, 2)
  t.is((await runCli(['revoke', drawn, ...where])).code, 2)
})

test('RV-03 what is revoked stays so for the longest time that a token of any kit is believed', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const start = Date.now()
  t.is((await runCli(['revoke', '--jti', 'some-token', ...where])).code, 0)
  const expiries: number[] = []
  for await (const { expires } of app.store.list('revocation')) expiries.push(expires)
  t.true(expiries.length === 1 && expiries.every((time) => time >= start + 86_400_000 + 300_000))
})

test('a time that is none, or yet to come, is wrong use, as are two targets and none', async (t) => {
  const { app, where } = await openLmdbApp(t)
  const { token, cookie } = await app.login('alice')
  for (const words of [
    [],
    ['--sid', 'a', '--sub', 'alice'],
    ['--sid', ''],
    ['--sid', 'a', '--before', '2026-01-31'],
    ['--sub', 'alice', '--before', 'yesterday'],
    ['--sub', 'alice', '--before', '2999-01-01'],
  ]) {
    const run = await runCli(['revoke', ...words, ...where])
    t.deepEqual([run.code, run.stdout], [2, ''], words.join(' '))
  }
  t.is((await app.me(token, cookie)).status, 200)
})

test('a file that is not there is not made, and one that is no store is not touched', async (t) => {
  const cwd = await temporaryDirectory(t)
  const missing = await runCli(['revoke', '--sub', 'alice', '--store', 'lmdb:typo.lmdb', '--issuer', ISSUER], { cwd })
  t.is(missing.code, 3)
  t.regex(missing.stderr, /there is no LMDB file 'typo\.lmdb'/)
  t.deepEqual(await readdir(cwd), [])
  await writeFile(join(cwd, 'other'), 'something else entirely, and long enough to be looked at')
  const other = await runCli(['sessions', 'alice', '--store', 'lmdb:other', '--issuer', ISSUER], { cwd })
  t.is(other.code, 3)
  t.regex(other.stderr, /is no LMDB file/)
})

test('a store needs its issuer, and one that the kit would take', async (t) => {
  const { where } = await openLmdbApp(t)
  const [store = '', url = ''] = where
  for (const words of [
    [],
    ['--issuer', ISSUER],
    [store, url],
    [store, url, '--issuer', 'app.example'],
    [store, url, '--issuer', 'http://app.example'],
    [store, 'sqlite:x', '--issuer', ISSUER],
    [store, 'constructor:x', '--issuer', ISSUER],
    [...where, '--config', 'x.mjs'],
    ['--config', 'nothing.mjs'],
  ]) {
    const run = await runCli(['sessions', 'alice', ...words])
    t.deepEqual([run.code, run.stdout], [2, ''], words.join(' '))
  }
})

test('another audience has other sessions', async (t) => {
  const path = await newPath(t)
  const store = lmdbStore({ path })
  t.teardown(() => store.close())
  const app = await openTestApp(t, { store, clock: Date.now, audience: ['https://a.example', 'https://b.example'] })
  await app.login('alice')
  const where = ['--store', `lmdb:${path}`, '--issuer', ISSUER]
  t.is((await runCli(['sessions', 'alice', ...where])).stdout, 'no sessions\n')
  const words = [...where, '--audience', 'https://a.example', '--audience', 'https://b.example', '--json']
  t.is((await runCli(['sessions', 'alice', ...words])).json['length'], 1)
})

/** A configuration as an application has it. */
async function writeConfig(directory: string, code: string): Promise<string> {
  await writeFile(
    join(directory, 'holdfast.config.mjs'),
    `import { createKeySet, memoryStore } from '${PACKAGE}index.js'\nimport { lmdbStore } from '${PACKAGE}store/lmdb.js'\n${code}`,
  )
  return 'holdfast.config.mjs'
}

test('--config takes the options of the app, by whatever name they are exported', async (t) => {
  const cwd = await temporaryDirectory(t)
  const app = await openApp(t, lmdbStore({ path: join(cwd, 'sessions.lmdb') }))
  const { sid } = await app.login('alice')
  const options = `{ issuer: '${ISSUER}', store: lmdbStore({ path: 'sessions.lmdb' }), keys: await createKeySet() }`
  for (const name of ['export default', 'export const options =']) {
    const config = await writeConfig(cwd, `${name} ${options}\nsetInterval(() => {}, 1000) // as a connection would`)
    const { json, stderr } = await runCli(['sessions', 'alice', '--config', config, '--json'], { cwd })
    t.is((json as unknown as { sid: string }[])[0]?.sid, sid, stderr)
  }
  t.is((await runCli(['revoke', '--sid', sid, '--config', 'holdfast.config.mjs'], { cwd })).code, 0)
  t.deepEqual(await app.kit.sessions('alice'), [])
})

test('a configuration that keeps everything in memory, has wrong options or fails says so', async (t) => {
  const cwd = await temporaryDirectory(t)
  const { d = '' } = await generateKey()
  const local = `issuer: 'http://localhost:3000'`
  for (const [code, exitCode, reason] of [
    [`export default { ${local}, store: memoryStore() }`, 2, /in the memory of the app's own process/],
    [`export default { ${local} }`, 2, /in the memory/],
    [`export const kit = 1`, 2, /expected the options of createSessionKit/],
    [`export default { ${local}, store: lmdbStore({ path: 's' }), nonsense: 1 }`, 2, /expected only .* got "nonsense"/],
    [`throw new Error('cannot connect to redis://app:${d}@localhost:6379')`, 2, /redis:\/\/…@localhost/],
    [`export default {`, 2, /SyntaxError/],
    [`setTimeout(() => { throw new Error('late') }, 10)\nawait new Promise((r) => setTimeout(r, 500))`, 3, /late/],
  ] as const) {
    const config = await writeConfig(cwd, code)
    const run = await runCli(['sessions', 'alice', '--config', config], { cwd })
    t.deepEqual([run.code, run.stdout], [exitCode, ''], run.stderr)
    t.regex(run.stderr, reason)
    t.false(run.stderr.includes(d))
  }
})

test('a revocation that the store did not take is not said to be done', async (t) => {
  const cwd = await temporaryDirectory(t)
  const config = await writeConfig(
    cwd,
    `const fail = async () => { throw new Error('the disk is full') }
     export default {
       issuer: '${ISSUER}', keys: await createKeySet(),
       store: { ...memoryStore(), set: fail, add: fail, swap: fail, delete: fail },
     }`,
  )
  for (const target of [
    ['--jti', 'a'],
    ['--sid', 'a'],
    ['--sub', 'alice'],
  ]) {
    const run = await runCli(['revoke', ...target, '--config', config], { cwd })
    t.deepEqual([run.code, run.stdout], [3, ''])
    t.regex(run.stderr, /not done \(ERR_STORE_UNAVAILABLE: the disk is full\)/)
  }
})

test('where the package of a store is missing, it says what to install', async (t) => {
  const cwd = await temporaryDirectory(t)
  await mkdir(join(cwd, 'node_modules'))
  const run = await runCli(['sessions', 'alice', '--store', 'redis://localhost', '--issuer', ISSUER], { cwd })
  t.is(run.code, 3)
  t.regex(run.stderr, /npm install redis/)
})

if (hasRedis()) {
  for (const kind of CLIENT_KINDS) {
    test(`sessions and revoke reach an app on Redis, with the ${kind} package of the project`, async (t) => {
      const server = await openRedis(t)
      const store = redisStore({ client: await openClient(t, kind, server.port), onProblem: () => {} })
      const app = await openApp(t, store)
      const { sid, token, cookie } = await app.login('alice')
      const cwd = await temporaryDirectory(t)
      const name = kind === 'ioredis' ? 'ioredis' : '@redis/client'
      await mkdir(join(cwd, 'node_modules', name), { recursive: true })
      const real = new URL(import.meta.resolve(name)).pathname
      await writeFile(join(cwd, 'node_modules', name, 'index.js'), `module.exports = require('${real}')`)
      const where = ['--store', `redis://127.0.0.1:${server.port}`, '--issuer', ISSUER]
      const { json, stderr } = await runCli(['sessions', 'alice', ...where, '--json'], { cwd })
      t.is((json as unknown as { sid: string }[])[0]?.sid, sid, stderr)
      t.is((await runCli(['revoke', '--sub', 'alice', ...where], { cwd })).code, 0)
      t.deepEqual(await app.kit.sessions('alice'), [])
      // The stream pushes it.
      while ((await app.me(token, cookie)).status !== 401) await new Promise((resolve) => setTimeout(resolve, 20))
      await server.kill()
      const run = await runCli(['revoke', '--sub', 'alice', ...where], { cwd })
      t.deepEqual([run.code, run.stdout], [3, ''])
      t.regex(run.stderr, /Redis at 127\.0\.0\.1:\d+ cannot be reached/)
    })
  }

  test('a Redis URL with a password comes from standard input, and is not repeated', async (t) => {
    const server = await openRedis(t, { requirepass: 'hunter2' })
    const words = ['sessions', 'alice', '--store', '-', '--issuer', ISSUER]
    const run = await runCli(words, { stdin: `redis://:hunter2@127.0.0.1:${server.port}\n` })
    t.deepEqual([run.code, run.stdout], [0, 'no sessions\n'], run.stderr)
    const wrong = await runCli(words, { stdin: `redis://:hunter3@127.0.0.1:${server.port}\n` })
    t.is(wrong.code, 3)
    t.notRegex(wrong.stderr, /hunter/)
  })
}
