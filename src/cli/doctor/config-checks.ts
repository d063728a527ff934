// What the options of a kit say before anything is served: keys, the store, sizes, lifetimes, limits.

import { digestFingerprint, drawFingerprint, FINGERPRINT_FORMATS } from '../../fingerprint.ts'
import { isSymmetric } from '../../keys/algorithms.ts'
import type { KeySet } from '../../keys/key-set.ts'
import { isKeyRotation } from '../../keys/plan.ts'
import { drawIdentifier } from '../../session/issue.ts'
import { isMemoryStore } from '../../store/memory.ts'
import { toNumericDate } from '../../time.ts'
import { encryptToken } from '../../token/encrypt.ts'
import { ACCESS_TOKEN_TYPE, signToken } from '../../token/sign.ts'
import type { CheckedConfig } from '../config.ts'
import { withoutSecrets } from '../output.ts'
import { withinTime } from '../time-limit.ts'
import { COOKIE_CHECKS } from './cookie-checks.ts'
import { type Check, fine, found, type Outcome, skipped } from './finding.ts'

const ASVS = 'https://github.com/OWASP/ASVS/blob/master/5.0/en'

/** The checks of a configuration. */
export const CONFIG_CHECKS: readonly Check<CheckedConfig>[] = [
  {
    run: keys,
    why: 'whoever finds the private key signs tokens for anybody',
    see: `${ASVS}/0x92-Appendix-C_Cryptography.md`,
  },
  {
    run: store,
    why: 'sessions and revocations are only as good as the store that keeps them',
    see: `${ASVS}/0x16-V7-Session-Management.md#v74-session-termination`,
  },
  ...COOKIE_CHECKS,
  {
    run: tokenSize,
    why: 'proxies refuse header lines beyond 8 kilobytes',
    see: 'https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers',
  },
  {
    run: lifetimes,
    why: 'how long a session lives is how long a thief may use it',
    see: `${ASVS}/0x16-V7-Session-Management.md#v73-session-timeout`,
  },
  {
    run: refreshTokens,
    why: 'a refresh token is worth a session',
    see: 'https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2',
  },
  {
    run: staleness,
    why: 'a revocation that a process has not heard of does not hold there',
    see: 'https://www.rfc-editor.org/rfc/rfc7009#section-3',
  },
  {
    run: limiter,
    why: 'without one, passwords can be guessed as fast as the app answers',
    see: `${ASVS}/0x15-V6-Authentication.md#v63-general-authentication-security`,
  },
]

const RSA_BITS = 3072
const STORE_MS = 3000
// `Authorization: Bearer ` and the token, in one line of eight kilobytes.
const MAX_TOKEN = 8000
const [MINUTE, HOUR, DAY] = [60, 3600, 86_400] as const

/** The keys, unless the kit makes and rotates them itself. */
function fixedKeys({ options }: CheckedConfig): KeySet | undefined {
  return isKeyRotation(options.keys) ? undefined : options.keys
}

function keys(config: CheckedConfig): Outcome {
  const { options, settings } = config
  if (isKeyRotation(options.keys)) return fine(`${options.keys.algorithm ?? 'ES256'} signs, and rotates by itself`)
  const set = fixedKeys(config)
  const active = set?.active
  if (active === undefined) {
    const severity = settings.isLocal ? 'note' : 'error'
    return found(severity, 'there are none: each start makes its own', 'koa-holdfast keygen --out key.json')
  }
  const { alg, publicJwk } = active
  if (isSymmetric(alg)) {
    return found('warning', `${alg}: whoever verifies can sign`, 'use ES256 unless one process does both')
  }
  if (alg === 'RS256') return found('warning', 'RS256: its padding is one that ASVS disallows', 'use ES256, or PS256')
  const bits = Buffer.from(publicJwk?.n ?? '', 'base64url').length * 8
  if (bits > 0 && bits < RSA_BITS) {
    return found('note', `${alg} with ${bits} bits`, `make one of ${RSA_BITS}: koa-holdfast keygen --algorithm ${alg}`)
  }
  return fine(`${alg} signs; ${set?.keys.length} in the set`)
}

async function store({ options, settings }: CheckedConfig): Promise<Outcome> {
  const severity = settings.isLocal ? 'note' : 'error'
  const fix = 'use lmdbStore({ path }) on one machine, redisStore({ client }) on many'
  if (options.store === undefined || isMemoryStore(options.store)) {
    return found(severity, 'it is the memory of one process, forgotten when that ends', fix)
  }
  const start = performance.now()
  try {
    // One that nobody has.
    await withinTime(STORE_MS, 'the store', options.store.get('session', drawIdentifier()))
  } catch (error) {
    const reason = withoutSecrets(error instanceof Error ? error.message : String(error))
    return found('error', reason, 'see that it runs and can be reached from here')
  }
  if (options.store.watch === undefined) {
    return found('warning', 'it has no watch(), so it is for one process only', fix)
  }
  return fine(`it answers, within ${Math.ceil(performance.now() - start)} ms`)
}

/** @throws what signToken throws */
async function tokenSize(config: CheckedConfig): Promise<Outcome> {
  const { settings } = config
  const active = fixedKeys(config)?.active
  if (active === undefined) return skipped('there is no key to sign one')
  const { issuer, audience, format, maxBytes } = settings
  const iat = toNumericDate(Date.now())
  const claims = {
    iss: issuer,
    sub: 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    aud: audience,
    client_id: issuer,
    exp: iat + settings.lifetime,
    iat,
    iat_ms: iat * 1000,
    auth_time: iat,
    jti: drawIdentifier(),
    sid: drawIdentifier(),
    [FINGERPRINT_FORMATS[format].claim]: digestFingerprint(drawFingerprint(format), format),
  }
  const rules = { ...settings, maxBytes: Infinity, typ: ACCESS_TOKEN_TYPE }
  const { token } = await signToken(active, claims, {}, rules)
  const encrypting = settings.encryption?.active
  const { length } = encrypting === undefined ? token : await encryptToken(token, encrypting, rules)
  const seen = `${length} of ${maxBytes} bytes without claims of your own`
  if (length > maxBytes) return found('error', seen, 'raise accessToken.maxBytes, or use a shorter key (ES256)')
  if (maxBytes <= MAX_TOKEN) return fine(seen)
  return found('warning', `accessToken.maxBytes is ${maxBytes}`, `keep it below ${MAX_TOKEN}`)
}

function lifetimes({ settings }: CheckedConfig): Outcome {
  const { limits, rememberedLimits, lifetime, clockTolerance } = settings
  const rows = [
    ['accessToken.lifetime', lifetime, HOUR, 'an hour'],
    ['clockTolerance', clockTolerance, MINUTE, 'a minute'],
    ['session.idle', limits.idle, HOUR, 'an hour'],
    ['session.absolute', limits.absolute, DAY, 'a day'],
    ['session.remembered.absolute', rememberedLimits.absolute, 30 * DAY, '30 days'],
  ] as const
  const long = rows.filter(([, value, most]) => value > most)
  if (long.length === 0) {
    return fine(`tokens ${lifetime} s, sessions ${limits.idle} s idle and ${limits.absolute} s at most`)
  }
  const seen = long.map(([name, , , words]) => `${name} is more than ${words}`).join(', ')
  return found('warning', seen, 'shorten them, or write down why they must be long')
}

function refreshTokens({ settings: { transport, grace } }: CheckedConfig): Outcome {
  if (transport === 'body') {
    return found('note', 'scripts read the refresh token', "for browsers use transport: 'cookie'")
  }
  if (grace > 30) return found('note', `a replaced one is answered for ${grace} seconds`, 'shorten refreshToken.grace')
  return fine(`in a cookie of their own, a replaced one answered for ${grace} seconds`)
}

function staleness({ settings: { onStale, maxStaleness } }: CheckedConfig): Outcome {
  if (typeof onStale === 'object') {
    const seen = `tokens are believed for ${onStale.openFor} seconds without news of the store`
    return found('warning', seen, "use onStale: 'reject'")
  }
  if (maxStaleness > MINUTE) {
    return found('warning', `the list may be ${maxStaleness} seconds old`, 'shorten maxStaleness')
  }
  return fine(`refused once the list is ${maxStaleness} seconds old`)
}

function limiter({ options }: CheckedConfig): Outcome {
  if (options.limiter === false) {
    return found('note', 'there is none', 'see that something in front of the app limits logins')
  }
  if (typeof options.limiter === 'function') return fine('your own')
  return fine(`the default, counted ${options.limiter === undefined ? 'in each process' : 'for all processes'}`)
}
