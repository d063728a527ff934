// Tabs of one browser: one refresh for all of them, who signs in or out in one does so in all, and what else is on their
// channel changes nothing.

import { setTimeout as wait } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'
import type { BrowserContext } from 'playwright-core'

import { OTHERS_TURN_MS, PULL_MS } from '../../src/client/limits.ts'
import { type BrowserApp, openBrowserApp } from '../helpers/browser-app.ts'
import { createContexts, openTab, settled, type Tab, type TabOptions } from '../helpers/browser-tab.ts'

const CHANNEL = 'koa-holdfast:'

const contexts = createContexts()
let app: BrowserApp

test.before(async () => {
  await contexts.start()
  app = await openBrowserApp(contexts.owner)
})
test.after.always(contexts.end)

/** Tabs in which alice is signed in, each with a token. */
async function openTabs(context: BrowserContext, options: readonly TabOptions[]): Promise<Tab[]> {
  const tabs: Tab[] = []
  for (const one of options) {
    const tab = await openTab(context, app, one)
    if (tabs.length === 0) await tab.login()
    await tab.until('signed-in', 'alice')
    tabs.push(tab)
  }
  return tabs
}

/** Calls `/me` twenty times at once in each tab, and says how often the session was refreshed for that. */
async function callAll(t: ExecutionContext, tabs: readonly Tab[]): Promise<number> {
  const { length } = app.asked('/auth/refresh')
  const answers = tabs.map(({ client }) =>
    client.evaluate((one) => Promise.all(Array.from({ length: 20 }, async () => (await one.fetch('/me')).status))),
  )
  t.deepEqual(
    (await Promise.all(answers)).flat().filter((status) => status !== 200),
    [],
  )
  return app.asked('/auth/refresh').length - length
}

/** The same when the token has ended. Once more where a busy machine took longer than the tabs wait for each other. */
async function callLate(t: ExecutionContext, tabs: readonly Tab[]): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    app.advance(900)
    const began = performance.now()
    const count = await callAll(t, tabs)
    if (tries === 5 || performance.now() - began < PULL_MS) return count
  }
}

test.serial('CL-05 three tabs with twenty calls each refresh once', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  await context.clock.install()
  const tabs = await openTabs(context, [{}, {}, {}])
  t.is(await callAll(t, tabs), 0)
  for (let i = 0; i < 3; i += 1) t.is(await callLate(t, tabs), 1)
  // However long the server takes.
  app.advance(900)
  const refresh = app.hold('/auth/refresh')
  const count = callAll(t, tabs)
  await refresh.answered
  for (let i = 0; i < 10; i += 1) await context.clock.fastForward(PULL_MS)
  refresh.release()
  t.is(await count, 1)
})

/** What is sent over a channel arrives a little later. */
function delayMessages(): void {
  const { addEventListener } = EventTarget.prototype
  Object.assign(BroadcastChannel.prototype, {
    addEventListener(this: BroadcastChannel, type: string, listener: (event: Event) => void) {
      Reflect.apply(addEventListener, this, [type, (event: Event) => setTimeout(listener, 100, event)])
    },
  })
}

test.serial('a tab whose messages are slow asks the others before the server', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tabs = await openTabs(context, [{}, { before: delayMessages }, { before: delayMessages }])
  t.is(await callLate(t, tabs), 1)
})

test.serial('who signs in in one tab is signed in in all, and so is who comes next', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tabs = await Promise.all([openTab(context, app), openTab(context, app)])
  const [first, second] = tabs
  await first.login('alice')
  await second.until('signed-in', 'alice')
  t.is(await second.status('/me'), 200)
  await second.login('bob')
  await first.until('signed-in', 'bob')
  t.is(await tokenOf(first), await tokenOf(second))
  t.is(await callAll(t, tabs), 0)
})

/** Which token a tab has. */
async function tokenOf({ session }: Tab): Promise<unknown> {
  const known = await session()
  return known.status === 'signed-in' ? known.claims?.['jti'] : undefined
}

test.serial('CL-06 who logs out in one tab is signed out in all, and no token is left', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  await context.clock.install()
  const tabs = await openTabs(context, [{}, {}, {}])
  const { length } = app.asked('/auth/logout')
  await tabs[0]?.client.evaluate((client) => client.logout())
  for (const tab of tabs) {
    await tab.until('signed-out')
    t.is(await tab.status('/me'), 401)
    t.is(app.asked('/me').at(-1)?.headers.authorization, undefined)
  }
  // Nor does another tab tell the server later, when it is taken for one that cannot.
  await context.clock.fastForward(OTHERS_TURN_MS + 1000)
  for (const tab of tabs) await settled(tab, app)
  t.is(app.asked('/auth/logout').length, length + 1)
})

test.serial('a session that the server has ended ends in all tabs as soon as one of them notices', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tabs = await openTabs(context, [{}, {}])
  await app.kit.revoke({ sub: 'alice' })
  t.is(await tabs[0]?.status('/me'), 401)
  for (const tab of tabs) await tab.until('signed-out')
})

test.serial(
  'a tab that opens beside others is signed in with one refresh at most, and nobody else needs one',
  async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const tabs = await openTabs(context, [{}])
    const { length } = app.asked('/auth/refresh')
    for (const tab of tabs) await settled(tab, app)
    const refresh = app.hold('/auth/refresh')
    const tab = await openTab(context, app, { isEarly: true })
    // By the other one, before the server has answered.
    await tab.until('signed-in', 'alice')
    refresh.release()
    await settled(tab, app)
    tabs.push(tab)
    t.is(await callAll(t, tabs), 0)
    t.true(app.asked('/auth/refresh').length <= length + 1)
  },
)

async function sidOf(tab: Tab | undefined): Promise<string> {
  const known = await tab?.session()
  return known?.status === 'signed-in' ? known.sid : ''
}

test.serial('CL-07 nothing that is on the channel shows the token to who only listens', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const page = await context.newPage()
  await page.goto(app.origin)
  const heard = await page.evaluateHandle((name) => {
    const messages: string[] = []
    new BroadcastChannel(name).addEventListener('message', ({ data }) => {
      const { sealed, ...rest } = data as { sealed?: { data: ArrayBuffer } }
      const bytes = sealed === undefined ? '' : new TextDecoder('latin1').decode(sealed.data)
      messages.push(JSON.stringify(rest) + bytes)
    })
    return messages
  }, `${CHANNEL}${app.origin}/auth`)
  const [first, second] = await openTabs(context, [{}, {}])
  await first?.client.evaluate((client) => client.refresh())
  t.is(await second?.status('/me'), 200)
  const token = app.asked('/me').at(-1)?.headers.authorization?.split(' ')[1] ?? ''
  const messages = await heard.jsonValue()
  t.true(
    messages.some((message) => message.includes('"t":"gift"')),
    'it was handed over',
  )
  const parts = token.split('.')
  t.is(parts.length, 3)
  for (const message of messages) for (const part of parts) t.false(message.includes(part))
})

/** The token of each, once all have the same: one that waited too long for the first has one of its own for a moment. */
async function commonToken(tabs: readonly Tab[]): Promise<unknown[]> {
  for (let tries = 0; ; tries += 1) {
    const tokens = await Promise.all(tabs.map(tokenOf))
    if (new Set(tokens).size === 1 || tries === 100) return tokens
    await wait(50)
  }
}

test.serial('CL-07 messages of others change nothing', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const tabs = await openTabs(context, [{}, {}])
  const before = await commonToken(tabs)
  const { length } = app.asked('/auth/refresh')
  const name = `${CHANNEL}${app.origin}/auth`
  // What one page sends arrives in its order: with the last of them, all have been heard.
  const heard = await Promise.all(
    tabs.map(({ page }) =>
      page.evaluateHandle((channel) => {
        const last = new Promise((resolve) => {
          new BroadcastChannel(channel).addEventListener('message', ({ data }) => {
            if (data === 'last') resolve(data)
          })
        })
        return { last }
      }, name),
    ),
  )
  const errors: Error[] = []
  for (const { page } of tabs) page.on('pageerror', (error) => errors.push(error))
  const page = await context.newPage()
  await page.goto(app.origin)
  await page.evaluate(
    ([channelName, sid]) => {
      const channel = new BroadcastChannel(channelName)
      const gift = { token: 'planted', sid, lifetime: 900, wall: Date.now() + 1e6 }
      const long = 'x'.repeat(501)
      const outs = [{ v: 2 }, { v: '1' }, { from: 1 }, { from: long }, { to: 'another' }, { to: '' }, { to: null }]
      const sealed = [{ iv: new Uint8Array(12), data: new ArrayBuffer(64) }, gift, 'x', null]
      for (const message of [
        ...[null, undefined, 0, 'out', [], {}, new Date(), new Map(), { t: 'out' }, { v: 1, t: 'out' }],
        ...[...outs, { sid: [] }, { sid: long }].map((change) =>
          Object.assign({ v: 1, t: 'out', from: '', sid }, change),
        ),
        ...['OUT', 'constructor', 'toString', '__proto__', '', 7, null, {}].map((kind) => ({
          v: 1,
          t: kind,
          from: '',
          sid,
        })),
        ...[undefined, '', 'another'].map((other) => ({ v: 1, t: 'end', from: '', sid: other })),
        ...['', '1,2,3', 'x'].map((from) => ({ v: 1, t: 'want', from })),
        ...sealed.map((one) => ({ v: 1, t: 'gift', from: '', sid, sealed: one })),
        ...[{ v: 1, t: 'gift', from: '', gift, ...gift }, { v: 1, t: 'told', from: '' }, 'last'],
      ]) {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
        channel.postMessage(message)
      }
    },
    [name, await sidOf(tabs[0])] as const,
  )
  for (const one of heard) await one.evaluate(({ last }) => last)
  t.is(await callAll(t, tabs), 0)
  t.deepEqual(await Promise.all(tabs.map(tokenOf)), before)
  t.is(app.asked('/auth/refresh').length, length)
  t.deepEqual(errors, [])
})

test.serial('a token that a script of the page plants is refused by the server and replaced', async (t) => {
  const context = await contexts.open(t)
  if (context === undefined) return
  const [tab] = await openTabs(context, [{}])
  if (tab === undefined) return
  await tab.page.evaluate(
    async ([name, sid]) => {
      const curve = { name: 'ECDH', namedCurve: 'P-256' }
      const { privateKey, publicKey } = await crypto.subtle.generateKey(curve, false, ['deriveKey'])
      const from = String(new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)))
      const channel = new BroadcastChannel(name)
      await new Promise<void>((resolve) => {
        channel.addEventListener('message', ({ data }) => {
          const other = data as { t: string; from: string }
          if (other.t !== 'gift') return
          void crypto.subtle
            .importKey('raw', Uint8Array.from(other.from.split(','), Number), curve, false, [])
            .then((key) =>
              crypto.subtle.deriveKey({ ...curve, public: key }, privateKey, { name: 'AES-GCM', length: 256 }, false, [
                'encrypt',
              ]),
            )
            .then(async (key) => {
              const iv = new Uint8Array(12)
              const gift = { token: 'planted', sid, lifetime: 900, wall: Date.now() + 1e6 }
              const text = new TextEncoder().encode(JSON.stringify(gift))
              const sealed = { iv, data: await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, text) }
              // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
              return channel.postMessage({ v: 1, t: 'gift', from, to: other.from, sealed })
            })
            .then(resolve)
        })
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
        channel.postMessage({ v: 1, t: 'want', from })
      })
    },
    [`${CHANNEL}${app.origin}/auth`, await sidOf(tab)] as const,
  )
  await tab.client.evaluate(
    (client) =>
      new Promise((resolve) => {
        if (client.session.status === 'signed-in' && client.session.subject === undefined) resolve(undefined)
        else client.onChange(resolve)
      }),
  )
  t.is(await tab.status('/me'), 200)
  t.is(app.asked('/me').at(-2)?.headers.authorization, 'Bearer planted')
  t.like(await tab.session(), { status: 'signed-in', subject: 'alice' })
})

const missing: Readonly<Record<string, () => void>> = {
  'Web Locks': () => void Object.defineProperty(navigator, 'locks', { value: undefined }),
  'Web Locks that work': () => {
    Object.defineProperty(navigator, 'locks', {
      value: {
        request() {
          return Promise.reject(new Error('denied'))
        },
      },
    })
  },
  BroadcastChannel: () => void Reflect.deleteProperty(globalThis, 'BroadcastChannel'),
  WebCrypto: () => void Object.defineProperty(crypto, 'subtle', { value: undefined }),
}

for (const [name, before] of Object.entries(missing)) {
  test.serial(`without ${name} every tab goes on, and nobody is logged out`, async (t) => {
    const context = await contexts.open(t)
    if (context === undefined) return
    const errors: Error[] = []
    context.on('weberror', (error) => errors.push(error.error()))
    const tabs = await openTabs(context, [{ before }, { before }, { before }])
    for (let i = 0; i < 2; i += 1) {
      app.advance(900)
      const refreshes = await callAll(t, tabs)
      t.true(refreshes >= 1 && refreshes <= tabs.length, String(refreshes))
    }
    await tabs[0]?.client.evaluate((client) => client.logout())
    for (const tab of tabs) {
      t.is(await tab.status('/me'), 401)
      await tab.until('signed-out')
    }
    t.deepEqual(errors, [])
  })
}
