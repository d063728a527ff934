// Single values of options, checked: origins, names, paths, policies.

import type { StalePolicy } from '../revocation.ts'
import { describe } from '../describe.ts'
import { describeUrl } from '../fetch-json.ts'
import { type Duration, parseDuration, type Seconds } from '../time.ts'
import { isText, MAX_AUDIENCES } from '../token/claims.ts'
import { assertKnown, integer, isLoopback, oneOf } from './checks.ts'

/** The longest duration that makes sense for what has to be fresh. */
export const DAY: Seconds = 86_400

/** What happens when the revocation list is too old, as an option says it. */
export type StaleOption = 'reject' | 'introspect' | { readonly openFor: Duration }

/**
 * @param canIntrospect - whether there is an introspector to ask
 * @throws TypeError for what is no policy
 */
export function resolveStalePolicy(value: StaleOption, canIntrospect: boolean): StalePolicy {
  if (typeof value !== 'object' || value === null) {
    return oneOf(value, 'onStale', canIntrospect ? ['reject', 'introspect'] : ['reject'])
  }
  assertKnown(value, 'onStale', ['openFor'])
  return { openFor: parseDuration(value.openFor, 'onStale.openFor', { max: DAY }) }
}

/** How many verified tokens are remembered. @throws TypeError */
export function resolveMaxCached(value: number | undefined, name: string): number {
  return integer(value === undefined ? 20_000 : value, name, 0, 1_000_000)
}

export function resolveIssuer(value: unknown): { host: string; isLocal: boolean } {
  const url = parseOrigin(value)
  if (url === undefined) {
    throw new TypeError(
      "issuer: expected the public origin such as 'https://app.example', without a path or a slash at the end, " +
        `and http only on localhost, got ${describeUrl(value)}`,
    )
  }
  return { host: url.hostname, isLocal: url.protocol === 'http:' }
}

/**
 * An origin in the one spelling that browsers use, since it is compared code point by code point: https, or http on
 * this machine, no wildcard.
 */
export function parseOrigin(value: unknown): URL | undefined {
  if (typeof value !== 'string' || value.includes('*') || !URL.canParse(value)) return undefined
  const url = new URL(value)
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
  return url.origin === value && isSafe ? url : undefined
}

export function resolveAudience(value: unknown, name = 'audience'): readonly string[] {
  const audience: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (audience.length === 0 || audience.length > MAX_AUDIENCES || !audience.every(isText)) {
    throw new TypeError(`${name}: expected 1 to ${MAX_AUDIENCES} names, got ${describe(value)}`)
  }
  return Object.freeze([...(audience as readonly string[])]) // isText says so
}

export function resolvePrefix(value: unknown): string {
  // Not `/..` or the like, which browsers and proxies rewrite.
  // And no longer than a cookie's Path may be.
  if (typeof value === 'string' && value.length <= 256 && /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/.test(value))
    return value
  throw new TypeError(`prefix: expected a path such as '/auth', got ${describe(value)}`)
}

export function resolveOrigins(values: unknown, own: string): readonly string[] {
  if (!Array.isArray(values)) throw new TypeError(`origins: expected an array, got ${describe(values)}`)
  const wrong = (values as unknown[]).findIndex((value) => parseOrigin(value) === undefined)
  if (wrong !== -1) {
    throw new TypeError(
      "origins: expected exact https origins such as 'https://www.app.example', no wildcards, " +
        `got ${describe(values[wrong])}`,
    )
  }
  return Object.freeze([own, ...(values as string[])]) // parseOrigin says so
}

export function resolveClearSiteData(values: readonly string[]): string {
  if (!Array.isArray(values)) throw new TypeError(`clearSiteData: expected an array, got ${describe(values)}`)
  // Quoted strings: a bare word would be ignored (Clear Site Data section 3.1).
  return values.map((value) => `"${oneOf(value, 'clearSiteData', ['storage', 'cache', 'cookies'])}"`).join(', ')
}
