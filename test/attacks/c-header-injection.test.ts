// Somebody writes a token whose header brings its own key, says where to fetch one, names one in a way that means
// something to a file system, a shell, a database or a log, or changes what the token is. RFC 8725 sections 2.6, 3.9 to
// 3.12. The D-23 row is here because it needs the same bait.

import { createHash, X509Certificate } from 'node:crypto'
import { createServer } from 'node:http'

import test, { type ExecutionContext } from 'ava'
import type { JWK } from 'jose'

import { createKeySet, type ErrorCode, generateKey, importKey, type SessionEvents } from '../../src/index.ts'
import { bearer, codesOf, ISSUER, privateJwk, type Response } from '../helpers/app.ts'
import {
  assertAllRepelled,
  assertRepelled,
  type AttackedApp,
  createAttackedApp,
  type Forgery,
  joseAccepts,
} from '../helpers/attacked-app.ts'
import { heapUsed, leastCost } from '../helpers/cost.ts'
import {
  b64,
  forge,
  forgeHmac,
  type Json,
  sign,
  signatureOf,
  signRaw,
  validClaims,
  validHeader,
} from '../helpers/forge.ts'
import { listen, send } from '../helpers/http.ts'
import { createBait, watchCaused, watchOutside } from '../helpers/outside.ts'
import { INVALID_TOKEN_BODY } from '../helpers/refused.ts'
import { selfSign } from '../helpers/self-signed.ts'

const attackerJwk = await generateKey('ES256')
const attackerPublic = publicOf(attackerJwk)
const certificate = selfSign(attackerJwk, 'app.example')

function publicOf({ kty, crv, x, y, kid, alg, use }: JWK): Json {
  return { kty, crv, x, y, kid, alg, use }
}

/** Attacks that differ in the header, with a true signature: only the header can be why they are refused. */
function withHeaders(code: ErrorCode, headers: Readonly<Record<string, Json>>): Forgery[] {
  return Object.entries(headers).map(([name, header]) => [name, code, (claims) => sign(validHeader(header), claims)])
}

/** Whether jose alone takes a truly signed token with this header. */
function joseTakes(app: AttackedApp, header: Json, payload?: Json): Promise<boolean> {
  const token = sign(validHeader(header), payload ?? validClaims(app).claims)
  return joseAccepts(app, token)
}

/** Attacks, watched: no connection beside the one that the test has already, no name look-up, no file, no process. */
async function assertNothingOutside(t: ExecutionContext, app: AttackedApp, attacks: readonly Forgery[]): Promise<void> {
  const outside = await watchCaused(() => assertAllRepelled(t, app, attacks))
  t.deepEqual(outside, { tcp: 0, pipe: 0, dns: 0, file: 0, process: 0 })
}

test('C-01 a token does not bring its own key', async (t) => {
  const attacker =
    (header: Json, jwk = attackerJwk): Forgery[2] =>
    (claims) =>
      sign(validHeader(header), claims, jwk)
  const hmac = { kty: 'oct', k: b64('secret') }
  await assertAllRepelled(t, await createAttackedApp(t), [
    ['jwk, the kid of the app', 'ERR_TOKEN_HEADER', attacker({ jwk: attackerPublic })],
    ['jwk, its own kid', 'ERR_TOKEN_HEADER', attacker({ jwk: attackerPublic, kid: attackerJwk.kid })],
    ['jwk, no kid', 'ERR_TOKEN_HEADER', attacker({ jwk: attackerPublic, kid: undefined })],
    ['jwk with the kid of the app', 'ERR_TOKEN_HEADER', attacker({ jwk: { ...attackerPublic, kid: privateJwk.kid } })],
    ['jwk with its private part', 'ERR_TOKEN_HEADER', attacker({ jwk: attackerJwk })],
    [
      'jwk that is a secret',
      'ERR_TOKEN_HEADER',
      (claims) => forgeHmac(validHeader({ alg: 'HS256', jwk: hmac }), claims, 'secret'),
    ],
    // Without the parameter, the plainest forgery of all.
    ['only the wrong key', 'ERR_TOKEN_SIGNATURE', attacker({})],
    ['only the wrong key, its own kid', 'ERR_TOKEN_KEY', attacker({ kid: attackerJwk.kid })],
  ])
})

test('C-02 a parameter that carries or fetches a key refuses even a truly signed token', async (t) => {
  const thumbprint = (hash: string) => createHash(hash).update(certificate).digest('base64url')
  const parameters: Readonly<Record<string, Json>> = {
    jwk: { jwk: attackerPublic },
    'the jwk of the app itself': { jwk: publicOf(privateJwk) },
    jku: { jku: `${ISSUER}/.well-known/jwks.json` },
    x5u: { x5u: `${ISSUER}/chain.pem` },
    x5c: { x5c: [certificate.toString('base64')] },
    x5t: { x5t: thumbprint('sha1') },
    'x5t#S256': { 'x5t#S256': thumbprint('sha256') },
  }
  const app = await createAttackedApp(t)
  await assertAllRepelled(t, app, withHeaders('ERR_TOKEN_HEADER', parameters))
  for (const [name, header] of Object.entries(parameters)) t.true(await joseTakes(app, header), name)
  // Their presence refuses, whatever they hold.
  const empty = ['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'].flatMap((name) =>
    [null, '', [], {}, 0, false].map((value) => [`${name} ${JSON.stringify(value)}`, { [name]: value }] as const),
  )
  await assertAllRepelled(t, app, withHeaders('ERR_TOKEN_HEADER', Object.fromEntries(empty)))
})

/** Addresses that a validator with an allowlist, a URL parser or a fetcher of its own might go to. */
function baitUrls(url: string, port: number): readonly string[] {
  return [
    url,
    `http://localhost:${port}/jwks.json`,
    `http://[::ffff:127.0.0.1]:${port}/`,
    `http://2130706433:${port}/`,
    `http://127.1:${port}/`,
    `https://127.0.0.1:${port}/`,
    `${ISSUER}@127.0.0.1:${port}/`,
    `${ISSUER}:x@127.0.0.1:${port}/`,
    `https://app.example.localhost:${port}/`,
    `${ISSUER}/..//127.0.0.1:${port}/`,
    `${ISSUER}/%2e%2e/@127.0.0.1:${port}`,
    `//127.0.0.1:${port}/`,
    'http://127.0.0.1/',
    'http://[::ffff:169.254.169.254]/latest/meta-data',
    'file:///etc/passwd',
    'file:///dev/zero',
    `data:application/json,${encodeURIComponent(JSON.stringify({ keys: [attackerPublic] }))}`,
    'gopher://127.0.0.1:6379/_FLUSHALL',
    'javascript:process.exit()',
  ]
}

test.serial('C-03 no jku is ever fetched', async (t) => {
  const app = await createAttackedApp(t)
  const bait = await createBait(t, { keys: [attackerPublic] })
  const attacks = baitUrls(bait.url, bait.port).flatMap((jku): Forgery[] => [
    [
      `${jku}, attacker's key`,
      'ERR_TOKEN_HEADER',
      (claims) => sign(validHeader({ jku, kid: attackerJwk.kid }), claims, attackerJwk),
    ],
    [`${jku}, true signature`, 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ jku }), claims)],
  ])
  await assertNothingOutside(t, app, attacks)
  t.is(bait.hits.count, 0)
  // The trap works: who does fetch it is seen, by both counters.
  const seen = await watchOutside(async () => {
    await (await fetch(bait.url)).text()
  })
  t.is(bait.hits.count, 1)
  t.is(seen.tcp, 1)
})

function signedByAttacker(header: Json): Forgery[2] {
  return (claims) => sign(validHeader(header), claims, attackerJwk)
}

test.serial('C-04 no x5u is ever fetched and no certificate chain is believed', async (t) => {
  // A real certificate of the attacker's key for the app's name, so that only policy refuses it.
  const parsed = new X509Certificate(certificate)
  t.true(parsed.verify(parsed.publicKey))
  t.is(parsed.subject, 'CN=app.example')
  const app = await createAttackedApp(t)
  const bait = await createBait(t, parsed.toString())
  const x5c = [certificate.toString('base64')]
  const attacks: Forgery[] = [
    ...baitUrls(bait.url, bait.port).map((x5u): Forgery => [
      x5u,
      'ERR_TOKEN_HEADER',
      signedByAttacker({ x5u, kid: attackerJwk.kid }),
    ]),
    ['x5c', 'ERR_TOKEN_HEADER', signedByAttacker({ x5c })],
    ['x5c without kid', 'ERR_TOKEN_HEADER', signedByAttacker({ x5c, kid: undefined })],
    ['x5c and x5t#S256', 'ERR_TOKEN_HEADER', signedByAttacker({ x5c, 'x5t#S256': parsed.fingerprint256 })],
    ['x5c of two', 'ERR_TOKEN_HEADER', signedByAttacker({ x5c: [...x5c, ...x5c] })],
    ['x5c that is PEM', 'ERR_TOKEN_HEADER', signedByAttacker({ x5c: [parsed.toString()] })],
    ['x5c that is a string', 'ERR_TOKEN_HEADER', signedByAttacker({ x5c: x5c[0] })],
  ]
  await assertNothingOutside(t, app, attacks)
  t.is(bait.hits.count, 0)
})

test.serial('C-05 C-06 C-07 a kid is no path, no query and no command', async (t) => {
  const app = await createAttackedApp(t)
  // What the key would be if the kid were believed: an empty file, the selected literal, the standard output.
  const hostile: readonly (readonly [kid: string, secret: string])[] = [
    ['../../../../dev/null', ''],
    ['/dev/null', ''],
    ['..%2f..%2fdev%2fnull', ''],
    ['..\\..\\nul', ''],
    ['/proc/sys/kernel/randomize_va_space', '2\n'],
    ['./package.json', '{}'],
    ["x' UNION SELECT '1';--", '1'],
    ['x" UNION SELECT "1" --', '1'],
    ["' OR '1'='1", '1'],
    ['|sleep 10', ''],
    ['$(sleep 10)', ''],
    ['`sleep 10`', ''],
    ['; sleep 10 #', ''],
    ['%0a sleep 10', ''],
    ['{"$gt":""}', ''],
    ['${jndi:ldap://127.0.0.1/a}', ''],
    ['*', ''],
  ]
  const attacks = hostile.flatMap(([kid, secret]): Forgery[] => [
    [
      `${kid}, HMAC`,
      // Its form is refused before anything is looked up by it.
      'ERR_TOKEN_KEY',
      (claims) => forgeHmac(validHeader({ alg: 'HS256', kid }), claims, secret),
    ],
    [`${kid}, true signature`, 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid }), claims)],
  ])
  await assertNothingOutside(t, app, attacks)
})

test.serial('C-05 C-07 a kid of allowed characters is no path and no command either', async (t) => {
  // These pass the form and reach the look-up.
  const attacks = ['..', '.', '~', '~root', 'package.json', 'con', 'nul', '-rf', '--help', 'a=b:c+d', '0x0'].map(
    (kid): Forgery => [kid, 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid }), claims)],
  )
  await assertNothingOutside(t, await createAttackedApp(t), attacks)
})

test.serial('C-07 C-09 C-19 a hostile kid or header costs less than 50 ms', async (t) => {
  const app = await createAttackedApp(t)
  const { claims, cookie } = validClaims(app)
  for (const token of [
    sign(validHeader({ kid: '$(sleep 10)' }), claims),
    sign(validHeader({ kid: 'k'.repeat(5000) }), claims),
    sign(validHeader(Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`m${i}`, i]))), claims),
    signRaw(`{"alg":"ES256","a":${'['.repeat(2500)}${']'.repeat(2500)}}`, '{}'),
    signRaw(`{"alg":"ES256"${' '.repeat(5000)}`, '{}'),
  ]) {
    const cost = await leastCost(50, async () => {
      t.is((await app.me(token, cookie)).status, 401)
    })
    t.true(cost < 50, `took ${cost} ms`)
  }
})

test('C-08 a kid that names a member of every object names no key', async (t) => {
  const names = [
    ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'get', 'size', 'keys'],
    ...['length', '0', 'undefined', 'null', 'NaN', 'true', 'isPrototypeOf', '__defineGetter__', '__lookupGetter__'],
  ]
  const app = await createAttackedApp(t)
  await assertAllRepelled(
    t,
    app,
    names.map((kid): Forgery => [kid, 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid }), claims)]),
  )
  t.deepEqual(app.errors, [])
})

test('C-09 a kid that is no plain text is refused and never reaches a log', async (t) => {
  const kid = privateJwk.kid ?? ''
  const values: readonly unknown[] = [
    ...[0, 1, -1, 1.5, true, false, null, '', {}, [], [kid], { kid }, { toString: kid }, [[kid]]],
    ...[`${kid} `, ` ${kid}`, `${kid}\u0000`, `${kid}\n`, `\ufeff${kid}`, kid.toLowerCase(), kid.slice(0, -1)],
    ...['a\r\nSet-Cookie: x=y', 'a\nERROR admin logged in', '\u001b[2J\u001b[1;31mfine', '\u202egnirts', '\u2028'],
    ...['k'.repeat(129), 'k'.repeat(5000), '\ud800', 'ключ', '%s%n%p', '<script>alert(1)</script>'],
  ]
  const app = await createAttackedApp(t)
  const events: SessionEvents['token_rejected'][] = []
  app.kit.events.on('token_rejected', (event) => events.push(event))
  await assertAllRepelled(
    t,
    app,
    values.map((value): Forgery => [
      `kid ${JSON.stringify(value).slice(0, 60)}`,
      'ERR_TOKEN_KEY',
      (claims) => sign(validHeader({ kid: value }), claims),
    ]),
  )
  // An event is a line of a log: nothing of the header is in it, and nothing that ends a line or drives a terminal.
  const ofKids = events.filter(({ code }) => code === 'ERR_TOKEN_KEY')
  t.is(ofKids.length, values.length)
  for (const event of ofKids) {
    const line = JSON.stringify(event)
    // oxlint-disable-next-line no-control-regex
    t.notRegex(line, /Set-Cookie|logged in|gnirts|kkkkk|script|ключ|[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/)
    t.deepEqual(Object.keys(event).sort(), ['code', 'request', 'time'])
  }
  for (const value of [7, { a: 1 }, [kid]]) t.true(await joseTakes(app, { kid: value }), JSON.stringify(value))
})

/** The same app on a server that lets headers of two megabytes through: what the kit does when node does not help. */
async function listenWide(
  t: ExecutionContext,
  app: AttackedApp,
): Promise<(token: string, cookie: string) => Promise<Response>> {
  const handle = app.koa.callback()
  const wide = createServer({ maxHeaderSize: 2 ** 21 }, (...pair) => void handle(...pair))
  const port = await listen(t, wide)
  const to = { port, defaults: { Host: 'app.example', 'X-Forwarded-Proto': 'https' } }
  return (token, cookie) => send(to, 'GET', '/me', bearer({ token, cookie }))
}

test.serial('C-09 C-19 a header of a megabyte is not looked into', async (t) => {
  const app = await createAttackedApp(t)
  const sendWide = await listenWide(t, app)
  const { claims, cookie } = validClaims(app)
  t.is((await sendWide(sign(validHeader(), claims), cookie)).status, 200)
  app.seen.length = 0
  const nested = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const members = Array.from({ length: 5000 }, (_, i) => `"member-${i}":${i}`).join()
  const headers: Readonly<Record<string, string>> = {
    'a kid of 1 MB': `"kid":"${'k'.repeat(2 ** 20)}"`,
    '5000 members': members,
    '500 KB of header': `"filler":"${'x'.repeat(500_000)}"`,
    '100 KB of nesting': `"deep":${nested}`,
  }
  for (const [name, text] of Object.entries(headers)) {
    app.clock.advance(1)
    app.seen.length = 0
    app.handled.count = 0
    const token = signRaw(`{"alg":"ES256","typ":"at+jwt",${text}}`, JSON.stringify(claims))
    const cost = await leastCost(50, async () => {
      t.is((await sendWide(token, cookie)).status, 401, name)
    })
    t.true(cost < 50, `${name} took ${cost} ms`)
    t.deepEqual([...new Set(codesOf(app.seen))], ['ERR_TOKEN_TOO_LARGE'], name)
    t.true(JSON.stringify(app.seen).length < 5000, name)
    t.is(app.handled.count, 0)
  }
  t.deepEqual(app.errors, [])
})

// C-19 a header of 500 KB through an introspection body: test/attacks/i-introspection.test.ts.

test('C-19 the limit is on the whole token: at it a token is read, one character past it is not', async (t) => {
  const app = await createAttackedApp(t)
  const limit = 2 * 4096 // twice accessToken.maxBytes
  const { claims, cookie } = validClaims(app)
  /** A genuine token of a length near the wanted one; base64url grows by one or two characters a byte. */
  const grow = (wanted: number, header: Json): string => {
    let token = ''
    for (let size = wanted / 2; token.length < wanted && size < wanted; size += 1) {
      token = sign(validHeader(header), { ...claims, fill: 'x'.repeat(size) })
    }
    return token
  }
  const atLimit = grow(limit - 2, {})
  t.true(atLimit.length <= limit && atLimit.length >= limit - 2)
  t.is((await app.me(atLimit, cookie)).status, 200)
  app.handled.count = 0
  const past = grow(limit + 1, {})
  await assertRepelled(t, app, 'ERR_TOKEN_TOO_LARGE', { label: `${past.length}`, token: past, cookie })
})

test.serial(
  'C-10 ten thousand unknown kids fetch nothing, ask the store nothing and leave nothing behind',
  async (t) => {
    const app = await createAttackedApp(t)
    const { cookie, claims } = validClaims(app)
    const payload = b64(claims)
    const signature = b64(Buffer.alloc(64, 1))
    const asked = app.store.calls.length
    let sent = 0
    const answers = new Set<string>()
    async function sendSome(count: number): Promise<void> {
      for (let i = 0; i < count; i += 1) {
        sent += 1
        const kid = `${sent}-`.padEnd(128, 'k')
        const { status, text } = await app.me(`${b64(validHeader({ kid }))}.${payload}.${signature}`, cookie)
        answers.add(`${status} ${text}`)
      }
    }
    app.clock.advance(2)
    let grown = 0
    const { tcp, ...others } = await watchOutside(async () => {
      await Promise.all(Array.from({ length: 20 }, () => sendSome(100)))
      const before = heapUsed()
      await Promise.all(Array.from({ length: 20 }, () => sendSome(400)))
      grown = heapUsed() - before
    })
    t.is(sent, 10_000)
    t.deepEqual([...answers], [`401 ${INVALID_TOKEN_BODY}`])
    t.is(app.handled.count, 0)
    t.deepEqual(app.store.calls.slice(asked), [])
    t.true(tcp <= 20, "the client's twenty connections, and no more")
    t.deepEqual(others, { pipe: 0, dns: 0, file: 0, process: 0 })
    // What anybody can cause is counted rather than reported one by one.
    t.is(app.seen.length, 50)
    app.clock.advance(2)
    await sendSome(1)
    const last = app.seen.at(-1)?.event
    t.is(last && 'suppressed' in last ? last.suppressed : 0, 9950)
    t.deepEqual([...new Set(codesOf(app.seen))], ['ERR_TOKEN_KEY'])
    // Nothing of them is kept: a Map of 8,000 such names takes a megabyte and a half.
    t.true(grown < 1_100_000, `the heap grew by ${grown} bytes`)
  },
)

test('C-11 the kid of another issuer, of a retired key or of an encryption key opens nothing', async (t) => {
  const [others, retired, encryption] = [await generateKey(), await generateKey(), await generateKey()]
  const app = await createAttackedApp(t)
  // These keys are in real use elsewhere, or were in use here.
  const elsewhere = await createAttackedApp(t, { keys: await createKeySet({ keys: [others, retired] }) }, (claims) =>
    sign(validHeader({ kid: others.kid }), claims, others),
  )
  const { token, cookie } = await elsewhere.login()
  await assertRepelled(t, app, 'ERR_TOKEN_KEY', { label: 'a login elsewhere', token, cookie })
  await assertAllRepelled(t, app, [
    ['another issuer', 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid: others.kid }), claims, others)],
    ['retired', 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid: retired.kid }), claims, retired)],
    ['retired, kid of the app', 'ERR_TOKEN_SIGNATURE', (claims) => sign(validHeader(), claims, retired)],
    ['encryption', 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid: encryption.kid }), claims, encryption)],
    ['signed here, their kid', 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid: others.kid }), claims)],
  ])
  // An encryption key cannot get into a key set by mistake.
  await t.throwsAsync(importKey({ ...encryption, use: 'enc' }), { instanceOf: TypeError })
})

test('C-12 a token without a kid is refused though there is only one key', async (t) => {
  const app = await createAttackedApp(t)
  await assertAllRepelled(t, app, withHeaders('ERR_TOKEN_KEY', { 'no kid': { kid: undefined } }))
  t.true(await joseTakes(app, { kid: undefined }))
})

test('C-13 C-14 a token with crit is refused, rightly or wrongly formed', async (t) => {
  const headers: Readonly<Record<string, Json>> = {
    'crit empty': { crit: [] },
    'crit that is a string': { crit: 'b64' },
    'crit of an absent parameter': { crit: ['exp'] },
    'crit of a registered one': { crit: ['alg'] },
    'crit of an unknown one': { crit: ['x'], x: 1 },
    'crit null': { crit: null },
    'crit of numbers': { crit: [1] },
    'crit of itself': { crit: ['crit'] },
    'crit of an empty name': { crit: [''], '': 1 },
    'crit of a member of every object': { crit: ['constructor'] },
    'crit twice the same': { crit: ['b64', 'b64'], b64: true },
    'crit of b64': { crit: ['b64'], b64: true },
    'b64 alone': { b64: true },
    'b64 off, alone': { b64: false },
  }
  const app = await createAttackedApp(t)
  await assertAllRepelled(t, app, withHeaders('ERR_TOKEN_HEADER', headers))
  t.true(await joseTakes(app, headers['crit twice the same'] ?? {}))
  t.true(await joseTakes(app, headers['crit of b64'] ?? {}))
})

test('C-13 an unencoded payload (RFC 7797) is refused, whichever bytes were signed', async (t) => {
  const header = validHeader({ b64: false, crit: ['b64'] })
  await assertAllRepelled(t, await createAttackedApp(t), [
    ['as it is carried', 'ERR_TOKEN_HEADER', (claims) => sign(header, claims)],
    [
      'as it is meant',
      'ERR_TOKEN_HEADER',
      (claims) => forge(header, claims, signatureOf(`${b64(header)}.${JSON.stringify(claims)}`)),
    ],
  ])
})

test('C-15 a token of any other type is refused', async (t) => {
  const types: readonly unknown[] = [
    ...[undefined, null, '', 0, {}, ['at+jwt'], 'JWT', 'jwt', 'dpop+jwt', 'rt+jwt', 'logout+jwt', 'id+jwt'],
    ...['at+jwt;x=1', 'text/at+jwt', 'application/jwt', 'application/application/at+jwt', 'at+jwt ', ' at+jwt'],
    ...[
      'at jwt',
      'at%2Bjwt',
      'at+jwt\u0000',
      'at+jwt+x',
      'x+at+jwt',
      '/at+jwt',
      'application/',
      'JOSE',
      'secevent+jwt',
    ],
    // U+0130 becomes two characters in lower case, the first of them an i.
    ...['appl\u0130cation/at+jwt', 'token-introspection+jwt', 'at+jwt,JWT'],
  ]
  const app = await createAttackedApp(t)
  await assertAllRepelled(
    t,
    app,
    types.map((typ): Forgery => [
      `typ ${JSON.stringify(typ)}`,
      'ERR_TOKEN_TYPE',
      (claims) => sign(validHeader({ typ }), claims),
    ]),
  )
})

test('C-16 the type counts as a media type: in any case, with application/ before it', async (t) => {
  const app = await createAttackedApp(t)
  for (const typ of ['at+jwt', 'AT+JWT', 'At+Jwt', 'application/at+jwt', 'Application/AT+jwt']) {
    const { claims, cookie } = validClaims(app)
    t.is((await app.me(sign(validHeader({ typ }), claims), cookie)).status, 200, typ)
    t.true(await joseAccepts(app, sign(validHeader({ typ }), claims)), typ)
  }
})

function inner(claims: Json): string {
  return sign(validHeader(), claims)
}

test('C-17 a token in a token is refused, and so is a header that announces one', async (t) => {
  const app = await createAttackedApp(t)
  await assertAllRepelled(t, app, [
    ['announced', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: 'JWT' }), inner(claims))],
    ['announced by type', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: 'at+jwt' }), inner(claims))],
    ['not announced', 'ERR_TOKEN_MALFORMED', (claims) => sign(validHeader(), inner(claims))],
    ['as JSON text', 'ERR_TOKEN_MALFORMED', (claims) => sign(validHeader(), JSON.stringify(inner(claims)))],
    ['as a member', 'ERR_TOKEN_CLAIMS', (claims) => sign(validHeader(), { jwt: inner(claims) })],
    ['announced, but claims', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: 'JWT' }), claims)],
    ['cty empty', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: '' }), claims)],
  ])
  t.true(await joseTakes(app, { cty: 'JWT' }))
})

test('C-18 what belongs to encryption or compression has no place in a signed token', async (t) => {
  const headers: Readonly<Record<string, Json>> = {
    zip: { zip: 'DEF' },
    'zip of another kind': { zip: 'GZIP' },
    'zip null': { zip: null },
    enc: { enc: 'A256GCM' },
    'enc empty': { enc: '' },
    epk: { epk: attackerPublic },
    apu: { apu: 'QQ' },
    apv: { apv: 'QQ' },
    iv: { iv: b64(Buffer.alloc(12)) },
    tag: { tag: b64(Buffer.alloc(16)) },
    p2s: { p2s: 'c2FsdA' },
    p2c: { p2c: 2 ** 31 - 1 },
  }
  const app = await createAttackedApp(t)
  await assertAllRepelled(t, app, withHeaders('ERR_TOKEN_HEADER', headers))
  for (const [name, header] of Object.entries(headers)) t.true(await joseTakes(app, header), name)
})

// Names that validators, identity providers and gateways are known to follow, in headers and in claims: the IANA
// registries of JOSE header parameters and of JWT claims, RFC 7515 to 7519, 7800, 8414, 8555, 8693, 9068, OpenID Connect,
// and a few that software made up.
const FOLLOWED = [
  ...['jku', 'x5u', 'jwk', 'x5c', 'x5t', 'x5t#S256', 'x5', 'kid', 'url', 'uri', 'jwks', 'jwks_uri', 'keys', 'key'],
  ...['cert', 'certs', 'pem', 'file', 'path', 'spiffe', 'oidc', 'discovery', 'svt', 'ppt', 'trust_chain', 'sub_jwk'],
  ...['iss', 'issuer', 'sub', 'aud', 'azp', 'client_id', 'typ', 'cty', 'alg', 'crit', 'jti', 'sid', 'scope', 'acr'],
  ...['amr', 'enc', 'zip', 'epk', 'apu', 'apv', 'iv', 'tag', 'p2s', 'p2c', 'b64', 'cnf', 'act', 'may_act', 'nonce'],
  ...['profile', 'picture', 'website', 'email', 'name', 'redirect_uri', 'callback', 'webhook', 'href', 'origin'],
  ...['src', 'link', 'host', 'server', 'endpoint', 'introspection_endpoint', 'userinfo_endpoint', 'schema', '$ref'],
  ...['_claim_names', '_claim_sources', 'distributed_claims', 'toe', 'txn', 'events', 'status', 'vct', 'vc', 'vp'],
  ...['roles', 'groups', 'entitlements', 'request_uri', 'fgp'],
]

test.serial('D-23 no header parameter and no claim makes the kit go anywhere', async (t) => {
  const app = await createAttackedApp(t)
  const bait = await createBait(t, { keys: [attackerPublic], issuer: ISSUER })
  const outcomes = new Set<number>()
  const outside = await watchCaused(async () => {
    const { claims, cookie } = validClaims(app)
    const [, , signature = ''] = sign(validHeader(), claims).split('.')
    const { url } = bait
    const members = FOLLOWED.flatMap((name) =>
      [url, [url], { url, uri: url, href: url, jku: url }].map((value): Json => ({ [name]: value })),
    )
    for (const one of [...members, Object.fromEntries(FOLLOWED.map((name) => [name, url]))]) {
      for (const token of [
        sign(validHeader(one), claims),
        sign(validHeader(), { ...claims, ...one }),
        sign(validHeader({ ...one, kid: attackerJwk.kid }), { ...claims, ...one }, attackerJwk),
        forge(validHeader({ alg: 'none', ...one }), { ...claims, ...one }),
        `${b64(validHeader(one))}.${b64({ ...claims, ...one })}.${signature}`,
      ]) {
        outcomes.add((await app.me(token, cookie)).status)
      }
    }
  })
  t.deepEqual(outside, { tcp: 0, pipe: 0, dns: 0, file: 0, process: 0 })
  t.is(bait.hits.count, 0)
  // Names that mean nothing to the kit are ignored, others refuse; none is an error of the server.
  t.deepEqual(
    [...outcomes].toSorted((a, b) => a - b),
    [200, 401],
  )
  t.deepEqual(app.errors, [])
})
