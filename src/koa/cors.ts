// Options for @koa/cors that say exactly what the kit's cross-site rule allows: listed origins, with credentials.

import type { Context } from './context.ts'

/** What `@koa/cors` takes. */
export interface CorsOptions {
  origin(ctx: Context): string
  credentials: boolean
  allowMethods: string[]
  allowHeaders: string[]
  exposeHeaders: string[]
  maxAge: number
  keepHeadersOnError: boolean
}

/**
 * @param origins - exact origins
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function createCors(origins: readonly string[]): CorsOptions {
  return {
    origin(ctx) {
      const origin = ctx.get('Origin')
      return origins.includes(origin) ? origin : ''
    },
    credentials: true,
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type'],
    exposeHeaders: ['WWW-Authenticate', 'Retry-After', 'DPoP-Nonce'],
    maxAge: 600,
    keepHeadersOnError: true,
  }
}
