// Tokens as the kit issues them, and as attackers make them up: each modelled on one that the kit has issued.

import { createHash, createPrivateKey, type JsonWebKey, randomBytes, sign } from 'node:crypto'

import type { Headers } from './child.ts'
import { toRequest } from './connection.ts'

/** Makes requests. */
export interface Mint {
  /** So many pairs that are all different, and all good. */
  good(count: number): Buffer[]
  /** The same as tokens and fingerprints. */
  pairs(count: number): { readonly token: string; readonly fingerprint: string }[]
  /** What a flood consists of, by its name. */
  readonly bad: Readonly<Record<'forged' | 'unknownKey' | 'garbage' | 'expired', (count: number) => Buffer[]>>
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const draw = (bytes: number): string => randomBytes(bytes).toString('base64url')
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

/** Makes requests like this one, which the kit lets in. */
export function createMint(jwk: object, model: Headers): Mint {
  // The casts: a key of the kit's, and a token that it has issued.
  const key = createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' })
  const [, head = '', payload = ''] = /^Bearer ([\w-]+)\.([\w-]+)\./.exec(model['Authorization'] ?? '') ?? []
  const [header, claims] = [head, payload].map((part) => JSON.parse(String(Buffer.from(part, 'base64url'))) as object)
  const cookieName = (model['Cookie'] ?? '').split('=')[0]

  function issue(more: object = {}): { readonly token: string; readonly fingerprint: string } {
    const fingerprint = draw(32)
    const fgp = createHash('sha256').update(fingerprint).digest('base64url')
    const signed = `${head}.${encode({ ...claims, jti: draw(16), fgp, ...more })}`
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    return { token: `${signed}.${signature}`, fingerprint }
  }

  const requestOf = ({ token, fingerprint }: { readonly token: string; readonly fingerprint: string }): Buffer =>
    toRequest({ Authorization: `Bearer ${token}`, Cookie: `${cookieName}=${fingerprint}` })

  /** A token that nobody has signed. */
  const make = (start: string): Buffer =>
    requestOf({ token: `${start}.${encode({ ...claims, jti: draw(16) })}.${draw(64)}`, fingerprint: draw(32) })

  return {
    good: (count) => times(count, () => requestOf(issue())),
    pairs: (count) => times(count, issue),
    bad: {
      forged: (count) => times(count, () => make(head)),
      unknownKey: (count) => times(count, () => make(encode({ ...header, kid: draw(16) }))),
      garbage: (count) => times(count, () => requestOf({ token: draw(400), fingerprint: draw(32) })),
      expired(count) {
        const iat = Math.floor(Date.now() / 1000) - 1000
        const late = { iat, exp: iat + 900, iat_ms: iat * 1000, auth_time: iat }
        return times(count, () => requestOf(issue(late)))
      },
    },
  }
}
