// What one client's noise must not do to another: hide an alarm, or use up the revocations that a theft needs.

import test from 'ava'

import { createTestApp, type TestApp } from '../helpers/app.ts'

/** The subjects of the `sidejack` events so far. */
function stolenFrom(app: TestApp): unknown[] {
  return app.seen.flatMap(({ name, event }) => (name === 'sidejack' && 'sub' in event ? [event.sub] : []))
}

test('EL-09 FP-16 a flood of alarms about one session leaves the alarm about another to be heard', async (t) => {
  const app = await createTestApp()
  t.teardown(app.close)
  const [noisy, victim] = [await app.login('mallory'), await app.login('alice')]
  for (let i = 0; i < 60; i += 1) await app.me(noisy.token)
  await app.me(victim.token)
  t.is(stolenFrom(app).filter((sub) => sub === 'mallory').length, 50)
  t.is(stolenFrom(app).filter((sub) => sub === 'alice').length, 1)
})

test('one user cannot use up the revocations of a minute', async (t) => {
  const app = await createTestApp({ onSidejack: 'revoke' })
  t.teardown(app.close)
  const ended: string[] = []
  app.kit.events.on('session_expired', ({ sub, reason }) => {
    if (reason === 'sidejack') ended.push(sub)
  })
  for (let i = 0; i < 12; i += 1) await app.me((await app.login('mallory')).token)
  const victim = await app.login('alice')
  await app.me(victim.token)
  t.is((await app.me(victim.token, victim.cookie)).status, 401)
  t.deepEqual(ended, ['mallory', 'mallory', 'alice'])
})
