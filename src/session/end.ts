// How sessions end: at once in this process, then in the store, and what the store did not take is tried again.

import type { EndReason, EventSink, RequestInfo } from '../events.ts'
import type { Outbox } from '../outbox.ts'
import { assertTarget, type RevocationList, type RevocationTarget } from '../revocation.ts'
import { NEVER } from '../store/store.ts'
import type { Clock, Milliseconds } from '../time.ts'
import type { Records, SessionRecord } from './record.ts'

/** Ends the sessions of one kit. */
export interface End {
  /**
   * Ends a session: every token of it is refused when this resolves, in this process even before.
   *
   * @returns whether it was there to be ended
   */
  end(sid: string, reason: EndReason, request?: RequestInfo): Promise<boolean>
  /** Revokes, and ends the sessions that this leaves without a usable token. */
  revoke(target: RevocationTarget): Promise<void>
  /** Revokes everything of a subject until now, at its own request. */
  endAll(sub: string, request: RequestInfo): Promise<void>
  /** Revokes everything of a subject up to a time. Answers the sessions that this ended. */
  endUntil(sub: string, before: Milliseconds, request?: RequestInfo): Promise<readonly string[]>
}

/** What ending needs. */
export interface EndOptions {
  readonly records: Records
  readonly revocations: RevocationList
  readonly events: EventSink
  /** Where what the store did not take waits. */
  readonly outbox: Outbox
  readonly clock: Clock
}

type SubjectTarget = Extract<RevocationTarget, { readonly sub: string }>

interface EndedSessions {
  readonly before: Milliseconds
  readonly sids: string[]
}

/** Makes what ends the sessions of one kit. */
export function createEnd({ records, revocations, events, outbox, clock }: EndOptions): End {
  async function end(sid: string, reason: EndReason, request?: RequestInfo): Promise<boolean> {
    let record: SessionRecord | undefined
    let existed: boolean
    // First the list, which takes hold in this process before anything is awaited. Then the record all the same: it
    // outlives the entry in the list.
    const listing = Promise.allSettled([revocations.add({ sid })])
    try {
      record = await records.read(sid)
      existed = await records.remove(sid)
    } catch (error) {
      outbox.add(`remove ${sid}`, () => records.remove(sid), NEVER)
      throw error
    }
    const [listed] = await listing
    if (listed.status === 'rejected') throw listed.reason
    const context = request && { request }
    events.emit('authn_token_revoked', { target: { sid }, ...context })
    if (record === undefined || !existed) return false
    events.emit('session_expired', { sub: record.value.sub, sid, reason, ...context })
    return true
  }

  async function revoke(target: RevocationTarget): Promise<void> {
    assertTarget(target, clock())
    if ('sid' in target) {
      await end(target.sid, 'revoked')
    } else if ('sub' in target) {
      await revokeSubject(target)
    } else {
      await revocations.add(target)
      events.emit('authn_token_revoked', { target })
    }
  }

  /** Revokes everything of a subject up to a time. Answers the sessions that this ended. */
  async function revokeSubject(target: SubjectTarget, request?: RequestInfo): Promise<string[]> {
    const { sub } = target
    const { before, sids } = await endNowOrLater(target)
    const context = request && { request }
    events.emit('authn_token_revoked', { target: { sub, before }, ...context })
    for (const sid of sids) events.emit('session_expired', { sub, sid, reason: 'revoked', ...context })
    return sids
  }

  async function endNowOrLater(target: SubjectTarget): Promise<EndedSessions> {
    const { sub, before } = target
    try {
      return await endRecords(sub, await revocations.add(target), before === undefined)
    } catch (error) {
      const cutoff = before === undefined ? revocations.cutoff(sub) : Number(before)
      outbox.add(`end ${sub}@${cutoff}`, () => endRecords(sub, cutoff, false), NEVER)
      throw error
    }
  }

  /** Ends the sessions of a subject up to a cut-off, which moves on for sessions that another clock dated later. */
  async function endRecords(sub: string, cutoff: Milliseconds, isUntilNow: boolean): Promise<EndedSessions> {
    const sessions = await records.list(sub)
    const latest = sessions.reduce((time, { value }) => Math.max(time, value.current.issued), cutoff)
    const before = isUntilNow && latest > cutoff ? await revocations.add({ sub, before: latest }) : cutoff
    const sids: string[] = []
    for (const { key: sid, value } of sessions) {
      if (value.started > before) continue
      // By name too: a refresh that is under way, or was after the cut-off, has issued a token that is later than it.
      await revocations.add({ sid })
      if (await records.remove(sid)) sids.push(sid)
    }
    return { before, sids }
  }

  return {
    end,
    revoke,
    endAll: async (sub, request) => void (await revokeSubject({ sub }, request)),
    endUntil: (sub, before, request) => revokeSubject({ sub, before }, request),
  }
}
