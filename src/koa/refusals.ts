// What happens when a request is refused: the event that says exactly why, the session's end if it was stolen and the
// options say so, and the answer that says no more than it must.

import { ERROR_CODES, type SessionError } from '../errors.ts'
import type { EndReason, RequestInfo } from '../events.ts'
import { toSessionError } from '../report.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Clock, Milliseconds } from '../time.ts'
import type { Context } from './context.ts'
import { describeRequest } from './request-info.ts'
import { type AnswerSettings, type Demands, respondRefusal } from './respond.ts'

/** What is done with whatever was thrown. Anything that is no SessionError is a bug and closes the door all the same. */
export interface Refusals {
  /** Reports, ends the session if it was stolen, responds. The request is over. */
  answer(ctx: Context, thrown: unknown, demands?: Demands): Promise<void>
  /** Raises the event, and ends the session if it was stolen. */
  note(ctx: Context, thrown: unknown): Promise<void>
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
  /** Raises the event of a refusal. */
  readonly report: (thrown: unknown, request: RequestInfo) => void
  /** None where sessions are somebody else's. */
  readonly sessions?: Pick<Sessions, 'end'>
}): Refusals {
  const { settings, sessions } = options
  const { clock, onSidejack } = settings
  let window = { start: clock(), subjects: [] as string[] }

  function report(ctx: Context, thrown: unknown): void {
    options.report(thrown, describeRequest(ctx))
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

  /** Why the session ends with the refusal, if it does. */
  function reasonToEnd({ code }: SessionError, sub: string): EndReason | undefined {
    const { event, ends } = ERROR_CODES[code]
    if (ends !== undefined) return ends
    return event === 'sidejack' && onSidejack === 'revoke' && mayRevoke(sub) ? 'sidejack' : undefined
  }

  async function endSession(ctx: Context, error: SessionError): Promise<void> {
    if (error.subject === undefined || sessions === undefined) return
    try {
      const reason = reasonToEnd(error, error.subject.sub)
      if (reason !== undefined) await sessions.end(error.subject.sid, reason, describeRequest(ctx))
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
      await endSession(ctx, error)
    } finally {
      // Whatever else fails, the request is refused.
      respond(ctx, error, demands)
    }
  }

  async function note(ctx: Context, thrown: unknown): Promise<void> {
    report(ctx, thrown)
    await endSession(ctx, toSessionError(thrown))
  }

  return { answer, note, report, respond }
}

function isBug({ code, cause }: SessionError): boolean {
  return code === 'ERR_UNEXPECTED' && cause instanceof Error
}
