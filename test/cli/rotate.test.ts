// koa-holdfast rotate, on the store of a kit that rotates its keys.

import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { createSessionKit, type SessionKit } from '../../src/index.ts'
import { lmdbStore } from '../../src/store/lmdb.ts'
import { ISSUER } from '../helpers/app.ts'
import { PACKAGE, runCli } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/example.ts'
import { newPath } from '../helpers/lmdb.ts'

/** A kit that runs, and the configuration of it for the command. */
async function open(t: ExecutionContext): Promise<{ readonly kit: SessionKit; readonly config: string }> {
  const path = await newPath(t)
  const keys = { rotateEvery: '30d', encryptionKey: randomBytes(32).toString('base64url') }
  const store = lmdbStore({ path })
  const kit = await createSessionKit({ issuer: ISSUER, store, keys })
  t.teardown(async () => {
    await kit.close()
    await store.close()
  })
  const config = join(await temporaryDirectory(t), 'holdfast.config.mjs')
  await writeFile(
    config,
    `import { lmdbStore } from '${PACKAGE}store/lmdb.js'
export const options = {
  issuer: '${ISSUER}',
  store: lmdbStore({ path: ${JSON.stringify(path)} }),
  keys: ${JSON.stringify(keys)},
}
`,
  )
  return { kit, config }
}

test('rotate says which key takes over, and when: not before whoever verifies has it', async (t) => {
  const { kit, config } = await open(t)
  const published = kit.jwks().keys.map(({ kid }) => kid)
  const { code, json, stdout } = await runCli(['rotate', '--config', config, '--json'])
  t.is(code, 0, stdout)
  t.true(published.includes(String(json['kid'])))
  t.true(Date.parse(String(json['activates'])) > Date.now())
  t.false(/"d"|encryptionKey/.test(stdout))
})

test('KY-12 rotate --emergency revokes the active key in the running process as well', async (t) => {
  const { kit, config } = await open(t)
  const [active] = kit.jwks().keys
  const { code, stdout } = await runCli(['rotate', '--config', config, '--emergency'])
  t.is(code, 0, stdout)
  for (let tries = 0; tries < 100 && kit.jwks().keys.some(({ kid }) => kid === active?.kid); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.false(kit.jwks().keys.some(({ kid }) => kid === active?.kid))
})

test('rotate without a configuration says what it needs', async (t) => {
  const { code, stderr } = await runCli(['rotate'])
  t.is(code, 2)
  t.regex(stderr, /--config FILE/)
})
