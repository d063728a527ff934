// The architecture as a test: imports point one way, and each outside package is used where it belongs.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'

const SRC = fileURLToPath(new URL('../src/', import.meta.url))

/** From the bottom up: a file imports only from its own layer or from one above its line here. */
const LAYERS: readonly RegExp[] = [
  /^client\//,
  /^(?:errors|events|time|describe|freeze|outbox|proceed|random|report)\.ts$|^options\/checks\.ts$/,
  /^(?:token|keys)\/|^(?:fingerprint|fetch-json)\.ts$|^store\/store\.ts$/,
  /^(?:auth|id|id-table|expiring-ids|expiring-map|revocation|live|token-cache|verifier)\.ts$|^session\//,
  /^store\//,
  /^options\/|^koa\/|^service\//,
  /^(?:session-kit|kit|rotating-keys)\.ts$/,
  /^(?:index|service)\.ts$/,
  /^testing(?:\.ts$|\/)/,
  /^cli\//,
]

/** Where each package may be imported. Anything that is not listed may not be imported at all. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  koa: /^koa\/|^(?:session-kit|kit)\.ts$|^testing\//,
  '@koa/router': /^koa\//,
  '@koa/bodyparser': /^koa\//,
  'koa-session': /^koa\//,
  'rate-limiter-flexible': /^koa\//,
  jose: /^(?:token|keys)\/|^testing\/issuer\.ts$/,
  lmdb: /^store\/lmdb-file\.ts$/,
  ms: /^time\.ts$/,
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

function importsOf(file: string): string[] {
  // Without TSDoc, whose examples import as well.
  const text = readFileSync(join(SRC, file), 'utf8').replaceAll(/^ *\*.*$/gm, '')
  return [...text.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)].map(
    ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '',
  )
}

const layerOf = (file: string): number => LAYERS.findIndex((layer) => layer.test(file))

test('every file of src belongs to a layer', (t) => {
  t.true(files.length > 20)
  t.deepEqual(
    files.filter((file) => layerOf(file) === -1),
    [],
  )
})

test('imports point downwards', (t) => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((from) => from.startsWith('.'))
      .map((from) => relative(SRC, join(SRC, dirname(file), from)))
      .filter((target) => layerOf(target) > layerOf(file))
      .map((target) => `${file} → ${target}`),
  )
  t.deepEqual(wrong, [])
})

const isClient = (file: string): boolean => file.startsWith('client/')

test('the browser half imports nothing but itself, and nothing else imports it', (t) => {
  const crossing = files.flatMap((file) =>
    importsOf(file)
      .map((from) => (from.startsWith('.') ? relative(SRC, join(SRC, dirname(file), from)) : from))
      .filter((target) => isClient(target) !== isClient(file) && (isClient(target) || isClient(file)))
      .map((target) => `${file} → ${target}`),
  )
  t.true(files.filter(isClient).length > 5)
  t.deepEqual(crossing, [])
})

test('each package is imported only where it belongs', (t) => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((from) => !from.startsWith('.') && !from.startsWith('node:'))
      .filter((from) => !PACKAGES[from]?.test(file))
      .map((from) => `${file} → ${from}`),
  )
  t.deepEqual(wrong, [])
})

/** The files whose text matches. */
const filesWith = (pattern: RegExp): string[] =>
  files.filter((file) => pattern.test(readFileSync(join(SRC, file), 'utf8')))

test('VF-21 nothing decodes a token without verifying it but the command that shows it to its owner', (t) => {
  t.deepEqual(filesWith(/\bdecodeJwt\b|JSON\.parse\(Buffer\.from\(\w+, 'base64url'\)/), ['cli/explain.ts'])
})

test('only the command line reads the environment, its arguments and standard input', (t) => {
  const wrong = filesWith(/\bprocess\.(?:env|argv|stdin|exit)\b/).filter((file) => !file.startsWith('cli/'))
  t.deepEqual(wrong, [])
})

test('what tests use loads neither the main entry nor any runner', (t) => {
  const loaded = files.filter((file) => file.startsWith('testing/')).flatMap(importsOf)
  t.true(loaded.length > 20)
  t.false(loaded.includes('../index.ts'))
  t.deepEqual([...new Set(loaded.filter((from) => !/^\.|^node:(?:events|https?|net|stream)$/.test(from)))].toSorted(), [
    'jose',
    'koa',
  ])
})

test('only the entries re-export, and nothing is exported by default', (t) => {
  t.deepEqual(files.filter(isBarrel).toSorted(), ['client/index.ts', 'index.ts', 'service.ts', 'testing.ts'])
})

function isBarrel(file: string): boolean {
  return /^export (?:type )?[{*]|^export default/m.test(readFileSync(join(SRC, file), 'utf8'))
}
