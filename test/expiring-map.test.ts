// The list in memory: what expires is dropped by the minute, and no clock that goes back brings anything back.

import { randomBytes } from 'node:crypto'

import test from 'ava'
import * as fc from 'fast-check'

import { createExpiringIds } from '../src/expiring-ids.ts'
import { createExpiringMap, type ExpiringMap } from '../src/expiring-map.ts'
import { createId, ENTRY_BYTES, hashId, readId, storeWords, WORDS } from '../src/id.ts'
import { memoryStore } from '../src/index.ts'
import { createOutbox } from '../src/outbox.ts'
import { createRevocationList } from '../src/revocation.ts'
import { NEVER } from '../src/store/store.ts'
import { bearer, createClock, createTestApp, ISSUER, START, type TestClock } from './helpers/app.ts'
import { bytesUsed } from './helpers/cost.ts'

const MINUTE = 60_000
const SPAN = 60 * MINUTE
// A drawn identifier may be held for so much longer than it has to.
const LINGER = SPAN / 4

const settings = { issuer: ISSUER, retention: 3600, clockTolerance: 0, maxStaleness: 5, outbox: createOutbox(Date.now) }

function toPage(names: readonly string[]): DataView {
  const [page, id] = [new DataView(new ArrayBuffer(names.length * ENTRY_BYTES)), createId()]
  for (const [i, name] of names.entries()) {
    readId(name, 0, id)
    storeWords(id, page, i * ENTRY_BYTES)
  }
  return page
}

const draw = (): string => randomBytes(16).toString('base64url')

function createMap(clock: TestClock): ExpiringMap {
  return createExpiringMap(clock, { idPrefixes: ['sid ', 'jti x '], span: SPAN })
}

test('RV-04 whole minutes are dropped when they are over, and nothing else', (t) => {
  const clock = createClock(START)
  const map = createMap(clock)
  for (let i = 0; i < 1000; i += 1) map.add(`k${i}`, { expires: START + (i % 10) * MINUTE })
  t.is(map.size, 1000)
  clock.advance(5 * 60)
  t.is(map.size, 500)
  clock.advance(3600)
  t.is(map.size, 0)
})

test('RV-04 drawn identifiers are dropped when a quarter of the span is over, and nothing else', (t) => {
  const clock = createClock(START)
  const map = createMap(clock)
  const drawn = Array.from({ length: 1000 }, (_, i) => ({ name: draw(), expires: START + ((i % 60) + 1) * MINUTE }))
  for (const { name, expires } of drawn) map.add(`sid ${name}`, { expires })
  for (let minute = 0; minute <= 75; minute += 1) {
    map.purge()
    const held = drawn.filter(({ name }) => map.has('sid ', name))
    t.true(
      drawn.every((one) => one.expires <= clock() || held.includes(one)),
      `gone too soon in minute ${minute}`,
    )
    t.true(
      held.every(({ expires }) => expires + LINGER > clock() - MINUTE),
      `held too long in minute ${minute}`,
    )
    t.is(map.size, held.length)
    clock.advance(60)
  }
  t.is(map.size, 0)
})

// Serial, since it weighs the whole heap.
test.serial('RV-04 K-05 10^5 logouts take at most 50 bytes each, and give them back when they are over', (t) => {
  const rounds = [1, 2, 3].map(() => {
    const clock = createClock(START)
    const map = createMap(clock)
    const before = bytesUsed()
    for (let i = 0; i < 100_000; i += 1) map.add(`sid ${draw()}`, { expires: START + SPAN * (i / 100_000) })
    t.is(map.size, 100_000)
    const each = (bytesUsed() - before) / 100_000
    clock.advance((SPAN + LINGER) / 1000)
    t.is(map.size, 0)
    return { each, left: bytesUsed() - before }
  })
  // What the compiler and the measuring of coverage keep, they keep once.
  const each = Math.min(...rounds.map((round) => round.each))
  const left = Math.min(...rounds.map((round) => round.left))
  t.true(each > 20 && each < 50, `${each} bytes an entry`)
  t.true(left < each * 10_000, `${left} bytes are left, more than a tenth`)
})

test('RV-04 10^5 sessions of the kit are off the list when their time is over', async (t) => {
  const clock = createClock(START)
  const store = memoryStore({ clock })
  const list = await createRevocationList({ ...settings, store, clock })
  for (let i = 0; i < 100_000; i += 1) await list.add({ sid: draw() })
  t.is(list.size, 100_000)
  clock.advance(settings.retention * 1.25 + 60)
  t.is(list.size, 0)
  list.close()
})

test('an entry that is added again keeps the later of both times', (t) => {
  const clock = createClock(START)
  const map = createMap(clock)
  map.add('sub k', { expires: START + 10 * MINUTE, cutoff: 5 })
  map.add('sub k', { expires: START + MINUTE, cutoff: 9 })
  map.add('sub k', { expires: START + MINUTE, cutoff: 7 })
  t.is(map.cutoff('sub ', 'k'), 9)
  clock.advance(5 * 60)
  map.purge()
  t.is(map.size, 1)
  t.true(map.has('sub ', 'k'))
  t.is(map.cutoff('sub ', 'k'), 9)
})

test('a drawn identifier that is added again counts once and keeps the later time', (t) => {
  const clock = createClock(START)
  // In minutes from now, one after the other.
  for (const minutes of [
    [2, 55, 2],
    [55, 2, 55],
    [2, 3],
    [30, 30],
    [2, 20, 40, 58, 3, 21],
    [2, 100_000, 2],
    [100_000, 2, 30],
  ]) {
    const map = createMap(clock)
    const name = draw()
    for (const minute of minutes) map.add(`sid ${name}`, { expires: START + minute * MINUTE })
    t.is(map.size, 1, minutes.join())
    for (const minute of minutes.toSorted((a, b) => a - b)) {
      clock.set(START + minute * MINUTE - 1)
      t.is(map.size, 1, `${minutes.join()} in minute ${minute}`)
      t.true(map.has('sid ', name), `${minutes.join()} in minute ${minute}`)
    }
    clock.set(START)
  }
})

test('RV-04 a page of drawn identifiers is held until it has expired, and counts once', (t) => {
  const clock = createClock(START)
  const map = createMap(clock)
  const names = Array.from({ length: 3000 }, draw)
  const page = toPage(names)
  map.reserve('sid ', names.length, START + 10 * MINUTE)
  t.true(map.addPage('sid ', page, START + 10 * MINUTE))
  t.false(map.addPage('sub ', page, START + 10 * MINUTE), 'others are not kept in pages')
  t.is(map.size, names.length)
  // One of them for longer, one that is there for longer already.
  map.add(`sid ${names[0]}`, { expires: START + 55 * MINUTE })
  map.addPage('sid ', toPage(names.slice(0, 1)), START + MINUTE)
  t.is(map.size, names.length)
  clock.advance(10 * 60 - 1)
  t.true(names.every((name) => map.has('sid ', name)))
  t.false(names.some((name) => map.has('jti x ', name) || map.has('sub ', name)))
  clock.advance(16 * 60)
  t.is(map.size, 1)
  t.true(map.has('sid ', names[0] ?? ''))
})

test('what never expires stays, and what comes after it does not stay with it', (t) => {
  const clock = createClock(START)
  const map = createMap(clock)
  const [forever, late, soon] = [draw(), draw(), draw()]
  map.add(`sid ${forever}`, { expires: NEVER })
  map.add('kid k', { expires: NEVER })
  map.add(`sid ${late}`, { expires: START + 365 * 86_400_000 })
  map.add(`sid ${soon}`, { expires: START + MINUTE })
  clock.advance(3 * 365 * 86_400)
  t.is(map.size, 2)
  t.true(map.has('sid ', forever))
  t.true(map.has('kid ', 'k'))
  t.false(map.has('sid ', late))
  t.false(map.has('sid ', soon))
})

test('RV-02 the same identifier after another prefix is another key', (t) => {
  const clock = createClock(START)
  const prefixes = ['sid ', 'jti x ', 'jti y ', 'sub ', 'kid ']
  for (const prefix of prefixes) {
    const map = createMap(clock)
    const name = draw()
    map.add(prefix + name, { expires: START + SPAN })
    for (const other of prefixes) t.is(map.has(other, name), other === prefix, `${prefix}, asked for ${other}`)
    t.false(map.has(prefix, draw()))
  }
})

test('however late expiries lie, a lookup stays as quick: few tables hold them', (t) => {
  const clock = createClock(START)
  const ids = createExpiringIds(MINUTE)
  const id = createId()
  // Each of them for a minute of its own, and some for one that is over.
  for (let minute = -1000; minute < 10_000; minute += 1) {
    id[0] = minute
    id[WORDS] = hashId(id, 0)
    ids.add(id, START + minute * MINUTE, clock())
  }
  t.is(ids.size, 11_000)
  t.true(ids.tables < 40, String(ids.tables))
})

test('SL-07 what has been dropped counts as forgotten, also when the clock goes back', (t) => {
  const clock = createClock(START)
  const map = createMap(clock)
  clock.advance(3600)
  map.purge()
  clock.advance(-3600)
  map.purge()
  t.true(map.hasForgotten(START + 30 * MINUTE))
  t.false(map.hasForgotten(START + 90 * MINUTE))
  t.is(map.latest, START + 60 * MINUTE)
})

// The model: a Map of everything that was ever added, looked through from start to end.

const DRAWN = Array.from({ length: 4 }, draw)
const keyPart = fc.record({
  prefix: fc.constantFrom('sid ', 'jti x ', 'jti y ', 'sub ', 'kid '),
  // Some that are nearly drawn ones: the other spellings of the same bytes, and one that is too long.
  name: fc.constantFrom(...DRAWN, `${'A'.repeat(21)}A`, `${'A'.repeat(21)}B`, `${DRAWN[0]}A`, 'alice', ''),
})
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      key: keyPart,
      ahead: fc.oneof(
        { weight: 4, arbitrary: fc.integer({ min: 1, max: SPAN }) },
        { weight: 1, arbitrary: fc.integer({ min: -SPAN, max: 100 * SPAN }) },
        { weight: 1, arbitrary: fc.constant(Infinity) },
      ),
      cutoff: fc.integer({ min: 0, max: 1000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ move: fc.integer({ min: -SPAN, max: 2 * SPAN }) }) },
)

test('RV-21 whatever the clock does, no live entry is missing, and nothing is there that was not added', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(keyPart, { minLength: 5 }), (steps, others) => {
      const clock = createClock(START)
      const map = createMap(clock)
      const model = new Map<string, { prefix: string; name: string; expires: number; cutoff: number }>()
      let latest = START
      for (const one of steps) {
        if ('move' in one) clock.set(clock() + one.move)
        else {
          const { prefix, name } = one.key
          const expires = Math.min(clock() + one.ahead, NEVER)
          const cutoff = prefix === 'sub ' ? one.cutoff : 0
          map.add(prefix + name, { expires, cutoff })
          const known = model.get(prefix + name)
          const isLive = known !== undefined && known.expires > latest
          model.set(prefix + name, {
            prefix,
            name,
            expires: Math.max(expires, known?.expires ?? 0),
            cutoff: isLive ? Math.max(cutoff, known.cutoff) : cutoff,
          })
        }
        latest = Math.max(latest, clock())
        map.purge()
        if (map.latest !== latest) throw new Error('another time')
        let live = 0
        for (const { prefix, name, expires, cutoff } of model.values()) {
          if (map.hasForgotten(expires) !== expires <= Math.floor(latest / MINUTE) * MINUTE)
            throw new Error('forgotten')
          if (expires <= latest) continue
          live += 1
          if (!map.has(prefix, name)) throw new Error(`missing: ${prefix}${name}`)
          if (map.cutoff(prefix, name) < cutoff) throw new Error(`shortened: ${prefix}${name}`)
        }
        const found = [...model.values()].filter(({ prefix, name }) => map.has(prefix, name)).length
        if (found < live || map.size !== found) throw new Error(`${map.size} held, ${found} found, ${live} live`)
        for (const { prefix, name } of others) {
          if (map.has(prefix, name) && !model.has(prefix + name)) throw new Error(`never added: ${prefix}${name}`)
        }
      }
      clock.set(latest + 1000 * SPAN)
      const forever = [...model.values()].filter(({ expires }) => expires === NEVER).length
      if (map.size !== forever) throw new Error('held for too long')
    }),
    { numRuns: 400 },
  )
  t.pass()
})

test('SL-07 RV-03 a revocation made while the clock is behind outlives the token it is for', async (t) => {
  // The list is hours old, so only what it sees on the way tells it how late it has been.
  const app = await createTestApp()
  t.teardown(app.close)
  app.clock.advance(3 * 3600)
  const session = await app.login()
  app.clock.advance(-3605)
  const pair = bearer(session)
  t.is((await app.request('POST', '/auth/logout', pair)).status, 204)
  app.clock.advance(3605 + 120)
  t.is((await app.me(session.token, session.cookie)).status, 401)
})

test('EL-10 a clock that once answered no number does not cripple the list', async (t) => {
  const clock = createClock(START)
  let broken = true
  const list = await createRevocationList({
    ...settings,
    store: memoryStore({ clock }),
    clock: () => (broken ? Number.NaN : clock()),
  })
  await t.throwsAsync(list.add({ sid: 's' }), { code: 'ERR_UNEXPECTED' })
  broken = false
  await list.add({ sid: 's' })
  const exp = START / 1000 + 600
  t.true(list.has({ iss: ISSUER, jti: 'j', sid: 's', sub: 'u', kid: 'k', iat: exp - 900, exp }))
})
