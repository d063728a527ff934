// Reads ava's TAP from standard input and lists which rows of docs/conformance.md and docs/attacks.md have a passing
// test and which have none. `npm run conformance` runs it.

import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

const ROW = /\b(?:[A-K]|CK|FP|IS|VF|JE|KY|RV|IN|RF|CS|SL|EL|CL|PO)-\d\d\b/g

interface Tally {
  readonly passed: Set<string>
  readonly failed: Set<string>
}

function readTap(tap: string): Tally {
  const tally: Tally = { passed: new Set(), failed: new Set() }
  for (const line of tap.split('\n')) {
    const [, isNot, title] = /^(not )?ok \d+ - (.*)$/.exec(line) ?? []
    for (const row of title?.match(ROW) ?? []) (isNot === undefined ? tally.passed : tally.failed).add(row)
  }
  return tally
}

function readRows(file: string): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  let heading = ''
  for (const line of readFileSync(new URL(`../docs/${file}`, import.meta.url), 'utf8').split('\n')) {
    if (line.startsWith('## ')) heading = line.slice(3)
    const row = /^\| ([A-Z]{1,2}-\d\d) \|/.exec(line)?.[1]
    if (row !== undefined) groups.set(heading, [...(groups.get(heading) ?? []), row])
  }
  return groups
}

const { passed, failed } = readTap(await text(process.stdin))
for (const row of failed) passed.delete(row)
let tested = 0
let total = 0
for (const file of ['conformance.md', 'attacks.md']) {
  for (const [heading, rows] of readRows(file)) {
    const missing = rows.filter((row) => !passed.has(row))
    tested += rows.length - missing.length
    total += rows.length
    const note = missing.map((row) => (failed.has(row) ? `${row} FAILED` : row)).join(', ')
    console.log(
      `${heading}: ${rows.length - missing.length} of ${rows.length}${note === '' ? '' : `; not yet: ${note}`}`,
    )
  }
}
console.log(`${tested} of ${total} rows have a passing test`)
process.exitCode = failed.size === 0 && passed.size > 0 ? 0 : 1
