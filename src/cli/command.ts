// What a command is, how it ends, and how its words are read: node's parseArgs and the help share one table.

import { parseArgs } from 'node:util'

import type { Input } from './input.ts'
import type { Terminal } from './output.ts'

/** How a command ends. Documented in docs/cli.md. */
export const EXIT = { fine: 0, refused: 1, misused: 2, unreachable: 3 } as const

/** What is said on standard error, and the exit code. Must not hold a secret. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: number

  constructor(end: Exclude<keyof typeof EXIT, 'fine'>, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.exitCode = EXIT[end]
  }
}

/** An option that takes a value. */
export interface Text {
  readonly type: 'string'
  /** What stands for its value in the help. */
  readonly value: string
  readonly help: string
}

/** An option that takes a value each time it is given. */
export interface List extends Text {
  readonly multiple: true
}

/** An option that is given or not. */
export interface Flag {
  readonly type: 'boolean'
  readonly help: string
}

type Options = Readonly<Record<string, Text | List | Flag>>

/** The values of options, by their names. */
export type Values<O extends Options> = {
  readonly [N in keyof O]?: O[N] extends Flag ? boolean : O[N] extends List ? readonly string[] : string
}

/** One call of a command. */
export interface Call<O extends Options> {
  readonly values: Values<O>
  readonly positionals: readonly string[]
  readonly input: Input
  readonly terminal: Terminal
}

/** What a command has to say. */
export interface Result {
  /** Lines for people. */
  readonly lines: readonly string[]
  /** The same for programs. */
  readonly json: unknown
  /** Whether something was found or refused. @default false */
  readonly isRefused?: boolean
}

/** A command as it is written. */
export interface CommandDefinition<O extends Options> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What follows the name, for the help. */
  readonly parameters: string
  /** The least and the most of them. */
  readonly count: readonly [number, number]
  readonly options: O
  /** More for the help. */
  readonly notes?: readonly string[]
  readonly examples: readonly string[]
  readonly run: (call: Call<O>) => Promise<Result> | Result
}

/** A command as the table has it. */
export interface Command extends Omit<CommandDefinition<Options>, 'run'> {
  /** @throws Failure when it is called in a wrong way, or cannot do what it is to do */
  readonly call: (words: readonly string[], surroundings: Pick<Call<Options>, 'input' | 'terminal'>) => Promise<Result>
}

const COMMON: Options = {
  json: { type: 'boolean', help: 'print JSON' },
  help: { type: 'boolean', help: 'print this' },
}

/** Makes a command, whose `run` knows the types of its options. */
export function defineCommand<const O extends Options>(definition: CommandDefinition<O>): Command {
  const { run, ...rest } = definition
  const options: Options = { ...definition.options, ...COMMON }
  const [least, most] = definition.count
  return {
    ...rest,
    options,
    async call(words, surroundings) {
      const { values, positionals } = parse<O>(words, options)
      if (positionals.length < least || positionals.length > most) {
        throw new Failure('misused', `expected: koa-holdfast ${definition.name} ${definition.parameters}`)
      }
      return run({ ...surroundings, values, positionals })
    },
  }
}

function parse<O extends Options>(
  words: readonly string[],
  options: Options,
): { values: Values<O>; positionals: string[] } {
  try {
    // The cast holds: these are the values of these options.
    return parseArgs({ args: joinIdentifiers(words, options), options, allowPositionals: true }) as {
      values: Values<O>
      positionals: string[]
    }
  } catch (error) {
    throw new Failure('misused', explain(error as NodeJS.ErrnoException)) // what parseArgs throws has a code
  }
}

// One in 64 of those that the kit draws begins with a hyphen.
const HYPHENATED = /^-[\w-]{21}$/

/** An identifier that could be taken for an option stays with the option whose value it is. */
function joinIdentifiers(words: readonly string[], options: Options): string[] {
  const joined: string[] = []
  for (const word of words) {
    const last = joined.at(-1) ?? ''
    const takesValue = last.startsWith('--') && options[last.slice(2)]?.type === 'string'
    if (takesValue && HYPHENATED.test(word)) joined.push(`${joined.pop()}=${word}`)
    else joined.push(word)
  }
  return joined
}

function explain({ code, message }: NodeJS.ErrnoException): string {
  // The other messages hold nothing but names of options that there are.
  if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return message
  // A word that was pasted may begin with a hyphen, as PEM does.
  const name = /^Unknown option '(--?[a-z-]{1,20})'/i.exec(message)?.[1]
  return name === undefined ? 'there is no such option' : `there is no option ${name}`
}

/** The help of a command. */
export function describeCommand(command: Command): string[] {
  const options = Object.entries(command.options).map(
    ([name, option]) => [`--${name}${option.type === 'string' ? ` ${option.value}` : ''}`, option.help] as const,
  )
  const width = Math.max(...options.map(([name]) => name.length))
  return [
    `koa-holdfast ${command.name} ${command.parameters}`,
    '',
    command.summary,
    ...(command.notes ?? []),
    '',
    'Options',
    ...options.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`),
    '',
    'Examples',
    ...command.examples.map((example) => `  ${example}`),
  ]
}
