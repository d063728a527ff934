// `npm run breaks -- [part of a test file, a title or what is broken]…`: breaks one feature after the other, in a copy of
// the repository, and expects the browser tests that hold it to fail. What survives is a feature that no test would miss.

import type { Area, Break } from './break.ts'
import { createCopy, type Outcome } from './copy.ts'
import { clientCrossSite } from './client-cross-site.ts'
import { clientFetch } from './client-fetch.ts'
import { clientLogout } from './client-logout.ts'
import { clientSession } from './client-session.ts'
import { clientTabs } from './client-tabs.ts'
import { clientTime } from './client-time.ts'
import { cookieJar } from './cookie-jar.ts'
import { demoAccess } from './demo-access.ts'
import { demoAttacks } from './demo-attacks.ts'
import { demo } from './demo.ts'
import { frontEnds } from './front-ends.ts'

const AREAS: readonly Area[] = [
  ...[clientSession, clientFetch, clientTime, clientTabs, clientLogout, clientCrossSite],
  ...[demo, demoAttacks, demoAccess, frontEnds, cookieJar],
]

const filters = process.argv.slice(2)
const isWanted = ({ test }: Area, { titles, what }: Break): boolean =>
  filters.length === 0 || filters.some((filter) => [test, what, ...titles].some((text) => text.includes(filter)))

const copy = createCopy()
const tally = { breaks: 0, seen: 0, survived: 0, other: 0 }

/** What came of a break, and what there is to say about it. */
type Verdict = readonly [kind: 'seen to fail' | 'SURVIVED' | 'stale' | 'NOT SEEN', note: string]

async function attempt(test: string, { titles, file, find, replace }: Break): Promise<Verdict> {
  const restore = copy.change(file, find, replace)
  if (restore === undefined) return ['stale', `the text is not in ${file}, or not once`]
  try {
    const problem = await copy.build()
    return problem === undefined ? judge(titles, await copy.test(test, titles)) : ['stale', `no build: ${problem}`]
  } finally {
    restore()
  }
}

function judge(titles: readonly string[], { passed, failed, reasons, isLate, text }: Outcome): Verdict {
  const survivors = titles.filter((title) => passed.includes(title))
  if (survivors.length > 0) return ['SURVIVED', survivors.join(' | ')]
  const count = `${failed.length} of ${passed.length + failed.length} by ${[...new Set(reasons)].join(' ')}`
  const rest = titles.filter((title) => !failed.includes(title))
  if (rest.length === 0) return ['seen to fail', count]
  if (rest.length === 1 && isLate) return ['seen to fail', 'never ended']
  return ['NOT SEEN', `the tests did not come to fail by themselves: ${text.slice(-1000)}`]
}

/** Runs the tests unbroken: they pass, and where all of the file is wanted each has a break. Answers what is wrong. */
async function look({ test, breaks }: Area, wanted: readonly Break[]): Promise<readonly string[]> {
  const isWhole = wanted.length === breaks.length
  const broken = new Set(wanted.flatMap(({ titles }) => titles))
  await copy.build()
  const { passed, failed, isLate } = await copy.test(test, isWhole ? [] : [...broken])
  console.log(`\n${test}: unbroken ${passed.length} passed, ${failed.length} failed; ${wanted.length} breaks`)
  return [
    ...failed.map((title) => `fails unbroken: ${title}`),
    ...(isLate || passed.length === 0 ? ['did not run to its end unbroken'] : []),
    ...passed.filter((title) => !broken.has(title)).map((title) => `no break: ${title}`),
    ...[...broken].filter((title) => ![...passed, ...failed].includes(title)).map((title) => `no such test: ${title}`),
  ]
}

const total = AREAS.flatMap((area) => area.breaks.filter((one) => isWanted(area, one))).length
for (const area of AREAS) {
  const wanted = area.breaks.filter((one) => isWanted(area, one))
  const problems = wanted.length > 0 ? await look(area, wanted) : []
  for (const problem of problems) console.log(`  ${problem}`)
  tally.other += problems.length
  for (const one of wanted) {
    const began = performance.now()
    const [kind, note] = await attempt(area.test, one)
    const seconds = Math.round((performance.now() - began) / 1000)
    tally.breaks += 1
    if (kind === 'seen to fail') tally.seen += 1
    else if (kind === 'SURVIVED') tally.survived += 1
    console.log(`${tally.breaks}/${total} ${kind} (${note}, ${seconds} s): ${one.what} → ${one.titles.join(' | ')}`)
  }
}

const { breaks, seen, survived, other } = tally
if (other > 0) console.log(`\n${other} tests without a break, or with one that is no test's, or failing unbroken`)
console.log(`\n${breaks} breaks, ${seen} seen to fail, ${survived} survived`)
process.exit(breaks > 0 && seen === breaks && other === 0 ? 0 : 1)
