// What a deployment publishes: its metadata and its keys.

import { ALGORITHMS } from '../../keys/algorithms.ts'
import { isPrivate } from '../../keys/jwk.ts'
import { type Check, fine, found, type Outcome } from './finding.ts'
import { isType, JWKS, METADATA, quote, readJson, type Site } from './site.ts'

/** The checks of what services read. */
export const KEY_CHECKS: readonly Check<Site>[] = [
  {
    run: metadata,
    why: 'services compare the issuer code point by code point and refuse the tokens of another',
    see: 'https://www.rfc-editor.org/rfc/rfc8414#section-3.3',
  },
  {
    run: jwks,
    why: 'services verify with these keys; a weak or private one lets anybody sign',
    see: 'https://www.rfc-editor.org/rfc/rfc8725#section-3.5',
  },
  {
    run: jwksType,
    why: 'some clients take keys of this media type only',
    see: 'https://www.rfc-editor.org/rfc/rfc7517#section-8.5.1',
  },
  {
    run: jwksCache,
    why: 'services fetch the keys again and again, or keep a removed one, where nothing says for how long they hold',
    see: 'https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2',
  },
]

const DAY = 86_400

async function metadata(site: Site): Promise<Outcome> {
  const { status, headers, text } = await site.ask(METADATA)
  const fix = 'mount kit.routes() at the root, and let the issuer be the public origin'
  if (status !== 200) return found('error', `${METADATA} answers ${status}`, fix)
  const { issuer, jwks_uri: uri } = readJson(text)
  if (issuer !== site.origin) return found('error', `the issuer there is ${quote(issuer)}, not ${site.origin}`, fix)
  if (uri !== site.origin + JWKS) return found('warning', `jwks_uri is ${quote(uri)}, which was not asked`, fix)
  if (!isType(headers['content-type'], 'application/json')) {
    return found('warning', `its media type is ${quote(headers['content-type'])}`, 'send application/json')
  }
  return fine('issuer and jwks_uri are those of this origin')
}

async function jwks(site: Site): Promise<Outcome> {
  const { status, text } = await site.ask(JWKS)
  if (status !== 200) return found('error', `${JWKS} answers ${status}`, 'mount kit.routes() at the root')
  const { keys } = readJson(text)
  const all: readonly unknown[] = Array.isArray(keys) ? keys : []
  if (all.some(isPrivate)) {
    return found(
      'error',
      'a private key is published',
      'take it down, revoke its kid, make a new one: koa-holdfast keygen',
    )
  }
  const set = await site.keys().catch((error: Error) => error.message)
  if (typeof set === 'string') return found('error', set, 'publish keys that the kit takes: koa-holdfast jwks key.json')
  if (set.keys.length < all.length) {
    return found('warning', `${all.length - set.keys.length} of ${all.length} keys cannot be used`, 'take them out')
  }
  const names = set.keys.map(({ alg }) => `${alg} (${ALGORITHMS[alg].kty})`)
  return fine(`${set.keys.length} usable: ${names.join(', ')}`)
}

async function jwksType(site: Site): Promise<Outcome> {
  const type = (await site.ask(JWKS)).headers['content-type']
  if (isType(type, 'application/jwk-set+json')) return fine('application/jwk-set+json')
  const isJson = isType(type, 'application/json')
  return found(isJson ? 'note' : 'warning', `its media type is ${quote(type)}`, 'send application/jwk-set+json')
}

async function jwksCache(site: Site): Promise<Outcome> {
  const { headers, cookies } = await site.ask(JWKS)
  const fix = "let 'Cache-Control: public, max-age=300' of the kit through, and set no cookie there"
  if (cookies.length > 0) return found('warning', 'the answer sets a cookie', fix)
  const control = headers['cache-control'] ?? ''
  const age = Number(/(?:^|[\s,])max-age="?(\d+)/i.exec(control)?.[1] ?? 0)
  if (age === 0 || /no-store|no-cache|private/i.test(control)) {
    return found('warning', `Cache-Control is ${quote(control)}`, fix)
  }
  if (age > DAY) return found('warning', `it may be kept for ${age} seconds, more than a day`, fix)
  return fine(`it may be kept for ${age} seconds`)
}
