// The memory store, by the contract, and what is its own: it forgets what has expired.

import test from 'ava'

import { memoryStore, NEVER } from '../../src/index.ts'
import { createClock } from '../helpers/app.ts'
import { testStoreContract } from './contract.ts'

testStoreContract('memory', async (clock) => ({ store: memoryStore({ clock }) }))

test('two memory stores share nothing', async (t) => {
  const [one, other] = [memoryStore(), memoryStore()]
  await one.set('session', { key: 'a', value: 1, expires: NEVER })
  t.is(await other.get('session', 'a'), undefined)
})

test('without a clock the memory store follows the real time', async (t) => {
  const store = memoryStore()
  await store.set('session', { key: 'past', value: 1, expires: Date.now() - 1 })
  await store.set('session', { key: 'future', value: 1, expires: Date.now() + 60_000 })
  t.is(await store.get('session', 'past'), undefined)
  t.truthy(await store.get('session', 'future'))
})

test('a clock that goes back shows no record again that a sweep has dropped, and no dropped key is left', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  for (let i = 0; i < 2000; i += 1) await store.set('session', { key: `k${i}`, value: i, expires: clock() + 1000 })
  clock.advance(2)
  // Enough writes that a sweep is among them.
  for (let i = 0; i < 1100; i += 1) await store.set('revocation', { key: 'one', value: i, expires: NEVER })
  clock.advance(-2)
  const left: string[] = []
  for await (const { key } of store.list('session')) left.push(key)
  t.deepEqual(left, [])
})
