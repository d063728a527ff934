// What events say about a request: no header that could hold a credential, no query.

import { cleanText, type RequestInfo } from '../events.ts'
import type { Context } from './context.ts'

const clients = new WeakMap<object, string>()

/** Says which client of the options asks. */
export function noteClient(ctx: Context, id: string): void {
  clients.set(ctx.req, id)
}

/** Describes the request for an event. */
export function describeRequest(ctx: Context): RequestInfo {
  const userAgent = ctx.get('User-Agent')
  const client = clients.get(ctx.req)
  return {
    method: ctx.method,
    path: cleanText(readPath(ctx)),
    ip: cleanText(ctx.ip),
    ...(userAgent !== '' && { userAgent: cleanText(userAgent) }),
    ...(client !== undefined && { client }),
  }
}

/** The path, or nothing where the request line holds a URL that cannot be parsed. */
export function readPath(ctx: Context): string {
  try {
    return ctx.path
  } catch {
    return ''
  }
}
