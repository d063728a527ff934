// What the options say of cookies, and of what stands in front of the app.

import { drawFingerprint, joinFingerprints, MAX_FINGERPRINTS } from '../../fingerprint.ts'
import { roomOf } from '../../koa/cookies.ts'
import type { CookieSettings } from '../../options/cookie.ts'
import { drawIdentifier } from '../../session/issue.ts'
import { drawRefreshToken, formatRefreshToken } from '../../session/refresh-token.ts'
import type { CheckedConfig } from '../config.ts'
import { type Check, fine, found, type Outcome, skipped } from './finding.ts'

const COOKIES = 'https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis'

/** The checks of what a browser will see. */
export const COOKIE_CHECKS: readonly Check<CheckedConfig>[] = [
  {
    run: cookiePrefix,
    why: 'without __Host- a subdomain can plant a cookie of the same name',
    see: `${COOKIES}#section-4.1.3`,
  },
  {
    run: sameSite,
    why: 'SameSite decides which pages the cookie is sent for at all',
    see: `${COOKIES}#section-4.1.2.7`,
  },
  {
    run: proxyTrust,
    why: 'what Koa believes of X-Forwarded-* decides what is https and who is asking',
    see: 'https://koajs.com/#settings',
  },
  { run: cookieSize, why: 'browsers drop a longer cookie without a word', see: `${COOKIES}#section-5.6` },
]

const MAX_COOKIE = 4096

function cookiePrefix({ settings: { cookie } }: CheckedConfig): Outcome {
  const { name, domain, secure } = cookie
  if (!secure) {
    return found('note', `${name}: without Secure and prefix, for development`, 'leave out cookie.development')
  }
  if (domain !== undefined) {
    const fix = 'leave out cookie.domain; where subdomains must share it, trust every one of them'
    return found('warning', `${name} is shared with every subdomain of ${domain}`, fix)
  }
  if (/^__host-/i.test(name)) return fine(`${name}, for this host only`)
  return found('note', `${name} could be planted by a subdomain`, "set cookie: { prefix: '__Host-' }")
}

function sameSite({ settings }: CheckedConfig): Outcome {
  const [own = '', ...others] = settings.origins
  const foreign = others.filter((origin) => !isSameSite(own, origin))
  const { sameSite: attribute, partitioned } = settings.cookie
  if (attribute === 'None') {
    if (foreign.length === 0) {
      return found('warning', 'None, and no origin on another site is listed', "use 'strict' or 'lax'")
    }
    if (partitioned) return fine(`None and Partitioned, for ${foreign.join(', ')}`)
    const fix = 'set cookie.partitioned for embedded pages, or bring the app onto one site'
    return found('note', 'None: browsers that block third-party cookies do not send it', fix)
  }
  if (foreign.length === 0) return fine(`${attribute}, and every origin is on the same site`)
  const fix = "take them out of `origins`, or set sameSite: 'none' with a crossSiteReason"
  return found('warning', `${attribute}: the cookie is not sent for ${foreign.join(', ')}, on another site`, fix)
}

/** As far as names tell: which suffixes are public only a list could say. */
function isSameSite(a: string, b: string): boolean {
  const [[scheme, site], [otherScheme, otherSite]] = [toSite(a), toSite(b)]
  return scheme === otherScheme && site === otherSite
}

function toSite(origin: string): [scheme: string, site: string] {
  const { protocol, hostname } = new URL(origin)
  return [protocol, hostname.split('.').slice(-2).join('.')]
}

function proxyTrust({ options, settings: { cookie, isLocal }, app }: CheckedConfig): Outcome {
  if (isLocal) return fine('the issuer is on this machine')
  if (app === undefined) return skipped('the configuration does not export its Koa app as `app`')
  const isTrusting = app.proxy === true
  if (!isTrusting && !cookie.tlsProxy) {
    const fix = 'behind a TLS proxy set app.proxy = true, or cookie: { tlsProxy: true }'
    return found('note', 'neither app.proxy nor cookie.tlsProxy: right only where node itself does TLS', fix)
  }
  if (!isTrusting && options.limiter !== false && typeof options.limiter !== 'function') {
    const fix = 'set app.proxy = true, pass a limiter, or limiter: false if the proxy limits'
    return found(
      'warning',
      'with tlsProxy alone every request seems to come from the proxy, and nothing is limited',
      fix,
    )
  }
  // Koa takes the first address in the header, unless it is told how many proxies there are.
  const isHeaderOpen = (app.proxyIpHeader ?? 'X-Forwarded-For') === 'X-Forwarded-For'
  if (isTrusting && isHeaderOpen && !(Number(app.maxIpsCount) > 0)) {
    const fix = 'set app.maxIpsCount to the number of proxies, or let the first proxy write the header anew'
    return found('warning', 'app.proxy believes the first address in X-Forwarded-For, which clients can write', fix)
  }
  return fine(isTrusting ? 'app.proxy, with the addresses that the proxies wrote' : 'cookie.tlsProxy')
}

function cookieSize({ settings }: CheckedConfig): Outcome {
  const { cookie, accessCookie, refreshCookie, format, maxBytes } = settings
  const fingerprints = Array.from({ length: MAX_FINGERPRINTS }, () => drawFingerprint(format))
  const refresh = formatRefreshToken({ ...drawRefreshToken(drawIdentifier()), generation: 999_999_999 })
  const longest = Math.max(
    sizeOf(cookie, joinFingerprints(fingerprints).length),
    sizeOf(refreshCookie, refresh.length),
    accessCookie === undefined ? 0 : sizeOf(accessCookie, maxBytes),
  )
  const seen = `at most ${longest} of ${MAX_COOKIE} bytes, its attributes counted`
  return longest <= MAX_COOKIE ? fine(seen) : found('error', seen, 'shorten cookie.name, cookie.domain or cookie.path')
}

function sizeOf(cookie: CookieSettings, length: number): number {
  return MAX_COOKIE - roomOf(cookie) + length
}
