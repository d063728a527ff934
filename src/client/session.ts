// The session as this tab knows it: the token, how long it lives, and the snapshot that the application sees.

import { decode, fromBase64, parse, steadyClock, wallClock } from './natives.ts'

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
  /** How many seconds the token lives from the two times below. */
  readonly lifetime: number
  readonly wall: number
  readonly steady: number
  /** When it was asked for, by the wall clock that all tabs share. */
  readonly born: number
  /** Whether a token that had only just been replaced was refused. */
  isRefused?: boolean
}

/**
 * Seconds left, by the clock that says fewer: one stands still while the machine sleeps, the other can be set back. Where
 * both are wrong the server refuses the token, and it is replaced then.
 */
export function secondsLeft({ lifetime, wall, steady }: Held): number {
  return lifetime - Math.max(wallClock() - wall, steadyClock() - steady) / 1000
}

/** The claims of a signed token; undefined for one that is encrypted or none at all. */
function readClaims(token = ''): Readonly<Record<string, unknown>> | undefined {
  try {
    const [, payload = '', signature, ...others] = token.split('.')
    if (signature === undefined || others.length > 0) return undefined
    const bytes = Uint8Array.from(fromBase64(payload.replace(/-/g, '+').replace(/_/g, '/')), (one) => one.charCodeAt(0))
    return parse(decode(bytes), (_name, value: unknown) => Object.freeze(value)) as Record<string, unknown>
  } catch {
    return undefined
  }
}

const UNKNOWN: Session = Object.freeze({ status: 'unknown' })
const SIGNED_OUT: Session = Object.freeze({ status: 'signed-out' })

/** The one place where the session is kept. */
export interface Store {
  /** Undefined where nobody is signed in, as far as is known. */
  readonly held: Held | undefined
  readonly session: Session
  readonly ready: Promise<Session>
  /** Undefined: not known. Null: signed out. */
  set(held: Held | null | undefined): void
  onChange(listener: (session: Session) => void): () => void
}

export function createStore(): Store {
  const listeners = new Set<(session: Session) => void>()
  let held: Held | undefined
  let session = UNKNOWN
  let answer: (session: Session) => void
  const ready = new Promise<Session>((resolve) => {
    answer = resolve
  })

  function describe(known: Held): SignedIn {
    const claims = readClaims(known.token)
    const subject = claims?.['sub']
    return Object.freeze({
      status: 'signed-in',
      sid: known.sid,
      subject: typeof subject === 'string' ? subject : undefined,
      claims,
      get expiresIn() {
        return Math.max(secondsLeft(known), 0)
      },
    })
  }

  return {
    get held() {
      return held
    },
    get session() {
      return session
    },
    ready,
    set(next) {
      held = next ?? undefined
      const before = session
      session = next ? describe(next) : next === null ? SIGNED_OUT : UNKNOWN
      if (session === before) return
      if (next !== undefined) answer(session)
      for (const listener of [...listeners]) {
        try {
          listener(session)
        } catch (error) {
          reportError(error)
        }
      }
    },
    onChange(listener) {
      // Each its own entry: the same function may be registered twice.
      const entry = (changed: Session): void => listener(changed)
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
  }
}
