// What a login gives, and that a logout takes it back: with credentials that were given for it.

import { splitFingerprints } from '../../fingerprint.ts'
import type { Answer } from '../http.ts'
import { checkToken, isEncrypted } from '../token-checks.ts'
import { type Check, fine, found, type Outcome, skipped } from './finding.ts'
import { type Login, readJson, type Site } from './site.ts'

/** A site, and a login there. */
export interface LoggedIn {
  readonly site: Site
  readonly login: Login
}

/** Whether one can log in at all. */
export const LOGIN_CHECKS: readonly Check<Site>[] = [
  {
    run: login,
    why: 'the rest of these checks needs a session',
    see: 'https://www.rfc-editor.org/rfc/rfc6749#section-5.1',
  },
]

/** The checks of a login, in the order in which it goes on. */
export const SESSION_CHECKS: readonly Check<LoggedIn>[] = [
  {
    run: loginAnswer,
    why: 'what a cache or a script keeps can be stolen from it',
    see: 'https://www.rfc-editor.org/rfc/rfc6749#section-5.1',
  },
  {
    run: cookieAttributes,
    why: 'a cookie that scripts read, other sites send or subdomains write protects no token',
    see: 'https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.2',
  },
  {
    run: cookieSize,
    why: 'browsers drop a longer cookie without a word, and some front ends every cookie beside it',
    see: 'https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.6',
  },
  {
    run: token,
    why: 'services verify tokens with the published keys and this issuer',
    see: 'https://www.rfc-editor.org/rfc/rfc9068#section-4',
  },
  {
    run: bothHalves,
    why: 'token and cookie together must get in',
    see: 'https://www.rfc-editor.org/rfc/rfc6750#section-2.1',
  },
  {
    run: logout,
    why: 'a logout must end the session and empty the browser',
    see: 'https://www.w3.org/TR/clear-site-data/#header',
  },
  {
    run: afterLogout,
    why: 'every process must know that the session has ended',
    see: 'https://github.com/OWASP/ASVS/blob/master/5.0/en/0x16-V7-Session-Management.md#v74-session-termination',
  },
  {
    run: tokenAlone,
    why: 'a stolen token must be worth nothing; this raises one `sidejack` event',
    see: 'https://github.com/OWASP/CheatSheetSeries/blob/f54d8ded2/cheatsheets/JSON_Web_Token_Cheat_Sheet.md#token-sidejacking',
  },
]

const MAX_COOKIE = 4096
const MAX_TOKEN = 4096
// As many processes as may answer in turn.
const TIMES = 6

async function login(site: Site): Promise<Outcome> {
  const { answer, token: accessToken } = await site.login()
  if (accessToken !== undefined) return fine('200 with an access token')
  const fix = 'give the JSON that authenticate reads, and check the origin and --prefix'
  return found('error', `the login answers ${answer.status}`, fix)
}

function loginAnswer({ login: { answer, cookies } }: LoggedIn): Outcome {
  if (!/no-store/i.test(answer.headers['cache-control'] ?? '')) {
    return found('error', 'the answer may be kept by caches', "let 'Cache-Control: no-store' of the kit through")
  }
  if (cookies.some((pair) => answer.text.includes(toValue(pair)))) {
    const fix = 'answer what kit.start answers, and nothing of the cookie'
    return found('error', 'the body holds the value of a cookie', fix)
  }
  if ('refresh_token' in readJson(answer.text)) {
    const fix = "for browsers leave refreshToken.transport at 'cookie'"
    return found('note', 'the body holds a refresh token', fix)
  }
  return fine('it is kept by no cache, and no cookie is in its body')
}

interface CookieRule {
  readonly severity: 'error' | 'warning' | 'note'
  readonly seen: string
  readonly isBroken: (name: string, attributes: ReadonlyMap<string, string>) => boolean
}

/** The gravest first. */
const COOKIE_RULES: readonly CookieRule[] = [
  ...['HttpOnly', 'Secure', 'SameSite', 'Path'].map((attribute): CookieRule => ({
    severity: 'error',
    seen: `has no ${attribute}`,
    isBroken: (_name, attributes) => !attributes.has(attribute.toLowerCase()),
  })),
  {
    severity: 'warning',
    seen: 'goes to other sites (SameSite=None)',
    isBroken: (_name, attributes) => attributes.get('samesite') === 'none',
  },
  {
    severity: 'warning',
    seen: 'is shared with every subdomain (Domain)',
    isBroken: (_name, attributes) => attributes.has('domain'),
  },
  { severity: 'warning', seen: 'has no prefix', isBroken: (name) => !/^__(?:Secure|Host)-/i.test(name) },
  { severity: 'note', seen: 'could be planted by a subdomain', isBroken: (name) => /^__Secure-/i.test(name) },
]

function cookieAttributes({ login: { answer } }: LoggedIn): Outcome {
  if (answer.cookies.length === 0) {
    return found('error', 'the login sets no cookie', 'let Set-Cookie of the kit through')
  }
  const cookies = answer.cookies.map(parseCookie)
  const broken = COOKIE_RULES.flatMap(({ severity, seen, isBroken }) =>
    cookies.filter((cookie) => isBroken(...cookie)).map(([name]) => ({ severity, seen: `${name} ${seen}` })),
  )
  const [worst] = broken
  if (worst === undefined) return fine('HttpOnly, Secure, SameSite, for this host only')
  const fix = "let the kit write its cookies, with cookie: { prefix: '__Host-' } wherever no Domain is needed"
  return found(worst.severity, broken.map(({ seen }) => seen).join('; '), fix)
}

function parseCookie(line: string): [name: string, attributes: ReadonlyMap<string, string>] {
  const [pair = '', ...rest] = line.split(';').map((part) => part.trim())
  const attributes = rest.map((part): [string, string] => {
    const [name = '', value = ''] = part.toLowerCase().split('=')
    return [name, value]
  })
  return [pair.slice(0, pair.indexOf('=')), new Map(attributes)]
}

function cookieSize({ login: { answer } }: LoggedIn): Outcome {
  const longest = Math.max(0, ...answer.cookies.map((line) => Buffer.byteLength(line)))
  const seen = `the longest has ${longest} of ${MAX_COOKIE} bytes, its attributes counted`
  return longest <= MAX_COOKIE ? fine(seen) : found('error', seen, 'keep less in it')
}

async function token({ site, login: { token: accessToken = '', cookies } }: LoggedIn): Promise<Outcome> {
  if (isEncrypted(accessToken)) return skipped(`${accessToken.length} bytes, encrypted`)
  const fingerprints = cookies.map(toValue).filter(isFingerprint)
  const keys = await site.keys().catch(() => undefined)
  const checks = await checkToken(accessToken, { issuer: site.origin, keys, fingerprints }, Date.now())
  const failed = checks.filter(({ state }) => state === 'failed')
  if (failed.length > 0) {
    const seen = failed.map(({ name, code }) => `${name} (${code})`).join(', ')
    const fix = 'compare issuer, keys and clocks of the processes that issue tokens'
    return found('error', `a verifier refuses it: ${seen}`, fix)
  }
  const size = `${accessToken.length} bytes`
  if (accessToken.length > MAX_TOKEN) return found('warning', size, 'keep claims out of it that a service can look up')
  return keys === undefined ? skipped('there are no keys to verify it with') : fine(`${size}, verified with the keys`)
}

function isFingerprint(value: string): boolean {
  return (['base64url', 'owasp'] as const).some((format) => splitFingerprints(value, format).length > 0)
}

async function bothHalves({ site, login: session }: LoggedIn): Promise<Outcome> {
  const { status } = await askFirst(site, session)
  if (status === 200) return fine('token and cookie get in')
  return found('error', `token and cookie are answered ${status}`, 'let Authorization and Cookie through the proxy')
}

async function logout({ site, login: session }: LoggedIn): Promise<Outcome> {
  const { status, headers, cookies } = await site.logout(session)
  const fix = 'let the kit answer its routes, and Set-Cookie and Clear-Site-Data through'
  if (status !== 204) return found('error', `the logout answers ${status}`, fix)
  const deleted = cookies.map(parseCookie).filter(([, attributes]) => attributes.get('max-age') === '0')
  const kept = session.answer.cookies
    .map((line) => parseCookie(line)[0])
    .filter((name) => !deleted.some(([other]) => other === name))
  if (kept.length > 0) return found('warning', `it does not delete ${kept.join(', ')}`, fix)
  if (headers['clear-site-data'] === undefined) return found('note', 'no Clear-Site-Data', fix)
  return fine('204, the cookies deleted, storage cleared')
}

async function afterLogout({ site, login: session }: LoggedIn): Promise<Outcome> {
  if ((await askFirst(site, session)).status !== 200) return skipped('the session was not let in before either')
  let passed = 0
  for (let i = 0; i < TIMES; i += 1) {
    const { status } = await site.askAgain(site.path('/sessions'), { headers: session.both })
    if (status !== 401) passed += 1
  }
  if (passed === 0) return fine(`the session was refused ${TIMES} times of ${TIMES}`)
  const seen = `after the logout the session was let in ${passed} times of ${TIMES}`
  return found('error', seen, 'give every process the same store: lmdbStore on one machine, redisStore on many')
}

/** Last, and with a session of its own: it may be ended for it. */
async function tokenAlone({ site }: LoggedIn): Promise<Outcome> {
  const session = await site.loginAgain()
  if (session.token === undefined) return skipped(`the second login answers ${session.answer.status}`)
  const { status } = await site.askAgain(site.path('/sessions'), { headers: session.tokenOnly })
  await site.logout(session)
  if (status === 401) return fine('a token without its cookie is refused')
  return found('error', `a token without its cookie is answered ${status}`, 'let the kit answer its routes')
}

/** The answer from before the logout, whenever it is asked for. */
function askFirst(site: Site, { both }: Login): Promise<Answer> {
  return site.ask(site.path('/sessions'), { headers: both })
}

function toValue(pair: string): string {
  return pair.slice(pair.indexOf('=') + 1)
}
