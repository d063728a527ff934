// Reads the whole revocation list: first where the stream is, then the buckets in pieces, as far as they went at that
// moment. What is not of our making is left out and counted.

import type { Clock } from '../../time.ts'
import { NEVER, type NewRecord } from '../store.ts'
import { type Commands, createScript } from './commands.ts'
import { createLedger, type Ledger } from './ledger.ts'
import type { Report } from './problems.ts'
import type { Names } from './revocations.ts'
import { BUCKET, endOf, isPlain, MAX_LINE, parseLineAt, textOf } from './wire.ts'

/** A place in the history of the list: the version of the last write, and the last id in the stream. */
export interface Head {
  readonly version: string
  readonly id: string
}

/** Everything, and where to go on. */
export interface Snapshot {
  readonly head: Head
  readonly ledger: Ledger
}

// Like every script here that only reads it also writes, for form's sake: a replica refuses to run it, and so does a
// master that has lost its replicas, where the server is told to demand some.
const OPEN = createScript(`
redis.call('PERSIST', KEYS[1])
local lengths = {}
for i = 4, #KEYS do lengths[i - 3] = redis.call('STRLEN', KEYS[i]) end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', '1')[1]
local head = {redis.call('GET', KEYS[1]) or '', last and last[1] or '0-0'}
return {head, redis.call('ZRANGE', KEYS[2], 0, -1), lengths}`)

const BEAT = createScript(`
redis.call('PERSIST', KEYS[1])
return redis.call('GET', KEYS[1]) or ''`)

const PIECE = 256 * 1024
const AHEAD = 3
const MAX_BUCKETS = 20_000
const TRIES = 5
const BUCKET_NAME = /^(?:never|\d{1,12})$/

/** Asks the master for the version of the last write. */
export async function readHead(commands: Commands, names: Names): Promise<string> {
  return toVersion(await commands.run(BEAT, [names.head], []))
}

/** The start of the history is a head too. */
function toVersion(reply: unknown): string {
  const version = textOf(reply)
  if (version === undefined) throw new Error('Redis: an unexpected answer')
  return version === '' ? '0' : version
}

/**
 * Reads everything and tells it.
 *
 * @param options.known - what was told before: where a bucket begins with the same, that is not told again
 */
export async function readSnapshot(options: {
  readonly commands: Commands
  readonly names: Names
  readonly clock: Clock
  readonly known: Ledger
  readonly tell: (record: NewRecord) => void
  readonly report: Report
}): Promise<Snapshot> {
  const { commands, names, clock, known, tell, report } = options
  const { head, buckets } = await open(commands, names, clock)
  const ledger = createLedger()
  let foreign = 0

  /** Takes whole lines. */
  function take(bucket: string, text: string): void {
    const offset = ledger.bytes(bucket).length
    const before = known.bytes(bucket).subarray(offset, offset + text.length)
    if (before.length === text.length && before.equals(Buffer.from(text, 'latin1'))) {
      ledger.add(bucket, text)
      return
    }
    const [now, areKnownPlain, last] = [clock(), isPlain(text), Math.min(endOf(bucket) - 1, NEVER)]
    const first = bucket === 'never' ? NEVER : endOf(bucket) - BUCKET
    const kept: string[] = []
    let [from, start] = [0, 0]
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      // What was deleted is blank.
      const record = end === start ? undefined : parseLineAt(text, start, end, areKnownPlain)
      const isOurs = record !== undefined && record.expires >= first && record.expires <= last
      if (isOurs && record.expires > now) tell(record)
      if (!isOurs && end > start) {
        foreign += 1
        kept.push(text.slice(from, start))
        from = end + 1
      }
      start = end + 1
    }
    ledger.add(bucket, kept.join('') + text.slice(from))
  }

  for (const { name, length } of buckets) {
    let rest = ''
    let isTooLong = false
    for await (const piece of readBucket(commands, names.bucket(name), length)) {
      const end = piece.lastIndexOf('\n') + 1
      if (end > 0 && isTooLong) take(name, piece.slice(piece.indexOf('\n') + 1, end))
      else if (end > 0) take(name, rest + piece.slice(0, end))
      if (end > 0) isTooLong = false
      rest = end > 0 ? piece.slice(end) : rest + piece
      if (rest.length <= MAX_LINE) continue
      // The end of a line that is no line is skipped.
      if (!isTooLong) foreign += 1
      isTooLong = true
      rest = ''
    }
    if (rest !== '' && !isTooLong) foreign += 1
  }
  if (foreign > 0) report('revocations: what is no entry was ignored in the list', foreign)
  return { head, ledger }
}

async function open(
  commands: Commands,
  names: Names,
  clock: Clock,
): Promise<{ head: Head; buckets: { name: string; length: number }[] }> {
  let found: string[] = []
  for (let tries = 0; tries < TRIES; tries += 1) {
    const keys = [names.head, names.buckets, names.stream, ...found.map(names.bucket)]
    const reply = await commands.run(OPEN, keys, [])
    const [head, all, lengths] = Array.isArray(reply) ? (reply as unknown[]) : []
    if (!Array.isArray(all) || !Array.isArray(lengths)) throw new Error('Redis: an unexpected answer')
    const live = all.map(String).filter((name) => BUCKET_NAME.test(name) && endOf(name) > clock())
    if (live.length > MAX_BUCKETS) throw new Error(`Redis: more than ${MAX_BUCKETS} buckets`)
    // The lengths belong to the names that were asked for.
    if (live.join() === found.join()) {
      const [version, id] = Array.isArray(head) ? (head as unknown[]) : []
      return {
        head: { version: toVersion(version), id: textOf(id) ?? '0-0' },
        buckets: found.map((name, i) => ({ name, length: Number(lengths[i]) })),
      }
    }
    found = live
  }
  throw new Error('Redis: the buckets change faster than they can be read')
}

/** The bytes up to this length, as text, with some pieces asked for ahead. */
async function* readBucket(commands: Commands, key: string, length: number): AsyncGenerator<string> {
  const asked: Promise<unknown>[] = []
  let offset = 0
  for (let given = 0; given < length; given += PIECE) {
    for (; offset < length && asked.length < AHEAD; offset += PIECE) {
      const last = Math.min(offset + PIECE, length) - 1
      const answer = commands.send(key, ['GETRANGE', key, String(offset), String(last)])
      // Whoever reads on hears of it; if nobody does, that is no reason to end the process.
      answer.catch(() => {})
      asked.push(answer)
    }
    const piece = textOf(await asked.shift())
    if (piece === undefined) throw new Error('Redis: an unexpected answer')
    // A bucket that went meanwhile has expired, or all was flushed, or a replica answered that does not have it yet.
    const expected = Math.min(PIECE, length - given)
    if (piece.length < expected && !/[\u0080-\uffff]/.test(piece)) throw new Error('Redis: a bucket became shorter')
    yield piece
  }
}
