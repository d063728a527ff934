// How often one address may try. What succeeds is given back, so that only failures add up and nobody behind a shared
// address waits for having a session. Never by user name: with that, any stranger could lock any user out.

import { isIPv4, isIPv6 } from 'node:net'

import { RateLimiterMemory } from 'rate-limiter-flexible'

import { SessionError } from '../errors.ts'
import type { Milliseconds, Seconds } from '../time.ts'
import type { Context } from './context.ts'

/** What is limited. Of the last two only what a client did that could not authenticate. */
export type LimitedAction = 'login' | 'refresh' | 'introspect' | 'revoke'

/** Answers how many seconds to wait, or undefined to go on. */
export type Limiter = (ctx: Context, action: LimitedAction) => Seconds | undefined | Promise<Seconds | undefined>

/** Where the default limits are counted, for several processes: a class of rate-limiter-flexible on a store they share. */
export interface SharedLimiter {
  readonly count: (limit: {
    readonly keyPrefix: string
    readonly points: number
    readonly duration: Seconds
  }) => Counter
}

/** Counts attempts, as the classes of rate-limiter-flexible do. */
export interface Counter {
  /** Takes a point. Rejects with `msBeforeNext` when there is none left. */
  consume(key: string): Promise<unknown>
  /** Gives a point back. */
  reward(key: string): Promise<unknown>
}

/** Runs what is limited, unless it has been tried too often. */
export interface Throttle {
  /** @throws SessionError with ERR_RATE_LIMITED or ERR_STORE_UNAVAILABLE, and what `work` throws */
  run<T>(ctx: Context, action: LimitedAction, work: () => Promise<T>): Promise<T>
}

// Failures from one address: in how many seconds how many.
const LIMITS = {
  login: { points: 10, duration: 300 },
  refresh: { points: 120, duration: 60 },
  introspect: { points: 120, duration: 60 },
  revoke: { points: 120, duration: 60 },
} as const satisfies Readonly<Record<LimitedAction, object>>
const IN_MEMORY: SharedLimiter = { count: (limit) => new RateLimiterMemory(limit) }
// How long an answer of whoever counts may take.
const PATIENCE: Milliseconds = 2000

/**
 * Makes the throttle of one kit.
 *
 * @param limiter - the application's, or where it counts; undefined for the default, false for none
 * @param tlsProxy - whether a proxy stands in front whose headers Koa may not believe
 */
export function createThrottle(limiter: Limiter | SharedLimiter | false | undefined, tlsProxy: boolean): Throttle {
  if (limiter === false) return { run: (_ctx, _action, work) => work() }
  if (typeof limiter !== 'function') return createDefaultThrottle(tlsProxy, limiter)
  return {
    async run(ctx, action, work) {
      const wait = await limiter(ctx, action)
      if (wait !== undefined) throw refuse(wait)
      return work()
    },
  }
}

function createDefaultThrottle(tlsProxy: boolean, { count }: SharedLimiter = IN_MEMORY): Throttle {
  const limiters = {
    login: count({ keyPrefix: 'holdfast:login', ...LIMITS.login }),
    refresh: count({ keyPrefix: 'holdfast:refresh', ...LIMITS.refresh }),
    introspect: count({ keyPrefix: 'holdfast:introspect', ...LIMITS.introspect }),
    revoke: count({ keyPrefix: 'holdfast:revoke', ...LIMITS.revoke }),
  }
  let isWarned = false

  /** What was done is done: that its point stays taken must not undo it. */
  async function giveBack(action: LimitedAction, key: string): Promise<void> {
    await inTime(limiters[action].reward(key)).catch(() => {})
  }

  return {
    async run(ctx, action, work) {
      // Then all have one address, and to limit it would lock everybody out.
      if (tlsProxy && !ctx.app.proxy) {
        if (!isWarned) process.emitWarning(UNKNOWN_PROXY, 'SessionKitWarning')
        isWarned = true
        return work()
      }
      const key = toNetwork(ctx.ip)
      // Taken before the work, so that many at the same time count as many.
      await inTime(limiters[action].consume(key)).catch(async (spent: unknown) => {
        const { msBeforeNext } = Object(spent) as { readonly msBeforeNext?: unknown }
        if (typeof msBeforeNext !== 'number') throw new SessionError('ERR_STORE_UNAVAILABLE', { cause: spent })
        // What is not tried has not failed.
        await giveBack(action, key)
        throw refuse(msBeforeNext / 1000)
      })
      const done = await work()
      await giveBack(action, key)
      return done
    },
  }
}

/** What does not answer has failed: nobody waits for a store that hangs. */
async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the limiter did not answer in time')), PATIENCE)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const UNKNOWN_PROXY =
  'limiter: with cookie.tlsProxy and without app.proxy every request seems to come from the proxy, so nothing is ' +
  'limited. Set app.proxy = true, pass a limiter, or limiter: false if the proxy limits.'

/** A whole number of seconds from 1 to a day, whatever the limiter answered: that it answered closes the door. */
function refuse(wait: Seconds): SessionError {
  const seconds = Math.min(Math.max(Math.ceil(wait) || 1, 1), 86_400)
  return new SessionError('ERR_RATE_LIMITED', { headers: { 'Retry-After': String(seconds) } })
}

/** The address, or the /64 of an IPv6 address, of which one customer has all. */
function toNetwork(address: string): string {
  // Some proxies write the port as well.
  const ip = address.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/^([\d.]+):\d+$/, '$1')
  if (isIPv4(ip)) return ip
  // Whatever a client may have written into X-Forwarded-For must not fill the memory.
  if (!isIPv6(ip)) return 'unknown'
  const halves = ip.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: 8 - halves.flat().length }, () => '0')
  const groups = halves.flatMap((half, i) => (i === 0 ? half : zeros.concat(half)))
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
