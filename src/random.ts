// Text drawn from the system's random source. That is asked for many bytes at a time, since most of what a draw costs is
// the asking; what has been handed out is wiped.

import { randomFillSync } from 'node:crypto'

const POOL = Buffer.alloc(4096)
let used = POOL.length

/**
 * Draws text that nobody can guess.
 *
 * @param bytes - how many random bytes it encodes, at most 4096
 */
export function drawText(bytes: number, encoding: 'base64url' | 'hex'): string {
  if (used + bytes > POOL.length) {
    randomFillSync(POOL)
    used = 0
  }
  const drawn = POOL.subarray(used, used + bytes)
  used += bytes
  const text = drawn.toString(encoding)
  drawn.fill(0)
  return text
}
