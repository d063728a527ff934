// Options in, checked settings out. Only https, and http on this machine: a token in the clear is nobody's secret.

/** What a client is made of. */
export interface ClientOptions {
  /** The origin where the kit is. @default location.origin */
  readonly baseURL?: string | URL
  /** Of the kit's routes. @default '/auth' */
  readonly prefix?: string
  /** Other exact origins that get the token, such as `https://api.app.example`. That of `baseURL` always does. */
  readonly origins?: readonly string[]
  /** How long before its end a token is replaced, in seconds; at most a quarter of its lifetime. @default 60 */
  readonly refreshAhead?: number
}

export interface Settings {
  /** The URL of the kit's routes, without a slash at the end. */
  readonly base: string
  readonly origins: ReadonlySet<string>
  readonly refreshAhead: number
}

const SAFE = /^https:|^http:\/\/((.+\.)?localhost|127[\d.]+|\[::1])(:\d+)?$/

/** @throws TypeError for the first option that is wrong */
export function resolveOptions({
  baseURL = globalThis.location?.origin,
  prefix = '/auth',
  origins = [],
  refreshAhead = 60,
}: ClientOptions): Settings {
  assert(baseURL, 'baseURL', 'a URL')
  const own = resolveOrigin('baseURL', String(baseURL).replace(/\/$/, ''))
  assert(/^(\/[\w.~-]+)+$/.test(prefix), 'prefix', "a path such as '/auth'")
  assert(refreshAhead >= 0, 'refreshAhead', 'seconds')
  return {
    base: own + prefix,
    origins: new Set([own, ...origins.map((origin) => resolveOrigin('origins', origin))]),
    refreshAhead,
  }
}

function resolveOrigin(name: string, value: string): string {
  const { origin } = new URL(value)
  assert(origin === value && SAFE.test(value), name, 'an https origin, or http on localhost')
  return value
}

function assert(condition: unknown, name: string, expected: string): asserts condition {
  if (!condition) throw new TypeError(`${name}: expected ${expected}`)
}
