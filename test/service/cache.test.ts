// What a service remembers: the answer for a token that it verified, until its issuer no longer has the key.

import test from 'ava'

import { createEncryptionKeys, generateKey } from '../../src/index.ts'
import type { Credentials, ServiceVerifier } from '../../src/service.ts'
import { COOKIE_NAME } from '../helpers/forge.ts'
import { encryptionJwks, nest } from '../helpers/forge-jwe.ts'
import { assertRefused } from '../helpers/refused.ts'
import { AUDIENCE, openIssuer, openService, type Pair, publicOf } from '../helpers/service.ts'

const keyOfB = await generateKey()

const toCredentials = ({ token, cookie }: Pair): Credentials => ({
  token,
  fingerprints: [cookie.slice(COOKIE_NAME.length + 1)],
})

/** Whether the answer is the very one of the time before: what is verified anew makes another. */
async function isRemembered(verifier: ServiceVerifier, pair: Pair): Promise<boolean> {
  const first = await verifier.verify(toCredentials(pair))
  return (await verifier.verify(toCredentials(pair))) === first
}

test('K-03 of several issuers each token is remembered, and checked on each request', async (t) => {
  const [a, b] = [await openIssuer(t, { path: '/a' }), await openIssuer(t, { path: '/b' })]
  b.keys = [publicOf(keyOfB)]
  const service = await openService(t, {
    issuers: [a, b].map(({ issuer }) => ({ issuer, audience: AUDIENCE })),
  })
  const pairs = [a.mint(service.clock), b.mint(service.clock, {}, {}, keyOfB)] as const
  for (const pair of pairs) t.true(await isRemembered(service.verifier, pair))
  await assertRefused(t, service, () => service.me(pairs[0].token, pairs[1].cookie), 'ERR_FINGERPRINT_MISMATCH')
  for (const { token, cookie } of pairs) t.is((await service.me(token, cookie)).status, 200)
})

test('K-03 KY-10 a key that its issuer no longer publishes takes with it what it vouched for', async (t) => {
  const issuer = await openIssuer(t)
  issuer.keys = [publicOf(keyOfB), ...issuer.keys]
  const service = await openService(t, { issuer: issuer.issuer })
  const pair = issuer.mint(service.clock)
  t.true(await isRemembered(service.verifier, pair))
  issuer.keys = [publicOf(keyOfB)]
  service.clock.advance(600)
  await assertRefused(t, service, () => service.me(pair.token, pair.cookie), 'ERR_TOKEN_KEY')
})

test('K-03 keys that are fetched again and are the same cost no verification', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  const pair = issuer.mint(service.clock)
  const first = await service.verifier.verify(toCredentials(pair))
  const fetches = issuer.fetches
  service.clock.advance(600)
  t.is(await service.verifier.verify(toCredentials(pair)), first)
  t.is(issuer.fetches, fetches + 1)
})

test('K-03 an encrypted token is remembered as it came, and what is inside is not one', async (t) => {
  const issuer = await openIssuer(t)
  const encryption = await createEncryptionKeys({ keys: [encryptionJwks.A256KW] })
  const service = await openService(t, { issuer: issuer.issuer, encryption })
  const { token: signed, cookie } = issuer.mint(service.clock)
  const pair = { token: nest(signed, encryptionJwks.A256KW), cookie }
  t.true(await isRemembered(service.verifier, pair))
  await assertRefused(t, service, () => service.me(signed, cookie), 'ERR_TOKEN_MALFORMED')
})

test('K-03 with maxCached 0 nothing is remembered; what is no number of tokens is refused', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer, maxCached: 0 })
  t.false(await isRemembered(service.verifier, issuer.mint(service.clock)))
  for (const maxCached of [-1, 1.5, Number.NaN, 2_000_000]) {
    await t.throwsAsync(async () => openService(t, { issuer: issuer.issuer, maxCached }), {
      instanceOf: TypeError,
      message: /^maxCached: /,
    })
  }
})
