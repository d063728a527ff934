// The demo over HTTP: the contract that it promises, what it keeps across a restart, and how it starts and stops.

import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

import test from 'ava'

import { createPasswordCheck } from '../../examples/demo/users.ts'
import { payloadOf } from '../helpers/decode.ts'
import { type Example, type Pair, runExample, startExample, temporaryDirectory } from '../helpers/example.ts'
import { listen, type Owner, type Response } from '../helpers/http.ts'

const FILE = 'demo/main.ts'
const JSON_TYPE = { 'Content-Type': 'application/json' }

// Starting a process is what takes time, so most tests share one demo, one after the other; those with a demo of their
// own run side by side.
const ends: (() => unknown)[] = []
let demo: Example
let directory: string

test.before(async () => {
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  directory = join(await temporaryDirectory(owner), 'made', 'by-the-demo')
  demo = await startDemo(owner, directory)
})

test.after.always(async () => {
  for (const end of ends) await end()
})

function startDemo(owner: Owner, dataDirectory: string, port = '0'): Promise<Example> {
  return startExample(owner, FILE, { HOST: '127.0.0.1', PORT: port, DATA_DIR: dataDirectory })
}

function both({ token, cookie }: Pair): Record<string, string> {
  return { Authorization: `Bearer ${token}`, Cookie: cookie }
}

/** Both cookies of a login, as a browser keeps them. */
function cookiesOf({ response }: Pick<Pair, 'response'>): string {
  return response.cookies.map((line) => line.split(';')[0]).join('; ')
}

/** The secret part of its refresh token. */
function refreshSecretOf({ response }: Pick<Pair, 'response'>): string {
  const [, secret = ''] = /^__Secure-Refresh=[\w-]{22}\.\d+\.([\w-]{65});/.exec(response.cookies[1] ?? '') ?? []
  return secret
}

function refresh(to: Example, pair: Pick<Pair, 'response'>, headers: Record<string, string> = {}): Promise<Response> {
  const from = { 'Sec-Fetch-Site': 'same-origin', ...headers }
  return to.request('POST', '/auth/refresh', { Cookie: cookiesOf(pair), ...from })
}

/** The events that it printed. */
function eventsOf(lines: readonly string[]): Record<string, unknown>[] {
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>)
}

test.serial('the demo says its URL and users, and both users can log in, call /api/me and log out', async (t) => {
  const users = await demo.line((line) => line.startsWith('Users:'))
  t.is(users, 'Users: alice / wonderland, bob / builder')
  for (const [name, password] of [
    ['alice', 'wonderland'],
    ['bob', 'builder'],
  ] as const) {
    const pair = await demo.login(name, password)
    const { json, headers } = pair.response
    t.deepEqual(Object.keys(json), ['access_token', 'token_type', 'expires_in', 'sid'])
    t.is(json['token_type'], 'Bearer')
    t.is(headers['cache-control'], 'no-store')
    t.is(payloadOf(pair.token)['iss'], demo.url)
    const me = await demo.request('GET', '/api/me', both(pair))
    t.deepEqual([me.status, me.json], [200, { sub: name, sid: json['sid'], visits: 1 }])
    t.is(me.headers['cache-control'], 'no-store')
    const out = await demo.request('POST', '/auth/logout', both(pair))
    t.is(out.status, 204)
    t.is(out.headers['clear-site-data'], '"storage"')
    t.is((await demo.request('GET', '/api/me', both(pair))).status, 401)
    // What it prints comes another way than its answers, and must not be taken for what comes next.
    await demo.line((line) => line.startsWith('{"event":"authn_token_reuse"') && line.includes(`"sub":"${name}"`))
  }
})

test.serial(
  'one half of the pair is refused, a mix of two pairs too, and both are reported as sidejacking',
  async (t) => {
    const printed = demo.lines.length
    const [alice, bob] = [await demo.login('alice', 'wonderland'), await demo.login('bob', 'builder')]
    const nothing = await demo.request('GET', '/api/me')
    t.is(nothing.status, 401)
    t.is(nothing.headers['www-authenticate'], `Bearer realm="${demo.url}"`)
    const alone = await demo.request('GET', '/api/me', { Authorization: `Bearer ${alice.token}` })
    const mixed = await demo.request('GET', '/api/me', both({ ...alice, cookie: bob.cookie }))
    const forged = await demo.request('GET', '/api/me', both({ ...alice, token: alice.token.slice(0, -4) }))
    for (const refused of [alone, mixed, forged]) {
      t.is(refused.status, 401)
      t.is(refused.text, alone.text, 'the client is not told why')
      t.regex(String(refused.headers['www-authenticate']), /^Bearer realm="[^"]+", error="invalid_token"/)
    }
    await demo.line((line) => line.startsWith('{"event":"token_rejected"'))
    const refusals = eventsOf(demo.lines.slice(printed)).filter(({ code }) => code !== undefined)
    t.deepEqual(
      refusals.map(({ event, code }) => [event, code]),
      [
        ['sidejack', 'ERR_FINGERPRINT_MISSING'],
        ['sidejack', 'ERR_FINGERPRINT_MISMATCH'],
        ['token_rejected', refusals[2]?.['code']],
      ],
    )
    t.is(refusals[0]?.['sub'], 'alice')
  },
)

test.serial('what the demo prints names sessions, and holds neither half of a pair nor a password', async (t) => {
  const printed = demo.lines.length
  const pair = await demo.login('bob', 'builder')
  await demo.request('GET', '/api/me', { Authorization: `Bearer ${pair.token}` })
  t.is((await refresh(demo, pair)).status, 200)
  await demo.request('POST', '/auth/login', JSON_TYPE, '{"username":"bob","password":"a mistyped password"}')
  await demo.request('POST', '/auth/logout', both(pair))
  await demo.request('GET', '/api/me', both(pair))
  const sid = String(pair.response.json['sid'])
  await demo.line((line) => line.includes('authn_token_reuse') && line.includes(sid))
  const lines = demo.lines.slice(printed)
  t.deepEqual(
    eventsOf(lines).map(({ event, sid: its }) => [event, its]),
    [
      ['session_created', sid],
      ['sidejack', sid],
      ['session_renewed', sid],
      ['authn_login_fail', undefined],
      ['session_expired', sid],
      ['authn_token_reuse', sid],
    ],
  )
  const halves = [pair.cookie.split('=')[1] ?? '', pair.token.split('.')[2] ?? '']
  const secrets = [...halves, refreshSecretOf(pair), 'builder', 'a mistyped password']
  for (const secret of secrets) t.false(secret === '' || lines.join('\n').includes(secret), secret)
})

test('a restart keeps the session, its data, the key and what was revoked; a kill loses no logout', async (t) => {
  const data = await temporaryDirectory(t)
  const first = await startDemo(t, data)
  const kept = await first.login('alice', 'wonderland')
  const ended = await first.login('bob', 'builder')
  const jwks = await first.request('GET', '/.well-known/jwks.json')
  await first.request('GET', '/api/me', both(kept))
  await first.request('POST', '/auth/logout', both(ended))
  const exit = await first.stop('SIGTERM')
  t.deepEqual([exit.code, exit.signal, exit.stderr], [0, null, ''])

  // The same port: it is part of the issuer.
  const { port } = new URL(first.url)
  const second = await startDemo(t, data, port)
  t.is((await second.request('GET', '/.well-known/jwks.json')).text, jwks.text)
  const me = await second.request('GET', '/api/me', both(kept))
  t.deepEqual([me.status, me.json['sub'], me.json['visits']], [200, 'alice', 2])
  const next = await refresh(second, kept)
  t.is(next.status, 200)
  t.is((await second.request('GET', '/api/me', { Authorization: `Bearer ${kept.token}` })).status, 401)
  t.is((await second.request('GET', '/api/me', both(ended))).status, 401)
  t.regex(await second.line((line) => line.includes('authn_token_reuse')), /"code":"ERR_TOKEN_REVOKED","sub":"bob"/)
  t.is((await refresh(second, ended)).status, 401)
  t.is((await second.request('POST', '/auth/logout', both(kept))).status, 204)
  await second.stop('SIGKILL')

  const third = await startDemo(t, data, port)
  t.is((await third.request('GET', '/api/me', both(kept))).status, 401)
  t.is((await refresh(third, { response: next })).status, 401)
  t.regex(await third.line((line) => line.includes('authn_token_reuse')), /"code":"ERR_TOKEN_REVOKED","sub":"alice"/)
})

test.serial('key and data are for their owner only, and hold no fingerprint and no token of either kind', async (t) => {
  const pair = await demo.login('alice', 'wonderland')
  const files = ['key.json', 'store.lmdb', 'store.lmdb-lock']
  t.deepEqual((await readdir(directory)).sort(), files)
  for (const file of files) t.is((await stat(join(directory, file))).mode & 0o777, 0o600, file)
  t.is((await stat(directory)).mode & 0o777, 0o700)
  const data = await readFile(join(directory, 'store.lmdb'), 'latin1')
  t.true(data.includes(String(pair.response.json['sid'])))
  t.false(data.includes(pair.cookie.split('=')[1] ?? ''))
  t.false(data.includes(pair.token))
  const secret = refreshSecretOf(pair)
  t.is(secret.length, 65)
  for (const part of [secret, secret.slice(0, 22), secret.slice(22)]) t.false(data.includes(part))
})

test.serial('the public key and the metadata are there for everyone, the private key for nobody', async (t) => {
  const jwks = await demo.request('GET', '/.well-known/jwks.json')
  const [key] = jwks.json['keys'] as Record<string, unknown>[]
  t.deepEqual([jwks.status, key?.['alg'], key?.['use']], [200, 'ES256', 'sig'])
  t.false('d' in (key ?? {}))
  const metadata = await demo.request('GET', '/.well-known/oauth-authorization-server')
  t.is(metadata.json['issuer'], demo.url)
})

test.serial('IS-16 an unknown user and a wrong password get byte-equal answers', async (t) => {
  const attempts = [
    { username: 'alice', password: 'wrong' },
    { username: 'nobody', password: 'wonderland' },
    { username: '__proto__', password: 'wonderland' },
    { username: ['alice'], password: ['wonderland'] },
    { username: { toString: 'alice' }, password: null },
    { username: '', password: '' },
    {},
  ]
  const answers: Response[] = []
  for (const attempt of attempts) {
    answers.push(await demo.request('POST', '/auth/login', JSON_TYPE, JSON.stringify(attempt)))
  }
  const [first] = answers.map(({ status, headers, text }) => ({ status, headers: { ...headers, date: '' }, text }))
  t.is(first?.status, 401)
  for (const { status, headers, text, cookies } of answers) {
    t.deepEqual({ status, headers: { ...headers, date: '' }, text }, first)
    t.deepEqual(cookies, [])
  }
})

// Node makes one SCRYPTREQUEST for each call of scrypt.
test.serial('IS-16 an unknown user costs exactly as much hashing as a known one', async (t) => {
  const check = await createPasswordCheck({ alice: 'wonderland' })
  let hashed = 0
  const hook = createHook({
    init(_id, type) {
      if (type === 'SCRYPTREQUEST') hashed += 1
    },
  }).enable()
  t.teardown(() => hook.disable())
  const attempts: readonly (readonly [unknown, unknown, boolean])[] = [
    ['alice', 'wonderland', true],
    ['alice', 'wrong', false],
    ['nobody', 'wonderland', false],
    [undefined, undefined, false],
    [['alice'], 'wonderland', false],
    ['alice', ['wonderland'], false],
    ['constructor', 'wonderland', false],
  ]
  for (const [username, password, expected] of attempts) {
    hashed = 0
    t.is(await check(username, password), expected, JSON.stringify([username, password]))
    t.is(hashed, 1, JSON.stringify([username, password]))
  }
})

test.serial(
  'CK-24 every cookie that the demo sets is Secure, HttpOnly and SameSite=Strict, and there are only the two names',
  async (t) => {
    const pair = await demo.login('alice', 'wonderland')
    const replaced = await demo.request(
      'POST',
      '/auth/login',
      { ...JSON_TYPE, ...both(pair) },
      '{"username":"bob","password":"builder"}',
    )
    const answers = [
      pair.response,
      replaced,
      await demo.request('GET', '/'),
      await demo.request('GET', '/api/me', both(await demo.login('alice', 'wonderland'))),
      await demo.request('GET', '/api/me', both(pair)),
      await demo.request('POST', '/auth/logout', both(pair)),
      await demo.request('POST', '/auth/logout', { Authorization: 'Bearer x' }),
      await refresh(demo, await demo.login('bob', 'builder')),
      await refresh(demo, pair),
      await demo.request('GET', '/nothing'),
    ]
    // Two logins, two logouts and one refresh; nothing else sets any.
    t.deepEqual(
      answers.map(({ cookies }) => cookies.length),
      [2, 2, 0, 0, 0, 2, 2, 2, 0, 0],
    )
    for (const { cookies } of answers.filter((answer) => answer.cookies.length > 0)) {
      const [fingerprint = [], refreshToken = []] = cookies.map((cookie) => cookie.split('; '))
      t.regex(fingerprint[0] ?? '', /^__Secure-Fgp=[\w~-]*$/)
      t.regex(refreshToken[0] ?? '', /^__Secure-Refresh=[\w.-]*$/)
      t.true(fingerprint.includes('Path=/') && refreshToken.includes('Path=/auth'))
      for (const attributes of [fingerprint, refreshToken]) {
        for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Strict']) t.true(attributes.includes(attribute))
        t.false(attributes.some((attribute) => attribute.startsWith('Domain')))
      }
    }
  },
)

test.serial("IS-10 the demo's token holds who, when and which session, and nothing personal", async (t) => {
  const { token } = await demo.login('alice', 'wonderland')
  const claims = payloadOf(token)
  t.deepEqual(
    Object.keys(claims).sort(),
    ['aud', 'auth_time', 'client_id', 'exp', 'fgp', 'iat', 'iat_ms', 'iss', 'jti', 'sid', 'sub'].sort(),
  )
  t.notRegex(JSON.stringify(claims), /@|mail|role|admin|wonderland/i)
})

test.serial('the page is a few files and nothing else of the disk, under a policy without inline code', async (t) => {
  const types = { html: 'text/html', js: 'text/javascript', css: 'text/css' }
  const names = await readdir(new URL('../../examples/demo/public/', import.meta.url))
  t.true(names.length >= 3)
  for (const name of [...names, 'client.js']) {
    const path = name === 'index.html' ? '/' : `/${name}`
    const { status, headers } = await demo.request('GET', path)
    t.is(status, 200, path)
    // The cast holds: there are files of these types only.
    t.is(headers['content-type'], `${types[name.split('.')[1] as keyof typeof types]}; charset=utf-8`)
    t.is(headers['x-content-type-options'], 'nosniff')
    t.is(headers['referrer-policy'], 'no-referrer')
    t.is(
      headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
  }
  const others = [
    '/index.html',
    '/main.ts',
    '/public/app.js',
    '/../main.ts',
    '/%2e%2e/main.ts',
    '/key.json',
    '/app.js/',
  ]
  for (const path of others) t.is((await demo.request('GET', path)).status, 404, path)
  t.is((await demo.request('POST', '/')).status, 404)
  const head = await demo.request('HEAD', '/')
  t.deepEqual([head.status, head.text], [200, ''])
})

test.serial('a page of another site can neither log in nor refresh nor log out', async (t) => {
  const pair = await demo.login('alice', 'wonderland')
  const body = '{"username":"bob","password":"builder"}'
  for (const foreign of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
    t.is((await demo.request('POST', '/auth/login', { ...JSON_TYPE, ...foreign }, body)).status, 403)
    for (const proof of [both(pair), { Cookie: cookiesOf(pair) }]) {
      t.is((await demo.request('POST', '/auth/logout', { ...proof, ...foreign })).status, 403)
    }
    const refused = await demo.request('POST', '/auth/refresh', { Cookie: cookiesOf(pair), ...foreign })
    t.deepEqual([refused.status, refused.cookies], [403, []])
    t.is((await demo.request('DELETE', '/auth/sessions?all=true', { ...both(pair), ...foreign })).status, 403)
  }
  t.is((await demo.request('GET', '/api/me', both(pair))).status, 200)
  t.is((await refresh(demo, pair)).status, 200)
})

test.serial('the list of sessions names the own ones, and the demo remembers whom it was told to', async (t) => {
  const pair = await demo.login('alice', 'wonderland')
  const body = '{"username":"alice","password":"wonderland","remember":true}'
  const remembered = await demo.request('POST', '/auth/login', { ...JSON_TYPE, 'User-Agent': 'Elsewhere/1' }, body)
  for (const cookie of remembered.cookies) t.regex(cookie, /; Max-Age=604800;/)
  for (const cookie of pair.response.cookies) t.false(cookie.includes('Max-Age'), 'these go with the browser')
  const list = (await demo.request('GET', '/auth/sessions', both(pair))).json as unknown as Record<string, unknown>[]
  t.like(
    list.find(({ sid }) => sid === remembered.json['sid']),
    { current: false, user_agent: 'Elsewhere/1' },
  )
  t.is(list.filter(({ current }) => current).length, 1)
  const path = `/auth/sessions/${String(remembered.json['sid'])}`
  t.is((await demo.request('DELETE', path, both(pair))).status, 204)
  t.is((await refresh(demo, { response: remembered })).status, 401)
  t.is((await demo.request('GET', '/api/me', both(pair))).status, 200)
})

test('a taken port is one clear line, and the data are not touched', async (t) => {
  const port = await listen(t, createServer())
  const data = join(await temporaryDirectory(t), 'data')
  const { code, stdout, stderr } = await runExample(t, FILE, { PORT: String(port), DATA_DIR: data })
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, new RegExp(`^Port ${port} on 127\\.0\\.0\\.1 is taken: [^\\n]+\\n$`))
  t.false(existsSync(data))
})

test('what is wrong at the start is one line: the port, the data, the key', async (t) => {
  const data = await temporaryDirectory(t)
  await mkdir(join(data, 'store'))
  await writeFile(join(data, 'store', 'store.lmdb'), '{"session":[{"key":"half a rec')
  await mkdir(join(data, 'key'))
  await writeFile(join(data, 'key', 'key.json'), '{"kty":"EC"}')
  const cases = [
    [{ PORT: 'abc', DATA_DIR: data }, /^PORT: expected 0 to 65535, got 'abc'\n$/],
    [{ PORT: '65536', DATA_DIR: data }, /^PORT: expected 0 to 65535, got '65536'\n$/],
    [{ PORT: '0', DATA_DIR: join(data, 'store') }, /^path: '\S+store\.lmdb' is no LMDB file; [^\n]+\n$/],
    [{ PORT: '0', DATA_DIR: join(data, 'key') }, /^key: [^\n]+\n$/],
  ] as const
  const exits = cases.map(async ([environment, expected]) => {
    const { code, stdout, stderr } = await runExample(t, FILE, environment)
    t.deepEqual([code, stdout], [1, ''])
    t.regex(stderr, expected)
  })
  await Promise.all(exits)
})

test('an interrupt ends the demo cleanly, even twice and with a request left half sent', async (t) => {
  const mine = await startDemo(t, await temporaryDirectory(t))
  const socket = connect(Number(new URL(mine.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
  // An answer on a later connection: by then the first is accepted.
  await mine.request('GET', '/')
  const { status } = await mine.request('POST', '/auth/refresh', {
    ...{ Cookie: '__Secure-Refresh=none', 'Sec-Fetch-Site': 'same-origin' },
  })
  t.is(status, 401)
  const stopped = mine.stop('SIGINT')
  await mine.stop('SIGINT')
  const { code, signal, stderr } = await stopped
  t.deepEqual([code, signal, stderr], [0, null, ''])
})
