// koa-holdfast jwks: the public halves of keys, fit to be published.

import { createKeySet } from '../keys/key-set.ts'
import { type Command, defineCommand, Failure } from './command.ts'
import { ALGORITHM, assertAlgorithm, orRefuse } from './key-output.ts'
import { formatJson } from './output.ts'

export const jwks: Command = defineCommand({
  name: 'jwks',
  summary: 'Prints the public halves of keys as a JWK Set.',
  parameters: 'FILE... [options]',
  count: [1, 100],
  options: { algorithm: ALGORITHM },
  notes: ['Reads what the kit reads: JWK, JWK Set, PEM, OpenSSH, certificates; - is standard input.'],
  examples: ['koa-holdfast jwks key.json > jwks.json', 'koa-holdfast jwks new.json old.pem --algorithm PS256'],
  async run({ values, positionals, input }) {
    const algorithm = assertAlgorithm(values.algorithm)
    const texts: string[] = []
    for (const name of positionals) texts.push(await input.read(name))
    const set = await orRefuse(() => createKeySet({ keys: texts, ...(algorithm !== undefined && { algorithm }) }))
    const published = set.jwks()
    if (published.keys.length === 0) {
      throw new Failure('refused', 'a secret (HS256, HS384, HS512) has no public half; nothing of it can be published')
    }
    return { lines: [formatJson(published)], json: published }
  },
})
