// How error messages speak of a rejected value.

/** Describes a rejected option value without repeating a long one. */
export function describe(value: unknown): string {
  if (typeof value === 'string' && value.length <= 40) return JSON.stringify(value)
  return describeKind(value)
}

/** Describes a rejected value that may be a secret: only what kind it is. */
export function describeKind(value: unknown): string {
  if (typeof value === 'string') return `a string of ${value.length} characters`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  return String(value)
}
