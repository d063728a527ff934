// An app with a route that renews the session of its request, on a store and an `authenticate` that a test can hold.

import type { ExecutionContext } from 'ava'

import { memoryStore, type Renewal } from '../../src/index.ts'
import {
  bearer,
  createClock,
  type Login,
  openTestApp,
  type Response,
  type TestApp,
  type TestAppOptions,
} from './app.ts'
import { createSignal, type Held, heldStore, type HeldStore } from './held-store.ts'

/** What koa-session puts on a context, as an application without types sees it. */
export function dataOf(ctx: object): Record<string, unknown> & { save(): Promise<void> } {
  return (ctx as { session: never }).session
}

/**
 * `POST /renew`, which tells `ctx.state.auth` as X-Auth, `POST /write?value=…` and `GET /data`. The query of the first is
 * the change, what is written to the data before and after it, and whether to do it again.
 */
export const mountRenew: NonNullable<TestAppOptions['mount']> = (_koa, kit, router) => {
  router.post('/renew', async (ctx) => {
    const { change = '{}', before, after, again } = ctx.query
    if (before !== undefined) dataOf(ctx)['before'] = before
    for (let left = again === undefined ? 1 : 2; left > 0; left -= 1) {
      ctx.body = await kit.renew(ctx, JSON.parse(String(change)) as Renewal)
    }
    if (after !== undefined) dataOf(ctx)['after'] = after
    const { sid, jti, scope } = ctx.state.auth
    ctx.set('X-Auth', JSON.stringify([sid, jti, scope]))
  })
  router.post('/write', kit.protect(), (ctx) => {
    dataOf(ctx)['value'] = ctx.query['value']
    ctx.status = 204
  })
  router.get('/data', kit.protect(), (ctx) => {
    ctx.body = dataOf(ctx)
  })
}

/** Renews with this pair. */
export function postRenew(
  app: Pick<TestApp, 'request'>,
  login: Pick<Login, 'token' | 'cookie'>,
  change: object = {},
  more = '',
): Promise<Response> {
  return app.request('POST', `/renew?change=${encodeURIComponent(JSON.stringify(change))}${more}`, bearer(login))
}

export interface HeldApp {
  readonly app: TestApp
  readonly store: HeldStore
  /** Holds the next login while its password is checked. */
  holdLogin(): Held
}

/** Starts such an app, without koa-session, whose own calls would come first. Every password is right. */
export async function openHeldApp(t: ExecutionContext): Promise<HeldApp> {
  const testClock = createClock()
  const store = heldStore(memoryStore({ clock: testClock }))
  let waiting: (() => Promise<void>) | undefined
  const app = await openTestApp(t, {
    ...{ testClock, store, withSession: false, mount: mountRenew },
    async authenticate(ctx) {
      const wait = waiting
      waiting = undefined
      await wait?.()
      return { sub: String(ctx.request.body['sub']) }
    },
  })
  return {
    app,
    store,
    holdLogin() {
      const [reached, released] = [createSignal(), createSignal()]
      waiting = () => {
        reached.send()
        return released.promise
      }
      return { reached: reached.promise, release: released.send }
    },
  }
}
