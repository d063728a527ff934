// Key sets: what is published, what is refused, what is never shown. RFC 7517 section 5.

import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'
import { calculateJwkThumbprint, type JWK } from 'jose'

import { createKeySet, createSessionKit, generateKey, importKey, type KeySet, memoryStore } from '../../src/index.ts'
import { createTestApp, ISSUER, openTestApp, privateJwk } from '../helpers/app.ts'
import { payloadOf } from '../helpers/decode.ts'
import { type Json, sign, validHeader } from '../helpers/forge.ts'
import { createBait, watchOutside } from '../helpers/outside.ts'
import { assertRefused } from '../helpers/refused.ts'

const rsaJwk = await generateKey('PS256')
const edJwk = await generateKey('EdDSA')
const { alg: _alg, ...unnamedRsa } = rsaJwk
// The private part of one key beside the public part of another.
const foreignJwk = { ...privateJwk, d: (await generateKey()).d as string }
const secretJwk = await generateKey('HS256')

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const
const JWKS = '/.well-known/jwks.json'

/** The same key without what is private. */
function publicOf(jwk: JWK): JWK {
  const members = Object.entries(jwk).filter(([name]) => !PRIVATE_MEMBERS.some((one) => one === name))
  return Object.fromEntries(members)
}

test('KY-01 KY-02 KY-03 the JWKS route shows public members only, and of each key what it is and what it is for', async (t) => {
  const keys = await createKeySet({ keys: [privateJwk, rsaJwk, { ...edJwk, ext: true, x5u: 'https://x.example' }] })
  const app = await openTestApp(t, { keys })
  const { json, text } = await app.request('GET', JWKS)
  t.deepEqual(Object.keys(json), ['keys'])
  const published = json['keys'] as JWK[]
  t.is(published.length, 3)
  const MEMBERS: Record<string, string[]> = { EC: ['crv', 'x', 'y'], RSA: ['n', 'e'], OKP: ['crv', 'x'] }
  for (const jwk of published) {
    t.deepEqual(Object.keys(jwk).toSorted(), ['alg', 'kid', 'kty', 'use', ...(MEMBERS[jwk.kty ?? ''] ?? [])].toSorted())
    t.is(jwk.use, 'sig')
    t.is(jwk.kid, await calculateJwkThumbprint(jwk))
  }
  t.deepEqual(
    published.map(({ alg }) => alg),
    ['ES256', 'PS256', 'EdDSA'],
  )
  for (const value of privateValues(privateJwk, rsaJwk, edJwk)) t.false(text.includes(value))
  t.deepEqual(json, app.kit.jwks() as unknown)
})

test('KY-01 a kit with secrets publishes no key at all', async (t) => {
  const app = await openTestApp(t, { keys: await createKeySet({ keys: [secretJwk, await generateKey('HS512')] }) })
  t.deepEqual((await app.request('GET', JWKS)).json, { keys: [] })
  t.deepEqual(app.kit.jwks(), { keys: [] })
})

test('KY-01 what jwks() hands out cannot change what is published', async (t) => {
  const keys = await createKeySet({ keys: [privateJwk] })
  const first = keys.jwks()
  t.throws(() => Object.assign(first.keys[0] ?? {}, { d: privateJwk.d }), { instanceOf: TypeError })
  first.keys.length = 0
  t.is(keys.jwks().keys.length, 1)
  t.true(Object.isFrozen(keys.keys))
  t.true(Object.isFrozen(keys.active))
})

test('KY-03 the kid is the RFC 7638 thumbprint: the vector of its section 3.1', async (t) => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj' +
    'hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ' +
    'vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK' +
    'nqDKgw'
  const key = await importKey({ kty: 'RSA', n, e: 'AQAB', alg: 'RS256' })
  t.is(key.kid, 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  t.is(key.publicJwk?.n, n)
  t.is((await importKey({ kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' })).thumbprint, key.kid)
})

test('KY-03 two keys of one kid are refused', async (t) => {
  const other = await generateKey()
  for (const keys of [
    [
      { ...privateJwk, kid: 'a' },
      { ...other, kid: 'a' },
    ],
    [privateJwk, { ...other, kid: privateJwk.kid as string }],
    [{ keys: [privateJwk, { ...other, kid: privateJwk.kid as string }] }],
    [
      { ...secretJwk, kid: 'a' },
      { ...(await generateKey('HS256')), kid: 'a' },
    ],
  ]) {
    await t.throwsAsync(createKeySet({ keys }), { instanceOf: TypeError, message: /^keys: / })
  }
})

test('a kid is matched exactly', async (t) => {
  const keys = await createKeySet({ keys: [{ ...privateJwk, kid: 'Blue' }] })
  t.is(keys.get('Blue')?.kid, 'Blue')
  for (const kid of ['blue', 'Blue ', 'Blu', '', 'constructor', '__proto__']) t.is(keys.get(kid), undefined)
})

test('KY-04 the JWKS is cacheable, sniffed by nobody, and sets no cookie', async (t) => {
  const app = await openTestApp(t)
  const { cookie } = await app.login()
  for (const method of ['GET', 'HEAD']) {
    const response = await app.request(method, JWKS, { Cookie: cookie })
    t.is(response.status, 200)
    t.regex(String(response.headers['content-type']), /^application\/(?:jwk-set\+)?json\b/)
    t.is(response.headers['x-content-type-options'], 'nosniff')
    t.regex(String(response.headers['cache-control']), /^public, max-age=[1-9]\d*$/)
    t.is(response.headers['pragma'], undefined)
    t.deepEqual(response.cookies, [])
    t.is(response.text.length > 0, method === 'GET')
  }
})

test('KY-04 every method but GET and HEAD is answered with 405 and what is allowed', async (t) => {
  const app = await openTestApp(t)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const response = await app.request(method, JWKS)
    t.is(response.status, 405, method)
    t.is(response.headers['allow'], 'GET, HEAD, OPTIONS')
    t.deepEqual(response.cookies, [])
    t.notRegex(response.text, /"keys"/)
  }
})

// A key of a kind that the kit does not know (RFC 9881's family, as a JWK of kty AKP).
const unknownKind = { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AQAB', kid: 'post-quantum' } as JWK

for (const [what, jwk] of [
  ['of an unknown kind', unknownKind],
  ['on an unknown curve', { kty: 'EC', crv: 'P-1024', x: 'AQAB', y: 'AQAB' }],
  [
    'on a curve that is not the kit’s',
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' }) as JWK,
  ],
  ['with a member missing', { kty: 'EC', crv: 'P-256', x: privateJwk.x as string }],
  ['without kty', { kid: 'nothing' } as JWK],
  ['with an unknown algorithm', { ...publicOf(edJwk), alg: 'Ed1024' }],
  ['made for encryption', { ...publicOf(edJwk), use: 'enc' }],
] as const) {
  test(`KY-05 a public key ${what} in a set is left out, and the rest is usable`, async (t) => {
    for (const set of [{ keys: [jwk, privateJwk] }, { keys: [privateJwk, jwk] }]) {
      const keys = await createKeySet({ keys: [JSON.stringify({ ...set, unknown: 'member' })] })
      t.deepEqual(
        keys.keys.map(({ kid }) => kid),
        [privateJwk.kid],
      )
      await assertWorks(t, keys)
    }
    // By itself it is what somebody wants to use, and cannot.
    await t.throwsAsync(importKey(jwk), { instanceOf: TypeError })
    await t.throwsAsync(createKeySet({ keys: [jwk, privateJwk] }), { instanceOf: TypeError })
    await t.throwsAsync(createKeySet({ keys: [{ keys: [jwk] }] }), { instanceOf: TypeError })
  })
}

async function assertWorks(t: ExecutionContext, keys: KeySet): Promise<void> {
  const app = await createTestApp({ keys })
  try {
    const { token, cookie } = await app.login()
    t.is((await app.me(token, cookie)).status, 200)
  } finally {
    await app.close()
  }
}

test.serial('KY-05 a key is never left out without a word, and the word tells nothing of it', async (t) => {
  const warnings: Error[] = []
  const listen = (warning: Error): number => warnings.push(warning)
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK
  await createKeySet({ keys: [{ keys: [{ ...weak, alg: 'RS256' }, privateJwk] }] })
  // Warnings are emitted on the next tick.
  await new Promise((resolve) => setImmediate(resolve))
  const ours = warnings.filter(({ name }) => name === 'SessionKitWarning')
  t.is(ours.length, 1)
  t.false(inspect(ours).includes(weak.n ?? '-'))
})

for (const [what, jwk] of [
  [
    'is weak',
    {
      ...(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' }) as JWK),
      alg: 'RS256',
    },
  ],
  ['is made for encryption', { ...edJwk, use: 'enc' }],
  ['has parts of two keys', foreignJwk],
  ['names an algorithm that does not fit', { ...privateJwk, alg: 'ES384' }],
  ['names no algorithm and fits several', unnamedRsa],
  ['is of an unknown kind', { ...unknownKind, priv: 'AQAB' } as JWK],
  ['is a short secret', { kty: 'oct', k: 'AQAB', alg: 'HS256' }],
] as const) {
  test(`KY-05 a private key in a set that ${what} is an error: left out, another would silently sign`, async (t) => {
    const next = await generateKey()
    for (const keys of [
      [jwk, next],
      [next, jwk],
    ]) {
      await t.throwsAsync(createKeySet({ keys: [{ keys }] }), { instanceOf: TypeError })
    }
  })
}

test('KY-05 a set without a usable key is refused', async (t) => {
  for (const set of [{ keys: [] }, { keys: [unknownKind] }, { keys: [null, 5, 'key', []] }] as { keys: JWK[] }[]) {
    await t.throwsAsync(createKeySet({ keys: [set] }), { instanceOf: TypeError, message: /^keys?: / })
    await t.throwsAsync(createKeySet({ keys: [JSON.stringify(set)] }), { instanceOf: TypeError, message: /^keys?: / })
  }
})

// KY-06 remote sets (https, redirects) not here: they come later. What holds now is that nothing is ever fetched.
test.serial('KY-06 the kit fetches no key by itself, whatever a token or a key says about where to', async (t) => {
  const attacker = await generateKey()
  const bait = await createBait(t, { keys: [{ ...publicOf(attacker), kid: 'bait' }] })
  const links = { jku: bait.url, x5u: bait.url, jwks_uri: bait.url, iss: bait.url, kid: 'bait' }
  const app = await openTestApp(t, {
    keys: await createKeySet({ keys: [{ ...privateJwk, ...{ x5u: bait.url, jku: bait.url } }] }),
  })
  const { token, cookie } = await app.login()
  const claims = payloadOf(token)
  const headers = [
    { kid: 'bait' },
    { kid: bait.url },
    ...Object.entries(links).map(([name, value]) => ({ kid: 'k', [name]: value })),
  ]
  const outside = await watchOutside(async () => {
    for (const header of headers) {
      for (const key of [attacker, privateJwk]) {
        const response = await app.me(signWith(key, header, { ...claims, ...links }), cookie)
        t.is(response.status, 401)
      }
    }
    await app.request('GET', JWKS)
    await importKey({ ...publicOf(attacker), x5u: bait.url }, {})
    await t.throwsAsync(importKey(bait.url), { instanceOf: TypeError })
    await t.throwsAsync(createKeySet({ keys: [bait.url] }), { instanceOf: TypeError })
    await t.throwsAsync(importKey(new URL(bait.url) as never), { instanceOf: TypeError })
  })
  t.is(bait.hits.count, 0)
  // The test's own requests go over the connection that is there already.
  t.like(outside, { tcp: 0, pipe: 0, dns: 0, process: 0 })
  t.is(app.handled.count, 0)
})

function signWith(jwk: JWK, header: Json, claims: Json): string {
  return sign(validHeader({ kid: undefined, ...header }), claims, jwk)
}

test('KY-14 a token without a kid is refused, though there is only one key and it signed', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const claims = payloadOf(token)
  // With its kid it is accepted: nothing else is wrong with it.
  const good = signWith(privateJwk, { kid: privateJwk.kid }, claims)
  t.is((await app.me(good, cookie)).status, 200)
  for (const kid of [undefined, null, '', ' ', 0, [privateJwk.kid], { kid: privateJwk.kid }, `${privateJwk.kid} `]) {
    const bad = signWith(privateJwk, { kid }, claims)
    await assertRefused(t, app, () => app.me(bad, cookie), 'ERR_TOKEN_KEY', inspect(kid))
  }
})

test('KY-15 a set of secrets and key pairs is refused, in any order and however it is given', async (t) => {
  const secret = createSecretKey(randomBytes(64))
  const mixed = [
    [privateJwk, secretJwk],
    [secretJwk, privateJwk],
    [publicOf(privateJwk), secretJwk],
    [{ keys: [privateJwk, secretJwk] }],
    [{ keys: [privateJwk] }, { keys: [secretJwk] }],
    [edJwk, privateJwk, secretJwk],
    [await importKey(privateJwk), await importKey(secret, { algorithm: 'HS256' })],
  ]
  for (const keys of mixed) {
    await t.throwsAsync(createKeySet({ keys }), { instanceOf: TypeError, message: /^keys: / })
  }
  t.is((await createKeySet({ keys: [secretJwk, await generateKey('HS256')] })).keys.length, 2)
})

test('IS-19 one key with two algorithms, or for two purposes, is refused', async (t) => {
  const { kid: _kid, ...rsa } = unnamedRsa
  const { alg: _edAlg, kid: _edKid, ...ed } = edJwk
  const { k = '' } = await generateKey('HS512')
  for (const keys of [
    [privateJwk, { ...privateJwk, use: 'enc' }],
    [privateJwk, { ...privateJwk, kid: 'enc', use: 'enc' }],
    [
      { ...rsa, alg: 'RS256' },
      { ...rsa, alg: 'PS256' },
    ],
    [
      { ...rsa, alg: 'RS256', kid: 'a' },
      { ...rsa, alg: 'PS256', kid: 'b' },
    ],
    [
      { ...ed, alg: 'EdDSA', kid: 'a' },
      { ...ed, alg: 'Ed25519', kid: 'b' },
    ],
    [
      { kty: 'oct', k, alg: 'HS256', kid: 'a' },
      { kty: 'oct', k, alg: 'HS512', kid: 'b' },
    ],
    [privateJwk, privateJwk],
    [privateJwk, { ...privateJwk, kid: 'again' }],
    [privateJwk, { ...publicOf(privateJwk), kid: 'public-half' }],
  ]) {
    await t.throwsAsync(createKeySet({ keys }), { instanceOf: TypeError })
  }
})

test('IS-19 a set that uses one key to sign and to encrypt is refused, or signs with it and nothing else', async (t) => {
  const keys = await createKeySet({
    keys: [{ keys: [privateJwk, { ...publicOf(privateJwk), kid: 'enc', use: 'enc' }] }],
  }).catch((error: unknown) => error)
  if (keys instanceof Error) t.is(keys.constructor, TypeError)
  else t.is((keys as KeySet).keys.length, 1)
})

test('the first key that can sign signs, and every key verifies', async (t) => {
  const [first, second] = [await generateKey(), await generateKey('Ed25519')]
  const keys = await createKeySet({ keys: [publicOf(rsaJwk), publicOf(edJwk), first, second] })
  t.is(keys.active?.kid, first.kid)
  t.deepEqual(
    keys.keys.map(({ kid }) => kid),
    [rsaJwk.kid, edJwk.kid, first.kid, second.kid],
  )
  await assertWorks(t, keys)
  const publicOnly = await createKeySet({ keys: [publicOf(rsaJwk)] })
  t.is(publicOnly.active, undefined)
  await t.throwsAsync(createSessionKit({ issuer: ISSUER, keys: publicOnly, store: memoryStore() }), {
    instanceOf: TypeError,
    message: /^keys: /,
  })
})

test('the algorithm of a set is for the keys that name none', async (t) => {
  const keys = await createKeySet({ algorithm: 'PS256', keys: [privateJwk, unnamedRsa] })
  t.deepEqual(
    keys.keys.map(({ alg }) => alg),
    ['ES256', 'PS256'],
  )
})

// A fresh key in place of the one that was meant logs everyone out at each start, and nobody knows why.
for (const [what, options] of [
  ['a misspelt member', { key: [privateJwk] }],
  ['`algorithms`', { algorithms: 'PS256' }],
  ['a JWK in place of options', privateJwk],
  ['a JWK Set of no keys', { keys: [] }],
  ['PEM in place of options', '-----BEGIN PRIVATE KEY-----'],
  ['an array in place of options', [privateJwk]],
  ['null', null],
  ['null for keys', { keys: null }],
  ['a single key for keys', { keys: privateJwk }],
  ['text for keys', { keys: JSON.stringify(privateJwk) }],
  ['an environment variable that is not set', { keys: [undefined] }],
] as const) {
  test(`createKeySet makes no key of its own when it is given ${what}`, async (t) => {
    await t.throwsAsync(createKeySet(options as never), {
      instanceOf: TypeError,
      message: /^(?:options|keys?): expected /,
    })
  })
}

/** Every private value of these keys, in each spelling it could be printed in. */
function privateValues(...jwks: JWK[]): string[] {
  return jwks.flatMap((jwk) =>
    PRIVATE_MEMBERS.flatMap((name) => {
      const value: unknown = (jwk as Record<string, unknown>)[name]
      if (typeof value !== 'string') return []
      const bytes = Buffer.from(value, 'base64url')
      // node prints the first bytes of a Buffer as hex with spaces
      const printed = inspect(bytes).slice(8, 8 + 3 * 16)
      return [
        value,
        bytes.toString('hex'),
        bytes.toString('base64').replace(/=+$/, ''),
        printed,
        BigInt(`0x${bytes.toString('hex')}`).toString(),
      ]
    }),
  )
}

test('KY-16 printing or serialising keys, key sets and kits shows nothing private', async (t) => {
  for (const jwks of [[privateJwk, rsaJwk, edJwk], [secretJwk]]) {
    const keys = await createKeySet({ keys: jwks })
    const kit = await createSessionKit({ issuer: ISSUER, keys, store: memoryStore(), authenticate: () => null })
    t.teardown(kit.close)
    const secrets = privateValues(...jwks)
    t.true(secrets.length > 0)
    for (const [name, value] of Object.entries({
      key: keys.active,
      keys,
      kit,
      jwks: kit.jwks(),
      routes: kit.routes(),
    })) {
      for (const text of [
        JSON.stringify(value) ?? '',
        inspect(value),
        inspect(value, {
          depth: Infinity,
          showHidden: true,
          getters: true,
          maxArrayLength: null,
          maxStringLength: null,
        }),
      ]) {
        for (const secret of secrets) t.false(text.includes(secret), name)
        t.notRegex(text, /"(?:d|p|q|dp|dq|qi|k)":|PRIVATE KEY|\b(?:d|p|q|dp|dq|qi|k): '/, name)
      }
    }
  }
})

test('KY-16 the CryptoKeys of a key do not give their bytes', async (t) => {
  for (const jwk of [privateJwk, rsaJwk, edJwk, secretJwk]) {
    const key = await importKey(jwk)
    const signingKey = key.signingKey as CryptoKey
    t.false(signingKey.extractable)
    for (const format of ['jwk', 'pkcs8', 'raw'] as const) {
      await t.throwsAsync(crypto.subtle.exportKey(format, signingKey), { any: true })
    }
  }
})

test('KY-16 errors about keys show nothing private, causes included', async (t) => {
  const wrong = await generateKey()
  const attempts = [
    () => importKey({ ...privateJwk, d: wrong.d as string, x: 5 as never }),
    () => importKey({ ...privateJwk, x: wrong.x as string }),
    () => importKey({ ...rsaJwk, alg: 'ES256' }),
    () => importKey({ ...rsaJwk, use: 'enc' }),
    () => importKey({ ...rsaJwk, n: 'AQAB' }),
    () => importKey(`${JSON.stringify(rsaJwk)}}`),
    () => createKeySet({ keys: [rsaJwk, secretJwk] }),
    () => createKeySet({ keys: [rsaJwk, rsaJwk] }),
    () => createKeySet({ keys: [{ keys: [{ ...rsaJwk, n: 'AQAB' }] }] }),
    () => createKeySet({ keys: rsaJwk as never }),
    () => createSessionKit({ issuer: ISSUER, keys: rsaJwk as never, store: memoryStore() }),
  ]
  const secrets = privateValues(privateJwk, wrong, rsaJwk, secretJwk)
  for (const attempt of attempts) {
    const error = await t.throwsAsync(attempt, { instanceOf: TypeError })
    const text = inspect(error, { depth: Infinity, showHidden: true })
    for (const secret of secrets) t.false(text.includes(secret), attempt.toString())
  }
})
