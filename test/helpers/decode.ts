// What a token says, unverified.

/** The header. */
export function headerOf(token: string): Record<string, unknown> {
  return readPart(token, 0)
}

/** The payload. */
export function payloadOf(token: string): Record<string, unknown> {
  return readPart(token, 1)
}

function readPart(token: string, index: number): Record<string, unknown> {
  // The cast holds for every token that the kit issues.
  return JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString()) as Record<string, unknown>
}
