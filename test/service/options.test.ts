// What a verifier is not built with: every mistake is found before the first request, and says what was expected.

import test from 'ava'

import { createKeySet, generateKey, memoryStore } from '../../src/index.ts'
import { createVerifier, type VerifierOptions } from '../../src/service.ts'
import { privateJwk } from '../helpers/app.ts'
import { publicOf } from '../helpers/service.ts'

const issuer = 'https://app.example'
const keys = await createKeySet({ keys: [publicOf(privateJwk)] })
const signing = await createKeySet({ keys: [privateJwk] })
const secret = await createKeySet({ keys: [await generateKey('HS256')] })
const rsa = await createKeySet({ keys: [publicOf(await generateKey('RS256'))] })

/** Options that nothing is wrong with. */
const right = { issuer, audience: 'https://api.app.example', keys, origin: issuer } as const

const bare = { issuer, audience: 'x', keys }
const shared = { ...right, origin: 'https://api.app.example', cookie: { domain: 'app.example' } }

test('the options that the others are variations of are right', async (t) => {
  for (const options of [
    right,
    shared,
    { ...right, origin: 'https://app.example:8443' },
    { ...shared, cookie: { domain: 'APP.example' } },
    { ...right, cookie: { name: '__Host-Fgp' } },
    { ...right, fingerprint: 'none', origin: undefined },
    { ...right, fingerprint: 'if-present', origin: undefined },
    { ...right, fingerprint: 'if-present', origin: 'https://other.example' },
    { ...right, fingerprint: 'none', origin: 'https://other.example' },
    { issuers: [{ issuer, audience: 'x', keys, fingerprint: 'none' }] },
  ]) {
    const verifier = await createVerifier(options as VerifierOptions)
    await verifier.close()
    t.pass()
  }
})

const elsewhere =
  /^cookie\.domain: expected a domain that app\.example and .* share, and the same in the issuer's options/

const WRONG: readonly (readonly [label: string, options: unknown, message: RegExp])[] = [
  ['KY-13 a private key', { ...right, keys: signing }, /^keys: expected public keys only/],
  ['KY-13 a secret', { ...right, keys: secret }, /^keys: expected public keys only/],
  ['KY-13 a private JWK', { ...right, keys: { keys: [privateJwk] } }, /^keys: expected what createKeySet resolves to/],
  ['a promise of keys', { ...right, keys: Promise.resolve(keys) }, /put `await` before createKeySet/],
  [
    'a key for an algorithm that is not believed',
    { ...right, keys: rsa, algorithms: ['ES256'] },
    /^keys: expected keys for the algorithms ES256, got one for RS256/,
  ],
  [
    'KY-06 a plain http JWKS',
    { ...right, keys: { jwksUri: 'http://app.example/jwks' } },
    /^keys\.jwksUri: expected an https address/,
  ],
  [
    'KY-06 a JWKS that only looks like this machine',
    { ...right, keys: { jwksUri: 'http://127.0.0.1.evil.example/' } },
    /^keys\.jwksUri/,
  ],
  [
    'KY-06 a JWKS with a password',
    { ...right, keys: { jwksUri: 'https://me:pass@app.example/jwks' } },
    /^keys\.jwksUri/,
  ],
  [
    'a JWKS that is a URL object',
    { ...right, keys: { jwksUri: new URL('https://app.example/jwks') } },
    /^keys\.jwksUri/,
  ],
  [
    'a JWKS with more beside it',
    { ...right, keys: { jwksUri: 'https://app.example/jwks', kid: 'x' } },
    /^keys: expected only jwksUri/,
  ],
  [
    'KY-15 a secret among the algorithms',
    { ...right, algorithms: ['ES256', 'HS256'] },
    /^algorithms: expected asymmetric ones/,
  ],
  ['`none` among the algorithms', { ...right, algorithms: ['none'] }, /^algorithms: expected asymmetric ones/],
  ['no algorithm', { ...right, algorithms: [] }, /^algorithms: expected asymmetric ones/],
  ['an algorithm without a list', { ...right, algorithms: 'ES256' }, /^algorithms: expected asymmetric ones/],
  ['an inherited name among the algorithms', { ...right, algorithms: ['constructor'] }, /^algorithms/],
  ['no issuer', { ...right, issuer: undefined }, /^issuer: expected its https URL/],
  ['a plain http issuer', { ...right, issuer: 'http://app.example' }, /^issuer/],
  ['an issuer with a query', { ...right, issuer: `${issuer}/?a` }, /^issuer/],
  ['an issuer with a fragment', { ...right, issuer: `${issuer}/#` }, /^issuer/],
  ['an issuer with a password', { ...right, issuer: 'https://a:b@app.example' }, /^issuer/],
  ['no audience', { ...right, audience: undefined }, /^audience/],
  ['an empty list of audiences', { ...right, audience: [] }, /^audience/],
  ['no issuers', { issuers: [] }, /^issuers: expected an array with at least one issuer/],
  ['an issuer twice', { issuers: [bare, bare], origin: issuer }, /^issuers: expected each issuer once/],
  [
    'an issuer beside issuers',
    { ...right, issuers: [{ issuer, audience: 'x', keys }] },
    /^issuer: expected it in each of issuers/,
  ],
  ['what belongs to all in one of issuers', { issuers: [{ ...right }] }, /^issuer: expected only /],
  ['a misspelt option', { ...right, algorithm: ['ES256'] }, /^options: expected only /],
  ['a misspelt option of jwks', { ...right, jwks: { ttl: 5 } }, /^jwks: expected only /],
  ['a misspelt option of the cookie', { ...right, cookie: { prefix: '__Host-' } }, /^cookie: expected only /],
  [
    'an unknown fingerprint policy',
    { ...right, fingerprint: false },
    /^fingerprint: expected 'required' or 'if-present' or 'none'/,
  ],
  ['an unknown format', { ...right, format: 'hex' }, /^fingerprint format/],
  ['claims that are no list', { ...right, requiredClaims: 'sid' }, /^requiredClaims/],
  ['a store that is none', { ...right, revocations: {} }, /^revocations: expected a store/],
  ['a lifetime that is none', { ...right, maxLifetime: 'long' }, /^maxLifetime/],
  ['a clock that is none', { ...right, clock: 5 }, /^clock: expected a function/],
  ['a fetch that is none', { ...right, fetch: 'fetch' }, /^fetch: expected a function/],
  ['too much tolerance', { ...right, clockTolerance: '6m' }, /^clockTolerance/],
  ['a cooldown of nothing', { ...right, jwks: { cooldown: 0 } }, /^jwks\.cooldown/],
  [
    'a cooldown beyond the age',
    { ...right, jwks: { maxAge: '1m', cooldown: '2m' } },
    /^jwks\.cooldown: expected 1 to 60 seconds/,
  ],
  ['keys for seconds', { ...right, jwks: { maxAge: 5 } }, /^jwks\.maxAge/],
  ['a timeout of minutes', { ...right, jwks: { timeout: '2m' } }, /^jwks\.timeout/],
  ['a grace of weeks', { ...right, jwks: { staleIfError: '2w' } }, /^jwks\.staleIfError/],
  ['FP-13 no origin', { ...right, origin: undefined }, /^origin: expected this service's origin/],
  ['an origin with a path', { ...right, origin: `${issuer}/api` }, /^origin: expected an origin such as/],
  ['FP-13 another host without a domain', { ...right, origin: 'https://api.app.example' }, elsewhere],
  ['FP-13 another host outside of the domain', { ...shared, origin: 'https://api.other.example' }, elsewhere],
  ['FP-13 a host that only ends like the domain', { ...shared, origin: 'https://evilapp.example' }, elsewhere],
  ['FP-13 an issuer outside of the domain', { ...shared, issuer: 'https://login.example' }, /^cookie\.domain/],
  ['FP-13 a sibling as the domain', { ...shared, cookie: { domain: 'api.app.example' } }, elsewhere],
  [
    'FP-13 a whole top-level domain',
    { ...shared, origin: 'https://b.example', cookie: { domain: 'example' } },
    /^cookie\.domain: expected a domain such as/,
  ],
  [
    'FP-13 a domain that starts with a dot',
    { ...shared, cookie: { domain: '.app.example' } },
    /^cookie\.domain: expected a domain such as/,
  ],
  ['FP-13 a domain that is no text', { ...right, cookie: { domain: 5 } }, /^cookie\.domain: expected a domain such as/],
  [
    'FP-13 localhost by two names',
    { ...right, issuer: 'http://localhost:3000', origin: 'http://127.0.0.1:3001' },
    /^cookie\.domain/,
  ],
  [
    'FP-13 a __Host- cookie on another host',
    { ...shared, cookie: { domain: 'app.example', name: '__Host-Fgp' } },
    /^cookie\.name: expected one that starts with __Secure- beside cookie\.domain/,
  ],
  [
    'FP-13 a __host- cookie in other letters',
    { ...shared, cookie: { domain: 'app.example', name: '__HOST-http-Fgp' } },
    /^cookie\.name/,
  ],
  ['a cookie without a prefix', { ...right, cookie: { name: 'Fgp' } }, /^cookie\.name/],
  ['a cookie name that is none', { ...right, cookie: { name: '__Secure-F;' } }, /^cookie\.name/],
  ['the development cookie elsewhere', { ...right, cookie: { development: true } }, /^cookie\.development/],
  ['tlsProxy as text', { ...right, cookie: { tlsProxy: 'true' } }, /^cookie\.tlsProxy/],
]

for (const [label, options, message] of WRONG) {
  test(`${label} is refused when the verifier is built`, async (t) => {
    // The cast is the mistake.
    const error = await t.throwsAsync(createVerifier(options as VerifierOptions), { instanceOf: TypeError, message })
    t.false(error.message.includes('pass'), 'a password is not repeated')
  })
}

test('KY-15 a set of key pairs and secrets is refused before it reaches a verifier', async (t) => {
  await t.throwsAsync(createKeySet({ keys: [publicOf(privateJwk), await generateKey('HS256')] }), {
    instanceOf: TypeError,
  })
})

test('a verifier that could not be built has let go of the stores that it follows', async (t) => {
  let following = 0
  const store = memoryStore()
  const revocations: typeof store = {
    ...store,
    async watch(listener) {
      const watch = await store.watch?.(listener)
      following += 1
      return { age: () => 0, stop: () => ((following -= 1), watch?.stop()) }
    },
  }
  const broken = { ...store, watch: () => Promise.reject(new Error('the store is down')) }
  const trust = { audience: 'x', keys, fingerprint: 'none' } as const
  await t.throwsAsync(
    createVerifier({
      issuers: [
        { issuer, revocations, ...trust },
        { issuer: 'https://b.example', revocations: broken, ...trust },
      ],
    }),
    { message: 'the store is down' },
  )
  t.is(following, 0)
})
