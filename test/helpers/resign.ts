// Tokens that the kit would not issue, signed with the real key: what a leaked key or another issuer could make.

import { createPrivateKey, sign } from 'node:crypto'

import { privateJwk } from './app.ts'

const key = createPrivateKey({ key: { ...privateJwk }, format: 'jwk' })

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The payload of a token, unverified. */
export function payloadOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

/** The header of a token, unverified. */
export function headerOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as Record<string, unknown>
}

/** Signs with the key of the tests. */
export function signWithRealKey(payload: object, header: object = {}): string {
  const parts = `${encode({ alg: 'ES256', typ: 'at+jwt', kid: privateJwk.kid, ...header })}.${encode(payload)}`
  const signature = sign('sha256', Buffer.from(parts), { key, dsaEncoding: 'ieee-p1363' })
  return `${parts}.${signature.toString('base64url')}`
}

/** The same token with other claims, signed again; a member that is undefined is left out. */
export function resign(token: string, changes: object, header: object = {}): string {
  return signWithRealKey({ ...payloadOf(token), ...changes }, header)
}

// The order of P-256 (SEC 2 section 2.4.2).
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The other valid signature of the same token: (r, n - s) instead of (r, s). */
export function twinOf(token: string): string {
  const [header, payload, signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from((ORDER - s).toString(16).padStart(64, '0'), 'hex')])
  return `${header}.${payload}.${twin.toString('base64url')}`
}
