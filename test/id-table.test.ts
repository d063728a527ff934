// The table of identifiers: what is in it is found, what is not in it is not, however they are spread.

import { randomBytes } from 'node:crypto'

import test from 'ava'
import * as fc from 'fast-check'

import { createId, ENTRY_BYTES, hashId, type Id, namesIn, readId, storeWords, WORDS, writeId } from '../src/id.ts'
import { createIdTable, type IdTable } from '../src/id-table.ts'

const ONES = 0xffffffff

function idOf(words: readonly number[], hash = 0): Id {
  return Uint32Array.of(...words, hash)
}

/** A table whose hash is the last word, so that a test can say where an identifier goes. */
function createOpenTable(): { table: IdTable; idAt: (hash: number, name: number) => Id } {
  const table = createIdTable((words, start) => words[start + WORDS - 1] ?? 0)
  return { table, idAt: (hash, name) => idOf([name << 8, name, 0, hash], hash) }
}

function write(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function read(text: string, start = 0): Id | undefined {
  const id = createId()
  return readId(text, start, id) ? id : undefined
}

function draw(): Id {
  const id = createId()
  readId(write(randomBytes(16)), 0, id)
  return id
}

function toPage(ids: readonly Id[]): DataView {
  const page = new DataView(new ArrayBuffer(ids.length * ENTRY_BYTES))
  for (const [i, id] of ids.entries()) storeWords(id, page, i * ENTRY_BYTES)
  return page
}

const sixteenBytes = fc.uint8Array({ minLength: 16, maxLength: 16 })

test('RV-21 two identifiers are read alike only if they are the same', (t) => {
  // One bit apart in every place, which also shows that every bit counts.
  const one = randomBytes(16)
  const words = new Set([read(write(one))?.subarray(0, WORDS).join()])
  for (let bit = 0; bit < 128; bit += 1) {
    const other = Uint8Array.from(one)
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    words.add(read(write(other))?.subarray(0, WORDS).join())
  }
  t.is(words.size, 129)
  t.false(words.has(undefined))
  fc.assert(
    fc.property(sixteenBytes, sixteenBytes, (a, b) => {
      const [first, second] = [read(write(a)), read(write(b))]
      return first !== undefined && second !== undefined && (first.join() === second.join()) === (write(a) === write(b))
    }),
  )
})

test('the ends of the range are identifiers like any other', (t) => {
  t.deepEqual([...(read('A'.repeat(22)) ?? []).slice(0, WORDS)], [0, 0, 0, 0])
  t.deepEqual([...(read(`${'_'.repeat(21)}w`) ?? []).slice(0, WORDS)], [ONES, ONES, ONES, ONES])
})

test('RV-21 what is not the one spelling of 16 bytes is no identifier', (t) => {
  const good = `${'a'.repeat(21)}A`
  t.truthy(read(good))
  t.truthy(read(`sid ${good}`, 4))
  for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
    const spelling = 'a'.repeat(21) + character
    t.is(read(spelling) !== undefined, write(Buffer.from(spelling, 'base64url')) === spelling, character)
  }
  for (const bad of ['', 'a', good.slice(1), `${good}A`, `${good}=`, `sid ${good}`]) t.is(read(bad), undefined, bad)
  for (const character of ['=', '+', '/', ' ', '\0', '\x7f', '\x80', 'é', 'Ā', '\ud800', '\uffff']) {
    for (const at of [0, 4, 10, 20, 21]) {
      t.is(read(good.slice(0, at) + character + good.slice(at + 1)), undefined, JSON.stringify([character, at]))
    }
  }
  t.is(read(good, 1), undefined)
})

test('RV-21 the table answers what a Set of strings answers, while it grows', (t) => {
  const table = createIdTable()
  const [there, missing] = [Array.from({ length: 30_000 }, draw), Array.from({ length: 30_000 }, draw)]
  for (const [i, id] of there.entries()) {
    if (!table.add(id) || table.add(id) || table.size !== i + 1) t.fail(`at ${i}`)
    const earlier = there[(i * 7) % (i + 1)]
    if (earlier === undefined || !table.has(earlier)) t.fail(`lost at ${i}`)
  }
  t.true(there.every((id) => table.has(id)))
  t.false(missing.some((id) => table.has(id)))
})

test('RV-21 what is read is written again as it was', (t) => {
  fc.assert(
    fc.property(sixteenBytes, (bytes) => {
      const id = read(write(bytes))
      return id !== undefined && writeId(id) === write(bytes)
    }),
  )
  t.pass()
})

test('RV-21 the table answers what a Set answers, whether identifiers come alone or in pages of any size', (t) => {
  const table = createIdTable()
  const missing = Array.from({ length: 10_000 }, draw)
  const there: Id[] = []
  const sizes = [0, 1, 1023, 1024, 5000, 1, 2 ** 16, 2 ** 16 + 1]
  for (const [round, size] of sizes.entries()) {
    if (round % 2 === 1) table.reserve(size)
    const fresh = Array.from({ length: size }, draw)
    // With some that were there, at the front in each third page, and with one twice.
    const known = there.slice(0, 50)
    const [front, back] = round % 3 === 0 ? [known, []] : [[], known]
    table.addPage(toPage([...front, ...fresh, ...fresh.slice(0, 1), ...back]))
    there.push(...fresh)
    t.is(table.size, there.length)
    t.false(there.some((id) => table.add(id)))
    const alone = Array.from({ length: 500 }, draw)
    t.true(alone.every((id) => table.add(id)))
    there.push(...alone)
  }
  t.true(there.every((id) => table.has(id)))
  t.false(missing.some((id) => table.has(id)))
  const listed = Array.from(table.ids(), writeId)
  t.deepEqual(listed.toSorted(), there.map(writeId).toSorted())
})

test('a page names what was put there', (t) => {
  const ids = Array.from({ length: 100 }, draw)
  t.deepEqual([...namesIn(toPage(ids))], ids.map(writeId))
})

test('zero and all ones can be missing and can be there', (t) => {
  for (const word of [0, ONES]) {
    const id = idOf([word, word, word, word])
    id[WORDS] = hashId(id, 0)
    const [table, other] = [createIdTable(), createIdTable()]
    t.false(table.has(id))
    t.true(table.add(id))
    t.true(table.has(id))
    t.false(table.add(id))
    other.add(idOf([word, word, word, word ^ 1], id[WORDS]))
    t.false(other.has(id))
  }
})

test('identifiers that all go to the same place are all found', (t) => {
  for (const hash of [0, ONES, 0x80000000, 0x00ffffff]) {
    const { table, idAt } = createOpenTable()
    for (let name = 0; name < 500; name += 1) t.true(table.add(idAt(hash, name)))
    for (let name = 0; name < 1000; name += 1) t.is(table.has(idAt(hash, name)), name < 500, `${hash} ${name}`)
    t.is(table.size, 500)
  }
})

test('what goes past the end of a segment goes on at its beginning', (t) => {
  const { table, idAt } = createOpenTable()
  // The last slot of a segment of any size, then the first, of one segment; the last slot of all others.
  const hashes = [0x05ffffff, 0x05ffffff, 0x05ffffff, 0x05000000, 0x05000000, 0x06ffffff]
  const ids = hashes.map((hash, name) => idAt(hash, name))
  for (const id of ids) t.true(table.add(id))
  for (const id of ids) t.true(table.has(id))
  t.false(table.has(idAt(0x05ffffff, 99)))
  t.false(table.has(idAt(0x06ffffff, 0)))
})

test('RV-21 however identifiers collide, the table answers what a Set answers', (t) => {
  const few = fc.constantFrom(0, 1, 14, 15, 0x01000000, 0xff00000f, ONES)
  fc.assert(
    fc.property(fc.array(fc.tuple(few, fc.integer({ min: 0, max: 40 })), { maxLength: 300 }), (added) => {
      const { table, idAt } = createOpenTable()
      const model = new Set<string>()
      for (const [hash, name] of added) {
        const key = `${hash} ${name}`
        if (table.add(idAt(hash, name)) === model.has(key)) return false
        model.add(key)
      }
      const isRight = (hash: number): boolean =>
        Array.from({ length: 45 }, (_, name) => table.has(idAt(hash, name)) === model.has(`${hash} ${name}`)).every(
          Boolean,
        )
      return table.size === model.size && [0, 1, 14, 15, 16, 0x01000000, 0xff00000f, ONES].every(isRight)
    }),
    { numRuns: 100 },
  )
  t.pass()
})

test('identifiers in a row are spread like random ones', (t) => {
  // Whoever could choose them would choose them like this; without the tabulation they fill one segment in one run.
  const hashes = Array.from({ length: 20_000 }, (_, i) => hashId(idOf([0, 0, 0, i]), 0))
  const perSegment = new Uint32Array(256)
  for (const hash of hashes) perSegment[hash >>> 24] = (perSegment[hash >>> 24] ?? 0) + 1
  t.true(Math.max(...perSegment) < 4 * (20_000 / 256), String(Math.max(...perSegment)))
  t.true(new Set(hashes).size > 19_000)
})
