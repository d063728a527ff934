// Every option of createSessionKit with every kind of wrong value: a TypeError, at once, that begins with its name.

import test, { type ExecutionContext } from 'ava'
import { RateLimiterMemory } from 'rate-limiter-flexible'

import {
  createKeySet,
  createSessionKit,
  generateKey,
  memoryStore,
  type SessionKit,
  type SessionKitOptions,
} from '../src/index.ts'
import { ISSUER, openTestApp, postRefresh, privateJwk } from './helpers/app.ts'

const keys = await createKeySet({ keys: [privateJwk] })
const { d: _private, ...publicJwk } = JSON.parse(JSON.stringify(privateJwk)) as Record<string, unknown>
const publicKeys = await createKeySet({ keys: [publicJwk] })
const LOCAL = 'http://localhost:3000'
const LONG = 'x'.repeat(10_000)

/** A kit with these options in place of good ones; the cast is what a JavaScript caller does. */
function build(options: object): Promise<SessionKit> {
  return createSessionKit({ issuer: ISSUER, keys, store: memoryStore(), ...options })
}

/** What is wrong with the refusal of wrong options; undefined for a TypeError that names the option. */
async function findFault(name: string, options: object): Promise<string | undefined> {
  try {
    const kit = await build(options)
    await kit.close()
    return 'accepted'
  } catch (error) {
    if (!(error instanceof TypeError)) return `threw ${String(error)}`
    const { message } = error
    const isGood = message.startsWith(`${name}: expected `) && message.includes(', got ') && message.length < 600
    return isGood ? undefined : message
  }
}

/** All cases of a table at once, so that a failure lists every one. */
async function assertAllWrong(
  t: ExecutionContext,
  cases: readonly (readonly [string, object, unknown])[],
): Promise<void> {
  const faults: string[] = []
  for (const [name, options, value] of cases) {
    const fault = await findFault(name, options)
    if (fault !== undefined) faults.push(`${name} = ${show(value)}: ${fault}`)
  }
  t.deepEqual(faults, [])
}

const STRANGE: readonly unknown[] = [0, 1, NaN, true, false, Symbol('x'), 1n, {}, [], () => {}, new Date(0)]
const isText = (value: unknown): boolean => typeof value === 'string'
const isNumber = (value: unknown): boolean => typeof value === 'number'
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isFunction = (value: unknown): boolean => typeof value === 'function'
const none = (): boolean => false

interface Row {
  /** The option, dotted. */
  readonly name: string
  /** Which of the strange values are right in kind, and so not wrong here. */
  readonly except?: (value: unknown) => boolean
  /** Wrong in their own way. */
  readonly values: readonly unknown[]
  /** What has to stand beside it. */
  readonly beside?: Readonly<Record<string, unknown>>
}

const BAD_DURATIONS = [
  '',
  '15',
  'abc',
  '-5m',
  '5 parsecs',
  '1.5s',
  '1e3s',
  ' 5m',
  '5m ',
  '5m\n',
  LONG,
  -1,
  0.5,
  NaN,
  Infinity,
  '15ms',
]

const ROWS: readonly Row[] = [
  {
    name: 'issuer',
    values: [
      ...[undefined, '', 'app.example', 'app.example:443', '//app.example', 'https://', 'https://app.example/'],
      ...['https://app.example/path', 'https://app.example?x', 'https://app.example#x', 'https://APP.example'],
      ...['HTTPS://app.example', 'https://app.example:443', 'https://user:pw@app.example', 'https://münchen.example'],
      ...['http://app.example', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example', 'http://127.1'],
      ...['http://0.0.0.0', 'http://[::]', 'http://10.0.0.1', 'ftp://app.example', 'javascript:alert(1)', 'null'],
      ...[
        ' https://app.example',
        'https://app.example ',
        'https://app.example\n',
        'https://*.example',
        'https://*',
        LONG,
      ],
      ...[new URL('https://app.example'), ['https://app.example']],
    ],
  },
  {
    name: 'audience',
    except: isText,
    values: ['', [''], [1], [undefined], ['x', ''], ['x'.repeat(256)], 'x'.repeat(256), [['x']], new Set(['x'])],
  },
  { name: 'keys', values: ['x', [privateJwk], privateJwk, publicKeys, createKeySet(), { get: 1 }, new Map()] },
  {
    name: 'store',
    values: ['x', { get: () => {} }, { swap: 1 }, { swap: () => {} }, memoryStore, Promise.resolve(memoryStore())],
  },
  { name: 'authenticate', except: isFunction, values: ['x', { call: 1 }] },
  { name: 'reauthorize', except: isFunction, values: ['x', { call: 1 }] },
  {
    name: 'limiter',
    except: (value) => isFunction(value) || value === false,
    values: ['x', 60, 'false', { call: 1 }, { count: 10 }],
  },
  { name: 'clock', except: isFunction, values: ['x', Date.now()] },
  {
    name: 'prefix',
    values: [
      '',
      '/',
      'auth',
      '/auth/',
      '//auth',
      '/auth//x',
      '/a b',
      '/auth?x',
      '/auth#x',
      '/:x',
      '/(.*)',
      '/a%2fb',
      '/é',
      '/auth\n',
      '/*x',
      '/{x}',
    ],
  },
  { name: 'accessToken', except: isObject, values: ['15m', 900, [], [1]] },
  { name: 'accessToken.lifetime', except: isPositive, values: [...BAD_DURATIONS, 0, '0s', '61m', '2h', 3601] },
  { name: 'accessToken.maxLifetime', except: isPositive, values: [...BAD_DURATIONS, 0, '25h', '2d', 86_401] },
  {
    name: 'accessToken.maxCached',
    except: (value) => value === 0 || value === 1,
    values: [-1, 1.5, 1_000_001, Number.NaN, Infinity, '100', null],
  },
  { name: 'accessToken.maxBytes', values: [511, 8193, 4096.5, -4096, Infinity, '4096', '4kb'] },
  { name: 'session', except: isObject, values: ['8h', 28_800, [], [1]] },
  { name: 'session.absolute', except: isPositive, values: [...BAD_DURATIONS, 0, '401d', '2 years'] },
  // Between the life of a token, 15 minutes, and the absolute end, 8 hours.
  { name: 'session.idle', values: [...BAD_DURATIONS, 0, '401d', '14m', 899, '1s', '481m', 28_801, '8.1h'] },
  { name: 'session.remembered', except: isObject, values: ['30d', 3600, true, [], [1]] },
  { name: 'session.remembered.absolute', except: isPositive, values: [...BAD_DURATIONS, 0, '401d', '2 years'] },
  // Its own absolute end is 30 days.
  { name: 'session.remembered.idle', values: [...BAD_DURATIONS, 0, '401d', '14m', 899, '31d', 2_592_001] },
  { name: 'session.max', except: (value) => value === 1, values: [-1, 0, 1.5, 1001, -Infinity, '5', [5], 2 ** 53] },
  { name: 'session.onMax', values: ['', 'Evict', 'reject', 'refused', 'oldest', '__proto__', ['evict']] },
  { name: 'refreshToken', except: isObject, values: ['cookie', 10, [], [1]] },
  { name: 'refreshToken.transport', values: ['', 'Cookie', 'header', 'json', 'both', '__proto__', ['cookie']] },
  {
    name: 'refreshToken.grace',
    except: (value) => value === 0 || isPositive(value),
    values: [...BAD_DURATIONS, '61s', 61, '2m'],
  },
  { name: 'fingerprint', except: isObject, values: ['owasp', [], [1]] },
  { name: 'fingerprint.format', values: ['', 'hex', 'OWASP', 'base64', 'toString', '__proto__', ['owasp']] },
  { name: 'cookie', except: isObject, values: ['__Host-', [], [1]] },
  { name: 'cookie.prefix', values: ['', '__Host', '__host-', '__Http-', 'Fgp', '__proto__', ['__Host-']] },
  {
    name: 'cookie.name',
    values: [
      ...[
        '',
        'Fgp',
        '__Http-Fgp',
        '__Secure-a b',
        '__Secure-a;b',
        '__Secure-a=b',
        '__Secure-a,b',
        '__Secure-a"b',
        '__Secure-é',
      ],
      ...[
        '__Secure-a\n',
        '__Secure-a\r\nSet-Cookie: x=y',
        '__Secure-(',
        `__Secure-${LONG}`,
        `__Secure-${'x'.repeat(56)}`,
      ],
    ],
  },
  {
    name: 'cookie.domain',
    values: [
      ...[
        '',
        '.app.example',
        'app.example.',
        'localhost',
        'com',
        'app..example',
        '-app.example',
        'app_x.example',
        'https://app.example',
      ],
      ...[
        'app.example:443',
        'app.example/',
        'app.example; Path=/',
        'app.example\r\nX: y',
        '*.example',
        'app .example',
        'münchen.example',
      ],
      ...[`${'a.'.repeat(200)}app.example`, LONG, ['app.example']],
    ],
  },
  {
    name: 'cookie.path',
    values: ['', 'auth', 'auth/', ' /', '/a;b', '/a; Secure', '/a b', '/é', '/\r\nX: y', '/\n', `/${LONG}`, ['/']],
  },
  { name: 'cookie.sameSite', values: ['', 'Strict', 'STRICT', 'no', 'none', 'default', '__proto__', ['strict']] },
  { name: 'cookie.crossSiteReason', except: isText, values: [['x']] },
  {
    name: 'cookie.partitioned',
    except: isBoolean,
    values: ['true', '', 'false'],
    beside: { sameSite: 'none', crossSiteReason: 'x' },
  },
  { name: 'cookie.lifetime', values: ['', 'token', 'Session', '15m', 900, '__proto__', ['session']] },
  { name: 'cookie.tlsProxy', except: isBoolean, values: ['true', 'false', ''] },
  { name: 'cookie.development', except: isBoolean, values: ['true', 'false', ''] },
  {
    name: 'origins',
    except: Array.isArray,
    values: [
      ...[
        'https://www.app.example',
        '*',
        '',
        new Set(['https://www.app.example']),
        { 0: 'https://www.app.example', length: 1 },
      ],
      ...[
        [1],
        [undefined],
        [''],
        ['null'],
        ['*'],
        ['https://*'],
        ['https://*.app.example'],
        ['*.app.example'],
        ['app.example'],
      ],
      ...[
        ['https://www.app.example/'],
        ['https://www.app.example/x'],
        ['https://WWW.app.example'],
        ['https://www.app.example:443'],
      ],
      ...[
        ['http://www.app.example'],
        ['file:///'],
        ['chrome-extension://abc'],
        ['https://u:p@www.app.example'],
        [/app/],
      ],
      ...[['https://ok.example', 'bad'], [['https://www.app.example']], [new URL('https://www.app.example')]],
    ],
  },
  { name: 'onSidejack', values: ['', 'Revoke', 'ignore', 'allow', 'none', '__proto__', ['revoke']] },
  {
    name: 'clearSiteData',
    except: Array.isArray,
    values: ['storage', '*', '', ['*'], ['"storage"'], ['Storage'], [1], [null], ['storage', 'x'], [['storage']]],
  },
  { name: 'hsts', except: isBoolean, values: ['true', 'max-age=1', ''] },
  {
    name: 'clockTolerance',
    except: (value) => value === 0 || isPositive(value),
    values: [...BAD_DURATIONS, '6m', 301],
  },
]

for (const { name, except = none, values, beside = {} } of ROWS) {
  test(`the option ${name} refuses every wrong value and is named`, async (t) => {
    const wrong = [...values, ...STRANGE.filter((strange) => !except(strange))]
    await assertAllWrong(
      t,
      wrong.map((value) => [name, nest(name, value, beside), value]),
    )
  })
}

test('null is a wrong value for every option, never its default', async (t) => {
  await assertAllWrong(
    t,
    ROWS.map(({ name, beside = {} }) => [name, nest(name, null, beside), null]),
  )
})

test('undefined is the same as leaving an option out', async (t) => {
  for (const { name } of ROWS) {
    if (['issuer', 'keys', 'store'].includes(name)) continue
    const kit = await build(nest(name, undefined, {}))
    await kit.close()
  }
  t.pass()
})

test('options that are no object, or none, are refused', async (t) => {
  for (const options of [undefined, null, 1, 'https://app.example', true, () => {}, Symbol('x')]) {
    const error = await t.throwsAsync(createSessionKit(options as never), { instanceOf: TypeError })
    t.true(error?.message.startsWith('options: expected '))
  }
  await t.throwsAsync(createSessionKit([] as never), { instanceOf: TypeError })
  await t.throwsAsync(createSessionKit({} as never), { instanceOf: TypeError, message: /^issuer: / })
})

const MISSPELT: readonly (readonly [group: string, member: string, value: unknown])[] = [
  ...['Issuer', 'iss', 'aud', 'audiences', 'key', 'keySet', 'storage', 'authenticator', 'path', 'cookies'].map(
    (member) => ['options', member, 'x'] as const,
  ),
  ...['onSideJack', 'onsidejack', 'cors', 'origin', 'allowedOrigins', 'HSTS', 'clockSkew', 'revocation', 'secret'].map(
    (member) => ['options', member, 'x'] as const,
  ),
  ...['constructor', 'toString', 'hasOwnProperty'].map((member) => ['options', member, 'x'] as const),
  ...['lifeTime', 'maxAge', 'expiresIn', 'ttl', 'maxlifetime', 'maxSize'].map((m) => ['accessToken', m, '1m'] as const),
  ...['absolut', 'Idle', 'maxAge', 'lifetime', 'remember', 'onmax', 'limit'].map((m) => ['session', m, '1m'] as const),
  ...['absolut', 'Idle', 'max', 'lifetime'].map((member) => ['session.remembered', member, '1m'] as const),
  ...['Transport', 'graceful', 'lifetime', 'rotate', 'name'].map((m) => ['refreshToken', m, 'cookie'] as const),
  ...['reauthorise', 'reAuthorize', 'onRefresh', 'refresh', 'sessions', 'rateLimit'].map(
    (m) => ['options', m, 'x'] as const,
  ),
  ...['formt', 'hash', 'bytes'].map((member) => ['fingerprint', member, 'owasp'] as const),
  ...['secure', 'httpOnly', 'samesite', 'SameSite', 'maxAge', 'expires', 'signed', 'Domain', 'host', 'overwrite'].map(
    (member) => ['cookie', member, true] as const,
  ),
]

test('a misspelt option is refused rather than ignored, and is named', async (t) => {
  for (const [group, member, value] of MISSPELT) {
    const options = nest(group === 'options' ? member : `${group}.${member}`, value, {})
    await assertAllWrong(t, [[group, options, member]])
    const error = await t.throwsAsync(build(options))
    t.true(error?.message.includes(JSON.stringify(member)), member)
  }
})

test('an own member named __proto__ is refused like any other stranger', async (t) => {
  const raw = JSON.parse(`{"issuer":"${ISSUER}","__proto__":{"hsts":true}}`) as SessionKitOptions
  await t.throwsAsync(createSessionKit(raw), { instanceOf: TypeError, message: /^options: / })
})

test('a kit for the internet does not make its own key or store', async (t) => {
  const error = await t.throwsAsync(createSessionKit({ issuer: ISSUER, store: memoryStore() }), {
    instanceOf: TypeError,
  })
  t.true(error?.message.startsWith('keys: expected '))
  const other = await t.throwsAsync(createSessionKit({ issuer: ISSUER, keys }), { instanceOf: TypeError })
  t.true(other?.message.startsWith('store: expected '))
})

test('CK-03 CK-04 CK-05 what a browser would silently drop is refused', async (t) => {
  const cases: readonly (readonly [string, object, string?])[] = [
    ['cookie.sameSite', { sameSite: 'none' }],
    ['cookie.partitioned', { partitioned: true }],
    ['cookie.partitioned', { partitioned: true, sameSite: 'lax' }],
    ['cookie.name', { prefix: '__Host-', domain: 'app.example' }],
    ['cookie.name', { prefix: '__Host-Http-', path: '/auth' }],
    ['cookie.development', { development: true }],
    // Another host's domain: RFC 6265bis section 5.7, the request host has to domain-match.
    ['cookie.domain', { domain: 'other.example' }],
    ['cookie.domain', { domain: 'sub.app.example' }],
    ['cookie.domain', { domain: 'pp.example' }],
    // Without Secure there is no SameSite=None and no Partitioned: RFC 6265bis section 5.7, CHIPS.
    ['cookie.sameSite', { development: true, sameSite: 'none', crossSiteReason: 'x' }, LOCAL],
    ['cookie.partitioned', { development: true, sameSite: 'none', crossSiteReason: 'x', partitioned: true }, LOCAL],
    ['cookie.domain', { domain: 'app.example' }, LOCAL],
  ]
  const accepted: string[] = []
  for (const [name, cookie, issuer = ISSUER] of cases) {
    const fault = await findFault(name, { cookie, issuer })
    // Which of two options that contradict each other is named does not matter.
    if (fault !== undefined && !/^cookie\.[a-zA-Z]+: expected /.test(fault)) {
      accepted.push(`${name} of ${JSON.stringify(cookie)}: ${fault}`)
    }
  }
  t.deepEqual(accepted, [])
})

test('CK-04 a prefix beside a name with another one is refused: neither wins in silence', async (t) => {
  for (const cookie of [
    { prefix: '__Host-', name: '__Secure-Fgp' },
    { prefix: '__Host-Http-', name: '__Host-Fgp' },
  ]) {
    const error = await t.throwsAsync(build({ cookie }), { instanceOf: TypeError }, JSON.stringify(cookie))
    t.regex(error?.message ?? '', /^cookie\.(?:name|prefix): /)
  }
})

test('a name that is not used all the same has to be right', async (t) => {
  await assertAllWrong(
    t,
    [1, '', 'a b', LONG].map((name) => ['cookie.name', { issuer: LOCAL, cookie: { development: true, name } }, name]),
  )
})

test('a prefix that a browser would rewrite is refused', async (t) => {
  await assertAllWrong(
    t,
    ['/..', '/.', '/a/..', '/../auth', '/a/./b'].map((prefix) => ['prefix', { prefix }, prefix]),
  )
})

test('an audience that would make every token of the kit invalid is refused', async (t) => {
  const many = Array.from({ length: 65 }, (_, i) => `a${i}`)
  await assertAllWrong(
    t,
    ['a\nb', ['a\u0000b'], 'a\u0085b', many].map((audience) => ['audience', { audience }, audience]),
  )
})

test('a message repeats no key material', async (t) => {
  const secret = '0123456789abcdef0123456789abcdef'
  for (const options of [{ keys: secret }, { keys: [secret] }, { keys: { k: secret } }, { keys: LONG }]) {
    const error = await t.throwsAsync(build(options), { instanceOf: TypeError })
    t.false(error?.message.includes(secret))
    t.false(error?.message.includes('xxxxxxxxxx'))
  }
})

test('every good value is accepted', async (t) => {
  const good: readonly object[] = [
    ...[LOCAL, 'http://127.0.0.1', 'http://[::1]:8080', 'https://app.example:8443'].map((issuer) => ({ issuer })),
    ...['x', ['x'], ['x', 'y'], 'x'.repeat(255)].map((audience) => ({ audience })),
    ...['/auth', '/a/b', '/v1.0/a_b~c-d', '/.well-known'].map((prefix) => ({ prefix })),
    ...['1s', 1, '1h', '15 minutes', 3600].map((lifetime) => ({ accessToken: { lifetime } })),
    ...[512, 8192].map((maxBytes) => ({ accessToken: { maxBytes } })),
    ...[0, 1, 1_000_000].map((maxCached) => ({ accessToken: { maxCached } })),
    ...[{ lifetime: '24h', maxLifetime: '24h' }, { maxLifetime: 900 }].map((accessToken) => ({ accessToken })),
    ...[1, '1s', '400d', '400 days'].map((absolute) => ({ session: { absolute } })),
    ...['15m', 900, '30m', '8h', 28_800].map((idle) => ({ session: { idle } })),
    ...['15m', '7d', '30d'].map((idle) => ({ session: { remembered: { idle } } })),
    // A session that is shorter than a token has tokens that are as short, and may be idle for as long.
    ...[
      { absolute: '5m', idle: '5m' },
      { absolute: '400d', idle: '400d' },
    ].flatMap((limits) => [{ session: limits }, { session: { remembered: limits } }]),
    { session: { remembered: {} } },
    { accessToken: { lifetime: '1m' }, session: { idle: '1m', absolute: '1m' } },
    ...[1, 1000, Infinity].map((max) => ({ session: { max } })),
    ...['evict', 'refuse'].map((onMax) => ({ session: { max: 1, onMax } })),
    ...['cookie', 'body'].map((transport) => ({ refreshToken: { transport } })),
    ...[0, '0s', 1, '10s', 60, '1m'].map((grace) => ({ refreshToken: { grace } })),
    ...[{ limiter: false }, { reauthorize: () => null }],
    ...[0, '0s', 300, '5m'].map((clockTolerance) => ({ clockTolerance })),
    ...[[], ['https://www.app.example', 'http://localhost:5173']].map((origins) => ({ origins })),
    ...[['storage', 'cache', 'cookies'], ['cookies']].map((clearSiteData) => ({ clearSiteData })),
    ...['reject', 'revoke'].map((onSidejack) => ({ onSidejack })),
    ...['base64url', 'owasp'].map((format) => ({ fingerprint: { format } })),
    ...[
      { hsts: true },
      { hsts: false },
      { limiter: () => undefined },
      {
        limiter: {
          count: (limit: { readonly points: number; readonly duration: number }) => new RateLimiterMemory(limit),
        },
      },
      { clock: Date.now },
    ],
    ...[{ domain: 'app.example' }, { path: '/auth' }, { lifetime: 'session' }, { tlsProxy: true }].map((cookie) => ({
      cookie,
    })),
    { issuer: LOCAL, cookie: { development: true } },
    ...['/a/b', '/a/b/', '/a', '/'].map((path) => ({ prefix: '/a/b', cookie: { path } })),
    { cookie: { sameSite: 'none', crossSiteReason: 'x', partitioned: true, prefix: '__Host-' } },
  ]
  for (const options of good) {
    await t.notThrowsAsync(async () => (await build(options)).close(), JSON.stringify(options))
  }
})

const FULL = {
  issuer: ISSUER,
  audience: ['a', 'b'],
  keys,
  store: memoryStore(),
  authenticate: () => null,
  prefix: '/auth',
  accessToken: { lifetime: '15m', maxLifetime: '1h', maxBytes: 4096, maxCached: 20_000 },
  reauthorize: () => ({}),
  refreshToken: { transport: 'cookie', grace: '10s' },
  session: {
    ...{ absolute: '8h', idle: '30m', max: 5, onMax: 'evict' },
    remembered: { absolute: '30d', idle: '7d' },
  },
  fingerprint: { format: 'base64url' },
  cookie: {
    ...{ prefix: '__Secure-', name: '__Secure-Fgp', domain: 'app.example', path: '/', sameSite: 'strict' },
    ...{
      crossSiteReason: 'none needed',
      partitioned: false,
      lifetime: 'persistent',
      tlsProxy: false,
      development: false,
    },
  },
  origins: ['https://www.app.example'],
  onSidejack: 'revoke',
  limiter: () => undefined,
  clearSiteData: ['storage', 'cache'],
  hsts: true,
  clockTolerance: 5,
  clock: Date.now,
} as const satisfies SessionKitOptions

test('the table above knows every option', (t) => {
  const groups = new Set(['accessToken', 'refreshToken', 'session', 'session.remembered', 'fingerprint', 'cookie'])
  const namesIn = (name: string, value: unknown): string[] =>
    groups.has(name)
      ? [name, ...Object.entries(value as object).flatMap(([member, inner]) => namesIn(`${name}.${member}`, inner))]
      : [name]
  const dotted = Object.entries(FULL).flatMap(([name, value]) => namesIn(name, value))
  t.deepEqual(ROWS.map(({ name }) => name).toSorted(), dotted.toSorted())
})

test('SL-01 left out, the idle limit is 30 minutes, or as long as a token lives, or the session is', async (t) => {
  for (const [options, expected] of [
    [{}, 1800],
    [{ accessToken: { lifetime: '1h' } }, 3600],
    [{ session: { absolute: '10m' } }, 600],
    [{ accessToken: { lifetime: '1h' }, session: { absolute: '45m' } }, 2700],
  ] as const) {
    const app = await openTestApp(t, options)
    const { sid } = await app.login()
    t.is((await app.store.get('session', sid))?.expires, app.clock() + expected * 1000, JSON.stringify(options))
  }
})

test('the options are not modified', async (t) => {
  const options = copy(FULL)
  const kit = await createSessionKit(options)
  t.teardown(kit.close)
  kit.cors()
  kit.routes()
  kit.protect()
  t.deepEqual(options, copy(FULL))
  t.deepEqual(Object.keys(options), Object.keys(FULL))
})

test('frozen options, all the way down, are accepted', async (t) => {
  const options = copy(FULL)
  for (const value of Object.values(options))
    if (typeof value === 'object' && value !== FULL.store)
      for (const one of [value, ...Object.values(value)]) Object.freeze(one)
  const app = await openTestApp(t, Object.freeze(options))
  t.is((await app.me()).status, 401)
})

test('options without a prototype are accepted', async (t) => {
  const options = Object.assign(Object.create(null) as object, copy(FULL)) as SessionKitOptions
  const kit = await createSessionKit(options)
  await kit.close()
  t.pass()
})

test('what is changed in the options afterwards changes nothing', async (t) => {
  const origins = ['https://www.app.example']
  const audience = ['a']
  const clearSiteData: ('storage' | 'cache' | 'cookies')[] = ['storage']
  const cookie = { sameSite: 'strict' as 'strict' | 'lax' }
  const accessToken = { lifetime: '15m' }
  const refreshToken = { grace: 0 as number | string }
  const session = { idle: '20m', remembered: { absolute: '1d', idle: '1d' } }
  const app = await openTestApp(t, { origins, audience, clearSiteData, cookie, accessToken, refreshToken, session })
  origins.push('https://evil.example')
  audience[0] = 'evil'
  clearSiteData.push('cookies')
  cookie.sameSite = 'lax'
  accessToken.lifetime = '1h'
  refreshToken.grace = '60s'
  session.idle = '2h'
  session.remembered.absolute = '400d'
  session.remembered.idle = '400d'
  const remembered = await app.login('alice', { body: { remember: true } })
  for (const line of remembered.response.cookies) t.true(line.includes('Max-Age=86400;'), line)
  const login = await app.login()
  const { response, token, cookie: pair } = login
  t.is(response.json['expires_in'], 900)
  t.is(response.cookies.length, 2)
  for (const line of response.cookies) t.true(line.includes('SameSite=Strict') && line.includes('Max-Age=1200;'), line)
  const spare = await app.login()
  t.is((await postRefresh(app, spare)).status, 200)
  t.is((await postRefresh(app, spare)).status, 401, 'without a grace the second of two is a reuse')
  t.is((await app.me(token, pair)).status, 200)
  const headers = { Origin: 'https://evil.example', Authorization: `Bearer ${token}`, Cookie: pair }
  t.is((await app.request('POST', '/auth/logout', headers)).status, 403)
  const out = await app.request('POST', '/auth/logout', { Authorization: `Bearer ${token}`, Cookie: pair })
  t.is(out.headers['clear-site-data'], '"storage"')
})

test('protect() refuses a misspelt option and a wrong value, which would leave a route open', async (t) => {
  const kit = await build({})
  t.teardown(kit.close)
  const wrong = [
    ...[{ scopes: 'admin' }, { Scope: 'admin' }, { optionl: true }, { maxAge: '5m' }, { acrs: 'x' }],
    ...[{ optional: 'false' }, { optional: 1 }, { optional: null }, { scope: '' }, { scope: [] }, { scope: 'a"b' }],
    ...[
      { scope: 1 },
      { scope: [1] },
      { acr: '' },
      { acr: [] },
      { maxTokenAge: '15' },
      { maxTokenAge: -1 },
      'admin',
      null,
      [],
    ],
  ]
  const accepted = wrong.filter((options) => {
    try {
      kit.protect(options as never)
      return true
    } catch (error) {
      return !(error instanceof TypeError)
    }
  })
  t.deepEqual(accepted, [])
})

test('createKeySet() refuses a misspelt option, which would sign with a key that is lost at exit', async (t) => {
  const key = await generateKey()
  for (const options of [{ key: [key] }, { Keys: [key] }, { algorithms: 'ES256' }, { alg: 'RS256' }]) {
    await t.throwsAsync(createKeySet(options as never), { instanceOf: TypeError }, Object.keys(options).join())
  }
})

function isObject(value: unknown): boolean {
  return typeof value === 'object' && !Array.isArray(value)
}

function isPositive(value: unknown): boolean {
  return isNumber(value) && Number(value) > 0
}

/** `{ cookie: { path: value } }` for `cookie.path`. */
function nest(name: string, value: unknown, beside: object): object {
  const [group = '', ...members] = name.split('.')
  return { [group]: members.length === 0 ? value : { ...beside, ...nest(members.join('.'), value, {}) } }
}

/** Copies what is data; the store, the keys and the functions stay the same. */
function copy<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]: [string, unknown]) => {
      if (name === 'keys' || name === 'store' || typeof value !== 'object' || value === null) return [name, value]
      return [name, Array.isArray(value) ? [...(value as unknown[])] : copy(value)]
    }),
  ) as unknown as T
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60))
  return typeof value === 'object' && value !== null ? JSON.stringify(value).slice(0, 60) : String(value)
}
