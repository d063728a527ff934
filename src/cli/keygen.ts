// koa-holdfast keygen: a fresh private key.

import { type Algorithm, ALGORITHMS } from '../keys/algorithms.ts'
import { generateKey } from '../keys/generate.ts'
import { importKey } from '../keys/import.ts'
import { type Command, defineCommand } from './command.ts'
import { ALGORITHM, assertAlgorithm, handOver, OUTPUT } from './key-output.ts'

export const keygen: Command = defineCommand({
  name: 'keygen',
  summary: 'Makes a private key, as a JWK.',
  parameters: '[options]',
  count: [0, 0],
  options: {
    algorithm: { ...ALGORITHM, help: `${Object.keys(ALGORITHMS).join(', ')}; ES256 unless given` },
    ...OUTPUT,
  },
  examples: [
    'koa-holdfast keygen --out key.json',
    'koa-holdfast keygen --algorithm EdDSA --out key.json',
    'koa-holdfast keygen | vault kv put secret/app key=-',
  ],
  async run({ values, terminal }) {
    const algorithm: Algorithm = assertAlgorithm(values.algorithm) ?? 'ES256'
    const jwk = await generateKey(algorithm)
    const { kid } = await importKey(jwk)
    return handOver(
      { text: JSON.stringify(jwk, undefined, 2), isSecret: true, kid, alg: algorithm, format: 'jwk' },
      values,
      terminal,
    )
  },
})
