// The checks of a verifier, one by one, on a token in hand: by the same functions that the verifier calls, in its order.

import { ERROR_CODES, type ErrorCode, isSessionError } from '../errors.ts'
import { FINGERPRINT_FORMATS, type FingerprintFormat, matchesFingerprint, readDigest } from '../fingerprint.ts'
import type { KeySource } from '../keys/key-set.ts'
import type { Milliseconds } from '../time.ts'
import { assertClaims, type ClaimRules, findTimeFault, type TokenClaims } from '../token/claims.ts'
import { parseToken, type ParsedToken } from '../token/parse.ts'
import { parseEncrypted } from '../token/parse-encrypted.ts'
import { ACCESS_TOKEN_TYPE } from '../token/sign.ts'
import { verifySignature } from '../token/signature.ts'
import { readBinding } from '../verifier.ts'

/** What the token is held against. What is left out is not checked. */
export interface Expectations {
  readonly issuer?: string | undefined
  readonly audience?: readonly string[] | undefined
  readonly keys?: KeySource | undefined
  /** The values that may be the fingerprint cookie's. */
  readonly fingerprints?: readonly string[] | undefined
}

/** How one check went. */
export interface TokenCheck {
  readonly name: string
  /** `'open'`: nothing was given to check it with. `'none'`: there is nothing to check it with here. */
  readonly state: 'passed' | 'failed' | 'open' | 'none'
  /** Why it failed. */
  readonly code?: ErrorCode
  readonly note: string
}

// As the kit has them, with the longest lifetime that can be configured.
const FORM = { maxBytes: 8192, typ: ACCESS_TOKEN_TYPE } as const
const RULES = { clockTolerance: 0, maxLifetime: 86_400, requiredClaims: ['sid'] } as const

/** Runs every check that can be run, past those that fail. The first that failed is the one that a verifier names. */
export async function checkToken(token: string, expected: Expectations, now: Milliseconds): Promise<TokenCheck[]> {
  if (isEncrypted(token)) return checkEncrypted(token)
  const { parsed, form } = parse(token)
  if (parsed === undefined) return [form]
  const signature = await checkSignature(parsed, expected.keys)
  const { payload } = parsed
  const { format = 'base64url' } = findFingerprint(payload) ?? {}
  // Where nothing is expected, what the token says of itself will do.
  const own: ClaimRules = {
    ...RULES,
    issuer: String(payload['iss']),
    audience: [payload['aud']].flat().map(String),
  }
  const claims = await check('claims', 'all there, well-formed and plausible', () => {
    assertClaims(payload, own)
    readBinding(payload, { format, binding: 'if-present' })
  })
  if (claims.state === 'failed') return [form, ...signature, claims]
  const { issuer, audience, fingerprints } = expected
  return [
    form,
    ...signature,
    claims,
    issuer === undefined
      ? open('issuer', '--issuer')
      : await check('issuer', 'the expected one', () => void assertClaims(payload, { ...own, issuer })),
    audience === undefined
      ? open('audience', '--audience, or --issuer')
      : await check('audience', 'the expected one', () => void assertClaims(payload, { ...own, audience })),
    // The cast: that they are these claims has just been checked.
    await check('time', 'it is valid now', () => findTimeFault(payload as unknown as TokenClaims, own, now)),
    { name: 'revocation', state: 'none', note: "only the app's store knows" },
    await checkFingerprint(payload, fingerprints),
  ]
}

/** Whether it is a JWE, of which only the header can be read. */
export function isEncrypted(token: string): boolean {
  return token.split('.').length === 5
}

async function checkEncrypted(token: string): Promise<TokenCheck[]> {
  const form = await check('form', `a JWE of type ${ACCESS_TOKEN_TYPE}`, () => void parseEncrypted(token, FORM))
  const content: TokenCheck = { name: 'content', state: 'open', note: 'encrypted: only who has its key can read it' }
  return form.state === 'failed' ? [form] : [form, content]
}

/** The claim that holds the digest of a fingerprint, in whatever format. */
export function findFingerprint(
  payload: Readonly<Record<string, unknown>>,
): { readonly claim: string; readonly format: FingerprintFormat } | undefined {
  const formats = Object.entries(FINGERPRINT_FORMATS)
  const [format, row] = formats.find(([, { claim }]) => claim in payload) ?? []
  // The cast: a key of FINGERPRINT_FORMATS.
  return row && { claim: row.claim, format: format as FingerprintFormat }
}

function parse(token: string): { readonly parsed?: ParsedToken; readonly form: TokenCheck } {
  try {
    const parsed = parseToken(token, FORM)
    return { parsed, form: { name: 'form', state: 'passed', note: `a JWS of type ${ACCESS_TOKEN_TYPE}` } }
  } catch (error) {
    return { form: failed('form', error) }
  }
}

async function checkSignature(parsed: ParsedToken, keys: KeySource | undefined): Promise<TokenCheck[]> {
  if (keys === undefined) return [open('key', '--jwks'), open('signature', '--jwks')]
  const key = await keys.get(parsed.kid)
  if (key === undefined) return [await check('key', '', () => 'ERR_TOKEN_KEY')]
  return [
    { name: 'key', state: 'passed', note: `the set has it, for ${key.alg}` },
    await check('signature', 'made with that key', () => verifySignature(parsed, key)),
  ]
}

async function checkFingerprint(
  payload: Readonly<Record<string, unknown>>,
  fingerprints: readonly string[] | undefined,
): Promise<TokenCheck> {
  const found = findFingerprint(payload)
  if (found === undefined) {
    const note = "the token names none: a service may take it, the kit's own routes do not"
    return { name: 'fingerprint', state: 'none', note }
  }
  if (fingerprints === undefined) return open('fingerprint', '--cookie')
  const { claim, format } = found
  const digest = readDigest(payload[claim], format)
  const matches = digest !== undefined && fingerprints.some((value) => matchesFingerprint(value, digest, format))
  return check('fingerprint', 'the cookie is its own', () => (matches ? undefined : 'ERR_FINGERPRINT_MISMATCH'))
}

/** @param run - throws or answers what is wrong, if anything */
async function check(
  name: string,
  note: string,
  run: () => ErrorCode | undefined | void | Promise<void>,
): Promise<TokenCheck> {
  try {
    const code = await run()
    return code ? { name, state: 'failed', code, note: ERROR_CODES[code].message } : { name, state: 'passed', note }
  } catch (error) {
    return failed(name, error)
  }
}

function failed(name: string, error: unknown): TokenCheck {
  if (!isSessionError(error)) throw error
  return { name, state: 'failed', code: error.code, note: error.message }
}

function open(name: string, option: string): TokenCheck {
  return { name, state: 'open', note: `give ${option}` }
}
