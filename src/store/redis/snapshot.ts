// Reads the whole revocation list: first where the stream is, then the buckets in pieces, as far as they went at that
// moment. What is not of our making is left out and counted.

import { ENTRY_BYTES } from '../../id.ts'
import type { Clock } from '../../time.ts'
import type { NewRecord, PageListener } from '../store.ts'
import { type Commands, createScript } from './commands.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createLineReader, siftLines } from './lines.ts'
import { expiryOf, prefixOf, recordsIn, sift, viewOf } from './packed.ts'
import { type Extent, type Piece, readPieces } from './pieces.ts'
import type { Report } from './problems.ts'
import type { Names } from './revocations.ts'
import { endOf, textOf } from './wire.ts'

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

const MAX_BUCKETS = 20_000
const TRIES = 5
const BUCKET_NAME = /^(?:never|\d{1,12}(?::[!-~][ -~]{0,199})?)$/

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
 * @param options.known - what was told before: where a bucket goes on with the same, that is not told again
 */
export async function readSnapshot(options: {
  readonly commands: Commands
  readonly names: Names
  readonly clock: Clock
  readonly known: Ledger
  readonly tell: (record: NewRecord) => void
  readonly pages?: PageListener | undefined
  readonly report: Report
}): Promise<Snapshot> {
  const { commands, names, clock, known, tell, pages, report } = options
  const { head, buckets } = await open(commands, names, clock)
  const ledger = createLedger()
  const reader = createLineReader()
  let foreign = 0

  const tellLive = (record: NewRecord): void => {
    if (record.expires > clock()) tell(record)
  }

  /** Whether this was told, after what was before it. */
  function isKnown(bucket: string, bytes: Buffer): boolean {
    const kept = known.find(bucket, ledger.length(bucket), bytes)
    for (const part of kept ?? []) ledger.add(bucket, part)
    return kept !== undefined
  }

  function takePacked({ bucket, bytes }: Piece, prefix: string): void {
    if (isKnown(bucket, bytes)) return
    const sifted = sift(bytes)
    foreign += sifted.foreign
    ledger.add(bucket, sifted.entries)
    if (pages !== undefined) pages.tell({ prefix, page: viewOf(sifted.entries), expires: expiryOf(bucket) })
    else for (const record of recordsIn(bucket, sifted.entries)) tellLive(record)
  }

  function takeLines({ bucket, bytes, isLast }: Piece): void {
    const read = reader.read(bytes, isLast)
    foreign += read.foreign
    if (isKnown(bucket, read.lines)) return
    const sifted = siftLines(bucket, read.lines, tellLive)
    foreign += sifted.foreign
    ledger.add(bucket, sifted.entries)
  }

  if (known.buckets().length === 0) {
    for (const { name, length } of buckets) {
      const prefix = prefixOf(name)
      if (prefix !== undefined) pages?.expect(prefix, Math.floor(length / ENTRY_BYTES), expiryOf(name))
    }
  }
  for await (const piece of readPieces(commands, names.bucket, buckets)) {
    const prefix = prefixOf(piece.bucket)
    if (prefix === undefined) takeLines(piece)
    else takePacked(piece, prefix)
  }
  if (foreign > 0) report('revocations: what is no entry was ignored in the list', foreign)
  return { head, ledger }
}

async function open(commands: Commands, names: Names, clock: Clock): Promise<{ head: Head; buckets: Extent[] }> {
  let found: string[] = []
  for (let tries = 0; tries < TRIES; tries += 1) {
    const keys = [names.head, names.buckets, names.stream, ...found.map(names.bucket)]
    const reply = await commands.run(OPEN, keys, [])
    const [head, all, lengths] = Array.isArray(reply) ? (reply as unknown[]) : []
    if (!Array.isArray(all) || !Array.isArray(lengths)) throw new Error('Redis: an unexpected answer')
    const live = all.map(String).filter((name) => BUCKET_NAME.test(name) && endOf(name) > clock())
    if (live.length > MAX_BUCKETS) throw new Error(`Redis: more than ${MAX_BUCKETS} buckets`)
    // The lengths belong to the names that were asked for.
    if (live.join('\n') === found.join('\n')) {
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
