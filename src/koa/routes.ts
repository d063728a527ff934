// The kit's routes, as a table: what each is, and what every one of them has around it.

import { Router, type RouterMiddleware } from '@koa/router'
import type { Next } from 'koa'

import { SessionError } from '../errors.ts'
import type { PublicJwk } from '../keys/key.ts'
import { JWKS_MAX_AGE } from '../keys/plan.ts'
import type { Context } from './context.ts'
import type { Refusals } from './refusals.ts'
import { readPath } from './request-info.ts'
import { type AnswerSettings, harden } from './respond.ts'

/** One route. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  /** Runs hardened; what it throws is answered as a refusal. */
  readonly handle: (ctx: Context) => Promise<void> | void
  /** The content type of a refusal, where whoever asks reads no problem details. */
  readonly refusalType?: string
}

/** Mounts the routes. Other methods on their paths are answered with 405, OPTIONS with what there is. */
export function createRoutes(
  routes: readonly Route[],
  options: { readonly settings: AnswerSettings; readonly refusals: Refusals },
): RouterMiddleware {
  const { settings, refusals } = options
  // What is matched is exactly what `protect({ optional: true })` knows as the kit's own paths.
  const router = new Router({ strict: true, sensitive: true })

  function guard(handle: Route['handle'], refusalType?: string): RouterMiddleware {
    return async function route(ctx) {
      harden(ctx, settings)
      try {
        await handle(ctx)
      } catch (thrown) {
        await refusals.answer(ctx, thrown)
        if (refusalType !== undefined) ctx.set('Content-Type', refusalType)
      }
    }
  }

  for (const { method, path, handle, refusalType } of routes) {
    router.register(path, [method], [guard(handle, refusalType)])
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const known = routes.filter((route) => route.path === path).map((route) => route.method)
    const allow = [...known, ...(known.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
    router.all(
      path,
      guard((ctx) => {
        ctx.set('Allow', allow)
        if (ctx.method !== 'OPTIONS') throw new SessionError('ERR_METHOD')
        ctx.status = 204
      }),
    )
  }
  const mounted = router.routes()
  const starts = [...new Set(routes.map(({ path }) => firstSegment(path)))]

  /** Most requests are for the application, and cost a look at how the path begins. */
  function dispatch(ctx: Parameters<RouterMiddleware>[0], next: Next): unknown {
    // What rewrites paths for @koa/router writes here.
    const { newRouterPath } = ctx as { readonly newRouterPath?: string }
    const path = newRouterPath || readPath(ctx)
    return starts.some((start) => path.startsWith(start)) ? mounted(ctx, next) : next()
  }

  // With its router, another router can mount it below a prefix.
  return Object.assign(dispatch, { router })
}

/** `/auth/` of `/auth/login`; '' where there is no second slash, as what every path begins with. */
function firstSegment(path: string): string {
  return path.slice(0, path.indexOf('/', 1) + 1)
}

// The plan of rotating keys counts on it.
const PUBLIC = `public, max-age=${JWKS_MAX_AGE}`

/** Where the public keys are. */
export const JWKS_PATH = '/.well-known/jwks.json'

/**
 * The routes that anyone may read: the public keys and the issuer's metadata.
 *
 * @param endpoints - what the metadata says of other endpoints
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 * @see https://www.rfc-editor.org/rfc/rfc8414#section-3
 */
export function createPublicRoutes(
  issuer: string,
  jwks: () => { keys: PublicJwk[] },
  endpoints: Readonly<Record<string, unknown>>,
): Route[] {
  const metadata = JSON.stringify({
    issuer,
    jwks_uri: issuer + JWKS_PATH,
    // RFC 8414 demands the member; there is no authorization endpoint, so there is nothing to list.
    response_types_supported: [],
    ...endpoints,
  })
  return [
    publish(JWKS_PATH, 'application/jwk-set+json; charset=utf-8', () => JSON.stringify(jwks())),
    publish('/.well-known/oauth-authorization-server', 'application/json; charset=utf-8', () => metadata),
  ]
}

function publish(path: string, type: string, body: () => string): Route {
  return {
    method: 'GET',
    path,
    handle(ctx) {
      ctx.remove('Pragma')
      ctx.set({ 'Cache-Control': PUBLIC, 'Cross-Origin-Resource-Policy': 'cross-origin' })
      ctx.body = body()
      ctx.set('Content-Type', type)
    },
  }
}
