// An issuer that answers questions about tokens as a test tells it, rightly or wrongly, and counts them.

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

import Koa from 'koa'

import { protect } from '../../src/koa/service.ts'
import { createIntrospector } from '../../src/service/introspector.ts'
import type { IntrospectorOptions } from '../../src/service/introspector-options.ts'
import type { ServiceVerifier } from '../../src/service/service.ts'
import { createClock, type SeenEvent, type TestClock } from './app.ts'
import { sign, validClaims, validHeader, type Json, type ValidClaims } from './forge.ts'
import { listen, type Owner, type Response, send } from './http.ts'

export const SERVICE = 'https://api.app.example'

/** Answers a question; what it returns is sent as JSON. */
export type Answer = (form: URLSearchParams, request: IncomingMessage, response: ServerResponse) => unknown

export interface Questioned {
  readonly clock: TestClock
  readonly introspector: ServiceVerifier
  /** Where the issuer answers. */
  readonly endpoint: string
  /** What has been asked so far. */
  readonly asked: URLSearchParams[]
  readonly events: SeenEvent[]
  answer: Answer
  /** A token, what is true of it and its cookie. */
  token(overrides?: Json): ValidClaims & { readonly token: string }
  /** Requests the service with it. */
  me(token: string, cookie?: string, path?: string): Promise<Response>
}

/** A service whose tokens are asked about at a stand-in issuer, which is right about them until told otherwise. */
export async function openQuestioned(
  owner: Owner,
  { clock = createClock(), ...overrides }: Partial<IntrospectorOptions> & { readonly clock?: TestClock } = {},
): Promise<Questioned> {
  const asked: URLSearchParams[] = []
  const events: SeenEvent[] = []
  const known = new Map<string, Json>()
  const questioned = { answer: ((form) => ({ active: true, ...known.get(String(form.get('token'))) })) as Answer }

  const issuerPort = await listen(owner, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    asked.push(form)
    const json = await questioned.answer(form, request, response)
    if (response.headersSent) return
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(json))
  })
  const endpoint = `http://127.0.0.1:${issuerPort}/introspect`
  const introspector = await createIntrospector({
    issuer: 'https://app.example',
    audience: SERVICE,
    origin: SERVICE,
    cookie: { domain: 'app.example', tlsProxy: true },
    endpoint,
    client: { id: SERVICE, secret: 'a secret of the service, long enough' },
    clock,
    ...overrides,
  })
  owner.teardown(() => introspector.close())
  for (const name of ['token_rejected', 'sidejack', 'introspection_unavailable', 'authn_token_reuse'] as const) {
    introspector.events.on(name, (event) => events.push({ name, event }))
  }

  const app = new Koa({ proxy: true })
  app.silent = true
  app.use(protect(introspector))
  app.use((ctx) => {
    const { auth } = ctx.state as { readonly auth: unknown }
    ctx.body = { auth }
  })
  const server = app.listen(0, '127.0.0.1')
  owner.teardown(() => server.close())
  await once(server, 'listening')
  const port = (server.address() as { readonly port: number }).port // it listens on a port

  return Object.assign(questioned, {
    clock,
    introspector,
    endpoint,
    asked,
    events,
    token(changes: Json = {}) {
      const valid = validClaims({ clock }, { aud: SERVICE, ...changes })
      const token = sign(validHeader(), valid.claims)
      known.set(token, valid.claims)
      return { ...valid, token }
    },
    me: (token: string, cookie?: string, path = '/me') =>
      send({ port, defaults: { Host: 'api.app.example' } }, 'GET', path, {
        Authorization: `Bearer ${token}`,
        ...(cookie !== undefined && { Cookie: cookie }),
      }),
  })
}
