// What a refusal means for the event log.

import { ERROR_CODES, isSessionError, SessionError } from './errors.ts'
import type { EventSink, RequestInfo } from './events.ts'

/** What was thrown, as an error of the kit. Anything else is a bug, and closes the door all the same. */
export function toSessionError(thrown: unknown): SessionError {
  return isSessionError(thrown) ? thrown : new SessionError('ERR_UNEXPECTED', { cause: thrown })
}

/** Raises the event of a refusal, if its code has one. */
export function reportRefusal(events: EventSink, thrown: unknown, request: RequestInfo): void {
  const { code, subject } = toSessionError(thrown)
  const { event } = ERROR_CODES[code]
  // The table's `event` column names events whose payload is a Refusal.
  if (event !== undefined) events.emit(event as 'token_rejected', { code, ...subject, request })
}
