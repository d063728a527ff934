// inspect: what it says of a token is what a verifier says, in words; what is secret in it stays secret.

import { createServer } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import {
  createEncryptionKeys,
  createKeySet,
  generateEncryptionKey,
  generateKey,
  isSessionError,
} from '../../src/index.ts'
import { createTokenVerifier } from '../../src/verifier.ts'
import { ISSUER, openTestApp, privateJwk } from '../helpers/app.ts'
import { runCli } from '../helpers/cli.ts'
import { forge, type Json, sign, validClaims, validHeader } from '../helpers/forge.ts'
import { listen } from '../helpers/http.ts'

const cwd = await mkdtemp(join(tmpdir(), 'koa-holdfast-'))
const keys = await createKeySet({ keys: [privateJwk] })
await writeFile(join(cwd, 'jwks.json'), JSON.stringify(keys.jwks()))
test.after.always(() => rm(cwd, { recursive: true, force: true }))

const VERIFYING = ['--issuer', ISSUER, '--jwks', 'jwks.json', '--cookie', 'cookie']
const now = { clock: Date.now }

interface Report {
  readonly kind: string
  readonly header?: Json
  readonly claims?: Json
  readonly checks: readonly { readonly name: string; readonly state: string; readonly code?: string }[]
  readonly verdict: string
  readonly code?: string
}

/** A token with these claims, and the fingerprint that fits. */
function make(claims: Json = {}, header: Json = {}): { readonly token: string; readonly fingerprint: string } {
  const valid = validClaims(now, claims)
  return { token: sign(validHeader(header), valid.claims), fingerprint: valid.fingerprint }
}

const inspect = async (token: string, ...words: string[]): Promise<Report & { readonly exitCode: number | null }> => {
  const { code: exitCode, json } = await runCli(['inspect', ...words, '--json'], { cwd, stdin: `${token}\n` })
  return { ...(json as unknown as Report), exitCode }
}

test('a genuine pair is verified, with the cookie as a value, a header or a jar of curl', async (t) => {
  const { token, fingerprint } = make()
  const jar = `# Netscape HTTP Cookie File\n#HttpOnly_app.example\tFALSE\t/\tTRUE\t0\t__Secure-Fgp\t${fingerprint}\n`
  for (const cookie of [fingerprint, `Cookie: a=b; __Secure-Fgp=${fingerprint}; c=d`, jar]) {
    await writeFile(join(cwd, 'cookie'), cookie)
    const report = await inspect(token, ...VERIFYING)
    t.deepEqual([report.exitCode, report.verdict], [0, 'verified'])
    t.deepEqual(
      report.checks.map(({ name, state }) => `${name} ${state}`),
      [
        ...['form passed', 'key passed', 'signature passed', 'claims passed', 'issuer passed', 'audience passed'],
        ...['time passed', 'revocation none', 'fingerprint passed'],
      ],
    )
  }
})

test('without keys nothing is verified, and it says so', async (t) => {
  const { code, stdout } = await runCli(['inspect'], { cwd, stdin: make().token })
  t.is(code, 0)
  t.regex(stdout, /Not verified: key, signature, issuer, audience, fingerprint\./)
})

test('times are told in words', async (t) => {
  const iat = Math.floor(Date.now() / 1000) - 1080
  const expired = await runCli(['inspect'], { cwd, stdin: make({ iat, auth_time: iat, exp: iat + 900 }).token })
  t.is(expired.code, 1)
  t.regex(expired.stdout, /exp .*Z +expired 3 minutes ago/)
  t.regex(expired.stdout, /iat .*Z +issued 18 minutes ago/)
  t.regex(expired.stdout, /A verifier refuses it: ERR_TOKEN_EXPIRED/)
  const live = await runCli(['inspect'], { cwd, stdin: make({ exp: Math.floor(Date.now() / 1000) + 625 }).token })
  t.regex(live.stdout, /expires in 10 minutes/)
})

/** Tokens with one fault each. The verifier itself says what it is. */
const FAULTS: readonly (readonly [string, Json, Json?])[] = [
  ['another issuer', { iss: 'https://other.example' }],
  ['another audience', { aud: 'https://other.example' }],
  ['a missing claim', { jti: undefined }],
  ['no session', { sid: undefined }],
  ['a claim of the wrong type', { sub: 7 }],
  ['a binding that nobody asked for', { cnf: { jkt: 'x' } }],
  ['a broken fingerprint', { fgp: 'short' }],
  ['a lifetime of ten years', { exp: Math.floor(Date.now() / 1000) + 315_360_000 }],
  ['no more time', { iat: 1_700_000_000, iat_ms: undefined, auth_time: undefined, exp: 1_700_000_900 }],
  ['time to come', { iat: Math.floor(Date.now() / 1000) + 600, auth_time: undefined }],
  ['another fingerprint', { fgp: 'A'.repeat(43) }],
  ['another type', {}, { typ: 'JWT' }],
  ['a ticket', {}, { typ: 'ticket+jwt' }],
  ['no type', {}, { typ: undefined }],
  ['an unknown key', {}, { kid: 'other' }],
  ['another algorithm', {}, { alg: 'ES512' }],
  ['no algorithm', {}, { alg: 'none' }],
  ['a key of its own', {}, { jwk: {} }],
]

for (const [what, claims, header] of FAULTS) {
  test(`a token with ${what} is refused with the code that the verifier has for it`, async (t) => {
    const { token, fingerprint } = make(claims, header)
    const verifier = createTokenVerifier({
      issuer: ISSUER,
      audience: [ISSUER],
      keys,
      revocations: { has: () => false, hasKey: () => false },
      format: 'base64url',
      binding: 'required',
      typ: 'at+jwt',
      maxBytes: 8192,
      clock: Date.now,
      clockTolerance: 0,
      maxLifetime: 86_400,
      requiredClaims: ['sid'],
    })
    const error = await t.throwsAsync(async () => verifier.verify({ token, fingerprints: [fingerprint] }))
    const file = `cookie-${what.replaceAll(' ', '-')}`
    await writeFile(join(cwd, file), fingerprint)
    const report = await inspect(token, '--issuer', ISSUER, '--jwks', 'jwks.json', '--cookie', file)
    t.deepEqual(
      [report.exitCode, report.verdict, report.code],
      [1, 'refused', isSessionError(error) ? error.code : '?'],
    )
  })
}

test('a signature of another key, or of nobody, is refused', async (t) => {
  const other = { ...(await generateKey()), kid: privateJwk.kid ?? '' }
  const { claims } = validClaims(now)
  for (const token of [sign(validHeader(), claims, other), forge(validHeader(), claims, Buffer.alloc(64, 1))]) {
    const report = await inspect(token, '--jwks', 'jwks.json')
    t.deepEqual([report.exitCode, report.code], [1, 'ERR_TOKEN_SIGNATURE'])
  }
})

test('every fault is told, and the first is the verdict', async (t) => {
  const { checks, code } = await inspect(make({ aud: 'other', exp: 1 }).token, '--issuer', 'https://other.example')
  t.is(code, 'ERR_TOKEN_CLAIMS')
  t.deepEqual(
    checks.filter(({ state }) => state === 'failed').map(({ name }) => name),
    ['claims'],
  )
  const old = { iat: 1_700_000_000, iat_ms: undefined, auth_time: undefined, exp: 1_700_000_900 }
  const both = await inspect(make(old).token, '--issuer', 'https://other.example')
  t.deepEqual(
    both.checks.filter(({ state }) => state === 'failed').map(({ name }) => name),
    ['issuer', 'audience', 'time'],
  )
})

test('CK-02 neither signature, token nor fingerprint is printed, whatever is wrong with it', async (t) => {
  const { token, fingerprint } = make()
  await writeFile(join(cwd, 'mine'), fingerprint)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const { fgp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { fgp: string }
  const broken = [token, `${header}.${payload}.${signature}=`, `${header}.${payload}`, `${header}.!.${signature}`]
  for (const text of [...broken, `x.${token}`, `${token}.${signature}.${signature}`]) {
    for (const words of [[], ['--json'], ['--cookie', 'mine', '--jwks', 'jwks.json']]) {
      const { stdout, stderr } = await runCli(['inspect', ...words], { cwd, stdin: text })
      for (const secret of [payload, signature, fingerprint, fgp]) t.false(`${stdout}${stderr}`.includes(secret))
    }
  }
})

test('the fingerprint of the OWASP format is known, checked and cut as well', async (t) => {
  const digest = 'AB'.repeat(32)
  const { claims } = await inspect(make({ fgp: undefined, userFingerprint: digest }).token)
  t.is(claims?.['userFingerprint'], 'ABABAB…')
})

test('a delegated token, which names no fingerprint, is verified without one', async (t) => {
  const report = await inspect(make({ fgp: undefined }).token, '--issuer', ISSUER, '--jwks', 'jwks.json')
  t.deepEqual([report.exitCode, report.verdict], [0, 'verified'])
})

test('an encrypted token is known for one, and nothing but its header is printed', async (t) => {
  const encryption = await createEncryptionKeys({ keys: [await generateEncryptionKey()] })
  const app = await openTestApp(t, { accessToken: { encryption } })
  const { token } = await app.login()
  const { code, stdout } = await runCli(['inspect'], { cwd, stdin: token })
  t.is(code, 0)
  t.regex(stdout, /enc {2}A256GCM/)
  t.regex(stdout, /Encrypted \(JWE\): .* Not verified: content\./)
  for (const part of token.split('.')) t.false(stdout.includes(part))
})

test('what looks like a JWE and is none of ours is refused, and nothing encrypted is printed', async (t) => {
  const header = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid: 'one' })).toString('base64url')
  const parts = ['', 'aW5pdHZlY3Rvcg', 'Y2lwaGVydGV4dA', 'dGFnLXRhZy10YWc']
  const { code, stdout } = await runCli(['inspect'], { cwd, stdin: [header, ...parts].join('.') })
  t.is(code, 1)
  t.regex(stdout, /enc {2}A256GCM/)
  t.regex(stdout, /Encrypted \(JWE\)/)
  for (const part of parts.slice(1)) t.false(stdout.includes(part))
})

test('what is no token is said to be none, and not repeated', async (t) => {
  for (const stdin of ['', 'hunter2', 'a.b.c', '{"access_token":"hunter2"}']) {
    const { code, stdout } = await runCli(['inspect'], { cwd, stdin })
    t.is(code, 1)
    t.regex(stdout, /This is no token/)
    t.notRegex(stdout, /hunter2/)
  }
})

test('claims cannot move the cursor of the terminal', async (t) => {
  const { token } = make({ sub: 'a\u001B[2Jb\u009B1m\u202Ec', 'x\u001B]0;y\u0007': '\r\nfgp  fine' })
  for (const words of [[], ['--json']]) {
    const { stdout } = await runCli(['inspect', ...words], { cwd, stdin: token })
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    t.notRegex(stdout, /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/)
    t.regex(stdout, /\\u001b\[2Jb\\u009b1m\\u202ec/)
  }
})

test('keys come from a URL too: https, or this machine; bounded, and without following it elsewhere', async (t) => {
  const answers: Readonly<Record<string, readonly [number, string]>> = {
    '/jwks': [200, JSON.stringify(keys.jwks())],
    '/moved': [302, ''],
    '/long': [200, 'x'.repeat(300_000)],
    '/html': [200, '<html>'],
  }
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const [status, body] = answers[request.url ?? ''] ?? [404, '']
    const type = request.url === '/html' ? 'text/html' : 'application/jwk-set+json'
    response.writeHead(status, { Location: '/jwks', 'Content-Type': type }).end(body)
  })
  const origin = `http://127.0.0.1:${await listen(t, server)}`
  const { token } = make()
  const run = (url: string) => runCli(['inspect', '--jwks', url], { cwd, stdin: token })
  t.regex((await run(`${origin}/jwks`)).stdout, /✓ signature/)
  const moved = await run(`${origin}/moved`)
  t.is(moved.code, 3)
  t.regex(moved.stderr, /answered 302$/m)
  t.is((await run(`${origin}/long`)).code, 3)
  t.is((await run(`${origin}/html`)).code, 1)
  t.is((await run(`${origin}/nothing`)).code, 3)
  t.deepEqual(asked, ['/jwks', '/moved', '/long', '/html', '/nothing'])
  t.is((await run('http://issuer.example/jwks')).code, 2)
  t.is((await run('http://127.0.0.1:1/jwks')).code, 3)
})
