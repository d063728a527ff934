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
  const start = draw(bytes)
  const text = POOL.toString(encoding, start, used)
  POOL.fill(0, start, used)
  return text
}

/** Draws a whole number of 1 to 32 bits, from 0 to 2^bits - 1. */
export function drawNumber(bits: number): number {
  const start = draw(4)
  const number = POOL.readUInt32LE(start) >>> (32 - bits)
  POOL.writeUInt32LE(0, start)
  return number
}

/** Where the next of the pool begin; they end where it is used. */
function draw(bytes: number): number {
  if (used + bytes > POOL.length) {
    randomFillSync(POOL)
    used = 0
  }
  used += bytes
  return used - bytes
}
