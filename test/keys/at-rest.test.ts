// Rotating keys in the store: who reads it learns no key, who writes it adds none, and what is wrong with it is said.

import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'
import { CompactEncrypt, decodeProtectedHeader, type JWK } from 'jose'

import {
  createSessionKit,
  type KeyEncryptionKey,
  generateKey,
  memoryStore,
  NEVER,
  type RotatingKeys,
  type Store,
} from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { codesOf, createClock, ISSUER, openTestApp, privateJwk, START } from '../helpers/app.ts'
import { faultyStore } from '../helpers/faulty.ts'
import { newPath } from '../helpers/lmdb.ts'
import { until } from '../helpers/redis-process.ts'
import { ENCRYPTION_KEY, openKeys, readSealed, reload, ROTATING } from '../helpers/rotating.ts'

const NOW = Math.floor(START / 1000)
const KEYS: readonly KeyEncryptionKey[] = [randomBytes(32), randomBytes(32).toString('base64'), randomBytes(32)]

async function write(store: Store, keys: unknown, issuer: string = ISSUER): Promise<void> {
  await store.set('key', { key: issuer, value: { keys }, expires: NEVER })
}

/** A key as the kit seals it, but for what a test says. */
function seal(jwk: object, header: object = {}, encryptionKey: Uint8Array = ENCRYPTION_KEY): Promise<string> {
  const { kid } = jwk as JWK
  return new CompactEncrypt(Buffer.from(JSON.stringify(jwk)))
    .setProtectedHeader({
      alg: 'dir',
      enc: 'A256GCM',
      cty: 'jwk+json',
      iss: ISSUER,
      sub: kid,
      iat: NOW,
      nbf: NOW,
      ...header,
    })
    .encrypt(encryptionKey)
}

/** Opens with these encryption keys. */
function openWith(t: ExecutionContext, store: Store, ...encryptionKey: KeyEncryptionKey[]): Promise<RotatingKeys> {
  return openKeys(t, { clock: createClock(), store, keys: { ...ROTATING.keys, encryptionKey } })
}

test('KY-16 in the store a key is encrypted, each by itself, with its issuer, its kid and its times for all to see', async (t) => {
  const store = memoryStore()
  const keys = await openKeys(t, { clock: createClock(), store })
  const sealed = await readSealed(store)
  t.is(sealed.length, 2)
  for (const [index, jwe] of sealed.entries()) {
    const { kid, created, activates } = keys.plan()[index] ?? {}
    t.deepEqual(decodeProtectedHeader(jwe), {
      ...{ alg: 'dir', enc: 'A256GCM', cty: 'jwk+json' },
      ...{ iss: ISSUER, sub: kid, iat: (created ?? 0) / 1000, nbf: (activates ?? 0) / 1000 },
    })
    const text = Buffer.from(jwe.split('.')[3] ?? '', 'base64url').toString('latin1')
    t.notRegex(text, /"(?:d|kty)"/)
  }
  const { expires } = (await store.get('key', ISSUER)) ?? {}
  t.is(expires, NEVER)
})

test('a durable store without an encryption key is refused, memoryStore() is not, and two kits share its keys', async (t) => {
  const { accessToken } = ROTATING
  const keys = { rotateEvery: '30d' }
  const memory = memoryStore()
  for (const store of [lmdbStore({ path: await newPath(t) }), faultyStore(memory)]) {
    const error = await t.throwsAsync(createSessionKit({ issuer: ISSUER, accessToken, keys, store }), {
      instanceOf: TypeError,
    })
    t.regex(error.message, /^keys\.encryptionKey: .* got none/)
    await store.close()
  }
  const [one, other] = [await openTestApp(t, { keys, store: memory }), await openTestApp(t, { keys, store: memory })]
  t.deepEqual(one.kit.jwks(), other.kit.jwks())
  t.notRegex(JSON.stringify(await memory.get('key', ISSUER)), /"d"/)
})

test('another encryption key is told at start, and the keys stay as they are', async (t) => {
  const store = memoryStore()
  await openWith(t, store, KEYS[0] ?? '')
  const before = await store.get('key', ISSUER)
  const error = await t.throwsAsync(openWith(t, store, KEYS[1] ?? ''), {
    instanceOf: TypeError,
    message: /^keys\.encryptionKey: /,
  })
  assertNoSecret(t, error)
  t.deepEqual(await store.get('key', ISSUER), before)
  const kit = createSessionKit({
    issuer: ISSUER,
    ...ROTATING,
    keys: { ...ROTATING.keys, encryptionKey: KEYS[1] ?? '' },
    store,
  })
  await t.throwsAsync(kit, { instanceOf: TypeError, message: /^keys\.encryptionKey: / })
})

test('the encryption key is changed in steps: the new one reads, then it writes, then it is alone', async (t) => {
  const store = memoryStore()
  const [old = '', fresh = ''] = KEYS
  const first = await openWith(t, store, old)
  const plan = first.plan()
  for (const step of [[old, fresh], [fresh, old], [fresh]]) {
    t.deepEqual((await openWith(t, store, ...step)).plan(), plan)
  }
  await t.throwsAsync(openWith(t, store, old), { instanceOf: TypeError })
})

test('a process that does not have the encryption key yet goes on with what it knows, and says so', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  const app = await openTestApp(t, { ...ROTATING, testClock: clock, store })
  const login = await app.login()
  await openKeys(t, { clock, store, keys: { ...ROTATING.keys, encryptionKey: [randomBytes(32), ENCRYPTION_KEY] } })
  const warnings: Error[] = []
  const listen = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  for (let round = 1; round <= 2; round += 1) {
    await reload(clock, [app.kit], () => app.seen.filter(({ name }) => name === 'keys_unavailable').length === round)
  }
  t.is((await app.me(login.token, login.cookie)).status, 200)
  await app.login()
  t.deepEqual(codesOf(app.seen), ['ERR_KEYS_UNAVAILABLE', 'ERR_KEYS_UNAVAILABLE'])
  await until(() => warnings.some(({ message }) => message.includes('keys.encryptionKey')), 'a warning')
  t.is(warnings.filter(({ message }) => message.includes('keys.encryptionKey')).length, 1, 'once')
  for (const warning of warnings) assertNoSecret(t, warning)
})

test('KY-16 what is no ring of keys is a clear error at start, and at run time what is known goes on', async (t) => {
  const clock = createClock()
  const whole = await seal(privateJwk)
  const { d, ...publicJwk } = privateJwk
  const bad: Readonly<Record<string, unknown>> = {
    'a number': 5,
    nothing: null,
    'an object': {},
    'a number in a list': [5],
    'an empty text': [''],
    'a token': ['a.b.c'],
    'a JWE of another kind': [whole.replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString('base64url'))],
    'a megabyte': ['x'.repeat(1e6)],
    'a thousand': Array.from({ length: 1000 }, () => whole),
    'a JWE with another encryption': [await seal(privateJwk, { enc: 'A128CBC-HS256' })],
    'no key': [await seal([] as object)],
    'a public key': [await seal(publicJwk)],
    'another kid': [await seal(privateJwk, { sub: 'another' })],
    'another issuer': [await seal(privateJwk, { iss: 'https://other.example' })],
    'no time': [await seal(privateJwk, { nbf: undefined })],
    'no creation': [await seal(privateJwk, { iat: 'now' })],
    'a key of another use': [await seal({ ...privateJwk, use: 'enc' })],
  }
  t.truthy(d)
  for (const [name, value] of Object.entries(bad)) {
    const store = memoryStore({ clock })
    const app = await openTestApp(t, { ...ROTATING, testClock: clock, store })
    await write(store, value)
    const error = await t.throwsAsync(openKeys(t, { clock, store }), { instanceOf: Error }, name)
    t.regex(error.message, /^(?:keys?|keys\.encryptionKey|key use|use|kid): /, name)
    assertNoSecret(t, error)
    await reload(clock, [app.kit], () => app.seen.some((one) => one.name === 'keys_unavailable'))
    const login = await app.login()
    t.is((await app.me(login.token, login.cookie)).status, 200, name)
    await t.throwsAsync(app.kit.rotateKeys(), { instanceOf: Error }, name)
    t.deepEqual((await store.get('key', ISSUER))?.value, { keys: value }, 'it is left alone')
  }
  const store = memoryStore({ clock })
  for (const value of [5, null, 'text', []]) {
    await store.set('key', { key: ISSUER, value, expires: NEVER })
    await t.throwsAsync(openKeys(t, { clock, store }), { message: /^keys: / })
  }
})

test('KY-16 who can write to the store, but not encrypt, adds no key and changes no time', async (t) => {
  const clock = createClock()
  const store = memoryStore({ clock })
  const keys = await openKeys(t, { clock, store })
  const sealed = await readSealed(store)
  const [first, second] = sealed
  const own = await generateKey()
  const [, ...rest] = first.split('.')
  const header = { ...decodeProtectedHeader(second), nbf: 0 }
  const forgeries = {
    'a key of their own': [...sealed, await seal(own, {}, randomBytes(32))],
    'an earlier time': [
      first,
      [Buffer.from(JSON.stringify(header)).toString('base64url'), ...second.split('.').slice(1)].join('.'),
    ],
    'the name of another': [[second.split('.')[0], ...rest].join('.'), second],
    'another ciphertext': [first.replace(/\.[^.]+$/, `.${randomBytes(16).toString('base64url')}`), second],
  }
  for (const [name, value] of Object.entries(forgeries)) {
    await write(store, value)
    await t.throwsAsync(
      openKeys(t, { clock, store }),
      { instanceOf: TypeError, message: /^keys\.encryptionKey: / },
      name,
    )
  }
  await write(store, sealed, 'https://other.example')
  await t.throwsAsync(openKeys(t, { issuer: 'https://other.example', clock, store }), { message: /another issuer/ })
  await write(store, [second, first, second])
  t.deepEqual((await openKeys(t, { clock, store })).plan(), keys.plan(), 'order and copies mean nothing')
})

test('KY-16 IS-09 an encryption key is 32 random bytes, and no error repeats it', async (t) => {
  const drawn = randomBytes(32)
  const good: readonly (KeyEncryptionKey | readonly KeyEncryptionKey[])[] = [
    drawn,
    new Uint8Array(drawn),
    drawn.toString('base64'),
    drawn.toString('base64url'),
    `${drawn.toString('base64')}\n`,
    [drawn, randomBytes(32)],
  ]
  for (const encryptionKey of good) {
    const keys = await openKeys(t, { store: memoryStore(), keys: { ...ROTATING.keys, encryptionKey } })
    t.is(keys.plan().length, 2)
  }
  const bad: Readonly<Record<string, unknown>> = {
    'too short': randomBytes(31),
    'too long': randomBytes(33).toString('base64'),
    'typed text': 'correct horse battery staple 123',
    hex: drawn.toString('hex'),
    zeros: Buffer.alloc(32),
    'zeros in base64': Buffer.alloc(32).toString('base64'),
    'text in bytes': Buffer.from('correct horse battery staple 123'),
    empty: '',
    'an empty list': [],
    'a list with nothing': [drawn, undefined],
    'a number': 5,
    null: null,
    'a JWK': { kty: 'oct', k: drawn.toString('base64url') },
  }
  for (const [name, encryptionKey] of Object.entries(bad)) {
    const attempt = openKeys(t, {
      store: memoryStore(),
      keys: { ...ROTATING.keys, encryptionKey: encryptionKey as never },
    })
    const error = await t.throwsAsync(
      attempt,
      { instanceOf: TypeError, message: /^keys\.encryptionKey: .*openssl rand/ },
      name,
    )
    assertNoSecret(t, error, drawn)
    t.false(error.message.includes('horse'), name)
  }
})

function assertNoSecret(t: ExecutionContext, error: unknown, ...more: Uint8Array[]): void {
  const text = inspect(error, { depth: Infinity, showHidden: true })
  const secrets = [ENCRYPTION_KEY, ...KEYS, ...more].map((key) =>
    typeof key === 'string' ? Buffer.from(key, 'base64') : Buffer.from(key),
  )
  for (const secret of secrets) {
    for (const form of ['base64', 'base64url', 'hex'] as const)
      t.false(text.includes(secret.toString(form).slice(0, 20)))
  }
  t.false(text.includes(String(privateJwk.d)))
}
