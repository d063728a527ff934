// What goes into a session and what comes out of it, as types.

import type { Milliseconds, Seconds } from '../time.ts'
import type { SignedToken } from '../token/sign.ts'

/** Who has proved to be whom: what `authenticate` answers. With required claims of your own, `claims` is required. */
export type Subject<Claims extends object = Record<string, unknown>> = SubjectBase &
  (Partial<Claims> extends Claims ? { readonly claims?: Claims } : { readonly claims: Claims })

/** The part of a {@link Subject} that does not depend on your claims. */
export interface SubjectBase {
  /** The user's identifier, at most 255 characters. Visible to whoever sees the token: not an e-mail address. */
  readonly sub: string
  /** Space-delimited scopes. */
  readonly scope?: string
  /** The authentication context class that was reached (RFC 9470). */
  readonly acr?: string
  /** How the user authenticated: RFC 8176 values such as `pwd` and `otp`. */
  readonly amr?: readonly string[]
  /**
   * Whether the session outlives the browser ("remember me"): with true it does, within the limits of
   * `session.remembered`; with false its cookies go when the browser closes. @default what `cookie.lifetime` says
   */
  readonly remember?: boolean
  /** What the user calls this session, for the list: `'Work laptop'`. At most 100 characters. */
  readonly label?: string
}

/** A session with the secrets that were just made for it. */
export interface IssuedSession {
  readonly sub: string
  readonly sid: string
  readonly generation: number
  readonly access: SignedToken
  readonly refreshToken: string
  /** What the fingerprint cookie carries, the newest first. */
  readonly fingerprints: readonly string[]
  /** Whether the cookies outlive the browser. */
  readonly isPersistent: boolean
  /** When the session ends if nobody refreshes it. */
  readonly expires: Milliseconds
}

/** A session as its user and the application may see it: nothing in it opens anything. */
export interface SessionSummary {
  readonly sid: string
  readonly created: Milliseconds
  /** When it was last refreshed: about as exact as an access token is long. */
  readonly used: Milliseconds
  /** When it ends if nobody refreshes it. */
  readonly expires: Milliseconds
  /** As the client gave it, escaped and cut. */
  readonly userAgent?: string
  readonly label?: string
}

/** What `renew` changes. What is left out stays. */
export interface Renewal<Claims extends object = Record<string, unknown>> {
  readonly claims?: Claims
  /** Space-delimited scopes. */
  readonly scope?: string
  readonly acr?: string
  readonly amr?: readonly string[]
  /** Whether the user has just proved again who they are: `auth_time` is now, and the absolute limit begins anew. */
  readonly isAuthenticated?: boolean
  /** Ends every other session of the subject, as after a change of password. */
  readonly endOthers?: boolean
}

/** How long a session lives. */
export interface SessionLimits {
  /** Whatever happens. */
  readonly absolute: Seconds
  /** Without a refresh. */
  readonly idle: Seconds
}
