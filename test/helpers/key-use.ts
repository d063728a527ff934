// Uses a key the way an application does: one kit signs with it, another one verifies what it signed.

import type { ExecutionContext } from 'ava'

import { createKeySet, type Key } from '../../src/index.ts'
import { createTestApp, privateJwk } from './app.ts'
import { headerOf } from './decode.ts'

/** Logs in and calls a protected route with what the key signed. */
export async function assertSigns(t: ExecutionContext, key: Key): Promise<void> {
  const app = await createTestApp({ keys: await createKeySet({ keys: [key] }) })
  try {
    const { token, cookie } = await app.login()
    t.like(headerOf(token), { alg: key.alg, kid: key.kid, typ: 'at+jwt' })
    t.is((await app.me(token, cookie)).status, 200)
    t.is((await app.me(token.slice(0, -8) + 'AAAAAAAA', cookie)).status, 401)
    t.is(app.handled.count, 1)
  } finally {
    await app.close()
  }
}

/** A kit that signs with another key, and has this one to verify with, accepts what the private half signed. */
export async function assertVerifies(t: ExecutionContext, publicKey: Key, privateKey: Key): Promise<void> {
  const signer = await createTestApp({ keys: await createKeySet({ keys: [privateKey] }) })
  const verifier = await createTestApp({
    keys: await createKeySet({ keys: [privateJwk, publicKey] }),
    withSession: false,
  })
  try {
    const { token, cookie } = await signer.login()
    t.is((await verifier.me(token, cookie)).status, 200)
    t.is((await verifier.me(token.slice(0, -8) + 'AAAAAAAA', cookie)).status, 401)
  } finally {
    await signer.close()
    await verifier.close()
  }
}
