// Microseconds for one verification at a service: `createVerifier` with keys that it fetched, beside bare jose with a key
// in hand, the same token, the same run. Warm: the keys are there. Cold: a verifier is built, fetches keys from an issuer
// on this machine and verifies its first token. Introspection: a service that asks a kit on this machine each time, beside
// one that keeps the answer. `npm run bench:split`. The ratio is the figure; the times are this
// machine's.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createRemoteJWKSet, jwtVerify, SignJWT } from 'jose'
import Koa from 'koa'
import { createKeySet, createSessionKit, memoryStore } from 'koa-holdfast'
import { createIntrospector, createVerifier, type ServiceVerifier } from 'koa-holdfast/verifier'

import { compare } from './compare.ts'

const keys = await createKeySet()
const key = keys.active
if (key === undefined) throw new Error('the key set has no active key')

const server = createServer((request, response) => {
  const body = request.url === '/jwks' ? keys.jwks() : { issuer, jwks_uri: `${issuer}/jwks` }
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on a port

const fingerprint = randomBytes(32).toString('base64url')
const iat = Math.floor(Date.now() / 1000)
const token = await new SignJWT({
  ...{ iss: issuer, sub: 'alice', aud: issuer, client_id: issuer, exp: iat + 3600, iat, auth_time: iat },
  ...{ jti: randomBytes(16).toString('base64url'), sid: randomBytes(16).toString('base64url'), roles: ['reader'] },
  fgp: createHash('sha256').update(fingerprint).digest('base64url'),
})
  .setProtectedHeader({ alg: key.alg, typ: 'at+jwt', kid: key.kid })
  .sign(key.signingKey)
const credentials = { token, fingerprints: [fingerprint] }
const rules = { algorithms: ['ES256'], issuer, audience: issuer, typ: 'at+jwt' }

const build = (): Promise<ServiceVerifier> => createVerifier({ issuer, audience: issuer, origin: issuer })
const loaded = await build()

const verifyJose = (): Promise<unknown> => jwtVerify(token, key.verifyingKey, rules)
const verifyWarm = (): Promise<unknown> => loaded.verify(credentials)
const verifyCold = async (): Promise<unknown> => (await build()).verify(credentials)
const coldJose = (): Promise<unknown> => jwtVerify(token, createRemoteJWKSet(new URL(`${issuer}/jwks`)), rules)

await Promise.all([verifyJose(), verifyWarm(), verifyCold(), coldJose()]) // all accept it, or this throws

console.log(`Node ${process.version}, ES256, ${token.length} bytes, every check of a service`)
const local = ['jose.jwtVerify, key in hand', verifyJose] as const
const warm = { works: [local, ['the service', verifyWarm]], batch: 192, pairs: 101, warmUp: 20 } as const
await compare('warm, one at a time', { ...warm, inFlight: 1 })
await compare('warm, 64 in flight', { ...warm, inFlight: 64 })
const cold = { batch: 1, pairs: 301, warmUp: 50, inFlight: 1 }
await compare('cold', { ...cold, works: [local, ['the service, metadata and keys fetched', verifyCold]] })
await compare('cold', {
  ...cold,
  works: [
    ['jose, keys fetched', coldJose],
    ['the service, both fetched', verifyCold],
  ],
})
server.close()
server.closeAllConnections()

const issuing = createServer().listen(0, '127.0.0.1')
await once(issuing, 'listening')
const asked = `http://127.0.0.1:${(issuing.address() as AddressInfo).port}` // it listens on a port
const secret = randomBytes(32).toString('hex')
const kit = await createSessionKit({
  ...{ issuer: asked, keys: await createKeySet(), store: memoryStore(), limiter: false },
  clients: [{ id: 'bench', secret, audience: asked }],
  authenticate: () => ({ sub: 'alice' }),
})
const answer = new Koa().use(kit.routes()).callback()
issuing.on('request', (request, response) => void answer(request, response))
const login = await fetch(`${asked}/auth/login`, {
  ...{ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' },
})
const { access_token: own } = (await login.json()) as { readonly access_token: string } // the kit answers so
const [cookie = ''] = login.headers.getSetCookie()
const pair = { token: own, fingerprints: [cookie.slice(cookie.indexOf('=') + 1, cookie.indexOf(';'))] }
const asking = { issuer: asked, audience: asked, origin: asked, client: { id: 'bench', secret } }
const [always, kept] = [
  await createIntrospector({ ...asking, cache: { active: 0 } }),
  await createIntrospector({ ...asking, cache: { active: 3600 } }),
]
await compare('introspection, one at a time', {
  ...{ batch: 16, pairs: 101, warmUp: 20, inFlight: 1 },
  works: [
    ['the answer kept', () => kept.verify(pair)],
    ['asked each time', () => always.verify(pair)],
  ],
})
await kit.close()
issuing.close()
issuing.closeAllConnections()
