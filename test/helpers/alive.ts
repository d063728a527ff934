// Whether anything is left of a session: its access token with its fingerprint, and its refresh token with it.

import type { ExecutionContext } from 'ava'

import { type Login, postRefresh, type TestApp } from './app.ts'

/** What the pair and the refresh token are answered. Asked again in the same second, a session that lives says the same. */
async function probe(app: TestApp, login: Login): Promise<readonly number[]> {
  return [(await app.me(login.token, login.cookie)).status, (await postRefresh(app, login)).status]
}

/** Asserts that both still work. */
export async function assertLives(t: ExecutionContext, app: TestApp, login: Login, label = 'lives'): Promise<void> {
  t.deepEqual(await probe(app, login), [200, 200], label)
}

/** Asserts that neither does. */
export async function assertEnded(t: ExecutionContext, app: TestApp, login: Login, label = 'ended'): Promise<void> {
  t.deepEqual(await probe(app, login), [401, 401], label)
}

/** The identifiers of all sessions in the store, or of those of one subject. */
export async function sidsOf(app: Pick<TestApp, 'store'>, sub?: string): Promise<string[]> {
  const sids: string[] = []
  for await (const { key } of app.store.list('session', sub)) sids.push(key)
  return sids.sort()
}

/** Which sessions have ended so far, whose, and why. */
export function endsOf({ seen }: Pick<TestApp, 'seen'>): (readonly [sub: string, sid: string, reason: string])[] {
  return seen.flatMap(({ event }) => ('reason' in event ? [[event.sub, event.sid, event.reason] as const] : []))
}
