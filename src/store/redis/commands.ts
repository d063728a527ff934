// Commands and scripts with a time limit. Errors say what Redis said, and nothing of what was sent.

import { createHash } from 'node:crypto'

import type { Milliseconds } from '../../time.ts'
import type { Command, Connection } from './client.ts'

/** A Lua script and its name there. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** Sends commands. Each rejects after the time limit; an answer that comes later is ignored. */
export interface Commands {
  send(key: string, command: Command): Promise<unknown>
  /** Answers bytes. */
  fetch(key: string, command: Command): Promise<Buffer>
  run(script: Script, keys: readonly string[], parameters: readonly (string | number | Buffer)[]): Promise<unknown>
  /** A page of the names of keys, of every master in turn. */
  scan(pattern: string): AsyncIterable<readonly string[]>
  /** Waits for something else, with the same limit. */
  wait<T>(work: () => Promise<T>): Promise<T>
  /** How many commands were given up and not answered since. The client may still send them. */
  readonly unanswered: number
  /** Rejects whatever waits, and everything from now on. */
  close(): void
}

const SCAN_COUNT = 1000
const MAX_MESSAGE = 200

/** Makes a script of its text. */
export function createScript(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Makes the commands of one connection. */
export function createCommands(connection: Connection, timeout: Milliseconds): Commands {
  // In the order of their deadlines, so one timer does for all; it is not set again for each.
  const waiting = new Set<{ readonly deadline: Milliseconds; readonly reject: (reason: Error) => void }>()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  let unanswered = 0

  function giveUp(): void {
    timer = undefined
    const now = performance.now()
    for (const asked of waiting) {
      if (asked.deadline > now) {
        timer = setTimeout(giveUp, asked.deadline - now)
        return
      }
      waiting.delete(asked)
      unanswered += 1
      asked.reject(new Error(`Redis: no answer within ${timeout} ms`))
    }
  }

  /** Cut loose from the client's error, which may carry the command with its arguments. */
  function limit<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (isClosed) {
        reject(new Error('Redis: the store is closed'))
        return
      }
      const asked = { deadline: performance.now() + timeout, reject }
      waiting.add(asked)
      timer ??= setTimeout(giveUp, timeout)
      // It keeps the process alive only while something waits.
      if (waiting.size === 1) timer.ref()
      const finish = (end: () => void): void => {
        if (!waiting.delete(asked)) unanswered -= 1
        else if (waiting.size === 0) timer?.unref()
        end()
      }
      begin(work).then(
        (value) => finish(() => resolve(value)),
        (thrown: unknown) => finish(() => reject(new Error(`Redis: ${messageOf(thrown)}`))),
      )
    })
  }

  function run(
    script: Script,
    keys: readonly string[],
    parameters: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const [first = ''] = keys
    const rest = [String(keys.length), ...keys, ...parameters.map((one) => (typeof one === 'number' ? `${one}` : one))]
    return limit(async () => {
      try {
        return await connection.send(first, ['EVALSHA', script.sha, ...rest])
      } catch (thrown) {
        // After a restart, a failover or SCRIPT FLUSH the server has to be told the text again.
        if (!messageOf(thrown).startsWith('NOSCRIPT')) throw thrown
        return connection.send(first, ['EVAL', script.lua, ...rest])
      }
    })
  }

  return {
    send: (key, command) => limit(() => connection.send(key, command)),
    async fetch(key, command) {
      const reply = await limit(() => connection.fetch(key, command))
      if (!Buffer.isBuffer(reply)) throw new Error('Redis: an unexpected answer')
      return reply
    },
    run,
    async *scan(pattern) {
      for (const send of await limit(connection.masters)) {
        let cursor = '0'
        do {
          const command = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(SCAN_COUNT)]
          const reply = await limit(() => send(command))
          const [next, names] = Array.isArray(reply) ? (reply as unknown[]) : []
          if (!Array.isArray(names)) throw new Error('Redis: an unexpected answer to SCAN')
          cursor = String(next)
          yield names.map(String)
        } while (cursor !== '0')
      }
    },
    wait: limit,
    get unanswered() {
      return unanswered
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      timer = undefined
      for (const { reject } of waiting) reject(new Error('Redis: the store is closed'))
    },
  }
}

/** A client may throw at once, or answer what is no promise. */
function begin<T>(work: () => Promise<T>): Promise<T> {
  try {
    return Promise.resolve(work())
  } catch (thrown) {
    return Promise.reject(thrown)
  }
}

/** What an error says, cut short. */
export function messageOf(thrown: unknown): string {
  // Some have no message, such as that of a connection that was refused at every address.
  return (thrown instanceof Error ? thrown.message || thrown.name : String(thrown)).slice(0, MAX_MESSAGE)
}
