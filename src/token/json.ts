// Strict JSON for token parts: UTF-8 without a byte order mark, one object, bounded depth, no member name twice
// (RFC 7515 section 4, RFC 7519 sections 4 and 7.2), and no member that could reach a prototype.

/** An object as JSON.parse makes it; what is in it is frozen. */
export type JsonObject = Readonly<Record<string, unknown>>

const MAX_DEPTH = 16
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses the bytes of one JSON object, which has no prototype. It is not frozen itself: V8 would keep a hidden class of its
 * own for each, and what it finds out when the object is read with that, until the next full collection.
 *
 * @throws Error of any kind when they are not one
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  // With ignoreBOM a byte order mark stays in the text, and JSON.parse refuses it.
  const text = DECODER.decode(bytes)
  // What JSON.stringify makes of the value, as most issuers write tokens, has no name twice: the first would be missing.
  const value = parse(text, (one) => JSON.stringify(one) === text)
  return Object.setPrototypeOf(value, null) as JsonObject
}

/**
 * Parses the text of one JSON object that JSON.stringify has made. It keeps its prototype: without one it is slow to read.
 *
 * @throws Error of any kind when it is not one
 */
export function parseOwnJson(text: string): JsonObject {
  return Object.freeze(parse(text, () => true))
}

/** A copy without a prototype. */
export function withoutPrototype<T extends object>(value: T): T {
  return Object.setPrototypeOf({ ...value }, null) as T
}

/** Freezes all that is in it, and not yet itself. */
function parse(text: string, isOwn: (value: object) => boolean): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a JSON object')
  // A shortcut only; anything else is walked.
  if (!freezeMembers(value, MAX_DEPTH) || text.includes('__proto__') || !isOwn(value)) assertPlain(text)
  return value as Record<string, unknown> // an object's members are that
}

/** Freezes what is in it. Tells whether it is nested no deeper than that; where it is, the rest is left. */
function freezeMembers(value: object, levels: number): boolean {
  if (levels === 0) return false
  for (const member of Object.values(value)) {
    if (typeof member !== 'object' || member === null) continue
    if (!freezeMembers(member as object, levels - 1)) return false
    Object.freeze(member)
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
