// The report: tables and verdicts on the terminal, and for a full run docs/performance.md, between its markers.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

import { drawChart } from './chart.ts'
import { CORES } from './child.ts'
import type { Findings, Table, Verdict } from './section.ts'

const DOCUMENT = new URL('../docs/performance.md', import.meta.url)
const CHART = new URL('../docs/performance.svg', import.meta.url)
const MARKERS = ['<!-- npm run bench: begin -->', '<!-- npm run bench: end -->'] as const

/** Prints what a section has found. */
export function printFindings({ tables, verdicts }: Findings): void {
  for (const { title, note, head, rows } of tables) {
    console.log(`\n${title}${note === undefined ? '' : `\n${note}`}`)
    const widths = head.map((cell, i) =>
      Math.max(...[cell, ...rows.map((row) => row[i] ?? '')].map(({ length }) => length)),
    )
    for (const row of [head, ...rows])
      console.log(
        row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd(),
      )
  }
  if (verdicts.length > 0) console.log('')
  for (const { what, target, reached, isOk } of verdicts) {
    console.log(`${isOk ? 'ok    ' : 'missed'}  ${what}: ${reached}, target ${target}`)
  }
}

/** Writes the document's generated part and the chart. */
export function writeReport(all: readonly Findings[], seconds: number): void {
  const [begin, end] = MARKERS
  const text = readFileSync(DOCUMENT, 'utf8')
  const [before, rest] = split(text, begin)
  const [, after] = split(rest, end)
  const parts = [
    describeRun(seconds),
    '![CPU time that each adds to a request](performance.svg)',
    ...['## Targets', toMarkdown(toVerdicts(all.flatMap((one) => one.verdicts)))],
    ...all.flatMap(({ tables }) => tables).map(toSection),
  ]
  writeFileSync(DOCUMENT, `${before}${begin}\n\n${parts.join('\n\n')}\n\n${end}${after}`)
  writeFileSync(CHART, drawChart(all.flatMap(({ bars = [] }) => bars)))
  execFileSync('npx', ['prettier', '--log-level=warn', '--write', DOCUMENT.pathname], { stdio: 'inherit' })
  console.log('docs/performance.md and docs/performance.svg are written.')
}

function split(text: string, marker: string): [string, string] {
  const at = text.indexOf(marker)
  if (at < 0) throw new Error(`docs/performance.md has no ${marker}`)
  return [text.slice(0, at), text.slice(at + marker.length)]
}

function describeRun(seconds: number): string {
  const [cpu] = cpus()
  const pinned = CORES === undefined ? 'not pinned' : 'servers pinned to one core, the load to another'
  return [
    `\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}, ${seconds} s: ${cpu?.model.trim()}, ${cpus().length} cores, ` +
      `${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${release()}, Node ${process.version}; ${pinned}.`,
    `Versions: ${versions().join(', ')}.`,
  ].join('\n\n')
}

/** Reads a package.json, whose form the cast says. */
const read = (path: string): Manifest => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Manifest

/** What was measured, as it is installed. */
function versions(): string[] {
  const peers = Object.keys(read('peers/package.json').devDependencies ?? {})
  return [
    read('../package.json'),
    ...['koa', 'jose', 'lmdb'].map((name) => read(`../node_modules/${name}/package.json`)),
    ...peers.map((name) => read(`peers/node_modules/${name}/package.json`)),
  ].map(({ name, version }) => `${name} ${version}`)
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly devDependencies?: Readonly<Record<string, string>>
}

function toVerdicts(verdicts: readonly Verdict[]): Pick<Table, 'head' | 'rows'> {
  return {
    head: ['', 'target', 'reached', ''],
    rows: verdicts.map(({ what, target, reached, isOk }) => [what, target, reached, isOk ? 'ok' : '**missed**']),
  }
}

function toSection(table: Table): string {
  return [`## ${table.title}`, table.note ?? '', toMarkdown(table)].join('\n\n')
}

const toLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function toMarkdown({ head, rows }: Pick<Table, 'head' | 'rows'>): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map(toLine).join('\n')
}
