// Durations and clocks: the only place that knows `ms`, and that milliseconds and seconds differ.

import ms from 'ms'

import { describe } from './describe.ts'

/** A span or an instant in whole seconds; an instant is an RFC 7519 NumericDate. */
export type Seconds = number
/** A span or an instant in milliseconds since the epoch. */
export type Milliseconds = number
/** A number of seconds, or a number with a unit: `'15m'`, `'8h'`, `'30 days'`. */
export type Duration = Seconds | string
/** Answers the current time. The default is `Date.now`. */
export type Clock = () => Milliseconds

// `ms('15')` is 15 milliseconds and `ms('abc')` undefined: the unit is demanded here, before `ms` sees it.
const NUMBER_AND_UNIT = /^\d{1,12}(?:\.\d{1,6})? ?[a-z]{1,12}$/i

/**
 * Reads a duration option.
 *
 * @param value - seconds, or a number with a unit
 * @param name - the option's name, for the error message
 * @param limits - the least and the most that is accepted, in seconds
 * @returns whole seconds
 * @throws TypeError when the value is no duration, is not whole seconds, or is out of range
 */
export function parseDuration(value: unknown, name: string, limits: { min?: Seconds; max?: Seconds } = {}): Seconds {
  const { min = 1, max = Number.MAX_SAFE_INTEGER } = limits
  const seconds = toSeconds(value)
  if (seconds === undefined || !Number.isSafeInteger(seconds)) {
    throw new TypeError(
      `${name}: expected whole seconds, or a number with a unit such as '15m', got ${describe(value)}`,
    )
  }
  if (seconds < min || seconds > max) {
    throw new TypeError(`${name}: expected ${min} to ${max} seconds, got ${describe(value)}`)
  }
  return seconds
}

/**
 * Reads a duration option that may be shorter than a second.
 *
 * @param value - seconds, or a number with a unit
 * @returns whole milliseconds
 * @throws TypeError when the value is no duration, is not whole milliseconds, or is out of range
 */
export function parseMilliseconds(
  value: unknown,
  name: string,
  { min, max }: { readonly min: Milliseconds; readonly max: Milliseconds },
): Milliseconds {
  const milliseconds = Math.round((toSeconds(value) ?? NaN) * 1000)
  if (milliseconds >= min && milliseconds <= max) return milliseconds
  throw new TypeError(
    `${name}: expected seconds, or a number with a unit, from ${min} ms to ${max} ms, got ${describe(value)}`,
  )
}

function toSeconds(value: unknown): Seconds | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || !NUMBER_AND_UNIT.test(value)) return undefined
  // The cast is safe: `ms` answers undefined, which the type does not say, for a unit it does not know.
  const milliseconds = ms(value as ms.StringValue) as number | undefined
  // Rounded, since '1.1h' is no whole number of milliseconds in binary.
  return milliseconds === undefined ? undefined : Math.round(milliseconds) / 1000
}

/** A span in words, rounded to its largest unit: `'3 minutes'`. */
export function describeSpan(span: Milliseconds): string {
  return ms(Math.abs(span), { long: true })
}

/** The instant of `time` as an RFC 7519 NumericDate without its fraction. */
export function toNumericDate(time: Milliseconds): Seconds {
  return Math.floor(time / 1000)
}

/**
 * A clock that does not go back when the other one does: what has expired by it stays expired. Where the other one
 * answers no number, neither does this one.
 */
export function createSteadyClock(clock: Clock): Clock {
  let latest = 0
  return () => {
    const now = clock()
    if (!Number.isFinite(now)) return NaN
    if (now > latest) latest = now
    return latest
  }
}
