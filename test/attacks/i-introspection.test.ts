// Attacks on the introspection endpoint: who has no business there, and requests that are none.

import test from 'ava'

import { ERROR_CODES } from '../../src/index.ts'
import { codesOf, type Response } from '../helpers/app.ts'
import { AS, basic, drawSecret, introspect, openClientsApp, postForm, revoke } from '../helpers/clients.ts'
import { b64, validHeader } from '../helpers/forge.ts'

const PATH = '/auth/introspect'
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

test('I-11 IN-01 whoever asks in another way, or is nobody, learns nothing of a live token', async (t) => {
  const app = await openClientsApp(t)
  const { token, cookie } = await app.login()
  const inJson = JSON.stringify({ token })
  const attacks: Readonly<Record<string, [status: number, send: () => Promise<Response>]>> = {
    GET: [405, () => app.request('GET', `${PATH}?token=${token}`, AS.gateway)],
    'no authentication': [401, () => postForm(app, PATH, { token })],
    'the token itself': [
      401,
      () => postForm(app, PATH, { token }, { Authorization: `Bearer ${token}`, Cookie: cookie }),
    ],
    'the wrong client': [401, () => introspect(app, token, basic('gateway', drawSecret()))],
    'an unknown client': [401, () => introspect(app, token, basic('evil', drawSecret()))],
    'another audience': [200, () => introspect(app, token, AS.billing)],
    'a client that may not ask': [403, () => introspect(app, token, AS.mail)],
    'a token of 1 MB': [413, () => introspect(app, token.padEnd(1_000_000, 'A'))],
    'a body of 1 MB before any authentication': [413, () => postForm(app, PATH, { token, x: 'A'.repeat(1_000_000) })],
    'a long token': [200, () => introspect(app, token.padEnd(20_000, 'A'))],
    'two tokens': [400, () => app.request('POST', PATH, { ...FORM, ...AS.gateway }, `token=${token}&token=${token}`)],
    'a token and an empty one': [
      400,
      () => app.request('POST', PATH, { ...FORM, ...AS.gateway }, `token=${token}&token=`),
    ],
    'any field twice': [400, () => app.request('POST', PATH, { ...FORM, ...AS.gateway }, `token=${token}&a=1&a=1`)],
    'a list of tokens': [400, () => app.request('POST', PATH, { ...FORM, ...AS.gateway }, `token[]=${token}`)],
    'no token': [400, () => postForm(app, PATH, {}, AS.gateway)],
    'an empty token': [400, () => postForm(app, PATH, { token: '' }, AS.gateway)],
    'the token in the URL': [400, () => postForm(app, `${PATH}?token=${token}`, {}, AS.gateway)],
    JSON: [415, () => app.request('POST', PATH, { 'Content-Type': 'application/json', ...AS.gateway }, inJson)],
    'JSON called a form': [400, () => app.request('POST', PATH, { ...FORM, ...AS.gateway }, inJson)],
    'no type': [415, () => app.request('POST', PATH, AS.gateway, `token=${token}`)],
    'another charset': [415, () => introspectAs('application/x-www-form-urlencoded; charset=utf-16')],
    'two types': [415, () => introspectAs('application/x-www-form-urlencoded, application/json')],
    'a file': [415, () => introspectAs('multipart/form-data; boundary=x')],
    compressed: [415, () => postForm(app, PATH, { token }, { 'Content-Encoding': 'gzip', ...AS.gateway })],
  }
  const introspectAs = (type: string): Promise<Response> =>
    app.request('POST', PATH, { 'Content-Type': type, ...AS.gateway }, `token=${token}`)
  for (const [label, [status, send]] of Object.entries(attacks)) {
    app.clock.advance(0.05)
    const response = await send()
    t.is(response.status, status, label)
    if (status === 200) t.is(response.text, '{"active":false}', label)
    t.notRegex(response.text, /alice|"active":true/, label)
    t.is(response.headers['cache-control'], 'no-store', label)
    t.deepEqual(response.cookies, [], label)
  }
  t.deepEqual(app.errors, [])
  t.true(codesOf(app.seen).every((code) => Object.hasOwn(ERROR_CODES, code)))
  t.false(JSON.stringify(app.seen).includes(token))
  t.is((await introspect(app, token)).json['active'], true)
})

test('I-11 nobody who is not a client makes the endpoint look at a token or ask the store', async (t) => {
  const app = await openClientsApp(t)
  const { token, refreshToken } = await app.login()
  const asked = app.store.calls.length
  app.seen.length = 0
  for (const path of [PATH, '/auth/revoke']) {
    for (const text of [token, refreshToken, 'garbage']) {
      t.is((await postForm(app, path, { token: text })).status, 401)
      t.is((await postForm(app, path, { token: text }, basic('gateway', drawSecret()))).status, 401)
    }
  }
  t.deepEqual(app.store.calls.slice(asked), [])
  t.deepEqual([...new Set(codesOf(app.seen))], ['ERR_CLIENT_SECRET'])
})

test('B-03 no white space is overlooked in a token, where a body can carry what no header can', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  const [header = '', payload = '', signature = ''] = token.split('.')
  for (const space of [' ', '\t', '\n', '\r\n', '\f', '\v', '\u00a0', '\ufeff', '\u0000']) {
    for (const text of [
      space + token,
      token + space,
      `${header}.${payload}.${space}${signature}`,
      `${header}.${payload}.${signature.slice(0, 40)}${space}${signature.slice(40)}`,
      `${header}${space}.${payload}.${signature}`,
    ]) {
      t.is((await introspect(app, text)).text, '{"active":false}', JSON.stringify(space))
      t.is((await revoke(app, text)).status, 200)
    }
  }
  t.is((await introspect(app, token)).json['active'], true)
})

test('C-19 VF-24 a token of 500 KB or 8 MB is not read to its end, whoever sends it', async (t) => {
  const app = await openClientsApp(t)
  const { token } = await app.login()
  const [, payload = '', signature = ''] = token.split('.')
  for (const length of [500_000, 8_000_000]) {
    const text = `${b64({ ...validHeader(), x: 'x'.repeat(length) })}.${payload}.${signature}`
    for (const headers of [AS.gateway, {}]) {
      const response = await introspect(app, text, headers).catch((error: { code?: string }) => error.code)
      // The answer may be there before all has been sent, and the connection gone.
      t.true(typeof response === 'string' ? /EPIPE|ECONNRESET/.test(response) : response?.status === 413)
    }
  }
  t.is((await introspect(app, token)).json['active'], true)
})
