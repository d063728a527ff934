// The contract of every store, as tests: a new store is one file and passes this suite.

import test, { type ExecutionContext } from 'ava'

import { NEVER, type NewRecord, type Store, type StoreKind, type StoreRecord } from '../../src/index.ts'
import type { Watch } from '../../src/store/store.ts'
import { createClock, type TestClock } from '../helpers/app.ts'
import { findLost, startStoreProcess, type StoreProcess } from '../helpers/store-process.ts'

/** A fresh, empty store. */
export interface OpenStore {
  readonly store: Store
  /** Another handle on the same data, as another process would have it. @default the same handle */
  readonly other?: Store
  /** What the module of {@link StoreTraits} opens the same data with; must survive JSON. */
  readonly options?: unknown
  /** Cleans up what `store.close()` does not. */
  readonly cleanup?: () => Promise<void>
}

/** What a store can beside the verbs. */
export interface StoreTraits {
  /** The URL of a module with `openStore(options, clock?)`, for stores that outlive and are shared by processes. */
  readonly module?: string
}

const KINDS: readonly StoreKind[] = ['session', 'revocation', 'key']
const HOUR = 3_600_000
const PATIENCE_MS = 20_000

/**
 * Tests a store.
 *
 * @param name - begins each title
 * @param open - makes a fresh one that follows this clock. It starts at the real time, for stores that let the system
 *   expire records, and is moved by hand
 * @param traits - what it can beside the verbs
 */
export function testStoreContract(
  name: string,
  open: (clock: TestClock) => Promise<OpenStore>,
  { module }: StoreTraits = {},
): void {
  interface Bench {
    readonly store: Store
    readonly other: Store
    readonly options: unknown
    readonly clock: TestClock
    /** A record that lives for an hour. */
    record(key: string, value?: unknown, more?: Partial<NewRecord>): NewRecord
  }

  // On a disk, or between processes, one after the other: side by side they would only wait for each other.
  const run = module === undefined ? test : test.serial

  /** One test, run for each table. */
  function each(
    title: string,
    body: (t: ExecutionContext, bench: Bench, kind: StoreKind) => Promise<void>,
    kinds: readonly StoreKind[] = KINDS,
  ): void {
    for (const kind of kinds) {
      run(`${name}: ${title} (${kind})`, async (t) => {
        const clock = createClock(Date.now())
        const { store, other = store, options, cleanup } = await open(clock)
        t.teardown(async () => {
          await store.close()
          if (other !== store) await other.close()
          await cleanup?.()
        })
        const record: Bench['record'] = (key, value = null, more = {}) => ({
          key,
          value,
          expires: clock() + HOUR,
          ...more,
        })
        await body(t, { store, other, options, clock, record }, kind)
      })
    }
  }

  each('get answers what set wrote, and undefined for what nobody wrote', async (t, { store, other, record }, kind) => {
    t.is(await store.get(kind, 'a'), undefined)
    const written = record('a', { n: 1, list: ['x', null], deep: { yes: true } }, { group: 'g' })
    await store.set(kind, written)
    for (const handle of [store, other]) {
      const read = await handle.get(kind, 'a')
      t.like(read, written)
      t.is(typeof read?.version, 'number')
    }
    t.is(await store.get(kind, 'b'), undefined)
  })

  each('every value that JSON keeps comes back the same', async (t, { store, record }, kind) => {
    const values = [null, 0, -1.5, '', 'ü\u2028\u0000', true, false, [], {}, { a: [{ b: null }] }, 'x'.repeat(100_000)]
    for (const [index, value] of values.entries()) {
      await store.set(kind, record(`v${index}`, value))
      t.deepEqual((await store.get(kind, `v${index}`))?.value, value)
    }
  })

  each('keys are compared exactly, whatever they are made of', async (t, { store, record }, kind) => {
    const keys = [
      'a',
      'A',
      'a ',
      ' a',
      'a:b',
      'a*',
      '*',
      '?',
      'a\u0000b',
      'ü',
      'u\u0308',
      '__proto__',
      'constructor',
      '{a}',
    ]
    const long = 'k'.repeat(400)
    for (const key of [...keys, long, `${long}2`]) await store.set(kind, record(key, key))
    for (const key of [...keys, long, `${long}2`]) t.is((await store.get(kind, key))?.value, key, JSON.stringify(key))
    t.is(await store.get(kind, 'toString'), undefined)
  })

  each('the tables share nothing', async (t, { store, record }, kind) => {
    await store.set(kind, record('a', null, { group: 'g' }))
    for (const another of KINDS.filter((one) => one !== kind)) {
      t.is(await store.get(another, 'a'), undefined)
      t.deepEqual(await toKeys(store, another), [])
      t.deepEqual(await toKeys(store, another, 'g'), [])
      t.false(await store.delete(another, 'a'))
    }
    t.truthy(await store.get(kind, 'a'))
  })

  each('set writes over what is there', async (t, { store, other, record }, kind) => {
    await store.set(kind, record('a', 1, { group: 'g' }))
    await other.set(kind, record('a', 2))
    const read = await store.get(kind, 'a')
    t.is(read?.value, 2)
    t.is(read?.group, undefined)
    t.deepEqual(await toKeys(store, kind, 'g'), [])
  })

  each('add writes only what is not there, and tells', async (t, { store, other, record }, kind) => {
    t.true(await store.add(kind, record('a', 1)))
    t.false(await other.add(kind, record('a', 2)))
    t.is((await store.get(kind, 'a'))?.value, 1)
    await store.delete(kind, 'a')
    t.true(await other.add(kind, record('a', 3)))
  })

  each('of parallel adds exactly one wins', async (t, { store, other, record }, kind) => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 ? store : other).add(kind, record('a', i))),
    )
    t.is(answers.filter(Boolean).length, 1)
    t.is((await store.get(kind, 'a'))?.value, answers.indexOf(true))
  })

  each('swap writes only over the version that was read', async (t, { store, other, record }, kind) => {
    await store.set(kind, record('a', 1))
    const first = await mustGet(store, kind, 'a')
    t.true(await other.swap(kind, { ...first, value: 2 }))
    t.false(await store.swap(kind, { ...first, value: 3 }), 'the version is used up')
    const second = await mustGet(store, kind, 'a')
    t.is(second.value, 2)
    t.not(second.version, first.version)
    await store.set(kind, record('a', 2))
    t.false(await store.swap(kind, { ...second, value: 4 }), 'a set of the same value is a write as well')
  })

  each('of parallel swaps exactly one wins', async (t, { store, other, record }, kind) => {
    await store.set(kind, record('a', -1))
    const current = await mustGet(store, kind, 'a')
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 ? store : other).swap(kind, { ...current, value: i })),
    )
    t.is(answers.filter(Boolean).length, 1)
    t.is((await store.get(kind, 'a'))?.value, answers.indexOf(true))
  })

  each('a counter that many raise by swap loses nothing', async (t, { store, other, record }, kind) => {
    await store.set(kind, record('a', 0))
    async function raise(handle: Store): Promise<void> {
      // Bounded: in each round at least one of them wins.
      for (let round = 0; round < 40; round += 1) {
        const current = await mustGet(handle, kind, 'a')
        if (await handle.swap(kind, { ...current, value: Number(current.value) + 1 })) return
      }
      t.fail('no swap got through')
    }
    await Promise.all(Array.from({ length: 20 }, (_, i) => raise(i % 2 ? store : other)))
    t.is((await store.get(kind, 'a'))?.value, 20)
  })

  each(
    'swap of a record that is deleted, expired or written anew fails, and writes nothing',
    async (t, bench, kind) => {
      const { store, other, clock, record } = bench
      await store.set(kind, record('a', 1))
      const read = await mustGet(store, kind, 'a')
      await other.delete(kind, 'a')
      t.false(await store.swap(kind, { ...read, value: 2 }))
      t.is(await store.get(kind, 'a'), undefined)
      await store.add(kind, record('a', 3))
      t.false(await store.swap(kind, { ...read, value: 4 }), 'a record of the same key is another one')
      t.is((await store.get(kind, 'a'))?.value, 3)
      const again = await mustGet(store, kind, 'a')
      clock.advance(3600)
      t.false(await store.swap(kind, { ...again, expires: clock() + HOUR }))
      t.is(await store.get(kind, 'a'), undefined)
      t.false(await store.swap(kind, { ...again, key: 'never', expires: clock() + HOUR }))
      t.is(await store.get(kind, 'never'), undefined)
    },
  )

  each('of a delete and parallel swaps the delete has the last word', async (t, { store, other, record }, kind) => {
    for (let round = 0; round < 20; round += 1) {
      await store.set(kind, record('a', 0))
      const current = await mustGet(store, kind, 'a')
      await Promise.all([
        store.swap(kind, { ...current, value: 1 }),
        other.delete(kind, 'a'),
        store.swap(kind, { ...current, value: 2 }),
      ])
      t.is(await store.get(kind, 'a'), undefined)
    }
  })

  each('delete removes, and tells whether there was something', async (t, { store, other, clock, record }, kind) => {
    t.false(await store.delete(kind, 'a'))
    await store.set(kind, record('a'))
    t.true(await other.delete(kind, 'a'))
    t.false(await store.delete(kind, 'a'))
    t.is(await store.get(kind, 'a'), undefined)
    t.deepEqual(await toKeys(store, kind), [])
    await store.set(kind, record('b'))
    clock.advance(3600)
    t.false(await store.delete(kind, 'b'), 'what has expired was not there')
  })

  each('of parallel deletes exactly one removed it', async (t, { store, other, record }, kind) => {
    await store.set(kind, record('a'))
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).delete(kind, 'a')))
    t.is(answers.filter(Boolean).length, 1)
  })

  each('an expired record does not exist, to the millisecond', async (t, { store, clock, record }, kind) => {
    await store.set(kind, record('a', 1, { group: 'g' }))
    clock.advance(3599.999)
    t.truthy(await store.get(kind, 'a'))
    t.deepEqual(await toKeys(store, kind, 'g'), ['a'])
    clock.advance(0.001)
    t.is(await store.get(kind, 'a'), undefined)
    t.deepEqual(await toKeys(store, kind), [])
    t.deepEqual(await toKeys(store, kind, 'g'), [])
    t.true(await store.add(kind, record('a', 2)), 'its key is free again')
    t.is((await store.get(kind, 'a'))?.value, 2)
  })

  each('what is written expired is not there', async (t, { store, clock, record }, kind) => {
    await store.set(kind, record('a', 1))
    await store.set(kind, record('a', 2, { expires: clock() - 1 }))
    t.is(await store.get(kind, 'a'), undefined)
    t.deepEqual(await toKeys(store, kind), [])
  })

  each('NEVER does not expire', async (t, { store, clock, record }, kind) => {
    await store.set(kind, record('a', 1, { expires: NEVER }))
    clock.advance(100 * 365 * 86_400)
    t.like(await store.get(kind, 'a'), { value: 1, expires: NEVER })
    t.deepEqual(await toKeys(store, kind), ['a'])
  })

  each('a later write moves the expiry, both ways', async (t, { store, clock, record }, kind) => {
    await store.set(kind, record('a', 1))
    await store.set(kind, record('a', 2, { expires: clock() + 2 * HOUR }))
    const current = await mustGet(store, kind, 'b', async () => store.set(kind, record('b', 1)))
    t.true(await store.swap(kind, { ...current, expires: clock() + HOUR / 2 }))
    clock.advance(1800)
    t.is(await store.get(kind, 'b'), undefined)
    clock.advance(3600)
    t.truthy(await store.get(kind, 'a'))
  })

  each('list answers all records, or those of one group', async (t, { store, other, record }, kind) => {
    for (let i = 0; i < 30; i += 1) await store.set(kind, record(`k${i}`, i, i % 3 === 0 ? {} : { group: `g${i % 3}` }))
    for (const handle of [store, other]) {
      t.is((await toKeys(handle, kind)).length, 30)
      t.deepEqual(await toKeys(handle, kind, 'g1'), Array.from({ length: 10 }, (_, i) => `k${i * 3 + 1}`).sort())
      t.deepEqual(await toKeys(handle, kind, 'g'), [], 'part of a group is not the group')
      t.deepEqual(await toKeys(handle, kind, ''), [])
    }
    const [first] = await toRecords(store, kind, 'g2')
    t.like(first, { group: 'g2' })
    t.deepEqual(first, await store.get(kind, first?.key ?? ''), 'the whole record, fit for swap')
  })

  each('groups are compared exactly', async (t, { store, record }, kind) => {
    const groups = ['a', 'A', 'a:b', 'a b', 'a*', '*', 'ü', '__proto__', 'g'.repeat(255)]
    for (const group of groups) await store.set(kind, record(`key of ${group}`, null, { group }))
    for (const group of groups) t.deepEqual(await toKeys(store, kind, group), [`key of ${group}`])
  })

  each('a record that changes its group leaves the old one', async (t, { store, record }, kind) => {
    await store.set(kind, record('a', 1, { group: 'old' }))
    const read = await mustGet(store, kind, 'a')
    t.true(await store.swap(kind, { ...read, group: 'new' }))
    t.deepEqual(await toKeys(store, kind, 'old'), [])
    t.deepEqual(await toKeys(store, kind, 'new'), ['a'])
    await store.delete(kind, 'a')
    t.deepEqual(await toKeys(store, kind, 'new'), [])
  })

  each('deleting while listing misses nothing else and ends', async (t, { store, record }, kind) => {
    for (let i = 0; i < 50; i += 1) await store.set(kind, record(`k${i}`, i, { group: 'g' }))
    let seen = 0
    for await (const { key } of store.list(kind, 'g')) {
      seen += 1
      await store.delete(kind, key)
    }
    t.is(seen, 50)
    t.deepEqual(await toKeys(store, kind), [])
  })

  each('a list that is left in the middle does no harm', async (t, { store, record }, kind) => {
    for (let i = 0; i < 20; i += 1) await store.set(kind, record(`k${i}`))
    for await (const { key } of store.list(kind)) if (key !== '') break
    await store.set(kind, record('after'))
    t.is((await toKeys(store, kind)).length, 21)
  })

  each('what is written and what is read are copies', async (t, { store, record }, kind) => {
    const value = { list: [1] }
    const written = record('a', value)
    await store.set(kind, written)
    value.list.push(2)
    const read = await mustGet(store, kind, 'a')
    t.deepEqual(read.value, { list: [1] })
    ;(read.value as typeof value).list.push(3)
    t.deepEqual((await store.get(kind, 'a'))?.value, { list: [1] })
    for (const listed of await toRecords(store, kind)) (listed.value as typeof value).list.push(4)
    t.deepEqual((await store.get(kind, 'a'))?.value, { list: [1] })
    const added = { list: [1] }
    await store.add(kind, record('b', added))
    added.list.push(5)
    t.deepEqual((await store.get(kind, 'b'))?.value, { list: [1] })
    t.false('version' in written, "the caller's object is left alone")
  })

  /** One test of following the revocation list. */
  function watching(
    title: string,
    body: (t: ExecutionContext, bench: Bench, watch: NonNullable<Store['watch']>) => Promise<void>,
  ): void {
    each(
      title,
      async (t, bench) => {
        const { watch } = bench.store
        if (watch === undefined) t.pass('a store for one process only')
        else await body(t, bench, watch)
      },
      ['revocation'],
    )
  }

  watching('watch tells first what is there, then every write of every handle', async (t, bench, watch) => {
    const { store, other, record } = bench
    const seen = createCollector()
    for (let i = 0; i < 300; i += 1) await (i % 2 ? store : other).set('revocation', record(`before ${i}`, i))
    const following = await watch(seen.listen)
    t.deepEqual(
      seen.keys(),
      Array.from({ length: 300 }, (_, i) => `before ${i}`).sort(),
      'all of it, before it resolves',
    )
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 ? store : other).set('revocation', record(`k${i}`, i))),
    )
    t.true(await other.add('revocation', record('added', 1)))
    const read = await mustGet(store, 'revocation', 'added')
    t.true(await other.swap('revocation', { ...read, value: 2 }))
    await seen.until(({ key, value }) => key === 'added' && value === 2)
    for (let i = 0; i < 50; i += 1) {
      const told = seen.records.find(({ key }) => key === `k${i}`)
      t.like(told, { ...record(`k${i}`, i) })
    }
    following.stop()
  })

  watching('what a handle has acknowledged is told by the next sync', async (t, { other, record }, watch) => {
    const seen = createCollector()
    const following = await watch(seen.listen)
    for (let i = 0; i < 200; i += 1) {
      await other.set('revocation', record(`k${i}`))
      if (following.sync === undefined) await seen.until(({ key }) => key === `k${i}`)
      else following.sync()
      t.true(seen.keys().includes(`k${i}`), `k${i}`)
    }
    following.stop()
  })

  watching('who does not sync is told all the same', async (t, { other, record }, watch) => {
    const seen = createCollector()
    const following = await watch(seen.listen)
    await other.set('revocation', record('a'))
    await seen.until(({ key }) => key === 'a')
    t.pass()
    following.stop()
  })

  watching('a watch that has been told everything is not old', async (t, { other, record }, watch) => {
    const following = await watch(() => {})
    await other.set('revocation', record('a'))
    following.sync?.()
    const age = following.age()
    t.true(age >= 0 && age < 5000, String(age))
    following.stop()
  })

  watching(
    'watch tells nothing of other tables, of what expired or was deleted before, or of writes that did not happen',
    async (t, { store, other, clock, record }, watch) => {
      await store.set('revocation', record('deleted'))
      await store.delete('revocation', 'deleted')
      await store.set('revocation', record('expired', null, { expires: clock() + 1000 }))
      await store.set('revocation', record('forever', null, { expires: NEVER }))
      clock.advance(2)
      const seen = createCollector()
      const following = await watch(seen.listen)
      t.deepEqual(seen.keys(), ['forever'])
      await store.set('revocation', record('a', 1))
      const read = await mustGet(store, 'revocation', 'a')
      await store.set('revocation', record('a', 2))
      await other.set('session', record('elsewhere'))
      await other.set('key', record('elsewhere'))
      t.false(await other.add('revocation', record('a', 3)))
      t.false(await other.swap('revocation', { ...read, value: 4 }))
      await other.set('revocation', record('mark'))
      await seen.until(({ key }) => key === 'mark')
      t.deepEqual(seen.keys(), ['a', 'forever', 'mark'])
      t.false(seen.records.some(({ value }) => value === 3 || value === 4))
      following.stop()
    },
  )

  watching('a watch that was stopped is told nothing more, and the others are', async (t, bench, watch) => {
    const { other, record } = bench
    const [stopped, running] = [createCollector(), createCollector()]
    const [first, second] = [await watch(stopped.listen), await watch(running.listen)]
    await other.set('revocation', record('a'))
    await Promise.all([stopped, running].map((one) => one.until(({ key }) => key === 'a')))
    first.stop()
    await other.set('revocation', record('late'))
    await running.until(({ key }) => key === 'late')
    first.sync?.()
    t.false(stopped.keys().includes('late'))
    t.notThrows(() => first.stop())
    second.stop()
  })

  watching('what watch hands out is a copy', async (t, { store, record }, watch) => {
    const [first, second] = [createCollector(), createCollector()]
    const following: Watch[] = [
      await watch((one) => {
        ;(one.value as { list: number[] }).list.push(9)
        first.listen(one)
      }),
      await watch(second.listen),
    ]
    await store.set('revocation', record('a', { list: [1] }))
    await Promise.all([first, second].map((one) => one.until(({ key }) => key === 'a')))
    t.deepEqual(second.records[0]?.value, { list: [1] })
    t.deepEqual((await store.get('revocation', 'a'))?.value, { list: [1] })
    for (const one of following) one.stop()
  })

  test(`${name}: closing twice does no harm`, async (t) => {
    const { store, other = store, cleanup } = await open(createClock(Date.now()))
    await store.close()
    await t.notThrowsAsync(async () => store.close())
    await other.close()
    await cleanup?.()
  })

  if (module !== undefined) testSharing(each, module)
}

/** What outlives a process, and what several share. */
function testSharing(
  each: (
    title: string,
    body: (
      t: ExecutionContext,
      bench: {
        readonly store: Store
        readonly other: Store
        readonly options: unknown
        record(key: string, value?: unknown, more?: Partial<NewRecord>): NewRecord
      },
      kind: StoreKind,
    ) => Promise<void>,
    kinds?: readonly StoreKind[],
  ) => void,
  module: string,
): void {
  const reopen = async (t: ExecutionContext, options: unknown): Promise<Store> => {
    // The cast is what StoreTraits asks for.
    const { openStore } = (await import(module)) as {
      openStore: (options: unknown) => Store | Promise<Store>
    }
    const store = await openStore(options)
    t.teardown(() => store.close())
    return store
  }
  const start = (t: ExecutionContext, options: unknown): Promise<StoreProcess> =>
    startStoreProcess(t, { module, options })

  each('what was written is there after every handle was closed', async (t, bench, kind) => {
    const { store, other, options, record } = bench
    await store.set(kind, record('a', { n: 1 }, { group: 'g' }))
    await store.set(kind, record('b'))
    await store.delete(kind, 'b')
    const before = await mustGet(store, kind, 'a')
    await store.close()
    if (other !== store) await other.close()
    const again = await reopen(t, options)
    t.deepEqual(await again.get(kind, 'a'), before)
    t.deepEqual(await toKeys(again, kind, 'g'), ['a'])
    t.deepEqual(await toKeys(again, kind), ['a'])
    t.true(await again.swap(kind, { ...before, value: 2 }), 'the version is still that one')
    t.false(await again.swap(kind, { ...before, value: 3 }))
  })

  each(
    'what a process was told is written is there after it was killed',
    async (t, { store, options }) => {
      const writer = await start(t, options)
      writer.flood('killed')
      while (writer.reports.length < 200) await writer.nextReport()
      await writer.kill()
      t.deepEqual(await findLost(store, writer.reports), [])
      t.deepEqual(await findLost(await reopen(t, options), writer.reports), [])
    },
    ['session'],
  )

  each('what one process has written, deleted or swapped the others see at once', async (t, bench, kind) => {
    const { store, options, record } = bench
    const [first, second] = await Promise.all([start(t, options), start(t, options)])
    for (let i = 0; i < 50; i += 1) {
      await first.store.set(kind, record('a', i + 1))
      const read = await second.store.get(kind, 'a')
      t.is(read?.value, i + 1)
      if (read !== undefined) t.true(await second.store.swap(kind, { ...read, value: -i - 1 }))
      t.is((await store.get(kind, 'a'))?.value, -i - 1)
      t.true(await store.delete(kind, 'a'))
      t.is(await first.store.get(kind, 'a'), undefined)
    }
  })

  each('RF-15 of two processes that race one swap, one add or one delete, one wins', async (t, bench, kind) => {
    const { store, options, record } = bench
    const racers = await Promise.all([start(t, options), start(t, options)])
    const race = async (run: (racer: StoreProcess, index: number) => Promise<boolean>): Promise<number> => {
      const answers = await Promise.all(racers.map(run))
      t.is(answers.filter(Boolean).length, 1)
      return answers.indexOf(true)
    }
    const wins = [0, 0]
    for (let round = 0; round < 50; round += 1) {
      const added = await race((racer, i) => racer.store.add(kind, record('a', i)))
      const current = await mustGet(store, kind, 'a')
      t.is(current.value, added)
      const swapped = await race((racer, i) => racer.store.swap(kind, { ...current, value: `swapped ${i}` }))
      t.is((await store.get(kind, 'a'))?.value, `swapped ${swapped}`)
      wins[swapped] = (wins[swapped] ?? 0) + 1
      await race((racer) => racer.store.delete(kind, 'a'))
      t.is(await store.get(kind, 'a'), undefined)
    }
    t.log(`swaps won: ${wins.join(' and ')}`)
  })

  each(
    'a watch is told at its next sync what another process was told is written',
    async (t, { store, options, record }) => {
      const seen = createCollector()
      const watch = await store.watch?.(seen.listen)
      const elsewhere = await start(t, options)
      for (let i = 0; i < 200; i += 1) {
        await elsewhere.store.set('revocation', record(`k${i}`))
        if (watch?.sync === undefined) await seen.until(({ key }) => key === `k${i}`)
        else watch.sync()
        t.is(seen.records.at(-1)?.key, `k${i}`)
      }
      watch?.stop()
    },
    ['revocation'],
  )
}

/** Gathers what a watcher hears, and waits for a certain record of it. */
function createCollector(): {
  readonly records: NewRecord[]
  readonly listen: (record: NewRecord) => void
  /** Their keys, each once. */
  keys(): string[]
  /** Resolves once such a record has been heard. */
  until(matches: (record: NewRecord) => boolean): Promise<void>
} {
  const records: NewRecord[] = []
  const waiting = new Set<() => void>()
  return {
    records,
    listen(record) {
      records.push(record)
      for (const check of waiting) check()
    },
    keys: () => [...new Set(records.map(({ key }) => key))].sort(),
    until: (matches) =>
      new Promise((resolve, reject) => {
        // It also keeps the process alive, which a store that looks now and then does not.
        const timer = setTimeout(() => reject(new Error('what was waited for was not told')), PATIENCE_MS)
        const check = (): void => {
          if (!records.some(matches)) return
          waiting.delete(check)
          clearTimeout(timer)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
}

async function mustGet(
  store: Store,
  kind: StoreKind,
  key: string,
  prepare: () => Promise<void> = async () => {},
): Promise<StoreRecord> {
  await prepare()
  const record = await store.get(kind, key)
  if (record === undefined) throw new Error(`expected a record '${key}'`)
  return record
}

async function toRecords(store: Store, kind: StoreKind, group?: string): Promise<StoreRecord[]> {
  const records: StoreRecord[] = []
  for await (const record of store.list(kind, group)) records.push(record)
  return records
}

async function toKeys(store: Store, kind: StoreKind, group?: string): Promise<string[]> {
  return (await toRecords(store, kind, group)).map(({ key }) => key).sort()
}
