// What has happened lately to each session, and around it, for when one breaks: requests, events of the servers with their
// codes, faults. Identifiers only, no credential.

export interface History {
  /** @param about - a session, a subject, or nothing for what concerns all of them */
  note(about: string, text: string, time?: number): void
  /** What is known about these, and about all since then, in the order of time, a line each. */
  tell(...about: readonly string[]): string
}

interface Entry {
  readonly time: number
  readonly text: string
}

const LENGTH = 40
const LENGTH_OF_ALL = 400

/** Makes an empty history. */
export function createHistory(): History {
  const entries = new Map<string, Entry[]>()

  const of = (about: string): readonly Entry[] => entries.get(about) ?? []

  return {
    note(about, text, time = Date.now()) {
      const mine = entries.get(about) ?? []
      entries.set(about, mine)
      mine.push({ time, text })
      if (mine.length > (about === '' ? LENGTH_OF_ALL : LENGTH)) mine.shift()
    },
    tell(...about) {
      const own = about.flatMap(of)
      const start = own.length === 0 ? 0 : Math.min(...own.map(({ time }) => time))
      return [...own, ...of('').filter(({ time }) => time >= start)]
        .toSorted((a, b) => a.time - b.time)
        .map(({ time, text }) => `  ${new Date(time).toISOString().slice(11, 23)}  ${text}`)
        .join('\n')
    },
  }
}
