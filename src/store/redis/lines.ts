// The buckets of lines as they are read: pieces are put together to whole lines, and what is no entry is left out.

import { NEVER, type NewRecord } from '../store.ts'
import { BUCKET, endOf, isPlain, MAX_LINE, parseLineAt } from './wire.ts'

/** Puts pieces together. */
export interface LineReader {
  /** Answers whole lines, and how many were none since they are too long or have no end. */
  read(piece: Buffer, isLast: boolean): { readonly lines: Buffer; readonly foreign: number }
}

const LINE_END = 10
const EMPTY: Buffer = Buffer.alloc(0)

/** Makes one, for one bucket after the other. */
export function createLineReader(): LineReader {
  let rest = EMPTY
  let isTooLong = false
  return {
    read(piece, isLast) {
      const end = piece.lastIndexOf(LINE_END) + 1
      let lines = EMPTY
      let foreign = 0
      if (end > 0) {
        // The end of a line that is no line is skipped.
        const start = isTooLong ? piece.indexOf(LINE_END) + 1 : 0
        lines = rest.length > 0 ? Buffer.concat([rest, piece.subarray(start, end)]) : piece.subarray(start, end)
        rest = piece.subarray(end)
        isTooLong = false
      } else if (!isTooLong) rest = Buffer.concat([rest, piece])
      if (rest.length > MAX_LINE) {
        foreign += 1
        isTooLong = true
        rest = EMPTY
      }
      if (isLast) {
        if (rest.length > 0) foreign += 1
        rest = EMPTY
        isTooLong = false
      }
      return { lines, foreign }
    },
  }
}

/** Tells the entries, and answers their lines: the bytes themselves where all are some. What was deleted is blank. */
export function siftLines(
  bucket: string,
  lines: Buffer,
  tell: (record: NewRecord) => void,
): { readonly entries: Buffer; readonly foreign: number } {
  // One byte a character: entries are ASCII.
  const text = lines.toString('latin1')
  const [areKnownPlain, last] = [isPlain(text), Math.min(endOf(bucket) - 1, NEVER)]
  const first = bucket === 'never' ? NEVER : endOf(bucket) - BUCKET
  const kept: Buffer[] = []
  let [from, start, foreign] = [0, 0, 0]
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
    const record = end === start ? undefined : parseLineAt(text, start, end, areKnownPlain)
    const isOurs = record !== undefined && record.expires >= first && record.expires <= last
    if (isOurs) tell(record)
    else if (end > start) {
      foreign += 1
      kept.push(lines.subarray(from, start))
      from = end + 1
    }
    start = end + 1
  }
  return { entries: foreign === 0 ? lines : Buffer.concat([...kept, lines.subarray(from)]), foreign }
}
