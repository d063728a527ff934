// Renewal: a new session in the place of one, with its data, for when privileges or credentials change.

import type { RequestInfo } from '../events.ts'
import type { RevocationList } from '../revocation.ts'
import { type Clock, type Milliseconds, toNumericDate } from '../time.ts'
import type { End } from './end.ts'
import type { Records, SessionValue } from './record.ts'
import type { IssuedSession, Renewal } from './session.ts'
import type { SessionBase, Stamps, Start } from './start.ts'

/** Puts a new session in the place of one. Undefined when it has ended. */
export type Renew = (sid: string, change: Renewal, request?: RequestInfo) => Promise<IssuedSession | undefined>

// A login that completes while the new session is being written is older than it all the same.
const HEADROOM: Milliseconds = 60_000

/** Makes what renews the sessions of one kit. */
export function createRenew(options: {
  readonly records: Records
  readonly revocations: Pick<RevocationList, 'cutoff' | 'hasSession'>
  readonly end: End
  readonly start: Pick<Start, 'create' | 'discard'>
  readonly clock: Clock
}): Renew {
  const { records, revocations, end, clock } = options
  const { create, discard } = options.start

  return async function renew(sid, change, request) {
    const record = await records.read(sid)
    if (record === undefined) return undefined
    const { value } = record
    const cutoff = revocations.cutoff(value.sub)
    if (value.started <= cutoff) return undefined
    const now = clock()
    const stamps = change.endOthers ? await stampLast(value.sub, now) : stampNext(value, change, now)
    // First the new one, which may fail, and only then the end of the old.
    const renewed = await create(toBase(value, change, now), stamps)
    try {
      // What has ended, or is about to, must not go on under another name.
      const hasEnded = revocations.hasSession(sid) || revocations.cutoff(value.sub) > cutoff
      if (!hasEnded && (await replace())) return renewed
    } catch (error) {
      await discard(renewed)
      throw error
    }
    await discard(renewed)
    return undefined

    async function replace(): Promise<boolean> {
      if (!change.endOthers) return end.end(sid, 'renewed', request)
      return (await end.endUntil(value.sub, stamps.started - 1, request)).includes(sid)
    }
  }

  /** Later than everything of the subject, so that all the rest can be ended. */
  async function stampLast(sub: string, now: Milliseconds): Promise<Stamps> {
    const issued = (await records.list(sub)).map(({ value }) => value.current.issued)
    // By a second only beyond what is ahead itself, or it would run away.
    const ahead = Math.max(revocations.cutoff(sub), ...issued) + 1000
    const last = Math.max(now + HEADROOM, ahead)
    return { started: last, issued: last }
  }
}

/** Without a new authentication it is the session of before, also for whoever revokes what is older than some time. */
function stampNext({ started, current }: SessionValue, { isAuthenticated }: Renewal, now: Milliseconds): Stamps {
  const issued = Math.max(now, current.issued)
  return { started: isAuthenticated ? issued : started, issued }
}

function toBase(value: SessionValue, change: Renewal, now: Milliseconds): SessionBase {
  const { sub, grant, created, absolute, ends, idle, isPersistent, userAgent, label, data } = value
  const { claims, scope, acr, amr, isAuthenticated } = change
  return {
    ...{ sub, created, absolute, idle, isPersistent },
    grant: {
      ...grant,
      ...(claims !== undefined && { claims }),
      ...(scope !== undefined && { scope }),
      ...(acr !== undefined && { acr }),
      ...(amr !== undefined && { amr }),
      ...(isAuthenticated && { auth_time: toNumericDate(now) }),
    },
    ends: isAuthenticated ? now + absolute * 1000 : ends,
    ...(userAgent !== undefined && { userAgent }),
    ...(label !== undefined && { label }),
    ...(data !== undefined && { data }),
  }
}
