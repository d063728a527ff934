// The other tabs of this origin: tells them of logins and logouts, and hands them the token, sealed for whoever asks. What
// comes over the channel may be anybody's, so only what has the right shape is looked at, and none of it proves anything:
// a wrong token is refused by the server, and replaced.

import { MAX_SEALED, MAX_TEXT } from './limits.ts'
import { parse, stringify } from './natives.ts'
import { createSealer, type Sealed, type Sealer } from './seal.ts'

/** A message. */
export interface Message {
  readonly v: 1
  readonly t: keyof News
  /** The public key of a tab; '' before it has one. */
  readonly from: string
  /** For this tab only. */
  readonly to?: string
  readonly sid?: string
  readonly sealed?: Sealed
}

/** What to do with each kind of message. */
export interface News {
  /** A tab asks for the token. */
  want(message: Message): void
  /** Another tab hands something over. */
  gift(gift: unknown): void
  /** There is a new token of the session `sid`, which may be a new one too. */
  in(message: Message): void
  /** Somebody has logged out, and the server is about to be told. */
  out(message: Message): void
  /** The server has been told. */
  told(message: Message): void
  /** The server says that the session `sid` has ended. */
  end(message: Message): void
}

export interface Tabs {
  open(): Promise<void>
  close(): void
  tell(t: Message['t'], sid?: string, to?: string, sealed?: Sealed): void
  /** Hands something to one tab. */
  hand(gift: unknown, to: string): Promise<void>
  /** Whether any was heard of. */
  hasOthers: boolean
}

export function createTabs(name: string, news: News): Tabs {
  let channel: BroadcastChannel | undefined
  let sealer: Sealer | undefined

  function tell(t: Message['t'], sid?: string, to?: string, sealed?: Sealed): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    channel?.postMessage({ v: 1, t, from: sealer?.name ?? '', sid, to, sealed })
  }

  async function take({ from, sealed }: Message): Promise<void> {
    try {
      if (!sealed || !(sealed.data.byteLength <= MAX_SEALED)) return
      news.gift(parse(String(await sealer?.open(from, sealed))))
    } catch {
      // Not sealed for this tab, or not by that one.
    }
  }

  const handlers = { ...news, gift: (message: Message) => void take(message) }

  function receive({ data, origin }: MessageEvent<unknown>): void {
    if (origin !== location.origin || !isMessage(data) || !Object.hasOwn(handlers, data.t)) return
    tabs.hasOthers = true
    if (data.to === undefined || data.to === sealer?.name) handlers[data.t](data)
  }

  const tabs: Tabs = {
    async open() {
      if (!globalThis.BroadcastChannel) return
      channel = new BroadcastChannel(name)
      channel.addEventListener('message', receive)
      sealer ??= await createSealer().catch(() => undefined)
      tell('want')
    },
    close() {
      channel?.close()
      channel = undefined
    },
    tell,
    hasOthers: false,
    async hand(gift, to) {
      try {
        tell('gift', undefined, to, await sealer?.seal(to, stringify(gift)))
      } catch {
        // That is no key, so there is no such tab.
      }
    },
  }
  return tabs
}

function isMessage(data: unknown): data is Message {
  const { v, from, to = '', sid = '' } = Object(data) as Partial<Message>
  return v === 1 && [from, to, sid].every((text) => typeof text === 'string' && text.length <= MAX_TEXT)
}
