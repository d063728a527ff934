// What a command reads: files and standard input, never a secret from its own words, which every process can see.

import { createReadStream } from 'node:fs'

import { Failure } from './command.ts'

/** Reads files. */
export interface Input {
  /**
   * The text of a file, or of standard input for `-`.
   *
   * @throws Failure when it cannot be read or is longer than a mebibyte
   */
  read(name: string): Promise<string>
}

const MAX_BYTES = 1 << 20
// What somebody pasted where the name of a file belongs.
const SECRET = /^\s*(?:eyJ|\{|-----BEGIN|Bearer )|\.eyJ|[\r\n]|.{256}/

/** Makes the input of one call. */
export function createInput(stdin: NodeJS.ReadStream): Input {
  let isRead = false

  return {
    async read(name) {
      if (name !== '-') return readText(createReadStream(assertName(name)), `'${name}'`)
      if (isRead) throw new Failure('misused', 'standard input (-) can be given once only')
      isRead = true
      if (stdin.isTTY) process.stderr.write('Reading from the terminal; end with Ctrl-D on an empty line.\n')
      return readText(stdin, 'standard input')
    },
  }
}

/** @throws Failure when it is no name but something that should not have been written there, without repeating it */
export function assertName(name: string): string {
  if (!SECRET.test(name)) return name
  throw new Failure(
    'misused',
    'expected the name of a file, or - for standard input, got what looks like a secret itself; ' +
      'what stands on the command line is seen by every process and kept in the history of the shell',
  )
}

async function readText(stream: AsyncIterable<Buffer>, name: string): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      chunks.push(chunk)
      length += chunk.length
      if (length > MAX_BYTES) break
    }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException // what a stream fails with is a system error
    throw new Failure('misused', `cannot read ${name}: ${code}`, error)
  }
  if (length > MAX_BYTES) throw new Failure('misused', `${name} is longer than ${MAX_BYTES} bytes`)
  return Buffer.concat(chunks).toString('utf8')
}
