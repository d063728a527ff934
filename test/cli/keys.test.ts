// keygen, jwks and convert: what real tools make goes in, what comes out is read by them, and no private part is shown.

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import test from 'ava'
import { calculateJwkThumbprint, type JWK } from 'jose'

import { generateKey, importKey } from '../../src/index.ts'
import { type CliRun, runCli, runOnTerminal } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/example.ts'
import { createKeyFiles } from '../helpers/key-files.ts'

const files = await createKeyFiles()
await Promise.all([
  files.openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'ec.pem'),
  files.openssl('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', 'sec1.pem'),
  files.openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'rsa.pem'),
  files.openssl('genpkey', '-algorithm', 'ED25519', '-out', 'ed.pem'),
  files.openssl('genrsa', '-out', 'weak.pem', '1024'),
  files.openssl('ecparam', '-name', 'secp256k1', '-genkey', '-noout', '-out', 'k1.pem'),
  files.sshKeygen('-q', '-t', 'ed25519', '-N', '', '-f', 'ssh-ed'),
  files.sshKeygen('-q', '-t', 'ecdsa', '-b', '521', '-N', '', '-f', 'ssh-ec'),
  files.sshKeygen('-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', 'ssh-rsa'),
  files.sshKeygen('-q', '-t', 'ed25519', '-N', 'a passphrase', '-f', 'ssh-locked'),
])
const secret = await generateKey('HS256')
await files.write('secret.json', JSON.stringify(secret))
test.after.always(() => files.remove())

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'] as const

/** What must not be seen of a private JWK. */
function secretsOf(jwk: JWK): string[] {
  return PRIVATE.flatMap((name) => jwk[name] ?? [])
}

function readJwk(text: string): JWK {
  return JSON.parse(text) as JWK
}

function shows(run: CliRun, secrets: readonly string[]): boolean {
  return secrets.some((one) => `${run.stdout}${run.stderr}`.includes(one))
}

for (const [algorithm, kty] of [
  ['ES256', 'EC'],
  ['EdDSA', 'OKP'],
  ['PS256', 'RSA'],
  ['HS256', 'oct'],
] as const) {
  test(`KY-16 keygen writes a ${algorithm} key for its owner only, and shows nothing private of it`, async (t) => {
    const cwd = await temporaryDirectory(t)
    const run = await runCli(['keygen', '--algorithm', algorithm, '--out', 'key.json'], { cwd })
    t.is(run.code, 0, run.stderr)
    t.is((await stat(join(cwd, 'key.json'))).mode & 0o777, 0o600)
    const jwk = readJwk(await readFile(join(cwd, 'key.json'), 'utf8'))
    t.like(jwk, { kty, alg: algorithm })
    t.true(secretsOf(jwk).length > 0)
    t.false(shows(run, secretsOf(jwk)))
    t.regex(
      run.stdout,
      new RegExp(`^key\\.json: a private key for ${algorithm}, kid [\\w-]{43}, readable by its owner`),
    )
    t.deepEqual(await readdir(cwd), ['key.json'])
  })
}

test('keygen makes an ES256 key unless told otherwise, and gives it to a program', async (t) => {
  const run = await runCli(['keygen'])
  t.is(run.code, 0)
  const key = await importKey(run.stdout)
  t.is(key.alg, 'ES256')
  t.truthy(key.signingKey)
})

test('keygen replaces no file that is there, not even through a link, unless it is told to', async (t) => {
  const cwd = await temporaryDirectory(t)
  await writeFile(join(cwd, 'key.json'), 'precious', { mode: 0o644 })
  await symlink('key.json', join(cwd, 'link.json'))
  for (const name of ['key.json', 'link.json']) {
    const run = await runCli(['keygen', '--out', name], { cwd })
    t.deepEqual([run.code, run.stdout], [2, ''])
    t.regex(run.stderr, /it is there; --force replaces it/)
  }
  t.is(await readFile(join(cwd, 'key.json'), 'utf8'), 'precious')
  t.is((await runCli(['keygen', '--out', 'key.json', '--force'], { cwd })).code, 0)
  t.is((await stat(join(cwd, 'key.json'))).mode & 0o777, 0o600, 'the rights are not those of the file before')
  t.is(readJwk(await readFile(join(cwd, 'key.json'), 'utf8')).kty, 'EC')
  t.deepEqual((await readdir(cwd)).sort(), ['key.json', 'link.json'])
})

test('KY-16 a private key does not stay on a screen unless --out - says so', async (t) => {
  const cwd = await temporaryDirectory(t)
  const refused = await runOnTerminal(['keygen'], { cwd })
  t.is(refused.code, 2)
  t.regex(refused.stdout, /would stay on the screen/)
  t.notRegex(refused.stdout, /"d"/)
  const pem = await runOnTerminal(['convert', 'ec.pem', '--to', 'jwk'], { cwd: files.directory })
  t.is(pem.code, 2)
  t.notRegex(pem.stdout, /"d"/)
  const shown = await runOnTerminal(['keygen', '--out', '-'], { cwd })
  t.is(shown.code, 0)
  t.regex(shown.stdout, /"d"/)
})

test('keygen says what it did as JSON too', async (t) => {
  const cwd = await temporaryDirectory(t)
  const { json } = await runCli(['keygen', '--out', 'key.json', '--json'], { cwd })
  const jwk = readJwk(await readFile(join(cwd, 'key.json'), 'utf8'))
  t.deepEqual(json, { file: 'key.json', kind: 'private', format: 'jwk', alg: 'ES256', kid: jwk.kid })
})

test('KY-16 jwks prints the public halves of keys of every format, and nothing private', async (t) => {
  const cwd = files.directory
  const jwk = await generateKey('PS256')
  await files.write('key.json', JSON.stringify(jwk))
  const names = ['key.json', 'ec.pem', 'sec1.pem', 'ed.pem', 'ssh-ec', 'ssh-ed.pub', '-']
  const stdin = JSON.stringify({ keys: [await generateKey('ES512')] })
  const run = await runCli(['jwks', ...names], { cwd, stdin })
  t.is(run.code, 0, run.stderr)
  const { keys } = run.json as { keys: JWK[] }
  t.deepEqual(
    keys.map(({ alg }) => alg),
    ['PS256', 'ES256', 'ES384', 'EdDSA', 'ES512', 'EdDSA', 'ES512'],
  )
  const rsa = await runCli(['jwks', 'rsa.pem', 'ssh-rsa.pub', 'key.json', '--algorithm', 'RS256'], { cwd })
  t.deepEqual(
    (rsa.json as { keys: JWK[] }).keys.map(({ alg }) => alg),
    ['RS256', 'RS256', 'PS256'],
  )
  t.is(keys[0]?.kid, jwk.kid)
  for (const key of keys) t.deepEqual(secretsOf(key), [])
  t.false(shows(run, secretsOf(jwk)))
})

test('jwks refuses a secret, which has no public half, and keys that the kit refuses', async (t) => {
  const run = await runCli(['jwks', 'secret.json'], { cwd: files.directory })
  t.is(run.code, 1)
  t.false(shows(run, secretsOf(secret)))
  const weak = await runCli(['jwks', 'weak.pem', '--algorithm', 'PS256'], { cwd: files.directory })
  t.is(weak.code, 1)
  t.regex(weak.stderr, /at least 2048 bits, got 1024/)
})

for (const [name, algorithm] of [
  ['ec.pem', 'ES256'],
  ['sec1.pem', 'ES384'],
  ['rsa.pem', 'PS256'],
  ['ed.pem', 'EdDSA'],
  ['ssh-ed', 'EdDSA'],
  ['ssh-ec', 'ES512'],
  ['ssh-rsa', 'RS256'],
] as const) {
  test(`convert takes ${name} to a JWK, to PKCS#8 and SPKI, and to a line of OpenSSH, and it stays that key`, async (t) => {
    const cwd = files.directory
    const words = name.includes('rsa') ? ['--algorithm', algorithm] : []
    const original = await importKey(await files.read(name), { algorithm })
    const convert = async (to: string, ...more: string[]): Promise<CliRun> => {
      const run = await runCli(['convert', name, '--to', to, ...words, ...more], { cwd })
      t.is(run.code, 0, run.stderr)
      return run
    }

    const jwk = readJwk((await convert('jwk')).stdout)
    t.like(jwk, { alg: algorithm, kid: original.kid, use: 'sig' })
    t.is(await calculateJwkThumbprint(jwk), original.thumbprint)
    t.truthy((await importKey(jwk)).signingKey)
    const publicJwk = await convert('jwk', '--public')
    t.deepEqual(secretsOf(readJwk(publicJwk.stdout)), [])
    t.false(shows(publicJwk, secretsOf(jwk)))

    const pem = (await convert('pem')).stdout
    t.regex(pem, /^-----BEGIN PRIVATE KEY-----\n/)
    const copy = `${name}.copy.pem`
    await files.write(copy, pem)
    t.is(await files.thumbprint(copy), original.thumbprint)
    t.true(createPrivateKey(pem).type === 'private')
    const spki = (await convert('pem', '--public')).stdout
    t.regex(spki, /^-----BEGIN PUBLIC KEY-----\n/)
    t.true(createPublicKey(spki).equals(createPublicKey(pem)))

    await files.write(`${name}.line.pub`, (await convert('openssh', '--public')).stdout)
    t.is(await files.sshThumbprint(`${name}.line.pub`), original.thumbprint)
  })
}

test('convert writes a file for its owner, and a public key for everyone', async (t) => {
  const cwd = await temporaryDirectory(t)
  const stdin = await files.read('ec.pem')
  const run = await runCli(['convert', '--to', 'jwk', '--out', 'key.json'], { cwd, stdin })
  t.is(run.code, 0)
  const jwk = readJwk(await readFile(join(cwd, 'key.json'), 'utf8'))
  t.false(shows(run, secretsOf(jwk)))
  t.is((await stat(join(cwd, 'key.json'))).mode & 0o777, 0o600)
  t.is((await runCli(['convert', 'key.json', '--to', 'pem', '--public', '--out', 'public.pem'], { cwd })).code, 0)
  t.is((await stat(join(cwd, 'public.pem'))).mode & 0o077, 0o044 & ~process.umask())
})

test('convert keeps the kid of a JWK, and says where a format has no place for it', async (t) => {
  const jwk = { ...(await generateKey()), kid: 'mine' }
  const again = await runCli(['convert', '--to', 'jwk'], { stdin: JSON.stringify(jwk) })
  t.is(readJwk(again.stdout).kid, 'mine')
  t.is(again.stderr, '')
  const pem = await runCli(['convert', '--to', 'pem', '--public'], { stdin: JSON.stringify({ keys: [jwk] }) })
  t.is(pem.code, 0)
  t.regex(pem.stderr, /holds no kid: 'mine' becomes/)
})

test('convert keeps a secret as a JWK, and gives it no name that it did not have', async (t) => {
  const run = await runCli(['convert', 'secret.json', '--to', 'jwk'], { cwd: files.directory })
  t.deepEqual(readJwk(run.stdout), secret)
})

for (const [what, words, reason] of [
  ['a weak RSA key', ['weak.pem', '--to', 'jwk', '--algorithm', 'PS256'], /at least 2048 bits, got 1024/],
  ['a curve that the kit does not have', ['k1.pem', '--to', 'jwk'], /P-256, P-384 or P-521/],
  ['a key with a passphrase', ['ssh-locked', '--to', 'jwk'], /without a passphrase/],
  ['an RSA key without an algorithm', ['rsa.pem', '--to', 'jwk'], /'RS256' or 'PS256'/],
  ['an algorithm that does not fit', ['ec.pem', '--to', 'jwk', '--algorithm', 'EdDSA'], /kty OKP/],
  ['a secret as PEM', ['secret.json', '--to', 'pem'], /no form in pem/],
  ['the public half of a secret', ['secret.json', '--to', 'jwk', '--public'], /no public half/],
] as const) {
  test(`convert refuses ${what}, and says why`, async (t) => {
    const run = await runCli(['convert', ...words], { cwd: files.directory })
    t.deepEqual([run.code, run.stdout], [1, ''])
    t.regex(run.stderr, reason)
    t.false(shows(run, secretsOf(secret)))
  })
}

test('KY-16 what cannot be read is refused without a word of it', async (t) => {
  const { d = '' } = await generateKey()
  for (const text of [`{"kty":"EC","d":"${d}"`, `{"kty":"EC","crv":"P-256","d":"${d}"}`, `secret ${d}`]) {
    const run = await runCli(['convert', '--to', 'pem'], { stdin: text })
    t.is(run.code, 1)
    t.false(shows(run, [d]))
  }
})

test('convert writes no private key for OpenSSH, and no set of keys', async (t) => {
  const run = await runCli(['convert', 'ec.pem', '--to', 'openssh'], { cwd: files.directory })
  t.deepEqual([run.code, run.stdout], [2, ''])
  const keys = [await generateKey(), await generateKey()]
  t.is((await runCli(['convert', '--to', 'jwk'], { stdin: JSON.stringify({ keys }) })).code, 1)
})
