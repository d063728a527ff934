// A process that is asked nothing reads the keys all the same. In a file of its own, since its timers do not run.

import { mock } from 'node:test'

import test from 'ava'

import { memoryStore } from '../../src/index.ts'
import { createClock } from '../helpers/app.ts'
import { faultyStore } from '../helpers/faulty.ts'
import { createSignal } from '../helpers/held-store.ts'
import { openKeys } from '../helpers/rotating.ts'

/** A store that tells when it is asked for the keys. */
function toldStore(): { readonly store: ReturnType<typeof faultyStore>; asked(): Promise<void> } {
  const store = faultyStore(memoryStore())
  let signal = createSignal()
  const get: typeof store.get = (...key) => {
    const asked = signal
    signal = createSignal()
    return store.get(...key).finally(() => asked.send())
  }
  return { store: { ...store, get }, asked: () => signal.promise }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate)
}

test.serial(
  'the keys are read every minute at least, sooner where that failed, and not after they are closed',
  async (t) => {
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    const { store, asked } = toldStore()
    const clock = createClock()
    const keys = await openKeys(t, { clock, store })
    const reads = (): number => store.calls.filter((call) => call === 'get key').length
    for (const [fault, wait] of [
      [false, 60_000],
      [true, 60_000],
      [true, 5000],
      [false, 5000],
      [false, 60_000],
    ] as const) {
      if (fault) store.broken.add('get')
      else store.broken.clear()
      const [told, before] = [asked(), reads()]
      mock.timers.tick(wait / 2 - 1)
      await turns()
      t.is(reads(), before, 'not all the time')
      mock.timers.tick(wait / 2 + 1)
      await told
      await turns()
      t.is(reads(), before + 1)
    }
    const told = asked()
    mock.timers.tick(60_000)
    await Promise.all([told, keys.close()])
    await turns()
    const before = reads()
    mock.timers.tick(120_000)
    await turns()
    t.is(reads(), before)
  },
)
