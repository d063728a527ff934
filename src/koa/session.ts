// koa-session over the verified session: its data lives in the session's own record, so it can neither outlive the
// session nor be reached without a verified token, and it needs no cookie of its own.

import type Koa from 'koa'
import koaSession from 'koa-session'

import type { SessionData } from '../session/record.ts'
import type { Sessions } from '../session/sessions.ts'
import { removeCookie } from './cookies.ts'
import type { Context } from './context.ts'
import type { Authenticator } from './protect.ts'
import type { Refusals } from './refusals.ts'

// koa-session writes a cookie of this name when the application sets `ctx.session = null`; it is taken out again.
const KEY = 'koa-holdfast-session'
// Its own expiry must never come: the session's record decides.
const NO_EXPIRY = 2 ** 52

/**
 * Makes the middleware that fills `ctx.session`. For requests without a verified session `ctx.session` is null, and
 * setting it throws.
 *
 * @param app - koa-session extends its context
 */
export function createSessionMiddleware(
  app: Koa,
  options: { readonly sessions: Sessions; readonly authenticator: Authenticator; readonly refusals: Refusals },
): Koa.Middleware {
  const { sessions, authenticator, refusals } = options
  if (Object.hasOwn(app.context, 'session')) {
    throw new TypeError(
      'kit.session: expected an app without another session middleware, got one; koa-session keeps the first it meets',
    )
  }
  /** Store failures while koa-session commits: it would let them mask an error of the handler. */
  const failures = new WeakMap<object, unknown>()
  const sidOf = (ctx: Context): string => authenticator.peek(ctx)?.sid ?? ''
  const run = koaSession(
    {
      key: KEY,
      signed: false,
      maxAge: NO_EXPIRY,
      externalKey: { get: sidOf, set: () => {} },
      genid: sidOf,
      store: {
        get: (sid) => sessions.readData(sid),
        // Not under the sid that koa-session has kept: the session may have been renewed meanwhile.
        async set(_sid, data, _maxAge, { ctx }) {
          // Members that start with `_` are koa-session's own.
          const own = Object.entries(data as object).filter(([name]) => !name.startsWith('_'))
          // Through JSON, as every durable store will: what comes back is the same in each.
          const plain = JSON.parse(JSON.stringify(Object.fromEntries(own))) as SessionData
          await remember(ctx, sessions.writeData(sidOf(ctx), plain))
        },
        destroy: async (_sid, { ctx }) => remember(ctx, sessions.writeData(sidOf(ctx), {})),
      },
    },
    app,
  )

  async function remember(ctx: Context, work: Promise<unknown>): Promise<void> {
    try {
      await work
    } catch (thrown) {
      failures.set(ctx, thrown)
      refusals.report(ctx, thrown)
    }
  }

  return async function session(ctx, next) {
    if (authenticator.peek(ctx) === undefined) {
      Object.defineProperty(ctx, 'session', { get: () => null, set: refuseAnonymous, configurable: true })
      await next()
      return
    }
    let isLoaded = false
    const handler: { error?: unknown; hasThrown: boolean } = { hasThrown: false }
    try {
      await run(ctx, async () => {
        isLoaded = true
        const before = toText(ctx.session)
        try {
          await next()
        } catch (error) {
          Object.assign(handler, { error, hasThrown: true })
          throw error
        } finally {
          // koa-session tells a change by CRC-32, which who chooses a part of the data can keep the same.
          if (ctx.session && toText(ctx.session) !== before) Reflect.set(ctx.session, '_requireSave', true)
        }
      })
    } catch (thrown) {
      // koa-session commits all the same, and what goes wrong there must not hide what went wrong first.
      if (isLoaded) throw handler.hasThrown ? handler.error : thrown
      await refusals.answer(ctx, thrown)
      return
    } finally {
      removeCookie(ctx, KEY)
    }
    if (failures.has(ctx)) refusals.respond(ctx, failures.get(ctx))
  }
}

/** The data as JSON; undefined for data that is none, which koa-session reports when it commits. */
function toText(data: unknown): string | undefined {
  try {
    return JSON.stringify(data)
  } catch {
    return undefined
  }
}

function refuseAnonymous(): never {
  throw new TypeError('ctx.session: expected a signed-in request before something is kept, got an anonymous one')
}
