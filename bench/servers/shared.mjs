// What the servers share: the user they all answer, the token that all of them take which take tokens, and cookies.

import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

import { importJWK, SignJWT } from 'jose'

export const ISSUER = 'https://app.example'
export const USER = 'u-4711'

/** Behind a TLS proxy, as in production. Every request of the bench says so. */
const PROXIED = { 'X-Forwarded-Proto': 'https' }

/** The server of a Koa app. */
export const serveKoa = (app) => createServer(app.callback())

/** What a server without credentials is asked: nothing, and there is nothing to refuse. */
export const anonymous = async () => ({ good: {}, bad: [] })

/** The key as PEM and as KeyObjects. */
export function readKey(jwk) {
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  const publicKey = createPublicKey(privateKey)
  return { publicKey, publicPem: publicKey.export({ type: 'spki', format: 'pem' }) }
}

const id = () => randomBytes(16).toString('base64url')

/** A token with the claims that the kit's have. */
export async function signToken(jwk) {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: ISSUER, sub: USER, aud: ISSUER, client_id: ISSUER, exp: now + 3600, iat: now, auth_time: now }
  return new SignJWT({ ...claims, jti: id(), sid: id(), roles: ['reader'], fgp: randomBytes(32).toString('base64url') })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: jwk.kid })
    .sign(await importJWK(jwk, 'ES256'))
}

/** The credentials of a server that takes tokens. */
export function bearerOf(jwk) {
  return async () => {
    const good = { Authorization: `Bearer ${await signToken(jwk)}` }
    return { good, bad: [{}, { Authorization: breakToken(good.Authorization) }] }
  }
}

/** The credentials of a server that sets cookies where `POST /login` is answered. */
export async function cookiesOf(base) {
  const good = { Cookie: readCookies(await fetch(`${base}/login`, { method: 'POST', headers: PROXIED })) }
  return { good, bad: [{}, { Cookie: good.Cookie.replace(/=[^;]{8}/, '=AAAAAAAA') }] }
}

/** The cookies that an answer sets, as a browser sends them back. */
export function readCookies(response) {
  const cookies = response.headers.getSetCookie().map((line) => line.split(';')[0])
  if (cookies.length === 0) throw new Error(`no cookie was set: ${response.status}`)
  return cookies.join('; ')
}

/** The same with another signature. */
export function breakToken(token) {
  return token.slice(0, -8) + (token.endsWith('AAAAAAAA') ? 'BBBBBBBB' : 'AAAAAAAA')
}

/** Logs in with JSON and answers the response. */
export const postLogin = (base, body) =>
  fetch(`${base}/auth/login`, {
    method: 'POST',
    headers: { ...PROXIED, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
