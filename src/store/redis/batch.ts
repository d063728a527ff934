// What is asked in one go is sent in one go: many writes cost little more than one, and wait for nothing.

/**
 * Makes a batch that is sent once the work that asks is done, or once it is full.
 *
 * @param send - answers each question in its place. When it rejects, so does each
 * @param most - how many are sent together
 */
export function createBatch<Question, Answer>(
  send: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  most: number,
): (question: Question) => Promise<Answer> {
  let waiting: Waiting<Question, Answer>[] = []

  function flush(): void {
    const some = waiting
    waiting = []
    if (some.length > 0) void sendAll(some)
  }

  async function sendAll(some: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await send(some.map(({ question }) => question))
      if (answers.length !== some.length) throw new Error('Redis: an unexpected answer')
      // The cast holds: there is one for each.
      for (const [i, { resolve }] of some.entries()) resolve(answers[i] as Answer)
    } catch (thrown) {
      for (const { reject } of some) reject(thrown)
    }
  }

  return (question) =>
    new Promise((resolve, reject) => {
      waiting.push({ question, resolve, reject })
      if (waiting.length === 1) void NEXT.then(flush)
      else if (waiting.length === most) flush()
    })
}

// Cheaper than `queueMicrotask`, which notes the asynchronous context first.
const NEXT = Promise.resolve()

interface Waiting<Question, Answer> {
  readonly question: Question
  readonly resolve: (answer: Answer) => void
  readonly reject: (reason: unknown) => void
}
