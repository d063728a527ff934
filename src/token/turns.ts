// Signatures take turns: a few at a time, and then whatever else is ready goes first. So neither a flood of tokens that have
// to be verified nor a burst of logins keeps anybody waiting whose token is known.

// By name: what an application puts in the place of the global one does not stop all signatures.
import { setImmediate } from 'node:timers'

// About a quarter of a millisecond,
const AT_ONCE = 4
// or a quarter of the time where other work takes longer, so that none of the two starves.
const PER_MILLISECOND = 4

const waiting: (() => void)[] = []
let begun = 0
let since = 0

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
  if (begun === 0) {
    since = performance.now()
    setImmediate(next)
  }
  begun += 1
}

function next(): void {
  const count = Math.max(AT_ONCE, Math.floor((performance.now() - since) * PER_MILLISECOND))
  begun = 0
  for (const resolve of waiting.splice(0, count)) {
    begin()
    resolve()
  }
}
