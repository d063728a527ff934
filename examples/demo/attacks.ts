// What a thief does with what leaked, as a table: for each attack the requests to the kit, and the same to plain koa-jwt.

import { algNone, headerOf, payloadOf, tamper } from 'koa-holdfast/testing'

import type { Loot } from './loot.ts'

/** A request to be sent, and how the page shows it. */
export interface Attempt {
  readonly to: 'kit' | 'koa-jwt'
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly token?: string
  readonly cookies?: readonly string[]
  /** What the thief changed in the token, decoded. */
  readonly forged?: Readonly<Record<string, unknown>>
}

/** How each attack goes on from the loot, in the order in which the requests are sent. */
export const ATTACKS: ReadonlyMap<string, (loot: Loot) => readonly Attempt[]> = new Map([
  // A log that keeps the Authorization header: one half of the pair.
  ['token', ({ token }: Loot) => [askKit(token), askPlain(token)]],
  // With the cookie, so that it is only the signature that is wrong.
  ['tampered', (loot) => forge(loot, tamper(loot.token, { claims: anotherUser(loot) }))],
  ['none', (loot) => forge(loot, algNone(loot.token, anotherUser(loot)))],
  // The whole request, both halves; the owner has logged out meanwhile.
  ['replay', ({ token, cookies }) => [askKit(token, cookies), askPlain(token)]],
  // Everything; the owner has refreshed meanwhile.
  [
    'refresh',
    ({ token, cookies }) => [
      { to: 'kit', method: 'POST', path: '/auth/refresh', cookies },
      askKit(token, cookies),
      askPlain(token),
    ],
  ],
])

/** With the cookies that a browser sends there. */
function askKit(token: string, cookies: readonly string[] = []): Attempt {
  const sent = cookies.filter((cookie) => cookie.startsWith('__Secure-Fgp='))
  return { to: 'kit', method: 'GET', path: '/api/me', token, cookies: sent }
}

function askPlain(token: string): Attempt {
  return { to: 'koa-jwt', method: 'GET', path: '/plain/me', token }
}

/** The headers of a request. `Sec-Fetch-Site` is what browsers vouch for; nothing stops a thief from writing it. */
export function headersOf({ token, cookies = [] }: Attempt): Record<string, string> {
  return {
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...(cookies.length > 0 && { Cookie: cookies.join('; ') }),
    'Sec-Fetch-Site': 'same-origin',
  }
}

/** The request as lines to be shown, each credential cut short. */
export function describe(attempt: Attempt): readonly string[] {
  const { method, path, token, cookies = [] } = attempt
  return [
    `${method} ${path}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${shorten(token)}`]),
    ...(cookies.length === 0 ? [] : [`Cookie: ${cookies.map(shortenCookie).join('; ')}`]),
  ]
}

/** Enough of a token to recognise it. */
export function shorten(token: string): string {
  return token.length < 24 ? token : `${token.slice(0, 10)}…${token.slice(-6)}`
}

function shortenCookie(cookie: string): string {
  const [name = '', value = ''] = cookie.split('=')
  return `${name}=${value.slice(0, 4)}…`
}

function forge({ cookies }: Loot, token: string): readonly Attempt[] {
  const { alg } = headerOf(token)
  const { sub } = payloadOf(token)
  const forged = { alg, sub }
  return [
    { ...askKit(token, cookies), forged },
    { ...askPlain(token), forged },
  ]
}

/** Whom the thief would rather be. */
function anotherUser({ sub }: Loot): { readonly sub: string } {
  return { sub: sub === 'alice' ? 'bob' : 'alice' }
}
