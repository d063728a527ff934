import test from 'ava'

import { bearer, codesOf, openTestApp } from './helpers/app.ts'

test('a person logs in, the token works only with its cookie, and logging out kills it', async (t) => {
  const app = await openTestApp(t)
  const { token, cookie, response } = await app.login()
  t.deepEqual(Object.keys(response.json), ['access_token', 'token_type', 'expires_in', 'sid'])
  t.is((await app.me(token, cookie)).json['sub'], 'alice')
  t.is((await app.me(token)).status, 401)
  t.deepEqual(codesOf(app.seen), ['ERR_FINGERPRINT_MISSING'])
  const out = await app.request('POST', '/auth/logout', bearer({ token, cookie }))
  t.is(out.status, 204)
  t.is((await app.me(token, cookie)).status, 401)
  t.deepEqual(app.errors, [])
})
