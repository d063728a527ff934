// The contrast: GET /plain/me is guarded by koa-jwt, as in many an app, with the kit's public key. It accepts the very
// tokens that the kit issues, from anyone who has one. It is here to be compared with, and for nothing else.

import { createPublicKey } from 'node:crypto'

import { Router } from '@koa/router'
import type { Middleware } from 'koa'
import jwt from 'koa-jwt'
import type { SessionKit } from 'koa-holdfast'

/**
 * Makes the route.
 *
 * @param options.issuer - the kit's issuer, which is its audience as well
 */
export function createPlain(options: { readonly kit: Pick<SessionKit, 'jwks'>; readonly issuer: string }): Middleware {
  const { kit, issuer } = options
  const router = new Router()
  const keys = kit.jwks().keys
  const secret = keys.map((key) =>
    createPublicKey({ key: { ...key }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
  )
  const guard = jwt({
    secret: secret.map(String),
    algorithms: [...new Set(keys.map(({ alg }) => alg))],
    ...{ issuer, audience: issuer },
  })
  router.get('/plain/me', guard, (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { sub: (ctx.state['user'] as { readonly sub: string }).sub } // the cast holds: koa-jwt puts the claims there
  })
  return router.routes() as Middleware // the router's own context type says more than middleware for any app may ask for
}
