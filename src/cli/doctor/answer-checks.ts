// How a deployment answers strangers, forgers and the pages of other sites.

import { type Check, fine, found, type Outcome, skipped } from './finding.ts'
import { quote, type Site, STRANGER } from './site.ts'

/** The checks of its answers. */
export const ANSWER_CHECKS: readonly Check<Site>[] = [
  {
    run: anonymous,
    why: 'a request without a token must get a 401 and learn nothing more than how to ask',
    see: 'https://www.rfc-editor.org/rfc/rfc6750#section-3',
  },
  {
    run: forged,
    why: 'a token that nobody signed must not get in, nor break anything',
    see: 'https://www.rfc-editor.org/rfc/rfc8725#section-3.1',
  },
  {
    run: hardening,
    why: 'these headers keep answers out of caches, frames and other pages',
    see: 'https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers',
  },
  {
    run: disclosure,
    why: 'names and versions tell an attacker what to try',
    see: 'https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html#server',
  },
  {
    run: crossSite,
    why: 'another site must not be able to log a user in or out',
    see: 'https://w3c.github.io/webappsec-fetch-metadata/',
  },
  {
    run: cors,
    why: "a page of another origin that may read the answers reads the user's data",
    see: 'https://fetch.spec.whatwg.org/#http-cors-protocol',
  },
]

async function anonymous(site: Site): Promise<Outcome> {
  const path = site.path('/sessions')
  const { status, headers } = await site.ask(path)
  if (status === 404) return found('error', `${path} answers 404`, 'mount kit.routes(), or say where: --prefix')
  if (status !== 401) return found('error', `${path} answers ${status} to a stranger`, 'let the kit answer its routes')
  if (/^Bearer(?: |$)/i.test(headers['www-authenticate'] ?? '')) return fine('401 with a challenge')
  return found('warning', '401 without a Bearer challenge', 'let WWW-Authenticate of the kit through')
}

async function forged(site: Site): Promise<Outcome> {
  const headers = { Authorization: `Bearer ${forgeToken(site.origin)}` }
  const { status, text } = await site.ask(site.path('/sessions'), { headers })
  const fix = 'let the kit answer its routes, and errors be those of the kit'
  if (status !== 401) return found('error', `an unsigned token (alg none) is answered ${status}`, fix)
  if (/ERR_[A-Z]|\n {4}at /.test(text)) return found('warning', 'the answer says why the token was refused', fix)
  return fine('an unsigned token is answered 401, without a reason')
}

/** A token that says it needs no signature. */
function forgeToken(issuer: string): string {
  const iat = Math.floor(Date.now() / 1000)
  const header = { alg: 'none', typ: 'at+jwt', kid: 'none' }
  const claims = { iss: issuer, aud: issuer, sub: 'doctor', sid: 'doctor', jti: 'doctor', iat, exp: iat + 60 }
  return `${[header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`
}

const HEADERS: Readonly<Record<string, RegExp>> = {
  'cache-control': /no-store/i,
  'x-content-type-options': /^nosniff$/i,
  'content-security-policy': /frame-ancestors 'none'/i,
  'referrer-policy': /no-referrer/i,
  'cross-origin-resource-policy': /^same-(?:origin|site)$/i,
}

async function hardening(site: Site): Promise<Outcome> {
  const { headers } = await site.ask(site.path('/sessions'))
  const missing = Object.entries(HEADERS).filter(([name, value]) => !value.test(String(headers[name] ?? '')))
  if (missing.length === 0) return fine(Object.keys(HEADERS).join(', '))
  const names = missing.map(([name]) => name).join(', ')
  return found('warning', `missing or weakened: ${names}`, 'let the headers of the kit through the app and the proxy')
}

async function disclosure(site: Site): Promise<Outcome> {
  const { headers } = await site.ask(site.path('/sessions'))
  const server = String(headers.server ?? '')
  const framework = String(headers['x-powered-by'] ?? '')
  const told = [
    ...(/\d/.test(server) ? [`Server: ${server}`] : []),
    ...(framework === '' ? [] : [`X-Powered-By: ${framework}`]),
  ]
  if (told.length === 0) return fine('neither name nor version of the software')
  return found('note', quote(told.join(', ')), 'let the app and the proxy leave them out')
}

/** Requests that only a page of another site makes, one by one. */
const FOREIGN: readonly Readonly<Record<string, string>>[] = [
  { 'Content-Type': 'application/json', Origin: STRANGER, 'Sec-Fetch-Site': 'cross-site' },
  { 'Content-Type': 'application/json', Origin: STRANGER },
  { 'Content-Type': 'text/plain' },
]

async function crossSite(site: Site): Promise<Outcome> {
  const answers: { readonly request: string; readonly status: number }[] = []
  for (const route of ['/login', '/logout']) {
    for (const headers of FOREIGN) {
      const { status } = await site.ask(site.path(route), { method: 'POST', headers, body: '{}' })
      answers.push({ request: `POST ${site.path(route)} with ${describeForeign(headers)}`, status })
    }
  }
  const there = answers.filter(({ status }) => status !== 404)
  if (there.length === 0) return skipped('neither login nor logout is there')
  const passed = there.filter(({ status }) => status !== 403)
  if (passed.length === 0) return fine(`${there.length} requests of other sites are answered 403`)
  return found(
    'error',
    passed.map(({ request, status }) => `${request} is answered ${status}`).join('; '),
    'let Origin, Content-Type and Sec-Fetch-Site through the proxy, and list exact origins only',
  )
}

function describeForeign({ Origin, ...rest }: Readonly<Record<string, string>>): string {
  if (Origin === undefined) return 'a form'
  return 'Sec-Fetch-Site' in rest ? 'Sec-Fetch-Site: cross-site' : 'a foreign Origin'
}

async function cors(site: Site): Promise<Outcome> {
  const questions = [
    { method: 'OPTIONS', path: site.path('/login'), extra: { 'Access-Control-Request-Method': 'POST' } },
    { method: 'GET', path: site.path('/sessions'), extra: {} },
  ]
  const fix = 'use cors(kit.cors()) of @koa/cors, and nothing else that sets these headers'
  for (const { method, path, extra } of questions) {
    const { headers } = await site.ask(path, { method, headers: { Origin: STRANGER, ...extra } })
    const allowed = headers['access-control-allow-origin']
    const exposed = headers['access-control-expose-headers']
    if (allowed !== undefined && [STRANGER, 'null', '*'].includes(allowed)) {
      const isGrave = allowed !== '*' && headers['access-control-allow-credentials'] === 'true'
      const how = isGrave ? 'with credentials' : 'without credentials'
      return found(isGrave ? 'error' : 'warning', `${method} ${path} allows any origin, ${how}`, fix)
    }
    if (exposed !== undefined) return found('note', `${method} ${path} exposes ${quote(exposed)} to any origin`, fix)
  }
  return fine('a foreign origin is allowed nothing')
}
