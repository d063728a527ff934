// Keys that are fetched: when they are, what is believed of them, and for how long while the issuer is down.

import { generateKeyPairSync } from 'node:crypto'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'

import test from 'ava'
import type { JWK } from 'jose'

import { type Algorithm, generateKey } from '../../src/index.ts'
import { codesOf, createClock, privateJwk } from '../helpers/app.ts'
import { createBait } from '../helpers/outside.ts'
import { assertRefused } from '../helpers/refused.ts'
import { answerJson, openIssuer, openService, publicOf, statusOf, type TestIssuer } from '../helpers/service.ts'

const MINUTE = 60
const otherKey = await generateKey()
const rsa = await generateKey('RS256')
const good = publicOf(privateJwk)

/** What the issuer does while it is down. */
function breakDown(issuer: TestIssuer): void {
  issuer.answers.set('/keys', (request) => request.socket.destroy())
}

function comeBack(issuer: TestIssuer): void {
  issuer.answers.set('/keys', (...pair) => answerJson({ keys: issuer.keys }, issuer.headers)(...pair))
}

test('the keys are fetched when the verifier is built, and not by a request', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  t.deepEqual(issuer.asked, ['/.well-known/oauth-authorization-server', '/keys'])
  for (let i = 0; i < 20; i += 1) t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  t.is(issuer.asked.length, 2)
})

const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK

test('KY-05 A-15 what cannot be used is left out of the set, and the rest is used', async (t) => {
  const issuer = await openIssuer(t, { metadata: 'none' })
  const strangers = [
    { kty: 'AKP', alg: 'ML-DSA-44', kid: 'post-quantum', pub: 'AAAA' },
    { kty: 'EC', crv: 'P-256', kid: 'without-y', x: good.x, alg: 'ES256' },
    { kty: 'EC', crv: 'secp256k1', kid: 'koblitz', x: good.x, y: good.y, alg: 'ES256K' },
    { kty: 'oct', kid: 'secret-without-k', alg: 'HS256' },
    { ...publicOf(otherKey), kid: 'for-encryption', use: 'enc' },
    { ...publicOf(otherKey), kid: 'for-wrapping', use: undefined, key_ops: ['wrapKey'] },
    { ...publicOf(otherKey), kid: 'spaces are no kid' },
    { ...publicOf(otherKey), kid: 42 },
    { ...publicOf(otherKey), kid: 'other-algorithm', alg: 'ES384' },
    { ...weak, kid: 'short', alg: 'RS256' },
    ...[null, 'text', 7, [], {}, { kty: 5 }],
  ]
  answerAll(issuer, { keys: [...strangers, { ...good, extra: { deep: [1] } }], note: 'members nobody knows' })
  const service = await openService(t, { issuer: issuer.issuer, keys: { jwksUri: issuer.jwksUri } })
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  for (const kid of ['for-encryption', 'for-wrapping', 'other-algorithm', 'undefined', '42', otherKey.kid]) {
    const { token, cookie } = issuer.mint(service.clock, {}, { kid }, otherKey)
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_KEY', String(kid))
  }
})

function answerAll(issuer: TestIssuer, body: unknown): void {
  issuer.answers.set('/keys', answerJson(body))
}

const UNUSABLE: readonly (readonly [label: string, body: unknown])[] = [
  ['null', null],
  ['a list of keys', [good]],
  ['keys by name', { keys: { one: good } }],
  ['no keys', {}],
  ['an empty set', { keys: [] }],
  ['only keys that cannot be used', { keys: [{ kty: 'AKP' }] }],
  ['a kid twice (KY-03)', { keys: [good, { ...publicOf(otherKey), kid: good.kid }] }],
  ['more keys than anybody has', { keys: [good, ...Array.from({ length: 100 }, () => ({ kty: 'AKP' }))] }],
]

for (const [label, body] of UNUSABLE) {
  test(`KY-05 nothing is believed of ${label}, and 503 says that it is not the token's fault`, async (t) => {
    const issuer = await openIssuer(t)
    answerAll(issuer, body)
    const service = await openService(t, { issuer: issuer.issuer })
    const { token, cookie } = issuer.mint(service.clock)
    const response = await service.me(token, cookie)
    t.is(response.status, 503)
    t.is(response.headers['retry-after'], '5')
    t.is(response.json['error'], 'temporarily_unavailable')
    t.deepEqual(codesOf(service.seen), ['ERR_KEYS_UNAVAILABLE'])
    t.is(service.handled.count, 0)
    // And it is no less believed once it is right.
    comeBack(issuer)
    service.clock.advance(30)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  })
}

const LEAKS: readonly (readonly [label: string, jwk: unknown])[] = [
  ['a private EC key', otherKey],
  ['a private RSA key', rsa],
  ['a secret', { kty: 'oct', kid: 's', k: 'c2VjcmV0', alg: 'HS256' }],
  ['the primes of an RSA key, from which the rest follows', { ...publicOf(rsa), p: rsa.p, q: rsa.q }],
  ['one prime of it', { ...publicOf(rsa), q: rsa.q }],
  ['a private key of a kind that is not known', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA', priv: 'AAAA' }],
]

for (const [label, jwk] of LEAKS) {
  test(`KY-13 KY-15 a set with ${label} is refused whole, and ends what was believed before`, async (t) => {
    const issuer = await openIssuer(t)
    const service = await openService(t, { issuer: issuer.issuer })
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
    issuer.keys = [good, jwk]
    service.clock.advance(10 * MINUTE)
    t.is(await statusOf(service, issuer.mint(service.clock)), 503)
    // The cooldown is over no sooner than anybody else's.
    t.is(await statusOf(service, issuer.mint(service.clock)), 503)
    t.is(issuer.fetches, 2)
    t.like(service.seen[0]?.event, { detail: 'the JWK Set holds a private key or a secret', issuer: issuer.issuer })
    const seen = JSON.stringify(service.seen)
    for (const part of [rsa.q, rsa.d, otherKey.d, 'c2VjcmV0']) t.false(seen.includes(String(part)))
    issuer.keys = [good]
    service.clock.advance(30)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  })
}

for (const status of [301, 302, 303, 307, 308]) {
  test(`KY-06 C-03 a redirect (${status}) is not followed, and whom it names is not asked`, async (t) => {
    const bait = await createBait(t, { keys: [publicOf(otherKey)] })
    const redirect: Parameters<TestIssuer['answers']['set']>[1] = (_request, response) =>
      response
        .writeHead(status, { Location: bait.url, 'Content-Type': 'application/json' })
        .end(JSON.stringify({ keys: [good] }))
    const issuer = await openIssuer(t)
    issuer.answers.set('/keys', redirect)
    const service = await openService(t, { issuer: issuer.issuer })
    t.is(await statusOf(service, issuer.mint(service.clock, {}, {}, otherKey)), 503)
    t.is(await statusOf(service, issuer.mint(service.clock)), 503)
    // The same for where the JWKS is.
    comeBack(issuer)
    issuer.answers.set('/.well-known/oauth-authorization-server', redirect)
    issuer.answers.set('/.well-known/openid-configuration', redirect)
    service.clock.advance(30)
    t.is(await statusOf(service, issuer.mint(service.clock)), 503)
    t.is(bait.hits.count, 0)
    t.is(service.handled.count, 0)
  })
}

test('KY-08 an unknown kid is asked for once in a cooldown, and a new key is found by it', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  const fresh = (): ReturnType<TestIssuer['mint']> => issuer.mint(service.clock, {}, {}, otherKey)
  t.is(issuer.fetches, 1)
  issuer.keys = [good, publicOf(otherKey)]
  // The one at construction counts.
  t.is(await statusOf(service, fresh()), 401)
  t.is(issuer.fetches, 1)
  service.clock.advance(29.9)
  t.is(await statusOf(service, fresh()), 401)
  service.clock.advance(0.1)
  const answers = await Promise.all(Array.from({ length: 50 }, () => statusOf(service, fresh())))
  t.deepEqual([...new Set(answers)], [200])
  t.is(issuer.fetches, 2)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
})

test('a key that the issuer has withdrawn is refused from the next fetch on', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  issuer.keys = [publicOf(otherKey)]
  service.clock.advance(10 * MINUTE)
  const { token, cookie } = issuer.mint(service.clock)
  await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_KEY')
})

test('KY-09 while the issuer is down from the start, every request is 503 and few ask', async (t) => {
  const issuer = await openIssuer(t)
  breakDown(issuer)
  const service = await openService(t, { issuer: issuer.issuer })
  t.is(issuer.fetches, 1)
  for (let second = 0; second < 100; second += 1) {
    service.clock.advance(1)
    t.is(await statusOf(service, issuer.mint(service.clock)), 503)
  }
  // At 30, 60 and 90 seconds.
  t.is(issuer.fetches, 4)
  comeBack(issuer)
  service.clock.advance(20)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
})

test('KY-09 KY-10 good tokens pass for an hour after the keys are due, then 503, and again when the issuer is back', async (t) => {
  const issuer = await openIssuer(t)
  let begun = 0
  const service = await openService(t, {
    issuer: issuer.issuer,
    fetch(url, init) {
      if (url === issuer.jwksUri) begun += 1
      return fetch(url, init)
    },
  })
  const answers: number[] = []
  breakDown(issuer)
  const before = issuer.fetches
  begun = 0
  const failed = (): number => service.seen.filter(({ name }) => name === 'keys_fetch_failed').length
  // A request each ten seconds, for 80 minutes.
  for (let i = 0; i < 80 * 6; i += 1) {
    service.clock.advance(10)
    answers.push(await statusOf(service, issuer.mint(service.clock)))
    // Nobody waits for keys that are fetched ahead, but the next ten seconds must not be over before.
    while (failed() < begun) await setImmediate()
  }
  t.is(answers.lastIndexOf(200), 70 * 6 - 2, '10 minutes and one hour, that instant excluded')
  t.deepEqual([...new Set(answers.slice(0, 70 * 6 - 1))], [200])
  t.deepEqual([...new Set(answers.slice(70 * 6 - 1))], [503])
  const fetches = issuer.fetches - before
  t.is(fetches, 72 * 2 + 1, 'from the eighth minute on one in 30 seconds')
  const failures = service.seen.filter(({ name }) => name === 'keys_fetch_failed')
  t.is(failures.length, fetches)
  comeBack(issuer)
  service.clock.advance(30)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  const after = issuer.fetches
  service.clock.advance(7 * MINUTE)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  t.is(issuer.fetches, after, 'and it is believed for as long as ever')
})

test('KY-10 without a grace the keys end when they are due', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer, jwks: { staleIfError: 0 } })
  breakDown(issuer)
  service.clock.advance(10 * MINUTE - 1)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  service.clock.advance(1)
  t.is(await statusOf(service, issuer.mint(service.clock)), 503)
})

test('KY-10 within the grace an unknown kid is 503, since it may be new', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  breakDown(issuer)
  t.is(await statusOf(service, issuer.mint(service.clock, {}, {}, otherKey)), 401)
  service.clock.advance(10 * MINUTE)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  t.is(await statusOf(service, issuer.mint(service.clock, {}, {}, otherKey)), 503)
})

test('keys are fetched ahead, beside requests that do not wait for it', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  let release: (() => void) | undefined
  const held = new Promise<void>((resolve) => {
    issuer.answers.set('/keys', (...pair) => {
      release = () => void answerJson({ keys: [publicOf(otherKey)] })(...pair)
      resolve()
    })
  })
  service.clock.advance(8 * MINUTE - 1)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  t.is(issuer.fetches, 1)
  service.clock.advance(1)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200, 'it is asked for, and not waited for')
  await held
  t.is(issuer.fetches, 2)
  const waiting = statusOf(service, issuer.mint(service.clock, {}, {}, otherKey))
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  release?.()
  t.is(await waiting, 200, 'who needs the answer is given it')
  t.is(issuer.fetches, 2)
})

test('KY-10 while the issuer is known to be down, nobody who has a key waits for it', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  breakDown(issuer)
  service.clock.advance(10 * MINUTE)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  const held = new Promise<void>((resolve) => issuer.answers.set('/keys', () => resolve()))
  service.clock.advance(30)
  const answer = statusOf(service, issuer.mint(service.clock))
  await held
  t.is(await Promise.race([answer, sleep(10_000)]), 200)
})

test('the issuer may shorten how long its keys are kept, to no less than a minute, and never lengthen it', async (t) => {
  for (const [header, kept] of [
    ['public, max-age=300', 300],
    ['max-age=5', 60],
    ['no-store', 600],
    ['max-age=999999999999', 600],
    ['s-maxage=70, max-age=120', 120],
    ['x-max-age=70', 600],
  ] as const) {
    const issuer = await openIssuer(t)
    issuer.headers = { 'Cache-Control': header }
    const service = await openService(t, { issuer: issuer.issuer })
    breakDown(issuer)
    service.clock.advance(kept * 0.8 - 1)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200, header)
    t.is(issuer.fetches, 1, header)
    service.clock.advance(1)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200, header)
    while (issuer.fetches === 1) await sleep(5)
    t.is(issuer.fetches, 2, header)
  }
})

test('keys that the issuer wants asked for more often than the cooldown allows are kept for as long as that', async (t) => {
  const issuer = await openIssuer(t)
  issuer.headers = { 'Cache-Control': 'max-age=60' }
  const jwks = { cooldown: '5m', staleIfError: 0 }
  const service = await openService(t, { issuer: issuer.issuer, jwks })
  for (let minute = 0; minute < 20; minute += 1) {
    service.clock.advance(60)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  }
  t.is(issuer.fetches, 5)
})

test('KY-14 C-12 a token without kid is refused, also where there is but one key, and nothing is fetched for it', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  service.clock.advance(31)
  for (const kid of [undefined, null, '', 7, ['x'], '../keys', 'x'.repeat(129)]) {
    const { token, cookie } = issuer.mint(service.clock, {}, { kid })
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_KEY', JSON.stringify(kid))
  }
  t.is(issuer.fetches, 1)
})

test('a key without alg is taken for the one algorithm of those believed that fits it', async (t) => {
  const { alg: _, ...bare } = publicOf(rsa)
  for (const [algorithms, status] of [
    [['RS256'], 200],
    [['ES256', 'RS256'], 200],
    [['PS256', 'ES256'], 401],
    [['RS256', 'PS256'], 503],
    [undefined, 503],
  ] as const) {
    const issuer = await openIssuer(t)
    issuer.keys = [bare]
    const service = await openService(t, { issuer: issuer.issuer, ...(algorithms && { algorithms }) })
    t.is(await statusOf(service, issuer.mint(service.clock, {}, {}, rsa)), status, algorithms?.join(' '))
  }
})

test('only the algorithms of the list are believed, whatever the issuer publishes', async (t) => {
  const issuer = await openIssuer(t)
  issuer.keys = [good, publicOf(rsa)]
  const algorithms: Algorithm[] = ['ES256']
  const service = await openService(t, { issuer: issuer.issuer, algorithms })
  // It is what it was when the verifier was built.
  algorithms.push('RS256')
  for (let fetches = 1; fetches <= 2; fetches += 1) {
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
    const { token, cookie } = issuer.mint(service.clock, {}, {}, rsa)
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_KEY')
    t.is(issuer.fetches, fetches)
    service.clock.advance(10 * MINUTE)
  }
  // Nor is the key's algorithm the header's to choose.
  const confused = issuer.mint(service.clock, {}, { alg: 'ES384' })
  await assertRefused(t, service, () => service.me(confused.token, confused.cookie), 'ERR_TOKEN_ALGORITHM')
})

test('a clock that goes back makes keys older, never younger, and does not keep them from being fetched', async (t) => {
  const issuer = await openIssuer(t)
  const testClock = createClock()
  const service = await openService(t, { issuer: issuer.issuer, testClock })
  // Tokens are judged by the latest time there was.
  const ask = (): Promise<number> => statusOf(service, issuer.mint(createClock()))
  t.is(await ask(), 200)
  testClock.advance(-20)
  t.is(await ask(), 200)
  t.is(issuer.fetches, 1)
  testClock.advance(-10 * MINUTE)
  t.is(await ask(), 200)
  t.is(issuer.fetches, 2)
  breakDown(issuer)
  testClock.advance(-69 * MINUTE)
  t.is(await ask(), 200, 'within the grace')
  testClock.advance(-1 * MINUTE)
  t.is(await ask(), 503)
})

test('a clock that answers no number lets nobody in, and fetches nothing', async (t) => {
  const issuer = await openIssuer(t)
  const testClock = createClock()
  const service = await openService(t, { issuer: issuer.issuer, testClock })
  const { token, cookie } = issuer.mint(testClock)
  testClock.set(Number.NaN)
  const { status } = await service.me(token, cookie)
  t.is(status, 503)
  t.is(issuer.fetches, 1)
})
