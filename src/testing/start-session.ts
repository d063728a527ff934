// Starts a session in a request that nobody sent: what a login route does once it knows who it is.

import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'

import Koa from 'koa'

import type { TokenResponse } from '../koa/delivery.ts'
import type { SessionKit } from '../session-kit.ts'
import type { Subject } from '../session/session.ts'

/** Any kit, as far as starting sessions goes. */
export type StartingKit<Claims extends object> = Pick<SessionKit<Claims>, 'start'>

/** What the client of the request would have been sent. */
export interface StartedSession {
  readonly body: TokenResponse
  /** Each Set-Cookie line. */
  readonly cookies: readonly string[]
}

/** Starts a session of this subject. Nothing is mounted on any app, and nothing is asked who it is. */
export async function startSession<Claims extends object>(
  kit: StartingKit<Claims>,
  subject: Subject<Claims>,
): Promise<StartedSession> {
  const request = Object.assign(new IncomingMessage(new Socket()), {
    method: 'POST',
    url: '/',
    // A page of the app's own, over https.
    headers: { 'sec-fetch-site': 'same-origin', 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' },
  })
  const response = new ServerResponse(request)
  const app = new Koa()
  app.proxy = true
  const body = await kit.start(app.createContext(request, response), subject)
  return { body, cookies: [response.getHeader('Set-Cookie') ?? []].flat().map(String) }
}
