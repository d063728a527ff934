// The users of the campaign: they log in, use and refresh their sessions and end them, as honest clients do, and check
// every answer.

import { setTimeout as wait } from 'node:timers/promises'

import type { Response } from '../helpers/http.ts'
import { bearer, type Client, tokensOf } from './client.ts'
import { LONGEST_PAUSE_MS } from './faults.ts'
import type { Fleet } from './fleet.ts'
import type { History } from './history.ts'
import { pick, type Random } from './random.ts'
import { endedAt, type Session, type Sessions } from './sessions.ts'

export interface Users {
  /** One of them does something. */
  act(): Promise<void>
  /** After all is mended: whoever was not ended must get in everywhere and go on, and whoever was ended must not. */
  check(lanes: number): Promise<void>
  readonly tally: Readonly<Tally>
}

interface Tally {
  logins: number
  refreshes: number
  /** Requests of live sessions that were let in. */
  accepted: number
  /** Sessions whose end was acknowledged. */
  revocations: number
  /** Ends that were not. */
  unacknowledged: number
  /** Requests of ended sessions that began after the bound, */
  late: number
  /** and those of them that were let in. */
  violations: number
  /** Answers that a live session must not get. */
  broken: number
  /** Sessions checked at the end, */
  checked: number
  /** how many of them live, */
  live: number
  /** and how many of these had a record that Redis never lost, and were refreshed once more. */
  refreshed: number
}

/** How long an answer can be lost: the grace of ten seconds, less what the last request waits at a paused server, and more. */
const GRACE_MS = 10_000 - LONGEST_PAUSE_MS - 2000
const SUBJECTS = 20
/** Of how many sessions, the latest, one is chosen as a rule. */
const RECENT = 100
/** How long events may be on their way after the answer. */
const EVENTS_MS = 500
const CHECK_MS = 60_000
const MOST_HISTORIES = 10

/**
 * Makes them.
 *
 * @param options.bound - how long after its acknowledgement an end need not hold everywhere
 */
export function createUsers(options: {
  readonly fleet: Fleet
  readonly client: Client
  readonly sessions: Sessions
  readonly random: Random
  readonly history: History
  readonly bound: number
}): Users {
  const { fleet, client, sessions, random, history, bound } = options
  const tally: Tally = {
    ...{ logins: 0, refreshes: 0, accepted: 0, revocations: 0, unacknowledged: 0 },
    ...{ late: 0, violations: 0, broken: 0, checked: 0, live: 0, refreshed: 0 },
  }

  async function report(kind: 'violations' | 'broken', problem: string, session: Session): Promise<void> {
    const { sid, sub, state } = session
    tally[kind] += 1
    // Later than the answers, since the events come by another way.
    await wait(EVENTS_MS)
    console.error(`${kind === 'broken' ? 'BROKEN' : 'VIOLATION'}: ${problem}\n  session ${sid} of ${sub}, ${state}`)
    if (tally.violations + tally.broken <= MOST_HISTORIES) console.error(history.tell(sid, sub))
  }

  async function logIn(): Promise<void> {
    const sub = `user-${Math.floor(random() * SUBJECTS)}`
    const began = performance.now()
    const answer = await client.request('login', 'POST /auth/login', { body: { sub } })
    if (answer?.status !== 200) return
    tally.logins += 1
    const session = sessions.add({ sub, sid: String(answer.json['sid']), began, ...tokensOf(answer) })
    history.note(session.sid, `client: logged in, ${session.state}${session.isLost ? ', may be lost' : ''}`)
  }

  /** The check that all of this is for. */
  async function use(session: Session, server = client.choose()): Promise<Response | undefined> {
    if (server === undefined) return undefined
    const began = performance.now()
    const answer = await client.request(session.sid, 'GET /me', { headers: bearer(session), server })
    // As of now: it may have become uncertain meanwhile.
    const isLate = began > endedAt(server, session) + bound
    if (isLate && answer !== undefined) tally.late += 1
    if (isLate && answer?.status === 200) await report('violations', 'let in after the bound', session)
    if (session.state !== 'live') return answer
    if (answer?.status === 200) tally.accepted += 1
    // Its record may be lost, but its token is good.
    if (answer?.status === 401) await report('broken', 'a live session was answered 401', session)
    return answer
  }

  /**
   * As an honest client does: it asks again when the answer is lost, while the old token is still good. Its tabs may ask
   * at the same time, and go on when both have heard.
   */
  async function refresh(session: Session, tabs: number): Promise<void> {
    if (session.isRefreshing) return
    session.isRefreshing = true
    const deadline = performance.now() + GRACE_MS
    let answers = await ask(session, tabs)
    while (answers.length === 0 && performance.now() < deadline) {
      await wait(50)
      answers = await ask(session, tabs)
    }
    session.isRefreshing = false
    const answer = answers.find(({ status }) => status === 200)
    if (answer !== undefined) {
      tally.refreshes += 1
      Object.assign(session, tokensOf(answer))
    }
    if (session.state !== 'live') return
    // Who asks later than the grace may be taken for a thief: more is not promised.
    if (answers.length === 0) session.state = 'unknown'
    if (session.isLost) return
    const wrong = answers.find(({ status }) => status !== 200)
    if (wrong !== undefined) await report('broken', `a refresh was answered ${wrong.status}`, session)
    const successors = new Set(answers.map((one) => tokensOf(one).refreshCookie))
    if (successors.size > 1) await report('broken', 'two tabs were given different successors', session)
  }

  /** The answers that are some: neither lost nor 503. */
  async function ask({ sid, cookie, refreshCookie }: Session, tabs: number): Promise<Response[]> {
    const headers = { Cookie: `${cookie}; ${refreshCookie}` }
    const asked = Array.from({ length: tabs }, () => client.request(sid, 'POST /auth/refresh', { headers }))
    return (await Promise.all(asked)).flatMap((one) => (one === undefined || one.status === 503 ? [] : [one]))
  }

  async function end(session: Session): Promise<void> {
    const { sid, sub } = session
    const how = random()
    const ending = sessions.end(how < 0.85 ? session : sub)
    const answer =
      how < 0.4
        ? await client.request(sid, 'POST /auth/logout', { headers: bearer(session) })
        : await (how < 0.85
            ? client.request(sid, `POST /revoke/sid/${sid}`, {})
            : client.request(sub, `POST /revoke/sub/${sub}`, {}))
    if (answer?.status === 204) {
      const ended = ending.acknowledge()
      tally.revocations += ended.length
      for (const one of ended) history.note(one.sid, 'client: its end is acknowledged')
    } else tally.unacknowledged += 1
    ending.close()
  }

  /** As a rule one of the latest, and as often a live one as any. */
  function choose(): Session | undefined {
    const recent = sessions.all.slice(-RECENT)
    const [how, live] = [random(), recent.filter(({ state }) => state === 'live')]
    return pick(random, how < 0.5 ? live : how < 0.9 ? recent : sessions.all)
  }

  async function checkOne(session: Session, deadline: number): Promise<void> {
    const { state } = session
    if (state === 'unknown') return
    tally.checked += 1
    for (const server of fleet.servers) {
      const isAnswered = async (): Promise<boolean> => [200, 401].includes((await use(session, server))?.status ?? 0)
      while (!(await isAnswered())) {
        if (performance.now() < deadline) continue
        await report('broken', `${server.name} gave no answer until the end`, session)
        break
      }
    }
    if (state !== 'live') return
    tally.live += 1
    if (session.isLost) return
    await refresh(session, 1)
    if (session.state === 'live') tally.refreshed += 1
    else await report('broken', 'a refresh was given no answer until the end', session)
  }

  return {
    tally,
    async act() {
      const [session, what] = [choose(), random()]
      if (session === undefined || what < 0.1) await logIn()
      else if (what < 0.7) await use(session)
      else if (what < 0.92) await refresh(session, random() < 0.2 ? 2 : 1)
      else await end(session)
    },
    async check(lanes) {
      const deadline = performance.now() + CHECK_MS
      await wait(bound)
      const left = sessions.all.values()
      const work = async (): Promise<void> => {
        for (const session of left) await checkOne(session, deadline)
      }
      await Promise.all(Array.from({ length: lanes }, work))
    },
  }
}
