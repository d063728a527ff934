// What happens when a request is refused: the event that says exactly why, the session's end if it was stolen and the
// options say so, and the answer that says no more than it must.

import { ERROR_CODES, isSessionError, SessionError } from '../errors.ts'
import type { EventSink } from '../events.ts'
import type { Sessions } from '../sessions.ts'
import type { Clock, Milliseconds } from '../time.ts'
import type { Context } from './context.ts'
import { describeRequest } from './request-info.ts'
import { type AnswerSettings, type Demands, respondRefusal } from './respond.ts'

/** What is done with whatever was thrown. Anything that is no SessionError is a bug and closes the door all the same. */
export interface Refusals {
  /** Reports, ends the session if it was stolen, responds. The request is over. */
  answer(ctx: Context, thrown: unknown, demands?: Demands): Promise<void>
  /** Only raises the event. */
  report(ctx: Context, thrown: unknown): void
  /** Only writes the response. */
  respond(ctx: Context, thrown: unknown, demands?: Demands): void
}

// More stolen sessions in a minute than this are a broken proxy rather than a thief; and one user's cannot use up what
// the others may need.
const REVOCATIONS = 10
const REVOCATIONS_OF_ONE = 2
const REVOCATION_WINDOW: Milliseconds = 60_000

/** Makes the one way to refuse. */
export function createRefusals(options: {
  readonly settings: AnswerSettings & { readonly onSidejack: 'reject' | 'revoke'; readonly clock: Clock }
  readonly events: EventSink
  readonly sessions: Sessions
}): Refusals {
  const { settings, events, sessions } = options
  const { clock, onSidejack } = settings
  let window = { start: clock(), subjects: [] as string[] }

  function report(ctx: Context, thrown: unknown): void {
    const error = toSessionError(thrown)
    const { event } = ERROR_CODES[error.code]
    if (event === undefined) return
    // The table's `event` column names events whose payload is a Refusal.
    events.emit(event as 'token_rejected', {
      code: error.code,
      ...error.subject,
      request: describeRequest(ctx),
    })
  }

  function mayRevoke(sub: string): boolean {
    const now = clock()
    if (Math.abs(now - window.start) >= REVOCATION_WINDOW) window = { start: now, subjects: [] }
    const { subjects } = window
    const ofOne = subjects.filter((one) => one === sub)
    if (subjects.length >= REVOCATIONS || ofOne.length >= REVOCATIONS_OF_ONE) return false
    subjects.push(sub)
    return true
  }

  async function endStolen(ctx: Context, { code, subject }: SessionError): Promise<void> {
    if (onSidejack !== 'revoke' || ERROR_CODES[code].event !== 'sidejack' || subject === undefined) return
    try {
      if (mayRevoke(subject.sub)) await sessions.end(subject.sid, 'sidejack', describeRequest(ctx))
    } catch (thrown) {
      // The thief is refused either way, and the revocation holds in this process.
      report(ctx, thrown)
    }
  }

  function respond(ctx: Context, thrown: unknown, demands?: Demands): void {
    respondRefusal(ctx, toSessionError(thrown), settings, demands)
  }

  async function answer(ctx: Context, thrown: unknown, demands?: Demands): Promise<void> {
    const error = toSessionError(thrown)
    try {
      // What is no client's fault is also heard by the application's own error handling; a bug as what it was.
      if (error.status >= 500) ctx.app.emit('error', isBug(error) ? error.cause : error, ctx)
      report(ctx, error)
      await endStolen(ctx, error)
    } finally {
      // Whatever else fails, the request is refused.
      respond(ctx, error, demands)
    }
  }

  return { answer, report, respond }
}

function toSessionError(thrown: unknown): SessionError {
  return isSessionError(thrown) ? thrown : new SessionError('ERR_UNEXPECTED', { cause: thrown })
}

function isBug({ code, cause }: SessionError): boolean {
  return code === 'ERR_UNEXPECTED' && cause instanceof Error
}
