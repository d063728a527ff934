// A real app with a real kit for real browsers: it serves the built client to its pages, keeps a list of what it was
// asked, and its clock and its answers can be changed while it runs.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { readFile } from 'node:fs/promises'

import cors from '@koa/cors'
import { Router } from '@koa/router'
import Koa from 'koa'

import {
  type AuthState,
  createKeySet,
  createSessionKit,
  memoryStore,
  type SessionKit,
  type SessionKitOptions,
} from '../../src/index.ts'
import { privateJwk } from './app.ts'
import { listen, type Owner } from './http.ts'

const DIST = new URL('../../dist/client/', import.meta.url)

/** A request as it arrived, and how it was answered. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** 0 until it is answered. */
  readonly status: number
}

export interface BrowserApp {
  readonly kit: SessionKit
  /** On localhost; the same app on 127.0.0.1 is another site. */
  readonly origin: string
  readonly otherSite: string
  /** Everything that was asked, in its order. */
  readonly asked: readonly Asked[]
  /** What was asked of this path. */
  askedOf(path: string): readonly Asked[]
  /** Moves the server's clock. */
  advance(seconds: number): void
  /** Looks at each request first; what it answers, the app does not. Undefined for none. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>) | undefined
}

export interface BrowserAppOptions extends Partial<SessionKitOptions> {
  readonly mount?: (router: Router<AuthState>, kit: SessionKit, koa: Koa) => void
}

const PAGES: Readonly<Record<string, string>> = {
  '/': '<!doctype html><title>empty</title>',
  // A page as an application would make it: it shows what the client says, from the first moment on.
  '/app': `<!doctype html><title>app</title><main></main><script type="module">
    import { createClient } from '/client.js'
    const client = createClient()
    const show = ({ status, subject = '' }) => {
      document.querySelector('main').textContent += status + subject + ' '
    }
    client.onChange(show)
    show(client.session)
  </script>`,
}

/** Starts the app. Any user may log in with the password `'correct'`. */
export async function openBrowserApp(owner: Owner, options: BrowserAppOptions = {}): Promise<BrowserApp> {
  const { mount, ...kitOptions } = options
  const asked: Asked[] = []
  let offset = 0
  const handler: { handle?: (request: IncomingMessage, response: ServerResponse) => unknown } = {}
  const server = createServer((request, response) => {
    void answer(request, response)
  })
  const port = await listen(owner, server)
  const origin = `http://localhost:${port}`
  const clock = (): number => Date.now() + offset
  const kit = await createSessionKit({
    issuer: origin,
    clock,
    limiter: false,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore({ clock }),
    authenticate: (ctx) => {
      const { username, password } = ctx.request.body as { username: string; password: string }
      return password === 'correct' ? { sub: username, claims: { roles: ['editor'] } } : null
    },
    ...kitOptions,
  })
  owner.teardown(() => kit.close())
  const koa = new Koa()
  koa.silent = true
  const router = new Router<AuthState>()
  koa.use(cors(kit.cors()))
  koa.use(kit.protect({ optional: true }))
  koa.use(kit.routes())
  for (const [path, html] of Object.entries(PAGES)) {
    router.get(path, (ctx) => {
      ctx.type = 'html'
      ctx.body = html
    })
  }
  for (const [path, file] of [
    ['/client.js', 'holdfast-client.min.js'],
    ['/src/:file', undefined],
  ] as const) {
    router.get(path, async (ctx) => {
      ctx.type = 'text/javascript'
      ctx.body = await readFile(new URL(file ?? String(ctx['params'].file), DIST))
    })
  }
  router.all('/me', kit.protect(), (ctx) => {
    ctx.body = { sub: ctx.state.auth.sub, sid: ctx.state.auth.sid }
  })
  mount?.(router, kit, koa)
  koa.use(router.routes())
  handler.handle = koa.callback()

  const app: BrowserApp = {
    kit,
    origin,
    otherSite: `http://127.0.0.1:${port}`,
    asked,
    askedOf: (path) => asked.filter((one) => one.path === path),
    advance(seconds) {
      offset += seconds * 1000
    },
    intercept: undefined,
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const entry = { method, path: url.split('?')[0] ?? '', headers, status: 0 }
    asked.push(entry)
    response.on('finish', () => {
      entry.status = response.statusCode
    })
    if (await app.intercept?.(request, response)) return
    await handler.handle?.(request, response)
  }

  return app
}
