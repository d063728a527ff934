// Microseconds for one verification: the kit's whole sequence beside bare jose, the same token, the same run.
// `npm run bench`. The ratio is the figure; the times are this machine's.

import { jwtVerify } from 'jose'
import { createKeySet, memoryStore } from 'koa-holdfast'

import { createRevocationList } from '../src/revocation.ts'
import { createSessions } from '../src/session/sessions.ts'
import { createIssuer } from '../src/session/issue.ts'
import { createEvents } from '../src/events.ts'
import { createOutbox } from '../src/outbox.ts'
import { createTokenVerifier } from '../src/verifier.ts'
import { compare } from './compare.ts'

const PAIRS = 101
const issuer = 'https://app.example'
const settings = {
  issuer,
  audience: [issuer],
  format: 'base64url',
  clockTolerance: 0,
  maxLifetime: 3600,
  requiredClaims: ['sid'],
  binding: 'required',
  lifetime: 900,
  limits: { absolute: 28_800, idle: 1800 },
  rememberedLimits: { absolute: 28_800, idle: 1800 },
  maxSessions: Infinity,
  onMaxSessions: 'evict',
  isPersistent: true,
  grace: 10,
  maxBytes: 8192,
  clock: Date.now,
  steadyClock: Date.now,
} as const

const keys = await createKeySet()
const store = memoryStore()
const outbox = createOutbox(Date.now)
const revocations = await createRevocationList({ ...settings, store, retention: 3605, maxStaleness: 5, outbox })
const signer = createIssuer({ ...settings, keys, revocations })
const events = createEvents(Date.now)
const sessions = createSessions({ ...settings, issuer: signer, store, revocations, events, outbox })
const verifier = createTokenVerifier({ ...settings, keys, revocations, typ: 'at+jwt' })
const started = await sessions.start({ sub: 'alice', claims: { roles: ['reader'] } }, { replaces: [] })
const {
  access: { token: accessToken },
  fingerprints,
} = started
const key = keys.active?.verifyingKey
if (key === undefined) throw new Error('the key set has no active key')

const verifyKit = async (): Promise<unknown> => verifier.verify({ token: accessToken, fingerprints })
const verifyJose = (): Promise<unknown> =>
  jwtVerify(accessToken, key, { algorithms: ['ES256'], issuer, audience: issuer, typ: 'at+jwt' })

await Promise.all([verifyKit(), verifyJose()]) // both accept it, or this throws

console.log(`Node ${process.version}, ES256, ${accessToken.length} bytes, every check of the kit, ${PAIRS} pairs`)
const comparison = {
  works: [
    ['jose.jwtVerify', verifyJose],
    ['the kit', verifyKit],
  ],
  batch: 192,
  pairs: PAIRS,
  warmUp: 20,
} as const
await compare('one at a time', { ...comparison, inFlight: 1 })
await compare('64 in flight', { ...comparison, inFlight: 64 })
