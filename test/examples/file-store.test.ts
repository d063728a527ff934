// The demo's store: what memoryStore() promises, and that an acknowledged write is in the file.

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { fileStore } from '../../examples/demo/file-store.ts'
import { temporaryDirectory } from '../helpers/example.ts'

const LATER = Date.now() + 3_600_000

async function newPath(t: ExecutionContext): Promise<string> {
  return join(await temporaryDirectory(t), 'store.json')
}

test('every kind of write is there after opening the file again', async (t) => {
  const path = await newPath(t)
  const store = await fileStore(path)
  await store.set('revocation', { key: 'sid a', value: null, expires: LATER })
  t.true(
    await store.add('session', { key: 'b', value: { sub: 'alice', data: { n: 1 } }, expires: LATER, group: 'alice' }),
  )
  t.false(await store.add('session', { key: 'b', value: { sub: 'bob' }, expires: LATER }))
  const record = await store.get('session', 'b')
  t.true(record !== undefined && (await store.swap('session', { ...record, value: { sub: 'alice', data: { n: 2 } } })))
  t.false(record !== undefined && (await store.swap('session', { ...record, value: 'from an old reading' })))
  await store.set('session', { key: 'c', value: 1, expires: LATER })
  t.true(await store.delete('session', 'c'))
  t.false(await store.delete('session', 'c'))
  // Not closed: what was acknowledged must be there without it.
  const again = await fileStore(path)
  t.not(await again.get('revocation', 'sid a'), undefined)
  t.deepEqual((await again.get('session', 'b'))?.value, { sub: 'alice', data: { n: 2 } })
  t.is(await again.get('session', 'c'), undefined)
  const ofAlice = []
  for await (const { key } of again.list('session', 'alice')) ofAlice.push(key)
  t.deepEqual(ofAlice, ['b'])
})

test('when a write is acknowledged the file holds it, however many are under way', async (t) => {
  const path = await newPath(t)
  const store = await fileStore(path)
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await store.set('revocation', { key: `sid ${i}`, value: null, expires: LATER })
      const { revocation } = JSON.parse(await readFile(path, 'utf8')) as { revocation: { key: string }[] }
      t.true(revocation.some(({ key }) => key === `sid ${i}`))
    }),
  )
  t.deepEqual(await readdir(join(path, '..')), ['store.json'])
})

test('a write that cannot be saved is rejected, and goes along with the next one that can', async (t) => {
  const path = await newPath(t)
  const store = await fileStore(path)
  // A directory where the temporary file has to be.
  await mkdir(`${path}.tmp`)
  await t.throwsAsync(store.set('revocation', { key: 'sid a', value: null, expires: LATER }), { code: 'EISDIR' })
  t.not(await store.get('revocation', 'sid a'), undefined, 'in this process the revocation holds')
  await rm(`${path}.tmp`, { recursive: true })
  await store.set('revocation', { key: 'sid b', value: null, expires: LATER })
  const again = await fileStore(path)
  for (const key of ['sid a', 'sid b']) t.not(await again.get('revocation', key), undefined, key)
})

test('a damaged file is refused and left as it is', async (t) => {
  const path = await newPath(t)
  for (const text of ['', 'not JSON', '{"session":[]', '[]', 'null', '{"session":[],"revocation":{}}']) {
    await writeFile(path, text)
    await t.throwsAsync(fileStore(path), { message: /store\.json is damaged/ }, text)
    t.is(await readFile(path, 'utf8'), text)
  }
})

test('an expired record is not there after opening the file again', async (t) => {
  const path = await newPath(t)
  await writeFile(path, JSON.stringify({ session: [{ key: 'a', value: 1, expires: Date.now() - 1 }], revocation: [] }))
  t.is(await (await fileStore(path)).get('session', 'a'), undefined)
})

test('watchers hear of writes, and closing waits for those under way', async (t) => {
  const path = await newPath(t)
  const store = await fileStore(path)
  const heard: string[] = []
  await store.watch?.('revocation', ({ key }) => heard.push(key))
  const writing = store.set('revocation', { key: 'sid a', value: null, expires: LATER })
  await store.close()
  t.regex(await readFile(path, 'utf8'), /sid a/)
  t.deepEqual(heard, ['sid a'])
  await writing
})
