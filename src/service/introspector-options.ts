// The options of an introspector, checked when it is built.

import { isSafeUrl } from '../fetch-json.ts'
import { importKey, type KeyInput } from '../keys/import.ts'
import type { SigningKey } from '../keys/key.ts'
import { isSymmetric } from '../keys/algorithms.ts'
import { assertKnown, integer } from '../options/checks.ts'
import { DAY } from '../options/values.ts'
import { describe, describeKind } from '../describe.ts'
import { type Duration, parseDuration, type Seconds } from '../time.ts'
import { isText } from '../token/claims.ts'
import type { Client } from './client.ts'
import { resolveVerifierOptions, type Trust, type VerifierOptions, type VerifierSettings } from './options.ts'

/** What an introspector is made of. */
export interface IntrospectorOptions extends Omit<
  VerifierOptions,
  'issuers' | 'keys' | 'algorithms' | 'jwks' | 'introspector' | 'maxCached'
> {
  readonly issuer: string
  readonly audience: string | readonly string[]
  /** Where to ask. @default found by the issuer's metadata (RFC 8414) */
  readonly endpoint?: string
  /** Who asks: the name that the issuer knows, and a secret, or a private key whose public half the issuer knows. */
  readonly client: { readonly id: string } & ({ readonly secret: string } | { readonly key: KeyInput })
  readonly cache?: {
    /** How long an active token is believed without asking again, and never past its `exp`. @default '30s' */
    readonly active?: Duration
    /** How long a token that is not active is refused without asking again. @default '5s' */
    readonly inactive?: Duration
    /** How many answers of each kind are kept. @default 10_000 */
    readonly max?: number
  }
  /** How long an answer may take, that of the metadata included. @default '5s' */
  readonly timeout?: Duration
}

/** The options with every default filled in and every value checked. */
export interface IntrospectorSettings extends VerifierSettings {
  readonly trust: Trust
  readonly endpoint: string | undefined
  readonly client: Client
  readonly cache: { readonly active: Seconds; readonly inactive: Seconds; readonly max: number }
  readonly timeout: Seconds
}

/**
 * Checks the options.
 *
 * @throws TypeError for the first one that is wrong
 */
export async function resolveIntrospectorOptions(options: IntrospectorOptions): Promise<IntrospectorSettings> {
  for (const name of ['issuers', 'keys', 'algorithms', 'jwks', 'introspector', 'maxCached']) {
    if (name in Object(options)) throw new TypeError(`${name}: expected none, since the issuer verifies, got one`)
  }
  const { endpoint, client, cache = {}, timeout = '5s', ...common } = options
  const settings = resolveVerifierOptions(common)
  const [trust] = settings.issuers
  if (trust === undefined) throw new TypeError('issuer: expected one, got none')
  assertKnown(cache, 'cache', ['active', 'inactive', 'max'])
  if (endpoint !== undefined && !isSafeUrl(endpoint)) {
    throw new TypeError(`endpoint: expected an https address, http only on localhost, got ${describe(endpoint)}`)
  }
  return {
    ...settings,
    trust,
    endpoint,
    client: await resolveClient(client),
    cache: {
      active: parseDuration(cache.active ?? '30s', 'cache.active', { min: 0, max: 3600 }),
      inactive: parseDuration(cache.inactive ?? '5s', 'cache.inactive', { min: 0, max: DAY }),
      max: integer(cache.max ?? 10_000, 'cache.max', 1, 1_000_000),
    },
    timeout: parseDuration(timeout, 'timeout', { max: 60 }),
  }
}

async function resolveClient(client: IntrospectorOptions['client']): Promise<Client> {
  assertKnown(client, 'client', ['id', 'secret', 'key'])
  const { id, secret, key } = client as { readonly id: unknown; readonly secret?: unknown; readonly key?: KeyInput }
  if (!isText(id)) throw new TypeError(`client.id: expected the name that the issuer knows, got ${describe(id)}`)
  if ((secret === undefined) === (key === undefined)) {
    throw new TypeError('client: expected a secret or a key, got neither or both')
  }
  const name = id as string // isText says so
  if (key !== undefined) return { id: name, credential: { key: await importSigningKey(key) } }
  if (typeof secret === 'string' && secret !== '') return { id: name, credential: { secret } }
  throw new TypeError(`client.secret: expected a string, got ${describeKind(secret)}`)
}

async function importSigningKey(input: KeyInput): Promise<SigningKey> {
  const key = await importKey(input)
  if (key.signingKey === undefined || isSymmetric(key.alg)) {
    throw new TypeError('client.key: expected a private key, got a public one or a secret')
  }
  return key as SigningKey // it has a private part
}
