// The revocation list in Redis, all of it in one slot. One script writes the record, appends its entry to the bucket of
// the minute in which it expires, tells the stream, and moves the head, which names the last write: each entry of the
// stream also names the one before, so whoever has followed from one head to another has missed nothing.

import type { Clock, Milliseconds } from '../../time.ts'
import { NEVER, type NewRecord } from '../store.ts'
import { createBatch } from './batch.ts'
import { type Commands, createScript, messageOf } from './commands.ts'
import { toEntry } from './packed.ts'
import { LUA_LIVE } from './sessions.ts'
import { createReader, type Table, toDone } from './table.ts'
import { BARE, BUCKET, drawVersion, escape, toLine, toPayload } from './wire.ts'

// Whoever falls further behind reads the buckets again.
const STREAM_LENGTH = 50_000
// Buckets outlive what is in them, for processes whose clocks differ.
const SLACK: Milliseconds = 600_000

// KEYS: head, stream, buckets, then for each write its record and its bucket. ARGV: now, then for each write its mode,
// expiry, version, the version to swap, payload, line, bucket, and the entry, empty for the line with its end. Answers for
// each whether it was done, or the error; of a server that takes no writes (READONLY) it is the script's own, since the
// client may act on it. The record is written last: an error before leaves the revocation told and not acknowledged, never
// the other way round. The head is read by the first that is told, and moved past an entry that the stream did not take, so
// that followers look for it elsewhere. `set` does not shorten: a command that a client kept while it had no connection may
// come late. The bucket is filed by each script, since somebody else may have made it; where the end of its last entry was cut
// off or written by others, the entry follows once more, in its place.
const WRITE = createScript(`${LUA_LIVE}
local time, now = ARGV[1], tonumber(ARGV[1])
local head, last, filed = false, false, {}
local function write(key, bucket, mode, till, version, previous, payload, line, name, entry)
  local expires = tonumber(till)
  local raw = redis.call('GET', key)
  local known, knownTill = live(raw, time)
  if mode == 'add' and known then return 0 end
  if mode == 'swap' and known ~= previous then return 0 end
  if mode == 'restore' and known and tonumber(knownTill) >= expires and redis.call('EXISTS', bucket) == 1 then return 0 end
  if expires <= now then
    redis.call('DEL', key)
    return 1
  end
  local isEndless = expires >= ${NEVER}
  local ends = (math.floor(expires / ${BUCKET}) + 1) * ${BUCKET}
  if not filed[name] then redis.call('ZADD', KEYS[3], isEndless and '+inf' or ends, name) end
  filed[name] = true
  local isPacked = entry ~= ''
  if not isPacked then entry = line .. '\\n' end
  local length = redis.call('APPEND', bucket, entry)
  local start = length - #entry
  if start == 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ${SLACK})
    if not isEndless then redis.call('PEXPIRE', bucket, math.ceil(ends - now + ${SLACK})) end
  elseif isPacked and length % #entry ~= 0 then
    redis.call('APPEND', bucket, string.rep('\\0', -length % #entry) .. entry)
  elseif not isPacked and redis.call('GETRANGE', bucket, start - 1, start - 1) ~= '\\n' then
    redis.call('APPEND', bucket, entry)
  end
  local before = last
  if not before then
    before = redis.call('SET', KEYS[1], version, 'GET') or '0'
    head = version
  end
  last = version
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', '${STREAM_LENGTH}', '*', 'w', before .. ' ' .. version .. ' ' .. line)
  if known and mode ~= 'swap' and tonumber(knownTill) > expires then
    redis.call('SET', key, version .. ' ' .. knownTill .. ' ' .. payload, 'KEEPTTL')
  else
    local record = version .. ' ' .. till .. ' ' .. payload
    if isEndless then redis.call('SET', key, record)
    else redis.call('SET', key, record, 'PX', math.ceil(expires - now)) end
  end
  return 1
end
local answers, hasFailed = {}, false
for i = 1, (#KEYS - 3) / 2 do
  local first = 8 * i - 6
  local isDone, answer = pcall(write, KEYS[2 * i + 2], KEYS[2 * i + 3], unpack(ARGV, first, first + 7))
  hasFailed = hasFailed or not isDone
  answers[i] = (isDone or type(answer) == 'table') and answer or {err = answer}
end
if head ~= last then redis.call('SET', KEYS[1], last) end
if hasFailed then redis.call('PERSIST', KEYS[1]) end
return answers`)

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
  sent(version: string, line: string): void
  answered(version: string, isWritten: boolean): void
}

/** The table, and what its followers need. */
export interface RevocationTable extends Table {
  /** Writes unless the list seems to have it, or to have it for longer: its record is there, and its bucket. */
  restore(record: NewRecord): Promise<boolean>
}

/** One write as the script has it. */
interface Write {
  readonly keys: readonly [record: string, bucket: string]
  readonly parameters: readonly (string | number | Buffer)[]
}

// The server does nothing else meanwhile.
const MOST_AT_ONCE = 50

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
  const ask = createBatch(sendAll, MOST_AT_ONCE)

  async function sendAll(writes: readonly Write[]): Promise<readonly unknown[]> {
    const keys = [names.head, names.stream, names.buckets]
    const parameters: (string | number | Buffer)[] = [clock()]
    for (const one of writes) {
      keys.push(...one.keys)
      parameters.push(...one.parameters)
    }
    const reply = await commands.run(WRITE, keys, parameters)
    return Array.isArray(reply) ? (reply as unknown[]) : []
  }

  async function write(
    mode: 'set' | 'add' | 'swap' | 'restore',
    record: NewRecord,
    previous?: number,
  ): Promise<boolean> {
    if (Number.isNaN(record.expires)) throw new TypeError('expires: expected a number, got NaN')
    const expires = Math.min(NEVER, Math.ceil(record.expires))
    const version = String(drawVersion(previous))
    const written = expires === record.expires ? record : { ...record, expires }
    const line = toLine(written)
    const { bucket, bytes, isPacked } = toEntry(written, line)
    const payload = toPayload(record)
    const parameters = [mode, expires, version, previous ?? '', payload, line, bucket, isPacked ? bytes : '']
    observer.sent(version, line)
    let done = false
    let isThere = false
    try {
      const answer = await ask({ keys: [names.record(record.key), names.bucket(bucket)], parameters })
      if (answer instanceof Error) throw new Error(`Redis: ${messageOf(answer)}`)
      done = toDone(answer)
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
    restore: (record) => write('restore', record),
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
