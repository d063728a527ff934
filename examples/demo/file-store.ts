// For this demo only: memoryStore() with all of it saved to one JSON file after each write, so that sessions and
// revocations survive a restart. One process at a time, and slower with every record; an embedded database is to
// come for real use.

import { memoryStore, type NewRecord, type Store, type StoreKind } from 'koa-holdfast'

import { readIfThere, replaceFile } from './files.ts'

const KINDS = ['session', 'revocation'] as const

type Saved = Readonly<Record<StoreKind, readonly NewRecord[]>>

/**
 * Opens the store.
 *
 * @throws Error when the file is there but is none of ours: to start empty would forget what is revoked
 */
export async function fileStore(path: string): Promise<Store> {
  const memory = memoryStore()
  const saved = parse(await readIfThere(path), path)
  for (const kind of KINDS) for (const record of saved[kind]) await memory.set(kind, record)

  /** What is being written, whether or not it will succeed. */
  let queue: Promise<unknown> = Promise.resolve()

  /**
   * Runs one write at a time and lets go of its answer when the file holds it. If it cannot be saved the write is
   * rejected; this process remembers it all the same, and the next one that can be saved takes it along.
   */
  function durably<T>(write: () => Promise<T>): Promise<T> {
    const done = queue.then(async () => {
      const answer = await write()
      // `add`, `swap` and `delete` answer false when they changed nothing.
      if (answer !== false) await save()
      return answer
    })
    queue = done.catch(() => {})
    return done
  }

  async function save(): Promise<void> {
    const records: Record<StoreKind, NewRecord[]> = { session: [], revocation: [] }
    for (const kind of KINDS) for await (const record of memory.list(kind)) records[kind].push(record)
    await replaceFile(path, JSON.stringify(records))
  }

  return {
    ...memory,
    set: (kind, record) => durably(() => memory.set(kind, record)),
    add: (kind, record) => durably(() => memory.add(kind, record)),
    swap: (kind, record) => durably(() => memory.swap(kind, record)),
    delete: (kind, key) => durably(() => memory.delete(kind, key)),
    async close() {
      await queue
      await memory.close()
    },
  }
}

function parse(text: string | undefined, path: string): Saved {
  if (text === undefined) return { session: [], revocation: [] }
  try {
    const saved = JSON.parse(text) as Saved // checked as far as a damaged file is told from a whole one
    if (KINDS.every((kind) => Array.isArray(saved[kind]))) return saved
  } catch {
    // Said below, without the cause: V8's message quotes the text.
  }
  throw new Error(`${path} is damaged: restore it, or delete it and the key beside it to start afresh`)
}
