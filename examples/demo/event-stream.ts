// The timeline's source: the events of the signed-in user as Server-Sent Events, tied to the session, which ends it.

import { PassThrough } from 'node:stream'

import type { Context, SessionKit } from 'koa-holdfast'

import type { Entry, EventLog } from './event-log.ts'

const HEARTBEAT_MS = 20_000
// Whoever reads no longer is cut off, and asks again for what it missed.
const MOST_UNREAD = 65_536

/** Makes the handler of the stream. It takes `?ticket=`, and `?after=` with the id of the last entry that came. */
export function createEventStream(options: {
  readonly kit: Pick<SessionKit, 'stream'>
  readonly log: EventLog
}): (ctx: Context) => Promise<void> {
  const { kit, log } = options

  return async function stream(ctx) {
    const { auth, signal } = await kit.stream(ctx)
    const body = new PassThrough()
    const write = (text: string): void => {
      if (body.writableLength > MOST_UNREAD) ctx.res.destroy()
      else body.write(text)
    }
    const send = (entry: Entry): void => write(`id: ${entry.id}\ndata: ${JSON.stringify(entry)}\n\n`)
    const unsubscribe = log.subscribe(auth.sub, send)
    const heartbeat = setInterval(() => write(': still here\n\n'), HEARTBEAT_MS).unref()
    const stop = (): void => {
      unsubscribe()
      clearInterval(heartbeat)
    }
    ctx.res.once('close', stop)
    // Right after this the kit closes the connection.
    signal.addEventListener('abort', () => {
      stop()
      body.end('event: ended\ndata: {}\n\n')
    })
    ctx.set('Cache-Control', 'no-store')
    ctx.type = 'text/event-stream'
    ctx.body = body
    write('event: ready\ndata: {}\n\n')
    const { after } = ctx.query
    for (const entry of after === undefined ? log.ofSession(auth) : log.ofUser(auth, Number(after))) send(entry)
  }
}
