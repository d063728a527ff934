// The demo's app: the kit with its key and data in files, one protected route, the page and its lab, and the events as
// log lines.

import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'

import { Router } from '@koa/router'
import Koa from 'koa'
import {
  type AuthState,
  createKeySet,
  createSessionKit,
  type EventName,
  generateKey,
  type SessionKitOptions,
} from 'koa-holdfast'
import { lmdbStore } from 'koa-holdfast/store/lmdb'

import { createEventLog } from './event-log.ts'
import { readIfThere, replaceFile } from './files.ts'
import { createLab } from './lab.ts'
import { createPage } from './page.ts'
import { createPlain } from './plain.ts'
import { createSidejackModes } from './sidejack-mode.ts'
import { createPasswordCheck } from './users.ts'

/** The users and their passwords, for everyone to read. */
export const USERS = { alice: 'wonderland', bob: 'builder' } as const

/** The demo, ready to serve. */
export interface Demo {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  close(): Promise<void>
}

const LOGGED = [
  'sidejack',
  'session_created',
  'session_renewed',
  'session_expired',
  'authn_login_fail',
  'authn_token_reuse',
  'token_rejected',
] as const satisfies readonly EventName[]

/**
 * Makes the demo.
 *
 * @param options.origin - where browsers reach it
 * @param options.directory - where its key and data are; made when it is not there
 * @param options.log - takes one line
 */
export async function createDemo(options: {
  readonly origin: string
  readonly directory: string
  readonly log: (line: string) => void
}): Promise<Demo> {
  const { origin, directory, log } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const store = lmdbStore({ path: join(directory, 'store.lmdb') })
  const checkPassword = await createPasswordCheck(USERS)
  const settings: SessionKitOptions = {
    issuer: origin,
    keys: await createKeySet({ keys: [await loadKey(join(directory, 'key.json'))] }),
    store,
    async authenticate(ctx) {
      const { username, password, remember } = ctx.request.body
      return (await checkPassword(username, password)) ? { sub: String(username), remember: remember === true } : null
    },
  }
  const kit = await createSessionKit(settings)
  // The same but for one option, for the sessions that ask for it.
  const strictKit = await createSessionKit({ ...settings, onSidejack: 'revoke' })
  const modes = createSidejackModes(strictKit)
  const events = createEventLog()
  for (const source of [kit.events, strictKit.events]) {
    events.follow(source)
    for (const name of LOGGED) source.on(name, (event) => log(JSON.stringify({ event: name, ...event })))
  }

  const router = new Router<AuthState>()
  router.get('/api/me', kit.protect(), (ctx) => {
    const { sub, sid } = ctx.state.auth
    // ctx.session is kept on the server and ends with the session.
    ctx.session.visits = (ctx.session.visits ?? 0) + 1
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { sub, sid, visits: ctx.session.visits }
  })

  const app = new Koa()
  // A browser that leaves the stream of events is no error.
  app.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') app.onerror(error)
  })
  app.use(await createPage())
  // Before the kit, which would refuse for it what it lets in.
  app.use(createPlain({ kit, issuer: origin }))
  app.use(modes.guard)
  app.use(kit.protect({ optional: true }))
  app.use(kit.session(app))
  app.use(kit.routes())
  app.use(router.routes())
  app.use(createLab({ kit, origin, log: events, modes }))

  return {
    handle: app.callback(),
    async close() {
      await strictKit.close()
      await kit.close()
      await store.close()
    },
  }
}

async function loadKey(path: string): Promise<string> {
  const kept = await readIfThere(path)
  if (kept !== undefined) return kept
  const fresh = JSON.stringify(await generateKey())
  await replaceFile(path, fresh)
  return fresh
}
