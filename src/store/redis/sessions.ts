// Sessions: a key for each, and a sorted set for each subject that names its sessions. In a cluster these are on different
// masters, and at any time a process may end and Redis may forget what it was told last, or all of it. The index names more
// than there is, not less: it is written before the record, for a new one once more after it, and cleared last.

import type { Clock, Milliseconds } from '../../time.ts'
import type { NewRecord, StoreRecord } from '../store.ts'
import { type Commands, createScript } from './commands.ts'
import { createReader, type Table, toDone, toSpan } from './table.ts'
import { drawVersion, escape, incarnationOf, parseRecord, toPayload, unescape } from './wire.ts'

const LIVE = `
local function live(raw, now)
  if not raw then return false end
  local version, expires = string.match(raw, '^(%d+) (%S+) ')
  if not version or not ((tonumber(expires) or 0) > tonumber(now)) then return false end
  return version, expires
end`

/** Lua that answers the version and the expiry of what was read, or false if it does not live. */
export const LUA_LIVE: string = LIVE

// ARGV: mode, now, expires, span, version, the version to swap, payload. Answers whether it wrote, and what was there. A
// client may send it again when it has lost the answer.
const WRITE = createScript(`${LIVE}
local raw = redis.call('GET', KEYS[1])
local version = live(raw, ARGV[2])
local record = ARGV[5] .. ' ' .. ARGV[3] .. ' ' .. ARGV[7]
if version and raw == record then return {1, ''} end
if ARGV[1] == 'add' and version then return {0} end
if ARGV[1] == 'swap' and version ~= ARGV[6] then return {0} end
if tonumber(ARGV[3]) <= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1])
elseif ARGV[4] == '' then redis.call('SET', KEYS[1], record)
else redis.call('SET', KEYS[1], record, 'PX', ARGV[4]) end
return {1, ARGV[1] == 'set' and raw or ''}`)

// ARGV: now. Answers whether there was something, and what.
const DELETE = createScript(`${LIVE}
local raw = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return {live(raw, ARGV[1]) and 1 or 0, raw or ''}`)

// ARGV: member, expires, before what time members are dropped, span. A score only rises.
const INDEX = createScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local isNew = redis.call('EXISTS', KEYS[1]) == 0
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if ARGV[4] == '' then redis.call('PERSIST', KEYS[1])
elseif isNew or (left >= 0 and left < tonumber(ARGV[4])) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1`)

// An index is kept for longer than what it names, for processes whose clocks differ.
const SLACK: Milliseconds = 3_600_000

/** Makes the table. */
export function createSessionTable(options: {
  readonly commands: Commands
  readonly clock: Clock
  readonly prefix: string
  readonly keyPrefix: string
}): Table {
  const { commands, clock, prefix, keyPrefix } = options
  const nameOf = (key: string): string => `${prefix}s:${escape(key)}`
  const indexOf = (group: string): string => `${prefix}g:${escape(group)}`
  const reader = createReader({ commands, clock, keyPrefix, nameOf })

  async function write(mode: 'set' | 'add' | 'swap', record: NewRecord, previous?: number): Promise<boolean> {
    const { key, expires, group } = record
    const [now, version] = [clock(), drawVersion(previous)]
    const list = async (): Promise<void> => {
      if (group === undefined || expires <= now) return
      const parameters = [memberOf(key, version), expires, now - SLACK, toSpan(expires, now, SLACK)]
      await commands.run(INDEX, [indexOf(group)], parameters)
    }
    await list()
    const payload = toPayload(record)
    const parameters = [mode, now, expires, toSpan(expires, now), version, previous ?? '', payload]
    const [done, raw] = await commands.run(WRITE, [nameOf(key)], parameters).then(toAnswer)
    // What is swapped was there, and so is gone if Redis has forgotten all in between.
    if (done && mode !== 'swap') await list()
    if (done) await unlist(parseRecord(key, raw))
    else if (mode === 'add' && group !== undefined) await unlist({ key, version, group })
    return done
  }

  async function unlist(gone?: Pick<StoreRecord, 'key' | 'version' | 'group'>): Promise<void> {
    if (gone?.group === undefined) return
    const index = indexOf(gone.group)
    await commands.send(index, ['ZREM', index, memberOf(gone.key, gone.version)])
  }

  async function* listGroup(group: string): AsyncGenerator<StoreRecord> {
    const index = indexOf(group)
    const members = await commands.send(index, ['ZRANGEBYSCORE', index, `(${clock()}`, '+inf'])
    if (!Array.isArray(members)) throw new Error('Redis: an unexpected answer')
    const keys = members.map(String).flatMap((member) => unescape(member.slice(member.indexOf(' ') + 1)) ?? [])
    yield* reader.each([...new Set(keys)], group)
  }

  return {
    get: reader.get,
    set: async (record) => void (await write('set', record)),
    add: (record) => write('add', record),
    swap: (record) => write('swap', record, record.version),
    async delete(key) {
      const [done, raw] = await commands.run(DELETE, [nameOf(key)], [clock()]).then(toAnswer)
      await unlist(parseRecord(key, raw))
      return done
    },
    list: (group) => (group === undefined ? reader.scan() : listGroup(group)),
  }
}

function toAnswer(reply: unknown): [done: boolean, raw: unknown] {
  const [done, raw] = Array.isArray(reply) ? (reply as unknown[]) : []
  return [toDone(done), raw]
}

// Of another incarnation of the same key there is another member, so that clearing one leaves the other.
function memberOf(key: string, version: number): string {
  return `${incarnationOf(version)} ${escape(key)}`
}
