// The clients of the endpoints that only servers call, checked. What stays of a secret is its hash.

import { describe, describeKind } from '../describe.ts'
import { importKeys, type KeyInput } from '../keys/import.ts'
import type { Key } from '../keys/key.ts'
import { weakness } from '../keys/secret.ts'
import { hashSecret } from '../session/refresh-token.ts'
import { RESERVED_CLAIMS } from '../token/claims.ts'
import { assertKnown, boolean } from './checks.ts'
import { resolveAudience } from './values.ts'

/** A service that may ask about tokens (RFC 7662) or revoke them (RFC 7009). */
export interface ClientOptions {
  /** Its name, in visible ASCII. */
  readonly id: string
  /**
   * What it authenticates with by `client_secret_basic` or `client_secret_post`: random hex or base64url of at least 32
   * characters, as `openssl rand -hex 32` prints. Two while it is being changed.
   */
  readonly secret?: string | readonly string[]
  /** Its public keys, for `private_key_jwt`: one, or a JWK Set. */
  readonly keys?: KeyInput
  /** Its names in the `aud` of tokens. It may ask about these tokens and no others, and revoke them. @default its id */
  readonly audience?: string | readonly string[]
  /** Whether it may ask. @default true */
  readonly introspect?: boolean
  /** Whether it may revoke. @default false */
  readonly revoke?: boolean
  /** Which claims of your own it is told. @default none */
  readonly claims?: readonly string[]
}

/** What a client can be allowed to do. */
export type ClientAction = 'introspect' | 'revoke'

/** A checked client. */
export interface ClientSettings extends Readonly<Record<ClientAction, boolean>> {
  readonly id: string
  /** The hashes of its secrets. */
  readonly secrets: readonly string[]
  readonly keys: readonly Key[]
  readonly audience: readonly string[]
  readonly claims: readonly string[]
}

const KNOWN = ['id', 'secret', 'keys', 'audience', 'introspect', 'revoke', 'claims'] as const
const ID = /^[\x21-\x7e]{1,255}$/
const HEX = /^(?:[\da-f]{2})+$/i
const MIN_SECRET = 32
// 128 bits, which is what 32 characters of hex encode.
const MIN_BYTES = 16
const MAX_SECRETS = 2
// What else an answer says, which no claim may be taken for (RFC 7662 section 2.2).
const ANSWER: ReadonlySet<string> = new Set(['active', 'token_type'])

/**
 * Checks the clients.
 *
 * @throws TypeError for the first thing that is wrong
 */
export async function resolveClients(values: unknown): Promise<readonly ClientSettings[]> {
  if (!Array.isArray(values) || values.length === 0) {
    throw new TypeError(`clients: expected an array with at least one client, got ${describeKind(values)}`)
  }
  const clients = await Promise.all(
    (values as unknown[]).map((value, index) => resolveClient(value, `clients[${index}]`)),
  )
  const twice = clients.find(({ id }, index) => clients.findIndex((other) => other.id === id) !== index)
  if (twice !== undefined) throw new TypeError(`clients: expected each id once, got ${describe(twice.id)} twice`)
  return Object.freeze(clients)
}

async function resolveClient(value: unknown, name: string): Promise<ClientSettings> {
  assertKnown(value, name, KNOWN)
  const { id, secret, keys, introspect = true, revoke = false, claims = [] } = value as ClientOptions // looked at below
  const { audience = id } = value as ClientOptions
  if (typeof id !== 'string' || !ID.test(id)) {
    throw new TypeError(`${name}.id: expected 1 to 255 characters of ASCII without spaces, got ${describe(id)}`)
  }
  if (secret === undefined && keys === undefined) {
    throw new TypeError(`${name}: expected a secret or keys, got neither`)
  }
  const may = { introspect: boolean(introspect, `${name}.introspect`), revoke: boolean(revoke, `${name}.revoke`) }
  if (!may.introspect && !may.revoke) throw new TypeError(`${name}: expected introspect or revoke, got neither`)
  return Object.freeze({
    id,
    secrets: secret === undefined ? [] : resolveSecrets(secret, `${name}.secret`),
    keys: keys === undefined ? [] : await resolveKeys(keys, `${name}.keys`),
    audience: resolveAudience(audience, `${name}.audience`),
    claims: resolveClaims(claims, `${name}.claims`),
    ...may,
  })
}

function resolveSecrets(value: unknown, name: string): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (secrets.length === 0 || secrets.length > MAX_SECRETS) {
    throw new TypeError(`${name}: expected one secret, or two while it is being changed, got ${secrets.length}`)
  }
  return secrets.map((secret) => {
    if (typeof secret !== 'string' || secret.length < MIN_SECRET) {
      throw new TypeError(`${name}: expected at least ${MIN_SECRET} characters, got ${describeKind(secret)}`)
    }
    // Of hex what it encodes, since the text of a good one may well lack some of its few characters.
    const fault = weakness(Buffer.from(secret, HEX.test(secret) ? 'hex' : 'utf8'), MIN_BYTES)
    if (fault === undefined) return hashSecret(secret)
    throw new TypeError(`${name}: expected what 'openssl rand -hex 32' prints, or the like, got ${fault}`)
  })
}

async function resolveKeys(value: KeyInput, name: string): Promise<readonly Key[]> {
  const keys = await importKeys(value, { algorithm: undefined, isDefault: false }).catch((cause: unknown) => {
    throw new TypeError(`${name}: expected a public key or a JWK Set, got none that can be used; ${String(cause)}`)
  })
  if (keys.some(({ publicJwk, signingKey }) => publicJwk === undefined || signingKey !== undefined)) {
    throw new TypeError(`${name}: expected public keys only, got a private key or a secret`)
  }
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new TypeError(`${name}: expected a different kid for each key, got one twice`)
  }
  return keys
}

function resolveClaims(value: unknown, name: string): readonly string[] {
  const claims: readonly unknown[] = Array.isArray(value) ? value : [undefined]
  const wrong = claims.findIndex(
    (claim) => typeof claim !== 'string' || RESERVED_CLAIMS.has(claim) || ANSWER.has(claim),
  )
  if (wrong === -1) return Object.freeze([...(claims as readonly string[])]) // each has just been looked at
  throw new TypeError(
    `${name}: expected an array of claims of your own, got ${describe(Array.isArray(value) ? claims[wrong] : value)}`,
  )
}
