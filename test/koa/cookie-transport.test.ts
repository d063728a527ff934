// The token in a cookie of its own, for apps that render pages on the server: the browser sends both halves by itself, so
// every unsafe request has to prove that it comes from an own page.

import test, { type ExecutionContext } from 'ava'

import { type Login, openTestApp, postLogin, type TestApp, type TestAppOptions } from '../helpers/app.ts'
import type { Response } from '../helpers/http.ts'

const LIMIT = 4096

/** The cookies that a response sets, for a Cookie header. */
function cookiesOf({ cookies }: Response): string {
  return cookies.map((line) => line.split(';')[0] ?? '').join('; ')
}

async function open(t: ExecutionContext, options: TestAppOptions = {}): Promise<TestApp> {
  return openTestApp(t, { ...options, accessToken: { transport: 'cookie', ...options.accessToken } })
}

async function signIn(app: TestApp): Promise<{ readonly response: Response; readonly cookie: string }> {
  const { response }: Pick<Login, 'response'> = await app.login()
  return { response, cookie: cookiesOf(response) }
}

test('the token travels in a cookie that no script reads, and in no body', async (t) => {
  const app = await open(t)
  const { response, cookie } = await signIn(app)
  t.false('access_token' in response.json)
  t.is(response.json['token_type'], 'Bearer')
  const line = response.cookies.find((one) => one.startsWith('__Secure-Access=')) ?? ''
  for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/'])
    t.true(line.includes(attribute), attribute)
  const me = await app.request('GET', '/me', { Cookie: cookie })
  t.is(me.status, 200)
  t.is(me.json['sub'], 'alice')
  t.false(response.text.includes(line.slice('__Secure-Access='.length, 40)))
})

test('with __Host- the token has it as well', async (t) => {
  const app = await open(t, { cookie: { prefix: '__Host-' } })
  const { response } = await signIn(app)
  t.deepEqual(
    response.cookies.map((line) => line.split('=')[0]),
    ['__Host-Fgp', '__Host-Access', '__Host-Refresh'],
  )
})

test('one half alone is nothing: a token without its fingerprint is stolen', async (t) => {
  const app = await open(t)
  const { cookie } = await signIn(app)
  const [fingerprint = '', token = ''] = cookie.split('; ')
  t.is((await app.request('GET', '/me', { Cookie: token })).status, 401)
  t.is(app.seen.at(-1)?.name, 'sidejack')
  const alone = await app.request('GET', '/me', { Cookie: fingerprint })
  t.is(alone.status, 401)
  t.false(String(alone.headers['www-authenticate']).includes('error='))
})

test('two tokens are one too many: two cookies of the name, or one beside Authorization', async (t) => {
  const app = await open(t)
  const { cookie } = await signIn(app)
  const token = /__Secure-Access=([^;]+)/.exec(cookie)?.[1] ?? ''
  t.is((await app.request('GET', '/me', { Cookie: `${cookie}; __Secure-Access=${token}` })).status, 400)
  t.is((await app.request('GET', '/me', { Cookie: cookie, Authorization: `Bearer ${token}` })).status, 400)
})

test('Authorization alone lets nobody in: there is one place for the token', async (t) => {
  const app = await open(t)
  const { cookie } = await signIn(app)
  const token = /__Secure-Access=([^;]+)/.exec(cookie)?.[1] ?? ''
  const fingerprint = cookie.split('; ')[0] ?? ''
  t.is((await app.request('GET', '/me', { Cookie: fingerprint, Authorization: `Bearer ${token}` })).status, 401)
})

// What a browser says of where a request comes from.
const PAGES: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
  ['an own page', { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://app.example' }, 200],
  ['a page of another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }, 403],
  ['a page of a sibling domain', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://user.app.example' }, 403],
  ['an old browser on an own page', { Origin: 'https://app.example' }, 200],
  ['an old browser on another page', { Origin: 'https://evil.example' }, 403],
  ['a sandboxed frame', { Origin: 'null' }, 403],
  ['a form without any sign', { 'Content-Type': 'application/x-www-form-urlencoded' }, 403],
]

for (const [what, headers, status] of PAGES) {
  test(`an unsafe request to a protected route from ${what} is answered with ${status}`, async (t) => {
    const app = await open(t)
    const { cookie } = await signIn(app)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await app.request(method, '/me', { Cookie: cookie, ...headers })
      t.is(answer.status, status, method)
    }
    t.is(app.handled.count, status === 200 ? 4 : 0)
    if (status === 403) t.is(app.seen.at(-1)?.name, 'cross_site_refused')
  })
}

test('where the token is in a header, a page of another site cannot send it, and nothing more is asked', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie } = await app.login()
  const foreign = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
  const headers = { Authorization: `Bearer ${token}`, Cookie: cookie, ...foreign }
  t.is((await app.request('POST', '/me', headers)).status, 200)
})

test('a refresh replaces all three cookies, and the old token works until it expires', async (t) => {
  const app = await open(t)
  const { cookie } = await signIn(app)
  app.clock.advance(60)
  const refreshed = await app.request('POST', '/auth/refresh', { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' })
  t.is(refreshed.status, 200)
  t.false('access_token' in refreshed.json)
  const next = cookiesOf(refreshed)
  t.deepEqual(
    refreshed.cookies.map((line) => line.split('=')[0]),
    ['__Secure-Fgp', '__Secure-Access', '__Secure-Refresh'],
  )
  const old = /__Secure-Access=[^;]+/.exec(cookie)?.[0] ?? ''
  const fingerprint = /__Secure-Fgp=[^;]+/.exec(next)?.[0] ?? ''
  t.is((await app.request('GET', '/me', { Cookie: `${fingerprint}; ${old}` })).status, 200)
  t.is((await app.request('GET', '/me', { Cookie: next })).status, 200)
})

test('a logout ends the session and deletes the cookies, also with an expired token', async (t) => {
  const app = await open(t)
  const { cookie, response } = await signIn(app)
  // As long as the session, so that it is still there when the token has expired.
  t.is(/Max-Age=(\d+)/.exec(response.cookies[1] ?? '')?.[1], /Max-Age=(\d+)/.exec(response.cookies[0] ?? '')?.[1])
  app.clock.advance(1000)
  t.is((await app.request('GET', '/me', { Cookie: cookie })).status, 401)
  const pair = cookie.split('; ').slice(0, 2).join('; ')
  const logout = await app.request('POST', '/auth/logout', { Cookie: pair, 'Sec-Fetch-Site': 'same-origin' })
  t.is(logout.status, 204)
  t.is(logout.cookies.filter((line) => line.includes('Max-Age=0')).length, 3)
  t.is((await app.request('POST', '/auth/refresh', { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' })).status, 401)
})

test('a refused login sets no cookie', async (t) => {
  const app = await open(t)
  const refused = await postLogin(app, { sub: 'alice', password: 'wrong' })
  t.is(refused.status, 401)
  t.deepEqual(refused.cookies, [])
})

test('a token that a browser would drop for its length is not issued; with attributes it stays within 4096', async (t) => {
  const app = await open(t, {
    cookie: { domain: 'app.example' },
    authenticate: (ctx) => ({ sub: 'alice', claims: { note: 'x'.repeat(Number(ctx.request.body['length'])) } }),
  })
  const issue = (length: number): Promise<Response> => postLogin(app, { length })
  let longest = 0
  for (let length = 0; length < LIMIT; length += 200) {
    const { status, cookies } = await issue(length)
    if (status !== 200) break
    longest = cookies[1]?.length ?? 0
    t.true(longest <= LIMIT)
  }
  t.true(longest > LIMIT - 400, 'and what fits is issued')
  t.is((await issue(3500)).status, 500)
})

test('the options are checked', async (t) => {
  await t.throwsAsync(open(t, { accessToken: { transport: 'query' as 'cookie' } }), {
    message: /^accessToken\.transport: /,
  })
  await t.throwsAsync(open(t, { cookie: { name: '__Secure-Access' } }), { message: /^cookie\.name: / })
})
