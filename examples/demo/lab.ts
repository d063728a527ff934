// The lab's routes: a request that leaks, what a thief does with it, and what the kit has to say about that. Each of them
// acts on the caller's own session and on no other.

import { bodyParser } from '@koa/bodyparser'
import { Router } from '@koa/router'
import type { Middleware } from 'koa'
import type { AuthState, SessionKit } from 'koa-holdfast'

import { ATTACKS, type Attempt, describe, headersOf, shorten } from './attacks.ts'
import type { EventLog } from './event-log.ts'
import { createEventStream } from './event-stream.ts'
import { createLeakingLog, type Loot, tokenOf } from './loot.ts'
import { createSameSite } from './same-site.ts'
import { isMode, type SidejackModes } from './sidejack-mode.ts'
import { sendAsThief, type Target } from './thief.ts'

/** Makes the routes. */
export function createLab(options: {
  readonly kit: SessionKit
  readonly origin: string
  readonly log: EventLog
  readonly modes: SidejackModes
}): Middleware {
  const { kit, origin, log, modes } = options
  const leaks = createLeakingLog()
  const router = new Router<AuthState>()
  router.use(['/lab', '/auth/lab'], createSameSite(origin), bodyParser({ enableTypes: ['json'] }), noStore)

  // Below the prefix, where the browser sends the refresh cookie too: an ordinary request, but it goes into a bad log.
  router.post('/auth/lab/leak', kit.protect(), (ctx) => {
    const { sub } = ctx.state.auth
    const line = `access.log: POST /auth/lab/leak sub=${sub} authorization="Bearer ${shorten(tokenOf(ctx.req))}"`
    ctx.body = { loot: leaks.keep(ctx.req, ctx.state.auth, log.lastId), line }
  })

  // Without `protect`: the session may be over by now. Only its owner was told the name of the loot.
  router.post('/lab/attacks/:name', async (ctx) => {
    const { loot: name } = Object(ctx.request.body) as { readonly loot?: unknown } // whatever else was sent has no loot
    const loot = leaks.find(name)
    const plan = ATTACKS.get(ctx.params['name'] ?? '')
    const { localAddress: host, localPort: port } = ctx.req.socket
    if (loot === undefined || plan === undefined) ctx.status = 404
    else ctx.body = await attack(loot, plan(loot), { host, port })
  })

  async function attack(owner: Loot, attempts: readonly Attempt[], target: Target): Promise<object> {
    const trace = log.trace(owner)
    try {
      const exchanges = []
      for (const attempt of attempts) {
        const headers = { ...headersOf(attempt), Host: new URL(origin).host, 'User-Agent': trace.mark }
        const answer = await sendAsThief(target, { ...attempt, headers })
        const { to, forged } = attempt
        exchanges.push({ to, request: describe(attempt), ...(forged && { forged }), ...answer })
      }
      return { exchanges, events: log.ofSession(owner, owner.after) }
    } finally {
      trace.stop()
    }
  }

  // For a terminal: what the page's own script cannot read, the server takes from the request.
  router.post('/lab/curl', kit.protect(), (ctx) => {
    ctx.body = { curl: `curl -i -H 'Authorization: Bearer ${tokenOf(ctx.req)}' ${origin}/api/me` }
  })

  router.get('/lab/on-sidejack', kit.protect(), (ctx) => {
    ctx.body = { mode: modes.get(ctx.state.auth.sid) }
  })
  router.put('/lab/on-sidejack', kit.protect(), (ctx) => {
    const { mode } = Object(ctx.request.body) as { readonly mode?: unknown } // whatever else was sent has no mode
    if (isMode(mode)) {
      modes.set(ctx.state.auth.sid, mode)
      ctx.body = { mode }
    } else {
      ctx.status = 400
    }
  })

  router.post('/lab/ticket', kit.protect(), async (ctx) => {
    ctx.body = { ticket: await kit.ticket(ctx) }
  })
  router.get('/lab/events', createEventStream({ kit, log }))

  return router.routes() as Middleware // the router's own context type says more than middleware for any app may ask for
}

const noStore: Middleware = (ctx, next) => {
  ctx.set('Cache-Control', 'no-store')
  return next()
}
