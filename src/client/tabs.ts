// The other tabs of this origin: tells them of logins and logouts, and hands them the token, sealed for each. What is on
// the channel may be anybody's, so only what has the right shape is looked at, and nothing in it is trusted further than
// the server would confirm.

import { parse, stringify } from './natives.ts'
import { createSealer, type Sealed, type Sealer } from './seal.ts'

/** A message. `from` and `to` are public keys. */
interface Message {
  readonly v: 1
  readonly t: keyof Handlers
  readonly from?: string
  readonly to?: string
  readonly sid?: string
  readonly told?: boolean
  readonly sealed?: Sealed
}

type Handlers = Readonly<Record<'hello' | 'bye' | 'gift' | 'ack' | 'in' | 'out' | 'busy' | 'free', unknown>>

/** What a tab is told. */
export interface News {
  /** Somebody has signed in. */
  in(sid: string | undefined): void
  /** A session has ended: this one or, without a `sid`, whichever there is. `told` says whether the server knows. */
  out(sid: string | undefined, told: boolean): void
  /** A tab opens; answers what to hand it, if anything. */
  hello(): { readonly gift: unknown } | { readonly isOut: true } | undefined
  /** Another tab hands over a token. */
  gift(gift: unknown): void
}

export interface Tabs {
  open(): void
  close(): void
  tell(t: 'in' | 'out' | 'busy' | 'free', more?: Pick<Message, 'sid' | 'told'>): void
  /** Hands this to every known tab; settles once all have it, or after a second. */
  give(gift: unknown): Promise<void>
  /** Whether another tab is refreshing: where there are no locks. */
  isBusy(): boolean
}

const MAX_TABS = 32
const MAX_TEXT = 500
const MAX_SEALED = 32_768
const PATIENCE_MS = 1000
const BUSY_MS = 10_000

export function createTabs(name: string, news: News): Tabs {
  let channel: BroadcastChannel | undefined
  let sealer: Sealer | undefined
  let busyUntil = 0
  /** The public keys of the other tabs. */
  const known = new Set<string>()
  /** Tabs that have yet to say that they have what they were handed. */
  const awaited = new Set<string>()
  let settle: (() => void) | undefined

  function post(t: Message['t'], more: Partial<Message> = {}): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    channel?.postMessage({ v: 1, t, from: sealer?.name, ...more })
  }

  async function hand(to: string, gift: unknown): Promise<void> {
    try {
      const sealed = await sealer?.seal(to, stringify(gift))
      if (sealed) post('gift', { to, sealed })
    } catch {
      forget(to)
    }
  }

  function forget(tab: string): void {
    known.delete(tab)
    acknowledge(tab)
  }

  function acknowledge(tab: string): void {
    awaited.delete(tab)
    if (awaited.size === 0) settle?.()
  }

  function meet(tab: string): void {
    if (known.size < MAX_TABS) known.add(tab)
  }

  async function take({ from, to, sealed }: Message & { readonly from: string }): Promise<void> {
    if (to === undefined || sealed === undefined || sealer === undefined) return
    try {
      news.gift(parse(await sealer.open(from, sealed)))
      meet(from)
      post('ack', { to: from })
    } catch {
      // Not sealed for this tab, or not by that one.
    }
  }

  const handlers: Record<Message['t'], (message: Message & { readonly from: string }) => void> = {
    hello({ from, to }) {
      meet(from)
      if (to !== undefined) return
      post('hello', { to: from })
      const answer = news.hello()
      if (answer && 'gift' in answer) void hand(from, answer.gift)
      else if (answer) post('out', { to: from, told: false })
    },
    bye: ({ from }) => forget(from),
    gift: (message) => void take(message),
    ack: ({ from }) => acknowledge(from),
    in: ({ sid }) => news.in(sid),
    out: ({ sid, told }) => news.out(sid, told === true),
    busy() {
      busyUntil = Date.now() + BUSY_MS
    },
    free() {
      busyUntil = 0
    },
  }

  function receive({ data, origin }: MessageEvent<unknown>): void {
    if (origin !== location.origin || !isMessage(data) || !Object.hasOwn(handlers, data.t)) return
    if (data.to !== undefined && data.to !== sealer?.name) return
    handlers[data.t](data)
  }

  async function open(): Promise<void> {
    if (globalThis.BroadcastChannel === undefined) return
    channel = new BroadcastChannel(name)
    channel.addEventListener('message', receive)
    sealer ??= await createSealer().catch(() => undefined)
    if (sealer) post('hello')
  }

  return {
    open: () => void open(),
    close() {
      post('bye')
      channel?.close()
      channel = undefined
      known.clear()
      awaited.clear()
      settle?.()
    },
    tell: post,
    async give(gift) {
      for (const tab of known) awaited.add(tab)
      if (awaited.size === 0) return
      await new Promise<void>((resolve) => {
        settle = resolve
        setTimeout(resolve, PATIENCE_MS)
        for (const tab of awaited) void hand(tab, gift)
      })
      // Whoever did not answer is not waited for again, until it is heard of.
      for (const tab of awaited) known.delete(tab)
      awaited.clear()
    },
    isBusy: () => Date.now() < busyUntil,
  }
}

function isMessage(data: unknown): data is Message & { readonly from: string } {
  if (typeof data !== 'object' || data === null) return false
  const { v, t, from, to = '', sid = '', sealed } = data as Record<string, unknown>
  return (
    v === 1 &&
    [t, from, to, sid].every((text) => typeof text === 'string' && text.length <= MAX_TEXT) &&
    (sealed === undefined || isSealed(sealed))
  )
}

function isSealed(value: unknown): value is Sealed {
  const { iv, data } = Object(value) as Partial<Sealed>
  return iv instanceof Uint8Array && iv.length === 12 && data instanceof ArrayBuffer && data.byteLength <= MAX_SEALED
}
