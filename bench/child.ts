// The processes of the bench: each server that is measured has one of its own, pinned to one core; whoever sends the load
// has another.

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

import { openConnection, toRequest } from './connection.ts'

/** Which core the servers get, and which the load; undefined where processes cannot be pinned. */
export const CORES = findCores()

/** Headers of a request. */
export type Headers = Readonly<Record<string, string>>

/** What a server has cost since it was started. */
export interface Cost {
  /** Processor time of all of its threads, in microseconds. */
  readonly cpu: number
  /** How much of it went by while its main thread collected garbage. */
  readonly collecting: number
  readonly memory: NodeJS.MemoryUsage
  readonly counts: Readonly<Record<string, number>>
}

/** How many more there are to be. */
export interface Growth {
  readonly sessions?: number
  readonly revocations?: number
}

/** A server that runs. */
export interface Server {
  readonly port: number
  /** What it lets in. */
  readonly good: Headers
  /** What it refuses. */
  readonly bad: readonly Headers[]
  /** @param collect - whether its garbage is collected first */
  cost(collect?: boolean): Promise<Cost>
  /** Has it keep so much more. Only the kit's can. */
  grow(more: Growth): Promise<void>
  /** Sends what it lets in and what it refuses, and looks at the answers. @throws Error when one of them is wrong */
  check(): Promise<void>
  close(): void
}

/** Starts a file of this folder in a process of its own. */
export function startProcess(
  file: string,
  parameters: readonly string[],
  nodeOptions: readonly string[],
): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return fork(path, parameters, {
    execArgv: [...nodeOptions],
    env: { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}

/** Puts a process, with all threads that it has by now, on one of the cores. Later ones follow. */
export function pin({ pid }: Pick<ChildProcess, 'pid'>, core: 'server' | 'load'): void {
  if (CORES !== undefined) execFileSync('taskset', ['-acp', String(CORES[core]), String(pid)])
}

/** The next message of a process. @throws Error with what it said when it ends instead */
export function receive<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    const hear = (text: Buffer): void => void said.push(String(text))
    const end = (): void =>
      done(() => reject(new Error(`${child.spawnargs.slice(1).join(' ')} ended: ${said.join('')}`)))
    const take = (message: unknown): void => done(() => resolve(message as T)) // both ends are of this folder
    const done = (work: () => void): void => {
      child.off('exit', end).off('message', take).stderr?.off('data', hear)
      child.stderr?.resume()
      work()
    }
    child.on('exit', end).on('message', take).stderr?.on('data', hear)
  })
}

/** Starts the server of this file. */
export async function startServer(file: string, options: object): Promise<Server> {
  const child = startProcess(
    'servers/serve.mjs',
    [fileURLToPath(new URL(file, import.meta.url)), JSON.stringify(options)],
    ['--expose-gc'],
  )
  const { port, good, bad } = await receive<Pick<Server, 'port' | 'good' | 'bad'>>(child)
  // Until now it could start beside others.
  pin(child, 'server')
  const expect = async (headers: Headers, status: number): Promise<void> => {
    const answer = await get(port, headers)
    const isRight = answer.status === status && (status !== 200 || /^{"user":"[\w-]+"}$/.test(answer.body))
    if (!isRight) throw new Error(`${file}: expected ${status}, got ${answer.status}: ${answer.body}`)
  }
  return {
    ...{ port, good, bad },
    cost(collect = false) {
      const answer = receive<Cost>(child)
      child.send({ collect })
      return answer
    },
    async grow(more) {
      const answer = receive<Cost>(child)
      child.send({ more })
      await answer
    },
    async check() {
      await expect(good, 200)
      for (const headers of bad) await expect(headers, 401)
    },
    close: () => void child.kill(),
  }
}

function get(port: number, headers: Headers): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    void openConnection(
      port,
      (answer, connection) => {
        connection.close()
        resolve(answer)
      },
      reject,
    ).then((connection) => connection.send(toRequest(headers)), reject)
  })
}

function findCores(): { readonly server: number; readonly load: number } | undefined {
  if (availableParallelism() < 2) return undefined
  try {
    // The cores this process may use, such as '0-3,8'.
    const allowed = execFileSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' }).split(': ')[1] ?? ''
    const cores = allowed.split(',').flatMap((range) => {
      const [from = 0, to = from] = range.trim().split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, i) => from + i)
    })
    const [server, load] = cores
    return server === undefined || load === undefined ? undefined : { server, load }
  } catch {
    return undefined
  }
}
