// The jar where Chromium cannot be asked: time that is moved, a browser that is closed, https beside http.

import test from 'ava'

import { createTestClock } from '../../src/testing/clock.ts'
import { createCookieJar } from '../../src/testing/cookie-jar.ts'

const HOME = 'https://app.example/'
const DAY = 86_400

test('cookies go at their time, by the clock, and never later than in 400 days', (t) => {
  const clock = createTestClock(Date.UTC(2026, 0, 1))
  for (const [line, life] of [
    ['a=1; Max-Age=60', 60],
    ['a=1; Expires=Thu, 01 Jan 2026 00:01:00 GMT', 60],
    ['a=1; Max-Age=60; Expires=Thu, 01 Jan 2026 09:00:00 GMT', 60],
    ['a=1; Max-Age=99999999999', 400 * DAY],
    ['a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT', 400 * DAY],
  ] as const) {
    clock.set(Date.UTC(2026, 0, 1))
    const jar = createCookieJar({ clock })
    jar.receive(HOME, [line])
    clock.advance(life - 1)
    t.is(jar.header(HOME), 'a=1', line)
    clock.advance(1)
    t.is(jar.header(HOME), undefined, line)
    t.deepEqual(jar.all(), [], line)
  }
})

test('closing the browser takes the session cookies and leaves the others', (t) => {
  const jar = createCookieJar()
  jar.receive(HOME, ['session=1', 'kept=1; Max-Age=60'])
  jar.restart()
  t.is(jar.header(HOME), 'kept=1')
})

test('a copy has the same cookies, or some of them, and goes its own way', (t) => {
  const clock = createTestClock()
  const jar = createCookieJar({ clock })
  jar.receive(HOME, ['a=1', 'b=1; Max-Age=60'])
  const [all, some] = [jar.copy(), jar.copy(({ name }) => name === 'b')]
  t.is(all.header(HOME), 'a=1; b=1')
  t.is(some.header(HOME), 'b=1')
  jar.receive(HOME, ['a=; Max-Age=0', 'c=1'])
  t.is(all.header(HOME), 'a=1; b=1')
  all.receive(HOME, ['a=2'])
  t.is(jar.header(HOME), 'b=1; c=1')
  clock.advance('1m')
  t.is(some.header(HOME), undefined)
})

test('plain http neither gets, sets, replaces nor deletes what https has made Secure', (t) => {
  const jar = createCookieJar()
  jar.receive(HOME, ['a=1; Secure; Path=/', '__Secure-b=1; Secure; Path=/'])
  const http = 'http://app.example/'
  jar.receive(http, ['a=2; Path=/', 'a=2; Path=/deep', 'a=; Path=/; Max-Age=0', 'c=1; Secure', '__Secure-b=2'])
  t.is(jar.header(http), undefined)
  t.is(jar.header(`${HOME}deep`), 'a=1; __Secure-b=1')
  jar.receive(http, ['a=; Path=/; Secure; Max-Age=0'])
  t.is(jar.header(HOME), 'a=1; __Secure-b=1')
})

test('Domain shares a cookie with every host below, but no __Host- cookie, and with none beside', (t) => {
  const jar = createCookieJar()
  const lines = ['a', '__Secure-a', '__Host-a', '__host-http-a'].map(
    (name) => `${name}=1; Path=/; Secure; HttpOnly; Domain=app.example`,
  )
  jar.receive(HOME, [...lines, 'b=1; Path=/; Domain=sub.app.example', 'c=1; Path=/; Domain=pp.example'])
  t.is(jar.header(HOME), 'a=1; __Secure-a=1')
  t.is(jar.header('https://deep.sub.app.example/'), 'a=1; __Secure-a=1')
  for (const url of ['https://example/', 'https://xapp.example/', 'https://other.example/']) {
    t.is(jar.header(url), undefined)
  }
})

test('a request from another site carries None always, Lax on navigations, Strict never', (t) => {
  const jar = createCookieJar()
  const lines = ['none=1; Secure; SameSite=None', 'lax=1; SameSite=Lax', 'strict=1; SameSite=Strict', 'unsaid=1']
  jar.receive(HOME, lines)
  t.is(jar.header(HOME), 'none=1; lax=1; strict=1; unsaid=1')
  t.is(jar.header(HOME, { crossSite: true }), 'none=1')
  t.is(jar.header(HOME, { crossSite: true, navigation: true }), 'none=1; lax=1; unsaid=1')
  const other = createCookieJar()
  other.receive(HOME, lines, { crossSite: true })
  t.is(other.header(HOME), 'none=1')
})

test('the longer path comes first, then the older cookie; one that is replaced keeps its place', (t) => {
  const jar = createCookieJar()
  jar.receive(`${HOME}a/b/c`, ['root=1; Path=/', 'second=1; Path=/', 'deep=1; Path=/a/b', 'half=1; Path=/a'])
  jar.receive(HOME, ['root=2; Path=/'])
  t.is(jar.header(`${HOME}a/b/`), 'deep=1; half=1; root=2; second=1')
})

test('refuses a misspelt option', (t) => {
  t.throws(() => createCookieJar({ time: Date.now } as object), { instanceOf: TypeError })
})
