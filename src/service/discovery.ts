// Where an issuer's keys are, and where it can be asked, by its metadata. RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4.

import { describe } from '../describe.ts'
import { describeUrl, fetchJson, type FetchLimits, isSafeUrl } from '../fetch-json.ts'

/** The metadata says something that cannot be right: a mistake in the configuration, or somebody else's document. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError'
}

const MAX_BYTES = 64 * 1024

/**
 * Finds one of an issuer's addresses.
 *
 * @throws MetadataError when the document is another issuer's or names no safe address
 * @throws Error when there is none to be had
 * @see https://www.rfc-editor.org/rfc/rfc8414#section-3.3
 */
export async function discover(
  issuer: string,
  member: 'jwks_uri' | 'introspection_endpoint',
  limits: Omit<FetchLimits, 'maxBytes'>,
): Promise<string> {
  const statuses: number[] = []
  for (const url of toMetadataUrls(issuer)) {
    const { status, json } = await fetchJson(url, { ...limits, maxBytes: MAX_BYTES })
    if (json !== undefined) return readAddress(json, issuer, member)
    statuses.push(status)
  }
  throw new Error(`the issuer's metadata was answered with ${statuses.join(' and ')}`)
}

function toMetadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname === '/' ? '' : pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]
}

function readAddress(metadata: unknown, issuer: string, member: string): string {
  const { issuer: named, [member]: address } = Object(metadata) as Readonly<Record<string, unknown>>
  if (named !== issuer) {
    throw new MetadataError(
      `issuer: expected what the issuer's metadata says to the letter, got ${describe(issuer)}, where it says ${describe(named)}`,
    )
  }
  // From an issuer elsewhere this machine is not the place to look.
  const isSafe = isSafeUrl(address) && (isHttps(address) || !isHttps(issuer))
  if (isSafe) return address
  throw new MetadataError(
    `issuer: expected one whose metadata has an https ${member}, got ${describeUrl(address)} there`,
  )
}

function isHttps(url: string): boolean {
  return new URL(url).protocol === 'https:'
}
