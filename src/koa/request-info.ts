// What events say about a request: no header that could hold a credential, no query.

import { cleanText, type RequestInfo } from '../events.ts'
import type { Context } from './context.ts'

/** Describes the request for an event. */
export function describeRequest(ctx: Context): RequestInfo {
  const userAgent = ctx.get('User-Agent')
  return {
    method: ctx.method,
    path: cleanText(ctx.path),
    ip: cleanText(ctx.ip),
    ...(userAgent !== '' && { userAgent: cleanText(userAgent) }),
  }
}
