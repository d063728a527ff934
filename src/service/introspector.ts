// createIntrospector(): verification for services that may not decide by themselves. They ask the issuer, keep the answer
// for a short while, and check the rest on each request: time, fingerprint, and what the revocation feed says. RFC 7662.

import { type ErrorCode, isSessionError, SessionError } from '../errors.ts'
import { createEvents } from '../events.ts'
import { describeFailure, fetchJson } from '../fetch-json.ts'
import { createOutbox } from '../outbox.ts'
import type { JsonObject } from '../token/json.ts'
import { parseToken } from '../token/parse.ts'
import { ACCESS_TOKEN_TYPE } from '../token/sign.ts'
import { createTokenCache, digestToken } from '../token-cache.ts'
import { assertAdmitted, type Credentials, type GenuineToken, toGenuine } from '../verifier.ts'
import { createBreaker } from './breaker.ts'
import { authenticateClient } from './client.ts'
import { discover } from './discovery.ts'
import { openFeed } from './feed.ts'
import {
  type IntrospectorOptions,
  type IntrospectorSettings,
  resolveIntrospectorOptions,
} from './introspector-options.ts'
import { createReport } from './report.ts'
import type { ServiceAuth, ServiceVerifier } from './service.ts'

const MAX_BYTES = 64 * 1024
/** How many tokens may be asked about at the same time. */
const MAX_PENDING = 256
/** What a token may be written with (RFC 6750 section 2.1). */
const B64TOKEN = /^[\w.~+/-]+=*$/
/** A token that says itself what it is. Others are the issuer's secret. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * Makes a verifier that asks the issuer about each token, once while the answer is good. Nothing is asked before the first
 * token comes.
 *
 * @throws TypeError when an option is wrong
 * @see https://www.rfc-editor.org/rfc/rfc7662#section-2
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { createIntrospector } from 'koa-holdfast/verifier'
 *
 * const introspector = await createIntrospector({
 *   issuer: 'https://app.example',
 *   audience: 'https://reports.app.example',
 *   origin: 'https://reports.app.example',
 *   cookie: { domain: 'app.example' },
 *   client: { id: 'https://reports.app.example', key: await readFile('reports-key.json', 'utf8') },
 * })
 * ```
 */
export async function createIntrospector<Claims extends object = Record<string, unknown>>(
  options: IntrospectorOptions,
): Promise<ServiceVerifier<Claims>> {
  const settings = await resolveIntrospectorOptions(options)
  const { trust, realm, cookie, onStale, clock, steadyClock, cache, maxBytes } = settings
  const events = createEvents(clock)
  const outbox = createOutbox(clock)
  const feed = await openFeed(trust, { ...settings, outbox })
  const rules = { ...settings, ...trust, revocations: feed, clock: steadyClock }
  const ask = createQuestion(settings)
  // Apart, so that a flood of bad tokens cannot push out the good ones.
  const active = createTokenCache<GenuineToken>(steadyClock, cache.max)
  const inactive = createTokenCache<ErrorCode>(steadyClock, cache.max)
  const pending = new Map<string, Promise<GenuineToken>>()

  async function introspect(token: string): Promise<GenuineToken> {
    const own = readToken(token)
    const answer = await ask(token)
    try {
      const genuine = readAnswer(answer, own)
      active.set(token, genuine, Math.min(genuine.validity.exp * 1000, steadyClock() + cache.active * 1000))
      return genuine
    } catch (error) {
      if (isSessionError(error)) inactive.set(token, error.code, steadyClock() + cache.inactive * 1000)
      throw error
    }
  }

  /** What the token says itself, if it is one that does: nobody is asked about what cannot be ours. */
  function readToken(token: string): JsonObject | undefined {
    if (!B64TOKEN.test(token)) throw new SessionError('ERR_TOKEN_MALFORMED')
    if (!COMPACT_JWS.test(token)) return undefined
    const { payload } = parseToken(token, { maxBytes, typ: ACCESS_TOKEN_TYPE })
    // Nor is another issuer's token shown to this one.
    if (payload['iss'] !== trust.issuer) throw new SessionError('ERR_TOKEN_ISSUER')
    return payload
  }

  /** The issuer vouches for what it says; that it says it of this token, and for us, is checked (RFC 7662 section 4). */
  function readAnswer(answer: JsonObject, own: JsonObject | undefined): GenuineToken {
    // A JSON boolean, and nothing that merely looks true.
    if (answer['active'] !== true) throw new SessionError('ERR_TOKEN_INACTIVE')
    const genuine = toGenuine(answer, '', rules)
    if (own !== undefined && (own['jti'] !== genuine.auth.jti || own['sub'] !== genuine.auth.sub)) {
      throw new SessionError('ERR_TOKEN_CLAIMS', { detail: 'the issuer answered about another token' })
    }
    return genuine
  }

  /** Many requests with one token are one question. */
  function introspectOnce(token: string): Promise<GenuineToken> {
    const refused = inactive.get(token)
    if (refused !== undefined) throw new SessionError(refused)
    const key = digestToken(token)
    const known = pending.get(key)
    if (known !== undefined) return known
    if (pending.size >= MAX_PENDING)
      throw new SessionError('ERR_INTROSPECTION_UNAVAILABLE', { detail: 'too many wait' })
    const question = introspect(token).finally(() => pending.delete(key))
    pending.set(key, question)
    return question
  }

  async function verify({ token, fingerprints }: Credentials, policy = onStale): Promise<ServiceAuth<Claims>> {
    if (token.length > maxBytes) throw new SessionError('ERR_TOKEN_TOO_LARGE')
    const genuine = active.get(token) ?? (await introspectOnce(token))
    assertAdmitted(genuine, fingerprints, rules)
    feed.assertFresh(policy)
    // The cast is the application's promise, made by the type parameter: the issuer's tokens carry these claims.
    return genuine.auth as ServiceAuth<Claims>
  }

  async function close(): Promise<void> {
    outbox.close()
    feed.close()
  }

  return Object.freeze({
    settings: Object.freeze({ realm, cookie, onStale, canIntrospect: false, clock }),
    verify,
    assertFresh: (_auth, policy = onStale) => feed.assertFresh(policy),
    report: createReport(events),
    events: events.source,
    close,
    [Symbol.asyncDispose]: close,
  } satisfies ServiceVerifier<Claims>)
}

/** Makes what asks the issuer: about one token at a time, and not at all for a while after it has failed repeatedly. */
function createQuestion(settings: IntrospectorSettings): (token: string) => Promise<JsonObject> {
  const { trust, client, clock, fetch } = settings
  const breaker = createBreaker(clock)
  let { endpoint } = settings

  async function send(token: string): Promise<JsonObject> {
    const limits = { fetch, deadline: AbortSignal.timeout(settings.timeout * 1000), maxBytes: MAX_BYTES }
    endpoint ??= await discover(trust.issuer, 'introspection_endpoint', limits)
    const { headers, parameters } = await authenticateClient(client, { issuer: trust.issuer, clock })
    const { status, json } = await fetchJson(endpoint, limits, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token, token_type_hint: 'access_token', ...parameters }).toString(),
    })
    if (json === undefined) throw new Error(`the issuer answered with ${status}${status === 401 ? ': client?' : ''}`)
    return json
  }

  return async function ask(token) {
    if (!breaker.isClosed()) throw new SessionError('ERR_INTROSPECTION_UNAVAILABLE', { detail: 'it failed repeatedly' })
    try {
      const answer = await send(token)
      breaker.succeeded()
      return answer
    } catch (error) {
      breaker.failed()
      // It may have moved.
      endpoint = settings.endpoint
      throw new SessionError('ERR_INTROSPECTION_UNAVAILABLE', { detail: describeFailure(error) })
    }
  }
}
