// One server process of the fault campaign: the kit on Redis, and an application that can revoke. It tells its parent
// every event, with the code that its clients are not told.

import { once } from 'node:events'

import { Router } from '@koa/router'
import { createClient } from '@redis/client'
import Koa from 'koa'

import {
  type AuthState,
  createKeySet,
  createSessionKit,
  type EventName,
  isSessionError,
  type Refusal,
} from '../../src/index.ts'
import { redisStore } from '../../src/store/redis.ts'
import { portOf } from '../helpers/http.ts'

/** What it tells: the port once it listens, and what happens to a session, a subject, or (about nothing) to itself. */
export type Message =
  { readonly port: number } | { readonly about: string; readonly text: string; readonly time: number }

const { REDIS_PORT = '', KEY = '', ISSUER = '', MAX_STALENESS = '' } = process.env

// All but authn_login_success and authn_token_created, which say the same once more.
const EVENTS: readonly EventName[] = [
  ...(['session_created', 'session_renewed', 'session_expired', 'authn_token_revoked'] as const),
  ...(['authn_login_fail', 'authn_token_reuse', 'session_use_after_expire', 'sidejack', 'token_rejected'] as const),
  ...(['authz_fail', 'cross_site_refused', 'transport_insecure', 'key_revoked_in_use', 'store_unavailable'] as const),
]

// Never without its parent.
process.on('disconnect', () => process.exit())

function tell(message: Message): void {
  if (process.connected) process.send?.(message)
}

const client = createClient({
  socket: { host: '127.0.0.1', port: Number(REDIS_PORT), reconnectStrategy: 50, connectTimeout: 500 },
})
// Faults are what this is about.
client.on('error', () => {})
await client.connect()

const kit = await createSessionKit({
  issuer: ISSUER,
  keys: await createKeySet({ keys: [KEY] }),
  store: redisStore({
    client,
    timeout: '500ms',
    onProblem: ({ message }) => tell({ about: '', text: message, time: Date.now() }),
  }),
  maxStaleness: Number(MAX_STALENESS),
  // Nothing expires while the campaign runs, so whoever is refused has been revoked or is wronged.
  accessToken: { lifetime: '12h', maxLifetime: '12h' },
  session: { idle: '24h', absolute: '24h' },
  limiter: false,
  authenticate: (ctx) => ({ sub: String(ctx.request.body['sub']) }),
})

for (const name of EVENTS) {
  kit.events.on(name, (event) => {
    // The cast holds: each payload has some of these.
    const { time, code, reason, generation, target, sub, sid, request } = event as Partial<Refusal> & {
      readonly [member in 'reason' | 'generation']?: string | number
    } & { readonly target?: Readonly<Record<string, string | number>> }
    // Clients name their session and number their requests in User-Agent.
    const [asked = '', number = ''] = request?.userAgent?.split(' ') ?? []
    const about = target?.['sid'] ?? target?.['sub'] ?? sid ?? (asked || sub) ?? ''
    const before = target?.['before'] === undefined ? undefined : `until ${new Date(target['before']).toISOString()}`
    const text = [name, code, reason, generation, before, number].filter((part) => part !== undefined).join(' ')
    tell({ about: String(about), text, time: Number(time) })
  })
}

const router = new Router<AuthState>()
router.get('/me', kit.protect(), (ctx) => {
  ctx.body = { sid: ctx.state.auth.sid }
})
router.post('/revoke/:kind/:name', async (ctx) => {
  const { kind, name } = ctx.params
  await kit.revoke(kind === 'sub' ? { sub: String(name) } : { sid: String(name) })
  ctx.status = 204
})

const app = new Koa({ proxy: true })
app.on('error', (error: Error, ctx?: Koa.Context) => {
  const [asked = '', number = ''] = ctx?.get('User-Agent').split(' ') ?? []
  // The code of a SessionError, and what was below it: neither holds what was sent.
  const cause = error.cause instanceof Error ? error.cause.message : ''
  const code = isSessionError(error) ? error.code : error.name
  tell({ about: asked, text: `error ${code} ${error.message} ${cause} ${number}`, time: Date.now() })
})
app.use(kit.routes())
app.use(router.routes())
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
tell({ port: portOf(server) })
