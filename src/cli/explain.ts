// A token taken apart for its owner's eyes: every part that is no secret, and what it means. Nothing here is verified.

import { describeSpan, type Milliseconds } from '../time.ts'
import { formatTime, printable } from './output.ts'
import { findFingerprint, isEncrypted } from './token-checks.ts'

type Json = Readonly<Record<string, unknown>>

/** What a token says. */
export interface Explanation {
  readonly kind: 'jws' | 'jwe' | 'unknown'
  readonly header: Json | undefined
  /** Undefined where they cannot be read, as those of a JWE. The fingerprint is cut. */
  readonly claims: Json | undefined
}

const SHOWN = 6

/** Takes a token apart, also one that no verifier would look into. */
export function explainToken(token: string): Explanation {
  const parts = token.split('.')
  const header = decode(parts[0])
  if (header === undefined) return { kind: 'unknown', header, claims: undefined }
  if (isEncrypted(token)) return { kind: 'jwe', header, claims: undefined }
  const claims = decode(parts[1])
  const { claim } = findFingerprint(claims ?? {}) ?? {}
  const shown = claims && claim !== undefined ? { ...claims, [claim]: cut(claims[claim]) } : claims
  return { kind: 'jws', header, claims: shown }
}

function cut(digest: unknown): string {
  return `${String(digest).slice(0, SHOWN)}…`
}

function decode(part = ''): Json | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
  } catch {
    return undefined
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  iss: 'who issued it',
  sub: 'whose it is',
  aud: 'for whom',
  jti: 'this token',
  sid: 'its session',
  client_id: 'the client',
  fgp: 'digest of the fingerprint cookie',
  userFingerprint: 'digest of the fingerprint cookie',
  iat_ms: 'issued, in milliseconds',
}

/** Times, with what is said of them when they are past, and when they are to come. */
const TIMES: Readonly<Record<string, readonly [past: string, future: string]>> = {
  exp: ['expired', 'expires'],
  iat: ['issued', 'issued'],
  nbf: ['valid since', 'valid'],
  auth_time: ['logged in', 'logged in'],
}

/** One row for each claim: its name, its value, what it means. */
export function describeClaims(claims: Json, now: Milliseconds): string[][] {
  return Object.entries(claims).map(([name, value]) => {
    const time = Object.hasOwn(TIMES, name) ? TIMES[name] : undefined
    if (time !== undefined && typeof value === 'number') {
      return [printable(name), formatTime(value * 1000), describeTime(value * 1000 - now, time)]
    }
    return [printable(name), toText(value), Object.hasOwn(MEANINGS, name) ? (MEANINGS[name] ?? '') : '']
  })
}

/** One row for each parameter of a header. */
export function describeHeader(header: Json): string[][] {
  return Object.entries(header).map(([name, value]) => [printable(name), toText(value)])
}

function describeTime(distance: Milliseconds, [past, future]: readonly [string, string]): string {
  return distance < 0 ? `${past} ${describeSpan(distance)} ago` : `${future} in ${describeSpan(distance)}`
}

function toText(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}
