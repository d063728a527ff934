// The test issuer, as services see it: jose's remote key set reads it, and the kit's own verifier its tokens.

import test, { type ExecutionContext } from 'ava'
import { createRemoteJWKSet, jwtVerify } from 'jose'

import { isSessionError } from '../../src/index.ts'
import { type Algorithm, ALGORITHMS, isSymmetric } from '../../src/keys/algorithms.ts'
import { createVerifier } from '../../src/service/verifier.ts'
import { createTestClock } from '../../src/testing/clock.ts'
import {
  type Breakage,
  createTestIssuer,
  type TestIssuer,
  type TestIssuerOptions,
  type TestToken,
} from '../../src/testing/issuer.ts'
import { headerOf, payloadOf } from '../../src/testing/tokens.ts'
import { createTokenVerifier } from '../../src/verifier.ts'

async function open(t: ExecutionContext, options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const issuer = await createTestIssuer(options)
  t.teardown(issuer.close)
  return issuer
}

/** Verifies as a kit's service does, with the keys in hand: `'ok'` or the code. */
async function verify(
  issuer: TestIssuer,
  { token, fingerprint }: TestToken,
  options: { readonly audience?: string; readonly format?: 'base64url' | 'owasp'; readonly clock?: () => number } = {},
): Promise<string> {
  const { audience = issuer.issuer, format = 'base64url', clock = Date.now } = options
  const verifier = createTokenVerifier({
    issuer: issuer.issuer,
    audience: [audience],
    keys: issuer.keys,
    revocations: { has: () => false, hasKey: () => false },
    format,
    binding: 'required',
    typ: 'at+jwt',
    maxBytes: 8192,
    clock,
    clockTolerance: 0,
    maxLifetime: 3600,
    requiredClaims: ['sid'],
  })
  const fingerprints = fingerprint === undefined ? [] : [fingerprint]
  try {
    await verifier.verify({ token, fingerprints })
    return 'ok'
  } catch (error) {
    return isSessionError(error) ? error.code : String(error)
  }
}

for (const algorithm of Object.keys(ALGORITHMS) as Algorithm[]) {
  test(`signs with ${algorithm}, by a key that it publishes if there is one to publish`, async (t) => {
    const issuer = await open(t, { algorithm })
    const token = await issuer.sign()
    t.is(headerOf(token.token)['alg'], algorithm)
    t.is(await verify(issuer, token), 'ok')
    const jwks = (await (await fetch(issuer.jwksUri)).json()) as { keys: object[] }
    if (isSymmetric(algorithm)) {
      t.deepEqual(jwks.keys, [])
      return
    }
    t.false(JSON.stringify(jwks).includes('"d"'))
    const keySet = createRemoteJWKSet(new URL(issuer.jwksUri))
    const { issuer: iss } = issuer
    await t.notThrowsAsync(jwtVerify(token.token, keySet, { issuer: iss, audience: iss, typ: 'at+jwt' }))
  })
}

test('signs for any subject, audience and claims, bound to a fingerprint or not', async (t) => {
  const clock = createTestClock()
  const issuer = await open(t, { issuer: 'https://id.example', audience: 'https://api.example', clock })
  const audience = 'https://api.example'
  const options = { audience, clock }

  const genuine = await issuer.sign({ sub: 'bob', scope: 'read write', roles: ['editor'] })
  t.like(payloadOf(genuine.token), { iss: 'https://id.example', sub: 'bob', aud: audience, roles: ['editor'] })
  t.is(await verify(issuer, genuine, options), 'ok')
  t.deepEqual(genuine.headers, {
    Authorization: `Bearer ${genuine.token}`,
    Cookie: `__Secure-Fgp=${genuine.fingerprint}`,
  })

  const other = await issuer.sign()
  t.is(await verify(issuer, { ...genuine, fingerprint: other.fingerprint }, options), 'ERR_FINGERPRINT_MISMATCH')
  t.not(payloadOf(other.token)['jti'], payloadOf(genuine.token)['jti'])
  t.not(payloadOf(other.token)['sid'], payloadOf(genuine.token)['sid'])

  const now = Math.floor(clock() / 1000)
  for (const [claims, signing, code] of [
    [{ aud: ['a', audience] }, {}, 'ok'],
    [{ aud: 'https://other.example' }, {}, 'ERR_TOKEN_AUDIENCE'],
    [{ iss: 'https://evil.example' }, {}, 'ERR_TOKEN_ISSUER'],
    [{ exp: now }, {}, 'ERR_TOKEN_CLAIMS'],
    [{ iat: now - 60, exp: now - 30, iat_ms: undefined, auth_time: undefined }, {}, 'ERR_TOKEN_EXPIRED'],
    [{ sid: undefined }, {}, 'ERR_TOKEN_CLAIMS'],
    [{}, { header: { typ: 'JWT' } }, 'ERR_TOKEN_TYPE'],
    [{}, { header: { kid: undefined } }, 'ERR_TOKEN_KEY'],
    [{}, { header: { kid: 'unknown' } }, 'ERR_TOKEN_KEY'],
    [{}, { fingerprint: false }, 'ERR_TOKEN_CLAIMS'],
  ] as const) {
    t.is(await verify(issuer, await issuer.sign(claims, signing), options), code, JSON.stringify([claims, signing]))
  }
  const unbound = await issuer.sign({}, { fingerprint: false })
  t.is(unbound.fingerprint, undefined)
  t.deepEqual(unbound.headers, { Authorization: `Bearer ${unbound.token}` })
  t.is(await verify(issuer, await issuer.sign({}, { fingerprint: 'owasp' }), { ...options, format: 'owasp' }), 'ok')

  clock.advance('15m')
  t.is(await verify(issuer, genuine, options), 'ERR_TOKEN_EXPIRED')
})

test('serves metadata and keys as a kit does, counts who asks, and knows the cookie by its name', async (t) => {
  const issuer = await open(t, { cookieName: '__Host-mine' })
  t.regex(issuer.url, /^http:\/\/localhost:\d+$/)
  t.deepEqual(issuer.fetches, { jwks: 0, metadata: 0, redirected: 0 })
  const response = await fetch(`${issuer.url}/.well-known/oauth-authorization-server`)
  t.like(await response.json(), { issuer: issuer.url, jwks_uri: issuer.jwksUri })
  const keys = await fetch(issuer.jwksUri)
  t.is(keys.headers.get('Content-Type'), 'application/jwk-set+json; charset=utf-8')
  t.is(keys.headers.get('Cache-Control'), 'public, max-age=300')
  t.deepEqual(await keys.json(), issuer.keys.jwks() as unknown)
  t.is((await fetch(`${issuer.url}/other`)).status, 404)
  t.deepEqual(issuer.fetches, { jwks: 1, metadata: 1, redirected: 0 })
  const { headers, fingerprint } = await issuer.sign()
  t.is(headers['Cookie'], `__Host-mine=${fingerprint}`)
})

const kidOf = ({ token }: TestToken): string => String(headerOf(token)['kid'])

test('rotates: a new key signs, the old one is published until it is retired', async (t) => {
  const issuer = await open(t)
  const kids = async (): Promise<string[]> =>
    ((await (await fetch(issuer.jwksUri)).json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
  const first = await issuer.sign()
  await issuer.rotate()
  const second = await issuer.sign()
  t.not(kidOf(second), kidOf(first))
  t.deepEqual(await kids(), [kidOf(second), kidOf(first)])
  t.deepEqual([await verify(issuer, first), await verify(issuer, second)], ['ok', 'ok'])
  await issuer.rotate({ algorithm: 'EdDSA', retire: true })
  const third = await issuer.sign()
  t.is(headerOf(third.token)['alg'], 'EdDSA')
  t.deepEqual(await kids(), [kidOf(third)])
  t.deepEqual([await verify(issuer, second), await verify(issuer, third)], ['ERR_TOKEN_KEY', 'ok'])
  await issuer.rotate()
  t.is(headerOf((await issuer.sign()).token)['alg'], 'EdDSA')
})

test('a service finds its keys, and goes through its rotations and failures', async (t) => {
  const clock = createTestClock()
  const audience = 'https://api.example'
  const issuer = await open(t, { audience, clock })
  const service = await createVerifier({ issuer: issuer.issuer, audience, origin: 'http://localhost:1', clock })
  t.teardown(service.close)
  t.deepEqual(issuer.fetches, { jwks: 1, metadata: 1, redirected: 0 })
  const present = async ({ token, fingerprint = '' }: TestToken): Promise<string> =>
    service.verify({ token, fingerprints: [fingerprint] }).then(
      ({ sub }) => sub,
      (error: unknown) => (isSessionError(error) ? error.code : String(error)),
    )
  t.is(await present(await issuer.sign({ sub: 'bob' })), 'bob')
  await issuer.rotate()
  clock.advance('31s')
  t.is(await present(await issuer.sign()), 'alice')
  t.is(issuer.fetches.jwks, 2)
  await issuer.rotate()
  for (const how of ['error', 'garbage', 'redirect'] as const) {
    clock.advance('31s')
    issuer.break(how)
    t.is(await present(await issuer.sign()), 'ERR_TOKEN_KEY', how)
  }
  t.is(issuer.fetches.redirected, 0)
  clock.advance('31s')
  issuer.mend()
  t.is(await present(await issuer.sign()), 'alice')
})

test('breaks as it is told, for whoever asks, and mends', async (t) => {
  const issuer = await open(t)
  const metadataUri = `${issuer.url}/.well-known/oauth-authorization-server`
  for (const uri of [issuer.jwksUri, metadataUri]) {
    issuer.break('error')
    t.is((await fetch(uri)).status, 500)

    issuer.break('garbage')
    const page = await fetch(uri)
    t.is(page.status, 200)
    await t.throwsAsync(page.json(), { instanceOf: SyntaxError })

    issuer.break('redirect')
    const before = issuer.fetches.redirected
    t.is((await fetch(uri, { redirect: 'manual' })).status, 302)
    t.is(issuer.fetches.redirected, before)
    const followed = await fetch(uri)
    t.true(followed.redirected)
    t.is(issuer.fetches.redirected, before + 1)
    const moved: unknown = await followed.json()

    issuer.mend()
    t.deepEqual(await (await fetch(uri)).json(), moved, 'who follows is served, and shows it')
  }
  t.deepEqual(issuer.fetches, { jwks: 5, metadata: 5, redirected: 2 })
})

test('hangs until it is closed, and only on what was asked meanwhile', async (t) => {
  const issuer = await open(t)
  issuer.break('hang')
  const asked = fetch(issuer.jwksUri)
  let isAnswered = false
  const answered = asked.then(
    () => (isAnswered = true),
    () => undefined,
  )
  // Once it has answered a later request, it has had time for the one before.
  while (issuer.fetches.jwks === 0) await fetch(`${issuer.url}/other`)
  issuer.mend()
  t.is((await fetch(issuer.jwksUri)).status, 200)
  t.false(isAnswered)
  await issuer.close()
  await answered
  t.false(isAnswered)
  await t.throwsAsync(fetch(issuer.jwksUri))
  await t.notThrowsAsync(issuer.close())
})

test('refuses a misspelt option, and what is no algorithm or breakage', async (t) => {
  await t.throwsAsync(createTestIssuer({ audiance: 'x' } as object), { instanceOf: TypeError })
  await t.throwsAsync(createTestIssuer({ algorithm: 'none' as Algorithm }), { instanceOf: TypeError })
  const issuer = await open(t)
  t.throws(() => issuer.break('gently' as Breakage), { instanceOf: TypeError, message: /^how: / })
  await t.throwsAsync(issuer.rotate({ keepOld: false } as object), { instanceOf: TypeError })
})
