// A configuration: a module that exports the options of the app's kit, the same object that the app uses.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { SessionKitOptions, Settings } from '../options/options.ts'
import type { Milliseconds } from '../time.ts'
import { Failure } from './command.ts'
import { assertName } from './input.ts'
import { withinTime } from './time-limit.ts'

/** What a configuration exports. */
export interface Config {
  readonly options: SessionKitOptions
  /** What it says of the Koa app; undefined when it does not export it. */
  readonly app:
    { readonly proxy?: unknown; readonly proxyIpHeader?: unknown; readonly maxIpsCount?: unknown } | undefined
}

/** A configuration that createSessionKit would take. */
export interface CheckedConfig extends Config {
  readonly settings: Settings
}

const PATIENCE: Milliseconds = 10_000

/**
 * Loads a configuration: `export default` or `export const options`, and if you like `export const app`.
 *
 * @throws Failure when there is none, or it fails
 */
export async function loadConfig(file: string): Promise<Config> {
  const url = pathToFileURL(resolve(assertName(file))).href
  const loading = import(url) as Promise<Record<string, unknown>> // what a module exports
  const {
    default: fallback,
    options = fallback,
    app,
  } = await withinTime(PATIENCE, `loading '${file}'`, loading).catch((error: unknown) => {
    if (error instanceof Failure) throw error
    throw new Failure('misused', `'${file}' cannot be loaded: ${String(error)}`, error)
  })
  if (typeof options !== 'object' || options === null) {
    throw new Failure('misused', `'${file}': expected the options of createSessionKit as \`export default\`, got none`)
  }
  return {
    // resolveOptions looks at every member.
    options: options as SessionKitOptions,
    app: typeof app === 'object' && app !== null ? app : undefined,
  }
}
