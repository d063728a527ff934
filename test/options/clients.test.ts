// The option `clients`, wrong in every way: a TypeError that begins with its name and repeats no secret.

import { setImmediate as nextTurn } from 'node:timers/promises'

import test from 'ava'

import {
  type ClientOptions,
  createKeySet,
  createSessionKit,
  generateKey,
  memoryStore,
  type SessionKit,
} from '../../src/index.ts'
import { ISSUER, openTestApp, privateJwk } from '../helpers/app.ts'
import { basic, drawSecret, introspect } from '../helpers/clients.ts'
import { heapUsed } from '../helpers/cost.ts'

const keys = await createKeySet({ keys: [privateJwk] })
const SECRET = drawSecret()
// Random once, and not each time: of a thousand such texts one looks like words.
const BASE64URL = 'Zk3vR0u5Qb7-XeW2mTq9_hJc1LsY8dNa4oGf6iPxKtE'
const { d: _private, ...publicJwk } = privateJwk
const rsa = await generateKey('PS256')
const rsaWithoutAlgorithm = { kty: rsa.kty, n: rsa.n, e: rsa.e }
const symmetric = await generateKey('HS256')

async function build(clients: unknown): Promise<void> {
  // The cast is what a JavaScript caller does.
  const kit = await createSessionKit({
    issuer: ISSUER,
    keys,
    store: memoryStore(),
    clients: clients as ClientOptions[],
  })
  await kit.close()
}

const good = { id: 'a', secret: SECRET }

const WRONG: readonly (readonly [name: string, clients: unknown])[] = [
  ...[null, 'a', {}, [], 1, true].map((clients) => ['clients', clients] as const),
  ...[null, 'a', [], 1].map((client) => ['clients[0]', [client]] as const),
  ['clients[1]', [good, { ...good, id: 'b', scope: 'x' }]],
  ['clients', [good, good]],
  ...[undefined, '', 1, 'a b', 'ä', 'a\n', 'x'.repeat(256)].map((id) => ['clients[0].id', [{ ...good, id }]] as const),
  ['clients[0]', [{ id: 'a' }]],
  ['clients[0]', [{ ...good, introspect: false }]],
  ...[
    ...[
      '',
      'short',
      SECRET.slice(0, 31),
      BASE64URL.slice(0, 31),
      1,
      null,
      [],
      [SECRET, SECRET.slice(0, 31)],
      [SECRET, drawSecret(), drawSecret()],
    ],
    ...['a'.repeat(64), '0123456789abcdef'.repeat(4), 'correct horse battery staple and so on', 'x!'.repeat(32)],
    ...['thequickbrownfoxjumpsoverthelazydog', Buffer.from(SECRET), { secret: SECRET }],
  ].map((secret) => ['clients[0].secret', [{ id: 'a', secret }]] as const),
  ...[
    ...[null, 'x', '', 1, [], {}, { keys: [] }, [publicJwk], Promise.resolve(publicJwk)],
    ...[privateJwk, { keys: [publicJwk, privateJwk] }, rsaWithoutAlgorithm, symmetric, { ...publicJwk, use: 'enc' }],
    { keys: [publicJwk, publicJwk] },
  ].map((value) => ['clients[0].keys', [{ id: 'a', keys: value }]] as const),
  ...['', [], [''], 1, null, 'x'.repeat(256)].map(
    (audience) => ['clients[0].audience', [{ ...good, audience }]] as const,
  ),
  ...['introspect', 'revoke'].flatMap((right) =>
    ['true', 1, null].map((value) => [`clients[0].${right}`, [{ ...good, [right]: value }]] as const),
  ),
  ...['x', null, [1], ['sub'], ['fgp'], ['__proto__'], ['active'], ['token_type'], ['theme', 'exp']].map(
    (claims) => ['clients[0].claims', [{ ...good, claims }]] as const,
  ),
]

test('every wrong client is a TypeError that names what is wrong, and says no secret', async (t) => {
  const faults: string[] = []
  for (const [name, clients] of WRONG) {
    const error: unknown = await build(clients).then(
      () => 'accepted',
      (thrown: unknown) => thrown,
    )
    const message = error instanceof TypeError ? error.message : `no TypeError: ${String(error)}`
    const isGood = message.startsWith(`${name}: expected `) && message.includes(', got ') && !message.includes(SECRET)
    if (!isGood || message.length > 600) faults.push(`${name}: ${message}`)
  }
  t.deepEqual(faults, [])
})

test('whatever a service can be given is taken: hex, base64url, keys in every format, several names', async (t) => {
  const second = await generateKey('EdDSA')
  const { d: _secret, ...publicSecond } = second
  await t.notThrowsAsync(
    build([
      good,
      { id: 'https://b.example', secret: [drawSecret(), BASE64URL] },
      { id: 'c', secret: drawSecret().slice(0, 32), audience: [ISSUER, 'c'], claims: ['theme'], introspect: true },
      { id: 'd', keys: publicJwk, revoke: true, introspect: false },
      { id: 'e', keys: { keys: [publicJwk, publicSecond] } },
      { id: 'f', keys: JSON.stringify(publicSecond), secret: drawSecret() },
      { id: '~!"#$', keys: keys.jwks() },
    ]),
  )
})

test('what is done to the options later changes nothing', async (t) => {
  const client = { id: 'a', secret: [SECRET], audience: [ISSUER], claims: ['theme'] }
  const clients = [client]
  const app = await openTestApp(t, { clients })
  const { token } = await app.login('alice', { body: { claims: { theme: 'dark', role: 'x' } } })
  client.secret.splice(0, 1, drawSecret())
  client.audience.splice(0)
  client.claims.push('role')
  clients.splice(0)
  const { json } = await introspect(app, token, basic('a', SECRET))
  t.is(json['active'], true)
  t.is(json['theme'], 'dark')
  t.false('role' in json)
})

/** A kit, and what is left of the options that it was made with. */
async function startAndForget(): Promise<readonly [SessionKit, WeakRef<object>]> {
  const clients = [{ id: 'a', secret: drawSecret() }]
  return [await createSessionKit({ issuer: ISSUER, keys, store: memoryStore(), clients }), new WeakRef(clients)]
}

test('EL-06 a kit holds on to no option of its clients, and so to no secret', async (t) => {
  const [kit, clients] = await startAndForget()
  // What a reference has been made to stays until the turn of the event loop is over.
  await nextTurn()
  heapUsed()
  t.is(clients.deref(), undefined)
  await kit.close()
})
