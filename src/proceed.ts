// Going on with what may be there already. On a request nothing is waited for that need not be: a promise costs more than
// most checks, and lets others in between.

/**
 * Whether it has to be waited for: a promise of any kind, from any realm, also where somebody has replaced the global one.
 * None of what is here instead has a `then`.
 */
export function isLater<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { readonly then?: unknown } | undefined)?.then === 'function'
}

/** Calls `next` with the value: now if it is there, else when it comes. */
export function proceed<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  // oxlint-disable-next-line promise/no-callback-in-promise -- it is none
  return isLater(value) ? Promise.resolve(value).then(next) : next(value)
}
