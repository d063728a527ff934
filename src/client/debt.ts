// The session whose end the server has yet to be told. Kept where it outlives the page: who logs out and leaves at once, or
// while there is no network, is logged out by the next page of this origin.

/**
 * Reads it, or changes it first.
 *
 * @param change - its `sid`, '' where that is not known; null for none
 * @returns the same; undefined for none, or where nothing can be kept
 */
export function owed(name: string, change?: string | null): string | undefined {
  try {
    if (change === null) delete localStorage[name]
    else if (change !== undefined) localStorage[name] = change
    return localStorage[name] as string | undefined // that is what it holds
  } catch {
    // A browser may keep its storage from a page.
    return undefined
  }
}
