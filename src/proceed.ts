// Going on with what may be there already. On a request nothing is waited for that need not be: a promise costs more than
// most checks, and lets others in between.

/** Calls `next` with the value: now if it is there, else when it comes. */
export function proceed<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  // oxlint-disable-next-line promise/no-callback-in-promise -- it is none
  return value instanceof Promise ? value.then(next) : next(value)
}
