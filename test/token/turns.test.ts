// Turns: whoever has long work waits for the others, in the order they came, and everything else goes on meanwhile.

import { setImmediate } from 'node:timers/promises'

import test from 'ava'

import { takeTurn } from '../../src/token/turns.ts'

test.serial('a few begin at once, and the rest after all else that was ready, in their order', async (t) => {
  await setImmediate()
  const done: number[] = []
  const all = Array.from({ length: 50 }, async (_, i) => {
    await takeTurn()
    done.push(i)
  })
  const counts: number[] = []
  while (done.length < 50) {
    await setImmediate()
    counts.push(done.length)
  }
  await Promise.all(all)
  t.deepEqual(
    done,
    Array.from({ length: 50 }, (_, i) => i),
  )
  const steps = counts.map((count, i) => count - (counts[i - 1] ?? 0))
  t.true(Math.max(...steps) <= 8, String(steps))
  t.true(counts.length >= 6, String(counts))
})

test.serial('who comes alone does not wait', async (t) => {
  await setImmediate()
  for (let i = 0; i < 3; i += 1) {
    t.is(takeTurn(), undefined)
    await setImmediate()
  }
})

test.serial('who comes while others wait comes after them', async (t) => {
  await setImmediate()
  const order: string[] = []
  const take = async (name: string): Promise<void> => {
    await takeTurn()
    order.push(name)
  }
  const first = Array.from({ length: 9 }, (_, i) => take(`a${i}`))
  await setImmediate()
  const late = take('late')
  await Promise.all([...first, late])
  t.is(order.at(-1), 'late')
})
