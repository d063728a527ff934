// What a break is: one small mistake in a feature, and the browser tests that must notice it.

export interface Break {
  /** Of the tests that must fail, in full. */
  readonly titles: readonly string[]
  /** What is broken, in a few words. */
  readonly what: string
  readonly file: string
  /** What the mistake is made of: this text, which is in the file once, becomes the other. */
  readonly find: string
  readonly replace: string
}

/** The breaks for one test file. */
export interface Area {
  readonly test: string
  readonly breaks: readonly Break[]
}
