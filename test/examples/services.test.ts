// The example of an issuer and its services: processes that share nothing but public keys and, two of them, a file.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import { bearer } from '../helpers/app.ts'
import { type Example, findPort, startExample, temporaryDirectory } from '../helpers/example.ts'

type Name = 'issuer' | 'orders' | 'reports' | 'payments'

interface Fleet {
  readonly urls: Readonly<Record<Name, string>>
  /** Starts one of them, on its own port. */
  start(name: Name): Promise<Example>
}

async function plan(t: ExecutionContext): Promise<Fleet> {
  const ports = {
    issuer: await findPort(),
    orders: await findPort(),
    reports: await findPort(),
    payments: await findPort(),
  }
  const urlOf = (name: Name): string => `http://localhost:${ports[name]}`
  const urls = {
    issuer: urlOf('issuer'),
    orders: urlOf('orders'),
    reports: urlOf('reports'),
    payments: urlOf('payments'),
  }
  const environment = { ISSUER: urls.issuer, ORDERS: urls.orders, REPORTS: urls.reports, PAYMENTS: urls.payments }
  const DATA_DIR = await temporaryDirectory(t)
  return {
    urls,
    start: (name) => startExample(t, `services/${name}.ts`, { ...environment, DATA_DIR, PORT: ports[name] }),
  }
}

test.serial('orders takes both halves until the logout, and reports what the issuer delegates', async (t) => {
  const fleet = await plan(t)
  const issuer = await fleet.start('issuer')
  const [orders, reports] = await Promise.all([fleet.start('orders'), fleet.start('reports')])
  t.deepEqual([issuer.url, orders.url, reports.url], Object.values(fleet.urls).slice(0, 3))
  const pair = await issuer.login('alice', 'wonderland')
  const answer = await orders.request('GET', '/', bearer(pair))
  t.deepEqual([answer.status, answer.json], [200, { orders: ['a rabbit for alice'] }])

  t.is((await orders.request('GET', '/')).status, 401)
  t.is((await orders.request('GET', '/', { Authorization: `Bearer ${pair.token}` })).status, 401)
  await orders.line((line) => line === 'A token of alice has been stolen: ERR_FINGERPRINT_MISSING')
  t.is((await reports.request('GET', '/', bearer(pair))).status, 401)

  const report = await issuer.request('GET', '/report', bearer(pair))
  t.deepEqual([report.status, report.json], [200, { report: 'everything about alice' }])

  t.is((await issuer.request('POST', '/auth/logout', bearer(pair))).status, 204)
  t.is((await orders.request('GET', '/', bearer(pair))).status, 401)
  t.is((await issuer.request('GET', '/report', bearer(pair))).status, 401)
  for (const one of [reports, orders, issuer]) t.is((await one.stop('SIGTERM')).code, 0)
})

test.serial('payments asks the issuer, hears of a logout soon after it, and demands the cookie itself', async (t) => {
  const fleet = await plan(t)
  const issuer = await fleet.start('issuer')
  const payments = await fleet.start('payments')
  const pair = await issuer.login('alice', 'wonderland')
  const answer = await payments.request('GET', '/', bearer(pair))
  t.deepEqual([answer.status, answer.json], [200, { paid: 'by alice' }])
  t.is((await payments.request('GET', '/', { Authorization: `Bearer ${pair.token}` })).status, 401)
  t.is((await issuer.request('POST', '/auth/logout', bearer(pair))).status, 204)
  await setTimeout(2100)
  t.is((await payments.request('GET', '/', bearer(pair))).status, 401)
  await issuer.stop('SIGKILL')
  const other = await payments.request('GET', '/', bearer({ ...pair, token: pair.token.replace(/.{8}$/, 'AAAAAAAA') }))
  t.is(other.status, 503)
})

test.serial('services go on while the issuer is down, and one that starts meanwhile says 503', async (t) => {
  const fleet = await plan(t)
  const issuer = await fleet.start('issuer')
  const orders = await fleet.start('orders')
  const pair = await issuer.login('alice', 'wonderland')
  await issuer.stop('SIGKILL')
  t.is((await orders.request('GET', '/', bearer(pair))).status, 200)
  await orders.stop('SIGTERM')
  const again = await fleet.start('orders')
  const response = await again.request('GET', '/', bearer(pair))
  t.is(response.status, 503)
  t.is(response.headers['retry-after'], '5')
})

test.serial('the lines of its README work as they are', async (t) => {
  if (spawnSync('curl', ['--version']).status !== 0) {
    t.log('No curl here, so the lines were not run: apt-get install curl')
    t.true(process.env.CI !== 'true')
    return
  }
  const fleet = await plan(t)
  await fleet.start('issuer')
  await Promise.all([fleet.start('orders'), fleet.start('reports'), fleet.start('payments')])
  const readme = readFileSync(new URL('../../examples/services/README.md', import.meta.url), 'utf8')
  const [, script = ''] = [...readme.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, code]) => code)
  const lines = script.trim().split('\n')
  t.true(lines.length > 4)
  const here = script
    .replaceAll('http://localhost:3000', fleet.urls.issuer)
    .replaceAll('http://localhost:3001', fleet.urls.orders)
    .replaceAll('http://localhost:3002', fleet.urls.reports)
    .replaceAll('http://localhost:3003', fleet.urls.payments)
    .replaceAll(/^curl /gm, "curl -s -o /dev/null -w '%{http_code}\\n' ")
  const { stdout, stderr } = spawnSync('sh', ['-c', here], { cwd: await temporaryDirectory(t), encoding: 'utf8' })
  const expected = lines.slice(1).map((line) => /(\d{3})[^\d]*$/.exec(line.split('#')[1] ?? '204')?.[1] ?? '')
  // What the comments say, line by line.
  t.deepEqual(stdout.trim().split('\n'), expected, stderr)
})
