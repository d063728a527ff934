#!/usr/bin/env node
// The command line: the table of commands, and what all of them have in common.

import { readFileSync } from 'node:fs'

import { type Command, describeCommand, EXIT, Failure } from './command.ts'
import { convert } from './convert.ts'
import { doctor } from './doctor.ts'
import { createInput } from './input.ts'
import { inspect } from './inspect.ts'
import { jwks } from './jwks.ts'
import { keygen } from './keygen.ts'
import { align, createTerminal, formatJson, withoutSecrets } from './output.ts'
import { revoke } from './revoke.ts'
import { rotate } from './rotate.ts'
import { sessions } from './sessions.ts'

const COMMANDS: readonly Command[] = [keygen, jwks, convert, inspect, sessions, revoke, rotate, doctor]

const USAGE = [
  'koa-holdfast COMMAND [options]',
  '',
  ...align(COMMANDS.map(({ name, summary }) => [`  ${name}`, summary])),
  '',
  'koa-holdfast COMMAND --help says more. Exit codes: 0 fine, 1 something found or refused, 2 wrong use, 3 out of reach.',
]

/** Does what the words say. Answers the exit code. */
async function main([name, ...words]: readonly string[]): Promise<number> {
  if (name === '--version') return print([readVersion()])
  if (name === '--help' || name === 'help') return print(USAGE)
  const command = COMMANDS.find((one) => one.name === name)
  if (command === undefined) {
    process.stderr.write(`${USAGE.join('\n')}\n`)
    return EXIT.misused
  }
  if (words.includes('--help')) return print(describeCommand(command))
  const isJson = words.includes('--json')
  try {
    const surroundings = { input: createInput(process.stdin), terminal: createTerminal(process.stdout) }
    const result = await command.call(words, surroundings)
    print(isJson ? [formatJson(result.json)] : result.lines)
    return result.isRefused === true ? EXIT.refused : EXIT.fine
  } catch (error) {
    return fail(command, error, isJson)
  }
}

function print(lines: readonly string[]): number {
  process.stdout.write(`${lines.join('\n')}\n`)
  return EXIT.fine
}

function fail({ name }: Command, error: unknown, isJson: boolean): number {
  const message = withoutSecrets(error instanceof Error ? error.message : String(error))
  const exitCode = error instanceof Failure ? error.exitCode : EXIT.unreachable
  process.stderr.write(
    isJson
      ? `${formatJson({ error: message, exit_code: exitCode })}\n`
      : `koa-holdfast ${name}: ${message}\n${exitCode === EXIT.misused ? `See: koa-holdfast ${name} --help\n` : ''}`,
  )
  return exitCode
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string // our own file
  }
  return version
}

process.removeAllListeners('warning')
process.on('warning', ({ message }) => process.stderr.write(`warning: ${withoutSecrets(message)}\n`))
// What fails in the background of a configuration, such as a client that loses its connection.
process.on('uncaughtException', (error) => {
  process.stderr.write(`koa-holdfast: ${withoutSecrets(String(error))}\n`)
  process.exit(EXIT.unreachable)
})
// Whoever reads may have had enough, as `head` has.
process.stdout.on('error', () => process.exit(EXIT.fine))

const exitCode = await main(process.argv.slice(2))
// A configuration may hold connections open that nobody here can close. What was printed goes out first.
process.stdout.write('', () => process.exit(exitCode))
