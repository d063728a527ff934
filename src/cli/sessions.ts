// koa-holdfast sessions: where a user is logged in.

import { type Command, defineCommand } from './command.ts'
import { KIT, KIT_NOTES, withKit } from './open-kit.ts'
import { align, formatTime, printable } from './output.ts'

export const sessions: Command = defineCommand({
  name: 'sessions',
  summary: 'Lists the sessions of a user, the newest first.',
  parameters: 'SUB [options]',
  count: [1, 1],
  options: KIT,
  notes: KIT_NOTES,
  examples: [
    'koa-holdfast sessions u-4711 --config ./holdfast.config.js',
    'koa-holdfast sessions u-4711 --store lmdb:/var/lib/app/sessions --issuer https://app.example',
  ],
  async run(call) {
    const [sub = ''] = call.positionals
    const found = await withKit(call, (kit) => kit.sessions(sub))
    const rows = found.map(({ sid, created, used, expires, label, userAgent }) => [
      sid,
      ...[created, used, expires].map(formatTime),
      printable(label ?? userAgent ?? ''),
    ])
    const lines = align([['SID', 'CREATED', 'LAST USED', 'EXPIRES', 'DEVICE'], ...rows])
    return { lines: rows.length === 0 ? ['no sessions'] : lines, json: found }
  },
})
