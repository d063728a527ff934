// One HTTP request: bounded in time and size, with exactly the headers that are given, and without following anything.

import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

import type { Milliseconds } from '../time.ts'
import { Failure } from './command.ts'

/** What is sent. */
export interface Query {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What came back. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Each Set-Cookie line. */
  readonly cookies: readonly string[]
  readonly text: string
  /** When the request was sent and when its answer began. */
  readonly times: readonly [Milliseconds, Milliseconds]
}

const PATIENCE: Milliseconds = 5000
const MAX_BYTES = 1 << 18

/**
 * Asks once.
 *
 * @throws Failure when there is no answer in time, or one that is too long
 */
export async function ask(url: URL, { method = 'GET', headers = {}, body }: Query = {}): Promise<Answer> {
  try {
    return await exchange(url, { method, headers }, body)
  } catch (error) {
    if (error instanceof Failure) throw error
    const { code, message } = error as NodeJS.ErrnoException // what sockets, TLS and signals fail with
    const reason = code === 'ABORT_ERR' ? `no answer within ${PATIENCE / 1000} seconds` : (code ?? message)
    throw new Failure('unreachable', `${method} ${url.origin}${url.pathname}: ${reason}`, error)
  }
}

function exchange(
  url: URL,
  { method, headers }: { readonly method: string; readonly headers: Readonly<Record<string, string>> },
  body: string | undefined,
): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
  const options = {
    method,
    headers: { 'User-Agent': 'koa-holdfast', ...headers, ...length },
    agent: false,
    // Whatever the environment says.
    rejectUnauthorized: true,
    signal: AbortSignal.timeout(PATIENCE),
  } as const
  const sent = Date.now()
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, (incoming) => {
      const times = [sent, Date.now()] as const
      readBody(incoming).then(
        (text) =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            cookies: incoming.headers['set-cookie'] ?? [],
            text,
            times,
          }),
        reject,
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  // The cast is what a response without an encoding yields.
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > MAX_BYTES) throw new Failure('unreachable', `the answer is longer than ${MAX_BYTES} bytes`)
  }
  return Buffer.concat(chunks).toString('utf8')
}
