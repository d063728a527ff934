// Runs the command line as it is installed: the compiled file, in a process of its own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { withoutCoverage } from './store-process.ts'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** The built package, for configurations that tests write. */
export const PACKAGE: string = new URL('../../dist/', import.meta.url).href
// Each is a node of its own.
const AT_ONCE = 2

/** How a run ended. */
export interface CliRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Standard output, parsed. */
  readonly json: Record<string, unknown>
}

/** What a run is given. */
export interface CliSurroundings {
  readonly stdin?: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

let running = 0
const waiting: (() => void)[] = []

/** Runs a command to its end. */
export async function runCli(words: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  if (!existsSync(MAIN)) throw new Error('The command line is the built one: npm run build')
  if (running >= AT_ONCE) await new Promise<void>((resolve) => void waiting.push(resolve))
  running += 1
  try {
    return await run(process.execPath, [MAIN, ...words], surroundings)
  } finally {
    running -= 1
    waiting.shift()?.()
  }
}

/** Runs a command on a terminal. Its two outputs are one there. */
export function runOnTerminal(words: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  const line = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(' ')
  return run('script', ['-qec', line, '/dev/null'], surroundings)
}

async function run(
  file: string,
  words: readonly string[],
  { stdin = '', cwd, env = {} }: CliSurroundings,
): Promise<CliRun> {
  const child = spawn(file, words, { cwd, env: { ...withoutCoverage(), ...env } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  // A command that reads nothing may be gone before it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const [code] = (await once(child, 'close')) as [number | null]
  return {
    code,
    stdout,
    stderr,
    get json() {
      return JSON.parse(stdout) as Record<string, unknown>
    },
  }
}
