// How a deployment is reached: TLS, what answers plain http, whose clock is right.

import { type Check, fine, found, type Outcome, skipped } from './finding.ts'
import { METADATA, type Site } from './site.ts'
import { ask } from '../http.ts'

/** The checks of the way to it. */
export const TRANSPORT_CHECKS: readonly Check<Site>[] = [
  {
    run: transport,
    why: 'whoever sees the request in the clear has both halves of every session',
    see: 'https://www.rfc-editor.org/rfc/rfc6750#section-5.3',
  },
  {
    run: plainHttp,
    why: 'the first request of a browser may be a plain one, and carries what it has',
    see: 'https://www.rfc-editor.org/rfc/rfc6797#section-7.2',
  },
  {
    run: strictTransport,
    why: 'without it a browser can be led to plain http',
    see: 'https://www.rfc-editor.org/rfc/rfc6797#section-6.1',
  },
  {
    run: clock,
    why: 'services refuse tokens that are not valid yet or no longer by their own clock',
    see: 'https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4',
  },
]

const DAY = 86_400
const YEAR = 365 * DAY
// The kit lets `iat` be five seconds ahead.
const DRIFT = { warning: 5, error: 60 } as const

function transport({ origin, isLocal }: Site): Outcome {
  return fine(
    isLocal ? `${origin}: plain http, on this machine only` : `${origin}: TLS with a certificate that is believed`,
  )
}

async function plainHttp({ origin, isLocal, plainPort }: Site): Promise<Outcome> {
  if (isLocal) return skipped('the origin is plain http itself')
  if (plainPort === undefined) {
    return skipped('the origin has a port of its own: --http-port says where its plain http is')
  }
  const { hostname } = new URL(origin)
  const answer = await ask(new URL(`http://${hostname}:${plainPort}/`)).catch(() => undefined)
  if (answer === undefined) return fine(`nothing answers plain http on port ${plainPort}`)
  const { status, headers, cookies } = answer
  const fix = 'answer plain http with 308 to https, or not at all, and with nothing else'
  if (cookies.length > 0) return found('error', `plain http on port ${plainPort} sets a cookie`, fix)
  const isRedirect = status >= 301 && status <= 308 && headers.location?.startsWith('https://') === true
  if (isRedirect) return fine(`plain http on port ${plainPort} answers ${status} to https`)
  return found('error', `plain http on port ${plainPort} answers ${status}`, fix)
}

async function strictTransport(site: Site): Promise<Outcome> {
  if (site.isLocal) return skipped('there is none for plain http')
  const header = (await site.ask(site.path('/sessions'))).headers['strict-transport-security']
  const fix = "set `hsts: true`, or let the proxy send 'Strict-Transport-Security: max-age=63072000; includeSubDomains'"
  if (header === undefined) return found('warning', 'no Strict-Transport-Security', fix)
  const age = Number(/max-age="?(\d+)/i.exec(header)?.[1] ?? 0)
  return age >= YEAR
    ? fine(`Strict-Transport-Security for ${Math.floor(age / DAY)} days`)
    : found('warning', 'Strict-Transport-Security for less than a year', fix)
}

async function clock(site: Site): Promise<Outcome> {
  const { headers, times } = await site.ask(METADATA)
  const date = Date.parse(headers.date ?? '')
  if (Number.isNaN(date)) return found('note', 'no Date header that could be compared', 'let the server send Date')
  // The header has whole seconds, and was written at some time between these.
  const [sent, received] = times
  const drift = date + 1000 < sent ? sent - date - 1000 : Math.max(date - received, 0)
  const seconds = Math.round(drift / 1000)
  if (seconds < DRIFT.warning) return fine('it tells the same time as this machine')
  const direction = date < sent ? 'behind' : 'ahead of'
  return found(
    seconds < DRIFT.error ? 'warning' : 'error',
    `its clock is ${seconds} seconds ${direction} this machine's`,
    'let both follow a time server (NTP); one of the two is wrong',
  )
}
