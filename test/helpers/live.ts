// Live connections over real sockets: a server that upgrades with the kit, WebSocket clients, and upgrades written by
// hand; and a clock and a store for what happens in between.

import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'

import type { ExecutionContext } from 'ava'
import { WebSocket, WebSocketServer } from 'ws'

import { type LiveSession, memoryStore, type Store, type TicketOptions, type UpgradeOptions } from '../../src/index.ts'
import { bearer, createClock, type Response, type TestApp, type TestAppOptions, type TestClock } from './app.ts'
import { createSignal, type Held } from './held-store.ts'
import { listen } from './http.ts'

/** What a live socket is closed with. */
export const SESSION_OVER = 4401

export interface SocketServer {
  readonly port: number
  /** The session of each socket that was let in. */
  readonly lives: LiveSession[]
  /** The server's end of each connection that asked. */
  readonly sockets: Duplex[]
  /** What `kit.upgrade` rejected with: it answers itself, so nothing. */
  readonly failures: unknown[]
}

/** A server beside the app's own, as applications write it: the kit decides, `ws` talks. */
export async function openSocketServer(
  t: ExecutionContext,
  app: Pick<TestApp, 'kit' | 'koa'>,
  options?: UpgradeOptions,
): Promise<SocketServer> {
  const handle = app.koa.callback()
  const server = createServer((...pair) => void handle(...pair))
  const sockets = new WebSocketServer({ noServer: true })
  const opened: Omit<SocketServer, 'port'> = { lives: [], sockets: [], failures: [] }

  async function serve(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    opened.sockets.push(socket)
    const live = await app.kit.upgrade(incoming, options)
    if (live === undefined) return
    opened.lives.push(live)
    sockets.handleUpgrade(incoming, socket, head, (peer) => {
      peer.on('error', () => {})
      live.signal.addEventListener('abort', () => peer.close(SESSION_OVER, 'the session is over'))
      peer.on('message', () => peer.send('pong'))
    })
  }

  server.on('upgrade', (...asked) => void serve(...asked).catch((error: unknown) => opened.failures.push(error)))
  const port = await listen(t, server)
  t.teardown(() => {
    for (const socket of opened.sockets) socket.destroy()
  })
  return { port, ...opened }
}

type Headers = Readonly<Record<string, string>>

const PROXIED = { Host: 'app.example', 'X-Forwarded-Proto': 'https' }

export interface Client {
  readonly peer: WebSocket
  /** Resolves to the code it was closed with, and when. */
  readonly closed: Promise<{ readonly code: number; readonly at: number }>
}

/** Opens a WebSocket. Rejects when it is refused. */
export async function dial({ port }: { readonly port: number }, headers: Headers, path = '/live'): Promise<Client> {
  const peer = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: { ...PROXIED, ...headers } })
  const closed = new Promise<{ code: number; at: number }>((resolve) => {
    peer.once('close', (code) => resolve({ code, at: performance.now() }))
  })
  await once(peer, 'open')
  peer.on('error', () => {})
  return { peer, closed }
}

/** Sends something over a live socket; resolves when it is answered, which shows that nobody has closed it. */
export async function ping({ peer }: Client): Promise<void> {
  const pong = once(peer, 'message')
  peer.send('ping')
  await pong
}

export interface Knock {
  /** 101 for one that was let in, and hung up. */
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Whether the server has closed the connection. */
  readonly isClosed: boolean
}

const PATIENCE = 5000

/** Asks for an upgrade by hand, and reads until the server closes or agrees. Pairs go out as they are. */
export async function knock(
  { port }: { readonly port: number },
  headers: Headers | readonly (readonly [string, string])[],
  path = '/live',
  before = '',
): Promise<Knock> {
  const socket = connect(port, '127.0.0.1')
  const lines = [
    ...Object.entries({
      ...PROXIED,
      ...{ Connection: 'Upgrade', Upgrade: 'websocket' },
      ...{ 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    }),
    // The cast is what Array.isArray does not tell of readonly arrays.
    ...(Array.isArray(headers) ? (headers as [string, string][]) : Object.entries(headers)),
  ].map(([name, value]) => `${name}: ${value}`)
  let text = ''
  const isClosed = await new Promise<boolean>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (text.startsWith('HTTP/1.1 101')) resolve(false)
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve(true))
    socket.setTimeout(PATIENCE, () => resolve(false))
    socket.write(`${before}GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  })
  socket.destroy()
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const fields = head.split('\r\n').map((line) => line.split(': '))
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
    headers: Object.fromEntries(fields.slice(1).map(([name = '', value = '']) => [name.toLowerCase(), value])),
    text: body,
    isClosed,
  }
}

/** A clock that runs like the real one, always from the same part of a second. */
export function createRunningClock(): TestClock {
  const clock = createClock()
  const begun = performance.now()
  return Object.assign(() => Math.floor(clock() + performance.now() - begun), clock)
}

export interface StaleStore extends Store {
  /** From now on the next look at a session is answered only after `release`, with what was true before. */
  hold(): Held
}

/** A store whose answer can be on its way for as long as a test likes. */
export function createStaleStore(clock: TestClock): StaleStore {
  const store = memoryStore({ clock })
  let pending: { reach: () => void; released: Promise<void> } | undefined
  return {
    ...store,
    async get(kind, key) {
      const record = await store.get(kind, key)
      const held = kind === 'session' ? pending : undefined
      if (held !== undefined) {
        pending = undefined
        held.reach()
        await held.released
      }
      return record
    },
    hold() {
      const [reached, released] = [createSignal(), createSignal()]
      pending = { reach: reached.send, released: released.promise }
      return { reached: reached.promise, release: released.send }
    },
  }
}

/** Mounts `POST /ticket`, which answers a ticket for the options in its header. */
export const mountTickets: NonNullable<TestAppOptions['mount']> = (_koa, kit, router) => {
  router.post('/ticket', kit.protect(), async (ctx) => {
    ctx.body = await kit.ticket(ctx, JSON.parse(ctx.get('X-Options') || '{}') as TicketOptions)
  })
}

/** Asks for a ticket with this pair. */
export function postTicket(
  app: TestApp,
  pair: Parameters<typeof bearer>[0],
  options: TicketOptions = {},
): Promise<Response> {
  return app.request('POST', '/ticket', { ...bearer(pair), 'X-Options': JSON.stringify(options) })
}

/** The path that carries a fresh ticket. */
export async function ticketPath(
  app: TestApp,
  pair: Parameters<typeof bearer>[0],
  options?: TicketOptions,
): Promise<string> {
  const { status, text } = await postTicket(app, pair, options)
  if (status !== 200) throw new Error(`the ticket was refused with ${status}: ${text}`)
  return `/live?ticket=${text}`
}

export interface Listener {
  readonly status: number
  /** Resolves when this much has been read; rejects when the connection ends before. */
  until(text: string): Promise<void>
  /** Resolves to everything that was read, once the connection has ended. */
  readonly ended: Promise<string>
  /** Reads no more. */
  pause(): void
  /** Hangs up. */
  close(): void
}

/** Asks for a stream, as an EventSource does, and resolves when the answer begins. */
export async function listenTo(
  { port }: { readonly port: number },
  headers: Headers,
  path = '/stream',
): Promise<Listener> {
  const accept = { Accept: 'text/event-stream', 'Cache-Control': 'no-cache' }
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    headers: { ...PROXIED, ...accept, ...headers },
  })
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  const progress = new EventEmitter()
  incoming.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    progress.emit('data')
  })
  // A stream that the server cuts off ends so.
  incoming.on('error', () => {})
  const ended = new Promise<string>((resolve) => incoming.once('close', () => resolve(text)))
  return {
    status: incoming.statusCode ?? 0,
    ended,
    async until(expected) {
      while (!text.includes(expected)) {
        const state = await Promise.race([once(progress, 'data'), ended])
        if (typeof state === 'string' && !text.includes(expected)) throw new Error(`ended after ${text}`)
      }
    },
    pause: () => void incoming.pause(),
    close: () => outgoing.destroy(),
  }
}
