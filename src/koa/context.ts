// What the kit asks of Koa, as types.

import type { ParameterizedContext } from 'koa'

import type { Auth } from '../auth.ts'

/** Any Koa context. */
export type Context = ParameterizedContext

/** The context of `authenticate`: the body is a JSON object. What is in it is the client's. */
export type LoginContext = Context & { readonly request: { readonly body: Readonly<Record<string, unknown>> } }

/**
 * The state behind `protect()`. For a typed router: `new Router<AuthState<MyClaims>>()`; for routes that are open to
 * all, {@link OptionalAuthState}.
 */
export interface AuthState<Claims extends object = Record<string, unknown>> {
  /** Who is calling. */
  auth: Auth<Claims>
}

/** The state behind `protect({ optional: true })`. */
export interface OptionalAuthState<Claims extends object = Record<string, unknown>> {
  /** Who is calling, or undefined for nobody. */
  auth: Auth<Claims> | undefined
}

/**
 * The context behind `kit.session(app)`, for routes behind `protect()`: `new Router<AuthState, SessionContext<MyData>>()`.
 * Every member may be missing: the session begins empty.
 */
export interface SessionContext<Data extends object = Record<string, unknown>> {
  /** What you keep about this session. Set it to null to empty it. */
  get session(): Partial<Data>
  set session(data: Partial<Data> | null)
}
