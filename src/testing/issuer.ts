// An issuer for the tests of services: it serves its keys and metadata as a kit does, signs whatever it is told to, and
// breaks on demand.

import { CompactSign } from 'jose'
import Koa from 'koa'

import type { FingerprintFormat } from '../fingerprint.ts'
import type { Algorithm } from '../keys/algorithms.ts'
import { generateKey } from '../keys/generate.ts'
import { createKeySet, type KeySet } from '../keys/key-set.ts'
import type { Context } from '../koa/context.ts'
import { createPublicRoutes, JWKS_PATH, type Route } from '../koa/routes.ts'
import { assertKnown, oneOf } from '../options/checks.ts'
import type { Clock } from '../time.ts'
import { ACCESS_TOKEN_TYPE } from '../token/sign.ts'
import { draftClaims } from './claims.ts'
import { listenOnLoopback } from './loopback.ts'
import type { JsonMembers } from './tokens.ts'

/** What a test issuer is made of. */
export interface TestIssuerOptions {
  /** The `iss` of its tokens. @default its own URL */
  readonly issuer?: string
  /** The `aud` of its tokens, unless a token's claims say another. @default the issuer */
  readonly audience?: string | readonly string[]
  /** Of its first key. The secret of HS256, HS384 and HS512 is not published: use `issuer.keys`. @default 'ES256' */
  readonly algorithm?: Algorithm
  /** The name of the fingerprint cookie. @default '__Secure-Fgp' */
  readonly cookieName?: string
  /** The time. @default Date.now */
  readonly clock?: Clock
}

/** How a token departs from a genuine one. */
export interface SignOptions {
  /** False for a token that is bound to no fingerprint. @default 'base64url' */
  readonly fingerprint?: FingerprintFormat | false
  /** Header parameters that replace others or, by undefined, leave them out: `{ typ: 'JWT' }`. */
  readonly header?: JsonMembers
}

/** A token and what goes with it. */
export interface TestToken {
  readonly token: string
  /** The value of the fingerprint cookie; undefined without one. */
  readonly fingerprint: string | undefined
  /** What a request carries: `Authorization`, and `Cookie` with the fingerprint. */
  readonly headers: Readonly<Record<string, string>>
}

/** What the issuer answers while it is broken: 500, nothing ever, a redirect, or 200 with a page that is no JSON. */
export type Breakage = 'error' | 'hang' | 'redirect' | 'garbage'

/** An issuer for tests. */
export interface TestIssuer {
  /** The `iss` of its tokens. */
  readonly issuer: string
  /** Where it listens: `http://localhost:` and a port. */
  readonly url: string
  /** Where its public keys are. */
  readonly jwksUri: string
  /** Its keys now, the signing one first. */
  readonly keys: KeySet
  /** How often each was asked for, and how often a redirect was followed. */
  readonly fetches: { readonly jwks: number; readonly metadata: number; readonly redirected: number }
  /**
   * Signs an access token that a kit would accept, except for what is changed. What the kit would refuse to issue, such
   * as one that expired long ago, is signed all the same.
   *
   * @param claims - replace those of a genuine token, come on top of them or, by undefined, leave them out
   */
  sign(claims?: JsonMembers, options?: SignOptions): Promise<TestToken>
  /**
   * Signs with a new key from now on.
   *
   * @param options - `algorithm`: of the new key, by default as before; `retire`: the keys before it are not published
   *   any more
   */
  rotate(options?: { readonly algorithm?: Algorithm; readonly retire?: boolean }): Promise<void>
  /** Breaks what it serves, until {@link TestIssuer.mend}. For an issuer that nobody can reach, close it. */
  break(how: Breakage): void
  /** Serves again. */
  mend(): void
  /** Stops listening and ends every connection. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const BREAKAGES: Readonly<Record<Breakage, (ctx: Context) => void>> = {
  error: (ctx) => void (ctx.status = 500),
  hang: (ctx) => void (ctx.respond = false),
  redirect: (ctx) => ctx.redirect(MOVED + ctx.path),
  garbage: (ctx) => void (ctx.body = '<!doctype html><title>Welcome to this network</title>'),
}
// Where redirects lead: to the genuine document, so that a service that follows them shows it.
const MOVED = '/moved'

/**
 * Starts an issuer on a free port of this machine.
 *
 * @throws TypeError when an option is wrong
 * @see https://www.rfc-editor.org/rfc/rfc8414#section-3
 * @example
 * ```ts
 * import { createTestIssuer } from 'koa-holdfast/testing'
 *
 * const issuer = await createTestIssuer({ audience: 'https://api.example' })
 * const { headers } = await issuer.sign({ sub: 'alice', scope: 'read' })
 * await fetch('http://localhost:8080/orders', { headers })
 * await issuer.rotate()
 * issuer.break('hang')
 * await issuer.close()
 * ```
 */
export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  assertKnown(options, 'options', ['issuer', 'audience', 'algorithm', 'cookieName', 'clock'])
  const { cookieName = '__Secure-Fgp', clock = Date.now } = options
  let { algorithm } = options
  let keys = await createKeySet({ keys: [await generateKey(algorithm)] })
  let broken: Breakage | undefined
  const fetches = { jwks: 0, metadata: 0, redirected: 0 }

  const app = new Koa()
  let routes: readonly Route[] = []
  app.use(async function serve(ctx) {
    const isMoved = ctx.path.startsWith(MOVED)
    const route = routes.find(({ path }) => ctx.path === (isMoved ? MOVED + path : path))
    if (route === undefined) return
    if (isMoved) fetches.redirected += 1
    else fetches[route.path === JWKS_PATH ? 'jwks' : 'metadata'] += 1
    if (broken === undefined || isMoved) await route.handle(ctx)
    else BREAKAGES[broken](ctx)
  })
  const server = await listenOnLoopback(app.callback())
  // By the name that the origins of apps have: fingerprint cookies go from host to host.
  const url = `http://localhost:${server.port}`
  const { issuer = url, audience = issuer } = options
  routes = createPublicRoutes(issuer, () => keys.jwks(), {})

  async function sign(changed: JsonMembers = {}, { fingerprint: format = 'base64url', header = {} }: SignOptions = {}) {
    const key = keys.active
    if (key === undefined) throw new Error('keys: expected one that signs')
    const { claims, fingerprint } = draftClaims({ issuer, audience, now: clock(), format })
    const token = await new CompactSign(Buffer.from(JSON.stringify({ ...claims, ...changed })))
      .setProtectedHeader({ alg: key.alg, typ: ACCESS_TOKEN_TYPE, kid: key.kid, ...header })
      .sign(key.signingKey)
    return {
      token,
      fingerprint,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(fingerprint !== undefined && { Cookie: `${cookieName}=${fingerprint}` }),
      },
    }
  }

  return {
    issuer,
    url,
    jwksUri: url + JWKS_PATH,
    get keys() {
      return keys
    },
    fetches,
    sign,
    async rotate(to = {}) {
      assertKnown(to, 'options', ['algorithm', 'retire'])
      const next = to.algorithm ?? algorithm
      keys = await createKeySet({ keys: [await generateKey(next), ...(to.retire === true ? [] : keys.keys)] })
      algorithm = next
    },
    break(how) {
      broken = oneOf(how, 'how', ['error', 'hang', 'redirect', 'garbage'])
    },
    mend() {
      broken = undefined
    },
    close: server.close,
    [Symbol.asyncDispose]: server.close,
  }
}
