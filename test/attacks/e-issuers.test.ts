// Attacks on a service with what is genuine somewhere else: tokens of another issuer that it trusts, for another service,
// of another environment. What is stolen is nothing; the attacker has the keys of one issuer and wants to be of another.

import test, { type ExecutionContext } from 'ava'

import { createKeySet, generateKey } from '../../src/index.ts'
import type { TrustOptions } from '../../src/service.ts'
import { privateJwk } from '../helpers/app.ts'
import { assertRefused } from '../helpers/refused.ts'
import {
  AUDIENCE,
  openIssuer,
  openService,
  publicOf,
  statusOf,
  type TestIssuer,
  type TestService,
} from '../helpers/service.ts'

const keyOfB = await generateKey()

/** A service that trusts two issuers, each with a key of its own. */
async function openBoth(
  t: ExecutionContext,
  more: Partial<TrustOptions> = {},
): Promise<{ readonly a: TestIssuer; readonly b: TestIssuer; readonly service: TestService }> {
  const [a, b] = [await openIssuer(t, { path: '/a' }), await openIssuer(t, { path: '/b', metadata: 'openid' })]
  b.keys = [publicOf(keyOfB)]
  const trust = { audience: AUDIENCE, ...more }
  const service = await openService(t, {
    issuers: [
      { ...trust, issuer: a.issuer },
      { ...trust, issuer: b.issuer },
    ],
  })
  t.is(await statusOf(service, a.mint(service.clock)), 200)
  t.is(await statusOf(service, b.mint(service.clock, {}, {}, keyOfB)), 200)
  service.handled.count = 0
  return { a, b, service }
}

test('E-02 VF-11 a trusted issuer cannot mint tokens that name the other one', async (t) => {
  const { a, b, service } = await openBoth(t)
  const forged = b.mint(service.clock, { iss: a.issuer }, {}, keyOfB)
  await assertRefused(t, service, () => service.me(forged.token, forged.cookie), 'ERR_TOKEN_KEY')
  // Nor by naming the other one's key.
  const renamed = b.mint(service.clock, { iss: a.issuer }, { kid: privateJwk.kid }, keyOfB)
  await assertRefused(t, service, () => service.me(renamed.token, renamed.cookie), 'ERR_TOKEN_SIGNATURE')
  // Nor the other way round.
  const back = a.mint(service.clock, { iss: b.issuer })
  await assertRefused(t, service, () => service.me(back.token, back.cookie), 'ERR_TOKEN_KEY')
})

test('E-02 C-11 a trusted issuer cannot publish its key under the kid of the other one', async (t) => {
  const { a, b, service } = await openBoth(t)
  b.keys = [publicOf(keyOfB), { ...publicOf(keyOfB), kid: privateJwk.kid }]
  service.clock.advance(600)
  t.is(await statusOf(service, b.mint(service.clock, {}, { kid: privateJwk.kid }, keyOfB)), 200, 'its own are its own')
  const forged = b.mint(service.clock, { iss: a.issuer }, { kid: privateJwk.kid }, keyOfB)
  await assertRefused(t, service, () => service.me(forged.token, forged.cookie), 'ERR_TOKEN_SIGNATURE')
  t.is(await statusOf(service, a.mint(service.clock)), 200)
})

test('E-02 C-11 the key of one issuer opens nothing under the name of another', async (t) => {
  const { a, b, service } = await openBoth(t)
  const stolen = a.mint(service.clock, {}, { kid: keyOfB.kid })
  await assertRefused(t, service, () => service.me(stolen.token, stolen.cookie), 'ERR_TOKEN_KEY')
  t.true(a.fetches <= 2 && b.fetches === 1)
})

test('VF-11 D-08 an issuer is named to the letter, or it is another one', async (t) => {
  const { a, service } = await openBoth(t)
  const wrong: readonly unknown[] = [
    `${a.issuer}/`,
    `${a.issuer}#`,
    a.issuer.replace('http:', 'HTTP:'),
    a.issuer.replace('127.0.0.1', 'localhost'),
    a.issuer.replace('/a', '/A'),
    a.issuer.replace('/a', '/%61'),
    a.issuer.replace('/a', ''),
    ` ${a.issuer}`,
    'https://evil.example',
    'constructor',
    '__proto__',
    '',
    [a.issuer],
    ['https://evil.example', a.issuer],
    { toString: a.issuer },
    null,
    undefined,
    1,
  ]
  for (const iss of wrong) {
    const { token, cookie } = a.mint(service.clock, { iss })
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_ISSUER', JSON.stringify(iss))
  }
})

test('VF-11 D-08 a service with one issuer is no less strict', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  for (const iss of [`${issuer.issuer}/`, issuer.issuer.replace('127', '0127'), 'https://evil.example', '']) {
    const { token, cookie } = issuer.mint(service.clock, { iss })
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_ISSUER', iss)
    const fingerprints = [cookie.slice(cookie.indexOf('=') + 1)]
    await t.throwsAsync(service.verifier.verify({ token, fingerprints }), { code: 'ERR_TOKEN_ISSUER' }, iss)
  }
  for (const iss of [[issuer.issuer], null, undefined, 1]) {
    const { token, cookie } = issuer.mint(service.clock, { iss })
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_CLAIMS', JSON.stringify(iss))
  }
})

test('C-10 a stranger makes no trusted issuer be asked, and one issuer is not asked for the tokens of another', async (t) => {
  const { a, b, service } = await openBoth(t)
  service.clock.advance(30)
  for (let i = 0; i < 20; i += 1) {
    const stranger = a.mint(service.clock, { iss: `https://${i}.evil.example` }, { kid: `kid-${i}` })
    t.is(await statusOf(service, stranger), 401)
    t.is(await statusOf(service, b.mint(service.clock, {}, { kid: `kid-${i}` }, keyOfB)), 401)
  }
  t.is(a.fetches, 1)
  t.is(b.fetches, 2)
})

test('E-03 a token for one service is refused at another, and where only a part of its name is named', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer, audience: [AUDIENCE, 'https://second.example'] })
  for (const aud of [AUDIENCE, ['https://other.example', AUDIENCE], 'https://second.example']) {
    t.is(await statusOf(service, issuer.mint(service.clock, { aud })), 200)
  }
  for (const aud of ['https://other.example', AUDIENCE.slice(0, -1), `${AUDIENCE}/`, ['https://other.example'], 'a']) {
    const { token, cookie } = issuer.mint(service.clock, { aud })
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_AUDIENCE', String(aud))
  }
})

test('E-03 with several issuers each has its own audience', async (t) => {
  const [a, b] = [await openIssuer(t), await openIssuer(t)]
  b.keys = [publicOf(keyOfB)]
  const service = await openService(t, {
    issuers: [
      { issuer: a.issuer, audience: 'for-a' },
      { issuer: b.issuer, audience: 'for-b' },
    ],
  })
  t.is(await statusOf(service, a.mint(service.clock, { aud: 'for-a' })), 200)
  t.is(await statusOf(service, b.mint(service.clock, { aud: 'for-b' }, {}, keyOfB)), 200)
  for (const { token, cookie } of [
    a.mint(service.clock, { aud: 'for-b' }),
    b.mint(service.clock, { aud: 'for-a' }, {}, keyOfB),
  ]) {
    await assertRefused(t, service, () => service.me(token, cookie), 'ERR_TOKEN_AUDIENCE')
  }
})

test('E-04 a token of staging is refused in production, though its issuer has the same name', async (t) => {
  const production = await openIssuer(t)
  const service = await openService(t, { issuer: production.issuer })
  const staging = production.mint(service.clock, {}, {}, keyOfB)
  await assertRefused(t, service, () => service.me(staging.token, staging.cookie), 'ERR_TOKEN_KEY')
  const renamed = production.mint(service.clock, {}, { kid: privateJwk.kid }, keyOfB)
  await assertRefused(t, service, () => service.me(renamed.token, renamed.cookie), 'ERR_TOKEN_SIGNATURE')
  const inHand = await openService(t, {
    issuer: production.issuer,
    keys: await createKeySet({ keys: [publicOf(privateJwk)] }),
  })
  t.is(await statusOf(inHand, production.mint(inHand.clock)), 200)
  await assertRefused(t, inHand, () => inHand.me(staging.token, staging.cookie), 'ERR_TOKEN_KEY')
})

test('E-02 each issuer is believed what it is trusted with: algorithms, lifetimes, claims and fingerprints of its own', async (t) => {
  const [a, b] = [await openIssuer(t), await openIssuer(t)]
  const rsa = await generateKey('RS256')
  for (const issuer of [a, b]) issuer.keys = [publicOf(privateJwk), publicOf(rsa)]
  const service = await openService(t, {
    issuers: [
      { issuer: a.issuer, audience: AUDIENCE, algorithms: ['ES256'], requiredClaims: ['tenant'] },
      { issuer: b.issuer, audience: AUDIENCE, fingerprint: 'none', maxLifetime: '24h' },
    ],
  })
  const exp = Math.floor(service.clock() / 1000) + 7200
  t.is(await statusOf(service, a.mint(service.clock, { tenant: 1 })), 200)
  t.is(await statusOf(service, b.mint(service.clock, { exp, fgp: undefined }, {}, rsa)), 200)
  for (const [pair, code] of [
    [a.mint(service.clock, { tenant: 1 }, {}, rsa), 'ERR_TOKEN_KEY'],
    [a.mint(service.clock), 'ERR_TOKEN_CLAIMS'],
    [a.mint(service.clock, { tenant: 1, exp }), 'ERR_TOKEN_CLAIMS'],
    [a.mint(service.clock, { tenant: 1, fgp: undefined }), 'ERR_TOKEN_CLAIMS'],
  ] as const) {
    await assertRefused(t, service, () => service.me(pair.token, pair.cookie), code)
  }
})
