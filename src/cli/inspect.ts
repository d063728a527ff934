// koa-holdfast inspect: what a token says, and what a verifier would say to it.

import { describeFailure, fetchJson, isSafeUrl } from '../fetch-json.ts'
import type { KeyInput } from '../keys/import.ts'
import { createKeySet, type KeySet } from '../keys/key-set.ts'
import type { Milliseconds } from '../time.ts'
import { type Command, defineCommand, Failure, type Result } from './command.ts'
import { describeClaims, describeHeader, explainToken, type Explanation } from './explain.ts'
import type { Input } from './input.ts'
import { orRefuse } from './key-output.ts'
import { align, type Colour, type Terminal } from './output.ts'
import { checkToken, type TokenCheck } from './token-checks.ts'

const PATIENCE: Milliseconds = 5000
const MAX_BYTES = 1 << 18

export const inspect: Command = defineCommand({
  name: 'inspect',
  summary: 'Explains a token, and says which check of a verifier would fail.',
  parameters: '[FILE] [options]',
  count: [0, 1],
  options: {
    issuer: { type: 'string', value: 'ORIGIN', help: 'the issuer it must be from; also its audience unless given' },
    audience: { type: 'string', multiple: true, value: 'NAME', help: 'for whom it must be' },
    jwks: { type: 'string', value: 'FILE|URL', help: 'the public keys; the signature is verified' },
    cookie: {
      type: 'string',
      value: 'FILE',
      help: 'the fingerprint cookie: its value, a Cookie header, or a jar of curl',
    },
  },
  notes: [
    'Reads a file or standard input. Signature and fingerprint are never printed.',
    'Without --jwks nothing is verified. What is revoked only the store knows.',
  ],
  examples: [
    'pbpaste | koa-holdfast inspect',
    'koa-holdfast inspect token.txt --issuer https://app.example --jwks https://app.example/.well-known/jwks.json',
    'koa-holdfast inspect token.txt --issuer https://app.example --jwks jwks.json --cookie jar',
  ],
  async run({ values, positionals: [name = '-'], input, terminal }) {
    const { issuer, audience = issuer === undefined ? undefined : [issuer] } = values
    const token = (await input.read(name)).trim()
    const now = Date.now()
    const expected = {
      issuer,
      audience,
      keys: values.jwks === undefined ? undefined : await readKeys(values.jwks, input),
      fingerprints: values.cookie === undefined ? undefined : toValues(await input.read(values.cookie)),
    }
    const explanation = explainToken(token)
    const checks = await checkToken(token, expected, now)
    return report(explanation, checks, now, terminal)
  },
})

async function readKeys(name: string, input: Input): Promise<KeySet> {
  const jwks = /^https?:/i.test(name) ? await download(name) : await input.read(name)
  return orRefuse(() => createKeySet({ keys: [jwks] }))
}

async function download(url: string): Promise<KeyInput> {
  // Whoever can change the keys on their way decides which signatures are good.
  if (!isSafeUrl(url)) {
    throw new Failure('misused', '--jwks: expected a file, or a URL with https (http on this machine)')
  }
  const answer = await fetchJson(url, { fetch, deadline: AbortSignal.timeout(PATIENCE), maxBytes: MAX_BYTES }).catch(
    (error: unknown) => describeFailure(error),
  )
  const reason = typeof answer === 'string' ? answer : `answered ${answer.status}`
  if (typeof answer === 'string' || answer.status !== 200) throw new Failure('unreachable', `the JWKS: ${reason}`)
  if (answer.json === undefined) throw new Failure('refused', 'the JWKS is no JSON')
  return answer.json
}

/** Every value that stands in a Cookie header, in a jar or alone. */
function toValues(text: string): string[] {
  return text
    .split(/[\s;]+/)
    .map((word) => word.slice(word.lastIndexOf('=') + 1))
    .filter((value) => value !== '')
}

const MARKS: Readonly<Record<TokenCheck['state'], readonly [Colour, string]>> = {
  passed: ['green', '✓'],
  failed: ['red', '✗'],
  open: ['dim', '·'],
  none: ['dim', '·'],
}

function report(explanation: Explanation, checks: readonly TokenCheck[], now: number, { paint }: Terminal): Result {
  const { kind, header, claims } = explanation
  const failed = checks.find(({ state }) => state === 'failed')
  const open = checks.filter(({ state }) => state === 'open')
  const verdict = failed === undefined ? (open.length === 0 ? 'verified' : 'unverified') : 'refused'
  const rows = align(checks.map(({ name, note, code }) => [name, code === undefined ? note : `${code}: ${note}`]))
  return {
    lines: [
      ...(header === undefined ? [] : section('Header', describeHeader(header))),
      ...(claims === undefined ? [] : section('Claims', describeClaims(claims, now))),
      'Checks',
      ...checks.map(({ state }, i) => `  ${paint(...MARKS[state])} ${rows[i]}`),
      '',
      describeVerdict(kind, failed, open),
    ],
    json: { ...explanation, checks, verdict, ...(failed?.code !== undefined && { code: failed.code }) },
    isRefused: failed !== undefined,
  }
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return [title, ...align(rows).map((row) => `  ${row}`), '']
}

function describeVerdict(
  kind: Explanation['kind'],
  failed: TokenCheck | undefined,
  open: readonly TokenCheck[],
): string {
  if (kind === 'unknown') return 'This is no token.'
  const encrypted = kind === 'jwe' ? 'Encrypted (JWE): what it says cannot be read without its key. ' : ''
  if (failed !== undefined) return `${encrypted}A verifier refuses it: ${failed.code}.`
  if (open.length === 0) return 'Verified. Whether it is revoked only the store knows.'
  return `${encrypted}Nothing speaks against it so far. Not verified: ${open.map(({ name }) => name).join(', ')}.`
}
