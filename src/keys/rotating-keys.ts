// What rotating keys are, for applications and commands.

import type { Milliseconds } from '../time.ts'
import type { PublicJwk, SigningKey } from './key.ts'
import type { KeySource } from './key-set.ts'

/** A key, and from when on it signs. */
export interface NextKey {
  readonly kid: string
  readonly activates: Milliseconds
}

/** A key of a plan. */
export interface PlannedKey extends NextKey {
  readonly state: 'next' | 'active' | 'retired' | 'revoked'
  /** When it was made, and so published. */
  readonly created: Milliseconds
}

/** How keys are replaced by hand. */
export interface RotateOptions {
  /** Revokes the active key, and with it every token that it signed; the next one takes over at once. @default false */
  readonly emergency?: boolean
}

/** Keys of which each is replaced when its time has come. */
export interface RotatingKeys extends KeySource, AsyncDisposable {
  /** The key that signs now. */
  readonly active: SigningKey
  /** The public halves of the next key, of the active one, and of those whose tokens may still live. */
  jwks(): { keys: PublicJwk[] }
  /** The keys there are, in the order in which they sign. */
  plan(): PlannedKey[]
  /**
   * Replaces the active key before its time: the next one takes over as soon as whoever verifies has it, which may be
   * now.
   *
   * @returns the key that takes over, and when
   * @throws SessionError with ERR_STORE_UNAVAILABLE
   * @throws TypeError when an option is wrong
   */
  rotate(options?: RotateOptions): Promise<NextKey>
  /** Stops following the store, which stays open. */
  close(): Promise<void>
}
