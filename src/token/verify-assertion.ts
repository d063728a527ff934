// Reads the JWT by which a client proves who it is (`private_key_jwt`), and verifies it. RFC 7523 section 3.

import { SessionError } from '../errors.ts'
import { type Algorithm, isAlgorithm } from '../keys/algorithms.ts'
import type { Key } from '../keys/key.ts'
import { type Milliseconds, type Seconds, toNumericDate } from '../time.ts'
import { CLOCK_SKEW, isText } from './claims.ts'
import type { JsonObject } from './json.ts'
import { parseJws } from './parse.ts'
import { verifySignature } from './signature.ts'

/** An assertion that has the right form. Nothing in it is verified. */
export interface Assertion {
  readonly token: string
  readonly alg: Algorithm
  /** Not every client names its key. */
  readonly kid: string | undefined
  readonly payload: JsonObject
}

/** What an assertion must say. */
export interface AssertionRules {
  readonly client: string
  /** The names of this server; it must be for no other. */
  readonly audience: readonly string[]
  /** How far ahead `exp` may be: so long its `jti` is remembered. */
  readonly maxLifetime: Seconds
  readonly clockTolerance: Seconds
}

const MAX_BYTES = 8192

// None, or the general one that libraries set by themselves; of explicit types only its own, so that no other JWT that
// the client signs passes for an assertion (RFC 8725 section 3.11).
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt', 'client-authentication+jwt'])

/**
 * Parses an assertion.
 *
 * @throws SessionError with one of parseToken's codes
 */
export function parseAssertion(text: string): Assertion {
  return parseJws(text, MAX_BYTES, ({ typ, alg, kid }) => {
    if (!TYPES.has(typeof typ === 'string' ? typ.toLowerCase() : typ)) throw new SessionError('ERR_TOKEN_TYPE')
    if (!isAlgorithm(alg)) throw new SessionError('ERR_TOKEN_ALGORITHM')
    if (kid !== undefined && typeof kid !== 'string') throw new SessionError('ERR_TOKEN_KEY')
    return { alg, kid }
  })
}

/**
 * Verifies that one of the client's keys has signed it, for this server and for now.
 *
 * @returns its `jti`
 * @throws SessionError with ERR_TOKEN_KEY, ERR_TOKEN_ALGORITHM, ERR_TOKEN_SIGNATURE or ERR_TOKEN_CLAIMS
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-3
 */
export async function verifyAssertion(
  assertion: Assertion,
  keys: readonly Key[],
  rules: AssertionRules,
  now: Milliseconds,
): Promise<string> {
  await verifySignature(assertion, findKey(assertion, keys))
  const { iss, sub, aud, exp, nbf, iat, jti } = assertion.payload
  const seconds = toNumericDate(now)
  demand(iss === rules.client && sub === rules.client, 'iss, sub')
  // Every name, or another server that it is for as well could use it here.
  const audience: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  demand(audience.length > 0 && audience.every((name) => (rules.audience as unknown[]).includes(name)), 'aud')
  demand(typeof exp === 'number' && seconds < exp + rules.clockTolerance, 'exp')
  demand((exp as number) <= seconds + rules.maxLifetime + CLOCK_SKEW, 'exp') // it is a number
  for (const time of [nbf, iat]) {
    demand(time === undefined || (typeof time === 'number' && time <= seconds + CLOCK_SKEW), 'nbf, iat')
  }
  demand(isText(jti), 'jti')
  return jti as string // isText says so
}

/** The key that it names, or else the only one of its algorithm. */
function findKey({ kid, alg }: Assertion, keys: readonly Key[]): Key {
  const [key, ...others] = keys.filter((one) => (kid === undefined ? one.alg === alg : one.kid === kid))
  if (key === undefined || others.length > 0) throw new SessionError('ERR_TOKEN_KEY')
  return key
}

function demand(condition: boolean, claim: string): void {
  if (!condition) throw new SessionError('ERR_TOKEN_CLAIMS', { detail: claim })
}
