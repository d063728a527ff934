// A real app for the doctor: a kit on a port of this machine, and what an app or a proxy in front of it does wrong.

import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

import cors from '@koa/cors'
import Koa from 'koa'

import { createKeySet, createSessionKit, memoryStore, type SessionKitOptions } from '../../src/index.ts'
import { privateJwk } from './app.ts'
import { runCli } from './cli.ts'
import { listen, type Owner } from './http.ts'

/** What stands between the doctor and the kit. */
export type Fault = (ctx: Koa.Context, next: Koa.Next) => Promise<unknown>

/** What the doctor found. */
export interface DoctorReport {
  readonly code: number | null
  /** The severity of each check. */
  readonly found: Readonly<Record<string, string>>
  readonly findings: readonly {
    readonly check: string
    readonly severity: string
    readonly seen: string
    readonly fix?: string
    readonly why: string
    readonly see: string
  }[]
  /** Everything that was printed. */
  readonly printed: string
}

/** The credentials that the apps take. */
export const CREDENTIALS = JSON.stringify({ username: 'alice', password: 'wonderland' })

/** Starts an app with these faults. Answers its origin. */
export async function startDoctored(
  owner: Owner,
  options: {
    readonly faults?: readonly Fault[]
    readonly kit?: Partial<SessionKitOptions>
    readonly tls?: { readonly key: string; readonly cert: string }
  } = {},
): Promise<string> {
  const { faults = [], kit: more = {}, tls } = options
  // The issuer names the port, so it comes first.
  let handle: RequestListener | undefined
  const serve: RequestListener = (request, response) => handle?.(request, response)
  const port = await listen(owner, tls === undefined ? createServer(serve) : createTlsServer(tls, serve))
  const origin = `${tls === undefined ? 'http' : 'https'}://localhost:${port}`
  const kit = await createSessionKit({
    issuer: origin,
    keys: await createKeySet({ keys: [privateJwk] }),
    store: memoryStore(),
    authenticate: ({ request: { body } }) =>
      body['username'] === 'alice' && body['password'] === 'wonderland' ? { sub: 'alice' } : null,
    ...more,
  })
  owner.teardown(() => kit.close())
  const app = new Koa()
  app.on('error', () => {})
  for (const fault of faults) app.use(fault)
  app.use(cors(kit.cors()))
  app.use(kit.routes())
  handle = (request, response) => void app.callback()(request, response)
  return origin
}

/** Runs the doctor. */
export async function runDoctor(
  words: readonly string[],
  surroundings: Parameters<typeof runCli>[1] = {},
): Promise<DoctorReport> {
  const { code, stdout, stderr } = await runCli(['doctor', ...words, '--json'], surroundings)
  if (stdout === '') throw new Error(stderr)
  const { findings } = JSON.parse(stdout) as Pick<DoctorReport, 'findings'>
  const found = Object.fromEntries(findings.map(({ check, severity }) => [check, severity]))
  return { code, found, findings, printed: stdout + stderr }
}
