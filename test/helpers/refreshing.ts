// What the tests of refresh have in common: refreshing, what a refused or an ended session looks like from outside, refresh
// tokens that are none, and stores that do something of their own at one verb.

import { EventEmitter, once } from 'node:events'

import type { ExecutionContext } from 'ava'

import type { ErrorCode, Store, StoreRecord } from '../../src/index.ts'
import { parseRefreshToken, type RefreshToken } from '../../src/session/refresh-token.ts'
import type { SessionValue } from '../../src/session/record.ts'
import { type Login, postRefresh, type TestApp, toLogin } from './app.ts'
import { assertRefused } from './refused.ts'

/** The name of the refresh cookie of an app without cookie options. */
export const REFRESH_NAME = '__Secure-Refresh'

type Pair = Pick<Login, 'cookie' | 'refreshCookie'>

/** Refreshes, which must succeed. */
export async function refresh(t: ExecutionContext, app: TestApp, pair: Pair, label = 'refresh'): Promise<Login> {
  const response = await postRefresh(app, pair)
  t.is(response.status, 200, `${label}: ${JSON.stringify(app.seen.at(-1))}`)
  return toLogin(response)
}

/** Refreshes, which must be refused for exactly this reason, like every bad credential and without a Set-Cookie. */
export async function refuseRefresh(
  t: ExecutionContext,
  app: TestApp,
  pair: Pair,
  code: ErrorCode,
  label: string = code,
): Promise<void> {
  const response = await assertRefused(t, app, () => postRefresh(app, pair), code, label)
  t.deepEqual(response.cookies, [], label)
}

/** Asserts that the session goes on: its token passes and its refresh token is the current one still. */
export async function assertGoesOn(t: ExecutionContext, app: TestApp, login: Login, label = 'goes on'): Promise<Login> {
  t.is((await app.me(login.token, login.cookie)).status, 200, label)
  const before = await readSession(app, login)
  const next = await refresh(t, app, login, label)
  t.is((await readSession(app, login))?.generation, (before?.generation ?? NaN) + 1, `${label}: was used up already`)
  return next
}

/** Asserts that nothing of the session is left: neither an access token nor a refresh token of any generation. */
export async function assertOver(t: ExecutionContext, app: TestApp, logins: readonly Login[]): Promise<void> {
  for (const login of logins) {
    await assertRefused(t, app, () => app.me(login.token, login.cookie), 'ERR_TOKEN_REVOKED')
    await refuseRefresh(t, app, login, 'ERR_TOKEN_REVOKED')
    t.is(await readSession(app, login), undefined)
  }
}

/** The record of a session. */
export async function readSession(app: TestApp, { sid }: Pick<Login, 'sid'>): Promise<SessionValue | undefined> {
  return (await app.store.get('session', sid))?.value as SessionValue | undefined // the kit's own
}

/** Everything in a store. */
export async function dump(store: Store): Promise<StoreRecord[]> {
  const records: StoreRecord[] = []
  for (const kind of ['session', 'revocation'] as const) {
    for await (const record of store.list(kind)) records.push(record)
  }
  return records
}

/** The parts of a genuine refresh token. */
export function partsOf({ refreshToken }: Pick<Login, 'refreshToken'>): RefreshToken {
  const parts = parseRefreshToken(refreshToken)
  if (parts === undefined) throw new Error('not a refresh token')
  return parts
}

/** The session's pair with another refresh token. */
export function withToken({ cookie }: Pick<Login, 'cookie'>, refreshToken: string): Pair {
  return { cookie, refreshCookie: `${REFRESH_NAME}=${refreshToken}` }
}

/** Something to wait for. */
export function createGate(): { readonly isOpen: Promise<unknown>; open(): void } {
  const opened = new EventEmitter()
  return { isOpen: once(opened, 'open'), open: () => void opened.emit('open') }
}

/** A real store whose verbs a test may replace. */
export function alterStore(store: Store, alter: (store: Store) => Partial<Store>): Store {
  return { ...store, ...alter(store) }
}

/** What resembles this refresh token and is none. */
export function malformedTokens(token: string): string[] {
  const [sid = '', generation = '', secret = ''] = token.split('.')
  const generations = [
    ...['', ' ', '00', '01', '-0', '-1', '+0', '+1', '1e3', '0e0', '0x0', '0b0', '0o0', '1_0', '0n', '0.0', '0,0'],
    ...['1000000000', '99999999999999999999', '9'.repeat(400), 'NaN', 'Infinity', 'null', ' 0', '0 ', '%30', '\u0660'],
    ...['\uff10', '\u00b2', '0\n', '0\0'],
  ]
  return [
    ...generations.map((one) => `${sid}.${one}.${secret}`),
    ...[' ', '.', '..', '...', '.'.repeat(1000), 'null', 'undefined', '{}', '[object Object]', '\0', '\n', '""'],
    ...[sid, `${sid}.`, `${sid}.0`, `${sid}.0.`, `.0.${secret}`, `..${secret}`, `${sid}..${secret}`, secret],
    ...[`.${token}`, `${token}.`, `${token}..`, `${token}.0`, `0.${token}`, `${token}.${token}`, `${token},${token}`],
    ...[`${sid}.0.${secret.slice(0, 22)}.${secret.slice(22)}`, `${secret}.0.${sid}`, `${generation}.${sid}.${secret}`],
    ...[`${sid}.${secret}`, `${sid}/0/${secret}`, `${sid}:0:${secret}`, `${sid}-0-${secret}`, `${sid}%2E0%2E${secret}`],
    // Another length.
    ...[token.slice(0, -1), `${token}A`, token.slice(1), `A${token}`, `${sid}.0.${secret.repeat(2)}`, `${sid}.0.A`],
    ...[
      `${token}${'A'.repeat(8192)}`,
      'A'.repeat(8192),
      `${sid}.0.${'A'.repeat(8192)}`,
      `${'A'.repeat(8192)}.0.${secret}`,
    ],
    // Another alphabet.
    ...['+', '/', '=', '~', '*', '%', '\u00e9', '\0', '\ud800', '\u{1f511}'].flatMap((character) => [
      `${sid}.0.${secret.slice(0, -1)}${character}`,
      `${sid.slice(0, -1)}${character}.0.${secret}`,
    ]),
    ...[`${token}=`, `${token}==`, `${sid}==.0.${secret}`, encodeURIComponent(` ${token}`), `%${token.slice(1)}`],
    ...[Buffer.from(token).toString('base64'), Buffer.from(token).toString('hex'), `${token}%00`, `${token}\\0`],
    ...[`"${token}"`, `'${token}'`, `"${token}`, `${token}"`, `<${token}>`, `\`${token}\``, `Bearer ${token}`],
    ...[
      ` ${token}`,
      `${token} x`,
      `\t${token}`,
      `${token}\t`,
      `${token}\n`,
      `\n${token}`,
      `${token}\r\n`,
      `${token}\0`,
    ],
    ...[`\ufeff${token}`, `\u200b${token}`, `${token}\u2028`, `{"refresh_token":"${token}"}`, `["${token}"]`],
  ]
}
