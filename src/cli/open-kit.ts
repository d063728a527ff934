// Opens the app's kit for one command: from its configuration, or from a store and an issuer.

import { isSessionError } from '../errors.ts'
import type { SessionKitOptions } from '../options/options.ts'
import type { SessionKit } from '../session-kit.ts'
import { isMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import type { Milliseconds } from '../time.ts'
import { type Call, Failure, type List, type Text } from './command.ts'
import { loadConfig } from './config.ts'
import { openStore } from './open-store.ts'
import { withinTime } from './time-limit.ts'

/** The options that say which kit. */
export const KIT: { readonly config: Text; readonly store: Text; readonly issuer: Text; readonly audience: List } = {
  config: { type: 'string', value: 'FILE', help: "a module that exports the options of the app's kit" },
  store: { type: 'string', value: 'URL', help: 'lmdb:<path>, redis://<host> or rediss://<host>; - reads it' },
  issuer: { type: 'string', value: 'ORIGIN', help: 'beside --store: the issuer of the kit' },
  audience: { type: 'string', multiple: true, value: 'NAME', help: 'beside --store: its audience, if that is another' },
}

/** For the help of every command that has them. */
export const KIT_NOTES: readonly string[] = [
  'Give --config, or --store with --issuer. A URL with a password goes to standard input, with --store -.',
]

const PATIENCE: Milliseconds = 15_000

/**
 * Does something with the kit, and closes it.
 *
 * @throws Failure when there is none, or its store is out of reach
 */
export async function withKit<T>(
  { values, input }: Pick<Call<typeof KIT>, 'values' | 'input'>,
  work: (kit: SessionKit) => Promise<T>,
): Promise<T> {
  const options = values.config === undefined ? await fromStore(values, input) : await fromConfig(values)
  // Only here: keys and tokens can be looked at where no Koa is installed.
  const { createSessionKit } = await import('../kit.ts')

  async function run(): Promise<T> {
    const kit = await createSessionKit(options)
    const result = await work(kit)
    await kit.close()
    await options.store?.close()
    return result
  }

  try {
    return await withinTime(PATIENCE, 'the store', run())
  } catch (error) {
    throw explain(error)
  }
}

function explain(error: unknown): unknown {
  if (error instanceof TypeError) return new Failure('misused', error.message, error)
  if (!isSessionError(error)) return error
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return new Failure('unreachable', `the store did not do it, so it is not done (${error.code}${cause})`, error)
}

async function fromConfig({
  config = '',
  store,
  issuer,
  audience,
}: Call<typeof KIT>['values']): Promise<SessionKitOptions> {
  if (store !== undefined || issuer !== undefined || audience !== undefined) {
    throw new Failure('misused', '--config says everything: leave out --store, --issuer and --audience')
  }
  const { options } = await loadConfig(config)
  if (options.store !== undefined && !isMemoryStore(options.store)) return options
  throw new Failure(
    'misused',
    `'${config}' keeps sessions in the memory of the app's own process, where no other reaches them`,
  )
}

async function fromStore(
  values: Call<typeof KIT>['values'],
  input: Call<typeof KIT>['input'],
): Promise<SessionKitOptions> {
  const { issuer, audience } = values
  if (values.store === undefined || issuer === undefined) {
    throw new Failure('misused', 'expected --config FILE, or --store URL with --issuer ORIGIN')
  }
  if (/:\/\/.*@/.test(values.store)) {
    throw new Failure(
      'misused',
      '--store: expected a URL without a user and a password, which every process can see on the command line; ' +
        'give the whole URL on standard input, with --store -',
    )
  }
  const { createKeySet } = await import('../keys/key-set.ts')
  const url = values.store === '-' ? (await input.read('-')).trim() : values.store
  const store: Store = await openStore(url)
  return {
    issuer,
    ...(audience !== undefined && { audience }),
    store,
    // Nothing is signed here.
    keys: await createKeySet(),
    // The longest there are: what is revoked here stays so until no token of the app can be believed any more.
    accessToken: { maxLifetime: '1d' },
    clockTolerance: '5m',
  }
}
