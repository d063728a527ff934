// The whole life of sessions against a simple model (test/helpers/life-model.ts): whatever users, thieves, lost answers
// and the clock do in whatever order, the kit answers what the model says, and the sessions that live are the model's.

import test from 'ava'
import * as fc from 'fast-check'

import {
  codesOf,
  createTestApp,
  type Login,
  openTestApp,
  postRefresh,
  type Response,
  START,
  type TestApp,
  type TestAppOptions,
  toLogin,
} from '../helpers/app.ts'
import { type Change, createLifeModel, type Fault, type LifeModel, type Sub } from '../helpers/life-model.ts'
import { assertRefused } from '../helpers/refused.ts'

/** What a browser has of a session: the answer of each generation that came through. */
interface Client {
  readonly sid: string
  readonly answers: Login[]
}

interface Real {
  readonly app: TestApp
  /** In the order of the model's sessions. */
  readonly clients: Client[]
  /** How often each thing has happened, over all runs. */
  readonly tally: Map<string, number>
}

/** What a command is about: a session in the model and in its browser. */
interface Scene extends Real {
  readonly model: LifeModel
  readonly index: number
  readonly answers: Login[]
  /** The last answer that came through. */
  readonly held: Login
}

type Command = fc.AsyncCommand<LifeModel, Real>

const SUBS: readonly Sub[] = ['alice', 'bob']
const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' }
// So far the clock may be behind. Tokens are dated by it, and one that is dead at birth is not issued.
const FARTHEST_BEHIND = 300_000

// Thrown rather than asserted, so that a failure comes with its shortest example and its seed.
function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: expected ${should}, got ${is}`)
}

function count({ tally }: Real, what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1)
}

/** Sends a request, and expects the status and the code that the model foretells, and no other alarm. */
async function expectAnswer(
  real: Real,
  what: string,
  fault: Fault | undefined,
  send: () => Promise<Response>,
  status = 200,
): Promise<Response> {
  const { length } = real.app.seen
  const response = await send()
  const codes = codesOf(real.app.seen.slice(length))
  // Of a session that is gone, the kit may still know that it was revoked.
  const gone = codes[0] === 'ERR_TOKEN_REVOKED' ? 'ERR_TOKEN_REVOKED' : 'ERR_SESSION_EXPIRED'
  const expected = fault === undefined ? [status] : [401, fault === 'gone' ? gone : fault]
  expectSame([response.status, ...codes], expected, what)
  count(real, `${what}: ${fault ?? status}`)
  return response
}

/** A command; after it the sessions that live are looked at. */
function command(
  text: string,
  check: (model: LifeModel) => boolean,
  run: (model: LifeModel, real: Real) => Promise<unknown>,
): Command {
  return {
    check,
    async run(model, real) {
      await run(model, real)
      for (const sub of SUBS) {
        const sids = (await real.app.kit.sessions(sub)).map(({ sid }) => sid)
        const expected = real.clients.flatMap(({ sid }, index) =>
          model.at(index).sub === sub && model.lives(index) ? [sid] : [],
        )
        expectSame(sids.toSorted(), expected.toSorted(), `the sessions of ${sub}`)
      }
    },
    toString: () => text,
  }
}

/** Commands about one of the latest sessions. */
function about<T>(
  text: string,
  parameter: fc.Arbitrary<T>,
  run: (scene: Scene, parameter: T) => Promise<unknown>,
): fc.Arbitrary<Command> {
  return fc.tuple(fc.nat({ max: 3 }), parameter).map(([back, given]) =>
    command(
      `${text} ${back} ${JSON.stringify(given)}`,
      ({ sessions }) => sessions.length > 0,
      async (model, real) => {
        const index = Math.max(model.sessions.length - 1 - back, 0)
        const { answers } = real.clients[index] as Client // it has one for each of the model's
        await run({ ...real, model, index, answers, held: answers.at(-1) as Login }, given) // it began with one
      },
    ),
  )
}

const nothing = fc.constant(null)

/** The headers of a browser that has all of it. */
function headersOf({ token, cookie, refreshCookie }: Login): Record<string, string> {
  return { Authorization: `Bearer ${token}`, Cookie: `${cookie}; ${refreshCookie}`, ...SAME_SITE }
}

async function login(model: LifeModel, real: Real, [sub, remember]: [Sub, boolean], from?: Login): Promise<void> {
  const headers = { 'Content-Type': 'application/json', ...SAME_SITE, ...(from && headersOf(from)) }
  const body = JSON.stringify({ sub, password: 'correct', remember })
  await begin(real, 'login', undefined, () => real.app.request('POST', '/auth/login', headers, body))
  model.login(sub, remember)
}

/** Expects a new session. */
async function begin(real: Real, what: string, fault: Fault | undefined, send: () => Promise<Response>): Promise<void> {
  const response = await expectAnswer(real, what, fault, send)
  if (fault === undefined) real.clients.push({ sid: response.json['sid'] as string, answers: [toLogin(response)] })
}

/** Uses a token so many generations older than the last one, with the cookie of now. */
async function use(scene: Scene, age: number): Promise<void> {
  const { app, model, index, answers } = scene
  const generation = Math.max(answers.length - 1 - age, 0)
  const send = () => app.me(answers[generation]?.token, answers.at(-1)?.cookie)
  await expectAnswer(scene, 'use', model.use(index, generation), send)
}

/** Refreshes with what is so many generations older than what the browser has. Whether the answer comes through. */
async function refresh(scene: Scene, { age, isLost }: { age: number; isLost: boolean }): Promise<void> {
  const { app, model, index, answers } = scene
  const generation = Math.max(answers.length - 1 - age, 0)
  const { isAlive, ends, expiries } = model.at(index)
  const generations = expiries.length
  const fault = model.refresh(index, generation)
  const isRepeated = fault === undefined && expiries.length === generations
  if (fault === 'gone' && isAlive) count(scene, app.clock() >= ends ? 'too old' : 'idle too long')
  if (fault === 'gone' && model.behind() > 0) count(scene, 'gone, with a clock that went back')
  const send = () => postRefresh(app, answers[generation] as Login) // so old one is in the list
  const response = await expectAnswer(scene, isRepeated ? 'repeat' : 'refresh', fault, send)
  if (fault !== undefined) return
  const [answer, known] = [toLogin(response), answers[generation + 1]]
  expectSame(answer.sid, scene.held.sid, 'the sid')
  if (known !== undefined) expectSame(answer.refreshToken, known.refreshToken, 'the successor')
  if (!isLost) answers[generation + 1] = answer
}

/** A request that the held pair authenticates. */
async function act(scene: Scene, method: string, path: string, status: number): Promise<boolean> {
  const { app, model, index, answers, held } = scene
  const fault = model.use(index, answers.length - 1)
  await expectAnswer(scene, `${method} ${path}`, fault, () => app.request(method, path, headersOf(held)), status)
  return fault === undefined
}

function move(model: LifeModel, { app }: Real, seconds: number): void {
  model.move(seconds)
  app.clock.advance(seconds)
}

const moves = (...seconds: number[]): fc.Arbitrary<Command> =>
  fc.constantFrom(...seconds).map((by) =>
    command(
      `move ${by}`,
      // Only once the kit has seen what time it was.
      (model) => by > 0 || (model.sessions.length > 0 && model.behind() - by * 1000 <= FARTHEST_BEHIND),
      async (model, real) => move(model, real, by),
    ),
  )

const who = fc.tuple(fc.constantFrom(...SUBS), fc.boolean())
const changes: Change[] = [{}, { isAuthenticated: true }, { endOthers: true }]

const logins = who.map((subject) =>
  command(
    `login ${subject.join()}`,
    () => true,
    (model, real) => login(model, real, subject),
  ),
)
const uses = about('use', fc.nat({ max: 3 }), use)
const refreshes = about('refresh', fc.record({ age: fc.constant(0), isLost: fc.constant(false) }), refresh)
const losses = about('lose', fc.record({ age: fc.constant(0), isLost: fc.constant(true) }), refresh)
const replays = about('replay', fc.record({ age: fc.integer({ min: 1, max: 3 }), isLost: fc.constant(true) }), refresh)
/** Stays, with a refresh in the last second each time, with enough times to the very end. */
const stays = about('stay', fc.constantFrom(1, 2, 18), async (scene, times) => {
  const { app, model, index } = scene
  const { idle, ends } = model.at(index)
  for (let i = 0; i < times && model.lives(index); i += 1) {
    const left = ends - app.clock() - 1000
    move(model, scene, left > 0 ? Math.min(idle - 1000, left) / 1000 : 1)
    await use(scene, 0)
    await refresh(scene, { age: 0, isLost: false })
  }
})

const ends = fc.oneof(
  about('login again', who, async (scene, subject) => {
    await login(scene.model, scene, subject, scene.held)
    scene.model.end(scene.index)
  }),
  about('logout', nothing, async (scene) => {
    const send = () => scene.app.request('POST', '/auth/logout', headersOf(scene.held))
    await expectAnswer(scene, 'logout', undefined, send, 204)
    scene.model.end(scene.index)
  }),
  about('revoke sid', nothing, async ({ app, model, index, held }) => {
    await app.kit.revoke({ sid: held.sid })
    model.end(index)
  }),
  about('revoke sub', nothing, async ({ app, model, index }) => {
    await app.kit.revoke({ sub: model.at(index).sub })
    model.endAll(model.at(index).sub)
  }),
  about('end others', nothing, async (scene) => {
    const { model, index } = scene
    if (await act(scene, 'DELETE', '/auth/sessions', 204)) model.endAll(model.at(index).sub, index)
  }),
  about('end all', nothing, async (scene) => {
    const { model, index } = scene
    if (await act(scene, 'DELETE', '/auth/sessions?all=true', 204)) model.endAll(model.at(index).sub)
  }),
)
const renewals = about('renew', fc.constantFrom(...changes), async (scene, change) => {
  const { app, model, index, answers, held } = scene
  const fault = model.use(index, answers.length - 1)
  const path = `/renew?change=${encodeURIComponent(JSON.stringify(change))}`
  await begin(scene, 'renew', fault, () => app.request('POST', path, headersOf(held)))
  if (fault === undefined) model.renew(index, change)
})
const longMoves = [moves(1799, 1800, 28_799, 28_800), moves(7 * 86_400 - 1, 7 * 86_400, 30 * 86_400)]

// Each is as likely as the next.
const commands = fc.commands(
  [
    ...[logins, logins, uses, uses, uses, refreshes, refreshes, refreshes, refreshes, stays],
    ...[losses, replays, replays, ends, ends, renewals, renewals],
    ...[moves(1, 9, 10, 11), moves(300, 899, 900), moves(-1, -5, -11, -60, -240), fc.oneof(...longMoves)],
  ],
  { maxCommands: 50, size: 'max' },
)

const withRenewal: TestAppOptions = {
  mount(_koa, kit, router) {
    router.post('/renew', kit.protect(), async (ctx) => {
      ctx.body = await kit.renew(ctx, JSON.parse(String(ctx.query['change'])) as Change)
    })
  },
}

// What is not among the tally at the end has not been shown.
const SHOWN = [
  ...['login: 200', 'logout: 204', 'use: 200', 'use: ERR_TOKEN_EXPIRED', 'use: ERR_TOKEN_REVOKED'],
  ...['refresh: 200', 'repeat: 200', 'refresh: ERR_REFRESH_REUSED_RECENT', 'refresh: ERR_REFRESH_REUSED_STALE'],
  ...['refresh: gone', 'too old', 'idle too long', 'gone, with a clock that went back', 'renew: 200'],
  ...['renew: ERR_TOKEN_EXPIRED', 'renew: ERR_TOKEN_REVOKED', 'DELETE /auth/sessions: 204'],
  ...['DELETE /auth/sessions?all=true: 204'],
]

test('RF-01 RF-02 RF-03 RF-04 RF-05 SL-01 SL-02 SL-07 in whatever order it is used, stolen, lost and ended, a session lives as the model says', async (t) => {
  const tally = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(commands, async (steps) => {
      const app = await createTestApp(withRenewal)
      try {
        await fc.asyncModelRun(() => ({ model: createLifeModel(START), real: { app, clients: [], tally } }), steps)
      } finally {
        await app.close()
      }
    }),
    { seed: 7, numRuns: 200, includeErrorInReport: true },
  )
  t.log(Object.fromEntries(tally))
  t.deepEqual(
    SHOWN.filter((what) => (tally.get(what) ?? 0) < 5),
    [],
  )
})

for (const [what, look] of [
  ['was refused', async (app: TestApp, old: Login) => (await postRefresh(app, old)).status === 401],
  ['was not listed any more', async (app: TestApp) => (await app.kit.sessions('alice')).length === 0],
] as const) {
  test(`SL-07 a session that ${what} since its time was over does not come back when the clock goes back`, async (t) => {
    for (const [isRemembered, seconds] of [
      [false, 1800],
      [true, 7 * 86_400],
    ] as const) {
      const app = await openTestApp(t)
      const session = await app.login('alice', { body: { remember: isRemembered } })
      app.clock.advance(seconds)
      t.true(await look(app, session))
      for (const back of [1, 60]) {
        app.clock.advance(-back)
        t.deepEqual(await app.kit.sessions('alice'), [])
        await assertRefused(t, app, () => postRefresh(app, session), 'ERR_SESSION_EXPIRED')
      }
    }
  })
}

// Five seconds is how far two clocks may differ anyway, and ten the grace.
for (const back of [1, 6, 11, 240]) {
  test(`RF-03 SL-07 when the clock goes back by ${back} s, sessions go on, and who refreshes twice is no thief`, async (t) => {
    const app = await openTestApp(t, withRenewal)
    const session = await app.login()
    app.clock.advance(-back)
    const [one, two] = [await postRefresh(app, session), await postRefresh(app, session)]
    t.deepEqual([one.status, two.status, codesOf(app.seen)], [200, 200, []])
    t.is(toLogin(one).refreshToken, toLogin(two).refreshToken)
    // For as long as it always is, and no longer.
    app.clock.advance(9)
    t.is((await postRefresh(app, session)).status, 200)
    const renewed = await app.request('POST', '/renew?change={}', headersOf(toLogin(two)))
    t.is(renewed.status, 200)
    const next = toLogin(await postRefresh(app, toLogin(renewed)))
    t.is((await app.me(next.token, next.cookie)).status, 200)
    app.clock.advance(10)
    await assertRefused(t, app, () => postRefresh(app, toLogin(renewed)), 'ERR_REFRESH_REUSED_RECENT')
  })
}

test('RF-03 SL-07 the grace that is over does not come back when the clock goes back', async (t) => {
  const app = await openTestApp(t)
  const session = await app.login()
  const next = toLogin(await postRefresh(app, session))
  app.clock.advance(10)
  t.is((await app.me(next.token, next.cookie)).status, 200)
  app.clock.advance(-5)
  await assertRefused(t, app, () => postRefresh(app, session), 'ERR_REFRESH_REUSED_RECENT')
})
