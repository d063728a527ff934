// Builds tokens that the kit itself would never write: any text as header and payload, signed with any key or none.
// `sign…` uses the app's real key unless another is given, so what is tested is everything but the signature.

import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto'

import type { JWK } from 'jose'

import { draftClaims } from '../../src/testing/claims.ts'
import { ISSUER, privateJwk } from './app.ts'
import { headerOf, payloadOf } from './decode.ts'

/** A JOSE header or a claims set; a member that is undefined is left out of the JSON. */
export type Json = Record<string, unknown>
/** Text and bytes are taken as they are; anything else becomes its JSON. */
export type Part = string | Uint8Array | Json | readonly unknown[] | number | boolean | null

/** The name of the fingerprint cookie of an app without cookie options. */
export const COOKIE_NAME = '__Secure-Fgp'

/** The private key of a JWK. The cast holds: node reads the members it knows and ignores the others. */
export function privateKeyOf(jwk: JWK): KeyObject {
  return createPrivateKey({ key: jwk as Record<string, string>, format: 'jwk' })
}

/** The public key of a JWK, private or not. The cast holds, as above. */
export function publicKeyOf(jwk: JWK): KeyObject {
  return createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' })
}

/** Unpadded base64url of text, of bytes, or of the JSON of anything else. */
export function b64(part: Part): string {
  if (part instanceof Uint8Array) return Buffer.from(part).toString('base64url')
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

/** The header of a genuine token, with members replaced, added, or (by undefined) left out. */
export function validHeader(overrides: Json = {}): Json {
  return { alg: privateJwk.alg, typ: 'at+jwt', kid: privateJwk.kid, ...overrides }
}

/** What {@link validClaims} answers: claims, and the fingerprint that fits them. */
export interface ValidClaims {
  readonly claims: Json
  /** The cookie's value. */
  readonly fingerprint: string
  /** `name=value`, for a Cookie header. */
  readonly cookie: string
}

/**
 * The claims of a genuine, live token and the fingerprint that fits, with claims replaced, added, or (by undefined) left
 * out. Signed with {@link sign} as they are, they pass: a test that spoils one thing tests that thing.
 */
export function validClaims(app: { readonly clock: () => number }, overrides: Json = {}): ValidClaims {
  const draft = draftClaims({ issuer: ISSUER, audience: ISSUER, now: app.clock(), format: 'base64url' })
  const { claims, fingerprint = '' } = draft
  return { claims: { ...claims, ...overrides }, fingerprint, cookie: `${COOKIE_NAME}=${fingerprint}` }
}

const HASHES: Readonly<Record<string, string>> = { 256: 'sha256', 384: 'sha384', 512: 'sha512' }

/** The signature over a signing input, by the key's own `alg`, whatever the header says. HS*, ES*, RS*, PS*, EdDSA. */
export function signatureOf(input: string | Uint8Array, jwk: JWK = privateJwk): Buffer {
  const { alg = '' } = jwk
  const hash = HASHES[alg.slice(2, 5)]
  const data = Buffer.from(input)
  if (alg.startsWith('HS')) return hmac(data, Buffer.from(jwk.k ?? '', 'base64url'), alg)
  const key = privateKeyOf(jwk)
  if (alg.startsWith('ES')) return signBytes(hash, data, { key, dsaEncoding: 'ieee-p1363' })
  if (alg.startsWith('PS')) {
    const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
    return signBytes(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
  }
  return signBytes(hash ?? null, data, key)
}

/** Signs two parts that are already encoded, rightly or wrongly. */
export function signParts(headerPart: string, payloadPart: string, jwk: JWK = privateJwk): string {
  const input = `${headerPart}.${payloadPart}`
  return `${input}.${signatureOf(input, jwk).toString('base64url')}`
}

/** Signs header and payload text (or bytes) to the letter: duplicate members, byte order marks and all. */
export function signRaw(
  headerText: string | Uint8Array,
  payloadText: string | Uint8Array,
  jwk: JWK = privateJwk,
): string {
  return signParts(b64(headerText), b64(payloadText), jwk)
}

/** Signs a header and a payload. */
export function sign(header: Part, payload: Part, jwk: JWK = privateJwk): string {
  return signParts(b64(header), b64(payload), jwk)
}

/** A token with this signature, or with an empty one. */
export function forge(header: Part, payload: Part, signature: Uint8Array | string = ''): string {
  return `${b64(header)}.${b64(payload)}.${b64(signature)}`
}

/** A token whose "signature" is an HMAC under any bytes, however short. */
export function forgeHmac(header: Part, payload: Part, secret: Uint8Array | string, alg = 'HS256'): string {
  const input = `${b64(header)}.${b64(payload)}`
  return `${input}.${hmac(Buffer.from(input), Buffer.from(secret), alg).toString('base64url')}`
}

function hmac(data: Buffer, secret: Buffer, alg: string): Buffer {
  return createHmac(HASHES[alg.slice(2, 5)] ?? 'sha256', secret)
    .update(data)
    .digest()
}

/** The token with claims and header parameters replaced, added, or (by undefined) left out, signed again. */
export function resign(token: string, claims: Json, header: Json = {}): string {
  return sign({ ...headerOf(token), ...header }, { ...payloadOf(token), ...claims })
}

// The order of P-256 (SEC 2 section 2.4.2).
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The other valid ES256 signature of the same token, for anybody to compute: (r, n - s) instead of (r, s). */
export function twinOf(token: string): string {
  const [header, payload, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const s = ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
  return `${header}.${payload}.${twin.toString('base64url')}`
}
