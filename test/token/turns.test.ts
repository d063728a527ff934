// Turns: whoever has long work waits for the others, in the order they came, and everything else goes on meanwhile.

import { setImmediate } from 'node:timers/promises'

import test from 'ava'

import { takeTurn } from '../../src/token/turns.ts'

/** So many who take a turn; what is in `done` have had theirs. */
function line(length: number): { readonly all: Promise<unknown>; readonly done: number[] } {
  const done: number[] = []
  const all = Array.from({ length }, async (_, i) => {
    await takeTurn()
    done.push(i)
  })
  return { all: Promise.all(all), done }
}

/** Keeps everybody waiting. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

test.beforeEach(() => setImmediate())

test.serial('a few begin at once, and the rest after all else that was ready, in their order', async (t) => {
  const { all, done } = line(200)
  let start = performance.now()
  for (let rounds = 0; done.length < 200; rounds += 1) {
    const before = done.length
    await setImmediate()
    const now = performance.now()
    t.true(done.length - before <= 8 + 8 * (now - start), `${done.length - before} in ${now - start} ms`)
    start = now
  }
  await all
  t.deepEqual(done, [...done.keys()])
})

test.serial('where all else takes long, more begin at once: about a quarter of the time is theirs', async (t) => {
  const { all, done } = line(500)
  let rounds = 0
  for (; done.length < 500; rounds += 1) {
    block(20)
    await setImmediate()
  }
  await all
  t.true(rounds <= 15, `${rounds} rounds of 20 ms, each with about 80 turns`)
})

test.serial('an application that replaces setImmediate stops no signature', async (t) => {
  const { setImmediate: native } = globalThis
  t.teardown(() => {
    globalThis.setImmediate = native
  })
  globalThis.setImmediate = (() => {}) as unknown as typeof native
  const { all, done } = line(20)
  await all
  t.is(done.length, 20)
})

test.serial('who comes alone does not wait', async (t) => {
  for (let i = 0; i < 3; i += 1) {
    t.is(takeTurn(), undefined)
    await setImmediate()
  }
})

test.serial('who comes while others wait comes after them', async (t) => {
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
