// Where the kit's routes are found: at their paths, below another router's prefix, and behind what rewrites paths; and that
// everything else passes by without a look at them.

import { Router } from '@koa/router'
import test from 'ava'

import { openTestApp } from '../helpers/app.ts'

test('what is no path of the kit never meets its router', async (t) => {
  const seen: [string, boolean][] = []
  const app = await openTestApp(t, {
    before: (koa) =>
      koa.use(async (ctx, next) => {
        await next()
        seen.push([ctx.path, 'routeMatched' in ctx])
      }),
    mount: (koa) =>
      koa.use((ctx) => {
        ctx.body = 'mine'
      }),
  })
  for (const path of ['/', '/authx', '/AUTH/login', '/other/auth/login', '/%61uth/login', '/.well-knownx']) {
    t.is((await app.request('GET', path)).text, 'mine', path)
  }
  t.false(
    seen.some(([, isMatched]) => isMatched),
    JSON.stringify(seen),
  )
  t.is((await app.request('GET', '/.well-known/jwks.json')).status, 200)
  t.is((await app.request('GET', '/auth/login')).status, 405)
  t.true(seen.slice(-2).every(([, isMatched]) => isMatched))
})

test('another router may mount them below a prefix', async (t) => {
  const app = await openTestApp(t, {
    mount: (koa, kit) => koa.use(new Router().use('/de', kit.routes()).routes()),
  })
  t.is((await app.request('GET', '/de/auth/login')).status, 405)
  t.is((await app.request('GET', '/de/.well-known/jwks.json')).status, 200)
  t.is((await app.request('GET', '/en/auth/login')).status, 404)
})

test('a path that was rewritten for the router counts as it was rewritten', async (t) => {
  const app = await openTestApp(t, {
    before: (koa) =>
      koa.use((ctx, next) => {
        if (ctx.path.startsWith('/de/')) ctx['newRouterPath'] = ctx.path.slice('/de'.length)
        return next()
      }),
  })
  t.is((await app.request('GET', '/de/auth/login')).status, 405)
  t.is((await app.request('GET', '/de/.well-known/jwks.json')).status, 200)
})
