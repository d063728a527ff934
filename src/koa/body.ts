// JSON bodies of the kit's routes: only `application/json` in UTF-8, only objects, only small ones.

import { bodyParser } from '@koa/bodyparser'

import { SessionError } from '../errors.ts'
import type { Context, LoginContext } from './context.ts'

const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"? *)?$/i
const LIMIT = '16kb'

/** Whether the content type is JSON in UTF-8; without a charset it is (RFC 8259 section 8.1). */
export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && JSON_TYPE.test(contentType)
}

const parse = bodyParser({
  enableTypes: ['json'],
  encoding: 'utf-8',
  jsonLimit: LIMIT,
  onError(error) {
    const status = (error as { status?: number }).status // http-errors' own, on some of them
    throw new SessionError(status === 413 ? 'ERR_BODY_TOO_LARGE' : 'ERR_BODY_MALFORMED', {
      detail: status === 413 ? `more than ${LIMIT}` : error.name,
    })
  },
})

/**
 * Reads the body of a route that needs none: an empty object when there is nothing to read.
 *
 * @throws SessionError as {@link readJsonBody} does
 */
export async function readOptionalJsonBody(ctx: Context): Promise<Readonly<Record<string, unknown>>> {
  const { headers } = ctx.req
  const isEmpty = headers['transfer-encoding'] === undefined && !(Number(headers['content-length']) > 0)
  // Clients that stream say nothing of the length, and without a type there is nothing that could be understood.
  return isEmpty || headers['content-type'] === undefined ? {} : (await readJsonBody(ctx)).request.body
}

/**
 * Reads the body into `ctx.request.body`, unless a body parser of the application has.
 *
 * @returns the same context, whose body is an object now
 * @throws SessionError with ERR_BODY_TYPE, ERR_BODY_TOO_LARGE or ERR_BODY_MALFORMED
 */
export async function readJsonBody(ctx: Context): Promise<LoginContext> {
  // Nothing compressed: what is small needs none, and what is cut short while it inflates would never settle.
  if (!isJson(ctx.get('Content-Type')) || ctx.get('Content-Encoding') !== '') throw new SessionError('ERR_BODY_TYPE')
  await parse(ctx, async () => {})
  const { body } = ctx.request as { body?: unknown } // the parser's, or the application's
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new SessionError('ERR_BODY_MALFORMED', { detail: 'not an object' })
  }
  return ctx as LoginContext // its body has just been looked at
}
