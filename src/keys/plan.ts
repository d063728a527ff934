// When keys change: every time follows from how long tokens live and how long the public keys are cached.

import type { KeyObject } from 'node:crypto'

import { assertKnown } from '../options/checks.ts'
import { describe } from '../describe.ts'
import { type Duration, parseDuration, type Seconds } from '../time.ts'
import { CLOCK_SKEW } from '../token/claims.ts'
import { type Algorithm, isAlgorithm, isSymmetric } from './algorithms.ts'
import { type KeyEncryptionKey, importEncryptionKeys } from './at-rest.ts'

/** Keys that the kit makes and replaces by itself, and keeps in the store, encrypted. */
export interface KeyRotation {
  /** How long each key signs. Long enough to publish a key before it does, and as long as its tokens live after. */
  readonly rotateEvery: Duration
  /** Of the keys that are made from now on; one of key pairs. @default 'ES256' */
  readonly algorithm?: Algorithm
  /**
   * What the private keys in the store are encrypted with: 32 random bytes, or the same in base64, from a place that
   * whoever reads the store cannot read. Of several the first encrypts, and all decrypt. @default none, which only
   * memoryStore allows
   */
  readonly encryptionKey?: KeyEncryptionKey | readonly KeyEncryptionKey[]
  /** How long services that verify tokens use the public keys that they have fetched. @default '10m' */
  readonly verifierCache?: Duration
}

/** What the plan depends on beside. */
export interface TokenTimes {
  /** The longest life of a token. */
  readonly maxLifetime: Seconds
  /** How long after its end it is believed. */
  readonly clockTolerance: Seconds
}

/** A {@link KeyRotation}, checked, and what follows from it. */
export interface Rotation {
  readonly algorithm: Algorithm
  readonly encryptionKeys: readonly KeyObject[]
  /** How long each key signs. */
  readonly period: Seconds
  /** How long a key is published before it signs: until no cache of whoever verifies is without it. */
  readonly lead: Seconds
  /** How long it is published after: until no token lives that it has signed. */
  readonly keep: Seconds
}

/** How long anyone may cache the JWKS that the kit answers. */
export const JWKS_MAX_AGE: Seconds = 300

/** How often each process reads the keys in the store: so long it may lack one, or sign with the one before. */
export const RELOAD: Seconds = 60

const MOST: Seconds = 400 * 86_400
const DAY: Seconds = 86_400

/** Whether it is meant to be one. */
export function isKeyRotation(keys: unknown): keys is KeyRotation {
  return typeof keys === 'object' && keys !== null && 'rotateEvery' in keys
}

/**
 * Checks the options.
 *
 * @throws TypeError for the first one that is wrong
 */
export function resolveRotation(given: KeyRotation, { maxLifetime, clockTolerance }: TokenTimes): Rotation {
  assertKnown(given, 'keys', ['rotateEvery', 'algorithm', 'encryptionKey', 'verifierCache'])
  const { algorithm = 'ES256', verifierCache = '10m' } = given
  if (!isAlgorithm(algorithm) || isSymmetric(algorithm)) {
    throw new TypeError(
      `keys.algorithm: expected one of the kit's algorithms for key pairs, got ${describe(algorithm)}`,
    )
  }
  const cache = parseDuration(verifierCache, 'keys.verifierCache', { min: 0, max: DAY })
  const lead = JWKS_MAX_AGE + cache + RELOAD + CLOCK_SKEW
  const keep = maxLifetime + clockTolerance + RELOAD + CLOCK_SKEW
  const period = parseDuration(given.rotateEvery, 'keys.rotateEvery', { max: MOST })
  // Then there are never more than three: one before, one after, and the one that signs.
  if (period < lead + keep) {
    throw new TypeError(
      `keys.rotateEvery: expected ${lead + keep} seconds at least, ${lead} to publish a key before it signs and ${keep} ` +
        `for which its tokens may live after, got ${describe(given.rotateEvery)}`,
    )
  }
  return { algorithm, encryptionKeys: importEncryptionKeys(given.encryptionKey), period, lead, keep }
}
