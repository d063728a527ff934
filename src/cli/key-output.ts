// How commands hand keys over: private ones into a file for its owner, or to a program, not to a screen.

import { type Algorithm, ALGORITHMS, isAlgorithm } from '../keys/algorithms.ts'
import { Failure, type Flag, type Result, type Text, type Values } from './command.ts'
import { assertName } from './input.ts'
import { printable, type Terminal, writeKeyFile } from './output.ts'

/** The option that names an algorithm. */
export const ALGORITHM: Text = {
  type: 'string',
  value: 'ALG',
  help: 'the algorithm of keys that name none; RSA keys need it',
}

/** The options that say where a key goes. */
export const OUTPUT: { readonly out: Text; readonly force: Flag } = {
  out: {
    type: 'string',
    value: 'FILE',
    help: 'write it there, a private one readable by its owner only; - is standard output',
  },
  force: { type: 'boolean', help: 'replace the file if there is one' },
}

/** A key that has been written in some format. */
export interface WrittenKey {
  readonly text: string
  readonly isSecret: boolean
  readonly kid: string
  readonly alg: Algorithm
  readonly format: 'jwk' | 'pem' | 'openssh'
}

/** Hands the key over. @throws Failure when it is secret and would stay on a screen, or cannot be written */
export async function handOver(
  key: WrittenKey,
  { out, force = false }: Values<typeof OUTPUT>,
  { isTerminal }: Terminal,
): Promise<Result> {
  const { text, isSecret, kid, alg, format } = key
  if (out !== undefined && out !== '-') {
    await writeKeyFile(assertName(out), `${text.trimEnd()}\n`, { isSecret, isReplaced: force })
    const kind = isSecret ? 'private' : 'public'
    const readers = isSecret ? ', readable by its owner only' : ''
    return {
      lines: [`${printable(out)}: a ${kind} key for ${alg}, kid ${kid}${readers}`],
      json: { file: out, kind, format, alg, kid },
    }
  }
  if (isSecret && isTerminal && out === undefined) {
    throw new Failure('misused', 'a private key would stay on the screen: --out FILE writes it, --out - shows it')
  }
  return { lines: [text.trimEnd()], json: format === 'jwk' ? JSON.parse(text) : { [format]: text, alg, kid } }
}

/** @throws Failure when it is none of the kit's */
export function assertAlgorithm(value: string | undefined): Algorithm | undefined {
  if (value === undefined || isAlgorithm(value)) return value
  throw new Failure('misused', `--algorithm: expected ${Object.keys(ALGORITHMS).join(', ')}, got another`)
}

/** @throws Failure with the reason why the kit does not take it */
export async function orRefuse<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    // The kit's reasons name members and kinds, never values.
    throw new Failure('refused', error instanceof Error ? error.message : String(error), error)
  }
}
