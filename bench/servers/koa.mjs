// Koa with nothing; with a middleware that reads the two headers and does nothing; and with the least that a session of
// this kind takes once its token is known: the floors.

import { hash, timingSafeEqual } from 'node:crypto'

import Koa from 'koa'
import { open } from 'lmdb'

import { anonymous, breakToken, serveKoa, USER } from './shared.mjs'

// As long as those of the kit.
const TOKEN = 'x'.repeat(624)
const FINGERPRINT = 'x'.repeat(43)
const SESSION_BYTES = 850
const GOOD = { Authorization: `Bearer ${TOKEN}`, Cookie: `__Secure-Fgp=${FINGERPRINT}` }
const BAD = [
  { ...GOOD, Authorization: breakToken(GOOD.Authorization) },
  { ...GOOD, Cookie: breakToken(GOOD.Cookie) },
]

/** The middleware of each floor. */
const FLOORS = {
  reads: () => read,
  least: () => createLeast(undefined),
  leastLmdb: createLeast,
}

export async function create({ floor, path }) {
  const app = new Koa()
  if (floor !== undefined) app.use(FLOORS[floor](path))
  app.use((ctx) => {
    ctx.body = { user: USER }
  })
  const held = []
  /** Keeps strings about as long as a session is in memoryStore. */
  async function grow({ sessions = 0 }) {
    for (let i = 0; i < sessions; i += 1) held.push(`${i} ${Buffer.alloc(SESSION_BYTES, 'x').toString('latin1')}`)
  }

  const bad = floor === 'reads' ? [] : BAD
  const signIn = floor === undefined ? anonymous : async () => ({ good: GOOD, bad })
  return { server: serveKoa(app), signIn, grow }
}

function read(ctx, next) {
  ctx.state.length = ctx.headers.authorization.length + ctx.headers.cookie.length
  return next()
}

/** SHA-256 of the token, what is known of it, SHA-256 of the cookie, a comparison; and one read of LMDB, if there is one. */
function createLeast(path) {
  const known = new Map([[hash('sha256', TOKEN, 'binary'), Buffer.from(hash('sha256', FINGERPRINT, 'base64url'))]])
  const place = Buffer.alloc(FINGERPRINT.length)
  const root = path === undefined ? undefined : open({ path, encoding: 'string' })
  root?.putSync('version', '1')
  return function check(ctx, next) {
    const { authorization, cookie } = ctx.headers
    const digest = known.get(hash('sha256', authorization.slice(7), 'binary'))
    place.write(hash('sha256', cookie.slice(cookie.indexOf('=') + 1), 'base64url'), 'latin1')
    root?.resetReadTxn()
    const isKnown = digest !== undefined && timingSafeEqual(place, digest)
    if (!isKnown || (root !== undefined && root.get('version') !== '1')) ctx.throw(401)
    ctx.state.auth = digest
    return next()
  }
}
