// The plan of rotating keys follows from the options, and options that leave no time for it are refused with the time.

import test from 'ava'

import { createSessionKit, type KeyRotation, memoryStore, type SessionKitOptions } from '../../src/index.ts'
import { createClock, ISSUER, START } from '../helpers/app.ts'
import { openKeys, ROTATING } from '../helpers/rotating.ts'

interface Row {
  readonly options?: Pick<SessionKitOptions, 'accessToken' | 'clockTolerance'>
  readonly verifierCache?: number | string
  /** The shortest period, in seconds. */
  readonly least: number
}

// JWKS 300, reading the store 60, clocks 5: once before a key signs and, but for the JWKS, once after.
const ROWS: readonly Row[] = [
  { least: 965 + 3665 },
  { verifierCache: 0, least: 365 + 3665 },
  { verifierCache: '1d', least: 86_765 + 3665 },
  { options: { accessToken: { lifetime: '5m', maxLifetime: '5m' } }, least: 965 + 365 },
  { options: { clockTolerance: '1m' }, least: 965 + 3725 },
]

function build(keys: unknown, options: object = {}): Promise<{ close(): Promise<void> }> {
  return createSessionKit({ issuer: ISSUER, store: memoryStore(), ...options, keys: keys as KeyRotation })
}

for (const { options = {}, verifierCache, least } of ROWS) {
  const about = JSON.stringify({ ...options, verifierCache })
  test(`KY-11 with ${about} keys rotate every ${least} seconds at the most often`, async (t) => {
    const cache = verifierCache === undefined ? {} : { verifierCache }
    await (await build({ rotateEvery: least, ...cache }, options)).close()
    const error = await t.throwsAsync(build({ rotateEvery: least - 1, ...cache }, options), { instanceOf: TypeError })
    t.true(error.message.startsWith(`keys.rotateEvery: expected ${least} seconds at least`), error.message)
  })
}

test('the first key signs at once, and the next one a period later', async (t) => {
  const keys = await openKeys(t, {
    clock: createClock(),
    store: memoryStore(),
    keys: { ...ROTATING.keys, rotateEvery: '30d' },
  })
  const now = Math.floor(START / 1000) * 1000
  t.deepEqual(
    keys.plan().map(({ state, created, activates }) => ({ state, created, activates })),
    [
      { state: 'active', created: now, activates: now },
      { state: 'next', created: now, activates: now + 30 * 86_400_000 },
    ],
  )
})

test('options of rotation that are wrong or misspelt are refused by name', async (t) => {
  const rotateEvery = '30d'
  for (const [keys, name] of [
    [{ rotateEvery: '401d' }, 'keys.rotateEvery'],
    [{ rotateEvery: 'often' }, 'keys.rotateEvery'],
    [{ rotateEvery: 0 }, 'keys.rotateEvery'],
    [{ rotateEvery: undefined }, 'keys.rotateEvery'],
    [{ rotateevery: '30d' }, 'keys'],
    [{ rotateEvery, algorithm: 'HS256' }, 'keys.algorithm'],
    [{ rotateEvery, algorithm: 'none' }, 'keys.algorithm'],
    [{ rotateEvery, verifierCache: '2d' }, 'keys.verifierCache'],
    [{ rotateEvery, verifierCache: -1 }, 'keys.verifierCache'],
    [{ rotateEvery, encryptionkey: 'x' }, 'keys'],
    [{ rotateEvery, encryptionKey: 'x' }, 'keys.encryptionKey'],
  ] as const) {
    const error = await t.throwsAsync(build(keys), { instanceOf: TypeError }, JSON.stringify(keys))
    t.true(error.message.startsWith(`${name}: expected`), error.message)
  }
})
