// createVerifier(): verification for services that issue nothing, with public keys only. No Koa, no store of its own.

import { SessionError } from '../errors.ts'
import { createEvents, type EventSink } from '../events.ts'
import type { KeySource } from '../keys/key-set.ts'
import { createRemoteKeys } from '../keys/remote.ts'
import { createOutbox } from '../outbox.ts'
import { reportRefusal } from '../report.ts'
import { parseToken } from '../token/parse.ts'
import { ACCESS_TOKEN_TYPE } from '../token/sign.ts'
import { createTokenVerifier, type TokenVerifier } from '../verifier.ts'
import { discover, MetadataError } from './discovery.ts'
import { type Feed, openFeed } from './feed.ts'
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
  const { realm, cookie, onStale, clock } = settings
  const events = createEvents(clock)
  const outbox = createOutbox(clock)
  const trusted = new Map<string, Trusted>()
  for (const trust of settings.issuers) trusted.set(trust.issuer, await createTrusted(trust))
  const [only] = trusted.size === 1 ? trusted.values() : []

  async function createTrusted(trust: Trust): Promise<Trusted> {
    const keys = await openKeys(trust, settings, events)
    const revocations = await openFeed(trust, { ...settings, outbox })
    const verifier = createTokenVerifier({
      ...settings,
      ...trust,
      keys,
      revocations,
      typ: ACCESS_TOKEN_TYPE,
      clock: settings.steadyClock,
    })
    return { verifier, revocations }
  }

  /** By the claim that nothing vouches for yet: the keys that are tried are those of exactly that issuer. */
  function choose(token: string): Trusted {
    const { iss } = parseToken(token, { ...settings, typ: ACCESS_TOKEN_TYPE }).payload
    const chosen = typeof iss === 'string' ? trusted.get(iss) : undefined
    if (chosen === undefined) throw new SessionError('ERR_TOKEN_ISSUER')
    return chosen
  }

  async function close(): Promise<void> {
    outbox.close()
    for (const { revocations } of trusted.values()) revocations.close()
  }

  return Object.freeze({
    settings: Object.freeze({ realm, cookie, onStale, clock }),
    async verify(credentials) {
      const { verifier } = only ?? choose(credentials.token)
      // The cast is the application's promise, made by the type parameter: the issuer's tokens carry these claims.
      return (await verifier.verify(credentials)) as ServiceAuth<Claims>
    },
    assertFresh(auth, policy = onStale) {
      trusted.get(auth.claims.iss)?.revocations.assertFresh(policy)
    },
    report: (thrown, request) => reportRefusal(events, thrown, request),
    events: events.source,
    close,
    [Symbol.asyncDispose]: close,
  } satisfies ServiceVerifier<Claims>)
}

async function openKeys(trust: Trust, settings: VerifierSettings, events: EventSink): Promise<KeySource> {
  const { issuer, keys, algorithms } = trust
  if (keys !== undefined && 'get' in keys) return keys
  const limits = { fetch: settings.fetch, timeout: settings.jwks.timeout * 1000 }
  let mistake: MetadataError | undefined

  async function locate(): Promise<string> {
    if (keys !== undefined && 'jwksUri' in keys) return keys.jwksUri
    try {
      return await discover(issuer, 'jwks_uri', limits)
    } catch (error) {
      if (error instanceof MetadataError) mistake = error
      throw error
    }
  }

  const remote = createRemoteKeys({
    ...settings.jwks,
    ...limits,
    locate,
    algorithms,
    clock: settings.clock,
    onFailure: (detail) => events.emit('keys_fetch_failed', { issuer, detail }),
  })
  await remote.refresh()
  // An issuer that is down comes back; a document that is wrong does not become right.
  if (mistake !== undefined) throw new TypeError(mistake.message)
  return remote
}
