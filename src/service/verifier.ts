// createVerifier(): verification for services that issue nothing, with public keys only. No Koa, no store of its own.

import { SessionError } from '../errors.ts'
import { cleanText, createEvents, type EventSink } from '../events.ts'
import type { KeySource } from '../keys/key-set.ts'
import { createRemoteKeys } from '../keys/remote.ts'
import { createOutbox } from '../outbox.ts'
import { createDecrypt } from '../token/encrypt.ts'
import { parseToken } from '../token/parse.ts'
import { ACCESS_TOKEN_TYPE } from '../token/sign.ts'
import { createTokenCache } from '../token-cache.ts'
import { createTokenVerifier, type TokenVerifier } from '../verifier.ts'
import { discover, MetadataError } from './discovery.ts'
import { type Feed, openFeed } from './feed.ts'
import { createReport } from './report.ts'
import { resolveVerifierOptions, type Trust, type VerifierOptions, type VerifierSettings } from './options.ts'
import type { ServiceAuth, ServiceVerifier } from './service.ts'

/** One issuer, and what verifies its tokens. */
interface Trusted {
  readonly verifier: TokenVerifier
  readonly revocations: Feed
}

/**
 * Makes the verifier of a service: it checks tokens and fingerprints of one or more issuers with their public keys, and
 * asks nobody on a request. Keys that are fetched are fetched when it is built; an issuer that is down then is asked
 * again when the first token comes.
 *
 * @throws TypeError when an option is wrong, or the issuer's metadata is another issuer's
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-4
 * @example
 * ```ts
 * import Koa from 'koa'
 * import { protect } from 'koa-holdfast/protect'
 * import { createVerifier } from 'koa-holdfast/verifier'
 *
 * const verifier = await createVerifier({
 *   issuer: 'https://app.example',
 *   audience: 'https://api.app.example',
 *   origin: 'https://api.app.example',
 *   cookie: { domain: 'app.example' },
 * })
 * const app = new Koa()
 * app.use(protect(verifier))
 * ```
 */
export async function createVerifier<Claims extends object = Record<string, unknown>>(
  options: VerifierOptions,
): Promise<ServiceVerifier<Claims>> {
  const settings = resolveVerifierOptions(options)
  const { realm, cookie, onStale, canIntrospect, clock, steadyClock, encryption, introspector } = settings
  const decrypt = encryption && createDecrypt(encryption)
  const events = createEvents(clock)
  const outbox = createOutbox(clock)
  const trusted = new Map<string, Trusted>()
  try {
    // All at once, since one that hangs should not keep the service from starting for longer than one.
    const sources = await Promise.all(settings.issuers.map((trust) => openKeys(trust, settings, events)))
    for (const [index, trust] of settings.issuers.entries()) {
      // The cast holds: there is one for each.
      trusted.set(trust.issuer, await createTrusted(trust, sources[index] as KeySource))
    }
  } catch (error) {
    await close()
    throw error
  }
  const [only] = trusted.size === 1 ? trusted.values() : []
  const form = { ...settings, typ: ACCESS_TOKEN_TYPE }
  // Whose each token is that was verified before.
  const chosen = createTokenCache<Trusted>(steadyClock, only === undefined ? settings.maxCached : 0)

  async function createTrusted(trust: Trust, keys: KeySource): Promise<Trusted> {
    const revocations = await openFeed(trust, { ...settings, outbox })
    const checks = { ...settings, clock: steadyClock, ...trust, decrypt, keys, revocations, typ: ACCESS_TOKEN_TYPE }
    return { verifier: createTokenVerifier(checks), revocations }
  }

  /** By the claim that nothing vouches for yet: the keys that are tried are those of exactly that issuer. */
  async function choose(token: string): Promise<Trusted> {
    const { iss } = parseToken((await decrypt?.(token, form)) ?? token, form).payload
    const named = typeof iss === 'string' ? trusted.get(iss) : undefined
    if (named === undefined) throw new SessionError('ERR_TOKEN_ISSUER')
    return named
  }

  async function close(): Promise<void> {
    outbox.close()
    for (const { revocations } of trusted.values()) revocations.close()
  }

  return Object.freeze({
    settings: Object.freeze({ realm, cookie, onStale, canIntrospect, clock }),
    async verify(credentials, policy = onStale) {
      const known = only ?? chosen.get(credentials.token)
      const owner = known ?? (await choose(credentials.token))
      const { verifier, revocations } = owner
      const auth = await verifier.verify(credentials)
      if (known === undefined) chosen.set(credentials.token, owner, auth.exp * 1000)
      // Verified here all the same: the issuer is only asked what this process has not heard.
      if (policy === 'introspect' && isStale(revocations)) await introspector?.verify(credentials, 'reject')
      else revocations.assertFresh(policy)
      // The cast is the application's promise, made by the type parameter: the issuer's tokens carry these claims.
      return auth as ServiceAuth<Claims>
    },
    assertFresh(auth, policy = onStale) {
      const issuer = trusted.get(auth.claims.iss)
      if (issuer === undefined) throw new SessionError('ERR_TOKEN_ISSUER')
      issuer.revocations.assertFresh(policy)
    },
    report: createReport(events),
    events: events.source,
    close,
    [Symbol.asyncDispose]: close,
  } satisfies ServiceVerifier<Claims>)
}

function isStale(revocations: Feed): boolean {
  try {
    revocations.assertFresh('reject')
    return false
  } catch {
    return true
  }
}

async function openKeys(trust: Trust, settings: VerifierSettings, events: EventSink): Promise<KeySource> {
  const { issuer, keys, algorithms } = trust
  if (keys !== undefined && 'get' in keys) return keys
  const jwksUri = keys?.jwksUri
  const { jwks, fetch, clock } = settings
  let mistake: MetadataError | undefined

  async function locate(deadline: AbortSignal): Promise<string> {
    if (jwksUri !== undefined) return jwksUri
    try {
      return await discover(issuer, 'jwks_uri', { fetch, deadline })
    } catch (error) {
      if (error instanceof MetadataError) mistake = error
      throw error
    }
  }

  const remote = createRemoteKeys({
    ...jwks,
    timeout: jwks.timeout * 1000,
    fetch,
    locate,
    algorithms,
    clock,
    onFailure: (detail) => events.emit('keys_fetch_failed', { issuer, detail: cleanText(detail) }),
  })
  await remote.refresh()
  // An issuer that is down comes back; a document that is wrong does not become right.
  if (mistake !== undefined) throw new TypeError(mistake.message)
  return remote
}
