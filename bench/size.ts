// How much a browser has to load for the client: the one-file module, compressed as a server would. `npm run size` fails
// where that is more than what was promised.

import { readFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'

const LIMIT = 4000

const module = readFileSync(new URL('../dist/client/holdfast-client.min.js', import.meta.url))
const size = gzipSync(module, { level: 9 }).length
console.log(
  `koa-holdfast/client: ${size} bytes with gzip (limit ${LIMIT}), ${brotliCompressSync(module).length} with brotli, ` +
    `${module.length} minified`,
)
process.exitCode = size < LIMIT ? 0 : 1
