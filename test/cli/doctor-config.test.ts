// The doctor on configurations: one as it should be, and what can be said of others before anything is served.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import type { CheckedConfig } from '../../src/cli/config.ts'
import { CONFIG_CHECKS } from '../../src/cli/doctor/config-checks.ts'
import { runChecks } from '../../src/cli/doctor/finding.ts'
import { createKeySet, generateKey } from '../../src/index.ts'
import { resolveOptions } from '../../src/options/options.ts'
import { ISSUER, privateJwk } from '../helpers/app.ts'
import { PACKAGE, runCli } from '../helpers/cli.ts'
import { runDoctor } from '../helpers/doctored.ts'

const KOA = import.meta.resolve('koa')
const cwd = await mkdtemp(join(tmpdir(), 'koa-holdfast-'))
await writeFile(join(cwd, 'key.json'), JSON.stringify(privateJwk))
test.after.always(() => rm(cwd, { recursive: true, force: true }))

let count = 0

/** Writes a configuration with these options more, or in place of the others. */
async function writeConfig(
  more: string,
  app = 'export const app = new Koa({ proxy: true, maxIpsCount: 1 })',
): Promise<string> {
  const name = `config-${(count += 1)}.mjs`
  await writeFile(
    join(cwd, name),
    `import { readFile } from 'node:fs/promises'
     import Koa from '${KOA}'
     import { createEncryptionKeys, createKeySet, generateEncryptionKey, generateKey, memoryStore } from '${PACKAGE}index.js'
     import { lmdbStore } from '${PACKAGE}store/lmdb.js'
     const key = await readFile('key.json', 'utf8')
     export const options = {
       issuer: '${ISSUER}',
       keys: await createKeySet({ keys: [key] }),
       store: lmdbStore({ path: 'store-${count}.lmdb' }),
       cookie: { prefix: '__Host-' },
       authenticate: () => null,
       ${more}
     }
     ${app}
     setInterval(() => {}, 1000)`,
  )
  return name
}

test('a configuration as it should be has no findings', async (t) => {
  const { code, found, findings, printed } = await runDoctor([await writeConfig('')], { cwd })
  t.deepEqual([...new Set(Object.values(found))], ['fine'], JSON.stringify(findings, undefined, 1))
  t.is(code, 0)
  t.is(findings.length, CONFIG_CHECKS.length + 1)
  t.false(printed.includes(String(privateJwk.d)))
})

const LOCAL = `issuer: 'http://localhost:3000', cookie: {}`
const SLOW = `{ ...memoryStore(), get: () => new Promise(() => {}) }`
const BROKEN = `{ ...memoryStore(), get: async () => { throw new Error('redis://app:hunter2@localhost: ECONNREFUSED') } }`

/** What is wrong with a configuration, and what is found. */
const FAULTS: readonly (readonly [
  what: string,
  more: string,
  found: Readonly<Record<string, string>>,
  app?: string,
])[] = [
  [
    'nothing of a kit on localhost',
    `${LOCAL}, keys: undefined, store: undefined`,
    { keys: 'note', store: 'note', 'cookie-prefix': 'note', 'token-size': 'skipped' },
  ],
  [
    'memory in production',
    'store: memoryStore(), keys: undefined',
    { store: 'error', keys: 'error', 'token-size': 'skipped' },
  ],
  ['RS256', `keys: await createKeySet({ keys: [await generateKey('RS256')] })`, { keys: 'warning' }],
  ['a secret', `keys: await createKeySet({ algorithm: 'HS256' })`, { keys: 'warning' }],
  ['a store that hangs', `store: ${SLOW}`, { store: 'error' }],
  ['a store that is down', `store: ${BROKEN}`, { store: 'error' }],
  ['a store of one process', `store: { ...memoryStore(), watch: undefined }`, { store: 'warning' }],
  ['the weaker prefix', 'cookie: {}', { 'cookie-prefix': 'note' }],
  ['a domain', `cookie: { domain: 'app.example' }`, { 'cookie-prefix': 'warning' }],
  ['a development cookie', `${LOCAL}, cookie: { development: true }`, { 'cookie-prefix': 'note' }],
  [
    'None for nobody',
    `cookie: { prefix: '__Host-', sameSite: 'none', crossSiteReason: 'x' }`,
    { 'same-site': 'warning' },
  ],
  [
    'None for another site',
    `cookie: { prefix: '__Host-', sameSite: 'none', crossSiteReason: 'x' }, origins: ['https://other.test']`,
    { 'same-site': 'note' },
  ],
  [
    'None, partitioned',
    `cookie: { prefix: '__Host-', sameSite: 'none', crossSiteReason: 'x', partitioned: true }, origins: ['https://other.test']`,
    {},
  ],
  [
    'an origin on another site',
    `origins: ['https://www.app.example', 'https://other.test']`,
    { 'same-site': 'warning' },
  ],
  ['an origin of the same site', `origins: ['https://www.app.example']`, {}],
  ['no app to look at', '', { 'proxy-trust': 'skipped' }, ''],
  ['no proxy', '', { 'proxy-trust': 'note' }, 'export const app = new Koa()'],
  ['addresses that clients write', '', { 'proxy-trust': 'warning' }, 'export const app = new Koa({ proxy: true })'],
  [
    'a header of its own for addresses',
    '',
    {},
    `export const app = new Koa({ proxy: true, proxyIpHeader: 'X-Real-IP' })`,
  ],
  [
    'tlsProxy and no addresses',
    `cookie: { prefix: '__Host-', tlsProxy: true }`,
    { 'proxy-trust': 'warning' },
    'export const app = new Koa()',
  ],
  [
    'tlsProxy and a limiter',
    `cookie: { prefix: '__Host-', tlsProxy: true }, limiter: () => undefined`,
    {},
    'export const app = new Koa()',
  ],
  ['no room for a token', `accessToken: { maxBytes: 512 }`, { 'token-size': 'error' }],
  ['too much room for a token', `accessToken: { maxBytes: 8192 }`, { 'token-size': 'warning' }],
  [
    'long lives',
    `accessToken: { lifetime: '2h', maxLifetime: '2h' }, clockTolerance: '2m',
     session: { absolute: '2d', idle: '3h', remembered: { absolute: '60d' } }`,
    { lifetimes: 'warning' },
  ],
  ['refresh tokens for scripts', `refreshToken: { transport: 'body' }`, { 'refresh-tokens': 'note' }],
  ['a long grace', `refreshToken: { grace: '45s' }`, { 'refresh-tokens': 'note' }],
  ['an open door when the list is stale', `onStale: { openFor: '1h' }`, { staleness: 'warning' }],
  ['a stale list', `maxStaleness: '5m'`, { staleness: 'warning' }],
  ['no limiter', `limiter: false`, { limiter: 'note' }],
  ['a limiter of its own', `limiter: () => undefined`, {}],
  ['limits for all processes', `limiter: { count: () => ({}) }`, {}],
  ['an access token in a cookie', `accessToken: { transport: 'cookie' }`, {}],
]

for (const [what, more, expected, app] of FAULTS) {
  test(`the doctor sees ${what}`, async (t) => {
    const { code, found, findings } = await runDoctor([await writeConfig(more, app)], { cwd })
    const unusual = Object.fromEntries(Object.entries(found).filter(([, severity]) => severity !== 'fine'))
    t.deepEqual(unusual, { ...expected }, JSON.stringify(findings, undefined, 1))
    t.false(JSON.stringify(findings).includes('hunter2'))
    const isGrave = Object.values(expected).some((severity) => severity === 'warning' || severity === 'error')
    t.is(code, isGrave ? 1 : 0)
  })
}

test('an encrypted token is measured as it is sent', async (t) => {
  const encryption = `encryption: await createEncryptionKeys({ keys: [await generateEncryptionKey()] })`
  const sizes: number[] = []
  for (const more of ['', `accessToken: { ${encryption} }`]) {
    const { findings } = await runDoctor([await writeConfig(more)], { cwd })
    const { seen = '' } = findings.find(({ check }) => check === 'token-size') ?? {}
    sizes.push(Number(/^\d+/.exec(seen)?.[0]))
  }
  t.true((sizes[1] ?? 0) > (sizes[0] ?? 0) * 1.3, sizes.join())
})

test('what createSessionKit would refuse is the one finding', async (t) => {
  for (const [more, reason] of [
    [`issuer: 'http://app.example'`, /^issuer: expected/],
    [`cookie: { prefix: '__Host-', domain: 'app.example' }`, /^cookie\.name: expected no cookie\.domain/],
    [`sesion: {}`, /got "sesion"/],
  ] as const) {
    const { code, found, findings } = await runDoctor([await writeConfig(more)], { cwd })
    t.deepEqual([code, found], [1, { options: 'error' }])
    t.regex(findings[0]?.seen ?? '', reason)
  }
})

test('a configuration is told about in words, and is asked nothing', async (t) => {
  const config = await writeConfig(`onStale: { openFor: '1h' }`)
  const { code, stdout } = await runCli(['doctor', config], { cwd })
  t.is(code, 1)
  t.regex(stdout, /^! staleness +tokens are believed for 3600 seconds/m)
  t.regex(stdout, /^✓ cookie-size +at most \d{3} of 4096 bytes/m)
  t.is((await runCli(['doctor', config, '--credentials', '-'], { cwd, stdin: '{}' })).code, 2)
  t.is((await runCli(['doctor', 'nothing.mjs'], { cwd })).code, 2)
})

/** What one check says of these options and settings. */
async function severityOf(check: string, subject: CheckedConfig): Promise<string | undefined> {
  return (await runChecks(CONFIG_CHECKS, subject)).find((finding) => finding.check === check)?.severity
}

test('CK-12 a cookie that would be longer than browsers keep is an error', async (t) => {
  const options = { issuer: ISSUER, keys: await createKeySet({ keys: [privateJwk] }) }
  const settings = resolveOptions(options)
  // No option makes it that long today.
  const path = `/${'x'.repeat(4000)}`
  const long = { ...settings, cookie: { ...settings.cookie, path } }
  t.is(await severityOf('cookie-size', { options, settings, app: undefined }), 'fine')
  t.is(await severityOf('cookie-size', { options, settings: long, app: undefined }), 'error')
})

test('an RSA key of 2048 bits is taken, and noted', async (t) => {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    { name: 'RSA-PSS', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  )
  t.truthy(publicKey)
  const { kty = '', ...members } = await crypto.subtle.exportKey('jwk', privateKey)
  const { key_ops: _, ext: __, alg: ___, ...numbers } = members
  const keys = await createKeySet({ keys: [{ kty, ...numbers, alg: 'PS256' }, { ...(await generateKey()) }] })
  const options = { issuer: ISSUER, keys }
  const settings = resolveOptions(options)
  t.is(await severityOf('keys', { options, settings, app: undefined }), 'note')
})
