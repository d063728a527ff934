// The demo's app: the kit with its key and data in files, one protected route, the page, and the events as log lines.

import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'

import { Router } from '@koa/router'
import Koa from 'koa'
import { type AuthState, createKeySet, createSessionKit, type EventName, generateKey } from 'koa-holdfast'
import { lmdbStore } from 'koa-holdfast/store/lmdb'

import { readIfThere, replaceFile } from './files.ts'
import { createPage } from './page.ts'
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
  const kit = await createSessionKit({
    issuer: origin,
    keys: await createKeySet({ keys: [await loadKey(join(directory, 'key.json'))] }),
    store,
    async authenticate(ctx) {
      const { username, password, remember } = ctx.request.body
      return (await checkPassword(username, password)) ? { sub: String(username), remember: remember === true } : null
    },
  })
  for (const name of LOGGED) kit.events.on(name, (event) => log(JSON.stringify({ event: name, ...event })))

  const router = new Router<AuthState>()
  router.get('/api/me', kit.protect(), (ctx) => {
    const { sub, sid } = ctx.state.auth
    // ctx.session is kept on the server and ends with the session.
    ctx.session.visits = (ctx.session.visits ?? 0) + 1
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { sub, sid, visits: ctx.session.visits }
  })

  const app = new Koa()
  app.use(await createPage())
  app.use(kit.protect({ optional: true }))
  app.use(kit.session(app))
  app.use(kit.routes())
  app.use(router.routes())

  return {
    handle: app.callback(),
    async close() {
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
