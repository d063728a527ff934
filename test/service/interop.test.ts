// Tokens of other people's issuers at our service: oidc-provider, a real one found by its metadata, and jose alone.

import type { IncomingMessage, ServerResponse } from 'node:http'

import test, { type ExecutionContext } from 'ava'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type AsymmetricSigningAlgorithm, Provider } from 'oidc-provider'

import { type Algorithm, generateKey } from '../../src/index.ts'
import { createClock } from '../helpers/app.ts'
import { headerOf, payloadOf } from '../helpers/decode.ts'
import { assertRefused } from '../helpers/refused.ts'
import { AUDIENCE, openIssuer, openPort, openService } from '../helpers/service.ts'

const CLIENT = { client_id: 'machine', client_secret: 'a-secret-of-forty-three-characters-or-so-on' }

interface Minter {
  readonly issuer: string
  /** Asks its token endpoint, as a client does. */
  grant(parameters?: Readonly<Record<string, string>>): Promise<string>
  /** What a user would have come away with. */
  mint(accountId: string): Promise<string>
}

/** Starts oidc-provider for JWT access tokens. It always wants a key for RS256. */
async function openProvider(
  t: ExecutionContext,
  alg: Algorithm & AsymmetricSigningAlgorithm,
  path = '',
): Promise<Minter> {
  const { port, answer } = await openPort(t)
  const issuer = `http://127.0.0.1:${port}${path}`
  const [key, other] = [await generateKey(alg), await generateKey('RS256')]
  const resource = {
    scope: 'read write',
    audience: AUDIENCE,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg } },
  } as const
  const provider = new Provider(issuer, {
    jwks: { keys: alg === 'RS256' ? [key] : [key, other] },
    clients: [{ ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
    cookies: { keys: ['only for tests'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => ({ ...resource, accessTokenTTL: 900 }),
      },
    },
  })
  const handle = provider.callback()
  answer((request: IncomingMessage & { originalUrl?: string }, response: ServerResponse) => {
    const { url = '' } = request
    if (!url.startsWith(`${path}/`)) return response.writeHead(404).end()
    request.originalUrl = url
    request.url = url.slice(path.length)
    return handle(request, response)
  })
  return {
    issuer,
    async grant(parameters = {}) {
      const body = new URLSearchParams({ grant_type: 'client_credentials', ...CLIENT, scope: 'read', ...parameters })
      const response = await fetch(`${issuer}/token`, { method: 'POST', body })
      const { access_token: token } = (await response.json()) as { access_token: string }
      return token
    },
    async mint(accountId) {
      const client = await provider.Client.find(CLIENT.client_id)
      if (client === undefined) throw new Error('expected the client')
      const token = new provider.AccessToken({ accountId, client, grantId: 'a-grant', gty: 'authorization_code' })
      token.resourceServer = new provider.ResourceServer(AUDIENCE, { ...resource })
      token.scope = 'read write'
      return token.save()
    },
  }
}

for (const [alg, path] of [
  ['ES256', ''],
  ['RS256', ''],
  ['PS256', '/op'],
  ['EdDSA', '/tenants/one'],
] as const) {
  test.serial(
    `we accept access tokens of oidc-provider, found by discovery: ${alg}, issuer path '${path}'`,
    async (t) => {
      const provider = await openProvider(t, alg, path)
      const service = await openService(t, {
        issuer: provider.issuer,
        fingerprint: 'none',
        algorithms: [alg],
        testClock: createClock(Date.now()),
      })
      const token = await provider.grant()
      t.like(headerOf(token), { alg, typ: 'at+jwt' })
      const { status, json } = await service.me(token)
      t.is(status, 200)
      t.like(json['auth'], { sub: CLIENT.client_id, scope: ['read'], claims: { client_id: CLIENT.client_id } })
      const user = await provider.mint('alice')
      t.like((await service.me(user)).json['auth'], { sub: 'alice', scope: ['read', 'write'] })
      // It does look.
      const [head = '', payload = ''] = user.split('.')
      const other = `${head}.${payload}.${token.split('.')[2] ?? ''}`
      await assertRefused(t, service, () => service.me(other), 'ERR_TOKEN_SIGNATURE')
      service.clock.advance(3601)
      await assertRefused(t, service, () => service.me(user), 'ERR_TOKEN_EXPIRED')
    },
  )
}

test.serial(
  'tokens of oidc-provider are refused at another service, and where fingerprints are demanded',
  async (t) => {
    const provider = await openProvider(t, 'ES256')
    const common = { issuer: provider.issuer, testClock: createClock(Date.now()) }
    const token = await provider.grant()
    const elsewhere = await openService(t, { ...common, audience: 'https://other.example', fingerprint: 'none' })
    await assertRefused(t, elsewhere, () => elsewhere.me(token), 'ERR_TOKEN_AUDIENCE')
    const bound = await openService(t, common)
    await assertRefused(t, bound, () => bound.me(token), 'ERR_TOKEN_CLAIMS')
    const lax = await openService(t, { ...common, fingerprint: 'if-present' })
    t.is((await lax.me(token)).status, 200)
  },
)

for (const alg of ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const) {
  test(`we accept what jose alone signs by RFC 9068, and publishes: ${alg}`, async (t) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
    const issuer = await openIssuer(t, { path: '/by-hand', metadata: 'openid' })
    const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'by-hand', alg, use: 'sig' }
    issuer.keys = [jwk]
    const service = await openService(t, { issuer: issuer.issuer, fingerprint: 'none' })
    const now = Math.floor(service.clock() / 1000)
    const sign = (typ: string): Promise<string> =>
      new SignJWT({ client_id: 'a-client', scope: 'read' })
        .setProtectedHeader({ alg, typ, kid: 'by-hand' })
        .setIssuer(issuer.issuer)
        .setAudience(AUDIENCE)
        .setSubject('alice')
        .setJti('an-id')
        .setIssuedAt(now)
        .setExpirationTime(now + 300)
        .sign(privateKey)
    for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT']) {
      const token = await sign(typ)
      t.is((await service.me(token)).status, 200, typ)
      t.is(payloadOf(token)['sub'], 'alice')
    }
    const id = await sign('JWT')
    await assertRefused(t, service, () => service.me(id), 'ERR_TOKEN_TYPE')
  })
}
