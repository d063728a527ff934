// Reads a Set-Cookie line as browsers do, whatever is in it: RFC 6265bis sections 5.1.1 (dates) and 5.6.

import type { Milliseconds } from '../time.ts'

/** What a line says, unchecked. */
export interface SetCookie {
  readonly name: string
  readonly value: string
  /** By their names in lower case. */
  readonly attributes: ReadonlyMap<string, string>
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/
const LONGEST_LIFE = 400 * 86_400_000

/** Takes a line apart; undefined for one that is ignored as a whole. */
export function parseSetCookie(line: string): SetCookie | undefined {
  if (CONTROL.test(line)) return undefined
  const [pair = '', ...rest] = line.split(';')
  const { name, value } = pair.includes('=') ? split(pair) : { name: '', value: trim(pair) }
  const size = Buffer.byteLength(name + value)
  if (size === 0 || size > 4096) return undefined
  // The last of two attributes of one name wins; one whose value is too long is not there (section 5.6 step 6).
  const attributes = rest
    .map(split)
    .filter((attribute) => Buffer.byteLength(attribute.value) <= 1024)
    .map((attribute) => [attribute.name.toLowerCase(), attribute.value] as const)
  return { name, value, attributes: new Map(attributes) }
}

function split(text: string): { name: string; value: string } {
  const at = text.indexOf('=')
  return at < 0 ? { name: trim(text), value: '' } : { name: trim(text.slice(0, at)), value: trim(text.slice(at + 1)) }
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}

/**
 * When the cookie goes; undefined when that is with the browser. Max-Age wins over Expires; what is no date or no number
 * is as if it were not there; 400 days is the most.
 */
export function readExpiry(attributes: SetCookie['attributes'], now: Milliseconds): Milliseconds | undefined {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) {
    return Number(maxAge) <= 0 ? -Infinity : now + Math.min(Number(maxAge) * 1000, LONGEST_LIFE)
  }
  const date = parseDate(attributes.get('expires') ?? '')
  return date && Math.min(date, now + LONGEST_LIFE)
}

const DELIMITERS = /[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+/
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
// In the order in which a token is tried. Each takes the first token that fits.
const FIELDS = [
  ['time', /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)/],
  ['day', /^(\d{1,2})(?:\D|$)/],
  ['month', new RegExp(`^(${MONTHS.join('|')})`, 'i')],
  ['year', /^(\d{2,4})(?:\D|$)/],
] as const

/** No `Date.parse`, which takes more, ISO dates among it. */
function parseDate(text: string): Milliseconds | undefined {
  const found: Partial<Record<(typeof FIELDS)[number][0], readonly string[]>> = {}
  for (const token of text.split(DELIMITERS)) {
    const field = FIELDS.find(([name, pattern]) => found[name] === undefined && pattern.test(token))
    if (field !== undefined) found[field[0]] = field[1].exec(token)?.slice(1) ?? []
  }
  if (FIELDS.some(([name]) => found[name] === undefined)) return undefined
  const [hour = NaN, minute = NaN, second = NaN] = found.time?.map(Number) ?? []
  const day = Number(found.day?.[0])
  const month = MONTHS.indexOf(found.month?.[0]?.toLowerCase() ?? '')
  const year = toFullYear(Number(found.year?.[0]))
  if (minute > 59 || second > 59) return undefined
  const date = new Date(Date.UTC(year, month, day, hour, minute, second))
  // Not the 31st of February.
  return date.getUTCMonth() === month && date.getUTCDate() === day ? date.getTime() : undefined
}

function toFullYear(year: number): number {
  if (year >= 100) return year
  return year < 70 ? year + 2000 : year + 1900
}
