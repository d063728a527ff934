// What a figure has to be, and what it is.

/** A figure and its limit. */
export interface Verdict {
  readonly what: string
  /** At how many entries. */
  readonly at?: number
  readonly reached: number
  /** It may be no more, or no less. */
  readonly most?: number
  readonly least?: number
}

/** Prints whether it is kept. */
export function printVerdict({ what, at, reached, most, least }: Verdict): void {
  const isMet = reached <= (most ?? Infinity) && reached >= (least ?? -Infinity)
  const target = most === undefined ? `at least ${least}` : `at most ${most}`
  const where = at === undefined ? '' : ` at ${at.toLocaleString('en')}`
  console.log(`  ${isMet ? 'met' : 'MISSED'}: ${what}${where}, ${target}, reached ${reached.toFixed(2)}`)
}
