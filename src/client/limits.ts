// How long, how much, how often. Times without a unit in their name are seconds.

/** A token that ends sooner than this may end on the way. */
export const MARGIN = 2
/** How long a request of the client may take. */
export const TIMEOUT_MS = 30_000
/** How long a tab waits for its turn: longer than any request takes. */
export const PATIENCE_MS = 45_000
/** How far chance spreads the tabs where there are no locks. */
export const SPREAD_MS = 1000
/** How long a turn that brought a token goes on. Locks and messages overtake each other; who comes meanwhile is late. */
export const LINGER_MS = 100
/** How long who is late waits for another tab to hand over the token. */
export const PULL_MS = 1000
/** How long the tab where somebody logged out is left to tell the server. */
export const OTHERS_TURN_MS = 5000
/** How long the clocks are trusted that say when the token is due. */
export const LOOK_EVERY_MS = 60_000
/** The longest time between two attempts, */
export const MAX_BACKOFF = 60
/** and where the server says how long. */
export const MAX_RETRY_AFTER = 300
/** The longest text in a message between tabs, */
export const MAX_TEXT = 500
/** and the most bytes that are sealed in one. */
export const MAX_SEALED = 32_768
