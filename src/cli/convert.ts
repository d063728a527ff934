// koa-holdfast convert: keys from one format into another. The kit reads and judges them, node:crypto writes them.

import { createPublicKey, createSecretKey, KeyObject } from 'node:crypto'

import { importKey, readKeyText } from '../keys/import.ts'
import { parseJwk } from '../keys/jwk.ts'
import type { Key } from '../keys/key.ts'
import { writeOpenSshLine } from '../keys/openssh-line.ts'
import { type Command, defineCommand, Failure } from './command.ts'
import { ALGORITHM, assertAlgorithm, handOver, orRefuse, OUTPUT, type WrittenKey } from './key-output.ts'

type Format = WrittenKey['format']

const FORMATS: Readonly<Record<Format, (key: Key, material: KeyObject) => string>> = {
  jwk: (key, material) => {
    // A secret without a kid stays without one, as keygen makes it.
    const kid = material.type === 'secret' && key.kid === key.thumbprint ? {} : { kid: key.kid }
    return JSON.stringify({ ...material.export({ format: 'jwk' }), ...kid, alg: key.alg, use: 'sig' }, undefined, 2)
  },
  pem: (_key, material) =>
    material.export({ format: 'pem', type: material.type === 'private' ? 'pkcs8' : 'spki' }).toString(),
  openssh: ({ publicJwk }, material) => {
    if (material.type === 'private') {
      throw new Failure('misused', 'only public keys are written for OpenSSH: add --public')
    }
    // There is one: secrets were refused before.
    return publicJwk === undefined ? '' : writeOpenSshLine(publicJwk)
  },
}

export const convert: Command = defineCommand({
  name: 'convert',
  summary: 'Writes a key in another format: PEM (PKCS#8, SPKI), JWK, or an OpenSSH public line.',
  parameters: '[FILE] --to jwk|pem|openssh [options]',
  count: [0, 1],
  options: {
    to: { type: 'string', value: 'FORMAT', help: 'jwk, pem or openssh' },
    public: { type: 'boolean', help: 'the public half only' },
    algorithm: ALGORITHM,
    ...OUTPUT,
  },
  notes: ['Reads a file or standard input. A key that the kit would refuse is refused, with the reason.'],
  examples: [
    'koa-holdfast convert ~/.ssh/id_ed25519 --to jwk --out key.json',
    'koa-holdfast convert key.json --to pem --public > public.pem',
    'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | koa-holdfast convert --to jwk --out key.json',
  ],
  async run({ values, positionals: [name = '-'], input, terminal }) {
    const format = assertFormat(values.to)
    const algorithm = assertAlgorithm(values.algorithm)
    const text = await input.read(name)
    const key = await orRefuse(() => importKey(text, algorithm === undefined ? {} : { algorithm }))
    const material = toMaterial(text, values.public === true)
    if (material.type === 'secret' && format !== 'jwk') {
      throw new Failure('refused', `a secret has no form in ${format}; it is kept as a JWK`)
    }
    if (format !== 'jwk' && key.kid !== key.thumbprint) {
      process.emitWarning(`${format} holds no kid: '${key.kid}' becomes '${key.thumbprint}' when it is read again`)
    }
    const written = FORMATS[format](key, material)
    const { kid, alg } = key
    return handOver({ text: written, isSecret: material.type !== 'public', kid, alg, format }, values, terminal)
  },
})

function assertFormat(value: string | undefined): Format {
  if (value !== undefined && Object.hasOwn(FORMATS, value)) return value as Format // a key of FORMATS
  throw new Failure('misused', '--to: expected jwk, pem or openssh')
}

/** The key as node:crypto holds it. It was read before, so it can be read. */
function toMaterial(text: string, isPublic: boolean): KeyObject {
  const read = readKeyText(text)
  const material = read instanceof KeyObject ? read : toKeyObject(findJwk(read))
  if (!isPublic || material.type === 'public') return material
  if (material.type === 'secret') throw new Failure('refused', 'a secret has no public half')
  return createPublicKey(material)
}

function findJwk(read: object): object {
  if (!('keys' in read) || !Array.isArray(read.keys)) return read
  const [jwk, ...others] = read.keys as object[] // importKey has looked at them
  if (jwk !== undefined && others.length === 0) return jwk
  throw new Failure('refused', `expected one key, got a JWK Set of ${read.keys.length}`)
}

function toKeyObject(jwk: object): KeyObject {
  // The cast: importKey has looked at them.
  const { kty, k } = jwk as { kty: string; k: string }
  if (kty === 'oct') return createSecretKey(Buffer.from(k, 'base64url'))
  return parseJwk(jwk)
}
