// Somebody writes a token whose header brings its own key, says where to fetch one, names one in a way that means
// something to a file system, a shell, a database or a log, or changes what the token is. RFC 8725 sections 2.6, 3.9 to
// 3.12. The D-23 row is here because it needs the same bait.

import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import test from 'ava'
import type { JWK } from 'jose'

import { createKeySet, type ErrorCode, generateKey, importKey } from '../../src/index.ts'
import { codesOf, ISSUER, privateJwk } from '../helpers/app.ts'
import {
  b64,
  forge,
  forgeHmac,
  type Json,
  sign,
  signatureOf,
  signRaw,
  validClaims,
  type ValidClaims,
  validHeader,
} from '../helpers/forge.ts'
import { createBait, watchOutside } from '../helpers/outside.ts'
import { selfSign } from '../helpers/self-signed.ts'
import { assertRefused, createTarget, joseAccepts, type Target } from '../helpers/target.ts'

type T = Parameters<typeof createTarget>[0]
type Attack = readonly [name: string, code: ErrorCode, build: (claims: ValidClaims['claims']) => string]

const appKey = createPublicKey({ key: privateJwk as Record<string, string>, format: 'jwk' })
const attackerJwk = await generateKey('ES256')
const attackerPublic = publicOf(attackerJwk)
const certificate = selfSign(attackerJwk, 'app.example')

function publicOf({ kty, crv, x, y, kid, alg, use }: JWK): Json {
  return { kty, crv, x, y, kid, alg, use }
}

async function assertAllRefused(t: T, target: Target, attacks: readonly Attack[]): Promise<void> {
  t.true(attacks.length > 0)
  for (const [name, code, build] of attacks) {
    const { claims, cookie } = validClaims(target.app)
    await assertRefused(t, target, { name, code, cookie, token: build(claims) })
  }
}

/** Attacks that differ in the header, with a true signature: only the header can be why they are refused. */
function withHeaders(code: ErrorCode, headers: Readonly<Record<string, Json>>): Attack[] {
  return Object.entries(headers).map(([name, header]) => [name, code, (claims) => sign(validHeader(header), claims)])
}

/** Whether jose alone takes a truly signed token with this header. */
function joseTakes({ app }: Target, header: Json, payload?: Json): Promise<boolean> {
  const token = sign(validHeader(header), payload ?? validClaims(app).claims)
  return joseAccepts(app, token, appKey, { algorithms: ['ES256'] })
}

/** Attacks, watched: not one connection but the test's own, no name look-up, no file, no process. */
async function assertNothingOutside(t: T, target: Target, attacks: readonly Attack[]): Promise<void> {
  const outside = await watchOutside(() => assertAllRefused(t, target, attacks))
  t.deepEqual(outside, { tcp: attacks.length, pipe: 0, dns: 0, file: 0, process: 0 })
}

test('C-01 a token does not bring its own key', async (t) => {
  const attacker =
    (header: Json, jwk = attackerJwk): Attack[2] =>
    (claims) =>
      sign(validHeader(header), claims, jwk)
  const hmac = { kty: 'oct', k: b64('secret') }
  await assertAllRefused(t, await createTarget(t), [
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
  const target = await createTarget(t)
  await assertAllRefused(t, target, withHeaders('ERR_TOKEN_HEADER', parameters))
  for (const [name, header] of Object.entries(parameters)) t.true(await joseTakes(target, header), name)
  // Their presence refuses, whatever they hold.
  const empty = ['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'].flatMap((name) =>
    [null, '', [], {}, 0, false].map((value) => [`${name} ${JSON.stringify(value)}`, { [name]: value }] as const),
  )
  await assertAllRefused(t, target, withHeaders('ERR_TOKEN_HEADER', Object.fromEntries(empty)))
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
  const target = await createTarget(t)
  const bait = await createBait(t, { keys: [attackerPublic] })
  const attacks = baitUrls(bait.url, bait.port).flatMap((jku): Attack[] => [
    [
      `${jku}, attacker's key`,
      'ERR_TOKEN_HEADER',
      (claims) => sign(validHeader({ jku, kid: attackerJwk.kid }), claims, attackerJwk),
    ],
    [`${jku}, true signature`, 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ jku }), claims)],
  ])
  await assertNothingOutside(t, target, attacks)
  t.is(bait.hits.count, 0)
  // The trap works: who does fetch it is seen, by both counters.
  const seen = await watchOutside(async () => {
    await (await fetch(bait.url)).text()
  })
  t.is(bait.hits.count, 1)
  t.is(seen.tcp, 1)
})

function signedByAttacker(header: Json): Attack[2] {
  return (claims) => sign(validHeader(header), claims, attackerJwk)
}

test.serial('C-04 no x5u is ever fetched and no certificate chain is believed', async (t) => {
  // A real certificate of the attacker's key for the app's name, so that only policy refuses it.
  const parsed = new X509Certificate(certificate)
  t.true(parsed.verify(parsed.publicKey))
  t.is(parsed.subject, 'CN=app.example')
  const target = await createTarget(t)
  const bait = await createBait(t, parsed.toString())
  const x5c = [certificate.toString('base64')]
  const attacks: Attack[] = [
    ...baitUrls(bait.url, bait.port).map((x5u): Attack => [
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
  await assertNothingOutside(t, target, attacks)
  t.is(bait.hits.count, 0)
})

test.serial('C-05 C-06 C-07 a kid is no path, no query and no command', async (t) => {
  const target = await createTarget(t)
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
  const attacks = hostile.flatMap(([kid, secret]): Attack[] => [
    [
      `${kid}, HMAC`,
      // Its form is refused before anything is looked up by it.
      'ERR_TOKEN_KEY',
      (claims) => forgeHmac(validHeader({ alg: 'HS256', kid }), claims, secret),
    ],
    [`${kid}, true signature`, 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid }), claims)],
  ])
  await assertNothingOutside(t, target, attacks)
})

test.serial('C-05 C-07 a kid of allowed characters is no path and no command either', async (t) => {
  // These pass the form and reach the look-up.
  const attacks = ['..', '.', '~', '~root', 'package.json', 'con', 'nul', '-rf', '--help', 'a=b:c+d', '0x0'].map(
    (kid): Attack => [kid, 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid }), claims)],
  )
  await assertNothingOutside(t, await createTarget(t), attacks)
})

test.serial('C-07 C-09 C-19 a hostile kid or header costs less than 50 ms', async (t) => {
  const target = await createTarget(t)
  const { claims, cookie } = validClaims(target.app)
  for (const token of [
    sign(validHeader({ kid: '$(sleep 10)' }), claims),
    sign(validHeader({ kid: 'k'.repeat(5000) }), claims),
    sign(validHeader(Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`m${i}`, i]))), claims),
    signRaw(`{"alg":"ES256","a":${'['.repeat(2500)}${']'.repeat(2500)}}`, '{}'),
    signRaw(`{"alg":"ES256"${' '.repeat(5000)}`, '{}'),
  ]) {
    const cost = await leastCost(async () => {
      t.is((await target.app.me(token, cookie)).status, 401)
    })
    t.true(cost < 50, `took ${cost} ms`)
  }
})

test('C-08 a kid that names a member of every object names no key', async (t) => {
  const names = [
    ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'get', 'size', 'keys'],
    ...['length', '0', 'undefined', 'null', 'NaN', 'true', 'isPrototypeOf', '__defineGetter__', '__lookupGetter__'],
  ]
  const target = await createTarget(t)
  await assertAllRefused(
    t,
    target,
    names.map((kid): Attack => [kid, 'ERR_TOKEN_KEY', (claims) => sign(validHeader({ kid }), claims)]),
  )
  t.deepEqual(target.app.errors, [])
})

test('C-09 a kid that is no plain text is refused and never reaches a log', async (t) => {
  const kid = privateJwk.kid ?? ''
  const values: readonly unknown[] = [
    ...[0, 1, -1, 1.5, true, false, null, '', {}, [], [kid], { kid }, { toString: kid }, [[kid]]],
    ...[`${kid} `, ` ${kid}`, `${kid}\u0000`, `${kid}\n`, `\ufeff${kid}`, kid.toLowerCase(), kid.slice(0, -1)],
    ...['a\r\nSet-Cookie: x=y', 'a\nERROR admin logged in', '\u001b[2J\u001b[1;31mfine', '\u202egnirts', '\u2028'],
    ...['k'.repeat(129), 'k'.repeat(5000), '\ud800', 'ключ', '%s%n%p', '<script>alert(1)</script>'],
  ]
  const target = await createTarget(t)
  await assertAllRefused(
    t,
    target,
    values.map((value): Attack => [
      `kid ${JSON.stringify(value).slice(0, 60)}`,
      'ERR_TOKEN_KEY',
      (claims) => sign(validHeader({ kid: value }), claims),
    ]),
  )
  // An event is a line of a log: nothing of the header is in it, and nothing that ends a line or drives a terminal.
  for (const { event } of target.app.seen) {
    const line = JSON.stringify(event)
    // oxlint-disable-next-line no-control-regex
    t.notRegex(line, /Set-Cookie|logged in|gnirts|kkkkk|script|ключ|[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/)
    t.deepEqual(Object.keys(event).sort(), ['code', 'request', 'time'])
  }
  for (const value of [7, { a: 1 }, [kid]]) t.true(await joseTakes(target, { kid: value }), JSON.stringify(value))
})

/** The same app on a server that lets headers of two megabytes through: what the kit does when node does not help. */
async function listenWide(t: T, target: Target): Promise<(token: string, cookie: string) => Promise<number>> {
  const handle = target.app.koa.callback()
  const server = createServer({ maxHeaderSize: 2 ** 21 }, (request, response) => {
    void handle(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return (token, cookie) =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${token}`, Cookie: cookie, 'X-Forwarded-Proto': 'https' }
      const outgoing = httpRequest({ port, host: '127.0.0.1', path: '/me', headers, agent: false }, (incoming) => {
        incoming.resume()
        incoming.on('end', () => resolve(incoming.statusCode ?? 0))
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
}

test.serial('C-09 C-19 a header of a megabyte is not looked into', async (t) => {
  const target = await createTarget(t)
  const send = await listenWide(t, target)
  const { claims, cookie } = validClaims(target.app)
  t.is(await send(sign(validHeader(), claims), cookie), 200)
  target.app.seen.length = 0
  const nested = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const members = Array.from({ length: 5000 }, (_, i) => `"member-${i}":${i}`).join()
  const headers: Readonly<Record<string, string>> = {
    'a kid of 1 MB': `"kid":"${'k'.repeat(2 ** 20)}"`,
    '5000 members': members,
    '500 KB of header': `"filler":"${'x'.repeat(500_000)}"`,
    '100 KB of nesting': `"deep":${nested}`,
  }
  for (const [name, text] of Object.entries(headers)) {
    target.app.clock.advance(1)
    target.app.seen.length = 0
    target.app.handled.count = 0
    const token = signRaw(`{"alg":"ES256","typ":"at+jwt",${text}}`, JSON.stringify(claims))
    const cost = await leastCost(async () => {
      t.is(await send(token, cookie), 401, name)
    })
    t.true(cost < 50, `${name} took ${cost} ms`)
    t.deepEqual([...new Set(codesOf(target.app.seen))], ['ERR_TOKEN_TOO_LARGE'], name)
    t.true(JSON.stringify(target.app.seen).length < 5000, name)
    t.is(target.app.handled.count, 0)
  }
  t.deepEqual(target.app.errors, [])
})

// C-19 not here: a header of 500 KB through an introspection body. There is no introspection route yet.

test('C-19 the limit is on the whole token: at it a token is read, one character past it is not', async (t) => {
  const target = await createTarget(t)
  const limit = 2 * 4096 // twice accessToken.maxBytes
  const { claims, cookie } = validClaims(target.app)
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
  t.is((await target.app.me(atLimit, cookie)).status, 200)
  target.app.handled.count = 0
  target.storeCalls.length = 0
  const past = grow(limit + 1, {})
  await assertRefused(t, target, { name: `${past.length}`, code: 'ERR_TOKEN_TOO_LARGE', token: past, cookie })
})

test.serial(
  'C-10 ten thousand unknown kids fetch nothing, ask the store nothing and leave nothing behind',
  async (t) => {
    const target = await createTarget(t)
    const { app } = target
    const agent = new Agent({ keepAlive: true, maxSockets: 20 })
    t.teardown(() => agent.destroy())
    const { cookie, claims } = validClaims(app)
    const payload = b64(claims)
    const signature = b64(Buffer.alloc(64, 1))
    let sent = 0
    const answers = new Set<string>()
    async function sendSome(count: number): Promise<void> {
      for (let i = 0; i < count; i += 1) {
        sent += 1
        const kid = `${sent}-`.padEnd(128, 'k')
        const token = `${b64(validHeader({ kid }))}.${payload}.${signature}`
        answers.add(await sendOn(agent, app.port, token, cookie))
      }
    }
    app.clock.advance(2)
    let grown = 0
    const outside = await watchOutside(async () => {
      await Promise.all(Array.from({ length: 20 }, () => sendSome(100)))
      const before = heapUsed()
      await Promise.all(Array.from({ length: 20 }, () => sendSome(400)))
      grown = heapUsed() - before
    })
    t.is(sent, 10_000)
    t.deepEqual([...answers], [`401 ${target.reference.text}`])
    t.is(app.handled.count, 0)
    t.deepEqual(target.storeCalls, [])
    // The client's twenty connections, and no more.
    t.deepEqual(outside, { tcp: 20, pipe: 0, dns: 0, file: 0, process: 0 })
    // What anybody can cause is counted rather than reported one by one.
    t.is(app.seen.length, 50)
    app.clock.advance(2)
    await sendSome(1)
    const last = app.seen.at(-1)?.event
    t.is(last && 'suppressed' in last ? last.suppressed : 0, 9950)
    t.deepEqual([...new Set(codesOf(app.seen))], ['ERR_TOKEN_KEY'])
    // Nothing of them is kept: the names of the last 8,000 alone are a megabyte.
    t.true(grown < 700_000, `the heap grew by ${grown} bytes`)
  },
)

/**
 * Milliseconds of processor time, both sides of the connection together: the least of some runs, since the compiler and
 * the collector run when they like. Time on the clock would tell of the machine's other work.
 */
async function leastCost(work: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 10 && least >= 50; i += 1) {
    const start = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(start)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

/** Bytes in use after a full collection. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

function sendOn(agent: Agent, port: number, token: string, cookie: string): Promise<string> {
  const headers = { Authorization: `Bearer ${token}`, Cookie: cookie, 'X-Forwarded-Proto': 'https' }
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ port, host: '127.0.0.1', path: '/me', headers, agent }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => resolve(`${incoming.statusCode} ${Buffer.concat(chunks).toString()}`))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

test('C-11 the kid of another issuer, of a retired key or of an encryption key opens nothing', async (t) => {
  const [others, retired, encryption] = [await generateKey(), await generateKey(), await generateKey()]
  const target = await createTarget(t)
  // These keys are in real use elsewhere, or were in use here.
  const elsewhere = await createTarget(t, { keys: await createKeySet({ keys: [others, retired] }) }, (claims) =>
    sign(validHeader({ kid: others.kid }), claims, others),
  )
  const theirs = await elsewhere.app.login()
  await assertRefused(t, target, {
    name: 'a login elsewhere',
    code: 'ERR_TOKEN_KEY',
    token: theirs.token,
    cookie: theirs.cookie,
  })
  await assertAllRefused(t, target, [
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
  const target = await createTarget(t)
  await assertAllRefused(t, target, withHeaders('ERR_TOKEN_KEY', { 'no kid': { kid: undefined } }))
  t.true(await joseTakes(target, { kid: undefined }))
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
  const target = await createTarget(t)
  await assertAllRefused(t, target, withHeaders('ERR_TOKEN_HEADER', headers))
  t.true(await joseTakes(target, headers['crit twice the same'] ?? {}))
  t.true(await joseTakes(target, headers['crit of b64'] ?? {}))
})

test('C-13 an unencoded payload (RFC 7797) is refused, whichever bytes were signed', async (t) => {
  const header = validHeader({ b64: false, crit: ['b64'] })
  await assertAllRefused(t, await createTarget(t), [
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
  const target = await createTarget(t)
  await assertAllRefused(
    t,
    target,
    types.map((typ): Attack => [
      `typ ${JSON.stringify(typ)}`,
      'ERR_TOKEN_TYPE',
      (claims) => sign(validHeader({ typ }), claims),
    ]),
  )
})

test('C-16 the type counts as a media type: in any case, with application/ before it', async (t) => {
  const { app } = await createTarget(t)
  for (const typ of ['at+jwt', 'AT+JWT', 'At+Jwt', 'application/at+jwt', 'Application/AT+jwt']) {
    const { claims, cookie } = validClaims(app)
    t.is((await app.me(sign(validHeader({ typ }), claims), cookie)).status, 200, typ)
    t.true(await joseAccepts(app, sign(validHeader({ typ }), claims), appKey), typ)
  }
})

function inner(claims: Json): string {
  return sign(validHeader(), claims)
}

test('C-17 a token in a token is refused, and so is a header that announces one', async (t) => {
  const target = await createTarget(t)
  await assertAllRefused(t, target, [
    ['announced', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: 'JWT' }), inner(claims))],
    ['announced by type', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: 'at+jwt' }), inner(claims))],
    ['not announced', 'ERR_TOKEN_MALFORMED', (claims) => sign(validHeader(), inner(claims))],
    ['as JSON text', 'ERR_TOKEN_MALFORMED', (claims) => sign(validHeader(), JSON.stringify(inner(claims)))],
    ['as a member', 'ERR_TOKEN_CLAIMS', (claims) => sign(validHeader(), { jwt: inner(claims) })],
    ['announced, but claims', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: 'JWT' }), claims)],
    ['cty empty', 'ERR_TOKEN_HEADER', (claims) => sign(validHeader({ cty: '' }), claims)],
  ])
  t.true(await joseTakes(target, { cty: 'JWT' }))
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
  const target = await createTarget(t)
  await assertAllRefused(t, target, withHeaders('ERR_TOKEN_HEADER', headers))
  for (const [name, header] of Object.entries(headers)) t.true(await joseTakes(target, header), name)
})

// Names that validators, identity providers and gateways are known to follow, in headers and in claims: the IANA
// registries of JOSE header parameters and of JWT claims, RFC 7519, RFC 8414, RFC 8555, RFC 9068, OpenID Connect.
const FOLLOWED = [
  ...['jku', 'x5u', 'jwk', 'x5c', 'kid', 'url', 'uri', 'jwks', 'jwks_uri', 'keys', 'key', 'cert', 'certs', 'pem'],
  ...['iss', 'issuer', 'sub', 'aud', 'azp', 'client_id', 'typ', 'cty', 'alg', 'crit', 'jti', 'sid', 'scope', 'acr'],
  ...['cnf', 'act', 'may_act', 'nonce', 'profile', 'picture', 'website', 'email', 'redirect_uri', 'callback', 'href'],
  ...['src', 'link', 'host', 'server', 'endpoint', 'introspection_endpoint', 'userinfo_endpoint', 'schema', '$ref'],
  ...['_claim_names', '_claim_sources', 'toe', 'txn', 'events', 'status', 'vct', 'trust_chain', 'request_uri', 'fgp'],
]

test.serial('D-23 no header parameter and no claim makes the kit go anywhere', async (t) => {
  const target = await createTarget(t)
  const bait = await createBait(t, { keys: [attackerPublic], issuer: ISSUER })
  const outcomes = new Set<number>()
  let sent = 0
  const outside = await watchOutside(async () => {
    for (const name of FOLLOWED) {
      const { claims, cookie } = validClaims(target.app)
      const values = [bait.url, [bait.url], { url: bait.url, href: bait.url }]
      const tokens = values.flatMap((value) => [
        sign(validHeader({ [name]: value }), claims),
        sign(validHeader(), { ...claims, [name]: value }),
        sign(validHeader({ [name]: value, kid: attackerJwk.kid }), { ...claims, [name]: value }, attackerJwk),
        forge(validHeader({ alg: 'none', [name]: value }), claims),
      ])
      for (const token of tokens) {
        outcomes.add((await target.app.me(token, cookie)).status)
        sent += 1
      }
    }
  })
  t.deepEqual(outside, { tcp: sent, pipe: 0, dns: 0, file: 0, process: 0 })
  t.is(bait.hits.count, 0)
  // Names that mean nothing to the kit are ignored, others refuse; none is an error of the server.
  t.deepEqual(
    [...outcomes].toSorted((a, b) => a - b),
    [200, 401],
  )
  t.deepEqual(target.app.errors, [])
})
