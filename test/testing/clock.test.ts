// The test clock.

import test from 'ava'

import { createTestClock } from '../../src/testing/clock.ts'

test('stands still until it is moved, either way', (t) => {
  const clock = createTestClock(1000)
  t.is(clock(), 1000)
  clock.advance(2)
  t.is(clock(), 3000)
  clock.advance('15m')
  t.is(clock(), 903_000)
  clock.advance(-0.5)
  t.is(clock(), 902_500)
  clock.set(7)
  t.is(clock(), 7)
})

test('begins now', (t) => {
  const before = Date.now()
  const clock = createTestClock()
  t.true(clock() >= before && clock() <= Date.now())
})

test('does not move by what is no duration', (t) => {
  const clock = createTestClock(0)
  for (const by of ['15', 'soon', '']) t.throws(() => clock.advance(by), { instanceOf: TypeError, message: /^by: / })
  t.is(clock(), 0)
})
