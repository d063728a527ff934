// What is remembered of tokens: by the token to the letter, until it expires, so much and no more.

import { randomBytes } from 'node:crypto'

import test from 'ava'

import { createTokenCache } from '../src/token-cache.ts'
import { createClock, START } from './helpers/app.ts'
import { bytesUsed } from './helpers/cost.ts'

const HOUR = START + 3_600_000

const draw = (length = 100): string => randomBytes(length).toString('base64url').slice(0, length)

test('what was kept of a token is found by that token and by no other', (t) => {
  const cache = createTokenCache<string>(createClock(), 100)
  const token = draw()
  cache.set(token, 'known', HOUR)
  t.is(cache.get(token), 'known')
  for (const other of [token.slice(1), `${token}=`, ` ${token}`, token.toUpperCase(), token.slice(0, -1), '']) {
    t.is(cache.get(other), undefined)
  }
})

test('it is forgotten when it expires, to the millisecond, and by a clock that answers no number', (t) => {
  const clock = createClock()
  let isBroken = false
  const cache = createTokenCache<string>(() => (isBroken ? Number.NaN : clock()), 100)
  const token = draw()
  cache.set(token, 'known', HOUR)
  clock.advance(3599.999)
  t.is(cache.get(token), 'known')
  isBroken = true
  t.is(cache.get(token), undefined)
  isBroken = false
  cache.set(token, 'known', HOUR)
  clock.advance(0.001)
  t.is(cache.get(token), undefined)
  t.is(cache.size, 0)
})

test('what has expired already is not kept', (t) => {
  const cache = createTokenCache<string>(createClock(), 100)
  cache.set(draw(), 'late', START)
  t.is(cache.size, 0)
})

test('K-03 a flood of tokens that come once is bounded, and leaves those that come again', (t) => {
  const cache = createTokenCache<number>(createClock(), 1000)
  const regulars = Array.from({ length: 100 }, () => draw())
  for (const [index, token] of regulars.entries()) cache.set(token, index, HOUR)
  for (let i = 0; i < 100_000; i += 1) {
    cache.set(draw(), -1, HOUR)
    if (cache.size > 1000) t.fail(`${cache.size} are kept`)
    // Each comes once while two hundred strangers do.
    if (i % 2 === 0) cache.get(regulars[(i / 2) % regulars.length] ?? '')
  }
  t.true(cache.size > 500)
  t.deepEqual(
    regulars.map((token) => cache.get(token)),
    regulars.map((_, index) => index),
  )
})

test('K-03 of long tokens fewer are kept', (t) => {
  const cache = createTokenCache<string>(createClock(), 1000)
  for (let i = 0; i < 2000; i += 1) cache.set(draw(8192), 'long', HOUR)
  // 1000 times 1024 characters.
  t.true(cache.size <= 1000 / 8 + 2, `${cache.size}`)
  t.true(cache.size > 50, `${cache.size}`)
})

test('the smallest ones hold what they may', (t) => {
  for (const [max, most] of [
    [0, 0],
    [1, 2],
    [2, 2],
    [3, 2],
  ] as const) {
    const cache = createTokenCache<string>(createClock(), max)
    for (let i = 0; i < 10; i += 1) cache.set(draw(), 'known', HOUR)
    t.is(cache.size, most, `${max}`)
  }
})

test.serial('tokens themselves are not kept', (t) => {
  const cache = createTokenCache<true>(createClock(), 10_000)
  const before = bytesUsed()
  for (let i = 0; i < 5000; i += 1) cache.set(draw(1000), true, HOUR)
  const grown = bytesUsed() - before
  t.is(cache.size, 5000)
  t.true(grown < 5000 * 300, `${grown / 5000} bytes a token of 1000`)
})
