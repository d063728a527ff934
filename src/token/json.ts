// Strict JSON for token parts: UTF-8 without a byte order mark, one object, bounded depth, no member name twice
// (RFC 7515 section 4, RFC 7519 sections 4 and 7.2), and no member that could reach a prototype.

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
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not a JSON object')
  assertPlain(text)
  return Object.freeze(Object.assign(Object.create(null) as Record<string, unknown>, value))
}

/** Walks text that is known to be JSON and refuses deep nesting, repeated names and `__proto__`. */
function assertPlain(text: string): void {
  /** The names seen in each open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = []
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i]
    if (character === '{' || character === '[') {
      if (open.push(character === '{' ? new Set() : undefined) > MAX_DEPTH) throw new Error('nested too deep')
    } else if (character === '}' || character === ']') {
      open.pop()
    } else if (character === '"') {
      const end = endOfString(text, i)
      // A string before a colon is a name: in valid JSON nothing else can be.
      if (nextSignificant(text, end + 1) === ':') addName(open.at(-1), text.slice(i, end + 1))
      i = end
    }
  }
}

function addName(names: Set<string> | undefined, quoted: string): void {
  // Escapes count as what they mean: "\u0073ub" is "sub".
  const name = quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
  if (names?.has(name)) throw new Error('a member name comes twice')
  if (name === '__proto__') throw new Error('a member is named __proto__')
  names?.add(name)
}

function endOfString(text: string, start: number): number {
  let i = start + 1
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
  return i
}

function nextSignificant(text: string, start: number): string | undefined {
  let i = start
  while (text[i] === ' ' || text[i] === '\t' || text[i] === '\n' || text[i] === '\r') i += 1
  return text[i]
}
