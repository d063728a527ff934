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

/** @throws TypeError for the first option that is wrong */
export function resolveOptions({
  baseURL = globalThis.location?.origin,
  prefix = '/auth',
  origins = [],
  refreshAhead = 60,
}: ClientOptions): Settings {
  if (baseURL === undefined)
    throw new TypeError('baseURL: expected one outside of a browser, where no location says it')
  const own = resolveOrigin('baseURL', String(baseURL).replace(/\/$/, ''))
  if (!/^(\/[\w.~-]+)+$/.test(prefix)) throw new TypeError("prefix: expected a path such as '/auth'")
  if (!(refreshAhead >= 0)) throw new TypeError('refreshAhead: expected seconds')
  return {
    base: own + prefix,
    origins: new Set([own, ...origins.map((origin) => resolveOrigin('origins', origin))]),
    refreshAhead,
  }
}

function resolveOrigin(name: string, value: string): string {
  const { origin, protocol, hostname } = URL.canParse(value) ? new URL(value) : ({} as Partial<URL>)
  const isLocal = /^(localhost|.+\.localhost|127\..+|\[::1])$/.test(hostname ?? '')
  if (origin === value && (protocol === 'https:' || (protocol === 'http:' && isLocal))) return value
  throw new TypeError(`${name}: expected an exact https origin, or http on localhost, got ${value}`)
}
