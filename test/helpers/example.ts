// Runs an example as a process of its own, on the built package, and talks to it over HTTP.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { type Owner, portOf, type Response, send } from './http.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READY = /http:\/\/localhost:\d+/
// Only what hangs takes that long.
const PATIENCE_MS = 45_000

export interface Pair {
  readonly token: string
  /** `name=value`, for a Cookie header. */
  readonly cookie: string
  readonly response: Response
}

export interface Example {
  /** What it says its URL is. */
  readonly url: string
  /** Every line of its standard output so far. */
  readonly lines: readonly string[]
  /** The first line that matches, as soon as it is there. */
  line(matches: (line: string) => boolean): Promise<string>
  /** Sends a request to its URL without going through a browser's rules. */
  request(method: string, path: string, headers?: Readonly<Record<string, string>>, body?: string): Promise<Response>
  login(username: string, password: string): Promise<Pair>
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A port that was free a moment ago, for examples that do not choose one themselves. */
export async function findPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return String(port)
}

/** A directory that goes with its owner. */
export async function temporaryDirectory(owner: Owner): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'koa-holdfast-'))
  owner.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Starts an example, which has to print its URL, and ends it with its owner. */
export async function startExample(
  owner: Owner,
  file: string,
  environment: Readonly<Record<string, string>>,
): Promise<Example> {
  const running = run(owner, file, environment)
  const ready = await running.line((line) => READY.test(line))
  const url = READY.exec(ready)?.[0] ?? ''
  const { host, port } = new URL(url)
  const request: Example['request'] = (...parameters) =>
    send({ port: Number(port), defaults: { Host: host } }, ...parameters)

  async function login(username: string, password: string): Promise<Pair> {
    const body = JSON.stringify({ username, password })
    const response = await request('POST', '/auth/login', { 'Content-Type': 'application/json' }, body)
    if (response.status !== 200) throw new Error(`login answered ${response.status}: ${response.text}`)
    return { token: String(response.json['access_token']), cookie: response.cookies[0]?.split(';')[0] ?? '', response }
  }

  return {
    ...running,
    url,
    login,
    request,
  }
}

/** Runs an example that is to end by itself. */
export function runExample(owner: Owner, file: string, environment: Readonly<Record<string, string>>): Promise<Exit> {
  return run(owner, file, environment).exit
}

function run(
  owner: Owner,
  file: string,
  environment: Readonly<Record<string, string>>,
): Pick<Example, 'lines' | 'line' | 'stop'> & { readonly exit: Promise<Exit> } {
  if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('The examples use the built package: npm run build')
  // Coverage is measured where tests import src/.
  const { NODE_V8_COVERAGE: _, ...inherited } = process.env
  const child = spawn(process.execPath, ['--import=tsx', join('examples', file)], {
    cwd: ROOT,
    env: { ...inherited, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { lines, line } = readLines(child)
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const exit = once(child, 'close').then(([code, signal]): Exit => {
    // The casts are what node documents for 'close'.
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout: lines.join('\n'), stderr }
  })

  function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    child.kill(signal)
    return exit
  }

  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  owner.teardown(async () => {
    await stop('SIGKILL')
    process.off('exit', kill)
  })
  return {
    lines,
    stop,
    exit,
    line: (matches) =>
      line(matches, () => new Error(`${file} did not print what was waited for.\n${lines.join('\n')}\n${stderr}`)),
  }
}

function readLines(child: ChildProcess): {
  readonly lines: readonly string[]
  line(matches: (line: string) => boolean, failure: () => Error): Promise<string>
} {
  const lines: string[] = []
  const waiting = new Set<(line: string) => void>()
  if (child.stdout === null) throw new TypeError('child: expected its output to be a pipe')
  createInterface({ input: child.stdout }).on('line', (printed) => {
    lines.push(printed)
    for (const look of waiting) look(printed)
  })

  function line(matches: (line: string) => boolean, failure: () => Error): Promise<string> {
    const seen = lines.find(matches)
    if (seen !== undefined) return Promise.resolve(seen)
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        waiting.delete(look)
        clearTimeout(timer)
        child.off('close', fail)
        settle()
      }
      const look = (found: string): void => {
        if (matches(found)) finish(() => resolve(found))
      }
      const fail = (): void => finish(() => reject(failure()))
      const timer = setTimeout(fail, PATIENCE_MS)
      waiting.add(look)
      child.on('close', fail)
    })
  }

  return { lines, line }
}
