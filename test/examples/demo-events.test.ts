// The lab's stream of events: to each user their own, tied to the session, and nothing missed where a connection broke.

import test from 'ava'

import { createEventLog } from '../../examples/demo/event-log.ts'
import { type Example, startExample, temporaryDirectory } from '../helpers/example.ts'
import type { Owner } from '../helpers/http.ts'
import { visit } from '../helpers/lab.ts'

const ends: (() => unknown)[] = []
let demo: Example

test.before(async () => {
  const owner: Owner = { teardown: (end) => void ends.unshift(end) }
  demo = await startExample(owner, 'demo/main.ts', { PORT: '0', DATA_DIR: await temporaryDirectory(owner) })
})

test.after.always(async () => {
  for (const end of ends) await end()
})

test.serial('who listens hears of the own account, whichever session it is, and of no other', async (t) => {
  const [alice, bob] = [await visit(demo, 'alice'), await visit(demo, 'bob')]
  const hers = await alice.listen(t)
  const his = await bob.listen(t)
  t.is((await hers.entry('session_created')).sid, alice.sid)
  const elsewhere = await visit(demo, 'alice')
  await elsewhere.attack('token', await elsewhere.leak())
  await elsewhere.attack('none', await elsewhere.leak())
  t.like(await hers.entry('sidejack'), { sid: elsewhere.sid, code: 'ERR_FINGERPRINT_MISSING', by: 'thief' })
  t.like(await hers.entry('token_rejected'), { sid: elsewhere.sid, by: 'thief' })

  // Something of his comes after all that, so what is to come has come.
  await bob.refresh()
  await his.entry('session_renewed')
  t.deepEqual(
    his.entries.map(({ name, sid }) => [name, sid]),
    [
      ['session_created', bob.sid],
      ['session_renewed', bob.sid],
    ],
  )
  t.false(his.text().includes(alice.sid) || his.text().includes(elsewhere.sid) || his.text().includes('alice'))
  await alice.refresh()
  await hers.entry('session_renewed')
  t.false(hers.text().includes(bob.sid))
})

test.serial('the stream ends with its session, and says so', async (t) => {
  const bob = await visit(demo, 'bob')
  const listener = await bob.listen(t)
  await listener.entry('session_created')
  t.is((await bob.ask('POST', '/auth/logout')).status, 204)
  await listener.closed
  t.regex(listener.text(), /event: ended\ndata: \{\}\n\n$/)
})

test.serial('the other kit, with the switch on, ends the stream as well', async (t) => {
  const bob = await visit(demo, 'bob')
  const listener = await bob.listen(t)
  await bob.ask('PUT', '/lab/on-sidejack', { mode: 'revoke' })
  const { events } = await bob.attack('token', await bob.leak())
  t.is(events.at(-1)?.reason, 'sidejack')
  t.is((await bob.ask('GET', '/api/me')).status, 401)
  await listener.closed
  t.regex(listener.text(), /event: ended\ndata: \{\}\n\n$/)
  // What comes of it afterwards is written to nobody.
  await bob.refresh()
})

test.serial('who comes back is told what was missed; who is new, of this session only', async (t) => {
  const alice = await visit(demo, 'alice')
  const first = await alice.listen(t)
  const { id } = await first.entry('session_created')
  first.leave()
  const elsewhere = await visit(demo, 'alice')
  await alice.refresh()
  const again = await alice.listen(t, id)
  t.is((await again.entry('session_renewed')).sid, alice.sid)
  t.deepEqual(
    again.entries.map(({ name, sid }) => [name, sid]),
    [
      ['session_created', elsewhere.sid],
      ['session_renewed', alice.sid],
    ],
  )
  const fresh = await elsewhere.listen(t)
  await fresh.entry('session_created')
  t.deepEqual([...new Set(fresh.entries.map(({ sid }) => sid))], [elsewhere.sid])
})

test.serial('nobody listens without a ticket, twice with one, or without the cookie', async (t) => {
  const alice = await visit(demo, 'alice')
  const { ticket } = (await alice.ask('POST', '/lab/ticket')).json
  const path = `/lab/events?ticket=${String(ticket)}`
  t.is((await demo.request('GET', '/lab/events', { Cookie: alice.cookies })).status, 401)
  t.is((await demo.request('GET', path)).status, 401)
  const sameSite = { Cookie: alice.cookies, 'Sec-Fetch-Site': 'cross-site' }
  t.is((await demo.request('GET', path, sameSite)).status, 403)
  const url = new URL(path, demo.url)
  const open = await fetch(url, { headers: { Cookie: alice.cookies } })
  t.deepEqual([open.status, open.headers.get('content-type')], [200, 'text/event-stream; charset=utf-8'])
  t.is(open.headers.get('cache-control'), 'no-store')
  await open.body?.cancel()
  t.is((await demo.request('GET', path, { Cookie: alice.cookies })).status, 401)
})

test('what is kept is bounded, and nobody listens after they left', (t) => {
  const log = createEventLog()
  const listeners: ((event: object) => void)[] = []
  // As much of the kit's events as the log uses.
  log.follow({ on: (_name: string, listener: (event: object) => void) => listeners.push(listener) } as never)
  const heard: number[] = []
  const leave = log.subscribe('alice', ({ id }) => heard.push(id))
  const alice = { sub: 'alice', sid: 'one' }
  for (let time = 0; time < 600; time += 1) {
    if (time === 10) leave()
    listeners[0]?.({ ...alice, time })
  }
  t.is(heard.length, 10)
  const kept = log.ofUser(alice, 0)
  t.deepEqual([kept.length, kept[0]?.time, kept.at(-1)?.time], [500, 100, 599])
})

test('a browser that leaves the stream is no error, and the demo ends cleanly with streams open', async (t) => {
  const mine = await startExample(t, 'demo/main.ts', { PORT: '0', DATA_DIR: await temporaryDirectory(t) })
  const alice = await visit(mine, 'alice')
  const [left, open] = [await alice.listen(t), await alice.listen(t)]
  left.leave()
  await alice.refresh()
  await open.entry('session_renewed')
  t.is((await alice.ask('POST', '/auth/logout')).status, 204)
  t.is((await alice.ask('GET', '/api/me')).status, 401)
  const still = await (await visit(mine, 'bob')).listen(t)
  t.is(still.status, 200)
  const { code, signal, stderr } = await mine.stop('SIGTERM')
  t.deepEqual([code, signal, stderr], [0, null, ''])
})
