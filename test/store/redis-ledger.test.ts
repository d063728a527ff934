// What a process keeps of the list, against a Map of strings: in whatever pieces it came, it is the same bytes.

import test from 'ava'
import * as fc from 'fast-check'

import type { NewRecord } from '../../src/index.ts'
import { createLedger, type Ledger, missing } from '../../src/store/redis/ledger.ts'
import { toEntry } from '../../src/store/redis/packed.ts'
import { parseLine, toLine } from '../../src/store/redis/wire.ts'
import { drawn } from '../helpers/redis-process.ts'

const EXPIRES = 1_800_000_000_000

const toRecord = (key: string, minute: number): NewRecord => ({ key, value: null, expires: EXPIRES + minute * 60_000 })

interface Draft {
  readonly from: number
  readonly count: number
  readonly minute: number
  readonly isDrawn: boolean
}

interface Piece {
  readonly bucket: string
  readonly records: readonly NewRecord[]
  readonly bytes: Buffer
}

// Some entries at once: more of them than are copied, and fewer.
const draft: fc.Arbitrary<Draft> = fc.record({
  from: fc.integer({ min: 0, max: 3000 }),
  count: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 100, max: 400 })),
  minute: fc.integer({ min: 0, max: 1 }),
  isDrawn: fc.boolean(),
})

function toPiece({ from, count, minute, isDrawn }: Draft): Piece {
  const keyOf = (name: number): string => (isDrawn ? drawn(`${name}`) : `key ${name}`)
  const records = Array.from({ length: count }, (_, i) => toRecord(keyOf(from + i), minute))
  const { bucket } = toEntry(toRecord(keyOf(0), minute))
  return { bucket, records, bytes: Buffer.concat(records.map((record) => toEntry(record).bytes)) }
}

function keysIn(pieces: readonly Piece[]): Set<string> {
  return new Set(pieces.flatMap(({ records }) => records.map(keyAndMinute)))
}

function keyAndMinute(record?: NewRecord): string {
  return `${Math.floor((record?.expires ?? 0) / 60_000)} ${record?.key}`
}

function fill(pieces: readonly Piece[]): { ledger: Ledger; model: Map<string, Buffer> } {
  const [ledger, model] = [createLedger(), new Map<string, Buffer>()]
  for (const { bucket, bytes } of pieces) {
    ledger.add(bucket, bytes)
    model.set(bucket, Buffer.concat([model.get(bucket) ?? Buffer.alloc(0), bytes]))
  }
  return { ledger, model }
}

test('RV-17 the ledger has the bytes that were added, finds them in place and nothing else', (t) => {
  fc.assert(
    fc.property(fc.array(draft, { maxLength: 12 }), fc.nat(), fc.nat(), (drafts, one, other) => {
      const pieces = drafts.map(toPiece)
      const { ledger, model } = fill(pieces)
      for (const [bucket, all] of model) {
        const [from, to] = [one % (all.length + 1), other % (all.length + 1)].toSorted((a, b) => a - b)
        const part = all.subarray(from, to)
        const found = ledger.find(bucket, from ?? 0, part)
        if (!ledger.bytes(bucket).equals(all) || ledger.length(bucket) !== all.length) return false
        if (found === undefined || !Buffer.concat(found).equals(part)) return false
        if (ledger.find(bucket, from ?? 0, Buffer.concat([all.subarray(from), Buffer.from('x')])) !== undefined)
          return false
        if (part.length === 0) continue
        const changed = Buffer.from(part)
        changed[one % part.length] = ~(changed[one % part.length] ?? 0)
        if (ledger.find(bucket, from ?? 0, changed) !== undefined) return false
      }
      return pieces.every(({ records }) => records.every((record) => ledger.has(toEntry(record))))
    }),
    { numRuns: 60 },
  )
  const { ledger } = fill([toPiece({ from: 0, count: 300, minute: 0, isDrawn: true })])
  t.false(ledger.has(toEntry(toRecord(drawn('300'), 0))))
  t.false(ledger.has(toEntry(toRecord(drawn('0'), 1))))
  ledger.drop(EXPIRES + 60_000)
  t.deepEqual(ledger.buckets(), [])
})

test('RV-17 what one ledger has and another has not is told as lines, whatever the turn', (t) => {
  fc.assert(
    fc.property(fc.array(draft, { maxLength: 6 }), fc.array(draft, { maxLength: 6 }), (old, present) => {
      const [before, now] = [old.map(toPiece), present.map(toPiece)]
      const lines = [...missing(fill(before).ledger, fill(now).ledger)].flat()
      const told = new Set(lines.map((line) => keyAndMinute(parseLine(line))))
      const there = keysIn(now)
      const expected = [...keysIn(before)].filter((key) => !there.has(key))
      return [...told].sort().join() === expected.sort().join()
    }),
    { numRuns: 60 },
  )
  t.pass()
})

test('a key is packed only if nothing but an identifier follows its prefix, and nothing else belongs to it', (t) => {
  const name = drawn('a').slice(4)
  const isPacked = (key: string, more: object = {}): boolean =>
    toEntry({ ...toRecord(key, 0), ...more }).bucket.includes(':')
  t.true(isPacked(`sid ${name}`))
  t.true(isPacked(`jti https://app.example:8443 ${name}`))
  for (const key of [name, ` ${name}`, `sid${name}`, `sid ${name}A`, `sïd ${name}`, `${'x'.repeat(201)} ${name}`]) {
    t.false(isPacked(key), key)
  }
  t.false(isPacked(`sid ${name}`, { value: 1 }))
  t.false(isPacked(`sid ${name}`, { group: 'alice' }))
  t.false(isPacked(`sid ${name}`, { expires: Number.MAX_SAFE_INTEGER }))
  t.is(toEntry(toRecord('key', 0)).bytes.toString(), `${toLine(toRecord('key', 0))}\n`)
})
