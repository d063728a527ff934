// A running deployment as the doctor asks it: one origin, each question once.

import { createKeySet, type KeySet } from '../../keys/key-set.ts'
import { type Answer, ask, type Query } from '../http.ts'
import { printable } from '../output.ts'

/** An origin that no deployment has among its own. */
export const STRANGER = 'https://stranger.example'

/** What a deployment is asked. */
export interface Site {
  readonly origin: string
  readonly isLocal: boolean
  /** Where the plain http of an https origin is; undefined where nobody knows. */
  readonly plainPort: number | undefined
  /** The path of a route under the kit's prefix. */
  readonly path: (route: string) => string
  /** Asks a path of this origin. The same question is asked once. @throws Failure when there is no answer */
  ask(path: string, query?: Query): Promise<Answer>
  /** Asks once more. */
  askAgain(path: string, query?: Query): Promise<Answer>
  /** The published keys. @throws TypeError when there are none that the kit would take */
  keys(): Promise<KeySet>
  /** The one login of these checks. */
  login(): Promise<Login>
  /** Another one. */
  loginAgain(): Promise<Login>
  /** Logs out. */
  logout(login: Login): Promise<Answer>
}

/** What a login gave. */
export interface Login {
  readonly answer: Answer
  /** Undefined where it gave none. */
  readonly token: string | undefined
  /** `name=value` of each cookie. */
  readonly cookies: readonly string[]
  /** The headers of a request that carries both halves. */
  readonly both: Readonly<Record<string, string>>
  /** Of one that carries the token alone. */
  readonly tokenOnly: Readonly<Record<string, string>>
}

export const METADATA = '/.well-known/oauth-authorization-server'
export const JWKS = '/.well-known/jwks.json'

/** Makes a site. */
export function createSite(options: {
  readonly origin: URL
  readonly prefix: string
  readonly plainPort: number | undefined
  /** What the login takes, as JSON. */
  readonly credentials: string
}): Site {
  const { origin, prefix, plainPort, credentials } = options
  const asked = new Map<string, Promise<Answer>>()
  let known: Promise<Login> | undefined
  const path = (route: string): string => `${prefix}${route}`
  // As a page of the origin itself asks.
  const own = { Origin: origin.origin, 'Sec-Fetch-Site': 'same-origin' }

  const askAgain: Site['askAgain'] = (target, query) => ask(new URL(target, origin), query)

  async function loginAgain(): Promise<Login> {
    const headers = { 'Content-Type': 'application/json', ...own }
    return toLogin(await askAgain(path('/login'), { method: 'POST', headers, body: credentials }))
  }

  const site: Site = {
    origin: origin.origin,
    isLocal: origin.protocol === 'http:',
    plainPort,
    path,
    ask(target, query) {
      const question = JSON.stringify([target, query])
      const answer = asked.get(question) ?? askAgain(target, query)
      asked.set(question, answer)
      return answer
    },
    askAgain,
    keys: async () => createKeySet({ keys: [(await site.ask(JWKS)).text] }),
    login: () => (known ??= loginAgain()),
    loginAgain,
    logout: ({ both }) => askAgain(path('/logout'), { method: 'POST', headers: { ...own, ...both } }),
  }
  return site
}

const ACCESS_COOKIE = /^(?:__(?:Secure|Host-Http|Host)-Access|Access-Development)=/

function toLogin(answer: Answer): Login {
  const { access_token: given } = readJson(answer.text)
  const cookies = answer.cookies.map((line) => line.split(';')[0] ?? '')
  const inBody = typeof given === 'string' ? given : undefined
  // With accessToken.transport: 'cookie'.
  const inCookie = inBody === undefined ? cookies.find((pair) => ACCESS_COOKIE.test(pair)) : undefined
  const token = answer.status === 200 ? (inBody ?? inCookie?.replace(ACCESS_COOKIE, '')) : undefined
  const both = { Cookie: cookies.join('; '), ...(inBody !== undefined && { Authorization: `Bearer ${inBody}` }) }
  const { Cookie: _, ...header } = both
  const tokenOnly = inCookie === undefined ? header : { Cookie: inCookie }
  return { answer, token, cookies, both, tokenOnly }
}

/** A JSON object, or an empty one where there is none. */
export function readJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Whether a Content-Type is this type. */
export function isType(header: string | undefined, type: string): boolean {
  return header?.split(';')[0]?.trim().toLowerCase() === type
}

/** What a deployment said, fit to be shown. */
export function quote(value: unknown): string {
  if (value === undefined || value === '') return 'missing'
  return `'${printable(typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200)}'`
}
