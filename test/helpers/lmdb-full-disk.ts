// Fills a store until the disk takes no more, then sees what still works. lmdb.test.ts starts it with little disk.

import { lmdbStore } from '../../src/store/lmdb.ts'

const unhandled: string[] = []
process.on('unhandledRejection', (reason) => unhandled.push(String(reason)))

const store = lmdbStore({ path: process.argv[2] ?? '' })
const expires = Date.now() + 3_600_000
const record = (key: string) => ({ key, value: 'x'.repeat(20_000), expires })

let written = 0
let rejection = ''
while (rejection === '') {
  // Several at once: what fails together fails each for itself.
  const answers = await Promise.allSettled([0, 1, 2].map((i) => store.set('session', record(`${written} ${i}`))))
  for (const answer of answers) if (answer.status === 'rejected') rejection = String(answer.reason)
  if (rejection === '') written += 1
}

const isReadable = (await store.get('session', '0 0')) !== undefined
let isFreed = true
for (let i = 0; i < Math.min(written, 20); i += 1) isFreed &&= await store.delete('session', `${i} 0`)
await store.set('session', record('after'))
const isWritable = (await store.get('session', 'after')) !== undefined
await new Promise((resolve) => setTimeout(resolve, 50))
await store.close()
process.send?.({ rejection, isReadable, isFreed, isWritable, unhandled }, () => process.exit())
