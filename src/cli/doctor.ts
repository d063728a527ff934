// koa-holdfast doctor: looks at a running deployment or at a configuration, and says what to do.

import { isSafeUrl } from '../fetch-json.ts'
import { resolveOptions, type Settings } from '../options/options.ts'
import { resolvePrefix } from '../options/values.ts'
import type { Milliseconds } from '../time.ts'
import { type Call, type Command, defineCommand, Failure, type Result, type Text } from './command.ts'
import { loadConfig } from './config.ts'
import { ANSWER_CHECKS } from './doctor/answer-checks.ts'
import { CONFIG_CHECKS } from './doctor/config-checks.ts'
import { type Finding, runChecks, type Severity } from './doctor/finding.ts'
import { KEY_CHECKS } from './doctor/key-checks.ts'
import { LOGIN_CHECKS, SESSION_CHECKS } from './doctor/login-checks.ts'
import { createSite, METADATA, type Site } from './doctor/site.ts'
import { TRANSPORT_CHECKS } from './doctor/transport-checks.ts'
import { type Colour, printable, type Terminal } from './output.ts'
import { withinTime } from './time-limit.ts'

const OPTIONS = {
  credentials: {
    type: 'string',
    value: 'FILE',
    help: 'JSON that the login takes, - for standard input; logs in twice',
  },
  prefix: { type: 'string', value: 'PATH', help: "where the kit's routes are; /auth unless given" },
  'http-port': { type: 'string', value: 'PORT', help: 'where plain http is, if not on 80' },
} as const satisfies Record<string, Text>

export const doctor: Command = defineCommand({
  name: 'doctor',
  summary: 'Checks a running deployment, or a configuration.',
  parameters: 'https://…|FILE [options]',
  count: [1, 1],
  options: OPTIONS,
  notes: [
    'Asks the given origin only, and follows nothing. With credentials it also looks at cookies, token and logout.',
    'A configuration exports the options of createSessionKit (default or `options`), and if you like the Koa `app`.',
  ],
  examples: [
    'koa-holdfast doctor https://app.example',
    'koa-holdfast doctor https://app.example --credentials - < test-user.json',
    'koa-holdfast doctor ./holdfast.config.js',
  ],
  async run(call) {
    const [target = ''] = call.positionals
    const findings = /^https?:/i.test(target) ? await checkDeployment(target, call) : await checkConfig(target, call)
    return report(findings, call.terminal)
  },
})

const CLOSE_MS: Milliseconds = 3000

type DoctorCall = Call<typeof OPTIONS>

async function checkDeployment(target: string, { values, input }: DoctorCall): Promise<Finding[]> {
  const origin = isSafeUrl(target) ? new URL(target) : undefined
  if (origin === undefined || origin.pathname !== '/' || origin.search !== '') {
    throw new Failure('misused', 'expected an origin such as https://app.example, and http on this machine only')
  }
  const { credentials } = values
  const site = createSite({
    origin,
    prefix: readPrefix(values.prefix),
    plainPort: readPort(values['http-port']) ?? (origin.port === '' ? 80 : undefined),
    credentials: credentials === undefined ? '{}' : await input.read(credentials),
  })
  // Whoever does not answer at all has no findings.
  await site.ask(METADATA)
  const findings = await runChecks([...TRANSPORT_CHECKS, ...KEY_CHECKS, ...ANSWER_CHECKS], site)
  return credentials === undefined ? findings : [...findings, ...(await checkLogin(site))]
}

async function checkLogin(site: Site): Promise<Finding[]> {
  const findings = await runChecks(LOGIN_CHECKS, site)
  const login = await site.login()
  return login.token === undefined ? findings : [...findings, ...(await runChecks(SESSION_CHECKS, { site, login }))]
}

async function checkConfig(file: string, { values }: DoctorCall): Promise<Finding[]> {
  if (Object.keys(OPTIONS).some((name) => Object.hasOwn(values, name))) {
    throw new Failure(
      'misused',
      `a configuration is not asked anything: leave out ${Object.keys(OPTIONS)
        .map((name) => `--${name}`)
        .join(', ')}`,
    )
  }
  const { options, app } = await loadConfig(file)
  const settings = orReason(() => resolveOptions(options))
  const accepted = {
    check: 'options',
    why: 'createSessionKit refuses what it does not understand',
    see: 'https://www.npmjs.com/package/koa-holdfast',
  }
  if (typeof settings === 'string') {
    return [{ ...accepted, severity: 'error', seen: settings, fix: 'correct the option' }]
  }
  const checks = await runChecks(CONFIG_CHECKS, { options, settings, app })
  // What it does not close in time, the end of this process does.
  await withinTime(CLOSE_MS, 'closing the store', Promise.resolve(options.store?.close())).catch(() => {})
  return [{ ...accepted, severity: 'fine', seen: `createSessionKit takes them, for ${settings.issuer}` }, ...checks]
}

/** What the work answers, or why it refuses. */
function orReason(work: () => Settings): Settings | string {
  try {
    return work()
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
}

function readPrefix(value: string | undefined): string {
  try {
    return value === undefined ? '/auth' : resolvePrefix(value)
  } catch (error) {
    throw new Failure('misused', `--${(error as Error).message}`, error)
  }
}

function readPort(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const port = Number(value)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new Failure('misused', '--http-port: expected 1 to 65535, got another')
}

const MARKS: Readonly<Record<Severity, readonly [Colour, string]>> = {
  fine: ['green', '✓'],
  note: ['dim', 'i'],
  warning: ['yellow', '!'],
  error: ['red', '✗'],
  skipped: ['dim', '·'],
}

function report(findings: readonly Finding[], { paint }: Terminal): Result {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const indent = ' '.repeat(width + 4)
  const counts = Object.keys(MARKS)
    .map((severity) => [findings.filter((one) => one.severity === severity).length, severity] as const)
    .filter(([count]) => count > 0)
  return {
    lines: [
      ...findings.flatMap(({ check, severity, seen, fix, why, see }) => [
        `${paint(...MARKS[severity])} ${check.padEnd(width)}  ${printable(seen)}`,
        ...(fix === undefined ? [] : [`${indent}why: ${why}`, `${indent}     ${see}`, `${indent}fix: ${fix}`]),
      ]),
      '',
      counts.map(([count, severity]) => `${count} ${severity}`).join(', '),
    ],
    json: { findings, counts: Object.fromEntries(counts.map(([count, severity]) => [severity, count])) },
    isRefused: findings.some(({ severity }) => severity === 'warning' || severity === 'error'),
  }
}
