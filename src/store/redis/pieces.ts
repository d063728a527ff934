// Reads buckets in pieces, one after the other, with some asked for ahead: also from one bucket to the next.

import { ENTRY_BYTES } from '../../id.ts'
import type { Commands } from './commands.ts'
import { prefixOf } from './packed.ts'

/** A bucket as far as it is read. */
export interface Extent {
  readonly name: string
  readonly length: number
}

/** A part of a bucket: whole entries, where they are packed. */
export interface Piece {
  readonly bucket: string
  readonly bytes: Buffer
  readonly isLast: boolean
}

// Large enough that few commands read a million entries, and small enough that none of them keeps others waiting: lines
// take longer.
const PACKED = ENTRY_BYTES * 56_000
const LINES = 2 ** 18
/** So many bytes are under way while a piece is taken. */
const AHEAD = 2 ** 22

/** Reads them, in turn. */
export async function* readPieces(
  commands: Commands,
  keyOf: (bucket: string) => string,
  buckets: readonly Extent[],
): AsyncGenerator<Piece> {
  const asked: { readonly size: number; readonly piece: Promise<Piece> }[] = []
  const parts = split(buckets)
  let ahead = 0
  for (;;) {
    while (ahead < AHEAD) {
      const part = parts.next().value
      if (part === undefined) break
      const { bucket, start, size, isLast } = part
      const piece = read(bucket, start, size).then((bytes) => ({ bucket, bytes, isLast }))
      // Whoever reads on hears of it; if nobody does, that is no reason to end the process.
      piece.catch(() => {})
      ahead += size
      asked.push({ size, piece })
    }
    const first = asked.shift()
    if (first === undefined) return
    const piece = await first.piece
    ahead -= first.size
    yield piece
  }

  async function read(bucket: string, start: number, size: number): Promise<Buffer> {
    const key = keyOf(bucket)
    const bytes = await commands.fetch(key, ['GETRANGE', key, `${start}`, `${start + size - 1}`])
    // A bucket that went meanwhile has expired, or all was flushed, or a replica answered that does not have it yet.
    if (bytes.length < size) throw new Error('Redis: a bucket became shorter')
    return bytes
  }
}

function* split(
  buckets: readonly Extent[],
): Generator<
  { readonly bucket: string; readonly start: number; readonly size: number; readonly isLast: boolean },
  undefined
> {
  for (const { name, length } of buckets) {
    const most = prefixOf(name) === undefined ? LINES : PACKED
    for (let start = 0; start < length; start += most) {
      const size = Math.min(most, length - start)
      yield { bucket: name, start, size, isLast: start + size === length }
    }
  }
}
