// Opens the file of the LMDB store: what LMDB would stumble over is looked at before, and everything that is wrong is
// said with its path. Two handles of one process on one file share what is open: LMDB would wait for itself.

import { closeSync, fstatSync, mkdirSync, openSync, readSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { getSystemErrorName } from 'node:util'

import { type Database, open, type RootDatabase } from 'lmdb'

/** A key of a table, ordered part by part. */
export type TableKey = number | string | (number | string)[]

/** A table of the file. Its values are text. */
export type Table<K extends TableKey = TableKey> = Database<string, K>

/** The file, opened. */
export interface LmdbFile {
  readonly path: string
  readonly root: RootDatabase<string, TableKey>
  /** Counters, and the version of this layout. */
  readonly meta: Table<string>
  readonly session: Table<string>
  readonly revocation: Table<string>
  readonly key: Table<string>
  /** `[kind, group, id]`. */
  readonly group: Table<string[]>
  /** `[expires, kind, id]`. */
  readonly expiry: Table<(number | string)[]>
  /** The id of each revocation by its version. */
  readonly log: Table<number>
  /** Lets go of it; the last handle closes it. */
  close(): Promise<void>
}

const FORMAT = '1'
// The first table that is made: a file with others and without this one is somebody else's.
const META = 'koa-holdfast'
const HEADER = { bytes: 32, magicAt: 24, magic: 0xbeefc0de, versionAt: 28, version: 2 } as const
// Address space, not memory and not disk. LMDB maps anew when it is used up.
const MAP_BYTES = 2 ** 28
const MAX_READERS = 1024

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'let this user write there, or choose another path',
  EPERM: 'let this user write there, or choose another path',
  EROFS: 'its file system is read-only; choose another path',
  EISDIR: 'it is a directory; name a file in it',
  ENOTDIR: 'a part of it that should be a directory is a file; choose another path',
  EEXIST: 'a part of it that should be a directory is a file; choose another path',
  ENOENT: 'its directory cannot be made; choose another path',
  ENOSPC: 'the disk is full; free some space',
}

const opened = new Map<string, { readonly file: Omit<LmdbFile, 'close'>; handles: number }>()

/**
 * Opens the file, and makes it if it is not there.
 *
 * @throws Error naming the path and what to do
 */
export function openLmdbFile(given: string): LmdbFile {
  const path = prepare(resolve(given))
  const entry = opened.get(path) ?? { file: openTables(path), handles: 0 }
  opened.set(path, entry)
  entry.handles += 1
  return {
    ...entry.file,
    async close() {
      entry.handles -= 1
      if (entry.handles > 0) return
      opened.delete(path)
      await entry.file.root.close()
    },
  }
}

/**
 * Makes directory and file for their owner only, and looks at the header: on some files LMDB ends the process. The lock
 * file is left alone: to close it would give up the locks that this process may have on it.
 */
function prepare(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const file = openSync(path, 'a+', 0o600)
    try {
      checkHeader(path, file)
    } finally {
      closeSync(file)
    }
    return realpathSync(path)
  } catch (cause) {
    throw withAdvice(path, cause)
  }
}

function withAdvice(path: string, cause: unknown): unknown {
  const { code } = cause as { code?: unknown } // what is no system error has none
  // lmdb-js says the number.
  const name = typeof code === 'number' && code > 0 ? getSystemErrorName(-code) : code
  if (typeof name !== 'string') return cause
  return new Error(`path: cannot open '${path}' (${name}): ${ADVICE[name] ?? 'choose another path'}`, { cause })
}

function checkHeader(path: string, file: number): void {
  if (fstatSync(file).size === 0) return
  const header = Buffer.alloc(HEADER.bytes)
  const length = readSync(file, header, 0, HEADER.bytes, 0)
  if (length < HEADER.bytes || header.readUInt32LE(HEADER.magicAt) !== HEADER.magic) {
    throw new Error(`path: '${path}' is no LMDB file; choose another path, or restore the file from a backup`)
  }
  const version = header.readUInt32LE(HEADER.versionAt)
  if (version !== HEADER.version) throw new Error(otherVersion(path, `LMDB ${version}`, `LMDB ${HEADER.version}`))
}

function otherVersion(path: string, found: string, expected: string): string {
  return (
    `path: '${path}' is of version ${found}, expected ${expected}; ` +
    'open it with the koa-holdfast that wrote it, or choose another path'
  )
}

function openTables(path: string): Omit<LmdbFile, 'close'> {
  const root = openRoot(path)
  try {
    const names = [...root.getKeys()]
    if (names.length > 0 && !names.includes(META)) {
      throw new Error(`path: '${path}' is the LMDB file of another application; choose another path`)
    }
    const table = <K extends TableKey>(name: string): Table<K> => root.openDB<string, K>(name, { encoding: 'string' })
    // One transaction, so that a kill leaves all of it or nothing.
    return root.transactionSync(() => {
      const meta = table<string>(META)
      const format = meta.get('format') ?? FORMAT
      if (format !== FORMAT) throw new Error(otherVersion(path, format, FORMAT))
      meta.putSync('format', FORMAT)
      return {
        path,
        root,
        meta,
        session: table('session'),
        revocation: table('revocation'),
        key: table('key'),
        group: table('group'),
        expiry: table('expiry'),
        log: table('log'),
      }
    })
  } catch (error) {
    void root.close()
    throw error
  }
}

function openRoot(path: string): LmdbFile['root'] {
  const options = {
    path,
    noSubdir: true,
    encoding: 'string',
    maxDbs: 12,
    maxReaders: MAX_READERS,
    mapSize: MAP_BYTES,
    // What others can see is on the disk: a commit returns when it is flushed.
    overlappingSync: false,
    // The batch of an event turn has a promise of its own, which nobody could handle when the disk is full.
    eventTurnBatching: false,
    // Of the lock file, which LMDB makes.
    permissionsMode: 0o600,
  } as const
  try {
    return open<string, TableKey>(options)
  } catch (cause) {
    throw withAdvice(path, cause)
  }
}
