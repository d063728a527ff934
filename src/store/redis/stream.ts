// Follows the stream on a connection of its own, which waits in XREAD. It only makes the news fast: whether they are
// complete is known from the heads, so an entry that is no entry, a lost connection or a stopped server harm nobody.

import type { Milliseconds } from '../../time.ts'
import { openConnection, type OwnConnection, type RedisClient } from './client.ts'
import { type Commands, createCommands, messageOf } from './commands.ts'
import { createPause } from './pause.ts'
import type { Report } from './problems.ts'
import { isVersion, MAX_LINE, textOf } from './wire.ts'

/** One entry: which write it is, which was before it, and the line that was written. Undefined for what is none. */
export interface Entry {
  readonly version?: string
  readonly before?: string
  readonly line?: string
}

/** How long XREAD waits. */
const BLOCK: Milliseconds = 500
// So many entries at a time: more where more are waiting, fewer where they are larger than ours.
const FEWEST = 100
const MOST = 2000
const MUCH = 2 ** 20
const FIRST_PAUSE: Milliseconds = 50
const LONGEST_PAUSE: Milliseconds = 1000

/**
 * Reads from an id on until the signal.
 *
 * @param options.take - hears the entries, some at a time
 */
export function readStream(options: {
  readonly client: RedisClient
  readonly timeout: Milliseconds
  readonly key: string
  readonly id: string
  readonly take: (entries: readonly Entry[]) => void
  readonly report: Report
  readonly signal: AbortSignal
}): void {
  const { client, timeout, key, take, report, signal } = options
  const { wait } = createPause(signal)
  let { id } = options
  let pause = FIRST_PAUSE
  let count = FEWEST
  let connection: OwnConnection | undefined
  let commands: Commands | undefined

  async function read(): Promise<void> {
    if (connection === undefined || commands === undefined) {
      connection = openConnection(client)
      commands = createCommands(connection, BLOCK + timeout)
      const { ready } = connection
      await commands.wait(() => ready)
    }
    const command = ['XREAD', 'COUNT', String(count), 'BLOCK', String(BLOCK), 'STREAMS', key, id]
    const { entries, size } = toEntries(await commands.send(key, command))
    pause = FIRST_PAUSE
    id = entries.at(-1)?.id || id
    if (size > MUCH) count = Math.max(1, count >> 2)
    else count = entries.length < count ? FEWEST : Math.min(count * 2, MOST)
    if (!signal.aborted && entries.length > 0) take(entries)
  }

  function close(): void {
    commands?.close()
    connection?.close()
    commands = connection = undefined
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await read()
      } catch (thrown) {
        if (signal.aborted) return
        // A new connection, since this one may hang.
        close()
        report(`revocations: the stream was lost, ${messageOf(thrown)}`)
        await wait(pause)
        pause = Math.min(pause * 2, LONGEST_PAUSE)
      }
    }
  }

  signal.addEventListener('abort', close, { once: true })
  void run()
}

/** Whichever way a client shows the answer: pairs in RESP2, a map in RESP3, null for nothing. */
function toEntries(reply: unknown): { entries: (Entry & { readonly id: string })[]; size: number } {
  let found: unknown = []
  if (Array.isArray(reply)) {
    const [first, second] = reply as unknown[]
    found = Array.isArray(first) ? first[1] : second
  } else if (reply instanceof Map) [found] = reply.values()
  else if (typeof reply === 'object' && reply !== null) [found] = Object.values(reply)
  if (!Array.isArray(found)) throw new Error('an unexpected answer to XREAD')
  const entries: (Entry & { readonly id: string })[] = []
  let size = 0
  for (const entry of found as unknown[]) {
    const [id, fields] = Array.isArray(entry) ? (entry as unknown[]) : []
    const texts = Array.isArray(fields) ? fields.map((field) => textOf(field) ?? '') : []
    for (const text of texts) size += text.length
    entries.push({ id: textOf(id) ?? '', ...toEntry(texts) })
  }
  return { entries, size }
}

function toEntry([name, write = '', ...more]: readonly string[]): Entry {
  if (name !== 'w' || more.length > 0 || write.length > MAX_WRITE) return {}
  const first = write.indexOf(' ')
  const second = write.indexOf(' ', first + 1)
  if (second === -1) return {}
  const [before, version] = [write.slice(0, first), write.slice(first + 1, second)]
  return isVersion(before) && isVersion(version) ? { before, version, line: write.slice(second + 1) } : {}
}

const MAX_WRITE = MAX_LINE + 2 * 17
