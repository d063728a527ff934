// koa-holdfast rotate: puts the next signing key in the place of the active one, before its time.

import { type Command, defineCommand, Failure, type Flag, type Text } from './command.ts'
import { withKit } from './open-kit.ts'

const OPTIONS: { readonly config: Text; readonly emergency: Flag } = {
  config: { type: 'string', value: 'FILE', help: "a module that exports the options of the app's kit" },
  emergency: { type: 'boolean', help: 'the active key has leaked: revoke it, at once and for good' },
}

export const rotate: Command = defineCommand({
  name: 'rotate',
  summary: 'Replaces the signing key of a kit that rotates its keys.',
  parameters: '--config FILE [--emergency]',
  count: [0, 0],
  options: OPTIONS,
  examples: [
    'koa-holdfast rotate --config ./holdfast.config.js',
    'koa-holdfast rotate --config ./holdfast.config.js --emergency',
  ],
  async run({ values, input }) {
    const { config, emergency = false } = values
    if (config === undefined) throw new Failure('misused', 'expected --config FILE: it says how the keys rotate')
    const { kid, activates } = await withKit({ values: { config }, input }, (kit) => kit.rotateKeys({ emergency }))
    const at = new Date(activates).toISOString()
    return { lines: [`${kid} signs from ${at}`], json: { kid, activates: at } }
  },
})
