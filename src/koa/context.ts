// What the kit asks of Koa, as types.

import type { Middleware, ParameterizedContext } from 'koa'

import type { Auth } from '../verifier.ts'

/** Any Koa context. The body is there once a body parser has run: the kit's own, in `authenticate`. */
export type Context = ParameterizedContext & { readonly request: { readonly body?: unknown } }

/** The state behind `protect()`. For a typed router: `new Router<AuthState<MyClaims>>()`. */
export interface AuthState<Claims extends object = Record<string, unknown>> {
  /** Who is calling. */
  auth: Auth<Claims>
}

/** The state behind `protect({ optional: true })`. */
export interface OptionalAuthState<Claims extends object = Record<string, unknown>> {
  /** Who is calling, or undefined for nobody. */
  auth: Auth<Claims> | undefined
}

/** Middleware that leaves this state to what comes after it. */
export type StateMiddleware<State> = Middleware<State>
