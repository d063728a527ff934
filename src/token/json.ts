// Strict JSON for token parts: UTF-8 without a byte order mark, one object, bounded depth, no member name twice
// (RFC 7515 section 4, RFC 7519 sections 4 and 7.2), and no member that could reach a prototype.

import { freezeDeep } from '../freeze.ts'

/** An object as JSON.parse makes it, but without a prototype. */
export type JsonObject = Readonly<Record<string, unknown>>

const MAX_DEPTH = 16
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses the bytes of one JSON object.
 *
 * @throws Error of any kind when they are not one
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  // With ignoreBOM a byte order mark stays in the text, and JSON.parse refuses it.
  const text = DECODER.decode(bytes)
  // What JSON.stringify makes of the value, as most issuers write tokens, has no name twice: the first would be missing.
  return parse(text, (value) => JSON.stringify(value) === text)
}

/**
 * Parses the text of one JSON object that JSON.stringify has made.
 *
 * @throws Error of any kind when it is not one
 */
export function parseOwnJson(text: string): JsonObject {
  return parse(text, () => true)
}

function parse(text: string, isOwn: (value: object) => boolean): JsonObject {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a JSON object')
  // A shortcut only; anything else is walked.
  if (text.includes('__proto__') || !isShallow(value, MAX_DEPTH) || !isOwn(value)) assertPlain(text)
  return freezeDeep(Object.setPrototypeOf(value, null) as Record<string, unknown>) // an object's members are that
}

function isShallow(value: object, levels: number): boolean {
  if (levels === 0) return false
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null && !isShallow(member as object, levels - 1)) return false
  }
  return true
}

// A string, with the colon behind it if it is a member's name, or a bracket. In valid JSON nothing else can hide one.
const TOKEN = /"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|[{}[\]]/g

/** Walks text that is known to be JSON and refuses deep nesting, repeated names and `__proto__`. */
function assertPlain(text: string): void {
  /** The names seen in each open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = []
  for (const [token, name = '', colon] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      if (open.push(token === '{' ? new Set() : undefined) > MAX_DEPTH) throw new Error('nested too deep')
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (colon !== undefined) {
      addName(open.at(-1), name)
    }
  }
}

function addName(names: Set<string> | undefined, written: string): void {
  // Escapes count as what they mean: "\u0073ub" is "sub".
  const name = written.includes('\\') ? String(JSON.parse(`"${written}"`)) : written
  if (names?.has(name)) throw new Error('a member name comes twice')
  if (name === '__proto__') throw new Error('a member is named __proto__')
  names?.add(name)
}
