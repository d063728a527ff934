// One request for JSON to a configured address: https, no redirects, bounded in time and size.

import { describe } from './describe.ts'
import { isLoopback } from './options/checks.ts'
import { type JsonObject, parseJsonObject } from './token/json.ts'

/** The part of `fetch` that is used; for tests, and for agents with their own certificates. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What an address answered. */
export interface JsonAnswer {
  readonly status: number
  readonly headers: Headers
  /** Undefined where the answer is no JSON or has another status than 200. */
  readonly json: JsonObject | undefined
}

/** What is sent. */
export interface JsonRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** How much is asked for, and how long it may take. */
export interface FetchLimits {
  readonly fetch: Fetch
  /** Ends it: `AbortSignal.timeout(…)`. */
  readonly deadline: AbortSignal
  /** Of the body, after it is unpacked. */
  readonly maxBytes: number
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json(?=;|\s|$)/i

/**
 * Asks for JSON.
 *
 * @throws Error when nothing usable comes within the limits; its message holds nothing of the answer
 */
export function fetchJson(url: string, limits: FetchLimits, init: JsonRequest = {}): Promise<JsonAnswer> {
  // The signal ends the body as well; but a `fetch` that is passed in may not look at it.
  return Promise.race([ask(url, limits, init), rejectAt(limits.deadline)])
}

async function ask(url: string, { fetch, deadline, maxBytes }: FetchLimits, init: JsonRequest): Promise<JsonAnswer> {
  const response = await fetch(url, {
    ...init,
    headers: { Accept: 'application/json, application/jwk-set+json', ...init.headers },
    // What is configured is asked, and nobody that it points to (RFC 8725 section 3.10).
    redirect: 'manual',
    signal: deadline,
  })
  const { status, headers } = response
  if (status !== 200 || !JSON_TYPE.test(headers.get('Content-Type') ?? '')) {
    await response.body?.cancel()
    return { status, headers, json: undefined }
  }
  return { status, headers, json: parse(await readBytes(response, maxBytes)) }
}

function rejectAt(deadline: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(deadline.reason as DOMException) // what AbortSignal.timeout gives
    if (deadline.aborted) fail()
    else deadline.addEventListener('abort', fail, { once: true })
  })
}

async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  // The cast says what Node's types leave out: a body is an iterable of bytes.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    // Leaving the loop cancels the rest.
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parse(bytes: Uint8Array): JsonObject {
  try {
    return parseJsonObject(bytes)
  } catch {
    // Without the cause: V8's message quotes the text.
    throw new Error('the answer is not one JSON object')
  }
}

/** Whether it is an address that may be asked: https, or http on this machine. */
export function isSafeUrl(value: unknown): value is string {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { protocol, hostname, username, password } = new URL(value)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

/** Describes a rejected address, without the password that it may hold. */
export function describeUrl(value: unknown): string {
  return describe(typeof value === 'string' ? value.replace(/\/\/[^]*@/, '//…@') : value)
}

/** Why it failed, for the operator. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  // `fetch failed` says nothing; its cause does, by a code such as ECONNREFUSED.
  const { code } = Object(error.cause) as { readonly code?: unknown }
  if (error.name === 'TimeoutError') return 'no whole answer in time'
  return typeof code === 'string' ? code : error.message
}
