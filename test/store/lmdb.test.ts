// The LMDB store: the contract, what a kill leaves, what other processes see, what is wrong with a file, what it costs.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test, { type ExecutionContext } from 'ava'
import { open } from 'lmdb'

import { generateKey, NEVER, type NewRecord } from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { openLmdbFile } from '../../src/store/lmdb-file.ts'
import { bearer, createClock, openTestApp, toLogin } from '../helpers/app.ts'
import { temporaryDirectory } from '../helpers/example.ts'
import { send } from '../helpers/http.ts'
import { newPath, toRemote } from '../helpers/lmdb.ts'
import { findLost, type Report, startStoreProcess, withoutCoverage } from '../helpers/store-process.ts'
import { testStoreContract } from './contract.ts'

const MODULE = new URL('../helpers/lmdb.ts', import.meta.url).href
const KIT_CHILD = fileURLToPath(new URL('../helpers/lmdb-kit-child.ts', import.meta.url))
const LOCK_CHILD = fileURLToPath(new URL('../helpers/lmdb-lock-child.ts', import.meta.url))
const HOUR = 3_600_000

testStoreContract(
  'lmdb',
  async (clock) => {
    const ends: (() => unknown)[] = []
    const path = await newPath({ teardown: (end) => void ends.push(end) })
    return {
      store: lmdbStore({ path, clock }),
      other: lmdbStore({ path, clock }),
      options: toRemote(path).options,
      cleanup: async () => {
        for (const end of ends) await end()
      },
    }
  },
  { module: MODULE },
)

function revocation(key: string, expires = Date.now() + HOUR): NewRecord {
  return { key, value: null, expires }
}

/** The same numbers at each run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    // Numerical Recipes' linear congruential generator.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

test.serial('a process that is killed 50 times while it writes loses nothing that was acknowledged', async (t) => {
  t.timeout(300_000)
  const path = await newPath(t)
  const random = createRandom(4)
  const reports: Report[] = []
  for (let round = 0; round < 50; round += 1) {
    const writer = await startStoreProcess(t, toRemote(path))
    writer.flood(`round ${round}`)
    await writer.nextReport()
    await new Promise((resolve) => setTimeout(resolve, random() * 60))
    await writer.kill()
    reports.push(...writer.reports)
    const store = lmdbStore({ path })
    t.deepEqual(await findLost(store, writer.reports), [], `round ${round}`)
    await store.set('revocation', revocation(`after round ${round}`))
    await store.close()
  }
  const store = lmdbStore({ path })
  t.deepEqual(await findLost(store, reports), [], 'and not one of an earlier round either')
  for (let round = 0; round < 50; round += 1) t.truthy(await store.get('revocation', `after round ${round}`))
  await store.close()
  const done = reports.filter(({ isDone }) => isDone).length
  t.log(`${done} acknowledged, ${reports.length - 2 * done} of those that were under way unanswered`)
  t.true(done > 500)
})

test.serial('a writer that is killed holds up nobody who shares the file', async (t) => {
  const path = await newPath(t)
  const store = lmdbStore({ path })
  t.teardown(() => store.close())
  const heard: string[] = []
  const watch = await store.watch?.(({ key }) => heard.push(key))
  for (let round = 0; round < 5; round += 1) {
    const writer = await startStoreProcess(t, toRemote(path))
    writer.flood(`round ${round}`)
    while (writer.reports.length < 20) await writer.nextReport()
    await writer.kill()
    await store.set('revocation', revocation(`mine ${round}`))
    watch?.sync?.()
    t.deepEqual(await findLost(store, writer.reports), [])
    const added = writer.reports.filter(({ did, kind, isDone }) => isDone && did === 'write' && kind === 'revocation')
    t.deepEqual(
      added.filter(({ key }) => !heard.includes(key)),
      [],
      'what the other had acknowledged before it was killed has been told',
    )
  }
})

test.serial('a logout in one process is refused by another on the very next request, 200 times', async (t) => {
  t.timeout(120_000)
  const key = JSON.stringify(await generateKey())
  const path = await newPath(t)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const ports = await Promise.all([startKit(t, key, path), startKit(t, key, path)])
  const ask = (index: number, ...rest: [string, string, Record<string, string>?, string?]) =>
    send({ port: ports[index] ?? 0, agent, defaults: { Host: 'localhost' } }, ...rest)
  let refused = 0
  for (let round = 0; round < 200; round += 1) {
    const [here, there] = round % 2 ? [0, 1] : [1, 0]
    const answer = await ask(here, 'POST', '/auth/login', { 'Content-Type': 'application/json' }, '{"sub":"alice"}')
    const pair = bearer(toLogin(answer))
    // Both have the token in their caches by now.
    t.deepEqual(
      [(await ask(there, 'GET', '/me', pair)).status, (await ask(here, 'GET', '/me', pair)).status],
      [200, 200],
    )
    t.is((await ask(here, 'POST', '/auth/logout', pair)).status, 204)
    if ((await ask(there, 'GET', '/me', pair)).status === 401) refused += 1
  }
  t.is(refused, 200)
})

async function startKit(t: ExecutionContext, key: string, path: string): Promise<number> {
  const child = fork(KIT_CHILD, [JSON.stringify({ key, path })], {
    execArgv: ['--import=tsx'],
    env: withoutCoverage(),
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number] // lmdb-kit-child.ts says it
  return port
}

test.serial('a request reads the file once, and no more, when nothing is new', async (t) => {
  const path = await newPath(t)
  const testClock = createClock(Date.now())
  const store = lmdbStore({ path, clock: testClock })
  const app = await openTestApp(t, { store, testClock, withSession: false })
  t.teardown(() => store.close())
  const { token, cookie } = await app.login()
  await app.me(token, cookie)
  // Handles of one process share what is open, so this is what the store reads.
  const file = openLmdbFile(path)
  t.teardown(() => file.close())
  let reads = 0
  for (const table of [file.meta, file.session, file.revocation, file.group, file.expiry, file.log]) {
    for (const name of ['get', 'getBinary', 'getRange', 'getKeys', 'getEntry'] as const) {
      const read = table[name] as (...parameters: unknown[]) => unknown
      Object.assign(table, {
        [name](this: unknown, ...parameters: unknown[]) {
          reads += 1
          return read.apply(this, parameters)
        },
      })
    }
  }
  const begun = performance.now()
  for (let i = 0; i < 200; i += 1) t.is((await app.me(token, cookie)).status, 200)
  // Ten times a second it looks by itself.
  const own = Math.ceil((performance.now() - begun) / 100) + 1
  t.true(reads >= 200 && reads <= 200 + own, `${reads} reads for 200 requests, of which the store's own up to ${own}`)
})

test.serial('a long list does not hold up the others while a watch reads it, and misses nothing', async (t) => {
  const store = lmdbStore({ path: await newPath(t) })
  t.teardown(() => store.close())
  for (let i = 0; i < 5000; i += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, j) => store.set('revocation', revocation(`k${i + j}`))))
  }
  const heard = new Set<string>()
  let turns = 0
  const count = (): void => void (turns += 1)
  const interval = setInterval(count, 0)
  const watching = store.watch?.(({ key }) => void heard.add(key))
  await store.set('revocation', revocation('meanwhile'))
  const watch = await watching
  clearInterval(interval)
  watch?.sync?.()
  t.is(heard.size, 5001)
  t.true(turns > 3, `${turns} turns of others`)
  watch?.stop()
})

test.serial('RV-04 what has expired is removed by the writes that follow, a few at each', async (t) => {
  const clock = createClock(Date.now())
  const path = await newPath(t)
  const store = lmdbStore({ path, clock })
  t.teardown(() => store.close())
  const file = openLmdbFile(path)
  t.teardown(() => file.close())
  const count = (): number[] => {
    file.root.resetReadTxn()
    return [file.session, file.revocation, file.group, file.expiry, file.log].map((table) => table.getKeysCount())
  }
  for (const kind of ['session', 'revocation'] as const) {
    await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        store.set(kind, { ...revocation(`k${i}`, clock() + 1000), group: `g${i % 9}` }),
      ),
    )
    await store.set(kind, { ...revocation('stays', NEVER), group: 'g' })
  }
  t.deepEqual(count(), [1001, 1001, 2002, 2000, 1001])
  clock.advance(2)
  await store.set('revocation', revocation('one', NEVER))
  t.is(count()[3], 2000 - 8, 'a pause that is as short for a million')
  for (let i = 0; i < 250; i += 1) await store.set('revocation', revocation('one', NEVER))
  t.deepEqual(count(), [1, 2, 2, 0, 2])
  t.truthy(await store.get('session', 'stays'))
  t.truthy(await store.get('revocation', 'stays'))
})

test.serial('a clock that answers no number removes nothing', async (t) => {
  let time = Date.now()
  const store = lmdbStore({ path: await newPath(t), clock: () => time })
  t.teardown(() => store.close())
  await store.set('revocation', revocation('a'))
  time = NaN
  await store.set('revocation', revocation('b'))
  t.truthy(await store.get('revocation', 'a'), 'a revocation holds rather than not')
  time = Date.now()
  t.truthy(await store.get('revocation', 'a'))
})

test.serial('a store that is full of sessions still takes revocations, and is read all the same', async (t) => {
  const clock = createClock(Date.now())
  const path = await newPath(t)
  const maxBytes = 2 ** 20
  const store = lmdbStore({ path, maxBytes, clock })
  t.teardown(() => store.close())
  const session = (i: number) => ({ key: `s${i}`, value: 'x'.repeat(1000), expires: clock() + 1000, group: 'alice' })
  let last = 0
  const full = await t.throwsAsync(async () => {
    for (; ; last += 1) await store.set('session', session(last))
  })
  t.regex(
    full?.message ?? '',
    /^maxBytes: the store '\S+store\.lmdb' is full of sessions; open it with more than 1048576$/,
  )
  t.true(last > 100)
  t.truthy(await store.get('session', `s${last - 1}`))
  t.is(await store.get('session', `s${last}`), undefined)
  await store.set('revocation', revocation('sid s0'))
  t.truthy(await store.get('revocation', 'sid s0'))
  const kept = await store.get('session', 's0')
  t.true(kept !== undefined && (await store.swap('session', { ...kept, value: 'y'.repeat(1000) })), 'nothing grows')
  await t.throwsAsync(
    async () => {
      for (let i = 0; ; i += 1) await store.set('revocation', revocation(`sid ${i}`))
    },
    { message: /full of revocations/ },
  )
  const size = (await stat(path)).size
  t.true(size < maxBytes * 1.5, `${size} bytes`)

  t.true(await store.delete('session', 's0'))
  t.true(await store.delete('session', 's1'))
  await store.set('revocation', revocation('there is room again'))
  const larger = lmdbStore({ path, maxBytes: 2 * maxBytes, clock })
  await larger.set('session', session(last))
  await larger.close()
  clock.advance(2)
  await store.set('session', session(last + 1))
  t.pass('what has expired makes room')
})

test.serial('I-09 a disk that is full rejects the write and ends nothing; the next one is taken', async (t) => {
  const path = await newPath(t)
  const script = fileURLToPath(new URL('../helpers/lmdb-full-disk.ts', import.meta.url))
  // A file that may not grow past this answers as a disk that is full.
  const child = fork(script, [path], {
    execPath: '/bin/sh',
    execArgv: ['-c', 'trap "" XFSZ; ulimit -f 1600; exec "$0" --import=tsx "$@"', process.execPath],
    env: withoutCoverage(),
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = (await once(child, 'message')) as [Record<string, unknown>] // lmdb-full-disk.ts says it
  t.regex(String(said['rejection']), /^Error: the store '\S+' could not be written.*is the disk full\?$/)
  t.deepEqual(
    { ...said, rejection: '' },
    { rejection: '', isReadable: true, isFreed: true, isWritable: true, unhandled: [] },
  )
})

test.serial('the files are for their owner only, and so are the directories that are made', async (t) => {
  const base = await temporaryDirectory(t)
  const path = join(base, 'made', 'here', 'store.lmdb')
  const store = lmdbStore({ path })
  await store.set('session', { key: 'a', value: 1, expires: NEVER })
  t.deepEqual((await readdir(join(base, 'made', 'here'))).sort(), ['store.lmdb', 'store.lmdb-lock'])
  for (const file of [path, `${path}-lock`]) t.is((await stat(file)).mode & 0o777, 0o600, file)
  for (const directory of ['made', 'made/here']) t.is((await stat(join(base, directory))).mode & 0o777, 0o700)
  await store.close()
})

test.serial('what is wrong with a path is said with the path and what to do, and nothing is changed', async (t) => {
  const base = await temporaryDirectory(t)
  const text = join(base, 'text')
  await writeFile(text, 'no database, but longer than the header of one would be')
  const short = join(base, 'short')
  await writeFile(short, 'x')
  const foreign = join(base, 'foreign')
  const database = open({ path: foreign, noSubdir: true })
  await database.put('their', 'data')
  await database.close()
  const newer = join(base, 'newer')
  const store = lmdbStore({ path: newer })
  await store.close()
  const raw = open({ path: newer, noSubdir: true, encoding: 'string' })
  await raw.openDB('koa-holdfast', { encoding: 'string' }).put('format', '2')
  await raw.close()
  const layout = join(base, 'layout')
  const header = Buffer.from(await readFile(newer))
  header.writeUInt32LE(999, 28)
  await writeFile(layout, header)
  await mkdir(join(base, 'directory'))
  await symlink(join(base, 'nowhere', 'file'), join(base, 'dangling'))
  const cases: readonly (readonly [string, RegExp])[] = [
    [text, /text' is no LMDB file; choose/],
    [short, /short' is no LMDB file; choose/],
    [foreign, /foreign' is the LMDB file of another application; choose/],
    [newer, /newer' is of version 2, expected 1; open it with/],
    [layout, /layout' is of version LMDB 999, expected LMDB 2; open it with/],
    [join(base, 'directory'), /directory' \(EISDIR\): it is a directory; name a file/],
    [join(text, 'file'), /text\/file' \((?:ENOTDIR|EEXIST)\): a part of it/],
    [join(base, 'dangling'), /dangling' \(ENOENT\): its directory cannot be made/],
  ]
  for (const [path, expected] of cases) {
    const before = await readFile(path).catch(() => undefined)
    const error = t.throws(() => lmdbStore({ path }), undefined, path)
    t.regex(error?.message ?? '', expected)
    t.true(error?.message.startsWith('path: '))
    t.deepEqual(await readFile(path).catch(() => undefined), before, path)
  }
})

test.serial('a path that this user may not write to is said so', async (t) => {
  const base = await temporaryDirectory(t)
  await chmod(base, 0o755)
  const locked = join(base, 'locked')
  await mkdir(locked)
  const readable = join(base, 'readable')
  await lmdbStore({ path: readable }).close()
  await chmod(readable, 0o444)
  await chmod(locked, 0o555)
  // To root nothing is forbidden.
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(65534)
  try {
    const advice = /\(EACCES\): let this user write there, or choose another path$/
    for (const path of [join(locked, 'file'), join(locked, 'made', 'file'), readable]) {
      t.regex(t.throws(() => lmdbStore({ path }))?.message ?? '', advice, path)
    }
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test.serial('options that are wrong are a TypeError at once', async (t) => {
  const path = await newPath(t)
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /^lmdbStore: expected an object/],
    [{}, /^path: expected the path of a file, got undefined/],
    [{ path: '' }, /^path: expected the path of a file/],
    [{ path: 7 }, /^path: expected the path of a file/],
    [{ path, maxbytes: 1 }, /^lmdbStore: expected only path, maxBytes, clock, got "maxbytes"/],
    [{ path, maxBytes: 1000 }, /^maxBytes: expected a whole number from 1048576 /],
    [{ path, maxBytes: '1gb' }, /^maxBytes: expected a whole number/],
  ]
  for (const [options, message] of cases) {
    // The cast lets the test pass what the types forbid.
    t.throws(() => lmdbStore(options as { path: string }), { instanceOf: TypeError, message })
  }
  const store = lmdbStore({ path })
  t.teardown(() => store.close())
  for (const expires of [NaN, Infinity]) {
    await t.throwsAsync(store.set('revocation', revocation('a', expires)), {
      instanceOf: TypeError,
      message: /^expires/,
    })
  }
})

test.serial('closing waits for the writes under way; a closed store says so, and its watch is old', async (t) => {
  const path = await newPath(t)
  const store = lmdbStore({ path })
  const other = lmdbStore({ path })
  const watch = await store.watch?.(() => {})
  const writes = Array.from({ length: 20 }, (_, i) => store.set('revocation', revocation(`k${i}`)))
  await store.close()
  for (let i = 0; i < 20; i += 1) t.truthy(await other.get('revocation', `k${i}`), 'the other handle reads on')
  await Promise.all(writes)
  const closed = { message: /^the store '\S+store\.lmdb' is closed; open another$/ }
  await t.throwsAsync(store.get('session', 'a'), closed)
  await t.throwsAsync(store.set('session', revocation('a')), closed)
  await t.throwsAsync(store.add('session', revocation('a')), closed)
  await t.throwsAsync(store.swap('session', { ...revocation('a'), version: 1 }), closed)
  await t.throwsAsync(store.delete('session', 'a'), closed)
  await t.throwsAsync(async () => {
    for await (const _ of store.list('session')) t.fail()
  }, closed)
  await t.throwsAsync(async () => store.watch?.(() => {}), closed)
  t.notThrows(() => watch?.sync?.())
  t.true((watch?.age() ?? 0) > 0)
  await other.set('revocation', revocation('still'))
  await other.close()
  await using again = lmdbStore({ path })
  t.truthy(await again.get('revocation', 'still'))
})

test.serial('a listener that throws is told again, and until then the watch is old', async (t) => {
  const store = lmdbStore({ path: await newPath(t) })
  t.teardown(() => store.close())
  let isBroken = true
  const heard: string[] = []
  const watch = await store.watch?.(({ key }) => {
    if (isBroken) throw new Error('not now')
    heard.push(key)
  })
  await store.set('revocation', revocation('a'))
  watch?.sync?.()
  t.true((watch?.age() ?? 0) > 0)
  isBroken = false
  watch?.sync?.()
  t.is(watch?.age(), 0)
  t.deepEqual(heard, ['a'])
  watch?.stop()
})

test.serial('a listener that asks for what is new while it is told is not told again', async (t) => {
  const store = lmdbStore({ path: await newPath(t) })
  t.teardown(() => store.close())
  const heard: string[] = []
  const watch = await store.watch?.(({ key }) => {
    heard.push(key)
    // As the kit does: whoever is told of a revocation looks whether a connection is to be closed.
    watch?.sync?.()
  })
  await store.set('revocation', revocation('a'))
  await store.set('revocation', revocation('b'))
  watch?.sync?.()
  t.deepEqual(heard, ['a', 'b'])
  t.is(watch?.age(), 0)
  watch?.stop()
})

test.serial('I-09 a process that hangs with the lock holds up writes for seconds, and reads not at all', async (t) => {
  const path = await newPath(t)
  const store = lmdbStore({ path })
  t.teardown(() => store.close())
  await store.set('revocation', revocation('before'))
  const holder = spawn(process.execPath, ['--import=tsx', LOCK_CHILD, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: withoutCoverage(),
  })
  t.teardown(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  const begun = performance.now()
  const writing = store.set('revocation', revocation('meanwhile'))
  t.truthy(await store.get('revocation', 'before'))
  t.true(performance.now() - begun < 1000)
  // What waits in the store does not keep the process alive.
  const alive = setInterval(() => {}, 1000)
  await t.throwsAsync(writing, { message: /^the store '\S+' is locked by another process; see which one is stopped$/ })
  clearInterval(alive)
  t.true(performance.now() - begun < 15_000)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  await store.set('revocation', revocation('after'))
  t.truthy(await store.get('revocation', 'after'), 'the lock of a process that is gone is free')
  t.is(await store.get('revocation', 'meanwhile'), undefined, 'what was rejected is not done later')
})
