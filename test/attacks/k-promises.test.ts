// Answers that come later, in whatever form: an application, or a library of it, may have put a promise of its own in the
// place of the global one, or wrap a verifier in something that only has a `then`. Nobody gets in before the answer is there.

import test from 'ava'

import { protect } from '../../src/koa/service.ts'
import { isLater, proceed } from '../../src/proceed.ts'
import type { ServiceVerifier } from '../../src/service.ts'
import { codesOf, openTestApp } from '../helpers/app.ts'
import { openIssuer, openService } from '../helpers/service.ts'

const Native = Promise

test.afterEach.always(() => {
  globalThis.Promise = Native
})

test.serial('K-03 with another global Promise a bad token is refused, and a good one let in', async (t) => {
  const app = await openTestApp(t)
  const login = await app.login()
  const forged = `${login.token.slice(0, -8)}AAAAAAAA`
  globalThis.Promise = class Other<T> extends Native<T> {}
  t.false(
    Reflect.apply(async () => {}, undefined, []) instanceof Promise,
    'what an async function returns is none of those',
  )
  const statuses: number[] = []
  for (const token of [forged, 'x', login.token, login.token]) statuses.push((await app.me(token, login.cookie)).status)
  t.deepEqual(statuses, [401, 401, 200, 200])
  t.deepEqual(codesOf(app.seen).slice(-2), ['ERR_TOKEN_SIGNATURE', 'ERR_TOKEN_MALFORMED'])
  t.is(app.handled.count, 2)
})

test.serial('K-03 what a wrapped verifier answers is waited for, whatever kind of promise it is', async (t) => {
  const issuer = await openIssuer(t)
  let isWrapped = false
  const service = await openService(t, {
    issuer: issuer.issuer,
    mount(koa, verifier) {
      // As a library for metrics might.
      const verify = (...parameters: Parameters<ServiceVerifier['verify']>): object => {
        isWrapped = true
        const answer = verifier.verify(...parameters)
        // oxlint-disable-next-line unicorn/no-thenable -- that is what this is about
        return { then: answer.then.bind(answer) }
      }
      koa.use(protect({ ...verifier, verify } as ServiceVerifier))
    },
  })
  const { token, cookie } = issuer.mint(service.clock)
  t.is((await service.me('x', cookie)).status, 401)
  t.is((await service.me(`${token.slice(0, -8)}AAAAAAAA`, cookie)).status, 401)
  t.is(service.handled.count, 0)
  t.is((await service.me(token, cookie)).status, 200)
  t.true(isWrapped)
})

test('what has a then is later, and nothing else is', async (t) => {
  // oxlint-disable-next-line unicorn/no-thenable -- that is what this is about
  const thenable = { then: (resolve: (value: number) => void) => resolve(1) }
  t.true(isLater<unknown>(thenable))
  t.true(isLater(Native.resolve(1)))
  for (const value of [undefined, null, 1, 'then', {}, Object.freeze({ sub: 'then' }), Object.create(null)]) {
    t.false(isLater<unknown>(value))
  }
  t.is(await proceed(thenable as unknown as Promise<number>, (value) => value + 1), 2)
  t.is(
    proceed(1, (value) => value + 1),
    2,
  )
})
