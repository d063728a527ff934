// The drop-in `fetch`: the browser's own, with the token for the origins that may have it, and one more try with a new
// token where the server says that it was the token (RFC 6750 section 3.1).

import { getHeader, nativeFetch, Request, setHeader } from './natives.ts'
import type { Settings } from './options.ts'
import { type Held, secondsLeft, type Store } from './session.ts'

/** Tokens that end sooner than this may end on the way. */
const MARGIN = 2

export function createFetch(options: {
  readonly settings: Settings
  readonly store: Store
  /** Whether the token is to be replaced, and may be. */
  readonly isDue: () => boolean
  /** Settles when the token has been replaced, or could not be. */
  readonly renew: () => Promise<unknown>
}): typeof fetch {
  const { settings, store, isDue, renew } = options

  function isOwn(url: string): boolean {
    return url.startsWith('http') && settings.origins.has(new URL(url).origin)
  }

  async function send(request: Request): Promise<{ readonly response: Response; readonly used: Held | undefined }> {
    const used = store.held
    if (used?.token !== undefined) setHeader(request.headers, 'Authorization', `Bearer ${used.token}`)
    return { response: await nativeFetch(request), used }
  }

  /** Whether the token was what was wrong, and a new one may help. */
  function isTokenRefused({ status, headers, url }: Response, used: Held | undefined): boolean {
    if (status !== 401 || used === undefined || !isOwn(url)) return false
    const challenge = getHeader(headers, 'WWW-Authenticate') ?? ''
    // A cookie that holds the token may be gone; then nothing was presented, and nothing is said of it.
    return /\berror="?invalid_token\b/i.test(challenge) || (used.token === undefined && !/\berror=/i.test(challenge))
  }

  async function retry(spare: Request, used: Held, refused: Response): Promise<Response> {
    if (store.held === used) {
      if (used.isRefused) return refused
      await until(renew(), spare.signal)
    }
    const { held } = store
    if (held === undefined || held === used) return refused
    void refused.body?.cancel()
    const again = await send(spare)
    // It is not the token's fault, and another one would not help.
    if (again.used && isTokenRefused(again.response, again.used)) again.used.isRefused = true
    return again.response
  }

  return async (input, init) => {
    let request = new Request(input, init)
    if (!isOwn(request.url) || request.headers.has('Authorization')) return nativeFetch(request)
    if (init?.credentials === undefined && new URL(request.url).origin !== location.origin) {
      if (request.credentials !== 'omit') request = new Request(request, { credentials: 'include' })
    }
    // A stream can be sent once only.
    const isOnce = init?.body instanceof ReadableStream
    const { held } = store
    if (isDue()) {
      const renewed = renew()
      if (held === undefined || isOnce || secondsLeft(held) < MARGIN) await until(renewed, request.signal)
    }
    const spare = isOnce ? undefined : request.clone()
    const { response, used } = await send(request)
    return spare && used && isTokenRefused(response, used) ? retry(spare, used, response) : response
  }
}

/** Waits, but no longer than whoever asked does. Rejects with the reason of the abort, as `fetch` would. */
function until(settled: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    void settled.then(() => resolve())
  })
}
