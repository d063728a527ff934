// koa-session tells by CRC-32 whether the data changed. Whoever chooses a part of the data must not be able to make a
// change look like none: a counter of attempts beside a name that the user types would stand still.

import { crc32 } from 'node:zlib'

import test from 'ava'

import { bearer, createTestApp } from '../helpers/app.ts'

const DIGITS = '0123456789abcdef'
const HALF = 5

/** Ten hex digits that make the text around them have this CRC-32, which is affine: meet in the middle. */
function collide(before: string, after: string, wanted: number): string {
  const zeros = '0'.repeat(2 * HALF)
  const crcOf = (digits: string): number => crc32(before + digits + after)
  const base = crcOf(zeros)
  const effects = Array.from({ length: 2 * HALF }, (_, at) =>
    Array.from(DIGITS, (digit) => (crcOf(zeros.slice(0, at) + digit + zeros.slice(at + 1)) ^ base) >>> 0),
  )
  const effectOf = (digits: string, from: number): number =>
    Array.from(digits).reduce(
      (sum, digit, i) => (sum ^ (effects[from + i]?.[Number.parseInt(digit, 16)] ?? 0)) >>> 0,
      0,
    )
  const halves = Array.from({ length: 16 ** HALF }, (_, i) => i.toString(16).padStart(HALF, '0'))
  const firsts = new Map(halves.map((half) => [effectOf(half, 0), half]))
  for (const second of halves) {
    const first = firsts.get((wanted ^ base ^ effectOf(second, HALF)) >>> 0)
    if (first !== undefined) return first + second
  }
  throw new Error('no collision among 2^40 texts')
}

test('a change of the data that keeps its CRC-32 is stored', async (t) => {
  const app = await createTestApp({
    mount(_koa, kit, router) {
      router.post('/try', kit.protect(), (ctx) => {
        const { session } = ctx as unknown as { session: { name: string; tries?: number } }
        session.name = ctx.query['name'] as string
        session.tries = (session.tries ?? 0) + 1
        ctx.body = session
      })
    },
  })
  t.teardown(app.close)
  const { token, cookie } = await app.login()
  const attempt = (name: string) => app.request('POST', `/try?name=${name}`, bearer({ token, cookie }))
  const { text } = await attempt('a')
  t.is(text, '{"name":"a","tries":1}')
  const name = collide('{"name":"', '","tries":2}', crc32(text))
  t.is(crc32(`{"name":"${name}","tries":2}`), crc32(text))
  t.is((await attempt(name)).json['tries'], 2)
  t.is((await attempt('b')).json['tries'], 3)
})
