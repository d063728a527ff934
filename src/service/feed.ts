// What a service learns of its issuer's revocations: the list in the issuer's store, or nothing.

import type { Outbox } from '../outbox.ts'
import { createRevocationList, type RevocationList } from '../revocation.ts'
import type { Clock, Seconds } from '../time.ts'
import { CLOCK_SKEW } from '../token/claims.ts'
import type { Trust } from './options.ts'

/** A revocation list that is only read. */
export type Feed = Pick<RevocationList, 'has' | 'hasKey' | 'assertFresh' | 'close'>

const NOTHING: Feed = { has: () => false, hasKey: () => false, assertFresh() {}, close() {} }

/** Loads the list of an issuer and follows it, if its store is given. */
export async function openFeed(
  { issuer, revocations: store, maxLifetime }: Trust,
  options: {
    readonly clockTolerance: Seconds
    readonly maxStaleness: Seconds
    readonly clock: Clock
    readonly outbox: Outbox
  },
): Promise<Feed> {
  if (store === undefined) return NOTHING
  const retention = maxLifetime + options.clockTolerance + CLOCK_SKEW
  return createRevocationList({ ...options, issuer, store, retention })
}
