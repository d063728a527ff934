// A private copy of the repository, in which something can be broken while others work on it.

import { execFileSync, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
// What waits in vain in a test gives up after a third of that.
const PATIENCE_MS = 90_000
const FILE_PATIENCE_MS = 300_000

/** What came of a test file, or of some of its tests. */
export interface Outcome {
  readonly passed: readonly string[]
  readonly failed: readonly string[]
  /** How each of the failed ones failed. */
  readonly reasons: readonly string[]
  /** Whether it did not come to its end. */
  readonly isLate: boolean
  readonly text: string
}

export interface Copy {
  /** Makes the change; answers what takes it back, undefined where the text is not there exactly once. */
  change(file: string, find: string, replace: string): (() => void) | undefined
  /** Answers what the compiler says, where it does not succeed. */
  build(): Promise<string | undefined>
  /** Runs a test file, or the tests of these titles. */
  test(file: string, titles?: readonly string[]): Promise<Outcome>
}

/** Makes the copy, which goes with this process unless that is killed. */
export function createCopy(): Copy {
  const folder = mkdtempSync(join(tmpdir(), 'koa-holdfast-breaks-'))
  let running: number | undefined
  const end = (): void => {
    try {
      if (running !== undefined) process.kill(-running, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  process.once('exit', () => {
    end()
    rmSync(folder, { recursive: true, force: true, maxRetries: 8, retryDelay: 100 })
  })

  const list = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  for (const file of list.split('\0').filter((name) => name !== '' && existsSync(join(ROOT, name)))) {
    cpSync(join(ROOT, file), join(folder, file))
  }
  const [modules, temporary] = [join(folder, 'node_modules'), join(folder, 'tmp')]
  for (const place of [modules, temporary]) mkdirSync(place)
  // But for what the tools keep there about the tests that failed.
  for (const name of readdirSync(join(ROOT, 'node_modules')).filter((one) => one !== '.cache')) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  // Where there is no browser a test must fail, and what a killed one leaves behind goes with the copy.
  const env = { ...process.env, CI: 'true', TMPDIR: temporary }

  /** With everything that it has started in a process group, so that nothing of it is left. */
  function run(
    patience: number,
    command: string,
    ...parameters: readonly string[]
  ): Promise<{ readonly text: string; readonly status: number | null; readonly isLate: boolean }> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, parameters, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
      running = child.pid
      let text = ''
      let isLate = false
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (data: string) => {
          text += data
        })
      }
      const timer = setTimeout(() => {
        isLate = true
        end()
      }, patience)
      child.once('error', reject)
      child.once('exit', end)
      child.once('close', (status) => {
        clearTimeout(timer)
        running = undefined
        resolve({ text, status, isLate })
      })
    })
  }

  return {
    change(file, find, replace) {
      const path = join(folder, file)
      const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
      const [before, after, ...more] = text.split(find)
      if (before === undefined || after === undefined || more.length > 0) return undefined
      writeFileSync(path, before + replace + after)
      return () => writeFileSync(path, text)
    },
    async build() {
      const { text, status } = await run(FILE_PATIENCE_MS, 'npm', 'run', '--silent', 'build')
      return status === 0 ? undefined : text
    },
    async test(file, titles = []) {
      const matches = titles.flatMap((title) => ['--match', title])
      const patience = titles.length === 0 ? FILE_PATIENCE_MS : titles.length * PATIENCE_MS
      // Its own timeout is not for this: ava's reporter does not survive it.
      const { text, isLate } = await run(patience, 'npx', 'ava', '--tap', '--timeout=1h', file, ...matches)
      const read = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, title = '']) => title)
      return {
        passed: read(/^ok \d+ - (.*)$/gm),
        failed: read(/^not ok \d+ - (.*)$/gm),
        reasons: read(/^not ok [^]+?\n {4}(?:assertion: | {4})(t\.\w+|\w*Error)\b/gm),
        isLate,
        text,
      }
    },
  }
}
