// The demo's lab over HTTP: what its thief gets, what its visitors get to see of it, and that no visitor can do anything
// to another.

import test from 'ava'

import { createLeakingLog } from '../../examples/demo/loot.ts'
import { type Example, startExample, temporaryDirectory } from '../helpers/example.ts'
import type { Owner } from '../helpers/http.ts'
import { SAME_SITE, visit } from '../helpers/lab.ts'

const ends: (() => unknown)[] = []
let demo: Example

test.before(async () => {
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  demo = await startExample(owner, 'demo/main.ts', { PORT: '0', DATA_DIR: await temporaryDirectory(owner) })
})

test.after.always(async () => {
  for (const end of ends) await end()
})

test.serial('a leaked token opens nothing, its owner is let in, and koa-jwt lets the thief in', async (t) => {
  const alice = await visit(demo, 'alice')
  const { exchanges, events } = await alice.attack('token', await alice.leak())
  const header = `Authorization: Bearer eyJhbGciOi…${alice.token.slice(-6)}`
  t.deepEqual(
    exchanges.map(({ to, request, status }) => [to, request, status]),
    [
      ['kit', ['GET /api/me', header], 401],
      ['koa-jwt', ['GET /plain/me', header], 200],
    ],
  )
  t.deepEqual(JSON.parse(exchanges[1]?.body ?? ''), { sub: 'alice' })
  t.like(events, { length: 1, 0: { name: 'sidejack', code: 'ERR_FINGERPRINT_MISSING', sid: alice.sid, by: 'thief' } })
  t.is((await alice.ask('GET', '/api/me')).status, 200)
})

for (const [name, alg] of [
  ['tampered', 'ES256'],
  ['none', 'none'],
] as const) {
  test.serial(`a token that is forged, ${name}, is refused with both halves, by koa-jwt too`, async (t) => {
    const alice = await visit(demo, 'alice')
    const { exchanges, events } = await alice.attack(name, await alice.leak())
    t.deepEqual(
      exchanges.map(({ to, status, forged }) => [to, status, forged]),
      [
        ['kit', 401, { alg, sub: 'bob' }],
        ['koa-jwt', 401, { alg, sub: 'bob' }],
      ],
    )
    t.regex(exchanges[0]?.request[2] ?? '', /^Cookie: __Secure-Fgp=/)
    // It names nobody, and is alice's all the same.
    t.like(events, { length: 1, 0: { name: 'token_rejected', sid: alice.sid, by: 'thief' } })
    t.is((await alice.ask('GET', '/api/me')).status, 200)
  })
}

test.serial('after a logout the whole request is refused, and koa-jwt has not heard of it', async (t) => {
  const alice = await visit(demo, 'alice')
  const loot = await alice.leak()
  t.is((await alice.ask('POST', '/auth/logout')).status, 204)
  const { exchanges, events } = await alice.attack('replay', loot)
  t.deepEqual(
    exchanges.map(({ to, status, request }) => [to, status, request.length]),
    [
      ['kit', 401, 3],
      ['koa-jwt', 200, 2],
    ],
  )
  t.deepEqual(
    events.map(({ name, code, reason, by }) => [name, code ?? reason, by]),
    [
      ['session_expired', 'logout', 'browser'],
      ['authn_token_reuse', 'ERR_TOKEN_REVOKED', 'thief'],
    ],
  )
})

test.serial('an old refresh token ends the session, for the thief and for its owner', async (t) => {
  const alice = await visit(demo, 'alice')
  const loot = await alice.leak()
  for (let i = 0; i < 2; i += 1) t.is((await alice.refresh()).status, 200)
  const { exchanges, events } = await alice.attack('refresh', loot)
  t.deepEqual(
    exchanges.map(({ to, request, status }) => [to, request[0], status]),
    [
      ['kit', 'POST /auth/refresh', 401],
      ['kit', 'GET /api/me', 401],
      ['koa-jwt', 'GET /plain/me', 200],
    ],
  )
  t.deepEqual(
    events.map(({ name, code, reason, generation }) => [name, code ?? reason ?? generation]),
    [
      ['session_renewed', 1],
      ['session_renewed', 2],
      ['authn_token_reuse', 'ERR_REFRESH_REUSED_STALE'],
      ['session_expired', 'reuse'],
      ['authn_token_reuse', 'ERR_TOKEN_REVOKED'],
    ],
  )
  t.is((await alice.refresh()).status, 401)
})

test.serial('what is shown of a theft opens nothing; only the curl line has the whole token', async (t) => {
  const alice = await visit(demo, 'alice')
  const leaked = await alice.ask('POST', '/auth/lab/leak')
  t.regex(String(leaked.json['line']), /sub=alice authorization="Bearer eyJhbGciOi…[\w-]{6}"$/)
  const loot = String(leaked.json['loot'])
  const shown = [leaked.text]
  for (const name of ['token', 'tampered', 'none', 'replay', 'refresh']) {
    shown.push(JSON.stringify(await alice.attack(name, loot)))
  }
  const [, signature = ''] = alice.token.match(/\.([\w-]+)$/) ?? []
  const secrets = alice.cookies.split('; ').map((cookie) => cookie.slice(-40))
  for (const secret of [signature, ...secrets]) {
    t.true(secret.length >= 40)
    t.false(shown.join('\n').includes(secret))
  }
  const { curl } = (await (await visit(demo, 'bob')).ask('POST', '/lab/curl')).json
  t.regex(String(curl), /^curl -i -H 'Authorization: Bearer [\w.-]{200,}' http:\/\/localhost:\d+\/api\/me$/)
})

test.serial('the switch is the session’s own, and ends that session only', async (t) => {
  const [here, there] = [await visit(demo, 'bob'), await visit(demo, 'bob')]
  t.deepEqual((await here.ask('GET', '/lab/on-sidejack')).json, { mode: 'reject' })
  t.is((await here.ask('PUT', '/lab/on-sidejack', { mode: 'off' })).status, 400)
  t.deepEqual((await here.ask('PUT', '/lab/on-sidejack', { mode: 'revoke' })).json, { mode: 'revoke' })
  t.deepEqual((await here.ask('GET', '/lab/on-sidejack')).json, { mode: 'revoke' })
  t.deepEqual((await there.ask('GET', '/lab/on-sidejack')).json, { mode: 'reject' })
  t.is((await here.ask('GET', '/api/me')).status, 200)

  t.is((await there.attack('token', await there.leak())).exchanges[0]?.status, 401)
  t.is((await there.ask('GET', '/api/me')).status, 200)
  const { exchanges, events } = await here.attack('token', await here.leak())
  t.is(exchanges[0]?.status, 401)
  t.deepEqual(
    events.map(({ name, reason, by }) => [name, reason, by]),
    [
      ['sidejack', undefined, 'thief'],
      ['session_expired', 'sidejack', 'thief'],
    ],
  )
  t.is((await here.ask('GET', '/api/me')).status, 401)
  t.is((await here.refresh()).status, 401)
  t.is((await there.ask('GET', '/api/me')).status, 200)
})

test.serial('a visitor can go on only from what leaked from them, and not for ever', async (t) => {
  const alice = await visit(demo, 'alice')
  const loot = await alice.leak()
  for (const [path, body] of [
    ['/lab/attacks/token', '{"loot":"00000000-0000-4000-8000-000000000000"}'],
    ['/lab/attacks/token', '{}'],
    ['/lab/attacks/token', '[]'],
    ['/lab/attacks/constructor', JSON.stringify({ loot })],
  ] as const) {
    t.is((await demo.request('POST', path, SAME_SITE, body)).status, 404, `${path} ${body}`)
  }
  for (const [method, path] of UNSAFE.filter(([, route]) => route !== '/lab/attacks/token')) {
    t.is((await demo.request(method, path, SAME_SITE, '{}')).status, 401, path)
  }
  let now = 0
  const leaks = createLeakingLog(() => now)
  // As much of a request and a session as it looks at.
  const keep = (): string => leaks.keep({ headers: {} } as never, { sub: 'alice', sid: 'one' } as never, 0)
  const names = Array.from({ length: 201 }, keep)
  t.deepEqual([leaks.find(names[0]), leaks.find(names[1])?.sub], [undefined, 'alice'])
  now = 120_000
  t.is(leaks.find(names[1]), undefined)
})

const UNSAFE = [
  ['POST', '/auth/lab/leak'],
  ['POST', '/lab/attacks/token'],
  ['POST', '/lab/curl'],
  ['POST', '/lab/ticket'],
  ['PUT', '/lab/on-sidejack'],
] as const

test.serial('a page of another site, and a form, can do nothing in the lab', async (t) => {
  const alice = await visit(demo, 'alice')
  const loot = await alice.leak()
  const proof = { Authorization: `Bearer ${alice.token}`, Cookie: alice.cookies }
  const body = JSON.stringify({ loot, mode: 'revoke' })
  for (const [method, path] of UNSAFE) {
    for (const foreign of [
      { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'cross-site' },
      { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'same-site' },
      { 'Content-Type': 'application/json', Origin: 'https://evil.example' },
      { 'Content-Type': 'text/plain', 'Sec-Fetch-Site': 'same-origin' },
      { 'Content-Type': 'application/x-www-form-urlencoded', Origin: demo.url },
    ]) {
      t.is(
        (await demo.request(method, path, { ...proof, ...foreign }, body)).status,
        403,
        `${path} ${JSON.stringify(foreign)}`,
      )
    }
    t.is((await demo.request(method, path, { ...proof, ...SAME_SITE }, body)).status, 200, path)
  }
})
