// The drop-in `fetch`: the browser's own, with the token for the origins that may have it, and one more try with a new
// token where the server says that it was the token (RFC 6750 section 3.1).

import { MARGIN } from './limits.ts'
import { getHeader, nativeFetch, Request, setHeader } from './natives.ts'
import { type Held, secondsLeft, type Store } from './session.ts'

// Browsers have taken the header off redirects to other origins since the time they brought this method. In older ones a
// request that carries a token is not redirected at all.
const canRedirect = 'canParse' in URL

export function createFetch(options: {
  /** Those that get the token. */
  readonly origins: ReadonlySet<string>
  readonly store: Store
  /** Whether the token is to be replaced, and may be now. */
  readonly isDue: () => boolean
  /** Settles when the token has been replaced, or could not be. */
  readonly renew: () => Promise<unknown>
}): typeof fetch {
  const { origins, store, isDue, renew } = options

  const isOwn = (url: string): boolean => url.startsWith('http') && origins.has(new URL(url).origin)

  /** Whether the token was what was wrong, so that a new one may help. Not what another origin says after a redirect. */
  const isRefused = ({ status, headers, url }: Response): boolean =>
    status === 401 && isOwn(url) && /error="?invalid_token/i.test(getHeader(headers, 'WWW-Authenticate') ?? '')

  return async (input, init) => {
    const given = new Request(input, init)
    const { url, credentials, redirect, referrer, referrerPolicy } = given
    // Without the cookies a token looks stolen.
    if (!isOwn(url) || credentials === 'omit' || given.headers.has('Authorization')) return nativeFetch(given)
    const isForeign = new URL(url).origin !== globalThis.location?.origin
    const request = new Request(given, {
      // What another parameter would reset.
      ...{ referrer, referrerPolicy },
      ...(isForeign && !init?.credentials && { credentials: 'include' }),
      ...(!canRedirect && redirect === 'follow' && { redirect: 'error' }),
    })
    // A stream can be sent only once.
    const spare = init?.body instanceof ReadableStream ? undefined : request.clone()
    let sid = store.held?.sid
    // What somebody asked for is not done as somebody else.
    const pick = (): Held | undefined =>
      store.held && (sid ??= store.held.sid) === store.held.sid ? store.held : undefined
    if (isDue()) {
      const renewed = renew()
      if (!spare || !store.held || secondsLeft(store.held) < MARGIN) await until(renewed, request.signal)
    }
    let used = pick()
    let response = await send(request, used)
    for (let tries = 0; tries < 2; tries += 1) {
      if (!spare || !used || !isRefused(response)) break
      // If not, another call or another tab has replaced it meanwhile; whether by one that lasts is not known.
      const isCurrent = store.held === used
      if (isCurrent && !used.isFutile) await until(renew(), spare.signal)
      const held = pick()
      if (!held || held === used) break
      used = held
      response = await send(spare.clone(), used)
      if (isCurrent && !used.isGift) {
        // It was not the token, so the next one would not help either.
        used.isFutile ||= isRefused(response)
        break
      }
    }
    return response
  }
}

function send(request: Request, held: Held | undefined): Promise<Response> {
  if (held?.token !== undefined) setHeader(request.headers, 'Authorization', `Bearer ${held.token}`)
  return nativeFetch(request)
}

/** Waits, but no longer than whoever asked does: then it throws the reason, as `fetch` would. */
async function until(settled: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise((resolve) => {
    void settled.then(resolve)
    signal.addEventListener('abort', resolve)
  })
  signal.throwIfAborted()
}
