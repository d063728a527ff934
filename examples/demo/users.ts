// Who may log in. Passwords are kept as salted scrypt hashes, and an unknown user takes as long as a wrong password.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

interface PasswordHash {
  readonly salt: Buffer
  readonly key: Buffer
}

// OWASP Password Storage Cheat Sheet: one of its least settings, and one that fits node's memory limit.
const COST = { N: 2 ** 14, r: 8, p: 5 } as const
const BYTES = 32

/** Makes the check from passwords by user name. */
export async function createPasswordCheck(
  passwords: Readonly<Record<string, string>>,
): Promise<(username: unknown, password: unknown) => Promise<boolean>> {
  const entries = Object.entries(passwords).map(async ([name, password]) => [name, await hash(password)] as const)
  const hashes = new Map<unknown, PasswordHash>(await Promise.all(entries))
  const dummy = await hash(randomBytes(BYTES).toString('base64url'))

  return async function checkPassword(username, password) {
    const known = hashes.get(username)
    const { salt, key } = known ?? dummy
    const isRight = timingSafeEqual(await derive(typeof password === 'string' ? password : '', salt), key)
    return isRight && known !== undefined
  }
}

async function hash(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16)
  return { salt, key: await derive(password, salt) }
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, BYTES, COST, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}
