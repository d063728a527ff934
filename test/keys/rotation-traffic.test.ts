// Keys rotate under traffic: two kits on one store, whose clocks differ, users who log in all the time, and services that
// have no other way to a key than their caches. Not one request fails.

import test, { type ExecutionContext } from 'ava'

import { memoryStore } from '../../src/index.ts'
import { createClock, type Login, openTestApp, START, type TestApp } from '../helpers/app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { createDice } from '../helpers/held-store.ts'
import { createCache, createService, KEEP, LEAD, PERIOD, publishedBy, ROTATING } from '../helpers/rotating.ts'

/** Between two steps the clock stands still, so this many requests come at the same time. */
const STEP = { seconds: 10, requests: 20 }
/** Around what may go wrong: 1,000 requests a second. */
const FINE = { seconds: 0.1, requests: 100 }
const AROUND = 1
/** How far the second kit's clock is behind. */
const BEHIND = 4

interface Traffic {
  readonly requests: number
  readonly failures: readonly string[]
  /** When each key first signed, in seconds from the start, and when it first was in everybody's answer. */
  readonly keys: ReadonlyMap<string, { readonly signed: number; readonly published: number }>
}

/**
 * Runs it.
 *
 * @param options.critical - when to look closely, in seconds from the start
 * @param options.acts - what is done at a time
 */
async function run(
  t: ExecutionContext,
  options: {
    readonly until: number
    readonly critical: readonly number[]
    readonly acts?: Readonly<Record<number, (apps: readonly [TestApp, TestApp]) => Promise<unknown>>>
  },
): Promise<Traffic & { readonly apps: readonly [TestApp, TestApp] }> {
  const clock = createClock(START)
  const store = memoryStore({ clock })
  const behind = Object.assign(() => clock() - BEHIND * 1000, clock)
  const settings = { ...ROTATING, store, withSession: false }
  const apps = [
    await openTestApp(t, { ...settings, testClock: clock }),
    await openTestApp(t, { ...settings, testClock: behind }),
  ] as const
  const roll = createDice(1_000_000)
  const pick = <T>(from: readonly T[]): T => from[roll() % from.length] as T // it is not empty
  // Each service asks through a cache of its own, so that its keys are as old as they may be.
  const services = Array.from({ length: 6 }, () =>
    createService(
      createCache(() => pick(apps), clock),
      clock,
    ),
  )
  // They begin at different times.
  const open: typeof services = []
  const live: (Login & { readonly exp: number })[] = []
  const failures: string[] = []
  const keys = new Map<string, { signed: number; published: number }>()
  let requests = 0
  const elapsed = (): number => (clock() - START) / 1000

  async function issue(app: TestApp): Promise<void> {
    const login = await app.login()
    live.push({ ...login, exp: Number(payloadOf(login.token)['exp']) })
    const kid = String(headerOf(login.token)['kid'])
    const seen = keys.get(kid) ?? { signed: Infinity, published: -Infinity }
    keys.set(kid, { ...seen, signed: Math.min(seen.signed, elapsed()) })
  }

  async function request(): Promise<void> {
    const login = pick(live)
    const who = roll() % (apps.length + open.length)
    const app = apps[who]
    const passes =
      app === undefined
        ? await open[who - apps.length]?.(login.token)
        : (await app.me(login.token, login.cookie)).status === 200
    requests += 1
    if (!passes) failures.push(`${elapsed()} s: ${String(headerOf(login.token)['kid'])} at ${who}`)
  }

  const acts = Object.entries(options.acts ?? {}).map(([time, act]) => ({ time: Number(time), act }))
  while (elapsed() < options.until) {
    for (const due of acts.filter(({ time }) => time <= elapsed())) {
      acts.splice(acts.indexOf(due), 1)
      await due.act(apps)
    }
    if (open.length < services.length && elapsed() >= open.length * 97)
      open.push(pick(services.slice(open.length, open.length + 1)))
    await Promise.all(apps.map(issue))
    const answers = await Promise.all(apps.map(publishedBy))
    for (const kid of answers.flat()) {
      const seen = keys.get(kid) ?? { signed: Infinity, published: -Infinity }
      const isEverywhere = answers.every((one) => one.includes(kid))
      keys.set(kid, seen.published === -Infinity && isEverywhere ? { ...seen, published: elapsed() } : seen)
    }
    const isCritical = options.critical.some(
      (time) => elapsed() >= time - AROUND && elapsed() <= time + BEHIND + AROUND,
    )
    const isNear = options.critical.some((time) => elapsed() < time && elapsed() + STEP.seconds > time - AROUND)
    const step = isCritical ? FINE : STEP
    await Promise.all(Array.from({ length: step.requests }, request))
    clock.advance(isNear && !isCritical ? 1 : step.seconds)
    // What is dead by anybody's clock is asked about by nobody.
    for (let i = live.length - 1; i >= 0; i -= 1) if ((live[i]?.exp ?? 0) <= clock() / 1000) live.splice(i, 1)
    // What reads the store has its turn.
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  }
  return { requests, failures, keys, apps }
}

test.serial('KY-11 a key is made, signs, is retired and goes, and of all requests meanwhile none fails', async (t) => {
  t.timeout(240_000)
  const { requests, failures, keys, apps } = await run(t, {
    until: 2 * PERIOD + KEEP + 120,
    critical: [PERIOD, PERIOD + KEEP, 2 * PERIOD, 2 * PERIOD + KEEP],
  })
  t.deepEqual(failures.slice(0, 5), [])
  t.true(requests > 20_000, String(requests))
  const [first = '', second = '', third = '', fourth = '', ...more] = [...keys.keys()]
  t.deepEqual(more, [], 'one key a period, whoever makes it')
  t.deepEqual(await publishedBy(apps[0]), [third, fourth], 'the others are gone')
  t.deepEqual(await publishedBy(apps[1]), [third, fourth])
  for (const kid of [second, third]) {
    const { signed, published } = keys.get(kid) ?? { signed: 0, published: 0 }
    t.true(signed - published >= LEAD, `${kid}: published ${published}, signed ${signed}`)
  }
  const events = apps.flatMap(({ seen }) => seen.filter(({ name }) => name.startsWith('key_')))
  const told = (name: string): string[] =>
    events.flatMap((one) => (one.name === name ? [(one.event as { kid: string }).kid] : []))
  // The first two were made before anyone could listen.
  t.deepEqual(told('key_created'), [third, fourth])
  for (const kid of [second, third])
    t.is(told('key_activated').filter((one) => one === kid).length, 2, 'each process says so')
  for (const kid of [first, second]) t.is(told('key_retired').filter((one) => one === kid).length, 2)
  t.is(events.length, 2 + 4 + 4)
  t.log(`${requests} requests`)
})

test.serial(
  'KY-11 rotated by hand right after a rotation, a key waits until every cache has it, and no request fails',
  async (t) => {
    t.timeout(240_000)
    const asked = PERIOD + 30
    const { requests, failures, keys } = await run(t, {
      until: asked + LEAD + KEEP + 60,
      critical: [PERIOD, PERIOD + LEAD, asked + LEAD, PERIOD + LEAD + KEEP],
      acts: {
        [asked]: async ([app, other]) => {
          const plans = await Promise.all([app.kit.rotateKeys(), other.kit.rotateKeys()])
          t.deepEqual(plans[0], plans[1], 'who asks together asks for the same')
        },
      },
    })
    t.deepEqual(failures.slice(0, 5), [])
    const signed = [...keys.values()].map((one) => one.signed)
    const third = signed[2] ?? 0
    t.true(third >= PERIOD + LEAD - 1 && third < asked + LEAD + 60, String(signed))
    t.is(keys.size, 4)
    t.log(`${requests} requests`)
  },
)
