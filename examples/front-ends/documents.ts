// For pages that the server renders, with accessToken.transport 'cookie': a browser that comes without a good token may
// still have a session, and is let ask before it is taken for a stranger.

import type { Middleware } from 'koa'

import { createPolicy, type PolicyState } from './policy.ts'

/** @param login - where strangers go, relative to the origin */
export function createDocuments(login: string): Middleware<PolicyState> {
  return async function documents(ctx, next) {
    await next()
    if (ctx.status !== 401 || ctx.method !== 'GET' || ctx.accepts('json', 'html') !== 'html') return
    // The kit's refusals have a stricter one.
    await createPolicy()(ctx, async () => {
      ctx.type = 'html'
      ctx.body = `<!doctype html>
<title>One moment …</title>
<script type="module" nonce="${ctx.state.nonce}">
  import { createClient } from '/koa-holdfast-client.js'
  const { status } = await createClient().ready
  location.replace(status === 'signed-in' ? location.pathname + location.search : '${login}')
</script>`
    })
    ctx.status = 401
  }
}
