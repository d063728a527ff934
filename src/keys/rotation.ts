// Keys that replace themselves. Every process knows the ring and tells by its clock which key signs, so all switch
// together without asking the store, and what is known stays in use whatever happens to the store.

import { assertKnown, boolean } from '../options/checks.ts'
import { isSessionError, SessionError } from '../errors.ts'
import type { EventSink } from '../events.ts'
import type { Store } from '../store/store.ts'
import { type Clock, type Milliseconds, toNumericDate } from '../time.ts'
import { createVault } from './at-rest.ts'
import { generateKey } from './generate.ts'
import type { Key } from './key.ts'
import { RELOAD, type Rotation } from './plan.ts'
import { describeRing, findActive, type Ring, type RingKey, type RingTools, toNextKey, withoutGone } from './ring.ts'
import { createRingStore, type RingChange } from './ring-store.ts'
import type { RotatingKeys } from './rotating-keys.ts'

/** What rotation needs. */
export interface RotationParts {
  readonly issuer: string
  readonly rotation: Rotation
  readonly store: Store
  /** A clock that does not go back. */
  readonly clock: Clock
  readonly revocations: {
    hasKey(kid: string): boolean
    watch(listener: (kind: string, name: string) => void): () => void
  }
  readonly events: Pick<EventSink, 'emit'>
  /** Revokes a key for everyone. */
  readonly revoke: (kid: string) => Promise<unknown>
  /** Ends what was opened for the rotation: when it is closed, or does not start. */
  end(): void
}

const RETRY: Milliseconds = 5000
// So often the store is asked for a `kid` that nobody has heard of.
const COOLDOWN: Milliseconds = 5000

/**
 * Loads the keys, and makes them if there are none.
 *
 * @throws TypeError when they are encrypted with another key, Error when they are no keys
 * @throws SessionError with ERR_STORE_UNAVAILABLE
 */
export async function startRotation(parts: RotationParts): Promise<RotatingKeys> {
  const { issuer, rotation, store, clock, revocations, events } = parts
  const { algorithm, encryptionKeys, period, lead, keep } = rotation
  const vault = createVault(issuer, encryptionKeys)
  const tools: RingTools = {
    ...{ period, lead },
    // In the store for a little longer than it is used: clocks differ, and who is behind would put it back.
    keep: keep + RELOAD,
    isRevoked: (kid) => revocations.hasKey(kid),
    make: async (times) => vault.seal(await generateKey(algorithm), times),
    move: (one, activates) => vault.reseal(one, { created: one.created, activates }),
  }
  const rings = createRingStore({ issuer, store, vault, clock, keep, tools })
  let ring: Ring = []
  let signing: string | undefined
  let failure: string | undefined
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let checked: Milliseconds = -Infinity
  let asked: Milliseconds = -Infinity
  let answered: Promise<void> | undefined
  let queue: Promise<void> = Promise.resolve()

  /** One after the other: what is asked for now is read later than now. */
  function update(change?: RingChange): Promise<void> {
    const done = updateAfter(queue, change)
    queue = done.catch(() => {})
    return done
  }

  async function updateAfter(others: Promise<void>, change?: RingChange): Promise<void> {
    await others
    const { ring: revised, made } = await rings.update(ring, change)
    ring = revised
    failure = undefined
    for (const one of made) events.emit('key_created', toNextKey(one))
    // Tells who signs now.
    current()
  }

  async function refresh(): Promise<void> {
    checked = clock()
    try {
      await update()
    } catch (thrown) {
      report(thrown)
    }
  }

  function report(thrown: unknown): void {
    const before = failure
    failure = String(thrown)
    if (isClosed) return
    const code = isSessionError(thrown) ? thrown.code : 'ERR_KEYS_UNAVAILABLE'
    events.emit(code === 'ERR_STORE_UNAVAILABLE' ? 'store_unavailable' : 'keys_unavailable', { code })
    // What has to be mended by hand is told in words, once.
    if (code === 'ERR_KEYS_UNAVAILABLE' && failure !== before) process.emitWarning(failure, 'SessionKitWarning')
  }

  const interval = (): Milliseconds => (failure === undefined ? RELOAD * 1000 : RETRY)

  function schedule(): void {
    if (isClosed) return
    // Not all processes at the same time.
    timer = setTimeout(() => void refresh().then(schedule), interval() * (0.5 + Math.random() / 2))
    timer.unref()
  }

  function usable(): Ring {
    // Not only by the timer: it is late where the machine slept.
    if (!isClosed && clock() - checked >= interval()) void refresh()
    return withoutGone(ring, toNumericDate(clock()), keep)
  }

  /** The key that signs, or where all are revoked one that is, so that whoever signs hears of it. */
  function current(): RingKey {
    const found = findActive(usable(), toNumericDate(clock()), tools.isRevoked)
    if (found !== undefined) note(found.key.kid)
    return found ?? (ring.at(-1) as RingKey) // it is never empty
  }

  /** Tells once that another key signs. */
  function note(kid: string): void {
    const before = signing
    signing = kid
    if (before === undefined || before === kid) return
    events.emit('key_activated', { kid })
    events.emit('key_retired', { kid: before })
  }

  const find = (kid: string): Key | undefined => usable().find(({ key }) => key.kid === kid)?.key

  async function ask(kid: string): Promise<Key | undefined> {
    const now = performance.now()
    if (now - asked >= COOLDOWN) {
      asked = now
      answered = refresh()
    }
    await answered
    const found = find(kid)
    if (found !== undefined || failure === undefined) return found
    throw new SessionError('ERR_KEYS_UNAVAILABLE', { detail: 'the token names one that may be in the store' })
  }

  async function close(): Promise<void> {
    isClosed = true
    clearTimeout(timer)
    unwatch()
    parts.end()
  }

  checked = clock()
  try {
    await update({ reseal: true })
  } catch (error) {
    parts.end()
    throw error
  }
  // Nothing here may ask whether a key is revoked: the list is being written.
  const unwatch = revocations.watch((kind, name) => {
    if (kind === 'kid' && ring.some(({ key }) => key.kid === name)) void refresh()
  })
  schedule()

  return Object.freeze<RotatingKeys>({
    get active() {
      return current().key
    },
    get: (kid) => find(kid) ?? ask(kid),
    jwks: () => ({
      keys: usable().flatMap(({ key: { kid, publicJwk } }) =>
        publicJwk === undefined || revocations.hasKey(kid) ? [] : [publicJwk],
      ),
    }),
    plan: () => describeRing(usable(), current(), tools.isRevoked),
    async rotate(given = {}) {
      assertKnown(given, 'rotate', ['emergency'])
      const emergency = boolean(given.emergency ?? false, 'emergency')
      const { kid } = current().key
      if (emergency) await parts.revoke(kid)
      await update(emergency ? {} : { replace: kid })
      const turn = current()
      return toNextKey(turn.key.kid === kid ? (ring[ring.indexOf(turn) + 1] as RingKey) : turn) // there is always a next
    },
    close,
    [Symbol.asyncDispose]: close,
  })
}
