// Refresh tokens: `sid.generation.secret`. The secret has two parts: the family, the same in every generation, which
// proves that a token is of this session at all; and the part that each refresh replaces. Only hashes of both are kept.
// RFC 9700 section 4.14.2.

import { createHmac, hash as digest, timingSafeEqual } from 'node:crypto'

import { drawText } from '../random.ts'

/** The parts of a refresh token. */
export interface RefreshToken {
  readonly sid: string
  /** How many tokens of the session came before it. */
  readonly generation: number
  /** 128 bits, the same in every generation. */
  readonly family: string
  /** 256 bits, new in every generation. */
  readonly secret: string
}

const FORM = /^([\w-]{22})\.(0|[1-9]\d{0,8})\.([\w-]{22})([\w-]{43})$/

/** Takes a refresh token apart; undefined when it is none. */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  const [, sid, generation, family, secret] = FORM.exec(text) ?? []
  if (sid === undefined || family === undefined || secret === undefined) return undefined
  return { sid, generation: Number(generation), family, secret }
}

/** Writes a refresh token. */
export function formatRefreshToken({ sid, generation, family, secret }: RefreshToken): string {
  return `${sid}.${generation}.${family}${secret}`
}

/** The first refresh token of a session. */
export function drawRefreshToken(sid: string): RefreshToken {
  return {
    sid,
    generation: 0,
    family: drawText(16, 'base64url'),
    secret: drawText(32, 'base64url'),
  }
}

/** The token that follows this one. Whoever presents the same token for the same nonce gets the same successor. */
export function deriveRefreshToken(token: RefreshToken, nonce: string): RefreshToken {
  const secret = createHmac('sha256', token.secret).update(`refresh ${nonce}`).digest('base64url')
  return { ...token, generation: token.generation + 1, secret }
}

/** What is kept of a secret: 128 random bits or more need no slow hash. */
export function hashSecret(secret: string): string {
  return digest('sha256', secret, 'base64url')
}

/** Whether the secret is the one of the hash. Takes the same time wherever they differ. */
export function matchesHash(secret: string, hash: string): boolean {
  // One byte a character, or it is none.
  if (hash.length !== EXPECTED.length || EXPECTED.write(hash) !== hash.length) return false
  ACTUAL.write(hashSecret(secret))
  return timingSafeEqual(ACTUAL, EXPECTED)
}

// Where both are put, so that nothing is made for it. Nothing waits in between.
const [ACTUAL, EXPECTED] = [Buffer.alloc(43), Buffer.alloc(43)] as const
