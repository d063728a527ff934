// The lab's routes demand of unsafe requests what the kit's own demand: that this page made them, and no other site's.

import type { Middleware } from 'koa'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Makes the middleware. Fetch Metadata decides where there is any, else Origin; JSON needs a preflight elsewhere. */
export function createSameSite(origin: string): Middleware {
  return async function sameSite(ctx, next) {
    const { 'sec-fetch-site': site, origin: from = origin } = ctx.req.headers
    const isOwn = site === undefined ? from === origin : site === 'same-origin'
    if (!SAFE_METHODS.has(ctx.method) && !(isOwn && ctx.is('json'))) ctx.throw(403)
    return next()
  }
}
