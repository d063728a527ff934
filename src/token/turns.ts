// Signatures take turns: a few at a time, and then whatever else is ready goes first. So neither a flood of tokens that have
// to be verified nor a burst of logins keeps anybody waiting whose token is known.

// About a quarter of a millisecond.
const AT_ONCE = 4

const waiting: (() => void)[] = []
let begun = 0

/** Settles when it is time; undefined when that is now. */
export function takeTurn(): Promise<void> | undefined {
  if (begun < AT_ONCE) {
    begin()
    return undefined
  }
  return new Promise((resolve) => {
    waiting.push(resolve)
  })
}

function begin(): void {
  if (begun === 0) setImmediate(next)
  begun += 1
}

function next(): void {
  begun = 0
  for (const resolve of waiting.splice(0, AT_ONCE)) {
    begin()
    resolve()
  }
}
