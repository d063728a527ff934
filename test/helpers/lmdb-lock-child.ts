// Takes the lock of a store's file, says so, and keeps it until it is killed.

import { writeSync } from 'node:fs'

import { openLmdbFile } from '../../src/store/lmdb-file.ts'

openLmdbFile(process.argv[2] ?? '').root.transactionSync(() => {
  writeSync(1, 'locked\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
