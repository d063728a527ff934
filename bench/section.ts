// What the sections of the bench get and what they give.

import type { Server } from './child.ts'
import type { Subject } from './subjects.ts'

/** What a section works with. */
export interface Bench {
  readonly isQuick: boolean
  /** The key of every token, private. */
  readonly jwk: object
  /** Whether it was asked for on the command line: `section` or `section/subject`. */
  wants(name: string): boolean
  /** Says what is under way, in one line that the next one replaces. */
  progress(text: string): void
  /** Starts a subject; undefined when something that it needs is missing, which has been printed. */
  start(subject: Subject): Promise<Server | undefined>
}

/** A table of the report. */
export interface Table {
  readonly title: string
  readonly note?: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** One target, and how it stands. */
export interface Verdict {
  readonly what: string
  readonly target: string
  readonly reached: string
  readonly isOk: boolean
}

/** A bar of the chart. */
export interface Bar {
  readonly label: string
  /** Microseconds. */
  readonly value: number
  readonly isOurs: boolean
}

/** What a section has found. */
export interface Findings {
  readonly tables: readonly Table[]
  readonly verdicts: readonly Verdict[]
  readonly bars?: readonly Bar[]
}

/** Says whether a figure is at most, or at least, what it should be. */
export function judge(
  what: string,
  reached: number,
  bound: { readonly most: number } | { readonly least: number },
  digits = 2,
): Verdict {
  const isOk = 'most' in bound ? reached <= bound.most : reached >= bound.least
  const target = 'most' in bound ? `≤ ${bound.most}` : `≥ ${bound.least}`
  return { what, target, reached: reached.toFixed(digits), isOk }
}
