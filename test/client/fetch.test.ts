// `fetch` of the client: where the token goes and where it does not, and that it is otherwise the browser's own.

import type { IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'

import test from 'ava'

import { type BrowserApp, openBrowserApp } from '../helpers/browser-app.ts'
import { createContexts, openTab } from '../helpers/browser-tab.ts'
import { listen, type Owner } from '../helpers/http.ts'

const contexts = createContexts()
let app: BrowserApp

/** What a request looked like where it arrived. */
interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

test.before(async () => {
  await contexts.start()
  app = await openBrowserApp(contexts.owner, {
    mount(router, kit) {
      router.all('/to', (ctx) => {
        ctx.redirect(String(ctx.query['url']))
        ctx.status = Number(ctx.query['status'] ?? 302)
      })
      router.all('/echo', kit.protect(), async (ctx) => {
        ctx.body = { method: ctx.method, headers: ctx.req.headers, body: await text(ctx.req) }
      })
      router.get('/recent', kit.protect({ maxTokenAge: '1m' }), (ctx) => {
        ctx.body = 'ok'
      })
      router.get('/scoped', kit.protect({ scope: 'admin' }), (ctx) => {
        ctx.body = 'ok'
      })
      for (const [path, challenge] of [
        ['/broken', 'Bearer error="invalid_token"'],
        ['/own', undefined],
        ['/other-scheme', 'Other realm="x"'],
      ] as const) {
        router.get(path, (ctx) => {
          if (challenge !== undefined) ctx.set('WWW-Authenticate', challenge)
          ctx.status = 401
        })
      }
    },
  })
})
test.after.always(contexts.end)

/** A server of somebody else that lets every page ask, and with every header. */
async function openOther(owner: Owner, answer = 200): Promise<{ readonly port: number; readonly seen: Seen[] }> {
  const seen: Seen[] = []
  const port = await listen(owner, async (request, response) => {
    const { method = '', url = '', headers } = request
    response
      .setHeader('Access-Control-Allow-Origin', headers.origin ?? '*')
      .setHeader('Access-Control-Allow-Credentials', 'true')
      .setHeader('Access-Control-Allow-Headers', 'authorization, content-type, x-own')
      .setHeader('Access-Control-Expose-Headers', 'WWW-Authenticate')
    if (method === 'OPTIONS') {
      response.writeHead(204).end()
      return
    }
    seen.push({ method, path: url, headers, body: await text(request) })
    const back = new URL(url, 'http://localhost').searchParams.get('back')
    if (back !== null) response.writeHead(307, { Location: back }).end()
    else response.writeHead(answer, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
  })
  return { port, seen }
}

const refreshes = (): number => app.asked('/auth/refresh').length

test.serial('CL-02 only the origins of the options get the token, whatever looks like them', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const [friend, stranger] = [await openOther(t), await openOther(t)]
  // The second is what the URLs of all others on this host begin with.
  const origins = [`http://localhost:${friend.port}`, 'http://localhost']
  const tab = await openTab(context, app, { client: { origins } })
  await tab.login()
  for (const url of [
    `http://localhost:${stranger.port}/`,
    `http://127.0.0.1:${stranger.port}/`,
    `http://127.0.0.1:${friend.port}/`,
    `http://app.localhost:${friend.port}/`,
    `http://localhost:${friend.port}@127.0.0.1:${stranger.port}/`,
    `//127.0.0.1:${friend.port}/`,
  ]) {
    const [before] = [friend.seen.length + stranger.seen.length]
    await tab.status(url)
    const [last] = [...friend.seen, ...stranger.seen].slice(before === 0 ? 0 : -1)
    t.false(
      [...friend.seen, ...stranger.seen].some(({ headers }) => headers.authorization !== undefined),
      url,
    )
    t.true(last !== undefined || url.includes('@'), url)
  }
  t.is(await tab.status(`http://localhost:${friend.port}/api`), 200)
  const { headers } = friend.seen.at(-1) ?? {}
  t.regex(headers?.authorization ?? '', /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
  t.regex(headers?.cookie ?? '', /__Secure-Fgp=/, 'CL-03')
})

test.serial(
  'CL-03 the cookies go along, unless the caller says otherwise, and then the token does not either',
  async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const friend = await openOther(t)
    const api = `http://localhost:${friend.port}/`
    const tab = await openTab(context, app, { client: { origins: [api.slice(0, -1)] } })
    await tab.login()
    for (const [url, credentials, cookie, token] of [
      ['/me', undefined, true, true],
      ['/me', 'same-origin', true, true],
      ['/me', 'include', true, true],
      ['/me', 'omit', false, false],
      [api, undefined, true, true],
      [api, 'same-origin', false, true],
      [api, 'include', true, true],
      [api, 'omit', false, false],
    ] as const) {
      await tab.client.evaluate(
        async (client, [to, how]) => void (await client.fetch(to, how === undefined ? {} : { credentials: how })),
        [url, credentials] as const,
      )
      const headers = (url === api ? friend.seen : app.asked('/me')).at(-1)?.headers
      t.is(headers?.cookie?.includes('__Secure-Fgp=') ?? false, cookie, `${url} ${credentials} cookie`)
      t.is(headers?.authorization !== undefined, token, `${url} ${credentials} token`)
    }
  },
)

test.serial('CL-02 the token does not follow a redirect to another origin, nor come back from there', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  const before = refreshes()
  for (const method of ['GET', 'POST']) {
    t.is(await tab.status('/to?url=/me', { method }), 200, 'within the origin')
    for (const status of [301, 302, 303, 307, 308]) {
      for (const host of ['localhost', '127.0.0.1']) {
        const other = await openOther(t, 401)
        const place = `http://${host}:${other.port}/`
        const to = (url: string): string => `/to?status=${status}&url=${encodeURIComponent(url)}`
        t.is(await tab.status(to(place), { method }), 401, `${status} ${place}`)
        t.is(other.seen.length, 1, 'and it is not tried again')
        const { length } = app.asked('/me')
        // What comes back has the origin `null`, which no server of ours lets in; it has arrived all the same.
        await tab.status(to(`${place}?back=${encodeURIComponent(`${app.origin}/me`)}`), { method })
        t.is(other.seen.length, 2)
        for (const { headers } of other.seen) t.is(headers.authorization, undefined)
        for (const { headers } of app.asked('/me').slice(length)) t.is(headers.authorization, undefined)
      }
    }
  }
  t.is(refreshes(), before)
})

test.serial('CL-02 a browser that may be too old to take the token off is not redirected', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app, { before: () => void Reflect.deleteProperty(URL, 'canParse') })
  await tab.login()
  const other = await openOther(t)
  t.is(await tab.status(`/to?url=http://localhost:${other.port}/`), 'TypeError')
  t.deepEqual(other.seen, [])
  t.is(await tab.status('/me'), 200)
})

test.serial(
  'CL-04 what is put in the place of the functions of the page later sees neither token nor password',
  async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const tab = await openTab(context, app)
    const overheard = await tab.page.evaluateHandle(() => {
      const texts: string[] = []
      const { stringify } = JSON
      // In an array, so that tsx gives it no name.
      const [hear] = [
        (value: unknown): void => {
          texts.push(String(value))
          if (value instanceof Promise) void value.then(hear, () => {})
          else if (value instanceof Headers) texts.push(...[...value].flat())
          else if (value instanceof Request || value instanceof Response) texts.push(...[...value.headers].flat())
          else if (typeof value === 'object') texts.push(stringify(value))
        },
      ]
      for (const [owner, name] of [
        ...[[globalThis, 'fetch'] as const, [globalThis, 'Request'] as const, [globalThis, 'Headers'] as const],
        ...(['set', 'get', 'append', 'has'] as const).map((each) => [Headers.prototype, each] as const),
        ...(['parse', 'stringify'] as const).map((each) => [JSON, each] as const),
        ...(['text', 'json', 'arrayBuffer', 'clone'] as const).map((each) => [Response.prototype, each] as const),
        ...(['text', 'json', 'clone'] as const).map((each) => [Request.prototype, each] as const),
        [XMLHttpRequest.prototype, 'send'] as const,
      ]) {
        const original = Reflect.get(owner, name) as (...parameters: unknown[]) => unknown
        Reflect.set(
          owner,
          name,
          new Proxy(original, {
            apply(target, self, parameters: unknown[]) {
              const result = Reflect.apply(target, self, parameters)
              for (const each of [name, self, ...parameters, result]) hear(each)
              return result
            },
            construct(target, parameters) {
              const made = Reflect.construct(target, parameters) as object
              for (const each of [name, ...parameters, made]) hear(each)
              return made
            },
          }),
        )
      }
      return texts
    })
    await tab.login('mallory')
    await tab.client.evaluate((client) => client.refresh())
    const told = await tab.client.evaluate(
      async (client) => (await client.fetch('/me', { method: 'POST', body: 'x' })).status,
    )
    t.is(told, 200)
    const token = app.asked('/me').at(-1)?.headers.authorization?.split(' ')[1] ?? ''
    t.is(token.split('.').length, 3)
    const texts = await overheard.jsonValue()
    for (const secret of ['correct', 'mallory', ...token.split('.')]) {
      t.false(
        texts.some((one) => one.includes(secret)),
        secret.slice(0, 8),
      )
    }
    // It would have been heard.
    await tab.page.evaluate(async () => (await fetch('/me', { headers: { 'X-Own': 'overheard' } })).text())
    const heard = await overheard.jsonValue()
    t.true(heard.some((one) => one.includes('overheard')))
    t.true(
      heard.some((one) => one.includes('Unauthorized')),
      'and what came back',
    )
  },
)

test.serial('CL-09 nothing in the address of the page changes what is asked of whom', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const other = await openOther(t)
  const evil = `http://localhost:${other.port}`
  const address = `/?baseURL=${evil}&prefix=//evil&origins=${evil}&method=DELETE#${evil}/auth?baseURL=${evil}`
  const tab = await openTab(context, app, { path: address })
  await tab.login()
  t.is(await tab.status('/me'), 200)
  await tab.client.evaluate((client) => client.logout())
  t.deepEqual(other.seen, [])
  t.deepEqual(
    ['/auth/login', '/me', '/auth/logout']
      .map((path) => app.asked(path).at(-1))
      .map((one) => [one?.method, one?.status]),
    [
      ['POST', 200],
      ['GET', 200],
      ['POST', 204],
    ],
  )
})

test.serial("an Authorization header of the caller's own is left alone", async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  const before = refreshes()
  t.is(await tab.status('/me', { headers: { authorization: 'Bearer mine' } }), 401)
  t.is(app.asked('/me').at(-1)?.headers.authorization, 'Bearer mine')
  t.is(refreshes(), before)
})

test.serial(
  'everything but the token arrives as it does with the own fetch of the browser, also the second time',
  async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const friend = await openOther(t)
    const api = `http://localhost:${friend.port}`
    const tab = await openTab(context, app, { client: { origins: [api] } })
    await tab.login()
    const send = (index: number, isOurs: boolean): Promise<unknown> =>
      tab.client.evaluate(
        async (client, [which, ours]) => {
          const form = new FormData()
          form.append('file', new Blob(['content'], { type: 'text/x' }), 'name.txt')
          const json = { 'Content-Type': 'application/json', 'X-Own': 'a, b' }
          const calls: readonly (readonly [RequestInfo | URL, RequestInit?])[] = [
            ['/echo'],
            [new URL('/echo?a=b#c', location.href), {}],
            ['/echo', { method: 'PUT', body: '{}', headers: json }],
            ['/echo', { method: 'post', body: 'ä', headers: [['x-own', '1']] }],
            ['/echo', { method: 'PATCH', body: new Blob(['blob'], { type: 'text/y' }), headers: new Headers(json) }],
            ['/echo', { method: 'POST', body: new Uint8Array(100_000) }],
            ['/echo', { method: 'POST', body: new URLSearchParams('a=1&b=2') }],
            ['/echo', { method: 'POST', body: form }],
            ['/echo', { method: 'DELETE', cache: 'no-cache', keepalive: true, priority: 'low' }],
            ['/echo', { referrer: '/elsewhere', referrerPolicy: 'same-origin', mode: 'same-origin' }],
            [new Request('/echo', { method: 'POST', body: 'request', headers: json, referrerPolicy: 'no-referrer' })],
            [new Request('/echo', { method: 'POST', body: 'request' }), { method: 'PUT', body: 'init', headers: json }],
            [new Request('/echo', { method: 'POST', body: new Blob(['x'.repeat(100_000)]) })],
          ]
          const call = calls[which]
          if (call === undefined) return undefined
          const response = await (ours ? client.fetch(...call) : fetch(...call))
          const { ok, redirected, type, url, status } = response
          return { ok, redirected, type, url, status, echo: ok ? await response.json() : undefined }
        },
        [index, isOurs] as const,
      )
    for (let i = 0; ; i += 1) {
      // The route without its guard, so that the other one has an answer too.
      const ours = (await send(i, true)) as { echo: Seen } | undefined
      if (ours === undefined) {
        t.is(i, 13)
        break
      }
      app.advance(900)
      const again = (await send(i, true)) as { echo: Seen }
      app.intercept('/echo', async (request, response) => {
        response.setHeader('Content-Type', 'application/json; charset=utf-8')
        response.end(JSON.stringify({ method: request.method, headers: request.headers, body: await text(request) }))
      })
      const native = (await send(i, false)) as { echo: Seen }
      app.intercept('/echo', undefined)
      for (const [label, one] of [
        ['ours', ours],
        ['again', again],
      ] as const) {
        t.regex(one.echo.headers.authorization ?? '', /^Bearer /)
        t.deepEqual(plain(one), plain(native), `${label} ${i}`)
      }
    }
    // A request that has to say more than the caller did.
    await tab.client.evaluate(
      async (client, url) => void (await client.fetch(url, { referrer: '/elsewhere', referrerPolicy: 'unsafe-url' })),
      api,
    )
    t.is(friend.seen.at(-1)?.headers.referer, `${app.origin}/elsewhere`)
  },
)

/** Without the token, what the roll-over of the cookie changes, and the boundary, which is drawn anew each time. */
function plain(answer: { readonly echo: Seen }): unknown {
  const { authorization: _, cookie: __, ...headers } = answer.echo.headers
  const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1] ?? '\0'
  return JSON.parse(JSON.stringify({ ...answer, echo: { ...answer.echo, headers } }).replaceAll(boundary, 'boundary'))
}

test.serial('a call before the session is known waits for it', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const first = await openTab(context, app)
  await first.login()
  await first.page.close()
  const tab = await openTab(context, app, { isEarly: true })
  const { length } = app.asked('/me')
  t.is(await tab.client.evaluate(async ({ fetch: detached }) => (await detached('/me')).status), 200)
  t.is(app.asked('/me').length, length + 1)
})

test.serial('a lasting 401 is tried once more and refreshes once, however often it is asked', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  const before = { refreshes: refreshes(), broken: app.asked('/broken').length }
  const statuses = await tab.client.evaluate((client) =>
    Promise.all(Array.from({ length: 20 }, async () => (await client.fetch('/broken')).status)),
  )
  t.deepEqual([...new Set(statuses)], [401])
  t.is(refreshes(), before.refreshes + 1)
  t.true(app.asked('/broken').length <= before.broken + 40)
  const { length } = app.asked('/broken')
  for (let i = 0; i < 3; i += 1) t.is(await tab.status('/broken'), 401)
  t.is(refreshes(), before.refreshes + 1)
  t.is(app.asked('/broken').length, length + 3)
  t.is(await tab.status('/me'), 200)
})

test.serial('what is not the fault of the token is neither tried again nor refreshed', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  app.advance(61)
  const before = refreshes()
  for (const [path, status] of [
    ['/recent', 401],
    ['/own', 401],
    ['/other-scheme', 401],
    ['/scoped', 403],
    ['/nowhere', 404],
  ] as const) {
    const { length } = app.asked(path)
    t.is(await tab.status(path), status, path)
    t.is(app.asked(path).length, length + 1, path)
  }
  for (const status of [400, 500, 503]) {
    app.intercept('/me', (_request, response) => response.writeHead(status).end())
    const { length } = app.asked('/me')
    t.is(await tab.status('/me'), status)
    t.is(app.asked('/me').length, length + 1)
  }
  app.intercept('/me', undefined)
  t.is(refreshes(), before)
})

test.serial('what was asked for as one user is not done as another', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const alice = await openTab(context, app, {
    before: () => void Reflect.deleteProperty(globalThis, 'BroadcastChannel'),
  })
  await alice.login('alice')
  const bob = await openTab(context, app)
  await bob.login('bob')
  const { length } = app.asked('/me')
  t.is(await alice.status('/me', { method: 'POST' }), 401)
  t.is(app.asked('/me').length, length + 1)
  t.like(await alice.session(), { subject: 'bob' })
  t.is(await alice.status('/me'), 200)
})

test.serial('who gives up while the session is refreshed is told so at once, and as fetch would', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  app.advance(900)
  const refresh = app.hold('/auth/refresh')
  const others = tab.status('/me')
  await refresh.answered
  const given = await tab.client.evaluate(async (client) => {
    const reason = { any: 'reason' }
    const abort = new AbortController()
    const calls = [
      client.fetch('/me', { signal: abort.signal }),
      client.fetch(new Request('/me', { signal: abort.signal })),
      client.fetch('/me', { signal: AbortSignal.timeout(50) }),
    ]
    await new Promise((resolve) => setTimeout(resolve, 60))
    abort.abort(reason)
    const ends = await Promise.allSettled(calls)
    const late = await client.fetch('/me', { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error)
    return [...ends.map((end) => (end.status === 'rejected' ? (end.reason as unknown) : end.value)), late].map((one) =>
      one === reason ? 'reason' : one instanceof DOMException ? one.name : one,
    )
  })
  t.deepEqual(given, ['reason', 'reason', 'TimeoutError', 'reason'])
  refresh.release()
  t.is(await others, 200)
})

test.serial('what cannot be asked at all rejects as fetch does', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tab = await openTab(context, app)
  await tab.login()
  app.intercept('/gone', (request) => request.destroy())
  for (const [url, init] of [
    ['http://', {}],
    ['/me', { method: 'TRACE' }],
    ['/me', { method: 'GET', body: 'x' }],
    ['/gone', {}],
    ['http://localhost:1/', {}],
  ] as const) {
    const native = await tab.page.evaluate(
      ([to, how]) =>
        fetch(to, how).then(
          () => '',
          (error: Error) => error.name,
        ),
      [url, init] as const,
    )
    t.is(native, 'TypeError')
    t.is(await tab.status(url, init), native, url)
  }
})

test.serial('a stream is sent once: with a token that lasts, and with the answer that comes', async (t) => {
  const context = await contexts.open(t, { ignoreHTTPSErrors: true })
  if (context === undefined) return
  const secure = await openBrowserApp(t, {
    isSecure: true,
    mount(router, kit) {
      router.post('/upload', kit.protect(), async (ctx) => {
        ctx.body = await text(ctx.req)
      })
    },
  })
  await context.clock.install()
  const tab = await openTab(context, secure)
  await tab.login()
  const upload = (isRequest = false): Promise<readonly [number, string]> =>
    tab.client.evaluate(async (client, asRequest) => {
      const body = new Blob(['one ', 'two']).stream()
      const init = { method: 'POST', body, duplex: 'half' } as RequestInit // `duplex` is newer than the types
      const response = await (asRequest ? client.fetch(new Request('/upload', init)) : client.fetch('/upload', init))
      return [response.status, await response.text()] as const
    }, isRequest)
  t.deepEqual(await upload(), [200, 'one two'])
  t.deepEqual(await upload(true), [200, 'one two'])
  // The server's clock alone says that the token has ended.
  secure.advance(900)
  const { length } = secure.asked('/upload')
  const [status] = await upload()
  t.is(status, 401)
  t.is(secure.asked('/upload').length, length + 1)
  t.is(await tab.status('/me'), 200)
  t.deepEqual(await upload(), [200, 'one two'])
  // The token is about to end, and its successor on the way.
  const refresh = secure.hold('/auth/refresh')
  secure.advance(870)
  await context.clock.fastForward(870_000)
  await refresh.answered
  secure.advance(30)
  const late = await tab.client.evaluateHandle((client) => {
    const init = { method: 'POST', body: new Blob(['late']).stream(), duplex: 'half' } as RequestInit // as above
    return { answer: client.fetch('/upload', init) }
  })
  refresh.release()
  t.is(await late.evaluate(async ({ answer }) => (await answer).status), 200)
})
