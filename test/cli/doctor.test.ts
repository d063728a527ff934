// The doctor on deployments: one as it should be, and everything that can be wrong with one, on real servers.

import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'

import test from 'ava'
import Koa from 'koa'

import {
  createEncryptionKeys,
  createKeySet,
  createSessionKit,
  generateEncryptionKey,
  generateKey,
  memoryStore,
} from '../../src/index.ts'
import { runCli } from '../helpers/cli.ts'
import { CREDENTIALS, type DoctorReport, type Fault, runDoctor, startDoctored } from '../helpers/doctored.ts'
import { listen } from '../helpers/http.ts'
import { createKeyFiles } from '../helpers/key-files.ts'

const METADATA = '/.well-known/oauth-authorization-server'
const JWKS = '/.well-known/jwks.json'
const LOGIN = '/auth/login'
const LOGOUT = '/auth/logout'
const SESSIONS = '/auth/sessions'

const files = await createKeyFiles()
const [, , weakKey, other] = await Promise.all([
  files.openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', 'tls.key', '-out', 'tls.crt'],
  ),
  files.write('credentials.json', CREDENTIALS),
  generateKey('PS256').then(({ e, kid }) => ({ kty: 'RSA', e, kid, n: Buffer.alloc(128, 0xc3).toString('base64url') })),
  generateKey(),
])
const tls = { key: await files.read('tls.key'), cert: await files.read('tls.crt') }
const trust = { NODE_EXTRA_CA_CERTS: join(files.directory, 'tls.crt') }
test.after.always(() => files.remove())

/** Changes the answers of a path, or of all. */
const change =
  (path: string | undefined, work: (response: ServerResponse, ctx: Parameters<Fault>[0]) => void): Fault =>
  async (ctx, next) => {
    await next()
    if (path === undefined || ctx.path === path) work(ctx.res, ctx)
  }

/** Answers a path in place of the kit. */
const answer =
  (path: string, status: number, body: unknown = '', headers: Readonly<Record<string, string>> = {}): Fault =>
  async (ctx, next) => {
    if (ctx.path !== path) return next()
    ctx.status = status
    ctx.body = body
    ctx.set(headers)
    return undefined
  }

const header = (name: string, value: string | undefined, path?: string): Fault =>
  change(path, (response) => (value === undefined ? response.removeHeader(name) : response.setHeader(name, value)))

/** What a proxy takes out of requests. */
const strip =
  (...names: readonly string[]): Fault =>
  async (ctx, next) => {
    for (const name of names) delete ctx.req.headers[name]
    await next()
  }

/** Rewrites the Set-Cookie lines of a path. */
const cookies = (path: string, work: (line: string) => string): Fault =>
  change(path, (response) => {
    const lines = [response.getHeader('set-cookie') ?? []].flat().map(String)
    response.setHeader(
      'set-cookie',
      lines.map(work).filter((line) => line !== ''),
    )
  })

test('a deployment as it should be has no findings, with a tick for everything that was looked at', async (t) => {
  const origin = await startDoctored(t, { kit: { cookie: { prefix: '__Host-' } } })
  const { code, found, findings } = await runDoctor([origin, '--credentials', '-'], { stdin: CREDENTIALS })
  t.is(code, 0)
  const { 'plain-http': plain, 'strict-transport': strict, ...rest } = found
  t.deepEqual([plain, strict], ['skipped', 'skipped'])
  t.deepEqual([...new Set(Object.values(rest))], ['fine'], describeFindings(findings))
  t.is(Object.keys(rest).length, 21)
})

test('nor has one that keeps the access token in a cookie as well', async (t) => {
  const kit = { cookie: { prefix: '__Host-' }, accessToken: { transport: 'cookie' } } as const
  const { code, found, findings } = await runDoctor([await startDoctored(t, { kit }), '--credentials', '-'], {
    stdin: CREDENTIALS,
  })
  t.is(code, 0, describeFindings(findings))
  t.like(found, { token: 'fine', 'both-halves': 'fine', 'after-logout': 'fine', 'token-alone': 'fine' })
})

test('nor has one that encrypts its tokens, of which nothing can be told', async (t) => {
  const encryption = await createEncryptionKeys({ keys: [await generateEncryptionKey()] })
  const kit = { cookie: { prefix: '__Host-' }, accessToken: { encryption } } as const
  const { code, found } = await runDoctor([await startDoctored(t, { kit }), '--credentials', '-'], {
    stdin: CREDENTIALS,
  })
  t.is(code, 0)
  t.like(found, { token: 'skipped', 'both-halves': 'fine', 'after-logout': 'fine', 'token-alone': 'fine' })
})

test('without credentials nobody is logged in, and for people each finding says why and what to do', async (t) => {
  const asked: string[] = []
  const watch: Fault = (ctx, next) => {
    asked.push(`${ctx.method} ${ctx.path} ${ctx.get('Origin')}`)
    return next()
  }
  const faults = [watch, header('Cache-Control', undefined, JWKS), header('X-Powered-By', 'Koa\u009B2J')]
  const origin = await startDoctored(t, { faults })
  const { code, stdout } = await runCli(['doctor', origin])
  t.is(code, 1)
  t.regex(stdout, /^! jwks-cache +Cache-Control is missing\n +why: services fetch .*\n +https:\/\/\S+\n +fix: let /m)
  t.regex(stdout, /^i disclosure +'X-Powered-By: Koa.?\\u009b2J'$/m)
  t.regex(stdout, /^✓ metadata {2}/m)
  t.regex(stdout, /\n10 fine, 1 note, 1 warning, 2 skipped\n$/)
  t.false(asked.some((request) => request === `POST ${LOGIN} ${origin}`))
})

/** What is wrong with a deployment, and what is found; everything else stays fine. */
const PUBLIC_FAULTS: readonly (readonly [string, readonly Fault[], Readonly<Record<string, string>>])[] = [
  ['its clock is half a minute behind', [change(undefined, setDate(-30))], { clock: 'warning' }],
  ['its clock is an hour ahead', [change(undefined, setDate(3600))], { clock: 'error' }],
  [
    'it tells no time, and its software',
    [change(undefined, (response) => void (response.sendDate = false)), header('Server', 'nginx/1.27.1')],
    { clock: 'note', disclosure: 'note' },
  ],
  [
    'its well-known routes are not there',
    [answer(METADATA, 404), answer(JWKS, 404)],
    { metadata: 'error', jwks: 'error', 'jwks-type': 'warning', 'jwks-cache': 'warning' },
  ],
  [
    'its metadata is that of another issuer, and a weak key among others is published',
    [
      answer(METADATA, 200, { issuer: 'https://other.example', jwks_uri: 'https://other.example/keys' }),
      answer(JWKS, 200, { keys: [weakKey, { kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' }, pub(other)] }, cached()),
    ],
    { metadata: 'error', jwks: 'warning' },
  ],
  [
    'its keys are elsewhere, and the published ones are all weak',
    [
      async (ctx, next) => {
        await next()
        if (ctx.path === METADATA)
          ctx.body = { issuer: `http://${ctx.host}`, jwks_uri: 'https://cdn.example/jwks.json' }
      },
      answer(JWKS, 200, { keys: [{ ...weakKey, alg: 'PS256' }] }, cached()),
    ],
    { metadata: 'warning', jwks: 'error' },
  ],
  [
    'it publishes a private key, and its metadata as a page',
    [answer(JWKS, 200, { keys: [other] }, cached()), header('Content-Type', 'text/html', METADATA)],
    { jwks: 'error', metadata: 'warning' },
  ],
  [
    'its keys are plain JSON that is kept for a month',
    [header('Content-Type', 'application/json', JWKS), header('Cache-Control', 'max-age=2592000', JWKS)],
    { 'jwks-type': 'note', 'jwks-cache': 'warning' },
  ],
  [
    'its keys are a page that nobody may keep',
    [header('Content-Type', 'text/html', JWKS), header('Cache-Control', 'no-store', JWKS)],
    { 'jwks-type': 'warning', 'jwks-cache': 'warning' },
  ],
  ['its keys come with a cookie', [header('Set-Cookie', 'lb=1', JWKS)], { 'jwks-cache': 'warning' }],
  [
    'something else answers for the kit',
    [answer(SESSIONS, 200, 'welcome')],
    { anonymous: 'error', forged: 'error', hardening: 'warning' },
  ],
  [
    'a proxy takes headers away',
    [header('WWW-Authenticate', undefined), header('X-Content-Type-Options', undefined)],
    { anonymous: 'warning', hardening: 'warning' },
  ],
  [
    'it says why it refuses',
    [change(SESSIONS, (_, ctx) => void (ctx.get('Authorization') && (ctx.body = 'ERR_TOKEN_ALGORITHM')))],
    { forged: 'warning' },
  ],
  [
    'a bad token breaks it',
    [change(SESSIONS, (_, ctx) => void (ctx.get('Authorization') && (ctx.status = 500)))],
    { forged: 'error' },
  ],
  ['a proxy hides who is asking', [strip('origin', 'sec-fetch-site')], { 'cross-site': 'error' }],
  ['a proxy hides Fetch Metadata only, and Origin decides', [strip('sec-fetch-site')], {}],
  [
    'any origin is allowed, with credentials',
    [
      change(undefined, (response, ctx) => {
        response.setHeader('Access-Control-Allow-Origin', ctx.get('Origin') || '*')
        response.setHeader('Access-Control-Allow-Credentials', 'true')
      }),
    ],
    { cors: 'error' },
  ],
  ['any origin is allowed', [header('Access-Control-Allow-Origin', '*')], { cors: 'warning' }],
  ['headers are exposed to any origin', [header('Access-Control-Expose-Headers', 'X-Token')], { cors: 'note' }],
]

function isGrave(expected: Readonly<Record<string, string>>): boolean {
  return Object.values(expected).some((severity) => severity === 'warning' || severity === 'error')
}

function describeFindings(findings: DoctorReport['findings']): string {
  return findings.map(({ check, severity, seen }) => `${severity} ${check}: ${seen}`).join('\n')
}

function setDate(seconds: number) {
  return (response: ServerResponse): void =>
    void response.setHeader('Date', new Date(Date.now() + seconds * 1000).toUTCString())
}

function cached(): Readonly<Record<string, string>> {
  return { 'Cache-Control': 'public, max-age=300', 'Content-Type': 'application/jwk-set+json' }
}

function pub(jwk: Readonly<Record<string, unknown>>): object {
  return { ...jwk, d: undefined }
}

for (const [what, faults, expected] of PUBLIC_FAULTS) {
  test(`the doctor sees it when ${what}`, async (t) => {
    const { code, found, findings, printed } = await runDoctor([await startDoctored(t, { faults })])
    const { 'plain-http': _, 'strict-transport': __, ...rest } = found
    const unusual = Object.fromEntries(Object.entries(rest).filter(([, severity]) => severity !== 'fine'))
    t.deepEqual(unusual, { ...expected }, describeFindings(findings))
    t.is(code, isGrave(expected) ? 1 : 0)
    for (const { severity, fix, see } of findings) {
      t.regex(see, /^https:\/\//)
      if (severity !== 'fine' && severity !== 'skipped') t.truthy(fix)
    }
    if (other.d !== undefined) t.false(printed.includes(other.d))
  })
}

/** The same for what a login gives. */
const LOGIN_FAULTS: readonly (readonly [
  string,
  Parameters<typeof startDoctored>[1],
  Readonly<Record<string, string>>,
])[] = [
  [
    'the login may be cached, and a script may read its cookies',
    { faults: [header('Cache-Control', 'private', LOGIN), cookies(LOGIN, (line) => line.replace('; HttpOnly', ''))] },
    { 'login-answer': 'error', 'cookie-attributes': 'error' },
  ],
  [
    'the cookie is in the body as well',
    { faults: [change(LOGIN, (response, ctx) => void (ctx.body = { ...copy(ctx.body), fgp: valueOf(response) }))] },
    { 'login-answer': 'error' },
  ],
  ['the refresh token is in the body', { kit: { refreshToken: { transport: 'body' } } }, { 'login-answer': 'note' }],
  [
    'the cookie goes to every subdomain',
    { faults: [cookies(LOGIN, (line) => `${line}; Domain=localhost`.replace('__Host-', '__Secure-'))] },
    { 'cookie-attributes': 'warning', 'both-halves': 'error', logout: 'error', 'after-logout': 'skipped' },
  ],
  [
    'the cookie goes to every site',
    { kit: { cookie: { prefix: '__Host-', sameSite: 'none', crossSiteReason: 'a test' } } },
    { 'cookie-attributes': 'warning' },
  ],
  ['a subdomain could plant the cookie', { kit: { cookie: {} } }, { 'cookie-attributes': 'note' }],
  ['the cookie has no prefix', { kit: { cookie: { development: true } } }, { 'cookie-attributes': 'error' }],
  [
    'a proxy drops cookies',
    { faults: [cookies(LOGIN, () => '')] },
    {
      'cookie-attributes': 'error',
      'both-halves': 'error',
      token: 'error',
      logout: 'error',
      'after-logout': 'skipped',
    },
  ],
  [
    'a cookie is too long',
    { faults: [cookies(LOGIN, (line) => `${line}; X=${'x'.repeat(4000)}`)] },
    { 'cookie-size': 'error' },
  ],
  [
    'the published keys are others',
    { faults: [answer(JWKS, 200, { keys: [pub(other)] }, cached())] },
    { token: 'error' },
  ],
  [
    'the token is too long for comfort',
    {
      kit: {
        accessToken: { maxBytes: 8192 },
        authenticate: () => ({ sub: 'alice', claims: { roles: 'x'.repeat(3500) } }),
      },
    },
    { token: 'warning' },
  ],
  [
    'a proxy takes Cookie out of requests',
    { faults: [strip('cookie')] },
    { 'both-halves': 'error', logout: 'error', 'after-logout': 'skipped' },
  ],
  ['there is no logout', { faults: [answer(LOGOUT, 404)] }, { logout: 'error', 'after-logout': 'error' }],
  ['the logout keeps the cookies', { faults: [cookies(LOGOUT, () => '')] }, { logout: 'warning' }],
  ['the logout clears no storage', { faults: [header('Clear-Site-Data', undefined)] }, { logout: 'note' }],
  ['a token alone is let in', { faults: [withLastCookie()] }, { 'token-alone': 'error' }],
]

function copy(body: unknown): object {
  return typeof body === 'string' ? (JSON.parse(body) as object) : { ...(body as object) }
}

function valueOf(response: ServerResponse): string {
  return /=([^;]+)/.exec(String(response.getHeader('set-cookie')))?.[1] ?? ''
}

/** A proxy that means well: it remembers the cookie that a login set. */
function withLastCookie(): Fault {
  let last = ''
  return async (ctx, next) => {
    if (ctx.get('Authorization').length > 300 && ctx.path === SESSIONS) ctx.req.headers.cookie ??= last
    await next()
    const line = [ctx.res.getHeader('set-cookie') ?? []].flat().map(String)[0]
    if (ctx.path === LOGIN && line !== undefined) last = line.split(';')[0] ?? ''
  }
}

for (const [what, options, expected] of LOGIN_FAULTS) {
  test(`with credentials the doctor sees it when ${what}`, async (t) => {
    const seen: string[] = []
    const note: Fault = async (ctx, next) => {
      await next()
      if (ctx.path === LOGIN && ctx.status === 200) seen.push(JSON.stringify(ctx.body), valueOf(ctx.res))
    }
    const kit = { cookie: { prefix: '__Host-' }, ...options?.kit } as const
    const origin = await startDoctored(t, { ...options, kit, faults: [...(options?.faults ?? []), note] })
    const report = await runDoctor([origin, '--credentials', '-'], { stdin: CREDENTIALS })
    const { 'plain-http': _, 'strict-transport': __, ...rest } = report.found
    const unusual = Object.fromEntries(Object.entries(rest).filter(([, severity]) => severity !== 'fine'))
    t.deepEqual(unusual, { ...expected }, describeFindings(report.findings))
    t.is(report.code, isGrave(expected) ? 1 : 0)
    // CK-02: nothing of what it was given.
    const secrets = seen.flatMap((text) => text.match(/[\w-]{43,}/g) ?? [])
    t.true(secrets.length >= 2)
    for (const secret of [...secrets, 'wonderland']) t.false(report.printed.includes(secret))
  })
}

test('the doctor sees it when a logout in one process does not hold in another', async (t) => {
  // Two processes of one app behind a balancer: the same issuer and key, but each with a memory of its own.
  let handlers: RequestListener[] = []
  let turn = 0
  const port = await listen(t, (...pair) => handlers[(turn += 1) % 2]?.(...pair))
  const issuer = `http://localhost:${port}`
  handlers = await Promise.all(
    [0, 1].map(async () => {
      const keys = await createKeySet({ keys: [other] })
      const kit = await createSessionKit({ issuer, keys, store: memoryStore(), authenticate: () => ({ sub: 'alice' }) })
      t.teardown(() => kit.close())
      return new Koa().use(kit.routes()).callback()
    }),
  )
  const { code, findings } = await runDoctor([issuer, '--credentials', '-'], { stdin: CREDENTIALS })
  t.is(code, 1)
  const { severity, seen } = findings.find(({ check }) => check === 'after-logout') ?? {}
  t.deepEqual([severity, seen], ['error', 'after the logout the session was let in 3 times of 6'])
})

test('credentials that are not accepted are said to be so, and nothing else is looked at', async (t) => {
  const stdin = JSON.stringify({ username: 'alice', password: 'hunter2' })
  const { code, found, printed } = await runDoctor([await startDoctored(t), '--credentials', '-'], { stdin })
  t.is(code, 1)
  t.is(found['login'], 'error')
  t.false('cookie-attributes' in found)
  t.notRegex(printed, /hunter2/)
})

test('routes under another prefix are found there', async (t) => {
  const origin = await startDoctored(t, { kit: { prefix: '/session' } })
  t.is((await runDoctor([origin])).found['anonymous'], 'error')
  t.is((await runDoctor([origin, '--prefix', '/session'])).found['anonymous'], 'fine')
  for (const words of [
    ['--prefix', 'session'],
    ['--http-port', '99999'],
    ['--http-port', 'x'],
  ]) {
    t.is((await runCli(['doctor', origin, ...words])).code, 2)
  }
})

test('TLS is demanded with a certificate that is believed, and plain http beside it is looked at', async (t) => {
  const origin = await startDoctored(t, { tls })
  const unknown = await runCli(['doctor', origin])
  t.is(unknown.code, 3)
  t.regex(unknown.stderr, /SELF_SIGNED_CERT/)
  t.is((await runCli(['doctor', origin], { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })).code, 3)
  const { found } = await runDoctor([origin], { env: trust })
  t.like(found, { transport: 'fine', 'plain-http': 'skipped', 'strict-transport': 'warning' })
})

for (const [what, status, headers, severity] of [
  ['leads to https', 308, { Location: 'https://localhost/' }, 'fine'],
  ['leads elsewhere', 302, { Location: 'http://localhost/there' }, 'error'],
  ['answers by itself', 200, {}, 'error'],
  ['sets a cookie', 308, { Location: 'https://localhost/', 'Set-Cookie': 'a=b' }, 'error'],
] as const) {
  test(`plain http that ${what} is ${severity}`, async (t) => {
    const asked: string[] = []
    const plain = await listen(t, (request, response) => {
      asked.push(request.url ?? '')
      response.writeHead(status, headers).end()
    })
    const faults = severity === 'fine' ? [] : [header('Strict-Transport-Security', 'max-age=60')]
    const origin = await startDoctored(t, { tls, faults, kit: { hsts: true } })
    const { found } = await runDoctor([origin, '--http-port', String(plain)], { env: trust })
    t.like(found, { 'plain-http': severity, 'strict-transport': severity === 'fine' ? 'fine' : 'warning' })
    t.deepEqual(asked, ['/'], 'nothing is followed')
  })
}

test('no plain http at all is fine', async (t) => {
  const server = createTcpServer((socket) => socket.destroy())
  const port = await listen(t, server)
  const origin = await startDoctored(t, { tls })
  t.is((await runDoctor([origin, '--http-port', String(port)], { env: trust })).found['plain-http'], 'fine')
})

test('redirects are not followed, and only the given origin is asked', async (t) => {
  const asked: string[] = []
  const elsewhere = await listen(t, (request, response) => {
    asked.push(request.url ?? '')
    response.end('{}')
  })
  const move = (path: string): Fault => answer(path, 302, '', { Location: `http://localhost:${elsewhere}${path}` })
  const origin = await startDoctored(t, { faults: [METADATA, JWKS, LOGIN, SESSIONS].map(move) })
  const { code, found } = await runDoctor([origin, '--credentials', '-'], { stdin: CREDENTIALS })
  t.is(code, 1)
  t.like(found, { metadata: 'error', jwks: 'error', anonymous: 'error', login: 'error' })
  t.deepEqual(asked, [])
})

test('who does not answer, or never ends, is out of reach', async (t) => {
  const silent = await listen(t, () => {})
  const endless = await listen(
    t,
    createServer((_, response) => {
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 5)
      response.on('close', () => clearInterval(timer))
    }),
  )
  const [refused, mute, flood] = await Promise.all(
    [1, silent, endless].map((port) => runCli(['doctor', `http://127.0.0.1:${port}`])),
  )
  t.deepEqual([refused?.code, mute?.code, flood?.code], [3, 3, 3])
  t.regex(refused?.stderr ?? '', /ECONNREFUSED/)
  t.regex(mute?.stderr ?? '', /no answer within 5 seconds/)
  t.regex(flood?.stderr ?? '', /longer than/)
})

const drop: Fault = async (ctx, next) => (ctx.path === SESSIONS ? void ctx.req.socket.destroy() : next())

test('who stops to answer in the middle is a finding', async (t) => {
  const { code, found } = await runDoctor([await startDoctored(t, { faults: [drop] })])
  t.is(code, 1)
  t.like(found, { metadata: 'fine', anonymous: 'error', forged: 'error' })
})

test('only origins are deployments: https, or http on this machine', async (t) => {
  for (const target of ['http://app.example', 'https://app.example/path', 'https://', 'https://a.example/?q']) {
    t.is((await runCli(['doctor', target])).code, 2)
  }
})
