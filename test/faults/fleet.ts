// The processes of the campaign: servers, each with its link, and the Redis that they share.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { type RedisServer, startRedis } from '../helpers/redis.ts'
import type { History } from './history.ts'
import { createLink, type Link } from './proxy.ts'
import type { Message } from './server.ts'

export interface Server {
  readonly name: string
  readonly link: Link
  readonly port: number
  /** False from when it is killed until it listens again. */
  readonly isUp: boolean
  readonly isPaused: boolean
  /** When it was started last: it has read what was there then. */
  readonly started: number
  /** It hangs: connections stay, nothing is answered. */
  pause(): void
  /** It goes on. */
  resume(): void
  /** Ends as a crash does, and is started again. */
  restart(): Promise<void>
}

export interface Fleet {
  readonly redis: RedisServer
  readonly servers: readonly Server[]
  /** Ends all of it. So does the end of this process. */
  close(): Promise<void>
}

const SERVER = fileURLToPath(new URL('server.ts', import.meta.url))
const MOST_STARTS = 100

/** Starts Redis and the servers. */
export async function startFleet(options: {
  readonly size: number
  /** What servers are told. */
  readonly env: Readonly<Record<string, string>>
  readonly history: History
}): Promise<Fleet> {
  const { size, env, history } = options
  const children = new Set<ChildProcess>()
  let isEnded = false
  const end = (): void => {
    isEnded = true
    for (const child of children) child.kill('SIGKILL')
  }
  process.on('exit', end)

  /** Undefined when it ended before it listened. */
  async function spawn(name: string, redisPort: number): Promise<{ child: ChildProcess; port: number } | undefined> {
    const child = fork(SERVER, {
      execArgv: ['--import=tsx'],
      env: { ...process.env, ...env, REDIS_PORT: String(redisPort) },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    children.add(child)
    child.once('exit', () => children.delete(child))
    child.stderr?.on('data', (text: Buffer) => history.note('', `${name}: ${text.toString().trim()}`))
    const port = await new Promise<number | undefined>((resolve) => {
      child.once('exit', () => resolve(undefined))
      child.on('message', (message: Message) => {
        if ('port' in message) resolve(message.port)
        else history.note(message.about, `${name}: ${message.text}`, message.time)
      })
    })
    return port === undefined ? undefined : { child, port }
  }

  async function startServer(name: string): Promise<Server> {
    const link = await createLink(redis.port)
    let child: ChildProcess | undefined
    let port = 0
    let isUp = false
    let isPaused = false
    let started = 0

    /** As a supervisor does: one that could not start, since Redis was away, is started again. */
    async function start(): Promise<void> {
      for (let starts = 0; starts < MOST_STARTS; starts += 1) {
        const began = performance.now()
        const spawned = await spawn(name, link.port)
        if (spawned !== undefined) {
          ;({ child, port } = spawned)
          started = began
          isUp = true
          child.once('exit', () => {
            if (isUp && !isEnded) throw new Error(`${name} has ended by itself\n${history.tell()}`)
          })
          return
        }
        await wait(100)
      }
      throw new Error(`${name} does not start\n${history.tell()}`)
    }

    await start()
    return {
      name,
      link,
      get port() {
        return port
      },
      get isUp() {
        return isUp
      },
      get isPaused() {
        return isPaused
      },
      get started() {
        return started
      },
      pause() {
        isPaused = true
        child?.kill('SIGSTOP')
      },
      resume() {
        child?.kill('SIGCONT')
        isPaused = false
      },
      async restart() {
        isUp = false
        if (child === undefined) return
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        await gone
        await start()
      },
    }
  }

  const redis = await startRedis({ appendfsync: 'always' })
  const names = Array.from({ length: size }, (_, index) => `server ${index + 1}`)
  const servers = await Promise.all(names.map(startServer))
  return {
    redis,
    servers,
    async close() {
      end()
      for (const { link } of servers) link.close()
      await redis.close()
    },
  }
}
