// Requests to the kit's own routes, and how their answers are read.

import { ClientError } from './errors.ts'
import { getHeader, nativeFetch, parse, readText, stringify } from './natives.ts'

const TIMEOUT_MS = 30_000
const LONGEST_WAIT = 300

/** @throws ClientError with ERR_UNREACHABLE */
export async function post(url: string, abort: AbortSignal | undefined, json?: unknown): Promise<Response> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), TIMEOUT_MS)
  abort?.addEventListener('abort', () => controller.abort())
  try {
    return await nativeFetch(url, {
      method: 'POST',
      credentials: 'include',
      cache: 'no-store',
      redirect: 'error',
      // Outlives the page that says goodbye.
      keepalive: abort === undefined,
      signal: controller.signal,
      ...(json !== undefined && { headers: { 'Content-Type': 'application/json' }, body: stringify(json) }),
    })
  } catch {
    throw new ClientError('ERR_UNREACHABLE')
  } finally {
    clearTimeout(timer)
  }
}

const CODES: Readonly<Record<number, ClientError['code']>> = { 401: 'ERR_LOGIN_FAILED', 429: 'ERR_RATE_LIMITED' }

/** The error that an answer is. */
export function toError({ status, headers }: Response): ClientError {
  const code = CODES[status] ?? (status >= 400 && status < 500 ? 'ERR_REFUSED' : 'ERR_UNAVAILABLE')
  const after = getHeader(headers, 'Retry-After')
  const seconds = after === null ? NaN : Number(after) || (Date.parse(after) - Date.now()) / 1000
  return new ClientError(code, status, seconds > 0 ? Math.min(seconds, LONGEST_WAIT) : undefined)
}

/** The answer to a login and a refresh (RFC 6749 section 5.1). */
export interface TokenResponse {
  readonly token: string | undefined
  readonly sid: string
  readonly lifetime: number
}

/** @throws ClientError for what is no token response */
export async function readTokenResponse(response: Response): Promise<TokenResponse> {
  if (!response.ok) throw toError(response)
  try {
    const {
      access_token: token,
      sid,
      expires_in: lifetime,
    } = parse(await readText(response)) as Record<string, unknown>
    const gift = { token, sid, lifetime }
    if (isTokenResponse(gift)) return gift
  } catch {
    // Not even JSON.
  }
  throw new ClientError('ERR_UNAVAILABLE', response.status)
}

export function isTokenResponse(value: object): value is TokenResponse {
  const { token = '', sid, lifetime } = value as Record<string, unknown>
  return typeof token === 'string' && typeof sid === 'string' && typeof lifetime === 'number'
}
