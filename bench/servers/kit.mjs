// Koa with the kit as the README mounts it: every check on every request. Grows sessions and revocations when told.

import { randomBytes } from 'node:crypto'

import { Redis } from 'ioredis'
import Koa from 'koa'
import { createKeySet, createSessionKit, ERROR_CODES, memoryStore } from 'koa-holdfast'
import { lmdbStore } from 'koa-holdfast/store/lmdb'
import { redisStore } from 'koa-holdfast/store/redis'

import { breakToken, ISSUER, postLogin, readCookies, serveKoa, USER } from './shared.mjs'

const STORES = {
  memory: () => memoryStore(),
  lmdb: ({ path }) => lmdbStore({ path }),
  redis: ({ redis, prefix }) => redisStore({ client: new Redis({ host: '127.0.0.1', port: redis }), prefix }),
}

const AT_ONCE = 2000
const HALF_AN_HOUR = 1_800_000
const drawId = () => randomBytes(16).toString('base64url')

export async function create({ jwk, kind = 'memory', claimBytes = 0, ...place }) {
  const { store, revoke } = overhear(STORES[kind](place))
  const claims = { roles: ['reader'], ...(claimBytes > 0 && { note: 'x'.repeat(claimBytes) }) }
  const kit = await createSessionKit({
    ...{ issuer: ISSUER, keys: await createKeySet({ keys: [JSON.stringify(jwk)] }), store, limiter: false },
    ...{ accessToken: { lifetime: '1h', maxBytes: 8192 }, session: { idle: '2h' } },
    authenticate: () => ({ sub: USER, claims }),
  })
  const counts = { events: 0 }
  const note = () => (counts.events += 1)
  for (const name of new Set(Object.values(ERROR_CODES).map(({ event }) => event))) {
    if (name !== undefined) kit.events.on(name, note)
  }
  const app = new Koa()
  app.proxy = true
  app.on('error', note)
  app.use(kit.routes())
  app.use(kit.protect())
  app.use((ctx) => {
    ctx.body = { user: ctx.state.auth.sub }
  })

  async function grow({ sessions = 0, revocations = 0 }) {
    await addSessions(store, sessions)
    revoke(revocations)
  }

  return { server: serveKoa(app), signIn, grow, count: () => counts }
}

/** Logs in, and answers what the server lets in and what it refuses. */
async function signIn(base) {
  const response = await postLogin(base, {})
  // The refresh cookie goes to its own routes only.
  const Cookie = readCookies(response).split('; ')[0]
  const good = { Authorization: `Bearer ${(await response.json()).access_token}`, Cookie }
  const { Authorization } = good
  return { good, bad: [{}, { Authorization }, { Authorization: breakToken(Authorization), Cookie }] }
}

/** The store, and what tells the kit as if so many had been revoked in other processes: it gets their names and no more. */
function overhear(store) {
  let tell
  const revoke = (count) => {
    const now = Date.now()
    for (let i = 0; i < count; i += 1) {
      const expires = Math.ceil(now + HALF_AN_HOUR * (1 + i / count))
      tell({ key: `sid ${drawId()}`, value: null, expires })
    }
  }
  const watch = (listener, ...more) => {
    tell = listener
    return store.watch(listener, ...more)
  }
  return { store: { ...store, watch }, revoke }
}

/** As many sessions more, each of a subject of its own. */
async function addSessions(store, count) {
  for await (const { value, expires } of store.list('session', USER)) {
    const add = (sub) => store.add('session', { key: drawId(), value: { ...value, sub }, expires, group: sub })
    // So many at once, since the disk takes them together.
    for (let i = 0; i < count; i += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, more) => add(`u-${i + more}`)))
    }
    return
  }
}
