// The revocation list in Redis, all of it in one slot. One script writes the record, appends its entry to the bucket of
// the minute in which it expires, tells the stream, and moves the head, which names the last write: each entry of the
// stream also names the one before, so whoever has followed from one head to another has missed nothing.

import type { Clock, Milliseconds } from '../../time.ts'
import { NEVER, type NewRecord } from '../store.ts'
import { type Commands, createScript } from './commands.ts'
import { toEntry } from './packed.ts'
import { LUA_LIVE } from './sessions.ts'
import { createReader, type Table, toDone } from './table.ts'
import { BARE, BUCKET, drawVersion, escape, toLine, toPayload } from './wire.ts'

// Whoever falls further behind reads the buckets again.
const STREAM_LENGTH = 50_000
// Buckets outlive what is in them, for processes whose clocks differ.
const SLACK: Milliseconds = 600_000

// ARGV: mode, now, expires, version, the version to swap, payload, line, bucket, and the entry, empty for the line with its
// end. The record is written last: an error before leaves the revocation told and not acknowledged, never the other way
// round. `set` does not shorten: a command that a client kept while it had no connection may come late. The bucket is
// filed each time, since somebody else may have made it.
const WRITE = createScript(`${LUA_LIVE}
local mode, now, expires = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local raw = redis.call('GET', KEYS[1])
local version, till = live(raw, ARGV[2])
if mode == 'add' and version then return 0 end
if mode == 'swap' and version ~= ARGV[5] then return 0 end
local hasBucket = version and redis.call('EXISTS', KEYS[4]) == 1
if mode == 'restore' and version and tonumber(till) >= expires and hasBucket then return 0 end
if expires <= now then
  redis.call('DEL', KEYS[1])
  return 1
end
local minute = tonumber(string.match(ARGV[8], '^%d+'))
local isTold = version and hasBucket and raw == version .. ' ' .. ARGV[3] .. ' ' .. ARGV[6]
if not isTold then
  local ends = minute and (minute + 1) * ${BUCKET}
  redis.call('ZADD', KEYS[5], ends or '+inf', ARGV[8])
  local entry = ARGV[9]
  if entry == '' then entry = ARGV[7] .. '\\n'
  else entry = string.rep('\\0', -redis.call('STRLEN', KEYS[4]) % #entry) .. entry end
  if redis.call('APPEND', KEYS[4], entry) == #entry then
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - ${SLACK})
    if ends then redis.call('PEXPIRE', KEYS[4], math.ceil(ends - now + ${SLACK})) end
  end
  local last = redis.call('SET', KEYS[2], ARGV[4], 'GET') or '0'
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', '${STREAM_LENGTH}', '*', 'p', last, 'v', ARGV[4], 'l', ARGV[7])
end
if version and mode ~= 'swap' and tonumber(till) > expires then
  redis.call('SET', KEYS[1], ARGV[4] .. ' ' .. till .. ' ' .. ARGV[6], 'KEEPTTL')
else
  local record = ARGV[4] .. ' ' .. ARGV[3] .. ' ' .. ARGV[6]
  if minute then redis.call('SET', KEYS[1], record, 'PX', math.ceil(expires - now))
  else redis.call('SET', KEYS[1], record) end
end
return 1`)

// ARGV: now, what the names of buckets begin with, the length of a bucket's time, NEVER, the key in a line, the payload
// that a line leaves out, and for what could be packed the end of its bucket's name and its entry. Also blanks what the
// record's bucket has of it, for those who read the list later; who has heard of it is not told, since nothing that can be
// sent takes an entry off a list.
const DELETE = createScript(`${LUA_LIVE}
local raw = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
local version, expires = live(raw, ARGV[1])
if not version then return 0 end
local bucket = ARGV[2] .. (expires == ARGV[4] and 'never' or string.format('%d', math.floor(expires / ARGV[3])))
local payload = string.sub(raw, #version + #expires + 3)
local isBare = payload == ARGV[6]
local function blank(name, entry, before, filler)
  local all, from = before .. (redis.call('GET', name) or ''), 1
  while true do
    local start, stop = string.find(all, entry, from, true)
    if not start then return end
    redis.call('SETRANGE', name, start - 1, string.rep(filler, #entry - #before))
    from = stop
  end
end
blank(bucket, '\\n' .. expires .. '\\t' .. ARGV[5] .. (isBare and '' or '\\t' .. payload) .. '\\n', '\\n', '\\n')
if isBare and ARGV[8] ~= '' then blank(bucket .. ARGV[7], ARGV[8], '', '\\0') end
return 1`)

/** The names of the keys, in one slot. */
export interface Names {
  readonly head: string
  readonly stream: string
  readonly buckets: string
  bucket(name: string): string
  record(key: string): string
}

/** Names the keys. */
export function createNames(prefix: string): Names {
  const base = `${prefix}{r}:`
  return {
    head: `${base}head`,
    stream: `${base}stream`,
    buckets: `${base}buckets`,
    bucket: (name) => `${base}b:${name}`,
    record: (key) => `${base}k:${escape(key)}`,
  }
}

/** Hears of each write before it is sent, and what was answered. */
export interface WriteObserver {
  sent(version: number, line: string): void
  answered(version: number, isWritten: boolean): void
}

/** The table, and what its followers need. */
export interface RevocationTable extends Table {
  /** Writes unless the list has it, or has it for longer. */
  restore(record: NewRecord): Promise<void>
}

/** Makes the table. */
export function createRevocationTable(options: {
  readonly commands: Commands
  readonly clock: Clock
  readonly prefix: string
  readonly keyPrefix: string
  readonly observer: WriteObserver
}): RevocationTable {
  const { commands, clock, prefix, keyPrefix, observer } = options
  const names = createNames(prefix)
  const reader = createReader({ commands, clock, keyPrefix, nameOf: names.record })

  async function write(
    mode: 'set' | 'add' | 'swap' | 'restore',
    record: NewRecord,
    previous?: number,
  ): Promise<boolean> {
    const { key } = record
    if (Number.isNaN(record.expires)) throw new TypeError('expires: expected a number, got NaN')
    const expires = Math.min(NEVER, Math.ceil(record.expires))
    const [now, version, written] = [clock(), drawVersion(previous), { ...record, expires }]
    const line = toLine(written)
    const { bucket, bytes, isPacked } = toEntry(written, line)
    const keys = [names.record(key), names.head, names.stream, names.bucket(bucket), names.buckets]
    const parameters = [
      mode,
      now,
      expires,
      version,
      previous ?? '',
      toPayload(record),
      line,
      bucket,
      isPacked ? bytes : '',
    ]
    observer.sent(version, line)
    let done = false
    let isThere = false
    try {
      done = await commands.run(WRITE, keys, parameters).then(toDone)
      // What another has written back counts as if it were ours: it may be lost once more before we have heard of it.
      isThere = done || mode === 'restore'
    } finally {
      observer.answered(version, isThere)
    }
    return done
  }

  return {
    get: reader.get,
    set: async (record) => void (await write('set', record)),
    add: (record) => write('add', record),
    swap: (record) => write('swap', record, record.version),
    restore: async (record) => void (await write('restore', record)),
    async delete(key) {
      const parameters = [clock(), names.bucket(''), BUCKET, NEVER, escape(key), BARE]
      // In whatever minute it is, its entry is the same.
      const { bucket, bytes, isPacked } = toEntry({ key, value: null, expires: 0 })
      const packed = isPacked ? [bucket.slice(bucket.indexOf(':')), bytes] : ['', '']
      return toDone(await commands.run(DELETE, [names.record(key)], [...parameters, ...packed]))
    },
    list: reader.scan,
  }
}
