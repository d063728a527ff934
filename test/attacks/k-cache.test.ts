// The verified-token cache under attack: what is remembered is that a signature was right, and nothing else. Whatever can
// change from one request to the next is looked at each time, and a token that is not the same to the letter is another.

import { generateKeyPairSync } from 'node:crypto'

import test from 'ava'

import { createKeySet, isSessionError, type KeySet } from '../../src/index.ts'
import { createTokenVerifier, type TokenVerifier, type TokenVerifierOptions } from '../../src/verifier.ts'
import { codesOf, createClock, ISSUER, openTestApp, privateJwk, type TestClock } from '../helpers/app.ts'
import { bytesUsed } from '../helpers/cost.ts'
import { payloadOf } from '../helpers/decode.ts'
import { b64, COOKIE_NAME, sign, twinOf, validClaims, validHeader } from '../helpers/forge.ts'
import { assertRefused } from '../helpers/refused.ts'

interface Unit {
  readonly verifier: TokenVerifier
  readonly clock: TestClock
  readonly revoked: { isKey: boolean; isToken: boolean }
  /** A genuine token and its fingerprint; `prime` has it verified. */
  draw(): { token: string; fingerprints: [string] }
  prime(): Promise<{ token: string; fingerprints: [string] }>
}

async function createUnit(overrides: Partial<TokenVerifierOptions> = {}): Promise<Unit> {
  const clock = createClock()
  const revoked = { isKey: false, isToken: false }
  const verifier = createTokenVerifier({
    ...{ issuer: ISSUER, audience: [ISSUER], clockTolerance: 0, maxLifetime: 3600, requiredClaims: ['sid'] },
    ...{ binding: 'required', format: 'base64url', typ: 'at+jwt', maxBytes: 8192, maxCached: 1000, clock },
    keys: await createKeySet({ keys: [privateJwk] }),
    revocations: { has: () => revoked.isToken, hasKey: () => revoked.isKey },
    ...overrides,
  })
  const draw: Unit['draw'] = () => {
    const { claims, fingerprint } = validClaims({ clock })
    return { token: sign(validHeader(), claims), fingerprints: [fingerprint] }
  }
  async function prime(): ReturnType<Unit['prime']> {
    const credentials = draw()
    await verifier.verify(credentials)
    return credentials
  }
  return { verifier, clock, revoked, draw, prime }
}

/** What comes at once, without a promise, or why nothing does. */
function now(work: () => unknown): string {
  try {
    return work() instanceof Promise ? 'later' : 'passed'
  } catch (error) {
    return isSessionError(error) ? error.code : String(error)
  }
}

test('K-03 the second time a token comes, its signature is not verified again', async (t) => {
  const { verifier, draw } = await createUnit()
  const credentials = draw()
  const first = verifier.verify(credentials)
  t.true(first instanceof Promise)
  const again = verifier.verify({ ...credentials })
  t.true(again instanceof Promise, 'nothing is remembered before the signature is verified')
  t.is(await again, await again)
  t.is(verifier.verify({ ...credentials }), verifier.verify({ ...credentials }))
  t.is(
    now(() => verifier.verify(credentials)),
    'passed',
  )
})

test('K-03 whatever can change is looked at each time', async (t) => {
  const { verifier, clock, revoked, prime } = await createUnit()
  const credentials = await prime()
  const verify = (fingerprints: readonly string[] = credentials.fingerprints): string =>
    now(() => verifier.verify({ ...credentials, fingerprints }))
  t.is(verify([]), 'ERR_FINGERPRINT_MISSING')
  t.is(verify(['x']), 'ERR_FINGERPRINT_MISMATCH')
  t.is(verify([(await prime()).fingerprints[0]]), 'ERR_FINGERPRINT_MISMATCH', 'of another token that is remembered')
  t.is(verify([...credentials.fingerprints, 'x']), 'ERR_FINGERPRINT_AMBIGUOUS')
  revoked.isToken = true
  t.is(verify(), 'ERR_TOKEN_REVOKED')
  revoked.isToken = false
  t.is(verify(), 'passed')
  clock.advance(-60)
  t.is(verify(), 'ERR_TOKEN_NOT_YET_VALID')
  clock.advance(60 + 3600)
  // It is forgotten as well, so this one is verified anew.
  await t.throwsAsync(async () => verifier.verify(credentials), { code: 'ERR_TOKEN_EXPIRED' })
})

test('K-03 a token that differs in anything is verified for itself', async (t) => {
  const { verifier, prime } = await createUnit()
  const { token, fingerprints } = await prime()
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = payloadOf(token)
  const others = {
    'without its signature': `${header}.${payload}.`,
    'alg none': `${b64({ ...validHeader(), alg: 'none' })}.${payload}.`,
    'the same jti, another subject': `${header}.${b64({ ...claims, sub: 'mallory' })}.${signature}`,
    'the same jti, more time': `${header}.${b64({ ...claims, exp: 4_000_000_000 })}.${signature}`,
    'another signature': `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
    padded: `${token}=`,
    cut: token.slice(0, -1),
    'in other letters': token.toUpperCase(),
    'with a space': ` ${token}`,
  }
  for (const [label, other] of Object.entries(others)) {
    const verified = verifier.verify({ token: other, fingerprints })
    t.true(verified instanceof Promise, label)
    await t.throwsAsync(async () => verified, undefined, label)
  }
})

test('RV-02 the twin of a revoked token that is remembered is revoked as well', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const twin = twinOf(login.token)
  t.not(twin, login.token)
  for (const token of [login.token, twin]) t.is((await app.me(token, login.cookie)).status, 200)
  await app.kit.revoke({ jti: String(payloadOf(login.token)['jti']) })
  for (const token of [login.token, twin]) {
    await assertRefused(t, app, () => app.me(token, login.cookie), 'ERR_TOKEN_REVOKED')
  }
})

test('K-03 KY-10 what a key vouched for goes with the key, and with what takes its place', async (t) => {
  const set = await createKeySet({ keys: [privateJwk] })
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const impostor = await createKeySet({ keys: [{ ...other.export({ format: 'jwk' }), kid: privateJwk.kid ?? '' }] })
  let current: Pick<KeySet, 'get'> = set
  const { verifier, prime } = await createUnit({ keys: { get: (kid) => current.get(kid) } })
  const credentials = await prime()
  t.is(
    now(() => verifier.verify(credentials)),
    'passed',
  )
  current = { get: () => undefined }
  await t.throwsAsync(async () => verifier.verify(credentials), { code: 'ERR_TOKEN_KEY' })
  current = impostor
  await t.throwsAsync(async () => verifier.verify(credentials), { code: 'ERR_TOKEN_SIGNATURE' })
  // The same key, imported again as a remote JWKS is: nothing has to be verified anew.
  current = await createKeySet({ keys: [privateJwk] })
  t.is(
    now(() => verifier.verify(credentials)),
    'passed',
  )
})

test('K-03 where the keys have to be asked for, the answer decides, also when it is none', async (t) => {
  const set = await createKeySet({ keys: [privateJwk] })
  let ask: TokenVerifierOptions['keys']['get'] = (kid) => set.get(kid)
  const { verifier, prime } = await createUnit({ keys: { get: (kid) => ask(kid) } })
  const credentials = await prime()
  ask = async (kid) => set.get(kid)
  t.is((await verifier.verify(credentials)).sub, 'alice')
  ask = async () => undefined
  await t.throwsAsync(async () => verifier.verify(credentials), { code: 'ERR_TOKEN_KEY' })
  ask = () => Promise.reject(new Error('down'))
  await t.throwsAsync(async () => verifier.verify(credentials), { message: 'down' })
})

test('K-03 verifiers with other rules share nothing', async (t) => {
  const strict = await createUnit({ audience: ['https://api.example'] })
  const { verifier, prime } = await createUnit()
  const credentials = await prime()
  t.is(
    now(() => verifier.verify(credentials)),
    'passed',
  )
  await t.throwsAsync(async () => strict.verifier.verify(credentials), { code: 'ERR_TOKEN_AUDIENCE' })
})

test.serial('K-03 a flood of bad tokens pushes out no good one and leaves nothing behind', async (t) => {
  const { verifier, clock, prime } = await createUnit({ maxCached: 20 })
  const good = await Promise.all(Array.from({ length: 10 }, prime))
  const { claims, fingerprint } = validClaims({ clock })
  const genuine = sign(validHeader(), claims)
  const signed = genuine.slice(0, genuine.lastIndexOf('.'))
  const before = bytesUsed()
  for (let i = 0; i < 10_000; i += 20) {
    const bad = Array.from({ length: 20 }, (_, j) => `${signed}.${String(i + j).padStart(86, 'A')}`)
    const answers = await Promise.allSettled(
      bad.map(async (token) => verifier.verify({ token, fingerprints: [fingerprint] })),
    )
    if (answers.some(({ status }) => status === 'fulfilled')) t.fail('a forged token passed')
  }
  const grown = bytesUsed() - before
  // Each token has some 600 bytes.
  t.true(grown < 2 ** 20, `${grown} bytes were left`)
  for (const credentials of good)
    t.is(
      now(() => verifier.verify(credentials)),
      'passed',
    )
})

test('K-03 more good tokens than there is room for take no more, and those in use stay', async (t) => {
  const { verifier, prime } = await createUnit({ maxCached: 100 })
  const [first, second] = [await prime(), await prime()]
  for (let i = 0; i < 300; i += 1) {
    await prime()
    t.is(
      now(() => verifier.verify(first)),
      'passed',
      'what comes again and again stays',
    )
  }
  t.is(
    now(() => verifier.verify(second)),
    'later',
    'what does not goes',
  )
  t.is((await verifier.verify(second)).sub, 'alice')
})

test('K-03 without the cache every signature is verified', async (t) => {
  const { verifier, prime } = await createUnit({ maxCached: 0 })
  const credentials = await prime()
  t.is(
    now(() => verifier.verify(credentials)),
    'later',
  )
})

test('a logout, a stolen token and a revoked key count at once for tokens that are remembered', async (t) => {
  const app = await openTestApp(t, { onSidejack: 'revoke' })
  const [left, stolen, kept] = [await app.login(), await app.login('bob'), await app.login('carol')]
  for (const { token, cookie } of [left, stolen, kept]) t.is((await app.me(token, cookie)).status, 200)
  await app.request('POST', '/auth/logout', { Authorization: `Bearer ${left.token}`, Cookie: left.cookie })
  await assertRefused(t, app, () => app.me(left.token, left.cookie), 'ERR_TOKEN_REVOKED')
  app.seen.length = 0
  t.is((await app.me(stolen.token, `${COOKIE_NAME}=${kept.fingerprint}`)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_FINGERPRINT_MISMATCH'])
  await assertRefused(t, app, () => app.me(stolen.token, stolen.cookie), 'ERR_TOKEN_REVOKED')
  t.is((await app.me(kept.token, kept.cookie)).status, 200)
  await app.kit.revoke({ kid: privateJwk.kid ?? '' })
  await assertRefused(t, app, () => app.me(kept.token, kept.cookie), 'ERR_TOKEN_REVOKED')
})
