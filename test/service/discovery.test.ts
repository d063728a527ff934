// Where the keys are, by the issuer's metadata: exactly that issuer's, or the service does not start.

import test, { type ExecutionContext } from 'ava'

import { createVerifier, type VerifierOptions } from '../../src/service.ts'
import { privateJwk } from '../helpers/app.ts'
import { answerJson, AUDIENCE, openIssuer, openService, publicOf, statusOf, toLoopback } from '../helpers/service.ts'

const OAUTH = '/.well-known/oauth-authorization-server'
const OPENID = '/.well-known/openid-configuration'

/** Builds a verifier that ends with the test. */
async function build(t: ExecutionContext, options: VerifierOptions): Promise<void> {
  const verifier = await createVerifier({ audience: AUDIENCE, fingerprint: 'none', ...options })
  t.teardown(() => verifier.close())
}

for (const [path, metadata, asked] of [
  ['', 'oauth', [OAUTH]],
  ['', 'openid', [OAUTH, OPENID]],
  ['/tenant', 'oauth', [`${OAUTH}/tenant`]],
  ['/tenant', 'openid', [`${OAUTH}/tenant`, `/tenant${OPENID}`]],
  ['/realms/one', 'openid', [`${OAUTH}/realms/one`, `/realms/one${OPENID}`]],
  // OpenID Connect Discovery 4.1 and RFC 8414 3.1: a slash at the end belongs to the name, and not to the address.
  ['/', 'oauth', [OAUTH]],
  ['/tenant/', 'openid', [`${OAUTH}/tenant`, `/tenant${OPENID}`]],
] as const) {
  test(`KY-17 the metadata (${metadata}) of an issuer with the path '${path}' is found, and its keys by it`, async (t) => {
    const issuer = await openIssuer(t, { path, metadata })
    const service = await openService(t, { issuer: issuer.issuer })
    t.deepEqual(issuer.asked, [...asked, '/keys'])
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  })
}

test('KY-17 metadata that names another issuer is a mistake, and says so when the verifier is built', async (t) => {
  const issuer = await openIssuer(t, { path: '/tenant' })
  const jwks_uri = issuer.jwksUri
  for (const named of [
    `${issuer.issuer}/`,
    issuer.issuer.replace('/tenant', ''),
    issuer.issuer.replace('127.0.0.1', 'localhost'),
    issuer.issuer.toUpperCase(),
    'https://evil.example',
    [issuer.issuer],
    null,
    undefined,
  ]) {
    issuer.answers.set(`${OAUTH}/tenant`, answerJson({ issuer: named, jwks_uri }))
    const error = await t.throwsAsync(build(t, { issuer: issuer.issuer }), { instanceOf: TypeError }, String(named))
    t.regex(error.message, /^issuer: expected what the issuer's metadata says to the letter, got /)
  }
  t.is(issuer.fetches, 0)
})

test('KY-17 KY-06 metadata that names no safe address is a mistake too', async (t) => {
  const issuer = await openIssuer(t)
  for (const jwks_uri of [
    'http://keys.example/jwks',
    'http://169.254.169.254/latest/meta-data',
    'http://127.0.0.1.evil.example/',
    'https://user:password@keys.example/jwks',
    'file:///etc/passwd',
    'data:application/json,{"keys":[]}',
    '/jwks',
    '',
    [issuer.jwksUri],
    undefined,
  ]) {
    issuer.answers.set(OAUTH, answerJson({ issuer: issuer.issuer, jwks_uri }))
    const error = await t.throwsAsync(build(t, { issuer: issuer.issuer }), { instanceOf: TypeError }, String(jwks_uri))
    t.regex(error.message, /^issuer: expected one whose metadata has an https jwks_uri, got /)
  }
  t.is(issuer.fetches, 0)
})

test('KY-06 an https issuer cannot send the service to plain http, not even on its own machine', async (t) => {
  const issuer = await openIssuer(t)
  issuer.answers.set(OAUTH, answerJson({ issuer: 'https://issuer.example', jwks_uri: issuer.jwksUri }))
  const error = await t.throwsAsync(
    build(t, { issuer: 'https://issuer.example', fetch: toLoopback('https://issuer.example', issuer.issuer) }),
    { instanceOf: TypeError },
  )
  t.regex(error.message, /jwks_uri/)
  t.is(issuer.fetches, 0)
})

test('KY-17 an issuer that is down, or is not itself, when the service starts is asked again', async (t) => {
  for (const fail of [
    (request: { socket: { destroy(): unknown } }) => request.socket.destroy(),
    (_request: unknown, response: { writeHead(status: number): { end(): unknown } }) => response.writeHead(503).end(),
  ]) {
    const issuer = await openIssuer(t)
    const metadata = issuer.answers.get(OAUTH)
    issuer.answers.set(OAUTH, fail)
    const service = await openService(t, { issuer: issuer.issuer })
    t.is(await statusOf(service, issuer.mint(service.clock)), 503)
    if (metadata !== undefined) issuer.answers.set(OAUTH, metadata)
    service.clock.advance(30)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  }
})

test('KY-17 metadata that turns into that of another issuer later changes no keys', async (t) => {
  const issuer = await openIssuer(t)
  const evil = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  issuer.answers.set(OAUTH, answerJson({ issuer: evil.issuer, jwks_uri: evil.jwksUri }))
  service.clock.advance(600)
  t.is(await statusOf(service, issuer.mint(service.clock)), 200, 'by the keys at hand, for their time')
  t.deepEqual(evil.asked, [])
  service.clock.advance(3600)
  t.is(await statusOf(service, issuer.mint(service.clock)), 503)
})

test('an address that is given is asked, and no metadata', async (t) => {
  const issuer = await openIssuer(t, { metadata: 'none' })
  const service = await openService(t, { issuer: issuer.issuer, keys: { jwksUri: issuer.jwksUri } })
  t.deepEqual(issuer.asked, ['/keys'])
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
})

test('several issuers are asked at the same time', async (t) => {
  const slow = await Promise.all([openIssuer(t), openIssuer(t), openIssuer(t)])
  let waiting = 0
  for (const issuer of slow) {
    issuer.keys = [publicOf(privateJwk)]
    const answer = issuer.answers.get('/keys')
    issuer.answers.set('/keys', (...pair) => {
      waiting += 1
      const timer = setInterval(() => {
        if (waiting < slow.length) return
        clearInterval(timer)
        void answer?.(...pair)
      }, 5)
    })
  }
  const trust = { audience: AUDIENCE }
  const service = await openService(t, { issuers: slow.map(({ issuer }) => ({ issuer, ...trust })) })
  for (const issuer of slow) t.is(await statusOf(service, issuer.mint(service.clock)), 200)
})
