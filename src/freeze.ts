// Freezing all the way down, for what is handed to strangers.

/** Freezes the value and everything in it. */
export function freezeDeep<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freezeDeep(member as object)
  }
  return Object.freeze(value)
}
