// Refuses unsafe requests that a page of another site made. Fetch Metadata decides where the browser sends it, then
// Origin, then Referer; without any of them only what a cross-site page cannot send without a CORS preflight passes.
// OWASP Cross-Site Request Forgery Prevention Cheat Sheet; W3C Fetch Metadata.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

import { SessionError } from '../errors.ts'
import type { Context } from './context.ts'
import { isJson } from './media-type.ts'

/** Where requests may come from. */
export interface CrossSiteRule {
  /** Exact origins, the own one among them. */
  readonly origins: readonly string[]
  /** Whether the listed origins may be on another site: only where the cookie is sent there. */
  readonly crossSite: boolean
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Checks an unsafe request.
 *
 * @throws SessionError with ERR_CROSS_SITE
 * @see https://w3c.github.io/webappsec-fetch-metadata/
 */
export function assertSameSite(ctx: Context, rule: CrossSiteRule): void {
  if (SAFE_METHODS.has(ctx.method)) return
  ctx.vary('Sec-Fetch-Site, Origin')
  if (!isAllowed(ctx.req.headers, rule)) throw new SessionError('ERR_CROSS_SITE')
}

/**
 * Checks a request that opens a connection, which no CORS protects: a WebSocket says its Origin, an EventSource only when
 * it is another's, and what is no browser has credentials that a page cannot send.
 *
 * @throws SessionError with ERR_CROSS_SITE
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-10.2
 */
export function assertSameOrigin({ headers }: IncomingMessage, rule: CrossSiteRule): void {
  const { origin, 'sec-fetch-site': site = 'same-origin' } = headers
  if (origin === undefined ? site !== 'same-origin' : !rule.origins.includes(origin)) {
    throw new SessionError('ERR_CROSS_SITE')
  }
}

function isAllowed(headers: IncomingHttpHeaders, rule: CrossSiteRule): boolean {
  const site = headers['sec-fetch-site']
  const isListed = isListedOrigin(headers, rule)
  switch (site) {
    case 'same-origin':
      return true
    case 'same-site':
      return isListed === true
    case 'cross-site':
      return rule.crossSite && isListed === true
    case 'none':
      return headers['sec-fetch-mode'] === 'navigate'
    case undefined:
      return isListed ?? (isJson(headers['content-type']) || isBearer(headers))
    default:
      // An unknown value, or two: no browser's, so nothing is taken on trust.
      return isListed === true
  }
}

/** Whether Origin, or else Referer, is listed; undefined without either. */
function isListedOrigin({ origin, referer }: IncomingHttpHeaders, rule: CrossSiteRule): boolean | undefined {
  if (origin !== undefined) return rule.origins.includes(origin)
  if (referer === undefined) return undefined
  // No other scheme: a `blob:` URL has the origin of the page that made it.
  return /^https?:/.test(referer) && URL.canParse(referer) && rule.origins.includes(new URL(referer).origin)
}

/** Not Basic or the like, which browsers add by themselves. */
function isBearer({ authorization }: IncomingHttpHeaders): boolean {
  return authorization !== undefined && /^bearer(?: |$)/i.test(authorization)
}
