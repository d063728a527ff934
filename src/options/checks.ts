// The checks that every option goes through. A TypeError names the option, what was expected and what came.

import { describe, describeKind } from '../describe.ts'

/** The value is an object with only these members: a misspelt option would silently leave its default in force. */
export function assertKnown(value: unknown, group: string, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${group}: expected an object, got ${describeKind(value)}`)
  }
  const stranger = Object.keys(value).find((name) => !known.includes(name))
  if (stranger !== undefined) {
    throw new TypeError(`${group}: expected only ${known.join(', ')}, got ${describe(stranger)}`)
  }
}

/** The value, if it is one of these. */
export function oneOf<const T extends string>(value: string, name: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found !== undefined) return found
  throw new TypeError(`${name}: expected ${allowed.map((one) => `'${one}'`).join(' or ')}, got ${describe(value)}`)
}

/** The value, if it is a boolean. */
export function boolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value
  throw new TypeError(`${name}: expected true or false, got ${describe(value)}`)
}

/** The value, if it is a whole number in this range. */
export function integer(value: unknown, name: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new TypeError(`${name}: expected a whole number from ${least} to ${most}, got ${describe(value)}`)
}

/** Whether a URL's host name is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}
