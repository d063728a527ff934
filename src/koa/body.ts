// Bodies of the kit's routes: only small ones, only in UTF-8. JSON objects, and on the routes for clients forms.

import { bodyParser } from '@koa/bodyparser'

import { SessionError } from '../errors.ts'
import type { Context, LoginContext } from './context.ts'
import { JSON_TYPE } from './media-type.ts'

const FORM_TYPE = /^application\/x-www-form-urlencoded *(?:; *charset="?utf-8"? *)?$/i
const JSON_LIMIT = '16kb'
// Room for the longest token that is still verified, and a client's assertion beside it.
const FORM_LIMIT = '32kb'

function onError(error: Error): never {
  const isTooLarge = (error as { status?: number }).status === 413 // http-errors' own, on some of them
  throw new SessionError(isTooLarge ? 'ERR_BODY_TOO_LARGE' : 'ERR_BODY_MALFORMED', {
    detail: isTooLarge ? 'more than the limit' : error.name,
  })
}

const parseJson = bodyParser({ enableTypes: ['json'], encoding: 'utf-8', jsonLimit: JSON_LIMIT, onError })
// As text: the parser's own reader of forms makes trees of dotted names, and lists of what comes twice.
const parseForm = bodyParser({
  enableTypes: ['text'],
  extendTypes: { text: ['application/x-www-form-urlencoded'] },
  encoding: 'utf-8',
  textLimit: FORM_LIMIT,
  onError,
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
  assertType(ctx, JSON_TYPE)
  await parseJson(ctx, async () => {})
  const { body } = ctx.request as { body?: unknown } // the parser's, or the application's
  if (!isObject(body)) throw malformed('not an object')
  return ctx as LoginContext // its body has just been looked at
}

/** The fields of a form. What came without a value did not come (RFC 6749 section 3.2). */
export type Form = ReadonlyMap<string, string>

/**
 * Reads a form, also one that a body parser of the application has read.
 *
 * @throws SessionError as {@link readJsonBody} does; with ERR_BODY_MALFORMED for a field that comes twice
 * @see https://url.spec.whatwg.org/#urlencoded-parsing
 */
export async function readForm(ctx: Context): Promise<Form> {
  assertType(ctx, FORM_TYPE)
  await parseForm(ctx, async () => {})
  const { body, rawBody } = ctx.request as { body?: unknown; rawBody?: unknown }
  const fields = typeof rawBody === 'string' ? [...new URLSearchParams(rawBody)] : toFields(body)
  // Which of two is meant depends on who reads them (RFC 6749 section 3.2).
  if (new Set(fields.map(([name]) => name)).size < fields.length) throw malformed('a field comes twice')
  return new Map(fields.filter(([, value]) => value !== ''))
}

/** What an application's parser has made of a form whose text it did not keep. */
function toFields(body: unknown): [string, string][] {
  if (!isObject(body)) throw malformed('not a form')
  return Object.entries(body).map(([name, value]: [string, unknown]) => {
    if (typeof value !== 'string') throw malformed('a field comes twice')
    return [name, value]
  })
}

function assertType(ctx: Context, type: RegExp): void {
  // Nothing compressed: what is small needs none, and what is cut short while it inflates would never settle.
  if (!type.test(ctx.get('Content-Type')) || ctx.get('Content-Encoding') !== '') throw new SessionError('ERR_BODY_TYPE')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(detail: string): SessionError {
  return new SessionError('ERR_BODY_MALFORMED', { detail })
}
