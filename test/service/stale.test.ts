// onStale: 'introspect': a service whose copy of the revocation list is too old asks the issuer, and only then.

import Koa from 'koa'
import test, { type ExecutionContext } from 'ava'

import { createKeySet, memoryStore, type Store } from '../../src/index.ts'
import { protect } from '../../src/koa/service.ts'
import { createSessionKit } from '../../src/kit.ts'
import type { VerifierOptions } from '../../src/service/options.ts'
import { createVerifier } from '../../src/service/verifier.ts'
import { createClock, ISSUER, privateJwk } from '../helpers/app.ts'
import { listen, send } from '../helpers/http.ts'
import { openQuestioned, type Questioned, SERVICE } from '../helpers/introspection.ts'

interface Stale extends Questioned {
  /** How old the copy says it is, in milliseconds. */
  age: number
}

async function open(t: ExecutionContext, paths: Readonly<Record<string, object>>): Promise<Stale> {
  const clock = createClock()
  const questioned = await openQuestioned(t, { clock })
  const memory = memoryStore({ clock })
  const stale = Object.assign(questioned, { age: 0 })
  const revocations: Store = {
    ...memory,
    watch: async (listener) => ({ ...(await memory.watch?.(listener)), age: () => stale.age, stop() {} }),
  }
  const { d: _d, ...publicJwk } = privateJwk
  const verifier = await createVerifier({
    ...{ issuer: ISSUER, audience: SERVICE, origin: SERVICE, cookie: { domain: 'app.example' }, clock, revocations },
    keys: await createKeySet({ keys: [publicJwk] }),
    introspector: questioned.introspector,
  })
  t.teardown(() => verifier.close())
  const app = new Koa({ proxy: true })
  app.silent = true
  // Each path has middleware of its own behind one that lets everything through for a minute.
  app.use(protect(verifier, { onStale: { openFor: '1m' } }))
  for (const [path, options] of Object.entries(paths)) {
    const middleware = protect(verifier, options)
    app.use((ctx, next) => (ctx.path === path ? middleware(ctx as never, next) : next()))
  }
  app.use((ctx) => {
    ctx.body = 'in'
  })
  const port = await listen(t, app.callback())
  const defaults = { Host: 'api.app.example', 'X-Forwarded-Proto': 'https' }
  stale.me = (token, cookie = '', path = '/') =>
    send({ port, defaults }, 'GET', path, { Authorization: `Bearer ${token}`, Cookie: cookie })
  return stale
}

test("RV-20 onStale: 'introspect' asks the issuer once the list is too old, and not before", async (t) => {
  const service = await open(t, { '/careful': { onStale: 'introspect' }, '/strict': { onStale: 'reject' } })
  const { token, cookie } = service.token()
  const status = async (path: string): Promise<number> => (await service.me(token, cookie, path)).status
  t.deepEqual([await status('/careful'), await status('/strict')], [200, 200])
  t.is(service.asked.length, 0)

  service.age = 6000
  t.deepEqual([await status('/'), await status('/careful'), await status('/strict')], [200, 200, 503])
  t.is(service.asked.length, 1)

  service.clock.advance(31)
  service.answer = () => ({ active: false })
  t.deepEqual([await status('/'), await status('/careful')], [200, 401])

  service.clock.advance(31)
  service.answer = (_form, _request, response) => void response.writeHead(500).end()
  t.is(await status('/careful'), 503)
})

test('an issuer that would let anybody in does not: what is asked about has been verified here', async (t) => {
  const service = await open(t, { '/careful': { onStale: 'introspect' } })
  service.age = 6000
  const { token, cookie, claims } = service.token()
  service.answer = () => ({ ...claims, active: true })
  t.is((await service.me(`${token.slice(0, -4)}AAAA`, cookie, '/careful')).status, 401)
  t.is((await service.me(token, undefined, '/careful')).status, 401)
  t.is(service.asked.length, 0)
})

test("onStale: 'introspect' without an introspector is refused when it is built", async (t) => {
  const keys = await createKeySet()
  const { d: _d, ...publicJwk } = privateJwk
  const options: VerifierOptions = {
    ...{ issuer: ISSUER, audience: SERVICE, fingerprint: 'none' },
    keys: await createKeySet({ keys: [publicJwk] }),
  }
  await t.throwsAsync(createVerifier({ ...options, onStale: 'introspect' }), { message: /^onStale: / })
  const verifier = await createVerifier(options)
  t.throws(() => protect(verifier, { onStale: 'introspect' }), { message: /^onStale: / })
  const store = memoryStore()
  await t.throwsAsync(createSessionKit({ issuer: ISSUER, keys, store, onStale: 'introspect' as 'reject' }), {
    message: /^onStale: /,
  })
  const kit = await createSessionKit({ issuer: ISSUER, keys, store })
  t.throws(() => kit.protect({ onStale: 'introspect' }), { message: /^onStale: / })
  await kit.close()
})
