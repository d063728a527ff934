// What a thief does, for the tests of an app: each answers what the app says to it, so that the test can say what it should.

import { type FingerprintFormat, splitFingerprints } from '../fingerprint.ts'
import { oneOf } from '../options/checks.ts'
import { parseRefreshToken } from '../session/refresh-token.ts'
import type { TestClient } from './client.ts'

/**
 * What is stolen: the access token, as an injected script or a log has it; the fingerprint cookie; the refresh token; or
 * everything, cookies of the app's own among it.
 */
export type Loot = 'token' | 'cookie' | 'refresh' | 'all'

/**
 * A client of the thief's own that holds what was stolen and nothing else. The owner keeps it all.
 *
 * @throws Error when there is no such thing to steal; TypeError for what is no loot
 * @example
 * ```ts
 * import assert from 'node:assert/strict'
 * import { createTestClient, steal } from 'koa-holdfast/testing'
 * import { createApp, ORIGIN } from './app.ts'
 *
 * const { app, kit } = await createApp()
 * const alice = await createTestClient(app, { origin: ORIGIN }).asUser(kit, { sub: 'alice' })
 * const thief = steal(alice, 'token')
 * assert.equal((await thief.fetch('/me')).status, 401)
 * ```
 */
export function steal(owner: TestClient, loot: Loot): TestClient {
  oneOf(loot, 'loot', ['token', 'cookie', 'refresh', 'all'])
  const isStolen = (part: Loot): boolean => loot === part || loot === 'all'
  const jar = owner.jar.copy(({ name, value }) => loot === 'all' || (OF_THE_KIT.test(name) && COOKIES[loot](value)))
  const token = isStolen('token') ? owner.token : undefined
  const refreshToken = isStolen('refresh') ? owner.refreshToken : undefined
  if (token === undefined && refreshToken === undefined && jar.all().length === 0) {
    throw new Error(`loot: expected a client that holds it, got one without '${loot}'`)
  }
  return owner.fork({ jar, token, refreshToken })
}

/** Which of the kit's cookies are meant, by their values: most of the names are the app's to choose. */
const COOKIES: Readonly<Record<Exclude<Loot, 'all'>, (value: string) => boolean>> = {
  // A header that is longer than a sid, with which a refresh token begins.
  token: (value) => /^eyJ[\w-]{20,}(?:\.[\w-]*){2,4}$/.test(value),
  cookie: (value) => FORMATS.some((format) => splitFingerprints(value, format).length > 0),
  refresh: (value) => parseRefreshToken(value) !== undefined,
}
const FORMATS = ['base64url', 'owasp'] as const satisfies readonly FingerprintFormat[]
const OF_THE_KIT = /^__(?:Secure|Host|Host-Http)-|^(?:Fgp|Access|Refresh)-Development$/i

/**
 * Presents a refresh token that has been replaced: the thief copies everything, the owner refreshes twice, then the thief
 * refreshes. The kit then ends the session, for both of them.
 *
 * @returns the answer to the thief
 * @throws Error when the owner cannot refresh
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
 */
export async function replayRefresh(owner: TestClient): Promise<Response> {
  const thief = steal(owner, 'all')
  // Twice: the token before the current one is answered for as long as `refreshToken.grace`.
  for (let i = 0; i < 2; i += 1) {
    const { ok, status } = await owner.refresh()
    if (!ok) throw new Error(`owner: expected one that can refresh, got ${status}`)
  }
  return thief.refresh()
}

/** Sends this many refreshes at the same time, as the tabs of one browser do. */
export function raceRefresh(client: TestClient, count: number): Promise<Response[]> {
  return Promise.all(Array.from({ length: count }, () => client.refresh()))
}
