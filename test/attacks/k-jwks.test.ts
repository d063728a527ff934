// Attacks by what an issuer's address answers, and by what makes a service ask it: whoever controls the answer, or sends
// tokens that nobody signed, costs the service bounded time, memory and requests, and never gets in.

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

import test, { type ExecutionContext } from 'ava'

import { codesOf, privateJwk } from '../helpers/app.ts'
import { bytesUsed } from '../helpers/cost.ts'
import { b64, validClaims, validHeader } from '../helpers/forge.ts'
import type { Handler } from '../helpers/http.ts'
import {
  answerJson,
  openIssuer,
  openService,
  publicOf,
  statusOf,
  type TestIssuer,
  type TestService,
} from '../helpers/service.ts'

const good = publicOf(privateJwk)
const set = JSON.stringify({ keys: [good] })
const JSON_TYPE = { 'Content-Type': 'application/json' }
const MEGABYTE = 2 ** 20
const TIMEOUT_MS = 1000

interface Begun {
  readonly issuer: TestIssuer
  readonly service: TestService
  /** How long it took to build the verifier, in milliseconds. */
  readonly took: number
  /** Resolve when the service has let go of the connections. */
  readonly closed: readonly Promise<unknown>[]
}

/** An issuer whose keys are answered like this, and a service that has begun with it. */
async function begin(t: ExecutionContext, answer: Handler, timeout?: number): Promise<Begun> {
  const issuer = await openIssuer(t)
  const closed: Promise<unknown>[] = []
  issuer.answers.set('/keys', (request, response) => {
    closed.push(once(response, 'close'))
    return answer(request, response)
  })
  const start = performance.now()
  const service = await openService(t, { issuer: issuer.issuer, ...(timeout && { jwks: { timeout } }) })
  return { issuer, service, took: performance.now() - start, closed }
}

/** Asserts that a genuine token is answered with 503 now, by whose fault, and passes once the issuer is itself again. */
async function assertUnavailable(t: ExecutionContext, { issuer, service }: Begun): Promise<void> {
  const { token, cookie } = issuer.mint(service.clock)
  const response = await service.me(token, cookie)
  t.is(response.status, 503)
  t.is(response.headers['retry-after'], '5')
  t.is(response.headers['cache-control'], 'no-store')
  t.deepEqual(codesOf(service.seen), ['ERR_KEYS_UNAVAILABLE'])
  t.is(service.handled.count, 0)
  t.is(issuer.fetches, 1)
  issuer.answers.set('/keys', answerJson({ keys: [good] }))
  await assertRecovers(t, { issuer, service })
}

/** Asserts that a genuine token passes again: where the machine is busy, not the first time. */
async function assertRecovers(
  t: ExecutionContext,
  { issuer, service }: Pick<Begun, 'issuer' | 'service'>,
): Promise<void> {
  let status = 0
  for (let tries = 0; tries < 10 && status !== 200; tries += 1) {
    service.clock.advance(30)
    status = await statusOf(service, issuer.mint(service.clock))
  }
  t.is(status, 200)
}

const spaces = Buffer.alloc(64 * 1024, ' ')

/** Sends as much as the other side takes, and counts it. */
function pour(response: ServerResponse, total: number, sent: { bytes: number }): void {
  while (sent.bytes < total) {
    sent.bytes += spaces.length
    if (!response.write(spaces)) return void response.once('drain', () => pour(response, total, sent))
  }
  response.end(set)
}

test.serial('K-04 KY-07 a set of 22 MB is given up after the first 256 KB', async (t) => {
  const sent = { bytes: 0 }
  const before = bytesUsed()
  const begun = await begin(t, (_request, response) => pour(response.writeHead(200, JSON_TYPE), 22 * MEGABYTE, sent))
  t.true(sent.bytes < 8 * MEGABYTE, `what the sockets hold, and not ${sent.bytes}`)
  t.true(bytesUsed() - before < 8 * MEGABYTE)
  await assertUnavailable(t, begun)
})

test.serial('K-04 KY-07 a set that unpacks to 200 MB is given up just as soon', async (t) => {
  const bomb = gzipSync(Buffer.concat([Buffer.alloc(200 * MEGABYTE, ' '), Buffer.from(set)]))
  const before = process.memoryUsage().rss
  let peak = 0
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss - before)), 5)
  const begun = await begin(t, (_request, response) =>
    response.writeHead(200, { ...JSON_TYPE, 'Content-Encoding': 'gzip' }).end(bomb),
  )
  clearInterval(watch)
  t.true(peak < 50 * MEGABYTE, `${peak}`)
  await assertUnavailable(t, begun)
})

test('K-04 KY-07 a set of exactly the limit is read, and one byte more is not', async (t) => {
  const fits = `${set}${' '.repeat(256 * 1024 - set.length)}`
  const { issuer, service } = await begin(t, (_request, response) => response.writeHead(200, JSON_TYPE).end(fits))
  t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  await assertUnavailable(t, await begin(t, (_request, response) => response.writeHead(200, JSON_TYPE).end(`${fits} `)))
})

const MANY: readonly (readonly [label: string, body: string])[] = [
  ['10^5 keys', JSON.stringify({ keys: Array.from({ length: 1e5 }, (_, i) => ({ ...good, kid: `k${i}` })) })],
  ['80,000 empty keys', JSON.stringify({ keys: [good, ...Array.from({ length: 80_000 }, () => ({}))] })],
  ['100,000 nested arrays', '['.repeat(1e5)],
  ['100,000 nested arrays that end', `{"keys":${'['.repeat(1e5)}${']'.repeat(1e5)}}`],
  ['a number of 200,000 digits', `{"keys":[],"n":${'9'.repeat(200_000)}}`],
]

for (const [label, body] of MANY) {
  test(`K-04 KY-07 ${label} are not gone through`, async (t) => {
    const begun = await begin(t, (_request, response) => response.writeHead(200, JSON_TYPE).end(body))
    await assertUnavailable(t, begun)
  })
}

/** One byte in 100 ms: whoever only waits for the next byte waits for half a minute. */
function drip(response: ServerResponse): void {
  let at = 0
  const timer = setInterval(() => {
    if (at >= set.length) response.end()
    else response.write(set[at])
    at += 1
  }, 100)
  response.once('close', () => clearInterval(timer))
}

const SLOW: readonly (readonly [label: string, answer: Handler])[] = [
  ['accepts and says nothing', () => {}],
  ['sends its headers and no body', (_request, response) => response.writeHead(200, JSON_TYPE).flushHeaders()],
  ['stops in the middle', (_request, response) => void response.writeHead(200, JSON_TYPE).write(set.slice(0, 40))],
  ['sends a byte now and then', (_request, response) => drip(response.writeHead(200, JSON_TYPE))],
  ['sends an error a byte now and then', (_request, response) => drip(response.writeHead(500, JSON_TYPE))],
]

for (const [label, answer] of SLOW) {
  test(`K-04 KY-07 an issuer that ${label} is waited for no longer than the timeout`, async (t) => {
    const begun = await begin(t, answer, TIMEOUT_MS / 1000)
    t.true(begun.took < 15_000, `${begun.took} ms`)
    // Nor is it left hanging.
    await Promise.all(begun.closed)
    await assertUnavailable(t, begun)
  })
}

test('KY-07 the timeout is for metadata and keys together', async (t) => {
  const issuer = await openIssuer(t)
  for (const [path, answer] of issuer.answers) {
    issuer.answers.set(path, (...pair) => void setTimeout(() => answer(...pair), TIMEOUT_MS * 0.6))
  }
  const service = await openService(t, { issuer: issuer.issuer, jwks: { timeout: TIMEOUT_MS / 1000 } })
  t.is(await statusOf(service, issuer.mint(service.clock)), 503)
})

test('KY-07 a fetch of your own that does not look at its signal is not waited for either', async (t) => {
  const issuer = await openIssuer(t)
  let isDeaf = true
  const service = await openService(t, {
    issuer: issuer.issuer,
    jwks: { timeout: 1 },
    fetch: (url, init) => (isDeaf ? new Promise(() => {}) : fetch(url, init)),
  })
  t.is(await statusOf(service, issuer.mint(service.clock)), 503)
  isDeaf = false
  await assertRecovers(t, { issuer, service })
})

test('KY-07 while an issuer hangs, tokens of known keys are answered, and only who names another key waits', async (t) => {
  const issuer = await openIssuer(t)
  const service = await openService(t, { issuer: issuer.issuer })
  let release: (() => void) | undefined
  issuer.answers.set('/keys', (...pair) => (release = () => void answerJson({ keys: [good] })(...pair)))
  service.clock.advance(8 * 60)
  let isAnswered = false
  const stranger = statusOf(service, issuer.mint(service.clock, {}, { kid: 'stranger' })).finally(() => {
    isAnswered = true
  })
  for (let i = 0; i < 20; i += 1) t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  t.false(isAnswered)
  release?.()
  t.is(await stranger, 401)
  t.is(issuer.fetches, 2)
})

const WRONG: readonly (readonly [label: string, answer: Handler])[] = [
  ['garbage', (_request, response) => response.writeHead(200, JSON_TYPE).end('{"keys":[')],
  ['nothing', (_request, response) => response.writeHead(200, JSON_TYPE).end()],
  ['bytes', (_request, response) => response.writeHead(200, JSON_TYPE).end(Buffer.alloc(1000, 0xff))],
  ['half of it', (_request, response) => response.writeHead(200, { ...JSON_TYPE, 'Content-Length': '9999' }).end(set)],
  ['a page', (_request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(set)],
  ['text', (_request, response) => response.writeHead(200, { 'Content-Type': 'text/json' }).end(set)],
  ['a script', (_request, response) => response.writeHead(200, { 'Content-Type': 'application/jsonp' }).end(set)],
  ['no type', (_request, response) => response.writeHead(200).end(set)],
  ['500', (_request, response) => response.writeHead(500, JSON_TYPE).end(set)],
  ['404', (_request, response) => response.writeHead(404, JSON_TYPE).end(set)],
  ['206', (_request, response) => response.writeHead(206, JSON_TYPE).end(set)],
  ['401', (_request, response) => response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end(set)],
  ['a closed connection', (request) => request.socket.destroy()],
  ['no HTTP', (request) => request.socket.end('hello\r\n\r\n')],
]

for (const [label, answer] of WRONG) {
  test(`KY-07 ${label} instead of a set is 503 and passes by`, async (t) => {
    await assertUnavailable(t, await begin(t, answer))
  })
}

for (const type of ['application/jwk-set+json', 'Application/JSON; charset=utf-8', 'application/json']) {
  test(`KY-07 a set is read as ${type}`, async (t) => {
    const begun = await begin(t, (_request, response) => response.writeHead(200, { 'Content-Type': type }).end(set))
    t.is(await statusOf(begun.service, begun.issuer.mint(begun.service.clock)), 200)
  })
}

test.serial(
  'C-10 K-03 KY-08 ten thousand random kids cause one fetch in a cooldown, and leave nothing behind',
  async (t) => {
    const { issuer, service } = await begin(t, answerJson({ keys: [good] }))
    const { claims, cookie } = validClaims(service, { iss: issuer.issuer })
    const payload = b64(claims)
    const signature = b64(Buffer.alloc(64, 1))
    let sent = 0
    const statuses = new Set<number>()
    async function sendSome(count: number): Promise<void> {
      for (let i = 0; i < count; i += 1) {
        sent += 1
        const kid = `${sent}-`.padEnd(128, 'k')
        statuses.add((await service.me(`${b64(validHeader({ kid }))}.${payload}.${signature}`, cookie)).status)
      }
    }
    service.clock.advance(30)
    await Promise.all(Array.from({ length: 20 }, () => sendSome(100)))
    t.is(issuer.fetches, 2)
    const before = bytesUsed()
    await Promise.all(Array.from({ length: 20 }, () => sendSome(400)))
    const grown = bytesUsed() - before
    t.is(sent, 10_000)
    t.deepEqual([...statuses], [401])
    t.is(issuer.fetches, 2)
    t.true(grown < MEGABYTE, `${grown}`)
    t.is(await statusOf(service, issuer.mint(service.clock)), 200)
  },
)

test('C-10 KY-09 random kids while the issuer is down cause one fetch in a cooldown, and keep nobody out', async (t) => {
  const { issuer, service } = await begin(t, answerJson({ keys: [good] }))
  issuer.answers.set('/keys', (request) => request.socket.destroy())
  for (let minute = 1; minute <= 5; minute += 1) {
    service.clock.advance(60)
    const kids = Array.from({ length: 40 }, (_, i) => issuer.mint(service.clock, {}, { kid: `${minute}-${i}` }))
    const answers = await Promise.all([...kids, issuer.mint(service.clock)].map((pair) => statusOf(service, pair)))
    t.is(answers.pop(), 200)
    t.deepEqual([...new Set(answers)], [401])
    t.is(issuer.fetches, 1 + minute)
  }
})
