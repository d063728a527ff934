// The Chromium of an npm package, for a machine where there is none and nobody may install one. It is no development
// dependency: whoever has a browser need not load 67 MB.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What installs it. The newest for the Node lines that the kit runs on. */
export const PACKED_ADVICE = 'npm install --no-save @sparticuz/chromium@143.0.4'

/** A browser, and the environment that it needs. */
export interface PackedChromium {
  readonly executablePath: string
  readonly env: Readonly<Record<string, string>>
}

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))
const PACKAGE = '@sparticuz/chromium'
// It unpacks into the directory for temporary files, and its system libraries only where it is told that none are there.
const UNPACK = `import chromium from '${PACKAGE}'\nawait chromium.executablePath()`
const BARE = { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs20.x' }

/** Unpacks the browser beside the package, once; undefined where the package is not installed. */
export async function unpackChromium(): Promise<PackedChromium | undefined> {
  const manifest = join(MODULES, PACKAGE, 'package.json')
  if (!existsSync(manifest)) return undefined
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const cache = join(MODULES, '.cache')
  const place = join(cache, `holdfast-chromium-${version}`)
  if (!existsSync(place)) {
    mkdirSync(cache, { recursive: true })
    // In a directory of its own, then renamed: test files start at the same time.
    const own = mkdtempSync(`${place}-`)
    const env = { ...process.env, ...BARE, TMPDIR: own }
    try {
      await promisify(execFile)(process.execPath, ['--input-type=module', '-e', UNPACK], { cwd: MODULES, env })
      renameSync(own, place)
    } catch (error) {
      rmSync(own, { recursive: true })
      // Another was first.
      if (!existsSync(place)) throw error
    }
  }
  return {
    executablePath: join(place, 'chromium'),
    env: { LD_LIBRARY_PATH: join(place, 'al2023', 'lib'), FONTCONFIG_PATH: join(place, 'fonts') },
  }
}
