// The session as this tab knows it: the token, how long it lives, and the snapshot that the application sees.

import { parse, steadyClock, wallClock } from './natives.ts'

/** What is known of the session. Frozen; a new object on each change, and the same one otherwise. */
export type Session =
  | {
      /** Not yet known: the server has not answered. Show neither a login nor anything of a user. */
      readonly status: 'unknown'
    }
  | { readonly status: 'signed-out' }
  | SignedIn

/** A session that lives, as far as the server has said. */
export interface SignedIn {
  readonly status: 'signed-in'
  readonly sid: string
  /** The token's `sub`; undefined where scripts cannot read the token. */
  readonly subject: string | undefined
  /** What the token says, for showing only: it is not verified here. Undefined where scripts cannot read the token. */
  readonly claims: Readonly<Record<string, unknown>> | undefined
  /** How many seconds the token still lives, at the moment it is asked; the client replaces it before it ends. */
  readonly expiresIn: number
}

/** What keeps this tab signed in. */
export interface Held {
  /** Undefined where it travels in a cookie. */
  readonly token: string | undefined
  readonly sid: string
  /** How many seconds the token lives. */
  readonly lifetime: number
  /** When it was asked for, by the clock that all tabs share and anyone can set. */
  readonly wall: number
  /** The same, or when this tab was handed it, by the clock of this tab that is never set. */
  readonly steady: number
  /** Whether another tab has handed it over. */
  readonly isGift?: boolean
  /** Whether it was refused although it had only just replaced another: then none will do. */
  isFutile?: boolean
}

/**
 * Seconds left, by the clock that says fewer: one stands still while the machine sleeps, the other can be set back. Where
 * both are wrong the server refuses the token, and it is replaced then.
 */
export function secondsLeft({ lifetime, wall, steady }: Held): number {
  return lifetime - Math.max(wallClock() - wall, steadyClock() - steady) / 1000
}

/** The claims of a signed token; undefined for one that is encrypted, or for none. */
function readClaims(token = ''): Readonly<Record<string, unknown>> | undefined {
  try {
    // Of an encrypted one that part is no JSON.
    const [, payload = ''] = token.split('.')
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (one) => one.charCodeAt(0))
    return parse(new TextDecoder().decode(bytes), (_name, value: unknown) => Object.freeze(value)) as Readonly<
      Record<string, unknown>
    >
  } catch {
    return undefined
  }
}

/** What the application sees. */
function describe(held: Held | null | undefined): Session {
  if (!held) return Object.freeze({ status: held === null ? 'signed-out' : 'unknown' })
  const claims = readClaims(held.token)
  return Object.freeze({
    status: 'signed-in',
    sid: held.sid,
    subject: claims?.['sub'] as string | undefined, // a kit's tokens have no other
    claims,
    get expiresIn() {
      return Math.max(secondsLeft(held), 0)
    },
  })
}

/** The one place where the session is kept. */
export interface Store {
  /** Null: signed out. Undefined: not known. */
  held: Held | null | undefined
  session: Session
  readonly ready: Promise<Session>
  set(held: Held | null | undefined): void
  onChange(listener: (session: Session) => void): () => void
}

export function createStore(): Store {
  const listeners = new Set<(session: Session) => void>()

  const store: Store = {
    held: undefined,
    session: describe(undefined),
    ready: new Promise((resolve) => {
      listeners.add((session) => {
        if (session.status !== 'unknown') resolve(session)
      })
    }),
    set(held) {
      if (held === store.held) return
      store.held = held
      store.session = describe(held)
      for (const listener of [...listeners]) {
        try {
          listener(store.session)
        } catch (error) {
          reportError(error)
        }
      }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  return store
}
