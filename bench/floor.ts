// What a hit and a refresh are made of: each piece by itself, at its best, in a process that does nothing else. What is
// timed is the built package.

import { createHmac, createPrivateKey, type JsonWebKey, randomBytes, sign } from 'node:crypto'

import { generateKey, memoryStore } from 'koa-holdfast'

import { digestFingerprint } from '../dist/fingerprint.js'
import { createOutbox } from '../dist/outbox.js'
import { createRevocationList } from '../dist/revocation.js'
import { digestToken } from '../dist/token-cache.js'

/** A piece, and how many microseconds it takes. */
export interface Piece {
  readonly of: string
  readonly what: string
  readonly microseconds: number
}

const ROUNDS = process.argv[2] === 'quick' ? 3 : 300
const CALLS = 1024

const jwk = await generateKey()
const issuer = 'https://app.example'
const store = memoryStore()
const outbox = createOutbox(Date.now)
const times = { retention: 3605, clockTolerance: 0, maxStaleness: 5, clock: Date.now }
const revocations = await createRevocationList({ issuer, store, outbox, ...times })
const key = createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })

const draw = (bytes: number): string => randomBytes(bytes).toString('base64url')
// As long as those of a session with one role.
const tokens = Array.from({ length: 256 }, () => draw(468))
const values = Array.from({ length: 256 }, () => draw(32))
const input = randomBytes(530)
const claims = { iss: issuer, sub: 'u-4711', sid: draw(16), jti: draw(16), kid: draw(32), iat: 1, exp: Date.now() }
const record = { key: 'one', expires: Date.now() + 3_600_000, value: { all: draw(450) } }
await store.set('session', record)
const pieces: Piece[] = []
let next = 0
const at = <T>(all: readonly T[]): T | undefined => all[(next = (next + 1) % all.length)]

/** The least of many rounds. */
async function time(of: string, what: string, work: () => unknown): Promise<void> {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < CALLS; i += 1) {
      const answer = work()
      if (answer instanceof Promise) await answer
    }
    least = Math.min(least, Number(process.hrtime.bigint() - start) / 1000 / CALLS)
  }
  pieces.push({ of, what, microseconds: least })
}

const HIT = 'a token seen before'
await time(HIT, 'SHA-256 of the token', () => digestToken(at(tokens) ?? ''))
await time(HIT, "SHA-256 of the cookie's value", () => digestFingerprint(at(values) ?? '', 'base64url'))
await time(HIT, 'four questions to the revocation list', () => revocations.has(claims))
const REFRESH = 'refresh, memory'
await time(REFRESH, 'ES256 signature', () => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' }))
await time(REFRESH, 'two HMACs, for the next secret and the next fingerprint', () =>
  [0, 1].map(() =>
    createHmac('sha512', at(values) ?? '')
      .update(`refresh ${values[0]}`)
      .digest(),
  ),
)
await time(REFRESH, 'the record, read and written', async () => {
  await store.get('session', 'one')
  await store.set('session', record)
})
process.send?.(pieces)
