// Connections that outlast their request: WebSocket upgrades and streams. Each is authenticated like any request, by the
// pair or by a ticket and the fingerprint, and then tied to its session.

import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

import Koa from 'koa'

import { SessionError } from '../errors.ts'
import type { LiveSession, LiveSessions } from '../live.ts'
import type { RevocationList } from '../revocation.ts'
import type { Settings } from '../options/options.ts'
import type { Auth } from '../auth.ts'
import type { TokenVerifier } from '../verifier.ts'
import type { Context } from './context.ts'
import { assertTransport, readCookies } from './cookies.ts'
import { assertSameOrigin, type CrossSiteRule } from './cross-site.ts'
import type { Authenticator } from './protect.ts'
import type { Refusals } from './refusals.ts'

/** What a connection must present. */
export interface UpgradeOptions {
  /** The audience that a ticket must be for. @default the issuer */
  readonly audience?: string
  /** The app behind whose proxy settings the request is read. @default the one of `kit.session(app)` */
  readonly app?: Koa
}

/** Authenticates connections. */
export interface Upgrade {
  /** A request that a server's `'upgrade'` event brought. Undefined when it was refused: it has been answered then. */
  upgrade(request: IncomingMessage, options?: UpgradeOptions): Promise<LiveSession | undefined>
  /** The response of this context, such as Server-Sent Events. @throws SessionError */
  stream(ctx: Context, options?: UpgradeOptions): Promise<LiveSession>
}

const TICKET = 'ticket'
// How long a peer has to take what was sent last.
const FLUSH_MS = 50

/** Makes the upgrade of one kit. */
export function createUpgrade(options: {
  readonly settings: Settings
  readonly rule: CrossSiteRule
  /** A verifier of tickets for this audience. */
  readonly ticketVerifier: (audience: string) => TokenVerifier
  readonly revocations: Pick<RevocationList, 'assertFresh' | 'consume'>
  readonly live: LiveSessions
  readonly authenticator: Authenticator
  readonly refusals: Refusals
  /** The app that was last given to the kit. */
  readonly knownApp: () => Koa | undefined
}): Upgrade {
  const { settings, rule, live, authenticator, refusals } = options
  // It believes no proxy.
  const unknownApp = new Koa()

  async function open(ctx: Context, { audience }: UpgradeOptions, close: () => void): Promise<Opened> {
    assertSameOrigin(ctx.req, rule)
    const ticket = readTicket(ctx.req)
    const auth = await (ticket === undefined ? authenticator.demand(ctx) : redeem(ctx, ticket, audience))
    const opened = await live.tie(auth, ticket !== undefined, close)
    if (opened === undefined) {
      const { sub, sid, jti } = auth
      throw new SessionError('ERR_SESSION_EXPIRED', { subject: { sub, sid, jti } })
    }
    return opened
  }

  /** Verified first, used up then: a thief without the fingerprint must not spend it. */
  async function redeem(ctx: Context, token: string, audience: string = settings.issuer): Promise<Auth> {
    assertTransport(ctx, settings.cookie)
    const fingerprints = readCookies(ctx.req, settings.cookie.name)
    const auth = await options.ticketVerifier(audience).verify({ token, fingerprints })
    options.revocations.assertFresh(settings.onStale)
    if (await options.revocations.consume(auth.jti)) return auth
    const { sub, sid, jti } = auth
    throw new SessionError('ERR_TOKEN_REVOKED', { subject: { sub, sid, jti } })
  }

  return {
    async upgrade(request, upgradeOptions = {}) {
      const { socket } = request
      const app = upgradeOptions.app ?? options.knownApp() ?? unknownApp
      // As `app.callback()` does, which this app may never be asked for: without a listener it would throw.
      if (app.listenerCount('error') === 0) app.on('error', app.onerror)
      const response = new ServerResponse(request)
      const ctx: Context = app.createContext(request, response)
      // Until somebody else listens: an 'error' of a connection that breaks off is nobody's fault.
      socket.on('error', ignore)
      try {
        const { session, untie } = await open(ctx, upgradeOptions, () => endSocket(socket))
        socket.once('close', untie)
        if (socket.destroyed) untie()
        return session
      } catch (thrown) {
        try {
          await refusals.answer(ctx, thrown)
        } finally {
          sendAnswer(response, socket, ctx.body)
        }
        return undefined
      }
    },
    async stream(ctx, upgradeOptions = {}) {
      const { session, untie } = await open(ctx, upgradeOptions, () => setImmediate(() => ctx.res.destroy()))
      ctx.res.once('close', untie)
      if (ctx.res.destroyed) untie()
      return session
    },
  }
}

interface Opened {
  readonly session: LiveSession
  readonly untie: () => void
}

/**
 * The ticket in the URL, where only a ticket may be: it is short-lived, good for one use, and nothing without its cookie.
 *
 * @throws SessionError with ERR_CREDENTIALS_AMBIGUOUS when there is more than one credential
 */
function readTicket({ url = '', headers }: IncomingMessage): string | undefined {
  const at = url.indexOf('?')
  const tickets = at < 0 ? [] : new URLSearchParams(url.slice(at + 1)).getAll(TICKET)
  if (tickets.length === 0) return undefined
  if (tickets.length > 1 || headers.authorization !== undefined) throw new SessionError('ERR_CREDENTIALS_AMBIGUOUS')
  return tickets[0]
}

/** Sends what is still to be sent, but waits for no one: a peer that does not read must not keep the socket open. */
function endSocket(socket: Duplex): void {
  socket.end()
  setTimeout(() => socket.destroy(), FLUSH_MS).unref()
}

/** Nobody else answers a refused upgrade. */
function sendAnswer(response: ServerResponse, socket: IncomingMessage['socket'], body: unknown): void {
  response.shouldKeepAlive = false
  response.once('finish', () => endSocket(socket))
  try {
    response.assignSocket(socket)
  } catch {
    // Pipelined behind a request that is still being answered.
    socket.destroy()
    return
  }
  response.end(body)
}

function ignore(): void {}
