// Other people's software reads our tokens, asks us about them and revokes them, and we read theirs: oauth4webapi,
// openid-client, jsonwebtoken, fast-jwt and jose, each with what a running app shows of its keys and endpoints. The app's issuer is its own address on this machine.

import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { Router } from '@koa/router'
import test, { type ExecutionContext } from 'ava'
import { createSigner, createVerifier, type Algorithm as FastAlgorithm } from 'fast-jwt'
import { createRemoteJWKSet, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import Koa from 'koa'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

import {
  type Algorithm,
  type AuthState,
  type ClientOptions,
  createKeySet,
  createSessionKit,
  generateKey,
  memoryStore,
} from '../src/index.ts'
import { headerOf } from './helpers/decode.ts'

interface LocalApp {
  readonly issuer: string
  /** The private key, or the secret. */
  readonly jwk: JWK
  readonly kid: string
  login(): Promise<{ token: string; cookie: string }>
  me(token: string, cookie: string): Promise<number>
}

const rsa = await generateKey('RS256')
const okp = await generateKey('EdDSA')

/** A private key for the algorithm. One RSA key does for both its algorithms: they are in different apps. */
async function keyFor(alg: Algorithm): Promise<JWK> {
  if (alg === 'RS256' || alg === 'PS256') return { ...rsa, alg }
  if (alg === 'EdDSA' || alg === 'Ed25519') return { ...okp, alg }
  return generateKey(alg)
}

async function startApp(
  t: ExecutionContext,
  alg: Algorithm,
  clients?: (issuer: string) => readonly ClientOptions[],
): Promise<LocalApp> {
  let listener: RequestListener | undefined
  // The port comes first: it is part of the issuer.
  const server = createServer((request, response) => listener?.(request, response)).listen(0, 'localhost')
  await once(server, 'listening')
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`
  const jwk = await keyFor(alg)
  const keys = await createKeySet({ keys: [jwk] })
  const kit = await createSessionKit({
    issuer,
    keys,
    store: memoryStore(),
    ...(clients !== undefined && { clients: clients(issuer) }),
    authenticate: () => ({ sub: 'alice', scope: 'read write', claims: { theme: 'dark' } }),
  })
  const koa = new Koa()
  const router = new Router<AuthState>()
  router.get('/me', kit.protect(), (ctx) => {
    ctx.body = ctx.state.auth.sub
  })
  koa
    .use(kit.protect({ optional: true }))
    .use(kit.routes())
    .use(router.routes())
  const handle = koa.callback()
  listener = (request, response) => void handle(request, response)
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await kit.close()
  })
  return {
    issuer,
    jwk,
    kid: keys.active?.kid ?? '',
    async login() {
      const headers = { 'Content-Type': 'application/json' }
      const response = await fetch(`${issuer}/auth/login`, { method: 'POST', headers, body: '{}' })
      const body = (await response.json()) as { access_token: string }
      return { token: body.access_token, cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? '' }
    },
    async me(token, cookie) {
      const response = await fetch(`${issuer}/me`, { headers: { Authorization: `Bearer ${token}`, Cookie: cookie } })
      await response.arrayBuffer()
      return response.status
    },
  }
}

const KEY_PAIRS: readonly Algorithm[] = ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'Ed25519']
const SECRETS: readonly Algorithm[] = ['HS256', 'HS384', 'HS512']
const isSecret = (alg: Algorithm): boolean => SECRETS.includes(alg)

// What each library knows: jsonwebtoken no Edwards curves, fast-jwt them only by their older name.
const JSONWEBTOKEN: readonly Algorithm[] = ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', ...SECRETS]
const FAST_JWT: readonly Algorithm[] = [...JSONWEBTOKEN, 'EdDSA']

/** The key that the JWKS route shows for the token, as PEM; a secret is never shown, so it is the one we know. */
async function verifyingKey(app: LocalApp, alg: Algorithm, token: string): Promise<string | Buffer> {
  const { keys } = (await (await fetch(`${app.issuer}/.well-known/jwks.json`)).json()) as { keys: JWK[] }
  const { kid } = headerOf(token)
  if (isSecret(alg)) return Buffer.from(app.jwk.k ?? '', 'base64url')
  const jwk = keys.find((key) => key.kid === kid) as Record<string, string>
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' })
}

function signingKey(app: LocalApp, alg: Algorithm): KeyObject | Buffer {
  if (isSecret(alg)) return Buffer.from(app.jwk.k ?? '', 'base64url')
  return createPrivateKey({ key: app.jwk as Record<string, string>, format: 'jwk' })
}

for (const alg of KEY_PAIRS) {
  test(`oauth4webapi finds issuer and key by itself and accepts our token as an access token: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { token } = await app.login()
    const insecure = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(app.issuer)
    const discovery = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
    const server = await oauth.processDiscoveryResponse(issuer, discovery)
    const present = (value: string): Request => new Request(`${app.issuer}/me`, { headers: { Authorization: value } })
    const options = { ...insecure, signingAlgorithms: [alg] }
    const claims = await oauth.validateJwtAccessToken(server, present(`Bearer ${token}`), app.issuer, options)
    t.is(claims.sub, 'alice')
    t.is(claims.client_id, app.issuer)
    t.is(claims.scope, 'read write')
    t.is(claims['theme'], 'dark')
    // It does look: another audience, or another signature, is refused.
    await t.throwsAsync(oauth.validateJwtAccessToken(server, present(`Bearer ${token}`), 'https://x.example', options))
    const [h = '', p = ''] = token.split('.')
    const other = `${h}.${p}.${(await app.login()).token.split('.')[2] ?? ''}`
    await t.throwsAsync(oauth.validateJwtAccessToken(server, present(`Bearer ${other}`), app.issuer, options))
  })

  test(`jose accepts our token with a remote JWKS: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { token } = await app.login()
    const keys = createRemoteJWKSet(new URL(`${app.issuer}/.well-known/jwks.json`))
    const { payload } = await jwtVerify(token, keys, {
      algorithms: [alg],
      issuer: app.issuer,
      audience: app.issuer,
      typ: 'at+jwt',
      requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'sid', 'fgp'],
    })
    t.is(payload.sub, 'alice')
  })
}

for (const alg of JSONWEBTOKEN) {
  test(`jsonwebtoken accepts our token: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { token } = await app.login()
    const key = await verifyingKey(app, alg, token)
    const options = { algorithms: [alg as jsonwebtoken.Algorithm], issuer: app.issuer, audience: app.issuer }
    t.is((jsonwebtoken.verify(token, key, options) as jsonwebtoken.JwtPayload).sub, 'alice')
    t.throws(() => jsonwebtoken.verify(token, key, { ...options, audience: 'x' }), { any: true })
  })
}

for (const alg of FAST_JWT) {
  test(`fast-jwt accepts our token: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { token } = await app.login()
    const key = await verifyingKey(app, alg, token)
    const options = { key, algorithms: [alg as FastAlgorithm], allowedIss: app.issuer, checkTyp: 'at+jwt' }
    const verify = createVerifier({ ...options, allowedAud: app.issuer, requiredClaims: ['exp', 'iat', 'jti', 'sub'] })
    t.is((verify(token) as { sub: string }).sub, 'alice')
    t.throws(() => createVerifier({ ...options, allowedAud: 'x' })(token) as unknown)
  })
}

for (const alg of SECRETS) {
  test(`a secret is in no JWKS: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const text = await (await fetch(`${app.issuer}/.well-known/jwks.json`)).text()
    t.is(text, '{"keys":[]}')
  })
}

interface Minted {
  readonly claims: Readonly<Record<string, unknown>>
  readonly header: { readonly alg: string; readonly typ: string; readonly kid: string }
  readonly cookie: string
}

/** The claims and header of a token that the app would issue now, and the cookie that fits. */
function mint(app: LocalApp, alg: Algorithm): Minted {
  const iat = Math.floor(Date.now() / 1000)
  const value = randomBytes(32).toString('base64url')
  const claims = {
    ...{ iss: app.issuer, sub: 'alice', aud: app.issuer, client_id: app.issuer, exp: iat + 900, iat, auth_time: iat },
    ...{ jti: randomBytes(16).toString('base64url'), sid: randomBytes(16).toString('base64url') },
    fgp: createHash('sha256').update(value).digest('base64url'),
  }
  return { claims, header: { alg, typ: 'at+jwt', kid: app.kid }, cookie: `__Secure-Fgp=${value}` }
}

/** Asserts that the kit takes the token with its cookie, and not with another. */
async function assertAccepted(t: ExecutionContext, app: LocalApp, token: string, cookie: string): Promise<void> {
  t.is(await app.me(token, cookie), 200)
  t.is(await app.me(token, mint(app, 'ES256').cookie), 401)
}

for (const alg of JSONWEBTOKEN) {
  test(`we accept a token minted by jsonwebtoken, with its cookie: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { claims, header, cookie } = mint(app, alg)
    const key = signingKey(app, alg)
    const token = jsonwebtoken.sign(claims, key, { algorithm: alg as jsonwebtoken.Algorithm, header })
    await assertAccepted(t, app, token, cookie)
  })
}

for (const alg of FAST_JWT) {
  test(`we accept a token minted by fast-jwt, with its cookie: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { claims, header, cookie } = mint(app, alg)
    const secret = signingKey(app, alg)
    const key = Buffer.isBuffer(secret) ? secret : secret.export({ format: 'pem', type: 'pkcs8' })
    const token = createSigner({ key, algorithm: alg as FastAlgorithm, header })({ ...claims })
    await assertAccepted(t, app, token, cookie)
  })
}

for (const alg of [...KEY_PAIRS, ...SECRETS]) {
  test(`we accept a token minted by jose, with its cookie: ${alg}`, async (t) => {
    const app = await startApp(t, alg)
    const { claims, header, cookie } = mint(app, alg)
    const token = await new SignJWT({ ...claims }).setProtectedHeader(header).sign(await importJWK(app.jwk, alg))
    await assertAccepted(t, app, token, cookie)
  })
}

test('a pair that the app itself issued passes, so the ones above are measured with the right stick', async (t) => {
  const app = await startApp(t, 'ES256')
  const { token, cookie } = await app.login()
  await assertAccepted(t, app, token, cookie)
})

interface AskingClient {
  readonly id: string
  readonly options: (issuer: string) => ClientOptions
  readonly auth: oauth.ClientAuth
  /** The same for openid-client. */
  readonly openidAuth: openid.ClientAuth
}

/** A client that may do everything with this app's tokens, and a library's way to authenticate it. */
function withSecret(
  id: string,
  way: (secret: string) => oauth.ClientAuth,
  openidWay: (secret: string) => openid.ClientAuth,
): AskingClient {
  const secret = randomBytes(32).toString('hex')
  return {
    id,
    options: (audience) => ({ id, secret, audience, revoke: true, claims: ['theme'] }),
    auth: way(secret),
    openidAuth: openidWay(secret),
  }
}

/** The same with a key; a `kid` is not all clients' habit. */
async function withKey(id: string, alg: Algorithm, isNamed: boolean): Promise<AskingClient> {
  const set = await createKeySet({ keys: [await keyFor(alg)] })
  const keys = set.jwks()
  const kid = set.active?.kid ?? ''
  const key = set.active?.signingKey as oauth.CryptoKey // one that signs, and node's is the one of the web
  return {
    id,
    options: (audience) => ({ id, keys, audience, revoke: true, claims: ['theme'] }),
    auth: oauth.PrivateKeyJwt(isNamed ? { key, kid } : key),
    openidAuth: openid.PrivateKeyJwt(isNamed ? { key, kid } : key),
  }
}

const ASKING: Readonly<Record<string, () => AskingClient | Promise<AskingClient>>> = {
  client_secret_basic: () =>
    withSecret("https://a.example/~b:c?d=(e)&f'%", oauth.ClientSecretBasic, openid.ClientSecretBasic),
  client_secret_post: () => withSecret('a_&_b_=_c_+_d', oauth.ClientSecretPost, openid.ClientSecretPost),
  'private_key_jwt ES256': () => withKey('es', 'ES256', true),
  'private_key_jwt ES512 without kid': () => withKey('es-unnamed', 'ES512', false),
  'private_key_jwt PS256': () => withKey('ps', 'PS256', true),
  'private_key_jwt RS256': () => withKey('rs', 'RS256', false),
  'private_key_jwt Ed25519': () => withKey('ed', 'Ed25519', true),
}

for (const [name, create] of Object.entries(ASKING)) {
  test(`oauth4webapi discovers, introspects and revokes: ${name}`, async (t) => {
    const { id, options, auth } = await create()
    const app = await startApp(t, 'ES256', (issuer) => [options(issuer)])
    const insecure = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(app.issuer)
    const discovery = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
    const server = await oauth.processDiscoveryResponse(issuer, discovery)
    const method = name.split(' ')[0] ?? ''
    t.true(server.introspection_endpoint_auth_methods_supported?.includes(method))
    t.true(server.revocation_endpoint_auth_methods_supported?.includes(method))
    const client = { client_id: id }
    const ask = async (token: string): Promise<oauth.IntrospectionResponse> => {
      const response = await oauth.introspectionRequest(server, client, auth, token, insecure)
      return oauth.processIntrospectionResponse(server, client, response)
    }
    const { token } = await app.login()
    t.like(await ask(token), { active: true, sub: 'alice', scope: 'read write', theme: 'dark', token_type: 'Bearer' })
    t.deepEqual(await ask('garbage'), { active: false })
    const revocation = await oauth.revocationRequest(server, client, auth, token, insecure)
    t.is(await oauth.processRevocationResponse(revocation), undefined)
    t.deepEqual(await ask(token), { active: false })
    // A wrong secret is understood as what it is.
    const wrong = oauth.ClientSecretBasic('x')
    const refused = await oauth.introspectionRequest(server, client, wrong, token, insecure)
    const error = await t.throwsAsync(oauth.processIntrospectionResponse(server, client, refused))
    t.like(error, { code: oauth.WWW_AUTHENTICATE_CHALLENGE, cause: { 0: { scheme: 'basic' } } })
  })

  test(`openid-client discovers, introspects and revokes: ${name}`, async (t) => {
    const { id, options, openidAuth } = await create()
    const app = await startApp(t, 'ES256', (issuer) => [options(issuer)])
    const insecure: openid.DiscoveryRequestOptions = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] }
    const config = await openid.discovery(new URL(app.issuer), id, undefined, openidAuth, insecure)
    const { token } = await app.login()
    t.like(await openid.tokenIntrospection(config, token), { active: true, sub: 'alice', client_id: app.issuer })
    await openid.tokenRevocation(config, token, { token_type_hint: 'access_token' })
    t.deepEqual(await openid.tokenIntrospection(config, token), { active: false })
    await t.notThrowsAsync(openid.tokenRevocation(config, 'garbage'))
    const stranger = await openid.discovery(new URL(app.issuer), 'nobody', undefined, openidAuth, insecure)
    await t.throwsAsync(openid.tokenIntrospection(stranger, token))
  })
}

test('oauth4webapi reads what went wrong at the endpoints: the token of another, and a request that is none', async (t) => {
  const { id, options, auth } = withSecret('a', oauth.ClientSecretPost, openid.ClientSecretPost)
  const app = await startApp(t, 'ES256', () => [options('https://other.example')])
  const server = { issuer: app.issuer, revocation_endpoint: `${app.issuer}/auth/revoke` }
  const client = { client_id: id }
  const insecure = { [oauth.allowInsecureRequests]: true }
  const { token } = await app.login()
  const refused = await oauth.revocationRequest(server, client, auth, token, insecure)
  await t.throwsAsync(oauth.processRevocationResponse(refused), { code: oauth.WWW_AUTHENTICATE_CHALLENGE })
  const twice = { ...insecure, additionalParameters: { client_assertion: 'x' } }
  const ambiguous = await oauth.revocationRequest(server, client, auth, token, twice)
  const error = await t.throwsAsync(oauth.processRevocationResponse(ambiguous), { code: oauth.RESPONSE_BODY_ERROR })
  t.like(error, { error: 'invalid_request', status: 400 })
})
