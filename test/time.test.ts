// Durations: whole seconds within limits, or a TypeError that names the option.

import test from 'ava'
import * as fc from 'fast-check'

import { createSessionKit, memoryStore } from '../src/index.ts'
import { describe } from '../src/describe.ts'
import { parseDuration, toNumericDate } from '../src/time.ts'

for (const [value, seconds] of [
  [1, 1],
  [900, 900],
  [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ['1s', 1],
  ['15m', 900],
  ['15 m', 900],
  ['15 minutes', 900],
  ['15 Min', 900],
  ['8h', 28_800],
  ['30 days', 2_592_000],
  ['30d', 2_592_000],
  ['2w', 1_209_600],
  ['1.5m', 90],
  ['0.5h', 1800],
  ['2000ms', 2],
  ['1y', 31_557_600],
] as const) {
  test(`${JSON.stringify(value)} is ${seconds} seconds`, (t) => t.is(parseDuration(value, 'lifetime'), seconds))
}

const NO_NUMBERS = [NaN, Infinity, -Infinity, 0, -1, 0.5, 1.5, 2 ** 53, 1e300]
// Without a unit `ms` takes milliseconds, and 60000 of them would be whole seconds.
const NO_UNITS = [
  '',
  ' ',
  '15',
  '60000',
  '900000 ',
  '15mm',
  'm',
  'm15',
  '1h30m',
  'P1D',
  '15 fortnights',
  '15 constructor',
  '15 toString',
]
const NO_SPELLINGS = [
  '-15m',
  '+15m',
  '15m ',
  ' 15m',
  '15m\n',
  '15  m',
  '15\u0000m',
  '1,5h',
  '.5h',
  '1.h',
  '1_000s',
  '١٥m',
]
const NO_DECIMALS = ['1e3s', '0x10s', 'Infinity s', '999999999999y', `${'9'.repeat(200)}s`, `1${' '.repeat(200)}s`]
const NO_WHOLE_SECONDS = ['0s', '0m', '1ms', '1500ms', '0.5s', '0.0001h']
const NO_SCALARS = [[], ['15m'], [15], {}, { valueOf: () => 900 }, { toString: () => '15m' }, Object.create(null)]
const OTHERS = [undefined, null, true, 900n, Symbol('15m'), () => 900, new Date(900), Object(900), Object('15m')]

const wrong: unknown[] = [NO_NUMBERS, NO_UNITS, NO_SPELLINGS, NO_DECIMALS, NO_WHOLE_SECONDS, NO_SCALARS, OTHERS].flat()

for (const [index, value] of wrong.entries()) {
  test(`${describe(value)} is no duration (${index}: ${typeof value})`, (t) => {
    const error = t.throws<Error>(() => parseDuration(value, 'session.absolute'), { instanceOf: TypeError })
    t.true(error?.message.startsWith('session.absolute: expected '))
    t.true((error?.message.length ?? 0) < 200)
  })
}

test('limits are inclusive', (t) => {
  const limits = { min: 60, max: 3600 }
  t.is(parseDuration('1m', 'x', limits), 60)
  t.is(parseDuration('1h', 'x', limits), 3600)
  for (const value of ['59s', 59, '3601s', 3601, 0, -60]) {
    t.throws(() => parseDuration(value, 'x', limits), { instanceOf: TypeError, message: /^x: expected 60 to 3600 / })
  }
  t.is(parseDuration(0, 'x', { min: 0 }), 0)
  t.is(parseDuration('0s', 'x', { min: 0 }), 0)
})

// The units as `ms` documents them, in seconds.
const UNITS = {
  s: 1,
  sec: 1,
  second: 1,
  m: 60,
  min: 60,
  minute: 60,
  h: 3600,
  hr: 3600,
  hour: 3600,
  d: 86_400,
  day: 86_400,
  w: 604_800,
  week: 604_800,
}
const unit = fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[]))

test('a whole number with a unit is that many seconds', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), unit, fc.constantFrom('', ' '), (number, name, space) => {
      t.is(parseDuration(number + space + name, 'x'), number * UNITS[name])
      t.is(parseDuration(number + space + name.toUpperCase(), 'x'), number * UNITS[name])
    }),
  )
})

test('a fraction that comes to whole seconds is taken, whatever binary fractions make of it', (t) => {
  for (let tenths = 1; tenths <= 300; tenths += 1) {
    t.is(parseDuration(`${(tenths / 10).toFixed(1)}h`, 'x'), tenths * 360)
    t.is(parseDuration(`${(tenths / 10).toFixed(1)}m`, 'x'), tenths * 6)
    t.is(parseDuration(`${(tenths / 10).toFixed(1)}d`, 'x'), tenths * 8640)
  }
})

const anything = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withNullPrototype: true,
    withBoxedValues: true,
    withTypedArray: true,
  }),
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.stringMatching(/^\d{1,14}(\.\d{1,7})? ?[a-z]{1,14}$/),
  fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), unit).map(([number, name]) => number + name),
)

test('every value gives whole seconds within the limits or a TypeError that begins with the name of the option', (t) => {
  const span = fc
    .tuple(fc.nat(1_000_000), fc.nat(1_000_000))
    .map(([min, more]) => ({ min: min + 1, max: min + 1 + more }))
  fc.assert(
    fc.property(anything, fc.option(span, { nil: undefined }), (value, limits) => {
      try {
        const seconds = parseDuration(value, 'some.option', limits)
        return Number.isSafeInteger(seconds) && seconds >= (limits?.min ?? 1) && seconds <= (limits?.max ?? Infinity)
      } catch (error) {
        const { constructor, message } = error as Error
        return constructor === TypeError && message.startsWith('some.option: expected ') && message.length < 250
      }
    }),
    { numRuns: 10_000 },
  )
  t.pass()
})

test('the options of the kit that are durations are read like this', async (t) => {
  const given = { issuer: 'http://localhost', store: memoryStore() }
  for (const [options, name] of [
    [{ accessToken: { lifetime: '15' } }, 'accessToken.lifetime'],
    [{ accessToken: { lifetime: 0 } }, 'accessToken.lifetime'],
    [{ accessToken: { lifetime: '2h' } }, 'accessToken.lifetime'],
    [{ accessToken: { maxLifetime: '2d' } }, 'accessToken.maxLifetime'],
    [{ session: { absolute: 'soon' } }, 'session.absolute'],
    [{ session: { absolute: '2y' } }, 'session.absolute'],
    [{ clockTolerance: '6m' }, 'clockTolerance'],
    [{ clockTolerance: -1 }, 'clockTolerance'],
  ] as const) {
    const error = await t.throwsAsync<Error>(createSessionKit({ ...given, ...options }), { instanceOf: TypeError })
    t.true(error?.message.startsWith(`${name}: expected `), name)
  }
})

test('a numeric date has no fraction, before 1970 either', (t) => {
  for (const [time, seconds] of [
    [0, 0],
    [999, 0],
    [1000, 1],
    [-1, -1],
    [1_700_000_000_999, 1_700_000_000],
  ] as const) {
    t.is(toNumericDate(time), seconds)
  }
})

test('a description of a value is one short line, and never repeats a long string', (t) => {
  fc.assert(
    fc.property(anything, (value) => {
      const text = describe(value)
      return text.length < 300 && !/[\r\n]/.test(text)
    }),
  )
  t.is(describe('x'.repeat(41)), 'a string of 41 characters')
})
