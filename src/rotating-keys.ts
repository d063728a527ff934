// createRotatingKeys(): the rotating keys of a kit without the kit, for commands and for whoever only publishes them.

import { createEvents } from './events.ts'
import type { KeyRotation } from './keys/plan.ts'
import type { RotatingKeys } from './keys/rotating-keys.ts'
import { startRotation } from './keys/rotation.ts'
import { resolveOptions, type SessionKitOptions } from './options/options.ts'
import { createOutbox } from './outbox.ts'
import { createRevocationList } from './revocation.ts'
import type { Store } from './store/store.ts'
import { CLOCK_SKEW } from './token/claims.ts'

/** The options of the kit that the keys are for. What says nothing about keys is left alone. */
export interface RotatingKeysOptions extends Omit<SessionKitOptions, 'keys' | 'store'> {
  readonly keys: KeyRotation
  readonly store: Store
}

/**
 * Opens the rotating keys of a kit, with the options of that kit: to publish them, to look at their plan, to rotate them.
 * Makes them if there are none. Close it when you are done.
 *
 * @throws TypeError when an option is wrong, or the keys are encrypted with another key
 * @throws SessionError with ERR_STORE_UNAVAILABLE
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { createRotatingKeys } from 'koa-holdfast'
 * import { lmdbStore } from 'koa-holdfast/store/lmdb'
 *
 * const keys = await createRotatingKeys({
 *   issuer: 'https://app.example',
 *   store: lmdbStore({ path: '/var/lib/app/sessions' }),
 *   keys: { rotateEvery: '30d', encryptionKey: await readFile('encryption.key', 'utf8') },
 * })
 * const { kid, activates } = await keys.rotate()
 * ```
 */
export async function createRotatingKeys(options: RotatingKeysOptions): Promise<RotatingKeys> {
  const settings = resolveOptions(options)
  const { rotation, maxLifetime, clockTolerance, steadyClock, clock } = settings
  if (rotation === undefined) throw new TypeError("keys: expected { rotateEvery: '30d', … }, got a key set")
  const { store } = options
  const outbox = createOutbox(clock)
  const retention = maxLifetime + clockTolerance + CLOCK_SKEW
  const revocations = await createRevocationList({ ...settings, store, retention, outbox })
  return startRotation({
    ...{ issuer: settings.issuer, rotation, store, clock: steadyClock, revocations },
    events: createEvents(clock),
    revoke: (kid) => revocations.add({ kid }),
    end() {
      revocations.close()
      outbox.close()
    },
  })
}
