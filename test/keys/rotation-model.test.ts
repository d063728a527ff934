// Whatever happens to three processes in whatever order, a token is verified as long as it lives, by every process that
// reaches the store, and no key signs before every cache has it, unless one has leaked.

import test, { type ExecutionContext } from 'ava'

import { memoryStore, type RotatingKeys, type StoreRecord } from '../../src/index.ts'
import { createClock, ISSUER, START } from '../helpers/app.ts'
import { type FaultyStore, faultyStore } from '../helpers/faulty.ts'
import { createDice } from '../helpers/held-store.ts'
import { until } from '../helpers/redis-process.ts'
import { LEAD, openKeys, settleIfBusy } from '../helpers/rotating.ts'

const STEPS = 1000
// A process that starts when the store has lost the keys and nobody has put them back yet has no way to know of them.
const PUT_BACK = 70
/** How much of what was written a failover may lose. */
const FORGOTTEN = 120
const LIFE = 300
/** How long anybody may keep the public keys, less what is seen and read a step later than it could be. */
const CACHED = 900 - 2 * 10
/** How far the clocks of the processes are apart. */
const SKEWS = [0, -2, 2]

interface Process {
  keys: RotatingKeys
  readonly store: FaultyStore
  readonly clock: () => number
  /** Until which step its store fails. */
  brokenUntil: number
  /** When it last failed. */
  brokenAt: number
}

async function live(t: ExecutionContext, seed: number): Promise<Record<string, number>> {
  const clock = createClock()
  const memory = memoryStore({ clock })
  const roll = createDice(1000, seed)
  const happened: Record<string, number> = {}
  const processes: Process[] = []
  for (const skew of SKEWS) {
    const store = faultyStore(memory)
    const own = (): number => clock() + skew * 1000
    processes.push({
      keys: await openKeys(t, { clock: own, store }),
      store,
      clock: own,
      brokenUntil: 0,
      brokenAt: -Infinity,
    })
  }
  const first = processes[0]?.keys.active.kid
  const tokens: { readonly kid: string; readonly exp: number }[] = []
  const revoked = new Set<string>()
  const published = new Map<string, number>()
  let leaked = -Infinity
  let byHand = -Infinity
  let lost = -Infinity
  let old: StoreRecord | undefined
  let oldAt = -Infinity
  const now = (): number => (clock() - START) / 1000

  const did = (name: string): void => void (happened[name] = (happened[name] ?? 0) + 1)

  async function happen(step: number): Promise<void> {
    const one = processes[roll() % processes.length] as Process // there are three
    const isWhole = processes.every(({ brokenUntil }) => brokenUntil <= step)
    const what = roll()
    // What was done by hand everyone has to hear of: a minute without faults.
    const isHeard = now() - byHand > PUT_BACK
    if (what < 15 && isWhole) {
      did('rotate')
      byHand = now()
      await one.keys.rotate()
    } else if (what < 18 && isWhole) {
      did('emergency')
      revoked.add(one.keys.active.kid)
      byHand = leaked = now()
      await one.keys.rotate({ emergency: true })
    } else if (what < 58 && one.brokenUntil <= step && isHeard) {
      did('break')
      one.brokenUntil = step + (roll() % 40)
      one.store.broken.add((['get', 'swap', 'add'] as const)[roll() % 3] ?? 'get')
    } else if (what < 90 && one.brokenUntil <= step && now() - lost > PUT_BACK) {
      did('restart')
      await one.keys.close()
      one.keys = await openKeys(t, { clock: one.clock, store: one.store })
    } else if (what < 95 && isWhole && isHeard) {
      did('lose')
      lost = now()
      await memory.delete('key', ISSUER)
    } else if (what < 100 && old !== undefined && isHeard && oldAt > Math.max(byHand, now() - FORGOTTEN)) {
      did('set back')
      lost = now()
      await memory.set('key', old)
    } else if (what < 150) {
      old = await memory.get('key', ISSUER)
      oldAt = now()
    }
  }

  for (let step = 0; step < STEPS; step += 1) {
    for (const one of processes) if (one.brokenUntil <= step) one.store.broken.clear()
    await happen(step)
    clock.advance(1 + (roll() % 10))
    for (const one of processes) if (one.brokenUntil > step) one.brokenAt = now()
    // What a process reads a little later than others do, and no later.
    for (const { keys, store } of [...processes, ...processes]) await settleIfBusy(keys, store)
    // Who cannot read the store publishes what it knows.
    const publish = ({ keys }: Process): string[] => keys.jwks().keys.map(({ kid }) => kid)
    const answers = processes.filter(({ brokenAt }) => now() - brokenAt >= 70).map(publish)
    for (const kid of processes.flatMap(publish)) {
      if (!published.has(kid) && answers.every((one) => one.includes(kid))) published.set(kid, now())
    }
    for (const { keys } of processes) {
      const { kid } = keys.active
      if (revoked.has(kid)) continue
      tokens.push({ kid, exp: now() + LIFE })
      const age = now() - (published.get(kid) ?? Infinity)
      const isSoon = now() - leaked < LEAD + CACHED
      // What is lost before others have read it is put back a minute later.
      const least = now() - lost < LEAD ? CACHED - PUT_BACK : CACHED
      t.true(age >= least || isSoon || kid === first, `${seed}, step ${step}: ${kid} signs after ${age} s`)
    }
    for (const { keys, brokenUntil, brokenAt } of processes) {
      if (brokenUntil > step) continue
      for (const kid of new Set(tokens.flatMap((one) => (one.exp > now() && !revoked.has(one.kid) ? [one.kid] : [])))) {
        t.is((await keys.get(kid))?.kid, kid, `${seed}, step ${step}`)
      }
      const states = keys.plan().map(({ state }) => state)
      t.is(states.filter((state) => state === 'active').length, 1, `${seed}, step ${step}`)
      // Where the record was set back there may be two that were made for the same.
      t.true(states.length <= 6 + revoked.size, `${seed}, step ${step}: ${states.join()}`)
      // A minute is what it may take to see that one is missing.
      const began = keys.plan().find(({ state }) => state === 'active')?.activates ?? 0
      const isNew = clock() - began < 70_000 || now() - brokenAt < 70
      // It may be on its way.
      if (!isNew) await until(() => keys.plan().at(-1)?.state === 'next', `a next key (${seed}, step ${step})`)
    }
  }
  return happened
}

for (const seed of [1, 2, 3]) {
  test.serial(
    `KY-11 every token is verified while it lives, through faults, restarts and rotations by hand (${seed})`,
    async (t) => {
      t.timeout(240_000)
      t.log(await live(t, seed))
    },
  )
}
