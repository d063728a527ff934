// The ring in the store: one record for each issuer, changed by compare-and-swap, so that of several processes that see
// the same need one meets it. A key leaves the ring by its time only: what the store has lost is put back.

import { SessionError } from '../errors.ts'
import { NEVER, type Store, type StoreRecord } from '../store/store.ts'
import { type Clock, type Seconds, toNumericDate } from '../time.ts'
import { unreadable, type Vault } from './at-rest.ts'
import {
  advanceRing,
  findActive,
  type Ring,
  type RingKey,
  type RingTools,
  reviseRing,
  toRing,
  withoutGone,
} from './ring.ts'

/** What is done beside what the time demands. */
export interface RingChange {
  /** Replaces the key of this `kid`, if it is still the active one. */
  readonly replace?: string
  /** Encrypts everything with the first encryption key. */
  readonly reseal?: boolean
}

/** The ring of one issuer in a store. */
export interface RingStore {
  /**
   * Reads the ring, and writes it where something is to be done.
   *
   * @param known - what this process has
   * @returns the ring, and the keys of it that were made by this call
   * @throws SessionError with ERR_STORE_UNAVAILABLE; TypeError and Error as {@link Vault.open}
   */
  update(known: Ring, change?: RingChange): Promise<{ readonly ring: Ring; readonly made: readonly RingKey[] }>
}

// Each try that fails is another's success, so this many in a row is a store that does not swap.
const MAX_TRIES = 100
// There are four at most; what has more is not read at all.
const MAX_KEYS = 32
const MAX_LENGTH = 16_384

/** Makes the ring store of an issuer. */
export function createRingStore(options: {
  readonly issuer: string
  readonly store: Store
  readonly vault: Vault
  readonly clock: Clock
  /** How long a key is used after it has signed. */
  readonly keep: Seconds
  readonly tools: RingTools
}): RingStore {
  const { issuer, store, vault, clock, keep, tools } = options

  async function read(record: StoreRecord | undefined, known: Ring): Promise<Ring> {
    if (record === undefined) return []
    const opened = new Map(known.map((one) => [one.sealed, one]))
    return toRing(await Promise.all(toTexts(record.value).map(async (text) => opened.get(text) ?? vault.open(text))))
  }

  async function revise(ring: Ring, now: Seconds, { replace, reseal = false }: RingChange): Promise<Ring> {
    let revised = await reviseRing(ring, now, tools)
    const active = findActive(revised, now, tools.isRevoked)
    // Where another process was faster it has been replaced.
    if (active !== undefined && active.key.kid === replace) {
      revised = await reviseRing(await advanceRing(revised, active, now, tools), now, tools)
    }
    if (!reseal) return revised
    return Promise.all(revised.map(async (one) => (one.isCurrent ? one : tools.move(one, one.activates))))
  }

  async function write(record: StoreRecord | undefined, ring: Ring): Promise<boolean> {
    const draft = { key: issuer, value: { keys: ring.map(({ sealed }) => sealed) }, expires: NEVER }
    return attempt(() => (record === undefined ? store.add('key', draft) : store.swap('key', { ...record, ...draft })))
  }

  return {
    async update(known, change = {}) {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const record = await attempt(() => store.get('key', issuer))
        const stored = await read(record, known)
        const now = toNumericDate(clock())
        if (!Number.isFinite(now)) throw new SessionError('ERR_UNEXPECTED', { detail: 'the clock' })
        const merged = toRing([...stored, ...withoutGone(known, now, keep)])
        const ring = await revise(merged, now, change)
        if (!isSame(ring, stored) && !(await write(record, ring))) continue
        const kids = new Set(merged.map(({ key }) => key.kid))
        return { ring, made: ring.filter(({ key }) => !kids.has(key.kid)) }
      }
      throw new SessionError('ERR_STORE_UNAVAILABLE', { detail: `${MAX_TRIES} others were faster` })
    },
  }
}

function isSame(one: Ring, other: Ring): boolean {
  return one.length === other.length && one.every(({ sealed }, index) => sealed === other[index]?.sealed)
}

/** What stands in a record, as far as it can be what this file writes. */
function toTexts(value: unknown): string[] {
  const { keys } = Object(value) as { keys?: unknown } // an object of whatever it is
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw unreadable('something else')
  if (!keys.every((text) => typeof text === 'string' && text.length <= MAX_LENGTH)) throw unreadable('something else')
  return keys as string[]
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new SessionError('ERR_STORE_UNAVAILABLE', { cause })
  }
}
