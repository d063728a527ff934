// A real app with a real kit for real browsers: it serves the built client and pages for it, keeps a list of what it was
// asked, and its clock and its answers can be changed while it runs.

import { readFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'

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
import { privateKeyOf } from './forge.ts'
import { listen, type Owner } from './http.ts'
import { selfSign } from './self-signed.ts'

const DIST = new URL('../../dist/client/', import.meta.url)

/** A request as it arrived, and how it was answered. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** 0 until it is answered. */
  readonly status: number
}

/** Answers a request in the place of the app. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => unknown

export interface BrowserApp {
  readonly kit: SessionKit
  /** On localhost. */
  readonly origin: string
  /** The same app on 127.0.0.1, which is another site. */
  readonly otherSite: string
  /** Everything that was asked of this path, in its order. */
  asked(path: string): readonly Asked[]
  /** Moves the server's clock. */
  advance(seconds: number): void
  /** From now on requests to this path are answered so, or again by the app. */
  intercept(path: string, answer: Intercept | undefined): void
  /** Keeps the answers of this path back until they are released. */
  hold(path: string): { readonly answered: Promise<void>; release(): void }
}

export interface BrowserAppOptions extends Partial<SessionKitOptions> {
  /** Mounts more routes. */
  readonly mount?: (router: Router<AuthState>, kit: SessionKit) => void
  /** Whether it speaks HTTP/2 over TLS, which Chromium demands of a request whose body is a stream. */
  readonly isSecure?: boolean
}

const HTML: Readonly<Record<string, string>> = {
  '/': '<!doctype html><title>empty</title>',
  // A page as an application would make it: it shows what the client says, from the first moment on.
  '/app': `<!doctype html><title>app</title><main></main><script type="module">
    import { createClient } from '/client.js'
    const client = createClient()
    const show = ({ status, subject = '' }) => {
      document.querySelector('main').append(\`\${status} \${subject}\`.trim(), ', ')
    }
    client.onChange(show)
    show(client.session)
    addEventListener('pagehide', ({ persisted }) => persisted && document.querySelector('main').append('left, '))
    addEventListener('pageshow', ({ persisted }) => persisted && document.querySelector('main').append('back, '))
    addEventListener('login', ({ detail }) => void client.login(detail))
    addEventListener('logout', () => void client.logout().catch(() => {}))
  </script>`,
}

/** Starts the app. Any user may log in with the password `'correct'`. */
export async function openBrowserApp(owner: Owner, options: BrowserAppOptions = {}): Promise<BrowserApp> {
  const { mount, isSecure = false, ...kitOptions } = options
  const asked: Asked[] = []
  const intercepts = new Map<string, Intercept>()
  const holds = new Map<string, (response: ServerResponse) => void>()
  let offset = 0
  let handle: ReturnType<Koa['callback']> | undefined

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const path = url.split('?')[0] ?? ''
    const entry = { method, path, headers, status: 0 }
    asked.push(entry)
    response.on('finish', () => {
      entry.status = response.statusCode
    })
    holds.get(path)?.(response)
    await (intercepts.get(path) ?? handle)?.(request, response)
  }

  function intercept(path: string, how: Intercept | undefined): void {
    if (how === undefined) intercepts.delete(path)
    else intercepts.set(path, how)
  }

  const port = await listen(owner, isSecure ? createTlsServer(answer) : createServer((...pair) => void answer(...pair)))
  const origin = `${isSecure ? 'https' : 'http'}://localhost:${port}`
  const clock = (): number => Date.now() + offset
  const kit = await createSessionKit({
    issuer: origin,
    clock,
    // All requests come from one address.
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
  // What a broken connection makes of an answer is part of the tests.
  koa.silent = true
  const router = new Router<AuthState>()
  for (const [path, html] of Object.entries(HTML)) {
    router.get(path, (ctx) => {
      ctx.type = 'html'
      ctx.body = html
    })
  }
  router.get('/client.js', async (ctx) => {
    ctx.type = 'text/javascript'
    ctx.body = await readFile(new URL('holdfast-client.min.js', DIST))
  })
  router.all('/me', kit.protect(), (ctx) => {
    ctx.body = { sub: ctx.state.auth.sub, sid: ctx.state.auth.sid }
  })
  mount?.(router, kit)
  koa.use(cors(kit.cors()))
  koa.use(kit.protect({ optional: true }))
  koa.use(kit.routes())
  koa.use(router.routes())
  handle = koa.callback()

  return {
    kit,
    origin,
    otherSite: `http://127.0.0.1:${port}`,
    asked: (path) => asked.filter((one) => one.path === path),
    advance(seconds) {
      offset += seconds * 1000
    },
    intercept,
    hold(path) {
      const begun = withResolvers()
      const released = withResolvers()
      holds.set(path, (response) => {
        const { end } = response
        // The cast: the overloads of `end`.
        response.end = ((...parameters: Parameters<typeof end>) => {
          begun.resolve()
          void released.promise.then(() => end.apply(response, parameters))
          return response
        }) as typeof end
      })
      return {
        answered: begun.promise,
        release() {
          holds.delete(path)
          released.resolve()
        },
      }
    },
  }
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: (() => void) | undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve: () => resolve?.() }
}

function createTlsServer(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): ReturnType<typeof createSecureServer> {
  const cert = `-----BEGIN CERTIFICATE-----\n${selfSign(privateJwk, 'localhost').toString('base64')}\n-----END CERTIFICATE-----`
  const key = privateKeyOf(privateJwk).export({ format: 'pem', type: 'pkcs8' })
  return createSecureServer({ cert, key }, (request, response) => {
    // The casts are Node's own promise: its HTTP/2 compatibility API stands in for that of HTTP/1.
    void answer(request as unknown as IncomingMessage, response as unknown as ServerResponse)
  })
}
