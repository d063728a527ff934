// The load: as many requests as the server can answer over a few connections, or so many a second, with their latencies.

import { type Answer, type Connection, openConnection } from './connection.ts'

/** What is sent where. */
export interface Load {
  readonly port: number
  /** Taken in turn. */
  readonly requests: readonly Buffer[]
  /** Which of them comes first. @default 0 */
  readonly first?: number
  readonly connections: number
  readonly milliseconds: number
  /** What every answer has to be, or the load fails. */
  readonly status: number
}

/** What was answered. */
export interface Loaded {
  readonly count: number
  readonly seconds: number
}

/**
 * Sends the next request on a connection as soon as the last one is answered. Never sleeps meanwhile: waking whoever sends
 * would be work of the server, and the more of it the slower the server is, for no client of another machine.
 */
export async function saturate({
  port,
  requests,
  first = 0,
  connections,
  milliseconds,
  status,
}: Load): Promise<Loaded> {
  const { promise, resolve, reject } = withResolvers<void>()
  let sent = 0
  let count = 0
  let ends = Number.POSITIVE_INFINITY
  let isAwake = true

  function stayAwake(): void {
    if (isAwake) setImmediate(stayAwake)
  }

  function send(connection: Connection): void {
    connection.send(requests[(first + sent) % requests.length] ?? Buffer.alloc(0))
    sent += 1
  }

  function note(answer: Answer, connection: Connection): void {
    if (answer.status !== status) return reject(new Error(`expected ${status}, got ${answer.status}: ${answer.body}`))
    count += 1
    if (performance.now() < ends) send(connection)
    else if (count === sent) resolve()
  }

  const all = await Promise.all(Array.from({ length: connections }, () => openConnection(port, note, reject)))
  try {
    const began = performance.now()
    ends = began + milliseconds
    for (const connection of all) send(connection)
    stayAwake()
    await promise
    return { count, seconds: (performance.now() - began) / 1000 }
  } finally {
    isAwake = false
    for (const connection of all) connection.close()
  }
}

/** What was answered of what was to be sent. */
export interface Paced extends Loaded {
  /** Milliseconds from when each should have gone out until its answer. */
  readonly latencies: readonly number[]
}

// Timers keep no closer.
const TICK = 1

/**
 * Sends so many a second. What finds no free connection waits for one, and its latency with it.
 *
 * @param perSecond - how many
 * @param isPatient - whether what was not sent in time is sent later; else it is left out
 */
export async function pace(load: Load, perSecond: number, isPatient: boolean): Promise<Paced> {
  const { port, requests, connections, milliseconds, status } = load
  const { promise, resolve, reject } = withResolvers<void>()
  const free: Connection[] = []
  const due = new Map<Connection, number>()
  const latencies: number[] = []
  let next = 0
  let isShort = false

  function note(answer: Answer, connection: Connection): void {
    if (answer.status !== status) return reject(new Error(`expected ${status}, got ${answer.status}: ${answer.body}`))
    latencies.push(performance.now() - (due.get(connection) ?? 0))
    due.delete(connection)
    free.push(connection)
  }

  free.push(...(await Promise.all(Array.from({ length: connections }, () => openConnection(port, note, reject)))))
  const all = [...free]
  const began = performance.now()
  const tick = (): void => {
    const now = performance.now()
    const wasShort = isShort
    const wanted = Math.floor((Math.min(now - began, milliseconds) / 1000) * perSecond)
    while (next < wanted) {
      const connection = free.pop()
      isShort = connection === undefined
      if (connection === undefined) break
      // The timer's own delay is no part of it; waiting for a connection is.
      due.set(connection, wasShort ? began + (next / perSecond) * 1000 : now)
      connection.send(requests[next % requests.length] ?? Buffer.alloc(0))
      next += 1
    }
    if (!isPatient) next = Math.max(next, wanted)
    if (now - began >= milliseconds && next >= wanted && due.size === 0) resolve()
  }
  const timer = setInterval(tick, TICK)
  try {
    await promise
    return { count: latencies.length, seconds: (performance.now() - began) / 1000, latencies }
  } finally {
    clearInterval(timer)
    for (const connection of all) connection.close()
  }
}

const ignore = (): void => {}

function withResolvers<T>(): {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
} {
  let resolve: (value: T) => void = ignore
  let reject: (error: Error) => void = ignore
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  return { promise, resolve, reject }
}
