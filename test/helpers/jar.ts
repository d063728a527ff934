// A cookie jar that is as strict as a browser: RFC 6265bis sections 5.1 to 5.8, and the `__Http-` and `__Host-Http-`
// prefixes of draft-ietf-httpbis-layered-cookies. What it drops, it drops without a word, as browsers do.

export interface JarCookie {
  readonly name: string
  readonly value: string
  readonly domain: string
  readonly hostOnly: boolean
  readonly path: string
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: 'Strict' | 'Lax' | 'None' | 'Default'
  /** Undefined for a cookie that goes when the browser closes. */
  readonly expires: number | undefined
  readonly created: number
}

export interface JarContext {
  /** Whether another site's page makes the request. @default false */
  readonly crossSite?: boolean
  /** Whether it is a top-level navigation; only matters across sites. @default false */
  readonly navigation?: boolean
  /** Whether a script does it (document.cookie) rather than HTTP. @default false */
  readonly script?: boolean
}

export interface Jar {
  /** Takes the Set-Cookie lines of a response from this URL. */
  receive(url: string, lines: readonly string[], context?: JarContext): void
  /** The Cookie header for a request to this URL, or undefined. */
  header(url: string, context?: JarContext): string | undefined
  /** Closes the browser: session cookies go. */
  restart(): void
  /** Everything that is in it and has not expired. */
  all(): readonly JarCookie[]
}

const LONGEST_LIFE = 400 * 86_400_000
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/
const IP = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/

export function createJar(clock: () => number): Jar {
  let cookies: JarCookie[] = []
  let counter = 0

  const alive = (): JarCookie[] =>
    (cookies = cookies.filter(({ expires }) => expires === undefined || expires > clock()))

  function store(url: URL, line: string, context: JarContext): void {
    const parsed = parseSetCookie(line)
    if (parsed === undefined) return
    const { name, value, attributes } = parsed
    const host = url.hostname
    const wanted = attributes.get('domain')?.replace(/^\./, '').toLowerCase() ?? ''
    // A name without a dot is a public suffix here: fine for the host itself, as a host-only cookie.
    const domain = wanted === host && !wanted.includes('.') ? '' : wanted
    if (domain !== '' && (!domain.includes('.') || !domainMatches(host, domain))) return
    const given = attributes.get('path') ?? ''
    const cookie: JarCookie = {
      name,
      value,
      domain: domain === '' ? host : domain,
      hostOnly: domain === '',
      path: given.startsWith('/') ? given : defaultPath(url.pathname),
      secure: attributes.has('secure'),
      httpOnly: attributes.has('httponly'),
      sameSite: readSameSite(attributes.get('samesite')),
      expires: readExpiry(attributes, clock()),
      created: (counter += 1),
    }
    if (isRefused(cookie, url, context, given)) return
    const old = alive().find((other) => isSame(other, cookie))
    if (old?.httpOnly === true && context.script === true) return
    if (!cookie.secure && !isSecure(url) && alive().some((other) => shadowsSecure(cookie, other))) return
    cookies = [...cookies.filter((other) => other !== old), { ...cookie, created: old?.created ?? cookie.created }]
  }

  return {
    receive(url, lines, context = {}) {
      for (const line of lines) store(new URL(url), line, context)
    },
    header(url, context = {}) {
      const to = new URL(url)
      const sent = alive()
        .filter((cookie) => isSentTo(cookie, to, context))
        .toSorted((a, b) => b.path.length - a.path.length || a.created - b.created)
        .map(({ name, value }) => (name === '' ? value : `${name}=${value}`))
      return sent.length === 0 ? undefined : sent.join('; ')
    },
    restart() {
      cookies = alive().filter(({ expires }) => expires !== undefined)
    },
    all: () => alive(),
  }
}

/** Section 5.6. Undefined for a line that is ignored as a whole. */
function parseSetCookie(
  line: string,
): { name: string; value: string; attributes: ReadonlyMap<string, string> } | undefined {
  if (CONTROL.test(line)) return undefined
  const [pair = '', ...rest] = line.split(';')
  const { name, value } = pair.includes('=') ? split(pair) : { name: '', value: trim(pair) }
  const size = Buffer.byteLength(name + value)
  if (size === 0 || size > 4096) return undefined
  // The last of two attributes of one name wins; one whose value is too long is not there (section 5.6 step 6).
  const attributes = rest
    .map(split)
    .filter((attribute) => Buffer.byteLength(attribute.value) <= 1024)
    .map((attribute) => [attribute.name.toLowerCase(), attribute.value] as const)
  return { name, value, attributes: new Map(attributes) }
}

function split(text: string): { name: string; value: string } {
  const at = text.indexOf('=')
  return at < 0 ? { name: trim(text), value: '' } : { name: trim(text.slice(0, at)), value: trim(text.slice(at + 1)) }
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}

function readSameSite(value: string | undefined): JarCookie['sameSite'] {
  return (['Strict', 'Lax', 'None'] as const).find((one) => one.toLowerCase() === value?.toLowerCase()) ?? 'Default'
}

/** Max-Age wins over Expires; what is no date or no number is as if it were not there; 400 days is the most. */
function readExpiry(attributes: ReadonlyMap<string, string>, now: number): number | undefined {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) {
    return Number(maxAge) <= 0 ? -Infinity : now + Math.min(Number(maxAge) * 1000, LONGEST_LIFE)
  }
  const date = Date.parse(attributes.get('expires') ?? '')
  return Number.isNaN(date) ? undefined : Math.min(date, now + LONGEST_LIFE)
}

/** Section 5.7: what the store does not take. */
function isRefused(cookie: JarCookie, url: URL, context: JarContext, path: string): boolean {
  if (cookie.secure && !isSecure(url)) return true
  if (cookie.httpOnly && context.script === true) return true
  if (cookie.sameSite === 'None' && !cookie.secure) return true
  if (cookie.sameSite !== 'None' && context.crossSite === true && context.navigation !== true) return true
  const name = cookie.name.toLowerCase()
  // A nameless cookie is sent as its bare value, so that value must not look like a prefixed cookie either.
  if (name === '' && /^__(?:secure|host|http|host-http)-/i.test(cookie.value)) return true
  if (name.startsWith('__secure-')) return !cookie.secure
  if (name.startsWith('__http-')) return !cookie.secure || !cookie.httpOnly
  if (name.startsWith('__host-')) {
    const isOpen = name.startsWith('__host-http-') && !cookie.httpOnly
    return isOpen || !cookie.secure || !cookie.hostOnly || path !== '/'
  }
  return false
}

function isSame(a: JarCookie, b: JarCookie): boolean {
  return a.name === b.name && a.domain === b.domain && a.hostOnly === b.hostOnly && a.path === b.path
}

/** Section 5.7 step 16: plain http leaves secure cookies alone. */
function shadowsSecure(cookie: JarCookie, other: JarCookie): boolean {
  const isNear = domainMatches(cookie.domain, other.domain) || domainMatches(other.domain, cookie.domain)
  return other.secure && other.name === cookie.name && isNear && pathMatches(cookie.path, other.path)
}

/** Section 5.8.3. */
function isSentTo(cookie: JarCookie, url: URL, context: JarContext): boolean {
  const { hostname } = url
  if (cookie.hostOnly ? hostname !== cookie.domain : !domainMatches(hostname, cookie.domain)) return false
  if (!pathMatches(url.pathname, cookie.path) || (cookie.secure && !isSecure(url))) return false
  if (cookie.httpOnly && context.script === true) return false
  if (context.crossSite !== true || cookie.sameSite === 'None') return true
  return cookie.sameSite !== 'Strict' && context.navigation === true
}

/** Browsers count plain http on this machine as secure. */
function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || hostname === 'localhost' || hostname.startsWith('127.')
}

function domainMatches(host: string, domain: string): boolean {
  return host === domain || (host.endsWith(`.${domain}`) && !IP.test(host))
}

function pathMatches(path: string, cookiePath: string): boolean {
  if (path === cookiePath) return true
  return path.startsWith(cookiePath) && (cookiePath.endsWith('/') || path[cookiePath.length] === '/')
}

/** The directory of the request (section 5.1.4). */
function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf('/')
  return end <= 0 ? '/' : pathname.slice(0, end)
}
