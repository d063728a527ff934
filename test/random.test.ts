// What is drawn: never the same twice, also where the supply is renewed, and every bit of it as often set as not.

import test from 'ava'

import { drawNumber, drawText } from '../src/random.ts'

test('IS-05 nothing is drawn twice, and nothing has been wiped before it is handed out', (t) => {
  const drawn = new Set<string>()
  // No length divides the supply, so some draws come at its end.
  for (const bytes of [16, 31, 32, 33, 50]) for (let i = 0; i < 2000; i += 1) drawn.add(drawText(bytes, 'hex'))
  t.is(drawn.size, 10_000)
  for (const text of drawn) t.false(/(?:00){4}$/.test(text), text)
})

test('IS-05 every bit is set about half of the time', (t) => {
  const counts = Array.from({ length: 128 }, () => 0)
  const draws = 4000
  for (let i = 0; i < draws; i += 1) {
    const bytes = Buffer.from(drawText(16, 'base64url'), 'base64url')
    t.is(bytes.length, 16)
    for (const bit of counts.keys()) counts[bit] = (counts[bit] ?? 0) + (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1)
  }
  // Seven standard deviations: once in 10^9 runs.
  const most = 7 * Math.sqrt(draws / 4)
  for (const [bit, count] of counts.entries()) t.true(Math.abs(count - draws / 2) < most, `bit ${bit}: ${count}`)
})

test('what is asked for is what comes, up to the whole supply', (t) => {
  t.is(drawText(4096, 'hex').length, 8192)
  t.is(drawText(1, 'hex').length, 2)
})

for (const bits of [1, 24, 29, 32]) {
  test(`a number of ${bits} bits has each of them set about half of the time, and no more`, (t) => {
    const draws = 4000
    const most = 7 * Math.sqrt(draws / 4) // as above
    const numbers = Array.from({ length: draws }, () => drawNumber(bits))
    for (const number of numbers) t.true(Number.isInteger(number) && number >= 0 && number < 2 ** bits, String(number))
    for (let bit = 0; bit < bits; bit += 1) {
      const count = numbers.filter((number) => (number >>> bit) & 1).length
      t.true(Math.abs(count - draws / 2) < most, `bit ${bit}: ${count}`)
    }
  })
}
