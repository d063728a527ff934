// koa-holdfast revoke: ends a session, everything of a user, a token, or all of a key.

import type { SessionInfo } from '../events.ts'
import type { RevocationTarget } from '../revocation.ts'
import { type Command, defineCommand, Failure, type Text, type Values } from './command.ts'
import { KIT, KIT_NOTES, withKit } from './open-kit.ts'
import { printable } from './output.ts'

const TARGETS = {
  sid: { type: 'string', value: 'SID', help: 'one session' },
  sub: { type: 'string', value: 'SUB', help: 'everything of a user until now' },
  jti: { type: 'string', value: 'JTI', help: 'one token' },
  kid: { type: 'string', value: 'KID', help: 'everything that was signed with a key, for good' },
  before: { type: 'string', value: 'TIME', help: 'beside --sub: until then, such as 2026-01-31T12:00:00Z' },
} as const satisfies Record<string, Text>

export const revoke: Command = defineCommand({
  name: 'revoke',
  summary: 'Revokes a session, everything of a user, a token or a key. Nothing takes it back.',
  parameters: '--sid|--sub|--jti|--kid NAME [options]',
  count: [0, 0],
  options: { ...TARGETS, ...KIT },
  notes: KIT_NOTES,
  examples: [
    'koa-holdfast revoke --sub u-4711 --config ./holdfast.config.js',
    'koa-holdfast revoke --sid 3q2-7wR… --store lmdb:/var/lib/app/sessions --issuer https://app.example',
    'koa-holdfast revoke --kid old-key --store - --issuer https://app.example < redis-url.txt',
  ],
  async run(call) {
    const target = toTarget(call.values)
    const ended: SessionInfo[] = []
    await withKit(call, (kit) => {
      kit.events.on('session_expired', ({ sub, sid }) => ended.push({ sub, sid }))
      return kit.revoke(target)
    })
    return {
      lines: [
        `revoked: ${Object.entries(target)
          .map(([name, value]) => `${name} ${printable(value instanceof Date ? value.toISOString() : String(value))}`)
          .join(', ')}`,
        ...ended.map(({ sub, sid }) => `ended: session ${sid} of ${printable(sub)}`),
      ],
      json: { revoked: target, ended },
    }
  },
})

function toTarget({ sid, sub, jti, kid, before }: Values<typeof TARGETS>): RevocationTarget {
  const [target, ...others] = [
    ...(sid === undefined ? [] : [{ sid }]),
    ...(sub === undefined ? [] : [{ sub }]),
    ...(jti === undefined ? [] : [{ jti }]),
    ...(kid === undefined ? [] : [{ kid }]),
  ]
  if (target === undefined || others.length > 0 || (before !== undefined && sub === undefined)) {
    throw new Failure('misused', 'expected one of --sid, --sub, --jti, --kid; --before goes with --sub')
  }
  // kit.revoke says what is wrong with a time that is none.
  return before === undefined ? target : { sub: sub ?? '', before: new Date(before) }
}
