// Whether the server has yet to be told of a logout. Kept where it outlives the page: who logs out and leaves at once, or
// while there is no network, is logged out by the next page of this origin.

/** Undefined where nothing can be kept: a browser may keep its storage from a page. */
export function isOwed(name: string): boolean | undefined {
  try {
    return localStorage[name] === ''
  } catch {
    return undefined
  }
}

export function setOwed(name: string, value: boolean): void {
  try {
    if (value) localStorage[name] = ''
    else delete localStorage[name]
  } catch {}
}
