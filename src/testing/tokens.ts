// Tokens from the outside: what one says, and what attackers make of it without the key. Nothing here verifies.

/** A JOSE header or a claims set. A member that is undefined is left out of the JSON. */
export type JsonMembers = Readonly<Record<string, unknown>>

/**
 * What is done to a token: a bit of the signature flips, of an encrypted one's tag, or members change and the signature
 * stays.
 */
export type Tampering = 'signature' | { readonly header?: JsonMembers; readonly claims?: JsonMembers }

/** The header of a token, unverified. */
export function headerOf(token: string): Record<string, unknown> {
  return readPart(token, 0)
}

/**
 * The claims of a token, unverified.
 *
 * @throws TypeError when it is encrypted
 */
export function payloadOf(token: string): Record<string, unknown> {
  return readPart(token, 1)
}

function readPart(token: string, index: number): Record<string, unknown> {
  const parts = token.split('.')
  if (parts.length === 5 && index > 0) throw new TypeError('token: expected one that can be read, got an encrypted one')
  // The cast holds for every token that the kit issues.
  return JSON.parse(Buffer.from(parts[index] ?? '', 'base64url').toString()) as Record<string, unknown>
}

/**
 * The token with something else in it and the signature that it had.
 *
 * @example
 * ```ts
 * import { createTestIssuer, tamper } from 'koa-holdfast/testing'
 *
 * const issuer = await createTestIssuer()
 * const { token } = await issuer.sign({ sub: 'mallory' })
 * tamper(token, { claims: { sub: 'alice' } })
 * tamper(token, 'signature')
 * await issuer.close()
 * ```
 */
export function tamper(token: string, how: Tampering): string {
  const parts = token.split('.')
  const last = parts.pop() ?? ''
  if (how !== 'signature') return `${encode(token, how)}.${last}`
  const bytes = Buffer.from(last, 'base64url')
  bytes.writeUInt8(bytes.readUInt8() ^ 1)
  return [...parts, bytes.toString('base64url')].join('.')
}

/**
 * The token as one that needs no signature, with claims changed if any are given.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8725#section-2.1
 */
export function algNone(token: string, claims: JsonMembers = {}): string {
  return `${encode(token, { header: { alg: 'none' }, claims })}.`
}

function encode(token: string, { header = {}, claims = {} }: Exclude<Tampering, 'signature'>): string {
  return [
    { ...headerOf(token), ...header },
    { ...payloadOf(token), ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
}
