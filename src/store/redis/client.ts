// The small face of a Redis client: node-redis and ioredis, single, Sentinel and Cluster, told apart by what they have.
// No package is imported: the client is the application's, and so are its address, password, TLS and reconnects.

import { describeKind } from '../../describe.ts'

/** A client of `redis` (`@redis/client`) or `ioredis`, single, Sentinel or Cluster. */
export interface RedisClient {
  /** Another client with the same settings and a connection of its own. */
  duplicate(): object
}

/** A command and its parameters: text, or bytes as they are. */
export type Command = readonly (string | Buffer)[]

/** What the store asks of a client. */
export interface Connection {
  /** Sends a command to the master that has the key. */
  send(key: string, command: Command): Promise<unknown>
  /** The same, for an answer in bytes. */
  fetch(key: string, command: Command): Promise<unknown>
  /** One sender for each master. */
  masters(): Promise<((command: Command) => Promise<unknown>)[]>
  /** What the client itself puts before every key. */
  readonly keyPrefix: string
}

/** A connection of the store's own. */
export interface OwnConnection extends Connection {
  /** Resolves once it can be used. */
  readonly ready: Promise<unknown>
  /** Ends it at once, in whatever state it is. */
  close(): void
}

type Send = (...parameters: unknown[]) => Promise<unknown>

/** The members that are looked for. */
interface Face {
  readonly call?: Send
  readonly callBuffer?: Send
  readonly sendCommand?: Send
  readonly isCluster?: boolean
  readonly nodes?: (role: string) => Face[]
  readonly masters?: readonly unknown[]
  readonly nodeClient?: (node: unknown) => Face | Promise<Face>
  readonly acquire?: unknown
  readonly duplicate: (overrides?: object) => Face
  readonly options?: { readonly keyPrefix?: unknown; readonly redisOptions?: { readonly keyPrefix?: unknown } }
  readonly status?: string
  readonly connect?: () => Promise<unknown>
  readonly destroy?: () => unknown
  readonly disconnect?: () => unknown
  readonly on: (event: string, listener: (value: unknown) => void) => unknown
}

/** @throws TypeError for what is no client */
export function toConnection(client: unknown): Connection {
  const face = Object(client) as Face // an object of whatever it is, to look at its members
  const members = [face.duplicate, face.on, face.call === undefined ? face.sendCommand : face.callBuffer]
  const isClient = members.every((one) => typeof one === 'function')
  if (isClient) return typeof face.call === 'function' ? ofIoredis(face, face.call) : ofNodeRedis(face)
  throw new TypeError(`client: expected a client of redis or ioredis, got ${describeKind(client)} without its methods`)
}

function ofIoredis(face: Face, call: Send): Connection {
  const prefix = face.options?.keyPrefix ?? face.options?.redisOptions?.keyPrefix
  return {
    send: (_key, command) => call.apply(face, [...command]),
    fetch: async (_key, command) => must(face.callBuffer).apply(face, [...command]),
    async masters() {
      const nodes = face.isCluster === true ? (face.nodes?.('master') ?? []) : [face]
      return nodes.map((node) => (command) => must(node.call).apply(node, [...command]))
    },
    keyPrefix: typeof prefix === 'string' ? prefix : '',
  }
}

// Of node-redis, for one command: what RESP calls a blob is not to be text.
const AS_BYTES = { typeMapping: { 36: Buffer } }

function ofNodeRedis(face: Face): Connection {
  const send = must(face.sendCommand)
  const single = (command: Command): Promise<unknown> => send.call(face, command)
  const base = { masters: async () => [single], keyPrefix: '' }
  // In a cluster each command names its key; both others decide by the second parameter whether a replica may answer.
  if (typeof face.nodeClient === 'function') {
    return {
      ...base,
      send: (key, command) => send.call(face, key, false, command),
      fetch: (key, command) => send.call(face, key, false, command, AS_BYTES),
      async masters() {
        const nodes = await Promise.all((face.masters ?? []).map(async (node) => face.nodeClient?.(node)))
        return nodes.map((node) => (command) => must(node?.sendCommand).call(node, command))
      },
    }
  }
  if (typeof face.acquire === 'function') {
    const sentinel = (command: Command): Promise<unknown> => send.call(face, false, command)
    return {
      ...base,
      send: (_key, command) => sentinel(command),
      fetch: (_key, command) => send.call(face, false, command, AS_BYTES),
      masters: async () => [sentinel],
    }
  }
  return {
    ...base,
    send: (_key, command) => single(command),
    fetch: (_key, command) => send.call(face, command, AS_BYTES),
  }
}

/** Opens a second connection with the client's own settings. */
export function openConnection(client: RedisClient): OwnConnection {
  const known = client as Face // toConnection has looked at it
  // Of a cluster only the node that is asked: with all of them a dead one would keep it from connecting, and node-redis
  // makes those connections even when it is destroyed meanwhile, for good.
  const face =
    typeof known.nodeClient === 'function' ? known.duplicate({ minimizeConnections: true }) : known.duplicate()
  // Whoever sends hears of it; without a listener Node would end the process.
  face.on('error', () => {})
  return { ...toConnection(face), ready: connect(face), close: () => void disconnect(face) }
}

async function connect(face: Face): Promise<void> {
  // ioredis connects by itself, unless it was told to wait.
  if (typeof face.call !== 'function' || face.status === 'wait') await must(face.connect).call(face)
  else if (face.status !== 'ready') {
    await new Promise((resolve, reject) => {
      face.on('ready', resolve)
      face.on('end', () => reject(new Error('the connection was ended')))
    })
  }
}

async function disconnect(face: Face): Promise<void> {
  const nodes = (face.masters ?? []) as readonly { readonly client?: Face }[] // of node-redis; others have none
  for (const one of [face, ...nodes.flatMap(({ client }) => client ?? [])]) {
    // node-redis does not know its socket before that has connected, and would keep it.
    one.on('connect', () => void one.destroy?.())
  }
  try {
    await (face.destroy ?? face.disconnect)?.call(face)
  } catch {
    // It was closed already.
  }
}

function must<T>(member: T | undefined): T {
  if (member === undefined) throw new TypeError('client: a method is missing')
  return member
}
