// Requests to the kit's own routes, and what their answers mean.

import { ClientError } from './errors.ts'
import { MAX_RETRY_AFTER, TIMEOUT_MS } from './limits.ts'
import { getHeader, nativeFetch, parse, readText, steadyClock, stringify, wallClock } from './natives.ts'
import type { Held } from './session.ts'

/** What a kit answers. */
export interface Answer {
  /** The session, where the answer brought one. */
  readonly held: Held | undefined
  /** What the answer is where it brought none. */
  readonly error: ClientError
}

/** Always answers. */
export async function post(url: string, json: unknown = {}): Promise<Answer> {
  // Before the request, so that the time it takes is on the safe side.
  const times = { wall: wallClock(), steady: steadyClock() }
  try {
    const response = await nativeFetch(url, {
      method: 'POST',
      // Also where there is nothing to say: a page of another site cannot.
      headers: { 'Content-Type': 'application/json' },
      body: stringify(json),
      credentials: 'include',
      redirect: 'error',
      // Its cookies are kept even if the page goes meanwhile: the server may have replaced them already.
      keepalive: true,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const answer: unknown = response.ok ? parse((await readText(response)) || '0') : undefined
    return { held: toHeld(answer, times), error: toError(response) }
  } catch {
    return { held: undefined, error: new ClientError('ERR_UNREACHABLE', 0) }
  }
}

const CODES: Readonly<Record<number, ClientError['code']>> = { 401: 'ERR_LOGIN_FAILED', 429: 'ERR_RATE_LIMITED' }

function toError({ status, headers }: Response): ClientError {
  const code = CODES[status] ?? (status >= 400 && status < 500 ? 'ERR_REFUSED' : 'ERR_UNAVAILABLE')
  // A date is no number, and counts as none.
  const seconds = Number(getHeader(headers, 'Retry-After'))
  return new ClientError(code, status, seconds > 0 ? Math.min(seconds, MAX_RETRY_AFTER) : undefined)
}

/** Reads a token response (RFC 6749 section 5.1). */
function toHeld(answer: unknown, times: Pick<Held, 'wall' | 'steady'>): Held | undefined {
  const { access_token: token, sid, expires_in: lifetime } = Object(answer) as Record<string, unknown>
  const held = { token, sid, lifetime: Math.max(lifetime as number, 1), ...times } // NaN is none
  return isHeld(held) ? held : undefined
}

/** Whether this could be a session. */
export function isHeld(value: unknown): value is Held {
  const { token = '', sid, lifetime, wall } = Object(value) as Record<string, unknown>
  return typeof token === 'string' && typeof sid === 'string' && Number.isFinite(lifetime) && Number.isFinite(wall)
}
