// The sessions of a kit without Koa, on parts that a test can hold.

import { createEvents, type EventSink } from '../../src/events.ts'
import { createKeySet, type KeySet, type Store } from '../../src/index.ts'
import { createOutbox } from '../../src/outbox.ts'
import { createRevocationList, type RevocationList } from '../../src/revocation.ts'
import { createIssuer } from '../../src/session/issue.ts'
import { createSessions, type Sessions, type SessionsOptions } from '../../src/session/sessions.ts'
import { createSteadyClock } from '../../src/time.ts'
import { ISSUER, privateJwk, type TestClock } from './app.ts'

export interface SessionUnit {
  readonly sessions: Sessions
  readonly revocations: RevocationList
  readonly events: EventSink
}

export async function createSessionUnit(
  { store, clock, keys }: { readonly store: Store; readonly clock: TestClock; readonly keys?: KeySet },
  overrides: Partial<SessionsOptions> = {},
): Promise<SessionUnit> {
  const rules = { issuer: ISSUER, audience: [ISSUER], clockTolerance: 0, maxLifetime: 3600, requiredClaims: ['sid'] }
  const events = createEvents(clock)
  const outbox = createOutbox(clock)
  const revocations = await createRevocationList({ ...rules, store, clock, retention: 3605, maxStaleness: 5, outbox })
  const clocks = { clock, steadyClock: createSteadyClock(clock) }
  const signing = { keys: keys ?? (await createKeySet({ keys: [privateJwk] })), maxBytes: 4096 }
  const sessions = createSessions({
    ...{ store, revocations, events, outbox, ...clocks },
    issuer: createIssuer({ ...rules, ...signing, ...clocks, revocations, format: 'base64url' }),
    ...{ format: 'base64url', lifetime: 900, clockTolerance: 0, grace: 10, isPersistent: true },
    limits: { absolute: 28_800, idle: 1800 },
    rememberedLimits: { absolute: 30 * 86_400, idle: 7 * 86_400 },
    ...{ maxSessions: Infinity, onMaxSessions: 'evict' },
    ...overrides,
  })
  return { sessions, revocations, events }
}
