// What is drawn from the system's random source. That is asked for many bytes at a time, since most of what a draw costs is
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
  const drawn = draw(bytes)
  const text = drawn.toString(encoding)
  drawn.fill(0)
  return text
}

/** Draws a whole number of 1 to 32 bits, from 0 to 2^bits - 1. */
export function drawNumber(bits: number): number {
  const drawn = draw(4)
  const number = drawn.readUInt32LE() >>> (32 - bits)
  drawn.fill(0)
  return number
}

/** The next of the pool. */
function draw(bytes: number): Buffer {
  if (used + bytes > POOL.length) {
    randomFillSync(POOL)
    used = 0
  }
  used += bytes
  return POOL.subarray(used - bytes, used)
}
