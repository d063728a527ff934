// How records are written down. A record is `version expires payload` in a key of its own; an entry of the revocation list
// is a line `expires TAB key [TAB payload]`, in ASCII, so that text can be cut anywhere and measured in bytes.

import { drawNumber } from '../../random.ts'
import type { Milliseconds } from '../../time.ts'
import { NEVER, type NewRecord, type StoreRecord } from '../store.ts'

/** The longest key and the longest line of an entry; what is longer is not written, and not believed when read. */
const MAX_KEY = 64 * 1024
export const MAX_LINE: number = 256 * 1024

const RECORD = /^(\d{1,16}) (\S{1,24}) ([^]+)$/
const MAX_DIGITS = 16
const TAB = 9
const PLAIN = /^[ !#-[\]-~]*$/

// A version is the number of an incarnation of the record, which its entry in the index carries too, and of a write.
const WRITE_BITS = 29
const INCARNATION_BITS = 24

/** Draws a version for a new record, or for the next write of one. Drawn, since what counts can be set back by a failover. */
export function drawVersion(previous?: number): number {
  const incarnation = previous === undefined ? drawNumber(INCARNATION_BITS) : incarnationOf(previous)
  return incarnation * 2 ** WRITE_BITS + (drawNumber(WRITE_BITS) || 1)
}

/** Whether text can be a version. Each entry of the stream has two, and no expression is as quick as this. */
export function isVersion(text: string): boolean {
  if (text.length === 0 || text.length > MAX_DIGITS) return false
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 48
    if (!(digit >= 0 && digit <= 9)) return false
  }
  return true
}

/** What stays the same from the first write of a record to its end. */
export function incarnationOf(version: number): number {
  return Math.floor(version / 2 ** WRITE_BITS)
}

/** Text as printable ASCII without tabs and line ends, one to one. */
export function escape(text: string): string {
  if (PLAIN.test(text)) return text
  return toAscii(JSON.stringify(text)).slice(1, -1)
}

/** The text that was escaped, or undefined if that is none. */
export function unescape(escaped: string): string | undefined {
  if (PLAIN.test(escaped)) return escaped
  const text = parseJson(`"${escaped}"`)
  return typeof text === 'string' ? text : undefined
}

function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The value and the group of a record. */
export function toPayload({ value, group }: Pick<NewRecord, 'value' | 'group'>): string {
  return value === null && group === undefined ? BARE : toAscii(JSON.stringify({ v: value, g: group }))
}

/** The payload of a record without a group whose value is null: as a rule that of revocations, whose lines leave it out. */
export const BARE = '{"v":null}'

/** Reads a record; undefined for what is none. */
export function parseRecord(key: string, raw: unknown): StoreRecord | undefined {
  const [, version, expires, payload] = RECORD.exec(textOf(raw) ?? '') ?? []
  const content = parsePayload(payload ?? '')
  if (content === undefined) return undefined
  return { key, ...content, expires: Number(expires), version: Number(version) }
}

function parsePayload(payload: string): Pick<NewRecord, 'value' | 'group'> | undefined {
  const parsed = parseJson(payload)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
  const { v: value, g: group } = parsed as { v?: unknown; g?: unknown }
  return { value, ...(typeof group === 'string' && { group }) }
}

/**
 * The line of an entry, without its end.
 *
 * @throws RangeError when it is too long: processes that read it would ignore it
 */
export function toLine(record: NewRecord): string {
  const { expires } = record
  const key = escape(record.key)
  const payload = toPayload(record)
  const line = payload === BARE ? `${expires}\t${key}` : `${expires}\t${key}\t${payload}`
  if (key.length > MAX_KEY || line.length > MAX_LINE) throw new RangeError('revocation: its key or value is too long')
  return line
}

/** Reads a line; undefined for what is none. */
export function parseLine(line: string): NewRecord | undefined {
  return parseLineAt(line, 0, line.length, false)
}

/** Whether no key in this text is escaped and no value written: a look at all of it is cheaper than one at each line. */
export function isPlain(text: string): boolean {
  return !text.includes('"') && !text.includes('\\')
}

/** Reads the line that stands there in a text; a million of them come at once. */
export function parseLineAt(text: string, start: number, end: number, isKnownPlain: boolean): NewRecord | undefined {
  let expires = 0
  let at = start
  for (; at < end && at < start + MAX_DIGITS; at += 1) {
    const digit = text.charCodeAt(at) - 48
    if (!(digit >= 0 && digit <= 9)) break
    expires = expires * 10 + digit
  }
  if (at === start || text.charCodeAt(at) !== TAB || at >= end || expires > NEVER || end - start > MAX_LINE)
    return undefined
  if (isKnownPlain) {
    const key = text.slice(at + 1, end)
    return key.length <= MAX_KEY && !key.includes('\t') ? { key, value: null, expires } : undefined
  }
  const [escaped = '', payload, ...more] = text.slice(at + 1, end).split('\t')
  const key = escaped.length > MAX_KEY || more.length > 0 ? undefined : unescape(escaped)
  if (key === undefined) return undefined
  if (payload === undefined) return { key, value: null, expires }
  const content = parsePayload(payload)
  return content && { key, ...content, expires }
}

/** The time of which a bucket has what expires in it. */
export const BUCKET: Milliseconds = 60_000

/** The name of a line's bucket; what is packed follows it there. */
export function bucketOf(expires: Milliseconds): string {
  return expires >= NEVER ? 'never' : String(Math.floor(expires / BUCKET))
}

/** When everything in a bucket has expired. */
export function endOf(bucket: string): Milliseconds {
  return bucket === 'never' ? Infinity : (Number.parseInt(bucket, 10) + 1) * BUCKET
}

/** An answer as text: clients may answer bytes. */
export function textOf(reply: unknown): string | undefined {
  if (typeof reply === 'string') return reply
  return Buffer.isBuffer(reply) ? reply.toString() : undefined
}

/** @throws nothing: answers undefined for what is no JSON */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
