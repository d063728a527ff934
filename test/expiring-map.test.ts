// The list in memory: what expires is dropped by the minute, and no clock that goes back brings anything back.

import test from 'ava'

import { createExpiringMap } from '../src/expiring-map.ts'
import { createRevocationList } from '../src/revocation.ts'
import { memoryStore } from '../src/index.ts'
import { bearer, createClock, createTestApp, ISSUER, START } from './helpers/app.ts'

const MINUTE = 60_000

test('RV-04 whole minutes are dropped when they are over, and nothing else', (t) => {
  const clock = createClock(START)
  const map = createExpiringMap(clock)
  for (let i = 0; i < 1000; i += 1) map.add(`k${i}`, { expires: START + (i % 10) * MINUTE, cutoff: 0 })
  t.is(map.size, 1000)
  clock.advance(5 * 60)
  t.is(map.size, 500)
  clock.advance(3600)
  t.is(map.size, 0)
})

test('an entry that is added again keeps the later of both times', (t) => {
  const clock = createClock(START)
  const map = createExpiringMap(clock)
  map.add('k', { expires: START + 10 * MINUTE, cutoff: 5 })
  map.add('k', { expires: START + MINUTE, cutoff: 9 })
  t.deepEqual(map.get('k'), { expires: START + 10 * MINUTE, cutoff: 9 })
  clock.advance(5 * 60)
  map.purge()
  t.is(map.size, 1)
})

test('SL-07 what has been dropped counts as forgotten, also when the clock goes back', (t) => {
  const clock = createClock(START)
  const map = createExpiringMap(clock)
  clock.advance(3600)
  map.purge()
  clock.advance(-3600)
  map.purge()
  t.true(map.hasForgotten(START + 30 * MINUTE))
  t.false(map.hasForgotten(START + 90 * MINUTE))
  t.is(map.latest, START + 60 * MINUTE)
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
    issuer: ISSUER,
    store: memoryStore({ clock }),
    clock: () => (broken ? Number.NaN : clock()),
    retention: 3600,
    clockTolerance: 0,
  })
  await t.throwsAsync(list.add({ sid: 's' }), { code: 'ERR_UNEXPECTED' })
  broken = false
  await list.add({ sid: 's' })
  const exp = START / 1000 + 600
  t.true(list.has({ iss: ISSUER, jti: 'j', sid: 's', sub: 'u', kid: 'k', iat: exp - 900, exp }))
})
